"""Widgets of the planning screens: bands, ghosts, switches."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.app.theme import apply_theme
from studio.app.widgets.band_plot import Band, BandPlot
from studio.app.widgets.scene3d import RobotView
from studio.app.widgets.scene_ghost import BADGE_PX, Ghost, SkillGhosts
from studio.app.widgets.switch import Switch
from studio.core.task import load_task
from studio.robot.description import load_robot


@pytest.fixture(autouse=True)
def dark(qapp: QApplication) -> None:
    apply_theme(qapp, "dark")


def test_the_axis_holds_band_and_what_happened(qtbot: QtBot) -> None:
    plot = BandPlot("Box moves", "mm", smallest=40.0)
    qtbot.addWidget(plot)
    plot.resize(300, 160)
    times = np.linspace(0.0, 2.0, 11)
    assert plot.area.limits() == (2.0, 0.0, 40.0)
    band = Band(times_s=times, middle=10 * times, low=9 * times, high=12 * times, colour="cat.4")
    plot.show_band(band)
    assert plot.area.limits() == pytest.approx((2.0, 0.0, 40.0 * 1.04))
    plot.show_band(band, [(times, 80 * times - 20)])
    assert plot.area.limits() == pytest.approx((2.0, -20.0, 140.0 + 0.04 * 160.0))
    drawn = plot.grab().toImage()
    corner, middle = drawn.pixelColor(2, 155), drawn.pixelColor(200, 110)
    assert corner != middle or drawn.width() == 300


def test_a_switch_is_pressed_anywhere_and_by_keys(qtbot: QtBot) -> None:
    switch = Switch("Tell me")
    qtbot.addWidget(switch)
    switch.resize(240, 28)
    switch.show()
    for x in (10, 120, 232):
        before = switch.isChecked()
        QTest.mouseClick(switch, Qt.MouseButton.LeftButton, pos=QPoint(x, 14))
        assert switch.isChecked() is not before
    QTest.keyClick(switch, Qt.Key.Key_Space)
    assert switch.isChecked() is False
    off = switch.grab().toImage()
    switch.setChecked(True)
    assert switch.grab().toImage() != off


def make_ghost(number: int, end_m: tuple[float, float, float]) -> Ghost:
    path = np.linspace([0.0, 0.0, 0.05], end_m, 11)
    return Ghost(
        number=number,
        path_m=path,
        orientation_xyzw=np.array([0.0, 0.0, 0.0, 1.0]),
        tips_m=np.tile([[0.0, 0.1, 0.1], [0.0, -0.1, 0.1]], (11, 1, 1)),
        joints_rad=np.tile(load_robot().home_rad, (11, 1)),
    )


def test_ghosts_carry_numbers_that_do_not_cover_each_other(qtbot: QtBot) -> None:
    view = RobotView(load_robot(), load_task("move_box"))
    qtbot.addWidget(view)
    view.resize(800, 500)
    view.show()
    qtbot.waitExposed(view)
    if not view.works:
        pytest.skip("no OpenGL on this display")
    ghosts = SkillGhosts(view)
    same = (0.05, 0.05, 0.05)
    ghosts.show([make_ghost(1, same), make_ghost(2, same), make_ghost(3, (-0.05, -0.1, 0.05))], 2)
    boxes = [badge.geometry() for badge in ghosts.badges]
    assert not boxes[0].intersects(boxes[1]) and abs(boxes[0].x() - boxes[1].x()) >= BADGE_PX
    at = view.to_pixel(np.array([-0.05, -0.1, 0.05]))
    assert (boxes[2].center() - at.toPoint()).manhattanLength() < 4
    with_arms = len(view.canvas.fills)
    assert with_arms > 3 * 36
    bare = make_ghost(1, same)
    ghosts.show([Ghost(**{**bare.__dict__, "joints_rad": np.zeros((0, 0))})], 0)
    assert len(view.canvas.fills) == 36 and [badge.isVisible() for badge in ghosts.badges] == [True, False, False]
    ghosts.show([], 0)
    assert len(view.canvas.fills) == 0 and not view.canvas.still_lines.blocks
    view.close()
