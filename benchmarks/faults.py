"""`bench faults`: every fault of the catalogue in every state over both transports, and what came of each.

In process: the stepped clock, faults on a leader's and on a follower's bus. Serial: twins in four processes behind
pseudo-terminals, in real time. Every miss is listed by itself. A run in which the kernel kept the loop or a twin from
running for longer than a tick proves nothing when it goes wrong: it is made again, and what was discarded is listed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import tyro

from benchmarks.fault_cases import CASES, STATES, FaultCase, Outcome
from benchmarks.fault_rig import FaultRig, SerialRig, SteppedRig
from benchmarks.fault_run import FaultRun, RunResult, reset
from hw_drivers.bus.wire_fault import FaultKind
from studio.cli.output import ProgressBar, parse_arguments, write_result
from studio.core.config import check_range
from studio.core.errors import ConfigError, DeviceError
from studio.core.records import PairState
from studio.robot.description import Robot, load_robot

_LEADER_BUS, _FOLLOWER_BUS, _DRIVE = 0, 2, 2
_ATTEMPTS, _PAUSE_S = 6, 0.2
_GUARD_MS = 25.0  # a stall of the control process is to be found within this
_TRANSPORTS = ("in_process", "serial")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The campaign of injected faults.

    Args:
        transport: `in_process`, `serial`, or `both`.
        serial_rate_hz: of the loop over serial lines; a slow or busy machine may need less than the robot's.
        case: only cases whose name contains this.
        json_path: write the result as JSON; `-` prints it.
    """

    transport: str = "both"
    serial_rate_hz: float = 400.0
    case: str = ""
    json_path: Annotated[str | None, tyro.conf.arg(name="json")] = field(default=None)

    def __post_init__(self) -> None:
        check_range("bench faults", "serial_rate_hz", self.serial_rate_hz, 50.0, 500.0, " Hz")
        if self.transport not in (*_TRANSPORTS, "both"):
            raise ConfigError(f"bench faults: transport {self.transport!r}; allowed {', '.join(_TRANSPORTS)}, both.")
        if not any(self.case in case.name for case in CASES):
            names = "; ".join(case.name for case in CASES)
            raise ConfigError(f"bench faults: no case has {self.case!r} in its name. Cases: {names}.")


def run_in_process(robot: Robot, cases: Iterable[FaultCase], tell: Callable[[], None]) -> list[RunResult]:
    """A fresh rig for every run; every fault on a leader's and on a follower's bus."""
    results: list[RunResult] = []
    for case in cases:
        for state in STATES:
            for bus in (_LEADER_BUS, _FOLLOWER_BUS):
                rig = SteppedRig(robot)
                results.append(FaultRun(rig, bus, _DRIVE).run(case, state, "in_process"))
                rig.close()
                tell()
    return results


def run_serial(robot: Robot, cases: Iterable[FaultCase], tell: Callable[[], None]) -> list[RunResult]:
    """In real time; a run that went wrong while the machine kept it from running is made again, and all are told."""
    results: list[RunResult] = []
    with SerialRuns(robot) as runs:
        for case in cases:
            for state in STATES:
                results.append(repeat_disturbed(lambda case=case, state=state: runs.run(case, state)))
                tell()
    return results


def repeat_disturbed(run_once: Callable[[], RunResult], attempts: int = _ATTEMPTS) -> RunResult:
    """The first run that is right, or wrong by itself; else the last, with what was discarded before it."""
    discarded: list[str] = []
    while True:
        result = run_once()
        result.discarded = list(discarded)
        if not (result.wrong and result.disturbed) or len(discarded) + 1 >= attempts:
            return result
        discarded.append(f"{'; '.join(result.wrong)} ({result.disturbed})")
        time.sleep(_PAUSE_S * len(discarded))  # what keeps the machine busy may pass


class SerialRuns:
    """Processes are kept between runs; only an adapter that was pulled out, or a rig that is lost, needs new ones."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._rig: FaultRig | None = None

    def __enter__(self) -> SerialRuns:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rig is not None:
            self._rig.close()

    def run(self, case: FaultCase, state: PairState) -> RunResult:
        try:
            rig = self._rig = self._rig or SerialRig(self._robot)
            reset(rig)
            result = FaultRun(rig, _FOLLOWER_BUS, _DRIVE).run(case, state, "serial")
        except DeviceError as error:  # twins that did not answer in time
            result = RunResult(case, state, "serial", disturbed="twins did not answer", wrong=[str(error)])
        if case.kind == FaultKind.UNPLUG or result.disturbed == "twins did not answer":
            self._drop()
        return result

    def _drop(self) -> None:
        rig, self._rig = self._rig, None
        if rig is not None:
            rig.close()


def summarise(results: list[RunResult]) -> dict[str, Any]:
    """Counts, times and every violation. A run that stayed wrong and disturbed to the last attempt proves nothing."""
    active = [r for r in results if r.outcome is not None]
    proven = [r for r in results if not (r.wrong and r.disturbed)]
    guarded = [r.stall_ms for r in proven]
    return {
        "runs": len(results),
        "violations": [{"case": r.name, "what": what} for r in proven for what in r.wrong],
        "undecided": [
            {"case": r.name, "what": what, "machine": r.disturbed}
            for r in results
            if r not in proven
            for what in r.wrong
        ],
        "discarded": [{"case": r.name, "what": what} for r in results for what in r.discarded],
        "classes": {name: sum(r.outcome == name for r in active) for name in Outcome},
        "classes_of_cases": _classes_of_cases(active),
        "damping_ms": _spread([r.damping_ms for r in proven]),
        "stop_ms": _spread([r.stop_ms for r in proven]),
        "stall_ms": {
            **_spread(guarded),
            "limit": _GUARD_MS,
            "over": sum(t > _GUARD_MS for t in guarded if t is not None),
        },
        "latched": _count(proven, "latched"),
        "cause_named": _count(proven, "cause_named"),
        "recording_intact": _count(proven, "recording_intact"),
        "peak_torque_nm": max((r.peak_torque_nm for r in results), default=0.0),
        "peak_speed_rad_s": max((r.peak_speed_rad_s for r in results), default=0.0),
        "disturbed": sum(bool(r.disturbed) for r in results),
        "repeated": sum(bool(r.discarded) for r in results),
        "transports": {name: sum(r.transport == name for r in results) for name in _TRANSPORTS},
        "cases": [_describe(r) for r in results],
    }


def _count(results: list[RunResult], name: str) -> dict[str, int]:
    """Of the runs in which it was to be judged: how many, and in how many it was so."""
    known = [getattr(result, name) for result in results if getattr(result, name) is not None]
    return {"of": len(known), "yes": sum(known)}


def _classes_of_cases(active: list[RunResult]) -> dict[str, dict[str, int]]:
    """Fault -> outcome -> runs, while a pair was active."""
    table: dict[str, dict[str, int]] = {}
    for result in active:
        row = table.setdefault(result.case.name, {})
        row[str(result.outcome)] = row.get(str(result.outcome), 0) + 1
    return table


def _spread(times_ms: list[float | None]) -> dict[str, float | int]:
    known = [t for t in times_ms if t is not None]
    if not known:
        return {"p50": 0.0, "max": 0.0, "count": 0}
    return {"p50": round(float(np.median(known)), 3), "max": round(max(known), 3), "count": len(known)}


def _describe(result: RunResult) -> dict[str, Any]:
    values = asdict(result)
    values["case"], values["state"] = result.case.name, PairState(result.state).name.lower()
    return values


def run(arguments: list[str]) -> int:
    """Run the campaign; ends with code 5 when anything was violated."""
    options = parse_arguments(Options, arguments, "main.py bench faults")
    robot = load_robot()
    cases = [case for case in CASES if options.case in case.name]
    chosen = _TRANSPORTS if options.transport == "both" else (options.transport,)
    runs = len(cases) * len(STATES) * (2 * ("in_process" in chosen) + ("serial" in chosen))
    bar, done = ProgressBar("faults", runs), 0

    def tell() -> None:
        nonlocal done
        done += 1
        bar.update(done)

    results: list[RunResult] = []
    if "in_process" in chosen:
        results += run_in_process(robot, cases, tell)
    if "serial" in chosen:
        results += run_serial(replace(robot, loop_rate_hz=options.serial_rate_hz), cases, tell)
    bar.close()
    result = summarise(results)
    write_result(result, options.json_path, text=make_words(result))
    return 5 if result["violations"] or result["undecided"] else 0


def make_words(result: dict[str, Any]) -> str:
    """Every miss by itself, the classes of every fault as a table, then times and counts."""
    lines = [f"{miss['case']}: {miss['what']}" for miss in result["violations"]]
    lines += [f"undecided: {miss['case']}: {miss['what']} ({miss['machine']})" for miss in result["undecided"]]
    lines += [
        "| fault, while a pair was active | " + " | ".join(str(name).replace("_", " ") for name in Outcome) + " |"
    ]
    lines += ["|" + (len(Outcome) + 1) * "---|"]
    for case, row in result["classes_of_cases"].items():
        lines.append(f"| {case} | " + " | ".join(str(row.get(str(name), "")) for name in Outcome) + " |")
    classes = ", ".join(f"{count} {str(name).replace('_', ' ')}" for name, count in result["classes"].items())
    lines.append(
        f"\n{result['runs']} runs: {len(result['violations'])} violations, {len(result['undecided'])} undecided, "
        f"{len(result['discarded'])} attempts made again because of the machine; {classes}"
    )
    for name, words in (("damping_ms", "damping only"), ("stop_ms", "stopped"), ("stall_ms", "guard acts on a stall")):
        times = result[name]
        lines.append(f"{words}: p50 {times['p50']:g} ms, longest {times['max']:g} ms of {times['count']}")
    for name, words in (
        ("latched", "latched"),
        ("cause_named", "cause named"),
        ("recording_intact", "recording intact"),
    ):
        lines.append(f"{words}: {result[name]['yes']} of {result[name]['of']}")
    lines.append(f"peak torque {result['peak_torque_nm']:.2f} N·m, peak speed {result['peak_speed_rad_s']:.1f} rad/s")
    return "\n".join(lines)
