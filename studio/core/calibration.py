"""What commissioning found of each motor, kept as one TOML file per motor and carried into every recording.

A set of files has an identity; recordings name it, so that one can tell which were made with the same calibration.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from studio.core.config import load_toml
from studio.core.errors import DataError
from studio.core.paths import user_data_dir
from studio.core.whole_file import write_whole

FORMAT_VERSION = 1
Number = float | int | str
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One check that passed: when (UTC, ISO 8601) and what it measured, in SI units or ratios."""

    date: str
    numbers: Mapping[str, Number] = field(default_factory=dict[str, Number])


@dataclass(frozen=True, kw_only=True)
class MotorCalibration:
    """One motor.

    Args:
        joint: such as `leader.L1`; the file's name.
        model, firmware: the row of the range table that was used, `source` where it comes from.
        overrides: numbers of the row that are this motor's own.
        steps: results by the name of the check.
        findings: reasons why a check did not pass, by its name, until it passes.
    """

    joint: str
    drive_id: int
    model: str
    firmware: str
    source: str
    bus: str = ""
    overrides: Mapping[str, float] = field(default_factory=dict[str, float])
    steps: Mapping[str, StepResult] = field(default_factory=dict[str, StepResult])
    findings: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def date(self) -> str:
        """Of the latest check, empty before the first."""
        return max((step.date for step in self.steps.values()), default="")

    def number(self, step: str, name: str) -> Number | None:
        """What a check measured, None when it has not passed."""
        found = self.steps.get(step)
        return None if found is None else found.numbers.get(name)

    @property
    def silence(self) -> str:
        """What the drive does when commands stop: `lets_go`, `holds`, or `unknown` before that was tried."""
        return str(self.number("silence", "behaviour") or "unknown")

    def to_json(self) -> dict[str, Any]:
        steps = {name: {"date": step.date, **step.numbers} for name, step in self.steps.items()}
        found = {"findings": dict(self.findings)} if self.findings else {}
        return {
            "drive_id": self.drive_id,
            "bus": self.bus,
            "model": self.model,
            "firmware": self.firmware,
            "source": self.source,
            "overrides": dict(self.overrides),
            "date": self.date,
            "steps": steps,
            **found,
        }


def calibration_dir(robot: str) -> Path:
    """Where a robot's motors are kept: calibration belongs to the machine, not to a project."""
    return user_data_dir() / "calibration" / robot.replace("/", "_")


def calibration_path(folder: Path, joint: str) -> Path:
    """The file of a joint.

    Raises:
        DataError: a name that is no file name.
    """
    if not _NAME.fullmatch(joint):
        raise DataError(f"Joint name {joint!r} cannot be a file's name. Use letters, digits, dots and dashes.")
    return folder / f"{joint}.toml"


def save_calibration(folder: Path, motor: MotorCalibration) -> Path:
    """Write a motor's file whole or not at all; returns it.

    Raises:
        DataError: the folder cannot be written.
    """
    return write_whole(calibration_path(folder, motor.joint), _to_toml(motor))


def _to_toml(motor: MotorCalibration) -> str:
    head = {k: getattr(motor, k) for k in ("joint", "bus", "drive_id", "model", "firmware", "source")}
    lines = [f"format_version = {FORMAT_VERSION}", *_assignments(head)]
    if motor.overrides:
        lines += ["", "[overrides]", *_assignments(motor.overrides)]
    for name, step in motor.steps.items():
        lines += ["", f"[steps.{name}]", *_assignments({"date": step.date, **step.numbers})]
    if motor.findings:
        lines += ["", "[findings]", *_assignments(motor.findings)]
    return "\n".join(lines) + "\n"


def _assignments(values: Mapping[str, Number]) -> list[str]:
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


def load_calibration(path: Path) -> MotorCalibration:
    """Read a motor's file.

    Raises:
        ConfigError: missing or no TOML.
        DataError: of another format, or with something missing.
    """
    data = load_toml(path)
    if data.get("format_version") != FORMAT_VERSION:
        raise DataError(f"{path} has format {data.get('format_version')!r}; this studio reads {FORMAT_VERSION}.")
    try:
        steps = cast("dict[str, dict[str, Number]]", data.get("steps", {}))
        return MotorCalibration(
            joint=str(data["joint"]),
            bus=str(data.get("bus", "")),
            drive_id=int(data["drive_id"]),
            model=str(data["model"]),
            firmware=str(data["firmware"]),
            source=str(data["source"]),
            overrides={key: float(value) for key, value in data.get("overrides", {}).items()},
            steps={name: _step(values) for name, values in steps.items()},
            findings={name: str(reason) for name, reason in data.get("findings", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error!r}. Run `main.py commission` for this joint again.") from error


def _step(values: dict[str, Number]) -> StepResult:
    return StepResult(date=str(values["date"]), numbers={k: v for k, v in values.items() if k != "date"})


@dataclass(frozen=True)
class CalibrationSet:
    """All motors of a robot by joint; empty when none was commissioned."""

    motors: Mapping[str, MotorCalibration] = field(default_factory=dict[str, MotorCalibration])

    @property
    def identity(self) -> str:
        """Equal for equal content; `none` without motors."""
        if not self.motors:
            return "none"
        text = json.dumps({joint: m.to_json() for joint, m in sorted(self.motors.items())}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def unsafe_on_silence(self, joints: Iterable[str]) -> list[str]:
        """Those of the joints whose drive was never seen to let go when commands stop: not tried, or it holds."""
        return [joint for joint in joints if joint not in self.motors or self.motors[joint].silence != "lets_go"]

    def to_json(self) -> dict[str, Any]:
        """As it goes into `episode.json`."""
        motors = {joint: motor.to_json() for joint, motor in sorted(self.motors.items())}
        return {"identity": self.identity, "motors": motors}


def load_calibrations(folder: Path) -> CalibrationSet:
    """Every motor's file of a folder; a missing folder is an empty set."""
    motors = [load_calibration(path) for path in sorted(folder.glob("*.toml"))]
    return CalibrationSet({motor.joint: motor for motor in motors})
