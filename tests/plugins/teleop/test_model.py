"""Teleoperation without Qt: the words, the gate, the coupling, the force sound."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import numpy as np
import pytest

from plugins.teleop.clock import SessionClock
from plugins.teleop.coupling import Progress
from plugins.teleop.gate import make_rows
from plugins.teleop.model import TeleopModel
from plugins.teleop.situation import Hold
from plugins.teleop.sound import NO_CARD, RATE_HZ, ForceTone
from plugins.teleop.words import band_words, fault_causes, first_fault, joint_words
from studio.app.host import PluginHost
from studio.core.paths import plugins_dir
from studio.core.records import Driver, PairState
from studio.ipc.messages import Message
from studio.ipc.slot import SlotReader
from tests.patience import PATIENCE_S
from tests.plugins.feed import Feed


@pytest.fixture
def model(feed: Feed) -> Iterator[TeleopModel]:
    host = PluginHost([(plugins_dir(), "here")], feed.studio, entry_points=False)
    host.add_commands()
    yield host.load("teleop")
    host.close()


def connect(feed: Feed) -> np.ndarray:
    feed.write()
    feed.session.monitor._control.look_again()
    feed.write()
    return feed.record[0]


@pytest.mark.parametrize(
    ("state", "driver", "touching", "fact"),
    [
        (PairState.DISABLED, Driver.NOBODY, (False, False), "Motors are off"),
        (PairState.ALIGNING, Driver.OPERATOR, (False, False), "moves to the leader"),
        (PairState.ENGAGED, Driver.OPERATOR, (True, True), "You drive. Both hands touch."),
        (PairState.ENGAGED, Driver.OPERATOR, (False, True), "The right hand touches."),
        (PairState.ENGAGED, Driver.PLANNER, (False, False), "The planner drives."),
        (PairState.HOLDING, Driver.PLANNER, (False, False), "Arms hold where they are."),
        (PairState.HOLDING, Driver.OPERATOR, (False, False), "Arms hold where they are."),
        (PairState.STOPPED, Driver.OPERATOR, (False, False), "Stopped. Motors are off."),
    ],
)
def test_band_says_what_is_true(state: PairState, driver: Driver, touching: tuple[bool, bool], fact: str) -> None:
    said, following = band_words(state, driver, touching, latched=False)
    assert fact in said
    assert following


def test_band_before_and_after_the_loop_is_there(model: TeleopModel, feed: Feed) -> None:
    assert model.band(None).fact == "The control loop does not run."
    feed.session.alive = lambda name: True  # type: ignore[method-assign]
    assert model.band(None).fact == "Starting the loop."
    del feed.session.alive
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    feed.record["contact_force_n"][0, 0] = (3.0, 0.0, 0.0)
    record = connect(feed)
    band = model.band(record)
    assert (band.state, band.word) == ("engaged", "Engaged")
    assert "left hand touches" in band.fact


def test_band_does_not_call_a_scripted_hand_you(model: TeleopModel, feed: Feed) -> None:
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    record = connect(feed)
    assert model.band(record).fact == "You drive. Drag a hand."
    feed.studio.state.link.scripted_hand = True
    assert model.band(record).fact == "A scripted hand drives."
    assert model.band(record).following == "Press H: arms hold here."
    assert feed.studio.state.link.text == "Engaged · scripted hand"
    feed.set_state(PairState.ENGAGED, Driver.PLANNER)
    connect(feed)
    assert feed.studio.state.link.text == "Engaged · planner"


def test_fault_names_side_joint_and_what_the_others_do(model: TeleopModel, feed: Feed) -> None:
    feed.record["pair_state"] = [PairState.FAULT, PairState.HOLDING]
    feed.record["fault_code"], feed.record["fault_joint"] = [1, 0], [2, -1]
    record = connect(feed)
    band = model.band(record)
    assert band.state == "fault"
    assert band.fact == "Left follower, joint 3 stopped answering."
    assert "The right pair holds." in band.following
    assert first_fault(record) == (0, 1, 2)
    assert fault_causes(1) and fault_causes(99)
    assert joint_words("L2", 1) == "L2 shoulder"


def test_gate_rows_follow_the_record(model: TeleopModel, feed: Feed) -> None:
    silent = {row.name: row for row in make_rows(feed.studio, None, 0.0, 0.02)}
    assert silent["Control loop"].verdict == "poor" and silent["Control loop"].fix == "Start again"
    record = connect(feed)
    rows = {row.name: row for row in make_rows(feed.studio, record, 0.004, 0.02)}
    assert list(rows) == [
        "Control loop", "Motors answer", "Temperatures", "Angles inside limits", "Leader meets follower",
        "Recorder and cameras", "Disk",
    ]  # fmt: skip
    assert rows["Motors answer"].value == "16 of 16" and rows["Motors answer"].verdict == "good"
    assert rows["Leader meets follower"].value == "4 mm apart"
    feed.record["follower_reply_age_s"][0, 3] = 0.1
    feed.record["leader_temperature_c"][0, 1] = 81.0
    feed.record["follower_position_rad"][0, 2] = 3.2
    rows = {row.name: row for row in make_rows(feed.studio, feed.record[0], 0.1, 0.02)}
    assert rows["Motors answer"].value == "15 of 16" and rows["Motors answer"].verdict == "poor"
    assert rows["Temperatures"].verdict == "poor" and "81" in rows["Temperatures"].value
    assert rows["Angles inside limits"].value == "15 of 16"
    assert rows["Leader meets follower"].verdict == "fair"  # aligning comes first, it does not block


def test_what_only_the_loop_knows_is_a_row_while_it_does_not_pass(model: TeleopModel, feed: Feed) -> None:
    record = connect(feed)
    knowledge = [
        {"name": "motors", "ok": False, "text": "no row of its own: the record says it better"},
        {"name": "silence", "ok": True, "text": "Motors let go."},
        {"name": "zero", "ok": False, "text": "The zero of L1 was not checked since power-up."},
        {"name": "watchdog", "ok": False, "text": "No independent watchdog."},
    ]
    feed.session._deliver("control", Message(name="state", values={"gate": knowledge}))
    rows = {row.name: row for row in make_rows(feed.studio, record, 0.0, 0.02)}
    assert list(rows)[1:3] == ["Zero since power-up", "Independent watchdog"] and len(rows) == 9
    assert rows["Zero since power-up"].verdict == rows["Independent watchdog"].verdict == "poor"
    assert rows["Zero since power-up"].command == "studio.zero"
    feed.session._deliver("control", Message(name="state", values={"gate": knowledge[1:2]}))
    assert len(make_rows(feed.studio, record, 0.0, 0.02)) == 7


def test_coupling_goes_to_the_slot_as_scales_and_stays_in_range(model: TeleopModel, feed: Feed) -> None:
    slot = SlotReader(feed.session.folder.slot_path("coupling"))
    robot, desk = feed.robot, model.coupling
    desk.set(stiffness_nm_rad=80.0, damping_nm_s_rad=0.75, leader_share=0.4, motion_scale=2.0, force_cutoff_hz=35.0)
    value = slot.read()
    assert value is not None
    assert float(value["stiffness_scale"]) == pytest.approx(80.0 / robot.stiffness_nm_rad[0])
    assert float(value["damping_scale"]) == pytest.approx(0.75 / robot.damping_nm_s_rad[0])
    assert float(value["leader_share"]) == pytest.approx(0.4) and float(value["force_cutoff_hz"]) == 35.0
    assert (int(value["scheme"]), float(value["motion_scale"]), int(value["clutch_open"])) == (1, 2.0, 0)
    assert desk.leader_force == pytest.approx(0.8) and "40 % of the power" in desk.power_words[0]
    desk.set(leader_share=7.0)
    assert desk.power_words == ("Leader feels 2.00 × the force: power kept. Watch stability.", "fair")
    desk.set(stiffness_nm_rad=1e6, motion_scale=0.0)
    assert desk.values["stiffness_nm_rad"] == pytest.approx(1.5 * robot.stiffness_nm_rad[0]), "control takes no more"
    assert desk.values["leader_share"] == 1.0 and desk.values["motion_scale"] == 0.25
    feed.studio.commands.run("teleop.softer")
    assert desk.values["stiffness_nm_rad"] == pytest.approx(1.5 * robot.stiffness_nm_rad[0] - 5.0)
    for scheme in (2, 3, 1):
        feed.studio.commands.run(f"teleop.scheme_{scheme}")
        value = slot.read()
        assert value is not None and int(value["scheme"]) == scheme == desk.scheme
    slot.close()


def test_coupling_begins_as_the_loop_was_configured(model: TeleopModel, feed: Feed) -> None:
    feed.record["coupling_scheme"], feed.record["motion_scale"] = 2, 1.5
    feed.record["force_cutoff_hz"], feed.record["disturbance_cutoff_hz"] = 50.0, 2.0
    model.take_records(feed.record)
    desk = model.coupling
    assert (desk.scheme, desk.values["motion_scale"], desk.values["force_cutoff_hz"]) == (2, 1.5, 50.0)
    desk.set_scheme(1)
    model.take_records(feed.record)
    assert desk.scheme == 1, "what a person has chosen stays"


def test_what_is_asked_is_on_its_way_until_the_record_has_it(model: TeleopModel, feed: Feed) -> None:
    desk, record = model.coupling, _in_force(feed)
    assert desk.progress(record[0]) is Progress.THERE
    for name, value, field in (
        ("motion_scale", 2.0, "motion_scale"), ("leader_share", 0.5, "coupling_share"),
        ("force_cutoff_hz", 40.0, "force_cutoff_hz"), ("stiffness_nm_rad", 70.0, "follower_requested_kp_nm_rad"),
        ("damping_nm_s_rad", 0.9, "follower_requested_kd_nm_s_rad"),
    ):  # fmt: skip
        desk.set(**{name: value})
        assert desk.progress(record[0]) is Progress.MOVING, name
        record[field] = value
        assert desk.progress(record[0]) is Progress.THERE, name
    desk.set_scheme(2)
    assert desk.progress(record[0]) is Progress.MOVING
    record["coupling_scheme"] = 2
    assert desk.progress(record[0]) is Progress.THERE


def test_what_control_keeps_lower_is_not_on_its_way_for_ever(model: TeleopModel, feed: Feed) -> None:
    """Real drives whose behaviour on silence is unknown: the loop stays at the demo preset, whatever is asked."""
    desk, record = model.coupling, _in_force(feed)
    desk.set_scheme(3)
    desk.set(stiffness_nm_rad=70.0)
    for _ in range(50):  # the stiffness moves down to the demo preset
        record["t_ns"] += 50_000_000
        record["follower_requested_kp_nm_rad"] -= 0.9
        assert desk.progress(record[0]) is Progress.MOVING
    record["t_ns"] += 900_000_000
    assert desk.progress(record[0]) is Progress.MOVING
    record["t_ns"] += 200_000_000
    assert desk.progress(record[0]) is Progress.KEPT
    desk.set(stiffness_nm_rad=65.0)
    assert desk.progress(record[0]) is Progress.MOVING, "asked anew"
    desk.set_scheme(1)
    desk.set(stiffness_nm_rad=float(record["follower_requested_kp_nm_rad"][0, 0]))
    assert desk.progress(record[0]) is Progress.THERE


def _in_force(feed: Feed) -> np.ndarray:
    """The feed's record, with what the robot's file asks for in force."""
    record, robot = feed.record, feed.robot
    record["follower_requested_kp_nm_rad"] = robot.stiffness_nm_rad
    record["follower_requested_kd_nm_s_rad"] = robot.damping_nm_s_rad
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    return record


def test_the_clutch_opens_only_while_the_person_drives_and_closes_with_a_hold(model: TeleopModel, feed: Feed) -> None:
    commands, slot = feed.studio.commands, SlotReader(feed.session.folder.slot_path("coupling"))
    connect(feed)
    assert commands.blocked("teleop.clutch") == "engage the arms first"
    feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
    feed.write()
    commands.run("teleop.clutch")
    value = slot.read()
    assert value is not None and int(value["clutch_open"]) == 1
    feed.record["clutch"] = 0.0
    assert "the clutch is open" in model.band(feed.record[0]).fact
    feed.set_state(PairState.HOLDING, Driver.OPERATOR)
    feed.write()
    value = slot.read()
    assert value is not None and int(value["clutch_open"]) == 0 and not model.coupling.clutch_open
    slot.close()


def test_stops_and_holds_say_who_and_what_next(model: TeleopModel, feed: Feed) -> None:
    connect(feed)
    model.take_records(feed.record.copy())
    for pressed, said in ((1, "Stopped by you."), (0, "The window was silent")):
        feed.set_state(PairState.ENGAGED, Driver.OPERATOR)
        model.take_records(feed.record.copy())
        feed.set_state(PairState.STOPPED)
        feed.record["stop_pressed"] = pressed
        stopped = feed.record.copy()
        later = stopped.copy()
        later["stop_pressed"] = 0
        model.take_records(np.concatenate([stopped, later]))
        feed.write()
        assert model.band(model.situation.record).fact.startswith(said)
    feed.set_state(PairState.HOLDING, Driver.OPERATOR)
    for reason, said, after in (
        (Hold.REQUEST, "you asked for it", "Press Engage to go on."),
        (Hold.DEAD_MAN, "the dead-man is free", "Press Engage to go on."),
        (Hold.HEARTBEAT, "the window came late", "They go on by themselves."),
        (Hold.PLAN, "no plan that is young enough", "Press Engage to drive them yourself."),
    ):
        feed.record["hold_reason"] = int(reason)
        feed.write()
        model.take_records(feed.record.copy())
        band = model.band(model.situation.record)
        assert said in band.fact and band.following == after


def test_without_a_latch_space_comes_first(model: TeleopModel, feed: Feed) -> None:
    feed.studio.robot = dataclasses.replace(feed.robot, dead_man_latched=False)
    record = connect(feed)
    assert feed.studio.commands.blocked("teleop.engage") == "hold Space first"
    assert model.band(record).following.startswith("Hold Space, then press Engage")
    rows = {row.name: row for row in make_rows(feed.studio, record, 0.0, 0.02)}
    assert (rows["Dead-man"].value, rows["Dead-man"].verdict) == ("hold Space", "poor")
    feed.record["dead_man"] = 1
    feed.write()
    assert not feed.studio.commands.blocked("teleop.engage")
    rows = {row.name: row for row in make_rows(feed.studio, record, 0.0, 0.02)}
    assert (rows["Dead-man"].value, rows["Dead-man"].verdict) == ("held", "good")


def test_old_records_are_stale_and_a_dead_loop_is_lost(model: TeleopModel, feed: Feed) -> None:
    record = connect(feed)
    model.take_records(feed.record.copy())
    model.situation.look()
    assert not model.situation.stale
    old = feed.record.copy()
    old["t_ns"] -= 10_000_000_000
    model.take_records(old)
    model.situation.look()
    assert model.situation.stale
    link = feed.studio.state.link
    link.connected, link.lost = False, True
    band = model.band(record)
    assert (band.state, band.word) == ("fault", "Lost") and "has ended" in band.fact and "Start again" in band.following
    assert (link.state_name, link.text) == ("fault", "Lost"), "status bar and pill say what the band says"
    link.lost = False  # the loop was ended on purpose
    assert model.band(record).word == "Disabled" == link.text


def test_aligning_counts_down_the_angle(model: TeleopModel, feed: Feed) -> None:
    feed.record["leader_position_rad"][0, 1] += 0.4
    feed.set_state(PairState.ALIGNING, Driver.HOLD)
    connect(feed)
    model.take_records(feed.record.copy())
    assert model.situation.align_share == 0.0 and "23° to go at L2." in model.band(feed.record[0]).following
    feed.record["leader_position_rad"][0, 1] -= 0.3
    model.take_records(feed.record.copy())
    assert model.situation.align_share == pytest.approx(0.75)


def test_a_rest_follows_a_block_until_the_next_take() -> None:
    clock = SessionClock(100.0, 2)
    clock.count(True, 90.0)
    assert clock.rest_s(True, 0.0) is None
    clock.count(True, 104.0)
    assert clock.rest_s(True, 1.0) is None and not clock.resting, "the take goes on"
    clock.count(False, 0.0)
    assert clock.rest_s(False, 10.0) == 0.0 and clock.rest_s(False, 70.0) == 60.0 and clock.resting
    assert clock.rest_s(True, 71.0) is None and clock.rest_s(False, 72.0) is None, "one rest for a block"


def test_session_clock_counts_takes_even_while_hidden(model: TeleopModel, feed: Feed) -> None:
    recording, clock = feed.studio.state.recording, model.clock
    recording.on, recording.seconds = True, 120.0
    model.tick(0.0)
    assert clock.left_s == pytest.approx(1680.0) and clock.text == "28:00"
    recording.on = False
    recording.seconds = 0.0
    model.tick(0.1)
    recording.on, recording.seconds = True, 60.0
    recording.on = False  # no tick in between: another screen was on top
    assert clock.left_s == pytest.approx(1620.0)
    assert clock.blocks_done == pytest.approx(0.1) and clock.block == 1


def test_blocks_end_with_a_sentence_each() -> None:
    clock = SessionClock(100.0, 2)
    said = [clock.count(True, float(t)) for t in range(0, 230, 5)]
    assert [s for s in said if s] == [
        "Block 1 of 2 ends in a minute.",
        "Block 1 of 2 is played. Stop the take and rest a little.",
        "Block 2 of 2 ends in a minute.",
        "All 2 blocks are played. The session is complete.",
    ]
    assert clock.is_over and clock.left_s == 0.0 and clock.text == "00:00" and clock.block == 2
    clock.begin()
    assert clock.left_s == 100.0 and clock.block == 1


def test_record_counts_down_when_it_is_switched_on(model: TeleopModel, feed: Feed) -> None:
    started: list[float | None] = []
    feed.studio.recording.start = lambda split_s=None: started.append(split_s)  # type: ignore[method-assign]
    model.record()
    assert started == [60.0]
    model.toggle_count_down()
    model.record()
    assert started == [60.0] and model.count_down.running
    model.record()
    assert not model.count_down.running, "R again takes it back"
    model.record()
    model.tick(time.monotonic() + 2.0)
    assert started == [60.0]
    model.tick(time.monotonic() + 3.1)
    assert started == [60.0, 60.0] and not model.count_down.running


def test_tone_grows_with_force_and_does_not_click() -> None:
    tone = ForceTone()
    assert np.abs(tone.samples(2400)).max() == 0.0
    tone.force_n = np.array([6.0, 0.0])
    first = tone.samples(RATE_HZ // 10)
    later = tone.samples(RATE_HZ // 10)
    assert np.abs(first[:20]).max() < 0.02, "it begins softly"
    assert np.abs(later[:, 0]).max() > 0.1 and np.abs(later[:, 1]).max() == 0.0
    joined = np.concatenate([first, later])[:, 0]
    assert np.abs(np.diff(joined)).max() < 0.05, "no step between two blocks"
    tone.force_n = np.array([12.0, 0.0])
    tone.samples(RATE_HZ // 5)
    assert np.abs(tone.samples(2400)[:, 0]).max() > np.abs(later[:, 0]).max()


def switch_sound(model: TeleopModel) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while model._loader.busy:
        assert time.monotonic() < end_s, "the sound card was not opened or refused"
        model.tick(time.monotonic())
        time.sleep(0.005)


def test_the_delay_of_the_force_sound_is_said(model: TeleopModel, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    import sounddevice

    class Card:
        latency = 0.024

        def __init__(self, **_: object) -> None: ...
        def start(self) -> None: ...
        def stop(self) -> None: ...
        def close(self) -> None: ...

    monkeypatch.setattr(sounddevice, "OutputStream", Card)
    feed.studio.commands.run("teleop.sound")
    switch_sound(model)
    assert model.sound.on
    assert feed.studio.notices.items[0].text == "Force sound is on, 24 ms behind the force."
    feed.studio.commands.run("teleop.sound")
    switch_sound(model)
    assert not model.sound.on and model.sound.latency_s == 0.0


def test_without_a_sound_card_a_notice_says_so(model: TeleopModel, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    import sounddevice

    def no_device(*_: object, **__: object) -> None:
        raise sounddevice.PortAudioError("Error querying device -1")

    monkeypatch.setattr(sounddevice, "OutputStream", no_device)
    feed.studio.commands.run("teleop.sound")
    switch_sound(model)
    assert not model.sound.on
    assert feed.studio.notices.items[0].text == NO_CARD == "No sound card: force sound is off."
    assert "device -1" in feed.studio.notices.items[0].detail


def test_clearing_lets_go_of_a_latched_dead_man_first(model: TeleopModel, feed: Feed) -> None:
    asked: list[str] = []
    feed.session.request = lambda name, **_: asked.append(name)  # type: ignore[method-assign]
    feed.studio.input.set_dead_man(True)
    assert feed.studio.commands.blocked("teleop.clear_fault") == "there is no fault"
    feed.record["pair_state"] = [PairState.FAULT, PairState.HOLDING]
    connect(feed)
    assert feed.studio.commands.blocked("teleop.clear_fault") == ""
    feed.studio.commands.run("teleop.clear_fault")
    assert asked == ["clear_fault"] and not feed.studio.input.dead_man
