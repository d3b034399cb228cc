"""`bench gui`: how long the turns of the window's event loop are, situation by situation, in the real window.

Each run is a new process on a copy of the same project, because a first opening happens once in a process. There is
no other program to compare with; the peer is the limit of 50 ms that no turn may exceed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from studio.app.graphics import check_display
from studio.app.project import open_project
from studio.app.watchdog import LIMIT_S
from studio.cli.output import parse_arguments, write_result
from studio.core.config import check_range
from studio.core.errors import WorkerError
from studio.core.records import PairState, make_control_record, make_object_pose_record
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeWriter
from studio.robot.description import load_robot

_WALK_S = 300.0
_SHORT_S = 5.0
_STACK_LINES = 4


@dataclass(frozen=True, kw_only=True)
class Options:
    """Turns of the window's event loop against the limit of 50 ms.

    Args:
        runs: walks through the window, each in a process of its own.
        episode_s: length of the long episode that is replayed.
        episodes: short episodes in the library besides.
        json_path: write the result as JSON; `-` prints it.
    """

    runs: int = 3
    episode_s: float = 600.0
    episodes: int = 40
    json_path: Annotated[str | None, tyro.conf.arg(name="json")] = field(default=None)

    def __post_init__(self) -> None:
        check_range("bench gui", "runs", self.runs, 1, 20)
        check_range("bench gui", "episode_s", self.episode_s, 10, 3600)
        check_range("bench gui", "episodes", self.episodes, 1, 1000)


def run(arguments: list[str]) -> int:
    """Walk through the window and report."""
    options: Options = parse_arguments(Options, arguments, "main.py bench gui")
    check_display()
    with tempfile.TemporaryDirectory(prefix="bench-gui-") as name:
        folder = Path(name)
        make_project(folder / "project", options)
        walks = [_walk(folder, number) for number in range(options.runs)]
    workloads = {situation: summarise(situation, walks) for situation in walks[0]}
    loads = [round(value, 1) for value in os.getloadavg()]
    result = {"workloads": workloads, "cores": os.cpu_count(), "load_averages": loads}
    write_result(result, options.json_path, text=make_table(workloads))
    return 0


def make_project(folder: Path, options: Options) -> None:
    """One long episode of arms that sway, and many short ones."""
    dataset = Dataset.create(open_project(folder).dataset_path)
    session = dataset.new_session()
    for seconds in (options.episode_s, *[_SHORT_S] * options.episodes):
        _write_episode(dataset.new_episode(session), seconds)


def _write_episode(folder: Path, seconds: float) -> None:
    robot = load_robot()
    control = make_control_record(joints=robot.joints, pairs=robot.pairs, rate_hz=robot.loop_rate_hz)
    pose = make_object_pose_record("world", robot.loop_rate_hz)
    count = int(seconds * robot.loop_rate_hz)
    t_s = np.arange(count) / robot.loop_rate_hz
    records, poses = control.empty(count), pose.empty(count)
    for block in (records, poses):
        block["t_ns"] = 1_000_000_000 + (t_s * 1e9).astype(np.int64)
    sway_rad = 0.15 * np.sin(np.pi * t_s)[:, None]
    records["follower_position_rad"] = records["leader_position_rad"] = np.asarray(robot.home_rad) + sway_rad
    records["contact_force_n"][..., 0] = np.maximum(0.0, 6.0 * np.sin(t_s))[:, None]
    records["pair_state"] = int(PairState.ENGAGED)
    poses["position_m"] = np.stack([0.05 * np.sin(0.1 * t_s), 0.0 * t_s, 0.05 + 0.0 * t_s], axis=-1)
    poses["orientation_xyzw"] = (0.0, 0.0, 0.0, 1.0)
    writer = EpisodeWriter(folder, [control, pose], {"robot": robot.name, "task": "move_box"})
    writer.write("control", records)
    writer.write(pose.name, poses)
    writer.close("benchmark")


def _walk(folder: Path, number: int) -> dict[str, list[Any]]:
    project, out = folder / f"walk_{number}", folder / f"walk_{number}.json"
    shutil.copytree(folder / "project", project)
    command = [sys.executable, "-m", "benchmarks.gui_walk", str(project), str(out)]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=_WALK_S, check=False)
    if done.returncode or not out.exists():
        last = (done.stderr.strip() or "no word").splitlines()[-1]
        raise WorkerError(f"bench gui: walk {number + 1} ended with {done.returncode}: {last}", detail=done.stderr)
    return json.loads(out.read_text(encoding="utf-8"))


def summarise(situation: str, walks: list[dict[str, list[Any]]]) -> dict[str, Any]:
    """`ours` is the processor time of the longest turn (ms), the middle one of all runs."""
    longest = [max((turn[0] for turn in walk.get(situation, [])), default=0.0) for walk in walks]
    turns = [turn for walk in walks for turn in walk.get(situation, [])]
    limit_ms, ours = 1e3 * LIMIT_S, float(np.median(longest))
    long = sorted((turn for turn in turns if turn[0] > limit_ms), key=lambda turn: -turn[0])
    return {
        "ours": round(ours, 1), "peer": limit_ms, "peer_name": "limit of a turn (there is no other program to compare)",
        "ratio": round(limit_ms / max(ours, 0.1), 2), "unit": "ms of processor time, longest turn",
        "runs": len(walks), "spread": round(max(longest) - min(longest), 1), "turns": len(turns),
        "cpu_ms": _percentiles([turn[0] for turn in turns]), "wall_ms": _percentiles([turn[1] for turn in turns]),
        "busy_ms": _percentiles([turn[2] for turn in turns]), "over_limit": len(long),
        "over_limit_busy": sum(turn[2] > limit_ms for turn in turns),
        "long_turns": [
            {"cpu_ms": round(turn[0], 1), "wall_ms": round(turn[1], 1), "where": turn[3].splitlines()[:_STACK_LINES]}
            for turn in long[:5]
        ],
    }  # fmt: skip


def _percentiles(values_ms: list[float]) -> dict[str, float]:
    if not values_ms:
        return {}
    p50, p99, top = np.percentile(values_ms, (50, 99, 100))
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1), "max": round(float(top), 1)}


def make_table(workloads: dict[str, Any]) -> str:
    """For people: processor time, and wall time, of the turns in ms."""
    lines = [f"{'situation':<52}{'turns':>6}{'cpu p99':>9}{'cpu max':>9}{'wall max':>10}{'over 50':>9}"]
    for name, row in workloads.items():
        cpu, wall = row["cpu_ms"], row["wall_ms"]
        lines.append(
            f"{name:<52}{row['turns']:>6}{cpu['p99']:>9.1f}{cpu['max']:>9.1f}{wall['max']:>10.1f}{row['over_limit']:>9}"
        )
    return "\n".join(lines)
