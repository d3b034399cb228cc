"""Devices without a window: rows, loads, looking, what may be done; the bench's words as messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from plugins.devices.bench import first_missing
from plugins.devices.model import DevicesModel
from plugins.devices.motors import STEPS, make_arms, motor_state
from plugins.devices.words import headline, load_words, measure, result_words
from studio.app.api import StudioApi
from studio.app.host import PluginHost
from studio.core.calibration import MotorCalibration, StepResult, calibration_dir, save_calibration
from studio.core.records import PairState
from studio.robot.wiring import BusWiring
from studio.workers.survey import find_places, survey

NOW = "2026-11-21T15:00:00+00:00"
NUMBERS = {
    "reply": {"reply_bytes": 8, "temperature_c": 27.0},
    "position": {"ratio": 1.003, "reported_rad": 1.5755, "true_rad": 1.5708},
    "velocity": {"ratio": 1.004}, "torque": {"nm_per_unit": 1.0}, "gain": {"kp_factor": 1.0, "kd_factor": 1.0},
    "sign": {"direction": 1}, "current": {"sign": "right"}, "silence": {"behaviour": "lets_go"}, "zero": {"sectors": 0},
}  # fmt: skip


@pytest.fixture
def model(studio: StudioApi, host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DevicesModel:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    made = host.load("devices")
    assert host.plugins["devices"].failure is None, host.plugins["devices"].failure
    made.rehearsals = calibration_dir("rehearsals")
    plan = [{"name": arm.load_key, "firmwares": ["legacy"] * 4, "rate_hz": 400.0} for arm in made.arms]
    made.facts = survey(plan)
    return made


def calibration(joint: str, *steps: str, **changes: object) -> MotorCalibration:
    made = MotorCalibration(
        joint=joint, bus="twin", drive_id=1, model="AK60-6", firmware="legacy", source="",
        steps={step: StepResult(date=NOW, numbers=NUMBERS[step]) for step in steps},
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_rows_follow_the_robot_the_choices_and_the_files(model: DevicesModel) -> None:
    assert [m.joint for m in model.motors[:5]] == [
        "follower.L1",
        "follower.L2",
        "follower.L3",
        "follower.L4",
        "follower.R1",
    ]
    assert [m.drive_id for m in model.motors] == [1, 2, 3, 4] * 4 and model.motors[15].title == "R4, right leader wrist"
    save_calibration(model.rehearsals, calibration("leader.L1", *STEPS, model="AK80-9"))
    model.read_motors()
    row = next(m for m in model.motors if m.joint == "leader.L1")
    assert row.model == "AK80-9" and motor_state(row).words == "Ready"
    model.set_choice("model", "AK70-10", "leader.L1")
    assert next(m for m in model.motors if m.joint == "leader.L1").model == "AK70-10"
    (model.rehearsals / "leader.L1.toml").write_text("broken")
    model.read_motors()
    assert "leader.L1.toml" in model.problem and len(model.motors) == 16


@pytest.mark.parametrize(
    ("steps", "changes", "words"),
    [
        ((), {}, "Not checked"),
        (("reply", "position"), {}, "7 checks left"),
        (STEPS[:-1], {}, "Set zero"),
        (STEPS, {}, "Ready"),
        (STEPS, {"findings": {"velocity": "why", "gain": "why"}}, "Speed refused, 1 more"),
    ],
)
def test_the_state_of_a_motor(model: DevicesModel, steps: tuple[str, ...], changes: dict, words: str) -> None:
    motor = replace(model.motors[0], calibration=calibration("follower.L1", *steps, **changes))
    assert motor_state(motor).words == words
    assert motor_state(replace(motor, seen={})).words == "No answer"
    assert motor_state(motor, "Checking, 1 of 9").verdict == "busy"


def test_a_scale_and_a_silence_that_are_not_right_are_named(model: DevicesModel) -> None:
    numbers = {**NUMBERS, "torque": {"nm_per_unit": 1.26}}
    steps = {step: StepResult(date=NOW, numbers=numbers[step]) for step in STEPS}
    motor = replace(model.motors[0], calibration=replace(calibration("follower.L1"), steps=steps))
    assert motor_state(motor).words == "Scale is off" and motor.scale == 1.26
    steps["silence"] = StepResult(date=NOW, numbers={"behaviour": "holds"})
    motor = replace(motor, calibration=replace(calibration("follower.L1"), steps=steps))
    assert motor_state(motor).words == "Demo gains only"


def test_where_a_check_goes_on(model: DevicesModel) -> None:
    motor = model.motors[0]
    assert first_missing(motor) == ""
    half = replace(motor, calibration=calibration("follower.L1", "reply", "position", "velocity"))
    assert first_missing(half) == "torque"
    assert first_missing(replace(motor, calibration=calibration("follower.L1", *STEPS))) == ""


def test_a_bus_that_is_too_full_is_refused_with_what_would_fit(model: DevicesModel) -> None:
    assert model.blocked_begin() == ""
    first, second = model.arms[0], model.arms[1]
    for arm in (first, second):
        model.set_place(arm, "socketcan:can0")
    assert [arm.drive_ids for arm in model.arms[:2]] == [(1, 2, 3, 4), (5, 6, 7, 8)]
    model.facts = survey([{"name": "socketcan:can0", "firmwares": ["legacy"] * 8, "rate_hz": 400.0}])
    load = model.load(model.arms[0])
    assert load is not None and load["refused"] and load["share"] > 0.8
    assert "too full" in model.blocked_begin() and "too full" in model.blocked_next()
    words = load_words(load)
    assert "8 motors at 400 Hz load it 86 %; allowed 70 %" in words and "8 motors 324 Hz" in words
    mixed = survey([{"name": "a", "firmwares": ["legacy", "v3"], "rate_hz": 400.0}])["loads"]["a"]["share"]
    alone = survey([{"name": "a", "firmwares": ["legacy", "legacy"], "rate_hz": 400.0}])["loads"]["a"]["share"]
    assert mixed > alone


def test_where_a_bus_may_be(tmp_path: Path) -> None:
    for name, kind in (("can0", "280"), ("eth0", "1"), ("vcan1", "280")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(kind + "\n")
    found = [place["bus"] for place in find_places(tmp_path)]
    assert found[:3] == ["twin", "socketcan:can0", "socketcan:vcan1"]


def test_a_wired_robot_keeps_its_buses_and_the_loop_has_them(
    model: DevicesModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    buses = (
        BusWiring(
            interface="socketcan", channel="can1", arms=("L follower", "R follower"), drive_ids=tuple(range(11, 19))
        ),
    )
    robot = replace(model.studio.robot, buses=buses)
    arms = make_arms(robot, {"L leader": "slcan:/dev/ttyACM0"})
    assert [(arm.bus, arm.drive_ids[0]) for arm in arms] == [
        ("socketcan:can1", 11), ("socketcan:can1", 15), ("slcan:/dev/ttyACM0", 1), ("twin", 1),
    ]  # fmt: skip
    monkeypatch.setattr(model.studio, "robot", robot)
    model.read_motors()
    model.facts = survey([{"name": arm.load_key, "firmwares": ["legacy"] * 4, "rate_hz": 400.0} for arm in model.arms])
    assert model.blocked_begin() == "" and model.blocked_free() == "the loop has no bus"
    monkeypatch.setattr(model.studio.workers, "alive", lambda name: name == "control")
    assert "the loop has these buses" in model.blocked_begin() and model.blocked_free() == ""
    model.studio.state.link.worst = PairState.ENGAGED
    assert "engaged" in model.blocked_begin() and "engaged" in model.blocked_free()


def test_what_was_heard_is_believed(model: DevicesModel, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict] = []
    monkeypatch.setattr(model.search, "_send", lambda name, **values: sent.append(values))
    model.set_choice("rehearse", "wrong_dialect", "follower.L2")
    model.search.begin(model.arms, model.motors)
    assert sent[0]["twins"] == {"1": "none", "2": "wrong_dialect", "3": "none", "4": "none"}
    drive = {"id": 1, "dialect": "v3_query", "temperature_byte": 67, "temperature_offset_c": -40.0, "sentence": "."}
    model._take_discovery({"drives": [drive, {**drive, "id": 2}, {**drive, "id": 9}], "advice": ""})
    rows = {m.joint: m for m in model.motors}
    assert rows["follower.L1"].firmware == "v3" and rows["follower.L2"].firmware == "legacy"
    assert motor_state(rows["follower.L3"]).words == "No answer"
    assert model.search.problems["L follower"] == "Unexpected ids: 9" and len(sent) == 2
    model.search.refused("Port is gone.")
    assert model.search.problems["R follower"] == "Port is gone." and len(sent) == 3


def test_results_and_measures_in_words() -> None:
    assert result_words("position", NUMBERS["position"]) == "90.3° for 90°: 0.3 % off"
    assert result_words("reply", {"reply_bytes": 6}) == "6 bytes"
    assert all(result_words(step, NUMBERS[step]) for step in STEPS)
    settings = survey([])["settings"]
    sample = {"position_rad": 1.0, "velocity_rad_s": -2.0, "torque_nm": -0.6, "age_s": 0.004}
    state = {"sample": sample, "command": [0, 0, 0, 0, 0.5], "phase": "running", "question": None, "step": "torque"}
    state["title"] = "Torque scale"
    shown = {step: measure(step, state, settings, 0.0) for step in STEPS}
    assert shown["torque"].value == "0.50 N·m" and shown["torque"].expected == "expected 0.98"
    assert shown["current"].value == "−0.60 N·m" and shown["position"].value == "57.3°" and not shown["position"].good
    assert shown["velocity"].value == "2.00 rad/s" and shown["reply"].good
    assert headline({}) == ("Opening the bench", "") and headline(state)[0] == "Torque ramps"


def test_an_arm_put_on_a_bus_never_gets_ids_that_are_taken(model: DevicesModel) -> None:
    buses = (BusWiring(interface="socketcan", channel="can0", arms=("L leader",)),)
    robot = replace(model.studio.robot, buses=buses)
    arms = make_arms(robot, {"L follower": "socketcan:can0"})
    used = [drive_id for arm in arms if arm.bus == "socketcan:can0" for drive_id in arm.drive_ids]
    assert len(used) == 8 and len(set(used)) == 8
    assert next(arm for arm in arms if arm.name == "L leader").drive_ids == (1, 2, 3, 4)


def test_the_loop_is_not_started_beside_a_check(model: DevicesModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "was not stopped here" in model.blocked_loop()
    model.freed = True
    monkeypatch.setattr(model.studio.workers, "alive", lambda name: name == "guard")
    assert "still ending" in model.blocked_loop()
    monkeypatch.setattr(model.studio.workers, "alive", lambda name: False)
    assert model.blocked_loop() == ""
    monkeypatch.setattr(type(model.bench), "busy", property(lambda bench: True))
    assert "is being checked" in model.blocked_loop()
