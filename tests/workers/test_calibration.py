"""Commissioned motors meet the robot's file: rows, places, and what a recording says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.core.calibration import CalibrationSet, MotorCalibration, StepResult, calibration_dir, save_calibration
from studio.core.errors import ConfigError
from studio.robot.description import Robot, load_robot
from studio.robot.wiring import BusWiring
from studio.workers import calibration as module
from studio.workers.calibration import (
    describe_calibration,
    drive_knowledge,
    load_robot_calibrations,
    motor_names,
    motor_rows,
    silence_warning,
)

MOTOR = MotorCalibration(
    joint="follower.R2",
    bus="socketcan:can1",
    drive_id=6,
    model="AK80-9",
    firmware="legacy",
    source="manual",
    overrides={"velocity_rad_s": 25.64},
    steps={"position": StepResult(date="2026-11-21T15:00:00+00:00", numbers={"ratio": 1.001})},
)


def wired() -> Robot:
    leaders = BusWiring(interface="socketcan", channel="can0", arms=("L leader", "R leader"))
    followers = BusWiring(interface="socketcan", channel="can1", arms=("L follower", "R follower"))
    return replace(load_robot(), buses=(leaders, followers))


def test_rows_of_motors() -> None:
    names = motor_names(wired())
    assert names[0] == "leader.L1" and names[-1] == "follower.R4" and len(names) == 16
    rows = motor_rows(wired(), CalibrationSet({"follower.R2": MOTOR}))
    own = rows[names.index("follower.R2")]
    assert (own.model, own.velocity_rad_s) == ("AK80-9", 25.64)
    assert {row.model for i, row in enumerate(rows) if i != names.index("follower.R2")} == {"AK60-6"}


def test_a_motor_that_was_commissioned_elsewhere_is_refused() -> None:
    for changed in (replace(MOTOR, drive_id=5), replace(MOTOR, bus="socketcan:can0")):
        with pytest.raises(ConfigError, match=r"follower\.R2 was commissioned as drive"):
            motor_rows(wired(), CalibrationSet({"follower.R2": changed}))


def test_what_a_recording_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    save_calibration(calibration_dir("dual_arm_ak60"), MOTOR)
    twins = describe_calibration("dual_arm_ak60")  # simulated: nothing to calibrate
    assert (
        twins["identity"] == "none"
        and twins["usual_row"]["model"] == "AK60-6"
        and "p. 63" in twins["usual_row"]["source"]
    )
    assert load_robot_calibrations(load_robot()).motors == {}
    monkeypatch.setattr(module, "load_robot", lambda name: wired())
    real = describe_calibration("dual_arm_ak60")
    assert real["identity"] == load_robot_calibrations(wired()).identity != "none"
    assert real["motors"]["follower.R2"]["steps"]["position"] == {"date": "2026-11-21T15:00:00+00:00", "ratio": 1.001}


def test_a_damaged_file_does_not_stop_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = save_calibration(calibration_dir("dual_arm_ak60"), MOTOR)
    path.write_text("format_version = 1\n")
    monkeypatch.setattr(module, "load_robot", lambda name: wired())
    found = describe_calibration("dual_arm_ak60")
    assert found["identity"] == "unreadable" and "is damaged" in found["problem"]
    assert describe_calibration("no_such_robot")["identity"] == "unreadable"


def test_motors_that_were_never_seen_to_let_go() -> None:
    assert silence_warning(load_robot(), CalibrationSet()) == ""  # twins in the simulated world
    assert "leader.L1, leader.L2, leader.L3, leader.L4 and 12 more" in silence_warning(wired(), CalibrationSet())
    lets_go = {"silence": StepResult(date="2026-11-21T15:00:00+00:00", numbers={"behaviour": "lets_go"})}
    motors = {name: replace(MOTOR, joint=name, steps=lets_go) for name in motor_names(wired())}
    assert silence_warning(wired(), CalibrationSet(motors)) == ""
    motors["leader.R2"] = MOTOR
    assert silence_warning(wired(), CalibrationSet(motors)).startswith("What leader.R2 do when commands stop")


def test_what_is_not_known_of_real_drives_and_of_twins() -> None:
    silent = StepResult(date="2026-11-21T15:00:00+00:00", numbers={"behaviour": "lets_go"})
    zeroed = StepResult(date="2026-11-21T15:00:00+00:00", numbers={"sectors": 0})
    found = CalibrationSet({"leader.L2": replace(MOTOR, joint="leader.L2", steps={"silence": silent, "zero": zeroed})})
    robot = wired()
    known = drive_knowledge(robot, found)
    assert known.real == tuple(range(16)) and 1 not in known.unsafe_on_silence + known.never_zeroed
    assert len(known.unsafe_on_silence) == len(known.never_zeroed) == 15
    half = replace(robot, buses=(robot.buses[0], replace(robot.buses[1], twin=True)))
    assert drive_knowledge(half, found).real == tuple(range(8))
    assert drive_knowledge(load_robot(), found).real == ()
    assert "leader.L1" in silence_warning(half, found) and "follower" not in silence_warning(half, found)
