"""Calibration files: round trip, identity, damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.core.calibration import (
    CalibrationSet,
    MotorCalibration,
    StepResult,
    calibration_dir,
    load_calibration,
    load_calibrations,
    save_calibration,
)
from studio.core.errors import ConfigError, DataError

MOTOR = MotorCalibration(
    joint="leader.L1",
    bus="socketcan:can0",
    drive_id=3,
    model="AK60-6",
    firmware="legacy",
    source='manual "V1.0.18", p. 63 ±',
    overrides={"velocity_rad_s": 50.0},
    steps={
        "position": StepResult(date="2026-11-21T15:00:00+00:00", numbers={"ratio": 0.999834}),
        "silence": StepResult(date="2026-11-21T16:00:00+00:00", numbers={"behaviour": "lets_go", "within_s": 0.1}),
        "sign": StepResult(date="2026-11-20T16:00:00+00:00", numbers={"direction": -1}),
    },
)


def test_a_motor_comes_back(tmp_path: Path) -> None:
    path = save_calibration(tmp_path / "new" / "folder", MOTOR)
    assert path.name == "leader.L1.toml" and load_calibration(path) == MOTOR
    assert sorted(p.name for p in path.parent.iterdir()) == ["leader.L1.toml"]
    assert isinstance(load_calibration(path).number("sign", "direction"), int)


def test_facts_about_a_motor() -> None:
    assert MOTOR.date == "2026-11-21T16:00:00+00:00" and MOTOR.silence == "lets_go"
    assert MOTOR.number("position", "ratio") == 0.999834 and MOTOR.number("torque", "nm_per_unit") is None
    assert replace(MOTOR, steps={}).silence == "unknown" and replace(MOTOR, steps={}).date == ""


def test_the_identity_follows_the_content(tmp_path: Path) -> None:
    assert load_calibrations(tmp_path / "nothing").identity == "none"
    save_calibration(tmp_path, MOTOR)
    save_calibration(tmp_path, replace(MOTOR, joint="leader.L2", drive_id=4))
    found = load_calibrations(tmp_path)
    assert set(found.motors) == {"leader.L1", "leader.L2"} and len(found.identity) == 16
    assert found.identity == load_calibrations(tmp_path).identity
    save_calibration(tmp_path, replace(MOTOR, drive_id=5))
    assert load_calibrations(tmp_path).identity != found.identity
    assert found.to_json()["motors"]["leader.L1"]["steps"]["position"]["ratio"] == 0.999834


def test_joints_whose_silence_is_not_safe() -> None:
    holds = StepResult(date="2026-11-21T16:00:00+00:00", numbers={"behaviour": "holds"})
    motors = {
        "a": MOTOR,
        "b": replace(MOTOR, joint="b", steps={}),
        "c": replace(MOTOR, joint="c", steps={"silence": holds}),
    }
    assert CalibrationSet(motors).unsafe_on_silence("abcd") == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format_version = 2\n", "has format 2"),
        ('format_version = 1\njoint = "x"\n', "is damaged"),
        (
            'format_version = 1\njoint = "x"\ndrive_id = 1\nmodel = "m"\nfirmware = "v3"\nsource = "s"\nsteps = 3\n',
            "damaged",
        ),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        load_calibration(path)
    path.write_text("a = [")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_calibration(path)


def test_names_and_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be a file's name"):
        save_calibration(tmp_path, replace(MOTOR, joint="../x"))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        save_calibration(tmp_path / "file", MOTOR)
    assert calibration_dir("/opt/my robot").name == "_opt_my robot"
