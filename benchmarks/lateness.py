"""`bench lateness`: how late the control loop is woken while everything else is busy, with SCHED_FIFO and without.

Each run is a whole session in a process of its own: window, recorder, camera, a scripted hand, a planner that never
rests, its policy. Missed targets are reported with what the kernel says of the cause, and with what loops that do
nothing (`idle_loop`) met in the same minutes: nothing that this program does can be more punctual than they are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmarks.idle_loop import Floor, IdleLoops
from benchmarks.lateness_session import TARGET_US, Setting
from benchmarks.mppi_setup import random_model
from studio.cli.display import ensure_display
from studio.cli.output import parse_arguments, write_result
from studio.core.config import check_range
from studio.core.errors import ConfigError, SafetyError, WorkerError
from studio.core.paths import repository_root
from studio.learning.bundle import save_bundle
from studio.learning.kinematics import arm_geometry
from studio.learning.skill_model import SkillModel
from studio.robot.description import load_robot
from studio.workers.priority import leave_priority, obtain_priority

_START_S = 300.0
_IDLE_PRIORITY = 51  # the control loop has 50: idle loops never wait for it
_PRIORITIES = {"fifo": (True,), "none": (False,), "both": (True, False)}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Lateness of the loop under load.

    Args:
        seconds: of every run.
        rates_hz: of the loop.
        priority: `fifo`, `none` (the normal scheduler) or `both`.
        window: open the window.
        planner: run planner and policy.
        idle_loops: run a loop that does nothing on every core beside it, as the floor.
        bundle: that the planner plans with; random weights of the usual sizes when empty.
        json_path: write the result as JSON; `-` prints it.
    """

    seconds: float = 600.0
    rates_hz: tuple[float, ...] = (400.0, 800.0)
    priority: str = "both"
    window: bool = True
    planner: bool = True
    idle_loops: bool = True
    bundle: str = ""
    json_path: Annotated[str | None, tyro.conf.arg(name="json")] = field(default=None)

    def __post_init__(self) -> None:
        check_range("bench lateness", "seconds", self.seconds, 1.0, 24 * 3600.0, " s")
        if not self.rates_hz:
            raise ConfigError("bench lateness: no rates_hz; give one or more, such as `--rates-hz 400 800`.")
        for rate_hz in self.rates_hz:
            check_range("bench lateness", "rates_hz", rate_hz, 50.0, 1000.0, " Hz")
        if self.priority not in _PRIORITIES:
            raise ConfigError(f"bench lateness: priority {self.priority!r}; allowed {', '.join(_PRIORITIES)}.")


def run(arguments: list[str]) -> int:
    """One session per rate and priority."""
    options: Options = parse_arguments(Options, arguments, "main.py bench lateness")
    refusal = find_refusal() if options.priority != "none" else ""
    if refusal and options.priority == "fifo":
        raise SafetyError(
            f"bench lateness: real-time priority was refused: {refusal} Or measure with `--priority none`."
        )
    if options.window:
        ensure_display(["bench", "lateness", *arguments])
    priorities = [fifo for fifo in _PRIORITIES[options.priority] if not (fifo and refusal)]
    with tempfile.TemporaryDirectory(prefix="bench-lateness-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        bundle = options.bundle or str(save_model(folder / "bundle", random_model()[0]))
        rows = [
            measure(_setting(options, folder, bundle, rate_hz, fifo), idle_loops=options.idle_loops)
            for rate_hz in options.rates_hz
            for fifo in priorities
        ]
    loads = [round(value, 1) for value in os.getloadavg()]
    result = {"target_p99_9_us": TARGET_US, "fifo_refused": refusal, "cores": os.cpu_count(),
              "load_averages": loads, "runs": rows}  # fmt: skip
    told = [f"with FIFO: not measured, it was refused: {refusal}"] if refusal else []
    write_result(result, options.json_path, text="\n".join([make_table(rows), *told]))
    return 0


def find_refusal() -> str:
    """Why this user gets no real-time priority; empty where it does."""
    refusal = obtain_priority(_IDLE_PRIORITY)
    leave_priority()
    return refusal


def _setting(options: Options, folder: Path, bundle: str, rate_hz: float, fifo: bool) -> Setting:
    return Setting(
        rate_hz=rate_hz,
        seconds=options.seconds,
        fifo=fifo,
        window=options.window,
        planner=options.planner,
        bundle=bundle,
        folder=str(folder),
    )


def save_model(path: Path, model: SkillModel) -> Path:
    """A model as a bundle on disk."""
    networks, robot = model.networks, load_robot()
    info = {
        "method": "haptic_play", "rate_hz": model.rate_hz, "window": networks.window, "robot": robot.name,
        "streams": ["control", "object_pose.world"], "task": networks.task.to_json(),
        "geometry": arm_geometry(robot).to_json(), "networks": networks.sizes.to_json(),
        "action_size": 2 * robot.joints, "prior": "flow",
    }  # fmt: skip
    save_bundle(path, info, {name: part.state_dict() for name, part in networks.parts().items()})
    return path


def measure(setting: Setting, *, idle_loops: bool = True) -> dict[str, Any]:
    """One session, with idle loops beside it for all of its time."""
    folder = Path(setting.folder)
    priority = _IDLE_PRIORITY if setting.fifo else 0
    loops = IdleLoops(folder / "idle", setting.rate_hz, setting.seconds + _START_S, priority)
    floor = Floor()
    try:
        if idle_loops:
            loops.start()
        row = _run_session(setting)
    finally:
        floor = loops.stop()
    put = put_down(row, floor)  # takes the single ticks out of the row
    return {**row, **put, "met": not setting.fifo or row["p99_9_us"] <= TARGET_US}


def _run_session(setting: Setting) -> dict[str, Any]:
    folder = Path(setting.folder)
    given, out = folder / "setting.json", folder / "out.json"
    given.write_text(json.dumps(asdict(setting)), encoding="utf-8")
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.lateness_session", str(given), str(out)]
    patience_s = setting.seconds + _START_S
    try:
        done = subprocess.run(
            command, cwd=repository_root(), capture_output=True, text=True, timeout=patience_s, check=False
        )
    except subprocess.TimeoutExpired as late:
        said = late.stderr.decode(errors="replace") if isinstance(late.stderr, bytes) else late.stderr or ""
        raise WorkerError(
            f"bench lateness: a session of {setting.seconds:g} s took over {patience_s:g} s. Close other programs.",
            detail=said,
        ) from None
    if done.returncode or not out.exists():
        last = (done.stderr.strip() or "no word").splitlines()[-1]
        raise WorkerError(f"bench lateness: a session ended with {done.returncode}: {last}", detail=done.stderr)
    return json.loads(out.read_text(encoding="utf-8"))


def put_down(row: dict[str, Any], floor: Floor) -> dict[str, Any]:
    """The floor of the measured minutes, and how many ticks beyond the target it accounts for.

    `rest_p99_9_us`: of the ticks at which no idle loop was held up at least half as long in the same moment; a number
    only while it is beyond the target, since punctual ticks are not listed one by one.
    """
    during = floor.during(*row["during_ns"])
    late = row.pop("late_ticks")
    rest = sorted((late_ns for due_ns, late_ns, _ in late if not during.covers(due_ns, late_ns)), reverse=True)
    allowed = int((row["ticks"] - (len(late) - len(rest))) * 0.001)
    rest_us = round(1e-3 * rest[allowed], 1) if allowed < len(rest) else min(row["p99_9_us"], TARGET_US)
    beyond = {
        "ticks": len(late),
        "idle_loops_too": len(late) - len(rest),
        "after_the_report": sum(1 for due_ns, late_ns, told in late if told and not during.covers(due_ns, late_ns)),
    }
    return {"floor": during.describe(), "beyond_target": beyond, "rest_p99_9_us": rest_us}


def make_table(rows: list[dict[str, Any]]) -> str:
    """Lateness in µs, what loops that do nothing met meanwhile, and where late ticks came from."""
    lines = ["| loop | p50 | p99 | p99.9 | max | missed | idle loops p99.9, max | beyond target: all, idle loops too | "
             "p99.9 of the rest | over 0.5 ms: stolen, waited, own |", "|" + 10 * "---|"]  # fmt: skip
    for row in rows:
        late, beyond, floor = row["late"], row["beyond_target"], row["floor"]
        idle = f"{floor['p99_9_us']:g}, {floor['max_us']:g}" if floor else "not run"
        loop = f"{row['rate_hz']:g} Hz, {row['processes']['control']['policy']}"
        bound = "at most " if row["rest_p99_9_us"] <= TARGET_US else ""
        parts = f"{late['stolen']}, {late['waited']}, {late['own']}"
        lines.append(
            f"| {loop} | {row['p50_us']:g} | {row['p99_us']:g} | {row['p99_9_us']:g} | {row['max_us']:g} | "
            f"{row['missed']} of {row['ticks']} | {idle} | {beyond['ticks']}, {beyond['idle_loops_too']} | "
            f"{bound}{row['rest_p99_9_us']:g} | {late['over_0.5_ms']}: {parts} |"
        )
    lines.append(
        f"\nµs. Target: p99.9 of at most {TARGET_US:g} with FIFO. Idle loops: one on each core, doing nothing."
    )
    return "\n".join(lines)
