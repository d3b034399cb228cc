"""What the planner worker tells of a plan: the mailbox slot for the policy, the plan ring for the screens."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.core.geometry import FloatArray, matrix_to_quaternion
from studio.core.observation import object_spans, pose_errors
from studio.core.records import make_plan_record
from studio.core.task import Goal
from studio.ipc.channels import make_mailbox_slot
from studio.ipc.ring import RingWriter
from studio.ipc.slot import SlotReader, SlotWriter
from studio.ipc.worker_link import WorkerLink
from studio.planning.config import PlannerConfig
from studio.planning.sampling import Plan, shift_controls
from studio.planning.skills import Skills


@dataclass(frozen=True, kw_only=True)
class Start:
    """What one plan starts from.

    Args:
        state: [S], measured or predicted.
        measured: the newest measured state [S]; `state_t_ns` is its time.
        skills: skills of the last plan that have run before `state`.
        boundary_ns: when the skill now running began; 0 when the arms hold.
        predicted_error_m: how far the measured object is from where it was predicted to be by now; NaN when unknown.
    """

    state: FloatArray
    measured: FloatArray
    state_t_ns: int
    skills: int = 0
    boundary_ns: int = 0
    predicted_error_m: float = float("nan")

    @property
    def is_predicted(self) -> bool:
        return self.boundary_ns > 0


class PlanPublisher:
    """Owner of the mailbox slot and the plan ring; numbers the plans, going on after a restart."""

    def __init__(self, link: WorkerLink, skills: Skills, settings: PlannerConfig) -> None:
        mailbox_path = link.session.slot_path("mailbox")
        self.plan_id = _last_plan_id(mailbox_path)
        sizes = {"stages": settings.stages, "skill_size": skills.skill_size}
        self._mailbox_type = make_mailbox_slot(**sizes, state_size=skills.state_size, candidates=settings.candidates)
        self._plan_type = make_plan_record(**sizes, fan=settings.fan)
        self._ring = RingWriter(link.session.ring_path("plan"), self._plan_type)
        self._mailbox = SlotWriter(mailbox_path, self._mailbox_type)
        self._position, self._rotation = object_spans(skills.task)
        self._task = skills.task
        if self.plan_id:
            self._restore_id()

    def write(self, plan: Plan, missed: int, start: Start, goal: Goal, latency_s: float) -> int:
        """Publish a plan, shifted by `missed` windows, to the policy first, then to the screens; returns its id."""
        self.plan_id += 1
        self._write_mailbox(plan, missed, start, goal)
        self._write_ring(plan, start, goal, latency_s)
        return self.plan_id

    def close(self) -> None:
        self._mailbox.close()
        self._ring.close()

    def _restore_id(self) -> None:
        record = self._mailbox_type.empty()[0]
        record["plan_id"] = self.plan_id  # a plan of time 0 is stale, so nobody follows it
        self._mailbox.write(record)

    def _write_mailbox(self, plan: Plan, missed: int, start: Start, goal: Goal) -> None:
        record = self._mailbox_type.empty()[0]
        record["t_ns"] = time.monotonic_ns()
        record["plan_id"], record["goal_id"], record["state_t_ns"] = self.plan_id, goal.goal_id, start.state_t_ns
        record["controls"], record["skill"] = shift_controls(plan.controls, missed).numpy(), plan.skill.numpy()
        count = plan.candidates.shape[1] if start.is_predicted else 0  # at the measured state U* is the best there is
        record["candidate_count"] = count
        if count:
            record["candidates"][:, :count] = shift_controls(plan.candidates, missed).numpy()
        record["state_goal"] = plan.state_goal.numpy()
        self._mailbox.write(record)

    def _write_ring(self, plan: Plan, start: Start, goal: Goal, latency_s: float) -> None:
        record = self._plan_type.empty()[0]
        record["t_ns"] = time.monotonic_ns()
        record["plan_id"], record["goal_id"], record["state_t_ns"] = self.plan_id, goal.goal_id, start.state_t_ns
        record["latency_s"], record["samples"] = latency_s, plan.returns.numel()
        record["effective_samples"] = plan.effective_samples
        record["controls"] = plan.controls.numpy()
        path = plan.path.numpy().astype(np.float64)
        record["plan_path_m"] = path[:, self._position]
        record["plan_orientation_xyzw"] = matrix_to_quaternion(path[:, self._rotation].reshape(-1, 3, 3))
        count = len(plan.fan_returns)
        record["fan_count"] = count
        record["fan_path_m"][:count] = plan.fan[:, :, self._position].numpy()
        record["fan_return"][:count] = plan.fan_returns.numpy()
        record["predicted_error_m"] = start.predicted_error_m
        distance_m, turn_rad = pose_errors(self._task, start.measured, goal)
        record["goal_position_error_m"], record["goal_orientation_error_rad"] = distance_m, turn_rad
        self._ring.write(record)


def _last_plan_id(path: Path) -> int:
    """Plan ids go on where an earlier planner of this session stopped, so they never go back."""
    if not path.exists():
        return 0
    reader = SlotReader(path)
    record = reader.read()
    reader.close()
    return 0 if record is None else int(record["plan_id"])
