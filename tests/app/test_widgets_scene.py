"""The 3-D view: kinematics, camera, pictures and the mouse as a hand, with real events under a real X server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.app.theme import apply_theme, theme
from studio.app.widgets import scene_line, scene_mesh
from studio.app.widgets.scene3d import RobotView
from studio.app.widgets.scene_camera import VIEWS, on_plane
from studio.app.widgets.scene_drawer import attach_view, detach_view, scene_drawer
from studio.core.task import Goal, load_task
from studio.robot.description import load_robot
from studio.robot.kinematics import Kinematics
from tests.patience import PATIENCE_S

ROBOT, TASK = load_robot(), load_task("move_box")
GOAL = Goal(position_m=(0.05, -0.05, 0.05), orientation_xyzw=(0.0, 0.0, 0.0, 1.0))


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[RobotView]:
    apply_theme(qapp, "dark")
    shown = RobotView(ROBOT, TASK)
    qtbot.addWidget(shown)
    shown.resize(900, 520)
    shown.show()
    qtbot.waitExposed(shown)
    assert shown.works
    yield shown
    shown.close()


def pixel(view: RobotView, place_m: object) -> QPoint:
    return view.to_pixel(np.asarray(place_m, dtype=np.float64)).toPoint()


def picture(view: RobotView) -> QImage:
    """What is shown, without the bar at the top, whose frame rate changes by itself."""
    QApplication.processEvents()
    view.finish_drawing()
    return view.grab().toImage().copy(0, 44, view.width(), view.height() - 44)


def has_colour(image: QImage, colour: QColor, tolerance: int = 22, least: int = 40) -> bool:
    """Whether at least that many pixels have about this hue (shading changes the brightness only)."""
    small = image.convertToFormat(QImage.Format.Format_RGB888)
    raw = np.frombuffer(small.constBits(), np.uint8).reshape(small.height(), small.bytesPerLine())
    rgb = raw[:, : small.width() * 3].reshape(small.height(), small.width(), 3).astype(np.float64)
    wanted = np.array([colour.red(), colour.green(), colour.blue()], dtype=np.float64)
    scaled = rgb / np.maximum(rgb.max(axis=-1, keepdims=True), 1) * wanted.max()
    bright = rgb.max(axis=-1) > 70
    return int((bright & (np.abs(scaled - wanted).max(axis=-1) < tolerance)).sum()) >= least


# ---- without a window ---------------------------------------------------------------------------------------------


def test_tips_agree_with_the_robot_package() -> None:
    kinematics = Kinematics(ROBOT)
    rng = np.random.default_rng(0)
    for _ in range(20):
        q = rng.uniform(-1.5, 1.5, 8)
        drawn = scene_mesh.tips_from_transforms(ROBOT, scene_mesh.arm_transforms(ROBOT, q))
        np.testing.assert_allclose(drawn, kinematics.tip_positions(q), atol=1e-6)


def test_mesh_has_unit_normals_that_point_outwards() -> None:
    ball = scene_mesh.sphere(0.02)
    body = scene_mesh.robot_mesh(ROBOT, box_size_m=0.1, tip_radius_m=0.018)
    lengths = np.linalg.norm(body.normals, axis=1)
    assert np.abs(lengths - 1).max() < 1e-4
    assert (np.einsum("ij,ij->i", ball.points_m, ball.normals) > 0).all()
    assert body.triangles.max() < len(body.points_m)
    assert set(np.unique(body.parts)) == set(range(11))


def test_tags_of_the_six_faces_differ() -> None:
    cells = [scene_mesh.tag_cells(face) for face in range(6)]
    assert all((a != b).any() for i, a in enumerate(cells) for b in cells[i + 1 :])
    assert not cells[0][0].any() and cells[0][1, 1:9].all()  # light margin, dark frame


@pytest.mark.parametrize("name", list(VIEWS))
def test_a_ray_through_a_pixel_comes_back_to_the_place(name: str) -> None:
    camera, size = VIEWS[name], (900.0, 520.0)
    place = np.array([0.03, -0.04, 0.06])
    x, y, depth = camera.project(place, *size)
    origin, direction = camera.ray(x, y, *size)
    np.testing.assert_allclose(origin + direction * np.linalg.norm(place - origin), place, atol=1e-9)
    assert 0 < x < 900 and 0 < y < 520 and depth > 0


def test_a_plane_behind_the_eye_is_not_hit() -> None:
    up = np.array([0.0, 0.0, 1.0])
    assert on_plane(np.array([0, 0, 1.0]), up, np.zeros(3), up) is None
    np.testing.assert_allclose(on_plane(np.array([0, 0, 1.0]), -up, np.zeros(3), up), 0)


def test_dashes_cover_the_line_in_pieces() -> None:
    batch = scene_line.LineBatch()
    batch.add_dashes([[0, 0, 0], [1, 0, 0]], 0.1, 0.1, 2.0, (1, 1, 1, 1))
    vertices = batch.vertices()
    assert len(vertices) == 5 * 4
    starts, ends = vertices["a_here"][0::4], vertices["a_here"][2::4]
    assert np.linalg.norm(ends - starts, axis=1).sum() == pytest.approx(0.5, abs=1e-6)


# ---- pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dark", "light"])
def test_arms_box_and_goal_are_drawn_in_token_colours(view: RobotView, qapp: QApplication, name: str) -> None:
    apply_theme(qapp, name)
    view.set_view("Free")
    image = picture(view)
    for joint in (0, 1, 4, 5):
        assert has_colour(image, theme().joint(joint)), f"joint {joint} is not to be seen"
    before = image
    view.set_goal(GOAL, tolerance_m=0.015)
    after = picture(view)
    assert after != before
    view.set_goal(None)
    assert picture(view) == before
    apply_theme(qapp, "dark")


def test_fan_is_one_batch_and_brightest_where_the_return_is_best(view: RobotView) -> None:
    ends = np.linspace(-0.1, 0.1, 150)
    paths = np.zeros((150, 9, 3))
    paths[:, :, 1] = np.linspace(0, 1, 9) * ends[:, None]
    paths[:, :, 2] = 0.05
    returns = -np.abs(ends - 0.1)
    returns[3] = np.nan
    view.set_fan(paths, returns)
    assert len(view.canvas.still_lines.blocks) == 1
    colours = view.canvas.still_lines.blocks[0]["a_colour"]
    assert len(colours) == 140 * 8 * 4  # the best 140, the broken one left out
    near = np.array(theme().ramp(1.0).getRgbF()[:3])
    np.testing.assert_allclose(colours[-1, :3], near, atol=0.01)
    assert colours[-1, 3] > colours[0, 3]
    assert has_colour(picture(view), theme().ramp(1.0), least=15)
    view.set_fan(None)
    assert not view.canvas.still_lines.blocks


def test_a_failed_joint_turns_to_the_fault_colour(view: RobotView) -> None:
    assert not has_colour(picture(view), theme().colour("state.fault"))
    view.set_fault(frozenset({2}))
    assert has_colour(picture(view), theme().colour("state.fault"))
    view.set_fault(frozenset())
    assert not has_colour(picture(view), theme().colour("state.fault"))


def test_force_arrow_appears_above_a_small_force(view: RobotView) -> None:
    tip = view.hand_position_m(0)
    view.set_force(0, tip, (0.0, 0.1, 0.0))
    quiet = picture(view)
    view.set_force(0, tip, (0.0, 6.0, 2.0))
    assert picture(view) != quiet
    view.eye_button.setChecked(False)
    assert picture(view) == quiet


# ---- mouse --------------------------------------------------------------------------------------------------------


def press(view: RobotView, place: QPoint, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.mousePress(view.canvas.surface, Qt.MouseButton.LeftButton, modifiers, place)


def release(view: RobotView, place: QPoint) -> None:
    QTest.mouseRelease(view.canvas.surface, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)


def test_dragging_a_ring_moves_that_hand_in_the_view_plane(view: RobotView, qtbot: QtBot) -> None:
    seen: list[tuple[int, np.ndarray, bool]] = []
    view.hand_dragged.connect(lambda pair, place, active: seen.append((pair, place, active)))
    start_m = view.hand_position_m(1)
    start = pixel(view, start_m)
    press(view, start)
    end = start + QPoint(60, -30)
    QTest.mouseMove(view.canvas.surface, end)
    release(view, end)
    assert [active for *_, active in seen] == [True, True, False]
    assert {pair for pair, *_ in seen} == {1}
    moved = seen[-1][1]
    assert (pixel(view, moved) - end).manhattanLength() <= 2
    assert abs((moved - start_m) @ view.camera.forward()) < 1e-6
    assert np.linalg.norm(moved - start_m) > 0.02


def test_wheel_moves_a_held_hand_in_depth_and_zooms_otherwise(view: RobotView) -> None:
    seen: list[np.ndarray] = []
    view.hand_dragged.connect(lambda pair, place, active: seen.append(place))
    start_m = view.hand_position_m(0)
    place = pixel(view, start_m)
    press(view, place)
    _wheel(view, place, 3)
    forward = view.camera.forward()
    np.testing.assert_allclose(seen[-1] - start_m, 0.03 * forward, atol=1e-9)
    release(view, place)
    before = view.camera.distance_m
    _wheel(view, place, 1)
    assert view.camera.distance_m == pytest.approx(0.9 * before)


def _wheel(view: RobotView, place: QPoint, notches: int) -> None:
    at = QPointF(place)
    event = QWheelEvent(
        at, view.canvas.surface.mapToGlobal(at), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view.canvas.surface, event)


def test_shift_drag_moves_a_hand_straight_up(view: RobotView, qtbot: QtBot) -> None:
    seen: list[np.ndarray] = []
    view.hand_dragged.connect(lambda pair, place, active: seen.append(place))
    start_m = view.hand_position_m(0)
    start = pixel(view, start_m)
    press(view, start)
    end = QPointF(start + QPoint(25, -40))
    event = QMouseEvent(
        QMouseEvent.Type.MouseMove, end, view.canvas.surface.mapToGlobal(end), Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier,
    )  # fmt: skip
    QApplication.sendEvent(view.canvas.surface, event)
    moved = seen[-1] - start_m
    assert moved[2] > 0.01
    np.testing.assert_allclose(moved[:2], 0, atol=1e-9)
    release(view, end.toPoint())


def test_dragging_elsewhere_orbits_and_a_click_hits_the_table(view: RobotView, qtbot: QtBot) -> None:
    hits: list[np.ndarray] = []
    view.table_clicked.connect(hits.append)
    wanted = np.array([0.05, 0.06, 0.0])
    QTest.mouseClick(view.canvas.surface, Qt.MouseButton.LeftButton, pos=pixel(view, wanted))
    assert len(hits) == 1
    np.testing.assert_allclose(hits[0], wanted, atol=0.004)
    before = view.camera
    press(view, QPoint(60, 300))
    QTest.mouseMove(view.canvas.surface, QPoint(120, 330))
    release(view, QPoint(120, 330))
    assert len(hits) == 1
    assert view.camera.azimuth_rad != before.azimuth_rad and view.camera.elevation_rad > before.elevation_rad
    assert view.segments.current() == "Free"


def test_goal_is_dragged_over_the_table_and_turned_by_its_knob(view: RobotView) -> None:
    view.hand_drag_enabled = False
    view.set_goal_edit(True)
    view.set_view("Free")
    view.set_goal(GOAL, tolerance_m=0.015, tolerance_rad=0.35)
    moved: list[tuple[np.ndarray, float]] = []
    view.goal_moved.connect(moved.append)
    start, end = pixel(view, GOAL.position_m), pixel(view, (0.0, 0.06, 0.05))
    press(view, start)
    QTest.mouseMove(view.canvas.surface, end)
    release(view, end)
    np.testing.assert_allclose(moved[-1][0], (0.0, 0.06, 0.05), atol=0.004)
    moved.clear()
    centre = np.array(GOAL.position_m)
    knob = view.goal_handle_m() - centre
    turned = centre + np.array([-knob[1], knob[0], 0.0])
    press(view, pixel(view, view.goal_handle_m()))
    for share in (0.25, 0.5, 0.75, 1.0):
        c, s = np.cos(share * np.pi / 2), np.sin(share * np.pi / 2)
        place = centre + np.array([c * knob[0] - s * knob[1], s * knob[0] + c * knob[1], 0.0])
        QTest.mouseMove(view.canvas.surface, pixel(view, place))
    release(view, pixel(view, turned))
    assert sum(turn for _, turn in moved) == pytest.approx(np.pi / 2, abs=0.05)


def test_views_by_segment(view: RobotView) -> None:
    names: list[str] = []
    view.view_changed.connect(names.append)
    QTest.mouseClick(view.segments.buttons["Top"], Qt.MouseButton.LeftButton)
    assert names == ["Top"] and view.camera == VIEWS["Top"]


def test_notes_stay_inside_the_view(view: RobotView) -> None:
    view.set_note("far", "a note", (0.0, 5.0, 0.0))
    picture(view)
    label = view._labels["far"][0]
    assert view.rect().contains(label.geometry())
    view.set_note("far", "")
    assert "far" not in view._labels


NO_GL = """
from PySide6.QtWidgets import QApplication
app = QApplication([])
from studio.app.widgets.scene3d import RobotView
from studio.core.task import load_task
from studio.robot.description import load_robot
view = RobotView(load_robot(), load_task("move_box"))
view.resize(400, 300); view.show(); app.processEvents()
view.set_arms([0.0] * 8); view.set_fan(None); view.set_view("Top"); view.set_note("a", "b", (0, 0, 0))
print("works", view.works)
print(view.findChild(type(view.layout().itemAt(0).widget())).message.text())
"""


def test_without_opengl_there_is_a_message_instead_of_a_crash() -> None:
    environment = {**os.environ, "QT_XCB_GL_INTEGRATION": "none", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", NO_GL], env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "works False" in done.stdout
    assert "OpenGL" in done.stdout and "Install" in done.stdout


def test_context_and_thread_are_there_when_made_and_gone_with_the_last_view(qapp: QApplication) -> None:
    """Nothing of the context is made or given up while the window's thread is inside Qt; see `SceneDrawer`."""
    view = attach_view()
    drawer = scene_drawer()
    assert drawer.alive and drawer._has_context.is_set()
    detach_view(view)
    assert not drawer.alive
