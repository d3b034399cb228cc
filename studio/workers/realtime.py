"""Evaluation in real time: planner and policy run as the same two workers that a deployment has, and the world does
not wait for them. The rig's clock must be the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio.core.errors import WorkerError
from studio.core.geometry import FloatArray
from studio.core.observation import StateReader
from studio.core.protocols import Rig
from studio.core.records import make_object_pose_record
from studio.core.task import Goal, Task
from studio.ipc.channels import make_goal_slot
from studio.ipc.messages import Message
from studio.ipc.ring import RingReader, RingWriter
from studio.ipc.session import SessionFolder
from studio.ipc.slot import SlotWriter
from studio.ipc.supervisor import Supervisor
from studio.planning.executor import Motion
from studio.workers.tap import Tap

_START_S = 90.0
_STALE_NS = 200_000_000
LOOKS = 4  # per policy tick: records go out and the newest target comes in so often, nearly as in the control loop


@dataclass(frozen=True, kw_only=True)
class PlanOutcome:
    """Predicted minus executed, as the planner noted it when the policy took its plan."""

    position_error_m: float
    moved_m: float


class WorkerPilot:
    """A pilot whose thinking is done by the planner and policy workers of a session of its own.

    Args:
        rig: its newest records are what the workers see.
        session: created; owned by this pilot from here on.
        config: what `deploy` would carry: bundle, preset, set, prior, robot, task.
        rate_hz: of the policy; `window` ticks make a skill. `step` is called `LOOKS` times in a tick.
    """

    def __init__(
        self, rig: Rig, task: Task, session: SessionFolder, config: dict[str, Any], *, rate_hz: float, window: int
    ) -> None:
        self._rig, self._window = rig, LOOKS * window
        joints = StateReader(task).joints
        assert joints is not None, "the bundle was checked against the robot"
        self._joints = joints
        self._session = session
        self._supervisor = Supervisor(session)
        self._control = RingWriter(session.ring_path("control"), rig.control_record)
        self._pose = RingWriter(
            session.ring_path("object_pose.world"), make_object_pose_record("world", rig.control_record.rate_hz)
        )
        self._goal = SlotWriter(session.slot_path("goal"), make_goal_slot())
        self._target = Tap(session.slot_path("target"))
        self._period_s = 1.0 / rate_hz
        self._hold_rad: FloatArray | None = None
        self._tick = self._goal_id = 0
        self._positions: list[FloatArray] = []
        self.plan_latencies_s: list[float] = []
        self.outcomes: list[PlanOutcome] = []
        self._start(config)
        self._plans = RingReader(session.ring_path("plan"))

    @property
    def at_boundary(self) -> bool:
        """Once per window length; the policy's own boundaries lie somewhere in between."""
        return self._tick % self._window == 0

    @property
    def skill(self) -> FloatArray | None:
        """Not known here: it runs in the policy's process."""
        return None

    def begin(self, goal: Goal, seed: int) -> None:
        """Publish the goal under a new number; nobody waits for the first plan."""
        del seed  # the planner's chance goes on from goal to goal
        self._watch()
        self._plans.read()
        self._tick, self._hold_rad = 0, None
        self.plan_latencies_s, self.outcomes, self._positions = [], [], []
        self._goal_id += 1
        record = self._goal.record_type.empty()[0]
        record["t_ns"], record["goal_id"] = time.monotonic_ns(), self._goal_id
        record["position_m"], record["orientation_xyzw"] = goal.position_m, goal.orientation_xyzw
        self._goal.write(record)

    def step(self, state: FloatArray, t_ns: int) -> Motion:
        del t_ns
        self._publish()
        if self.at_boundary:
            self._watch()
            self._note_plans()
        self._tick += 1
        target = self._target.read()
        now_ns = time.monotonic_ns()
        usable = target is not None and not target["hold"] and now_ns - int(target["t_ns"]) < _STALE_NS
        if target is None or not usable or int(target["goal_id"]) != self._goal_id:
            return self._hold(state)
        self._hold_rad = None
        age_s = min((now_ns - int(target["t_ns"])) * 1e-9, 2 * self._period_s)
        velocity_rad_s = target["velocity_rad_s"]
        position_rad = target["position_rad"] + velocity_rad_s * age_s
        return Motion(position_rad=position_rad, velocity_rad_s=velocity_rad_s, hold=False)

    def finish(self, state: FloatArray, t_ns: int) -> None:
        """Take the goal away, so that the workers rest."""
        del state, t_ns
        self._note_plans()
        self._goal.write(self._goal.record_type.empty()[0])

    def close(self) -> None:
        self._supervisor.stop_all()
        self._supervisor.poll()
        for part in (self._plans, self._target, self._goal, self._pose, self._control):
            part.close()
        self._session.remove()

    def _start(self, config: dict[str, Any]) -> None:
        for name in ("policy", "planner"):
            self._supervisor.start(name, f"studio.workers.{name}", config)
        ready: set[str] = set()
        end_s = time.monotonic() + _START_S
        while ready < {"policy", "planner"}:
            for name, message in self._watch():
                ready |= {name} if message.name == "ready" else set()
            if time.monotonic() > end_s:
                raise WorkerError(f"Planner and policy were not ready within {_START_S:.0f} s. Close other programs.")
            time.sleep(0.02)

    def _watch(self) -> list[tuple[str, Message]]:
        """What the workers say; an error or an end becomes a WorkerError here."""
        messages = self._supervisor.poll()
        for name, message in messages:
            if message.name == "ended" or (message.name == "said" and message.values.get("level") == "error"):
                text = message.values.get("text") or f"{name} ended with {message.values.get('returncode')}"
                raise WorkerError(f"Real-time evaluation: {text}", detail=str(message.values.get("log", "")))
        return messages

    def _publish(self) -> None:
        control, pose = self._rig.state()
        self._control.write(control)
        self._pose.write(pose)
        if self.at_boundary:
            self._positions.append(np.array(pose["position_m"]))

    def _note_plans(self) -> None:
        moved_m = float(np.linalg.norm(self._positions[-1] - self._positions[-2])) if len(self._positions) > 1 else 0.0
        for plan in self._plans.read():
            self.plan_latencies_s.append(float(plan["latency_s"]))
            if np.isfinite(plan["predicted_error_m"]):
                self.outcomes.append(PlanOutcome(position_error_m=float(plan["predicted_error_m"]), moved_m=moved_m))

    def _hold(self, state: FloatArray) -> Motion:
        if self._hold_rad is None:
            self._hold_rad = np.array(state[self._joints])
        return Motion(position_rad=self._hold_rad, velocity_rad_s=self._hold_rad * 0.0, hold=True)


def make_worker_pilot(
    rig: Rig,
    task: Task,
    config: dict[str, Any],
    *,
    rate_hz: float,
    window: int,
    make_session: Callable[[], SessionFolder],
) -> WorkerPilot:
    """A pilot in a session of its own; the session is removed again when the workers cannot start."""
    session = make_session().create()
    try:
        return WorkerPilot(rig, task, session, config, rate_hz=rate_hz, window=window)
    except Exception:
        session.remove()
        raise
