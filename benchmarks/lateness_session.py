"""One measured session in a process of its own: `python -m benchmarks.lateness_session SETTING.json OUT.json`.

Window (where asked for), recorder, camera, scripted hand, a planner that never rests and its policy; then the control
loop is started anew, engaged, and watched tick by tick.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process_statistics import (
    ProcessStatistics,
    main_thread_wait_s,
    policy_words,
    read_process,
    stolen_s,
)
from studio.app.project import open_project
from studio.app.session import Session
from studio.app.streams import Follower
from studio.core.errors import WorkerError
from studio.core.paths import resources_dir
from studio.core.records import PairState
from studio.core.task import Goal, load_task
from studio.ipc.messages import Message
from studio.robot.description import load_robot

_PATIENCE_S = 120.0
_STEP_S = 0.02
TARGET_US = 50.0  # p99.9 with FIFO
_LATE_S = 0.0005  # of these the cause is looked for
_BUSY = "from_prediction=false"  # plan after plan, without waiting for the skill that runs


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One run: loop rate, how long, with SCHED_FIFO or without, with window and planner or without, and the bundle."""

    rate_hz: float
    seconds: float
    fifo: bool
    window: bool
    planner: bool
    bundle: str
    folder: str


def make_robot_folder(folder: Path, rate_hz: float) -> str:
    """The shipped robot at another rate."""
    source = resources_dir() / "robots" / "dual_arm_ak60"
    folder.mkdir(exist_ok=True)
    text = (source / "robot.toml").read_text(encoding="utf-8")
    text = re.sub(r"^loop_rate_hz = .*$", f"loop_rate_hz = {rate_hz}", text, flags=re.M)
    (folder / "robot.toml").write_text(text, encoding="utf-8")
    for name in ("dual_arm.urdf", "meshes"):
        if not (folder / name).exists():
            (folder / name).symlink_to(source / name)
    return str(folder)


class Script:
    """What is done, one step at a time, while the window (or this process) beats."""

    def __init__(self, session: Session, setting: Setting) -> None:
        self.session, self.setting = session, setting
        self.ready: set[str] = set()
        self.said: list[str] = []
        self._control = Follower(session.ring_path("control"))
        self._parts: list[np.ndarray] = []
        self._samples: list[tuple[int, float, float]] = []  # time, wait of the loop, stolen time
        self._asked_s = 0.0
        self._before: dict[str, ProcessStatistics] = {}
        self.result: dict[str, Any] = {}
        session.message.connect(self._on_message)

    def _on_message(self, name: str, message: Message) -> None:
        if message.name == "ready":
            self.ready.add(name)
        elif message.name == "said":
            self.said.append(f"{name}: {message.values.get('text', '')}")

    def steps(self) -> Iterator[None]:
        session, setting = self.session, self.setting
        yield from self._wait(lambda: session.state.link.connected, "the loop runs")
        session.start_worker("operator")
        if setting.planner:
            yield from self._start_planner()
        session.take.start(0.0)
        yield from self._wait(lambda: session.state.recording.on, "the recorder records")
        yield from self._start_control()
        yield from self._wait(self._is_engaged, "engaged")
        yield from self._measure()

    def _start_planner(self) -> Iterator[None]:
        session = self.session
        for name in ("policy", "planner"):
            session.start_worker(name, bundle=self.setting.bundle, task="move_box", set=[_BUSY])
        yield from self._wait(lambda: {"policy", "planner"} <= self.ready, "policy and planner are ready")
        session.set_goal(Goal(position_m=(0.08, -0.05, 0.05), orientation_xyzw=(0.0, 0.0, 0.0, 1.0), goal_id=1))

    def _start_control(self) -> Iterator[None]:
        """Last of all, so that its own start-up is not disturbed, and with the priority that is to be measured."""
        session = self.session
        session.stop_worker("control")
        yield from self._wait(lambda: not session.alive("control"), "the first loop has ended")
        self.ready.discard("control")
        session.start_worker("control", realtime=self.setting.fifo)
        yield from self._wait(lambda: "control" in self.ready, "the loop is ready")

    def _is_engaged(self) -> bool:
        session, now_s = self.session, time.monotonic()
        worst = session.state.link.worst
        if worst is not PairState.ENGAGED and now_s - self._asked_s > 1.0:
            self._asked_s = now_s
            if worst is PairState.FAULT:
                session.set_dead_man(False)
                session.request("clear_fault")
            else:
                session.engage()
        return worst is PairState.ENGAGED

    def _wait(self, reached: Callable[[], object], what: str) -> Iterator[None]:
        end_s = time.monotonic() + _PATIENCE_S
        while not reached():
            if time.monotonic() > end_s:
                raise WorkerError(f"bench lateness: {what}: not within {_PATIENCE_S:g} s. Close other programs.",
                                  detail="\n".join(self.said[-8:]))  # fmt: skip
            yield

    def _pids(self) -> dict[str, int]:
        supervisor = self.session.supervisor
        return {info.name: info.pid for info in supervisor.processes() if info.alive}

    def _measure(self) -> Iterator[None]:
        pids, began_s = self._pids(), time.monotonic()
        self._control.read()
        self._before = {name: read_process(pid) for name, pid in pids.items()}
        stolen_before_s = stolen_s()
        while time.monotonic() - began_s < self.setting.seconds:
            records = self._control.read()
            if records is not None and len(records):
                self._parts.append(records[["t_ns", "tick", "lateness_s", "missed_ticks"]].copy())
            self._samples.append((time.monotonic_ns(), main_thread_wait_s(pids["control"]), stolen_s()))
            self._is_engaged()
            yield
        took_s = time.monotonic() - began_s
        self.result = {
            **self._describe_ticks(),
            "seconds": round(took_s, 1),
            "during_ns": [int(1e9 * began_s), int(1e9 * (began_s + took_s))],
            "stolen_ms_per_s": round(1e3 * (stolen_s() - stolen_before_s) / took_s, 2),
            "processes": {name: self._describe_process(name, pid, took_s) for name, pid in pids.items()},
        }

    def _describe_process(self, name: str, pid: int, took_s: float) -> dict[str, Any]:
        spent = read_process(pid).since(self._before[name])
        return {
            "policy": policy_words(pid) if self.session.alive(name) else "ended",
            "cpu_share": round(spent.run_s / took_s, 3),
            "wait_share": round(spent.wait_s / took_s, 4),
            "switches_per_s": round(spent.voluntary / took_s, 1),
            "preempted_per_s": round(spent.involuntary / took_s, 1),
            "page_faults_per_s": round(spent.faults / took_s, 2),
        }

    def _describe_ticks(self) -> dict[str, Any]:
        ticks = np.concatenate(self._parts)
        late_us = 1e6 * ticks["lateness_s"].astype(np.float64)
        p50, p99, p99_9, longest = np.percentile(late_us, (50, 99, 99.9, 100))
        return {
            "p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1), "p99_9_us": round(float(p99_9), 1),
            "max_us": round(float(longest), 1), "ticks": len(ticks), "lost_records": self._control.lost,
            "missed": int(ticks["missed_ticks"][-1] - ticks["missed_ticks"][0]),
            "late": self._causes(ticks["t_ns"], late_us * 1e-6),
            "late_ticks": self._late_ticks(ticks["t_ns"], ticks["tick"], late_us),
        }  # fmt: skip

    def _late_ticks(self, t_ns: np.ndarray, tick: np.ndarray, late_us: np.ndarray) -> list[list[int]]:
        """Deadline and lateness in ns of all that were late by more than the target, and whether their second had just
        ended: the tick before them told the window how the loop is."""
        after_report = tick % round(self.setting.rate_hz) == 1
        chosen = np.flatnonzero(late_us > TARGET_US)
        late_ns = (1e3 * late_us[chosen]).astype(np.int64)
        return np.stack([t_ns[chosen] - late_ns, late_ns, after_report[chosen]], axis=1).tolist()

    def _causes(self, t_ns: np.ndarray, late_s: np.ndarray) -> dict[str, int]:
        """Late ticks by what happened in the sampled stretch around them.

        `stolen`: the host ran something else. `waited`: the loop was ready and another process had the core. `own`:
        neither, so its own last tick took too long, or the kernel held it up.
        """
        at_ns, wait_s, stolen = (np.array(column) for column in zip(*self._samples, strict=True))
        counts = {"over_0.5_ms": 0, "stolen": 0, "waited": 0, "own": 0}
        for index in np.flatnonzero(late_s > _LATE_S):
            first = max(0, int(np.searchsorted(at_ns, t_ns[index] - int(1e9 * late_s[index]))) - 1)
            last = min(len(at_ns) - 1, int(np.searchsorted(at_ns, t_ns[index])) + 1)
            counts["over_0.5_ms"] += 1
            if stolen[last] > stolen[first]:
                counts["stolen"] += 1
            elif wait_s[last] - wait_s[first] > 0.5 * late_s[index]:
                counts["waited"] += 1
            else:
                counts["own"] += 1
        return counts

    def close(self) -> None:
        self._control.close()


def run_in_window(setting: Setting, project: Path, robot: str) -> dict[str, Any]:
    """The window beats; a timer walks the script."""
    from PySide6.QtCore import QTimer

    from studio.app.start import StudioOptions, make_application, open_studio

    app = make_application()
    window = open_studio(StudioOptions(project=project, robot=robot, settings=project / "settings.json"))
    script, timer, failures = Script(window.session, setting), QTimer(), list[WorkerError]()
    steps = script.steps()

    def on_tick() -> None:
        try:
            next(steps)
        except StopIteration:
            app.quit()
        except WorkerError as error:
            failures.append(error)
            app.quit()

    timer.timeout.connect(on_tick)
    window.show()
    timer.start(int(1e3 * _STEP_S))
    app.exec()
    timer.stop()
    script.close()
    window.close()
    if failures:
        raise failures[0]
    return script.result


def run_alone(setting: Setting, project: Path, robot: str) -> dict[str, Any]:
    """This process beats."""
    session = Session(load_robot(robot), load_task("move_box"), open_project(project))
    script = Script(session, setting)
    try:
        session.start()
        for _ in script.steps():
            session.beat()
            session.poll()
            time.sleep(_STEP_S)
    finally:
        script.close()
        session.close()
    return script.result


def main(setting_path: Path, out: Path) -> None:
    setting = Setting(**json.loads(setting_path.read_text(encoding="utf-8")))
    folder = Path(setting.folder)
    robot = make_robot_folder(folder / f"robot_{setting.rate_hz:g}", setting.rate_hz)
    project = folder / f"project_{time.monotonic_ns()}"
    result = (run_in_window if setting.window else run_alone)(setting, project, robot)
    out.write_text(json.dumps({**asdict(setting), **result}), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
