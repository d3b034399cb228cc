"""A motor on a bench: the bus or the twin, the machine that checks it, and the file that keeps the results.

Used by the command `commission` and by the worker behind the wizard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hw_drivers.bus.can_bus import PythonCanBus
from hw_drivers.commissioning.discovery import Discovery, discover, temperature_offset_c
from hw_drivers.commissioning.link import MotorLink
from hw_drivers.commissioning.machine import CHECKS, STEPS, Commissioning, Phase
from hw_drivers.commissioning.twin_bench import TwinOperator, make_drive
from hw_drivers.commissioning.work import CommissionSettings
from hw_drivers.motors.dialect_twin import TwinBus
from hw_drivers.motors.models import MotorRange, UnresolvedModelError, find_range
from studio.core.calibration import (
    MotorCalibration,
    calibration_dir,
    calibration_path,
    load_calibration,
    load_calibrations,
    save_calibration,
)
from studio.core.clock import PacedClock, SteppedClock, WallClock
from studio.core.config import check_range
from studio.core.errors import ConfigError
from studio.core.protocols import Bus, Clock
from studio.robot.description import load_robot

TWIN = "twin"
REHEARSALS_FOLDER = "rehearsals"
_IDS = range(1, 33)


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """Which motor, where it is, what is checked.

    Args:
        joint: name of the file, such as `leader.L1`.
        bus: `twin`, or interface:channel.
        check: from `CHECKS`.
        robot: whose calibration it is.
        folder: of the results instead of the robot's own.
        rehearse: what is wrong with the twin, from `REHEARSALS`.
        twin_model: what the twin really is, when it is not `model`.
        in_real_time: a twin is no faster than the wall clock, instead of as fast as the machine.
        pace: a twin's seconds per second, then.
        first: of the checks; reply comes before it all the same, those between must have passed earlier.
        twins: for discovery, what is wrong with each drive of the twin bus, by its id as text; none: only this one.
        overrides: numbers of this motor's row.
    """

    joint: str = "leader.L1"
    model: str = "AK60-6"
    firmware: str = "legacy"
    drive_id: int = 1
    bus: str = TWIN
    check: str = "all"
    robot: str = "dual_arm_ak60"
    folder: str = ""
    rehearse: str = "none"
    twin_model: str = ""
    in_real_time: bool = False
    pace: float = 1.0
    first: str = ""
    twins: dict[str, str] = field(default_factory=dict[str, str])
    overrides: dict[str, float] = field(default_factory=dict[str, float])
    settings: CommissionSettings = field(default_factory=CommissionSettings)

    def __post_init__(self) -> None:
        if self.check not in CHECKS:
            raise ConfigError(f"There is no check {self.check!r}. Checks: {', '.join(CHECKS)}, discover.")
        if not 0 <= self.drive_id <= 255:
            raise ConfigError(f"Drive id is {self.drive_id}; allowed 0 to 255. Change the id.")
        if self.bus != TWIN and (self.rehearse != "none" or self.twin_model):
            raise ConfigError("Rehearsals are for twins. Choose the bus twin, or leave rehearse and twin_model out.")

        if self.first and self.first not in CHECKS[self.check]:
            raise ConfigError(f"{self.first!r} is not in check {self.check!r}: {', '.join(CHECKS[self.check])}.")
        check_range("commission", "pace", self.pace, 0.01, 1000.0)

    def steps(self) -> tuple[str, ...]:
        """Names of the steps that are run."""
        steps = CHECKS[self.check]
        return ("reply", *steps[max(steps.index(self.first), 1) :]) if self.first else steps

    def rows(self) -> tuple[MotorRange, ...]:
        """The row of the model, or all rows it may be when the gear check is to decide."""
        try:
            return (find_range(self.model, self.firmware, self.overrides),)
        except UnresolvedModelError as error:
            if self.check != "gear":
                raise
            return tuple(find_range(model, self.firmware, self.overrides) for model in error.choices)

    def results_folder(self) -> Path:
        if self.folder:
            return Path(self.folder)
        return calibration_dir(REHEARSALS_FOLDER if self.bus == TWIN else load_robot(self.robot).name)


class Bench:
    """Opened with the request; `machine` is to be brought to its end, `save` keeps what has passed.

    Args:
        request: what is wanted.
        dead_man: whether a person holds it.
    """

    def __init__(self, request: BenchRequest, dead_man: Callable[[], bool] = lambda: True) -> None:
        self.request, self.folder = request, request.results_folder()
        self.path = calibration_path(self.folder, request.joint)
        rows = request.rows()
        calibration = _stored(request, rows[0], self.path)
        self.operator: TwinOperator | None = None  # who handles a twin; at a real bench it is a person
        self._bus, clock = self._open(request, rows[0])
        self._clock = clock
        link = MotorLink(self._bus, clock, rows[0], request.drive_id)
        self.machine = Commissioning(link, request.settings, calibration, request.steps(), rows, dead_man=dead_man)

    def _open(self, request: BenchRequest, row: MotorRange) -> tuple[Bus, Clock]:
        if request.bus != TWIN:
            return open_bus(request.bus)
        truth = find_range(request.twin_model or row.model, request.firmware, request.overrides)
        clock = PacedClock(request.pace) if request.in_real_time else SteppedClock()
        drive = make_drive(truth, request.drive_id, request.rehearse)
        drive.power_on(clock.now_ns())
        self.operator = TwinOperator(drive=drive, settings=request.settings)
        return TwinBus([drive], clock), clock

    def tick(self) -> None:
        """One cycle; a hurried twin waits for people at its usual pace."""
        if isinstance(self._clock, PacedClock):
            self._clock.pace = self.request.pace if self.machine.phase is Phase.RUNNING else 1.0
        self.machine.tick()

    def save(self) -> None:
        """Write the motor's file; one without any result is written only over an older one."""
        if self.machine.calibration.steps or self.path.is_file():
            save_calibration(self.folder, self.machine.calibration)

    def result(self) -> dict[str, Any]:
        """Plain values: what passed, what was refused, where it is kept."""
        machine, request = self.machine, self.request
        return {
            "joint": request.joint,
            "bus": request.bus,
            "check": request.check,
            "passed": machine.passed,
            "model": machine.calibration.model,
            "firmware": machine.calibration.firmware,
            "silence": machine.calibration.silence,
            "steps": machine.calibration.to_json()["steps"],
            "refusals": [{"step": refusal.step, "reason": refusal.reason} for refusal in machine.refusals],
            "file": str(self.path) if self.path.is_file() else None,
            "identity": load_calibrations(self.folder).identity,
        }

    def lines(self) -> list[str]:
        """The result in words, one line per step."""
        refused = {refusal.step: refusal.reason for refusal in self.machine.refusals}
        lines = [f"{self.request.joint}: {self.machine.calibration.model}"]
        for step in self.machine.steps:
            found = self.machine.calibration.steps.get(step)
            numbers = ", ".join(f"{key} {value}" for key, value in found.numbers.items()) if found else ""
            verdict = f"REFUSED: {refused[step]}" if step in refused else f"ok  {numbers}" if found else "not run"
            lines.append(f"{STEPS[step][0]:<32} {verdict}")
        return [*lines, f"kept in {self.path}"] if self.path.is_file() else lines

    def close(self) -> None:
        self._bus.close()


def _stored(request: BenchRequest, row: MotorRange, path: Path) -> MotorCalibration:
    """What is kept of this motor, or a fresh start when it is another one."""
    fresh = MotorCalibration(
        joint=request.joint,
        bus=request.bus,
        drive_id=request.drive_id,
        model=row.model,
        firmware=row.firmware,
        source=row.source,
        overrides=request.overrides,
    )
    if not path.is_file():
        return fresh
    kept = load_calibration(path)
    same = all(getattr(kept, k) == getattr(fresh, k) for k in ("bus", "drive_id", "model", "firmware", "overrides"))
    return replace(fresh, steps=kept.steps, findings=kept.findings) if same else fresh


def open_bus(where: str) -> tuple[Bus, Clock]:
    """A bus by its name.

    Raises:
        ConfigError: no such form of a name.
        DeviceError: it cannot be opened, or another program commands its motors.
    """
    interface, separator, channel = where.partition(":")
    if not separator or not channel:
        raise ConfigError(f"Bus {where!r} is no bus. Write interface:channel, such as socketcan:can0, or twin.")
    clock = WallClock()
    return PythonCanBus(interface, channel, clock, commands=True), clock


def search_bus(request: BenchRequest, *, nothing_can_fall: bool, powered_for_s: float = 0.0) -> dict[str, Any]:
    """Who is on the request's bus, as plain values with a sentence per drive."""
    if request.bus == TWIN:
        clock: Clock = SteppedClock()
        row = replace(request, check="gear").rows()[0]
        twins = request.twins or {str(request.drive_id): request.rehearse}
        bus: Bus = TwinBus([make_drive(row, int(number), wrong) for number, wrong in twins.items()], clock)
    else:
        bus, clock = open_bus(request.bus)
    with contextlib.closing(bus):
        found = discover(bus, clock, _IDS, powered_for_s=powered_for_s, nothing_can_fall=nothing_can_fall)
    return _discovery_json(found)


def _discovery_json(found: Discovery) -> dict[str, Any]:
    drives: list[dict[str, Any]] = []
    for drive in found.drives:
        byte = drive.temperature_byte
        drives.append(
            {
                "id": drive.drive_id,
                "dialect": str(drive.dialect),
                "sentence": drive.sentence,
                "reply_id": drive.reply_id,
                "reply_bytes": drive.reply_bytes,
                "rate_hz": round(drive.rate_hz, 1),
                "error_code": drive.error_code,
                "shared_reply_id": drive.shared_reply_id,
                "temperature_byte": byte,
                "temperature_offset_c": None if byte is None else temperature_offset_c(byte),
            }
        )
    return {"drives": drives, "foreign_frames": found.foreign_frames, "advice": found.advice}
