"""`commission`: check one motor before it is trusted, on a bus or rehearsed on twins; keep what was found."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hw_drivers.bus.can_bus import PythonCanBus
from hw_drivers.commissioning.discovery import Discovery, discover, temperature_offset_c
from hw_drivers.commissioning.link import MotorLink
from hw_drivers.commissioning.machine import CHECKS, STEPS, Commissioning, Phase
from hw_drivers.commissioning.twin_bench import TwinOperator, make_drive, rehearse
from hw_drivers.commissioning.work import CommissionSettings
from hw_drivers.motors.dialect_twin import TwinBus
from hw_drivers.motors.models import MotorRange, UnresolvedModelError, find_range
from studio.cli.can import parse_id, parse_overrides
from studio.cli.output import parse_arguments, write_result
from studio.core.calibration import (
    CalibrationSet,
    MotorCalibration,
    calibration_dir,
    calibration_path,
    load_calibration,
    load_calibrations,
    save_calibration,
)
from studio.core.clock import SteppedClock, WallClock
from studio.core.config import apply_settings
from studio.core.errors import ConfigError, DeviceError
from studio.core.protocols import Bus, Clock

_IDS = range(1, 33)


@dataclass(frozen=True, kw_only=True)
class CommissionArguments:
    """Check one motor step by step: reply, position, velocity, torque, gains, direction, current, silence, zero."""

    joint: str = "leader.L1"
    """which joint; the name of the file that keeps the results"""
    model: str = "AK60-6"
    """motor model (`can models` lists them); AK60-9 is decided by --check gear"""
    firmware: Literal["legacy", "v3"] = "legacy"
    """dialect: legacy (V1, V2) or v3"""
    id: str = "1"
    """drive id"""
    bus: str = "twin"
    """twin, or interface:channel as in socketcan:can0 or slcan:/dev/ttyACM0"""
    check: str = "all"
    """all, gear, discover, or one step: position, velocity, torque, gain, sign, current, silence, zero"""
    set: tuple[str, ...] = ()
    """the bench, as key=value: pins_rad, mass_kg, lever_m, direction, fixture_pose_rad, sector_rad, torque_limit, …"""
    motor: tuple[str, ...] = ()
    """numbers of this motor's row instead of the table's, as key=value"""
    robot: str = "dual_arm_ak60"
    """whose calibration this is"""
    out: Path | None = None
    """folder of the results; the robot's own folder otherwise, for twins a folder of rehearsals"""
    rehearse: str = "none"
    """what is wrong with the twin: no_reply, wrong_dialect, wrong_gear, wrong_table, wrong_direction, …"""
    twin_model: str | None = None
    """what the twin really is, when it is not --model"""
    nothing_can_fall: bool = False
    """discover: no motor holds a load, so V3 drives may be asked with a zero-torque command"""
    json: str | None = None
    """write the result as JSON to this path, - for standard output"""


def run(arguments: list[str]) -> int:
    """Run the checks; 0 when all passed, 4 when one was refused."""
    options: CommissionArguments = parse_arguments(CommissionArguments, arguments, "main.py commission")
    if options.check != "discover" and options.check not in CHECKS:
        raise ConfigError(f"There is no check {options.check!r}. Checks: {', '.join(CHECKS)}, discover.")
    return _discover(options) if options.check == "discover" else _commission(options)


def _rows(options: CommissionArguments) -> tuple[MotorRange, ...]:
    """The row of the model, or all rows it may be when the gear check is to decide."""
    overrides = parse_overrides(options.motor)
    try:
        return (find_range(options.model, options.firmware, overrides),)
    except UnresolvedModelError as error:
        if options.check != "gear":
            raise
        return tuple(find_range(model, options.firmware, overrides) for model in error.choices)


def _commission(options: CommissionArguments) -> int:
    rows = _rows(options)
    settings = apply_settings(CommissionSettings(), list(options.set))
    folder = options.out or calibration_dir(options.robot if options.bus != "twin" else "rehearsals")
    calibration = _stored(options, rows[0], folder)
    path = calibration_path(folder, options.joint)
    with _bench(options, rows, settings, calibration) as (machine, go_through):
        try:
            go_through()
        finally:  # what has passed is kept, whatever ended it
            if machine.calibration.steps or path.is_file():
                save_calibration(folder, machine.calibration)
    result = _result_json(options, machine, path, load_calibrations(folder))
    write_result(result, options.json, text=_result_text(machine, path))
    return 0 if machine.passed else 4


def _stored(options: CommissionArguments, row: MotorRange, folder: Path) -> MotorCalibration:
    """What is kept of this motor, or a fresh start when it is another one."""
    fresh = MotorCalibration(
        joint=options.joint,
        bus=options.bus,
        drive_id=parse_id(options.id, "--id", 255),
        model=row.model,
        firmware=row.firmware,
        source=row.source,
        overrides=parse_overrides(options.motor),
    )
    path = calibration_path(folder, options.joint)
    if not path.is_file():
        return fresh
    kept = load_calibration(path)
    same = all(getattr(kept, k) == getattr(fresh, k) for k in ("bus", "drive_id", "model", "firmware", "overrides"))
    return replace(fresh, steps=kept.steps) if same else fresh


@contextlib.contextmanager
def _bench(
    options: CommissionArguments,
    rows: tuple[MotorRange, ...],
    settings: CommissionSettings,
    calibration: MotorCalibration,
) -> Iterator[tuple[Commissioning, Callable[[], None]]]:
    """A machine on a bus or a twin, and what brings it to its end: a person, or one who is played."""
    steps = CHECKS[options.check]
    if options.bus == "twin":
        clock = SteppedClock()
        truth = find_range(options.twin_model or rows[0].model, options.firmware, parse_overrides(options.motor))
        drive = make_drive(truth, calibration.drive_id, options.rehearse)
        link = MotorLink(TwinBus([drive], clock), clock, rows[0], calibration.drive_id)
        machine = Commissioning(link, settings, calibration, steps, rows)
        yield machine, lambda: rehearse(machine, TwinOperator(drive=drive, settings=settings))
        return
    if options.rehearse != "none" or options.twin_model:
        raise ConfigError("--rehearse and --twin-model are for twins. Leave out --bus, or leave them out.")
    bus, wall = _open(options.bus)
    with contextlib.closing(bus):
        machine = Commissioning(MotorLink(bus, wall, rows[0], calibration.drive_id), settings, calibration, steps, rows)
        yield machine, lambda: _run_with_person(machine)


def _open(where: str) -> tuple[Bus, Clock]:
    interface, separator, channel = where.partition(":")
    if not separator or not channel:
        raise ConfigError(f"--bus is {where!r}. Write interface:channel, such as socketcan:can0, or twin.")
    clock = WallClock()
    return PythonCanBus(interface, channel, clock), clock


def _run_with_person(machine: Commissioning) -> None:
    """Questions on the terminal; whatever ends this lets go of the motor."""
    shown = ""
    try:
        while machine.phase not in (Phase.FINISHED, Phase.ABORTED):
            if machine.title != shown:
                shown = machine.title
                print(f"\n{shown}", file=sys.stderr)
            if machine.question is not None:
                machine.answer(_ask(machine.question.text, machine.question.choices))
            elif machine.phase is Phase.REFUSED:
                print(f"  refused: {machine.refusals[-1].reason}", file=sys.stderr)
                machine.again() if _ask("Run it again?", ("again", "leave")) == "again" else machine.leave()
            else:
                machine.tick()
    except DeviceError as error:
        if machine.gives_torque:
            raise DeviceError(f"{error} The motor may still give torque: cut its supply.") from error
        raise
    finally:
        if machine.phase is not Phase.FINISHED:
            with contextlib.suppress(DeviceError):  # what went wrong has been said
                machine.abort()


def _ask(text: str, choices: tuple[str, ...]) -> str:
    """One of the choices, typed or, when there is only one, confirmed with Enter."""
    hint = "press Enter" if len(choices) == 1 else " or ".join(choices)
    while True:
        print(f"  {text} [{hint}] ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise ConfigError("Commissioning needs a person at the terminal. Rehearse with --bus twin instead.")
        word = line.strip().lower()
        if len(choices) == 1 and not word:
            return choices[0]
        if word in choices:
            return word


def _result_json(
    options: CommissionArguments, machine: Commissioning, path: Path, all_motors: CalibrationSet
) -> dict[str, Any]:
    calibration = machine.calibration
    return {
        "joint": options.joint,
        "bus": options.bus,
        "check": options.check,
        "passed": machine.passed,
        "model": calibration.model,
        "firmware": calibration.firmware,
        "silence": calibration.silence,
        "steps": calibration.to_json()["steps"],
        "refusals": [{"step": refusal.step, "reason": refusal.reason} for refusal in machine.refusals],
        "file": str(path) if path.is_file() else None,
        "identity": all_motors.identity,
    }


def _result_text(machine: Commissioning, path: Path) -> str:
    refused = {refusal.step: refusal.reason for refusal in machine.refusals}
    lines: list[str] = []
    for step in machine.steps:
        found = machine.calibration.steps.get(step)
        numbers = ", ".join(f"{key} {value}" for key, value in found.numbers.items()) if found else ""
        verdict = f"REFUSED: {refused[step]}" if step in refused else f"ok  {numbers}" if found else "not run"
        lines.append(f"{STEPS[step][0]:<32} {verdict}")
    kept = [f"kept in {path}"] if path.is_file() else []
    return "\n".join([f"{machine.calibration.joint}: {machine.calibration.model}", *lines, *kept])


def _discover(options: CommissionArguments) -> int:
    if options.bus == "twin":
        clock: Clock = SteppedClock()
        row = _rows(replace(options, check="gear"))[0]
        bus: Bus = TwinBus([make_drive(row, parse_id(options.id, "--id", 255), options.rehearse)], clock)
    else:
        bus, clock = _open(options.bus)
    with contextlib.closing(bus):
        found = discover(bus, clock, _IDS, powered_for_s=0.0, nothing_can_fall=options.nothing_can_fall)
    write_result(_discovery_json(found), options.json, text=_discovery_text(found))
    return 0 if found.drives else 4


def _discovery_json(found: Discovery) -> dict[str, Any]:
    drives = [
        {
            "id": drive.drive_id,
            "dialect": str(drive.dialect),
            "reply_id": drive.reply_id,
            "reply_bytes": drive.reply_bytes,
            "rate_hz": round(drive.rate_hz, 1),
            "error_code": drive.error_code,
            "shared_reply_id": drive.shared_reply_id,
            "temperature_byte": drive.temperature_byte,
            "temperature_offset_c": None
            if drive.temperature_byte is None
            else temperature_offset_c(drive.temperature_byte),
        }
        for drive in found.drives
    ]
    return {"drives": drives, "foreign_frames": found.foreign_frames, "advice": found.advice}


def _discovery_text(found: Discovery) -> str:
    return "\n".join([drive.sentence for drive in found.drives]) or found.advice
