"""The teleoperation screen with real widgets and mouse events, on records written by the test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.app.theme import apply_theme
from studio.core.records import Driver, PairState
from studio.ipc.slot import SlotReader
from tests.patience import PATIENCE_S
from tests.plugins.feed import Feed, connect, make_screen, run
from tests.plugins.recording import write_dataset


@pytest.fixture
def panel(feed: Feed, qtbot: QtBot, qapp: QApplication) -> Iterator[Any]:
    apply_theme(qapp, "dark")
    host, _, shown = make_screen(feed, "teleop")
    qtbot.addWidget(shown)
    shown.resize(1364, 824)
    shown.show()
    connect(feed, shown)
    yield shown
    shown.close()
    host.close()


def show_page(panel: Any, feed: Feed, index: int) -> None:
    """Records until a page is on top: on a busy machine they stop for so long that the link counts as lost."""
    end_s = time.monotonic() + PATIENCE_S
    while panel.pages.currentIndex() != index:
        assert time.monotonic() < end_s, f"page {index} did not come"
        run(feed, panel, 0.1)


def test_states_choose_page_band_and_the_one_primary_button(panel: Any, feed: Feed) -> None:
    assert panel.band.word_label.text() == "Disabled" and panel.pages.currentIndex() == 0
    assert panel.idle.engage.isEnabled() and not panel.band.take.isVisible()
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    run(feed, panel)
    assert panel.band.word_label.text() == "Engaged" and panel.band.state == "engaged"
    assert panel.pages.currentIndex() == 1
    assert panel.band.take.button.text() == "Record" and panel.band.take.isVisible()
    assert all(card.isVisible() for card in panel.overlay.cards)
    feed.set_state(PairState.HOLDING, Driver.OPERATOR)
    run(feed, panel)
    assert panel.pages.currentIndex() == 0 and not panel.band.take.isVisible()


def test_numbers_curves_and_cards_follow_the_records(panel: Any, feed: Feed) -> None:
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    feed.record["contact_force_n"][0] = [(3.0, 4.0, 0.0), (0.0, 0.0, 14.0)]
    feed.record["follower_torque_nm"][0, 1] = 1.4
    feed.record["energy_left_j"] = 0.005
    run(feed, panel, 0.6)
    assert panel.overlay.cards[0].force_n == pytest.approx(5.0) and panel.overlay.cards[1].force_n == pytest.approx(
        14.0
    )
    assert panel.run.torque_bars.follower_nm[1] == pytest.approx(1.4)
    assert panel.run.stability.word.text() == "Watch it"
    assert panel.force_plot.top == 20.0  # grown at once, 1-2-5
    times, values = panel.force_plot.items[1].getData()
    assert times[-1] == pytest.approx(0.0, abs=1e-6) and values[-1] == pytest.approx(14.0)
    _, torque = panel.torque_plot.items[0].getData()
    assert torque[-1] == pytest.approx(1.4)
    show_page(panel, feed, 1)
    QTest.mouseClick(panel.run.torque_bars, Qt.MouseButton.LeftButton, pos=QPoint(20, 3 * 24 + 10))
    assert panel.torque_plot.note_label.text() == "N·m, L4 wrist"
    before = panel.torque_plot.history.window(panel.torque_plot.history.newest_s)[0]
    assert len(before) > 10, "choosing a joint keeps the last ten seconds of it"
    run(feed, panel, 0.2)
    assert panel.torque_plot.items[0].getData()[1][-1] == pytest.approx(0.0)


def test_dragging_a_ring_writes_the_hands_slot(panel: Any, feed: Feed) -> None:
    slot = SlotReader(feed.session.folder.slot_path("hands"))
    view = panel.view
    start = view.to_pixel(view.hand_position_m(0)).toPoint()
    QTest.mousePress(view.canvas.surface, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(view.canvas.surface, start + QPoint(30, 12))
    value = slot.read()
    assert value is not None and value["hand_active"].tolist() == [1, 0]
    np.testing.assert_allclose(value["hand_target_m"][0], view.dragged_m, atol=1e-9)
    QTest.mouseRelease(view.canvas.surface, Qt.MouseButton.LeftButton, pos=start + QPoint(30, 12))
    value = slot.read()
    assert value is not None and value["hand_active"].tolist() == [0, 0]
    slot.close()


def test_sliders_and_schemes_write_the_coupling_and_both_pages_show_it(panel: Any, feed: Feed) -> None:
    idle, whole = panel.idle.coupling, panel.run.coupling
    slot = SlotReader(feed.session.folder.slot_path("coupling"))
    slider = whole.sliders["stiffness_nm_rad"].slider
    slider.setValue(slider.maximum())
    assert panel.model.coupling.values["stiffness_nm_rad"] == pytest.approx(90.0)
    assert idle.sliders["stiffness_nm_rad"].row.value_label.text() == "90 N·m/rad"
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    feed.record["follower_requested_kp_nm_rad"], own = 60.0, feed.robot.damping_nm_s_rad
    feed.record["follower_requested_kd_nm_s_rad"] = own
    run(feed, panel)
    assert whole.in_force.text() != "Position–position", "control still uses 60"
    feed.record["follower_requested_kp_nm_rad"] = 90.0
    run(feed, panel)
    assert whole.in_force.text() == "Position–position"
    QTest.mouseClick(whole.schemes.buttons["4-channel"], Qt.MouseButton.LeftButton)
    value = slot.read()
    assert value is not None and int(value["scheme"]) == 3 and idle.schemes.current() == "4-channel"
    assert not slider.isEnabled() and whole.sliders["disturbance_cutoff_hz"].isVisibleTo(whole)
    run(feed, panel)
    assert whole.in_force.text() != "4-channel", "the record says what is in force"
    feed.record["coupling_scheme"], feed.record["tank_energy_j"] = 3, [0.5, 0.1]
    run(feed, panel)
    assert whole.in_force.text() == "4-channel" and panel.run.stability.tank.isVisible()
    assert panel.run.stability.word.text() == "Watch it" and "L 0.50, R 0.10 J" in panel.run.stability.tank.note.text()
    QTest.mouseClick(panel.foot.clutch, Qt.MouseButton.LeftButton)
    value = slot.read()
    assert value is not None and int(value["clutch_open"]) == 1
    slot.close()


def test_the_machine_is_told_from_the_record(panel: Any, feed: Feed) -> None:
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    feed.record["leader_temperature_c"][0, 5], feed.record["bus_load"] = 63.0, 0.51
    feed.record["vibration_rad_s"] = [0.1, 0.9]
    run(feed, panel)
    QTest.mouseClick(panel.run.tabs.buttons["Machine"], Qt.MouseButton.LeftButton)
    assert panel.run.machine.isVisible() and not panel.run.coupling.isVisible()
    rows = {key: row.value_label.text() for key, row in panel.run.machine.rows.items()}
    assert rows["warmest"] == "R2 leader 63 °C" and rows["bus"] == "51 % of 70" and rows["sound"] == "off"
    assert rows["scale"] == "× 1.00, closed"
    assert panel.run.stability.word.text() == "Shakes" and "0.90 rad/s" in panel.run.stability.vibration.note.text()


def test_a_silent_motor_has_no_numbers_and_its_curve_ends(panel: Any, feed: Feed) -> None:
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    feed.record["follower_torque_nm"][0, 1] = 1.0
    run(feed, panel)
    assert np.isfinite(panel.torque_plot.items[0].getData()[1][-1])
    feed.record["leader_reply_age_s"][0, 1] = 0.05
    run(feed, panel)
    assert panel.run.torque_bars.stale.tolist() == [False, True] + [False] * 6
    assert np.isfinite(panel.torque_plot.items[0].getData()[1][-1]), "the follower still answers"
    assert np.isnan(panel.torque_plot.items[1].getData()[1][-1])


def test_without_new_records_everything_is_said_to_be_old(panel: Any, feed: Feed) -> None:
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    feed.record["contact_force_n"][0] = [(3.0, 4.0, 0.0), (0.0, 0.0, 14.0)]
    run(feed, panel)
    end_s = time.monotonic() + PATIENCE_S
    rows: dict[str, str] = {}
    in_force = panel.idle.coupling.in_force
    while panel.band.word_label.text() != "Lost" or rows["Control loop"] != "silent" or in_force.text() != "unknown":
        assert time.monotonic() < end_s, "the loss was not shown"
        feed.session.poll()
        panel.tick(time.monotonic())
        QApplication.processEvents()
        rows = {check.name: check.value for check in panel.idle.gate.checks}
        time.sleep(0.01)
    assert panel.band.dead_man.word == "Unknown" and not any(card.isVisible() for card in panel.overlay.cards)
    assert rows["Motors answer"] == rows["Temperatures"] == "unknown"
    assert not panel.idle.engage.isEnabled()
    times, _ = panel.force_plot.items[0].getData()
    assert times[-1] < -0.2, "the curve has run out"
    run(feed, panel, 0.6)
    assert panel.band.word_label.text() == "Engaged" and panel.overlay.cards[1].force_n == pytest.approx(14.0)


def test_what_is_waited_for_stands_large_over_the_view(panel: Any, feed: Feed) -> None:
    card, model = panel.overlay.wait, panel.model
    assert not card.isVisible()
    feed.record["leader_position_rad"][0, 1] += 0.4
    feed.set_state(PairState.ALIGNING, Driver.HOLD)
    run(feed, panel)
    assert card.isVisible() and (card.wait.number, card.wait.unit) == ("23°", "at L2")
    feed.record["leader_position_rad"][0, 1] -= 0.4
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    model.count_down.begin(time.monotonic(), 3600.0)
    run(feed, panel)
    assert card.isVisible() and card.wait.title == "The take begins in"
    model.count_down.cancel()
    run(feed, panel)
    assert not card.isVisible()
    model.clock.count(True, 1801.0)
    run(feed, panel)
    assert card.isVisible() and card.wait.title == "Rest: block 1 of 4 is played"


def test_buttons_run_their_commands(panel: Any, feed: Feed) -> None:
    ran: list[str] = []
    feed.studio.commands.ran.connect(ran.append)
    asked: list[str] = []
    feed.session.request = lambda name, **_: asked.append(name)  # type: ignore[method-assign]
    QTest.mouseClick(panel.idle.engage, Qt.MouseButton.LeftButton)
    assert ran == ["teleop.engage"] and asked == ["driver", "engage"]
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    run(feed, panel)
    assert not panel.foot.take_buttons[0].isEnabled()
    feed.studio.state.recording.on = True
    run(feed, panel, 0.2)
    assert panel.foot.take_buttons[0].isEnabled() and panel.band.take.button.text() == "Stop take"


def test_fault_is_ringed_shaded_and_has_three_steps(panel: Any, feed: Feed) -> None:
    feed.record["pair_state"] = [PairState.FAULT, PairState.HOLDING]
    feed.record["fault_code"], feed.record["fault_joint"] = [1, 0], [2, -1]
    feed.record["follower_reply_age_s"][0, 2] = 0.0125
    run(feed, panel, 0.6)
    assert panel.pages.currentIndex() == 2
    assert panel.view.canvas.failed_joints == {2}
    assert panel.fault.steps[1].title.text() == "Check the cable of L3"
    assert "12.5 ms" in panel.view._labels["fault"][0].text()
    assert len(panel.force_plot._fault_parts) == 3
    assert panel.torque_plot.note_label.text() == "N·m, L3 elbow"
    assert panel.fault.clear.isEnabled()
    feed.set_state(PairState.DISABLED)
    run(feed, panel, 0.6)
    assert panel.pages.currentIndex() == 0 and not panel.view.canvas.failed_joints
    assert not panel.force_plot._fault_parts and "fault" not in panel.view._labels


def test_folding_panels_leaves_band_and_view(panel: Any) -> None:
    panel.toggle_panels()
    assert not panel.side.isVisible() and panel.band.isVisible() and panel.view.isVisible()
    panel.toggle_panels()
    assert panel.side.isVisible()


@pytest.mark.parametrize("name", ["light", "dark"])
def test_theme_can_be_switched_while_it_runs(panel: Any, feed: Feed, qapp: QApplication, name: str) -> None:
    apply_theme(qapp, name)
    run(feed, panel, 0.3)
    image = panel.grab().toImage()
    ground = image.pixelColor(image.width() - 4, image.height() - 4)
    assert (ground.lightness() > 128) == (name == "light")
    apply_theme(qapp, "dark")


def test_while_a_planner_drives_the_primary_button_takes_over(panel: Any, feed: Feed) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    feed.session.request = lambda name, **values: asked.append((name, values))  # type: ignore[method-assign]
    feed.set_state(PairState.ENGAGED, Driver.PLANNER)
    run(feed, panel, 0.6)
    assert panel.run.take_over.isVisible() and not panel.band.take.isVisible()
    QTest.mouseClick(panel.run.take_over, Qt.MouseButton.LeftButton)
    assert ("driver", {"driver": int(Driver.OPERATOR)}) in asked
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    run(feed, panel, 0.6)
    assert not panel.run.take_over.isVisible() and panel.band.take.isVisible()


def test_see_the_two_seconds_stands_still_and_goes_live_again(panel: Any, feed: Feed) -> None:
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    run(feed, panel, 0.5)
    feed.record["pair_state"] = [PairState.FAULT, PairState.HOLDING]
    feed.record["fault_code"], feed.record["fault_joint"] = [1, 0], [2, -1]
    feed.record["follower_reply_age_s"][0, 2] = 0.0125
    end_ns = time.monotonic_ns() + 550_000_000
    feed.write(220, end_ns=end_ns)  # the fault and the half second after it, whatever the machine does
    panel.tick(time.monotonic())
    while time.monotonic_ns() < end_ns:
        time.sleep(0.01)
    run(feed, panel, 0.3)
    show_page(panel, feed, 2)
    QTest.mouseClick(panel.fault.see, Qt.MouseButton.LeftButton)
    end_s = time.monotonic() + PATIENCE_S
    while not panel.force_plot.items[0].getData()[0][-1] > 0.05:  # live, nothing lies after now
        assert time.monotonic() < end_s, "the curves did not stand still"
        run(feed, panel, 0.1)
    run(feed, panel, 0.5)  # until all of the half second after is there
    still = panel.force_plot.items[0].getData()[0].copy()
    run(feed, panel, 0.3)
    np.testing.assert_array_equal(panel.force_plot.items[0].getData()[0], still)
    assert still[0] < -0.1 and still[-1] <= 0.51
    QTest.mouseClick(panel.fault.save, Qt.MouseButton.LeftButton)
    end_s = time.monotonic() + PATIENCE_S
    while panel.model.incident_path is None and time.monotonic() < end_s:
        run(feed, panel, 0.1)
    assert panel.fault.save.text() == "Open in Replay"
    assert (panel.model.incident_path / "episode.json").exists()
    feed.record["fault_code"], feed.record["fault_joint"] = [0, 0], [-1, -1]
    feed.set_state(PairState.DISABLED)
    run(feed, panel, 0.6)
    assert panel.force_plot.note_label.text() == "N, both hands, last 10 s" and not panel.fault.see.isChecked()


def test_nothing_is_felt_while_motors_are_off(panel: Any, feed: Feed) -> None:
    feed.record["contact_force_n"][0] = [(3.0, 4.0, 0.0), (0.0, 0.0, 14.0)]
    run(feed, panel, 0.4)
    assert np.max(panel.force_plot.items[0].getData()[1]) == 0.0


def test_a_take_to_feel_waits_behind_engage(panel: Any, feed: Feed) -> None:
    folder = write_dataset(feed.studio.project.dataset_path, 1, seconds=2.0, cameras=())[0].path
    assert not panel.feel.isVisible()
    panel.open(take=str(folder))
    end_s = time.monotonic() + PATIENCE_S
    while panel.model.player.path is None and time.monotonic() < end_s:
        run(feed, panel, 0.1)
    run(feed, panel, 0.3)
    assert panel.feel.isVisible() and panel.feel.title.text() == "Feel episode 1, 2 s"
    assert panel.feel.fact.text() == "Engage the arms first." and not panel.feel.play.isEnabled()
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    run(feed, panel, 0.4)
    slot = SlotReader(feed.session.folder.slot_path("hands"))
    QTest.mouseClick(panel.feel.play, Qt.MouseButton.LeftButton)
    run(feed, panel, 0.3)
    value = slot.read()
    assert value is not None and value["hand_active"].tolist() == [1, 1]
    assert panel.feel.play.text() == "Let go"
    feed.set_state(PairState.HOLDING, Driver.OPERATOR)
    run(feed, panel, 0.4)
    value = slot.read()
    assert value is not None and value["hand_active"].tolist() == [0, 0], "Hold lets go of the hands"
    QTest.mouseClick(panel.feel.close_button, Qt.MouseButton.LeftButton)
    assert not panel.feel.isVisible()
    slot.close()


def test_the_dead_man_is_said(panel: Any, feed: Feed) -> None:
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    feed.record["dead_man"] = 1
    run(feed, panel, 0.4)
    said = panel.band.dead_man.word
    assert said == ("Latched" if feed.robot.dead_man_latched else "Held")
