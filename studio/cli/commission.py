"""`commission`: check one motor before it is trusted, on a bus or rehearsed on twins; keep what was found."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hw_drivers.commissioning.machine import Commissioning, Phase
from hw_drivers.commissioning.twin_bench import rehearse
from hw_drivers.commissioning.work import CommissionSettings
from studio.cli.can import parse_id, parse_overrides
from studio.cli.output import parse_arguments, write_result
from studio.core.config import apply_settings
from studio.core.errors import ConfigError, DeviceError
from studio.workers.bench import TWIN, Bench, BenchRequest, search_bus


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
    bus: str = TWIN
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
    twin_model: str = ""
    """what the twin really is, when it is not --model"""
    nothing_can_fall: bool = False
    """discover: no motor holds a load, so V3 drives may be asked with a zero-torque command"""
    json: str | None = None
    """write the result as JSON to this path, - for standard output"""


def run(arguments: list[str]) -> int:
    """Run the checks; 0 when all passed, 4 when one was refused."""
    options: CommissionArguments = parse_arguments(CommissionArguments, arguments, "main.py commission")
    request = _request(options)
    return _discover(options, request) if options.check == "discover" else _commission(options, request)


def _request(options: CommissionArguments) -> BenchRequest:
    return BenchRequest(
        joint=options.joint,
        model=options.model,
        firmware=options.firmware,
        drive_id=parse_id(options.id, "--id", 255),
        bus=options.bus,
        check="gear" if options.check == "discover" else options.check,
        robot=options.robot,
        folder="" if options.out is None else str(options.out),
        rehearse=options.rehearse,
        twin_model=options.twin_model,
        overrides=parse_overrides(options.motor),
        settings=apply_settings(CommissionSettings(), list(options.set)),
    )


def _commission(options: CommissionArguments, request: BenchRequest) -> int:
    bench = Bench(request)
    with contextlib.closing(bench):
        try:
            if bench.operator is None:
                _run_with_person(bench.machine)
            else:
                rehearse(bench.machine, bench.operator)
        finally:
            bench.save()  # what has passed is kept, whatever ended it
    write_result(bench.result(), options.json, text="\n".join(bench.lines()))
    return 0 if bench.machine.passed else 4


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
            print(file=sys.stderr)  # the error has a line of its own
            raise ConfigError("Commissioning needs a person at the terminal. Rehearse with --bus twin instead.")
        word = line.strip().lower()
        if len(choices) == 1 and not word:
            return choices[0]
        if word in choices:
            return word


def _discover(options: CommissionArguments, request: BenchRequest) -> int:
    found = search_bus(request, nothing_can_fall=options.nothing_can_fall)
    text = "\n".join(drive["sentence"] for drive in found["drives"]) or found["advice"]
    write_result(found, options.json, text=text)
    return 0 if found["drives"] else 4
