"""`bench lateness`: how late the control loop is woken while everything else is busy, with SCHED_FIFO and without.

Each run is a whole session in a process of its own: window, recorder, camera, a scripted hand, a planner that never
rests, its policy. Missed targets are reported with what the kernel says of the cause.
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

from benchmarks.lateness_session import Setting
from benchmarks.mppi_setup import random_model
from studio.cli.display import ensure_display
from studio.cli.output import parse_arguments, write_result
from studio.core.config import check_range
from studio.core.errors import ConfigError, WorkerError
from studio.learning.bundle import save_bundle
from studio.learning.kinematics import arm_geometry
from studio.learning.skill_model import SkillModel
from studio.robot.description import load_robot

_TARGET_US = 50.0  # p99.9 with FIFO
_START_S = 300.0
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
        bundle: that the planner plans with; random weights of the usual sizes when empty.
        json_path: write the result as JSON; `-` prints it.
    """

    seconds: float = 600.0
    rates_hz: tuple[float, ...] = (400.0, 800.0)
    priority: str = "both"
    window: bool = True
    planner: bool = True
    bundle: str = ""
    json_path: Annotated[str | None, tyro.conf.arg(name="json")] = field(default=None)

    def __post_init__(self) -> None:
        check_range("bench lateness", "seconds", self.seconds, 1.0, 24 * 3600.0, " s")
        for rate_hz in self.rates_hz:
            check_range("bench lateness", "rates_hz", rate_hz, 50.0, 1000.0, " Hz")
        if self.priority not in _PRIORITIES:
            raise ConfigError(f"bench lateness: priority {self.priority!r}; allowed {', '.join(_PRIORITIES)}.")


def run(arguments: list[str]) -> int:
    """One session per rate and priority."""
    options: Options = parse_arguments(Options, arguments, "main.py bench lateness")
    if options.window:
        ensure_display(["bench", "lateness", *arguments])
    with tempfile.TemporaryDirectory(prefix="bench-lateness-") as name:
        folder = Path(name)
        bundle = options.bundle or str(save_model(folder / "bundle", random_model()[0]))
        rows = [
            _measure(_setting(options, folder, bundle, rate_hz, fifo))
            for rate_hz in options.rates_hz
            for fifo in _PRIORITIES[options.priority]
        ]
    loads = [round(value, 1) for value in os.getloadavg()]
    result = {"target_p99_9_us": _TARGET_US, "cores": os.cpu_count(), "load_averages": loads, "runs": rows}
    write_result(result, options.json_path, text=make_table(rows))
    return 0


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


def _measure(setting: Setting) -> dict[str, Any]:
    folder = Path(setting.folder)
    given, out = folder / "setting.json", folder / "out.json"
    given.write_text(json.dumps(asdict(setting)), encoding="utf-8")
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.lateness_session", str(given), str(out)]
    root, patience_s = Path(__file__).resolve().parents[1], setting.seconds + _START_S
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=patience_s, check=False)
    if done.returncode or not out.exists():
        last = (done.stderr.strip() or "no word").splitlines()[-1]
        raise WorkerError(f"bench lateness: a session ended with {done.returncode}: {last}", detail=done.stderr)
    row = json.loads(out.read_text(encoding="utf-8"))
    return {**row, "met": not setting.fifo or row["p99_9_us"] <= _TARGET_US}


def make_table(rows: list[dict[str, Any]]) -> str:
    """Lateness in µs, and where late ticks came from."""
    head = (
        f"{'loop':<22}{'p50':>8}{'p99':>9}{'p99.9':>10}{'max':>10}{'missed':>8}  late by 0.5 ms: stolen / waited / own"
    )
    lines = [head]
    for row in rows:
        name = f"{row['rate_hz']:g} Hz, {row['processes']['control']['policy']}"
        late = row["late"]
        lines.append(
            f"{name:<22}{row['p50_us']:>8.1f}{row['p99_us']:>9.1f}{row['p99_9_us']:>10.1f}{row['max_us']:>10.1f}"
            f"{row['missed']:>8}  {late['over_0.5_ms']}: {late['stolen']} / {late['waited']} / {late['own']}"
        )
    lines.append(f"target: p99.9 of at most {_TARGET_US:g} µs with FIFO")
    return "\n".join(lines)
