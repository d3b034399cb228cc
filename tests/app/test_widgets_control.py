"""Controls and small measures: pressed with a real mouse, looked at pixel by pixel where colour is the message."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from studio.app.theme import apply_theme, theme
from studio.app.widgets.band import StateBand
from studio.app.widgets.bars import Blocks, ForceCard, LatencyBars, Meter, OutcomeMarks, TorqueBars, signed
from studio.app.widgets.control import KeyButton, SegmentedControl, ValueSlider
from studio.app.widgets.gate import Check, GateList
from studio.app.widgets.plots import Curve, LimitPlot, LivePlot


@pytest.fixture(autouse=True)
def dark(qapp: QApplication) -> None:
    apply_theme(qapp, "dark")


def shown(qtbot: QtBot, widget: QWidget, width: int, height: int) -> QImage:
    qtbot.addWidget(widget)
    widget.resize(width, height)
    widget.show()
    QApplication.processEvents()
    return widget.grab().toImage()


def count(image: QImage, colour: QColor, tolerance: int = 6) -> int:
    """Pixels of about this colour."""
    rgb = np.frombuffer(image.convertToFormat(QImage.Format.Format_RGB32).constBits(), np.uint8)
    rgb = rgb.reshape(image.height(), image.width(), 4)[..., 2::-1].astype(int)
    wanted = np.array([colour.red(), colour.green(), colour.blue()])
    return int((np.abs(rgb - wanted).max(axis=-1) <= tolerance).sum())


def test_key_button_is_pressed_and_shows_words_and_key(qtbot: QtBot) -> None:
    button = KeyButton("Engage", "E", kind="primary", icon="teleop")
    pressed: list[int] = []
    button.clicked.connect(lambda: pressed.append(1))
    image = shown(qtbot, button, 220, 44)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert pressed == [1] and button.text() == "Engage" and button.accessibleName() == "Engage"
    assert count(image, theme().colour("accent.solid")) > 2000
    assert count(image, theme().colour("accent.on"), 40) > 100
    button.set_words("Hold", "pause", "H")
    assert button.text() == "Hold"
    assert button.grab().toImage() != image


def test_buttons_keep_their_token_heights(qtbot: QtBot) -> None:
    heights = {}
    for kind, size in (("", ""), ("main", ""), ("primary", ""), ("primary", "engage"), ("primary", "normal")):
        button = KeyButton("Go", "E", kind=kind, size=size)
        shown(qtbot, button, 200, 60)
        heights[kind, size] = button.height()
    normal, main, engage = theme().tokens.value("space.button")
    assert heights == {
        ("", ""): normal, ("main", ""): main, ("primary", ""): main, ("primary", "engage"): engage,
        ("primary", "normal"): normal,
    }  # fmt: skip


def test_segments_choose_one(qtbot: QtBot) -> None:
    segments = SegmentedControl(["Front", "Top", "Left"])
    chosen: list[str] = []
    segments.chosen.connect(chosen.append)
    shown(qtbot, segments, 200, 30)
    QTest.mouseClick(segments.buttons["Left"], Qt.MouseButton.LeftButton)
    assert chosen == ["Left"] and segments.current() == "Left"
    segments.choose("Top")
    assert chosen == ["Left"] and segments.current() == "Top"


def test_slider_speaks_its_unit_and_is_silent_when_set(qtbot: QtBot) -> None:
    slider = ValueSlider("Damping", 0.2, 3.0, 0.1, unit="N·m·s/rad", decimals=1)
    values: list[float] = []
    slider.changed.connect(values.append)
    shown(qtbot, slider, 260, 50)
    slider.set_value(1.5)
    assert not values and slider.row.value_label.text() == "1.5 N·m·s/rad"
    QTest.keyClick(slider.slider, Qt.Key.Key_Right)
    assert values == [pytest.approx(1.6)]


def test_band_shows_state_in_its_colours_at_once(qtbot: QtBot) -> None:
    band = StateBand()
    shown(qtbot, band, 1200, 84)
    assert band.height() == 84
    for state, word in (("engaged", "Engaged"), ("fault", "Fault"), ("stopped", "Stopped")):
        band.set_state(state, word, "What is true.", "What happens next.")
        image = band.grab().toImage()
        assert count(image, theme().colour(f"soft.{state}")) > 40_000
        assert count(image, theme().colour(f"state.{state}"), 20) > 500
        assert image.pixelColor(2, 40) == theme().colour(f"state.{state}")
    pressed: list[int] = []
    band.record_pressed.connect(lambda: pressed.append(1))
    band.show_take(False, can_record=True)
    QTest.mouseClick(band.take.button, Qt.MouseButton.LeftButton)
    assert pressed == [1] and band.take.button.text() == "Record" and not band.take.clock.isVisible()
    band.show_take(True, can_record=True)
    assert band.take.button.text() == "Stop take" and band.take.clock.isVisible()
    band.show_take(False, can_record=False)
    assert not band.take.isVisible()


def test_force_card_and_numbers(qtbot: QtBot) -> None:
    card = ForceCard("Left hand", 0)
    before = shown(qtbot, card, 165, 92)
    card.set_force(6.24)
    assert card.grab().toImage() != before and card.accessibleName() == "Left hand 6.2 newton"
    assert count(before, theme().hand(0)) > 60
    assert (signed(1.44), signed(-0.25, 2), signed(-0.01)) == ("+1.4", "−0.25", "+0.0")


def test_torque_bars_grow_to_their_side_and_stop_at_the_end(qtbot: QtBot) -> None:
    bars = TorqueBars([f"L{i}" for i in range(1, 5)], 3.0)
    shown(qtbot, bars, 290, bars.sizeHint().height())
    blue = theme().colour("side.follower")
    lengths = []
    for torque_nm in (0.0, 1.0, 2.0, 9.0, 90.0):
        bars.set_values(np.array([torque_nm, 0, 0, 0]), np.zeros(4), np.full(4, 30.0))
        lengths.append(count(bars.grab().toImage(), blue))
    assert lengths[0] < lengths[1] < lengths[2] < lengths[3] == lengths[4]
    chosen: list[int] = []
    bars.joint_chosen.connect(chosen.append)
    QTest.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(20, 24 * 2 + 8))
    assert chosen == [2]


def test_meter_blocks_and_marks(qtbot: QtBot) -> None:
    meter = Meter("verdict.good", height_px=10)
    shown(qtbot, meter, 200, 12)
    meter.set_share(0.5)
    half = count(meter.grab().toImage(), theme().colour("verdict.good"))
    meter.set_share(7.0)
    assert meter.share == 1.0 and count(meter.grab().toImage(), theme().colour("verdict.good")) > 1.8 * half
    meter.set_share(float("nan"))
    assert meter.share == 0.0
    blocks = Blocks(4)
    shown(qtbot, blocks, 200, 6)
    blocks.set_done(1.5)
    assert count(blocks.grab().toImage(), theme().colour("state.recording")) > 200
    marks = OutcomeMarks()
    shown(qtbot, marks, 320, 20)
    marks.set_outcomes([True, True, False], running=True)
    image = marks.grab().toImage()
    assert count(image, theme().colour("verdict.good")) > 2 * 60
    assert count(image, theme().colour("verdict.poor"), 40) > 20


def test_a_late_plan_is_orange(qtbot: QtBot) -> None:
    bars = LatencyBars(0.1)
    shown(qtbot, bars, 300, 66)
    orange = theme().colour("state.stopped")
    for _ in range(5):
        bars.add(0.06)
    in_time = count(bars.grab().toImage(), orange)
    bars.add(0.15)
    assert count(bars.grab().toImage(), orange) > in_time + 100
    for _ in range(100):
        bars.add(0.06)
    assert len(bars.values_s) == 60


def test_gate_counts_and_offers_the_fix_of_its_row(qtbot: QtBot) -> None:
    gate = GateList()
    pressed: list[str] = []
    gate.fix_pressed.connect(pressed.append)
    gate.set_checks([Check(name="Control loop", value="400 Hz"),
                     Check(name="Recorder", value="ended", verdict="poor", fix="Start again")])  # fmt: skip
    shown(qtbot, gate, 300, 60)
    assert gate.passed == 1 and not gate.rows[0].button.isVisible()
    QTest.mouseClick(gate.rows[1].button, Qt.MouseButton.LeftButton)
    assert pressed == ["Recorder"]
    gate.set_checks([Check(name="Control loop", value="400 Hz"), Check(name="Recorder", value="ready")])
    assert gate.passed == 2 and not gate.rows[1].button.isVisible()


def test_live_plot_draws_follower_solid_and_leader_dashed(qtbot: QtBot) -> None:
    curves = [Curve(name="Follower", colour="side.follower"), Curve(name="Leader", colour="side.leader", dashed=True)]
    plot = LivePlot("Joint torque", "N·m", curves, smallest=2.0, signed=True)
    shown(qtbot, plot, 700, 140)
    t_s = np.arange(4000) * 0.0025
    plot.append(t_s, np.column_stack([np.full(4000, 1.0), np.full(4000, -1.0)]))
    plot.redraw(float(t_s[-1]))
    image = plot.grab().toImage()
    solid = count(image, theme().colour("side.follower"), 30)
    dashed = count(image, theme().colour("side.leader"), 30)
    assert solid > 1000 and 0.3 * solid < dashed < 0.85 * solid
    assert plot.top == 2.0 and plot.plot.spans()[1] == pytest.approx([-2.08, 2.08])
    points = len(plot.items[0].getData()[0])
    assert points <= 2 * plot.plot.box.width() + 4


def test_live_plot_shades_the_two_seconds_before_a_fault(qtbot: QtBot) -> None:
    plot = LivePlot("Contact force", "N", [Curve(name="Left", colour="cat.1")], smallest=10.0)
    shown(qtbot, plot, 700, 140)
    plot.append(np.arange(400) * 0.01, np.ones((400, 1)))
    plot.set_fault(3.0, "fault, 2 s before kept at full rate")
    plot.redraw(4.0)
    span, line, _ = plot._fault_parts
    assert span.getRegion() == pytest.approx((-3.0, -1.0)) and line.value() == pytest.approx(-1.0)
    assert count(plot.grab().toImage(), theme().colour("state.fault"), 20) > 80
    plot.set_fault(None)
    assert not plot._fault_parts


def test_limit_plot_shows_prediction_and_grows_in_time(qtbot: QtBot) -> None:
    plot = LimitPlot("Distance to goal", "mm", smallest=100.0)
    shown(qtbot, plot, 500, 180)
    plot.set_limit(15.0)
    for t_s in range(0, 61, 10):
        plot.add(float(t_s), 370.0 - t_s)
    plot.redraw(([60.0, 61.0], [310.0, 200.0]))
    assert plot.plot.spans()[0] == pytest.approx([0.0, 100.0])
    assert plot.plot.spans()[1][1] == pytest.approx(510.0)
    assert list(plot.items[1].getData()[1]) == [310.0, 200.0]
    plot.begin()
    assert plot.plot.spans()[0] == pytest.approx([0.0, 50.0]) and len(plot.items[0].getData()[0] or []) == 0


def test_everything_follows_a_change_of_theme(qtbot: QtBot, qapp: QApplication) -> None:
    plot = LivePlot("Contact force", "N", [Curve(name="Left", colour="cat.1")], smallest=10.0)
    before = shown(qtbot, plot, 400, 120)
    apply_theme(qapp, "light")
    QApplication.processEvents()
    after = plot.grab().toImage()
    assert count(before, QColor(theme().tokens.hex("dark", "bg.1"))) > 10_000
    assert count(after, QColor(theme().tokens.hex("light", "bg.1"))) > 10_000
