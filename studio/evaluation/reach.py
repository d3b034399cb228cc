"""Goal-reaching episodes over a Rig.

Success is tested as in the feasibility studies: at skill boundaries, at an instant, both errors below the task's
tolerances. Whether the object stayed within them while the arms then held still for a second is reported beside it as
`held`, and never counted as success.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from studio.core.geometry import FloatArray
from studio.core.observation import StateReader, is_reached, pose_errors
from studio.core.protocols import Rig
from studio.core.task import Goal, Task
from studio.evaluation.goals import GoalCase
from studio.evaluation.trace import SkillTrace


class MotionLike(Protocol):
    @property
    def position_rad(self) -> FloatArray: ...
    @property
    def velocity_rad_s(self) -> FloatArray: ...


class OutcomeLike(Protocol):
    @property
    def position_error_m(self) -> float: ...
    @property
    def moved_m(self) -> float: ...


class PilotLike(Protocol):
    """See `studio.planning.pilot.Pilot`."""

    @property
    def plan_latencies_s(self) -> list[float]: ...
    @property
    def outcomes(self) -> Sequence[OutcomeLike]: ...
    @property
    def at_boundary(self) -> bool: ...
    @property
    def skill(self) -> FloatArray | None: ...
    def begin(self, goal: Goal, seed: int) -> None: ...
    def step(self, state: FloatArray, t_ns: int) -> MotionLike: ...
    def finish(self, state: FloatArray, t_ns: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class ReachSettings:
    """Limits of an episode; 50 s is the paper's (methods 1c)."""

    limit_s: float = 50.0
    hold_s: float = 1.0
    moving_m: float = 0.005


@dataclass(frozen=True, kw_only=True)
class GoalResult:
    """One goal, kept raw.

    Args:
        time_s: simulated time to success, or to the end of the episode.
        position_error_m, orientation_error_rad: at success, or at the end.
        closest: smallest error in tolerances on the way (below 1: reached).
        predicted_error_m: mean gap between where a skill was predicted to leave the object and where it did; None
            without skills. `moving` counts skills during which the object moved more than 5 mm.
        lost: the object left the table; the goal counts as missed.
        held: still within the tolerances after a second of holding; None without success.
    """

    goal: int
    name: str
    seed: int
    success: bool
    time_s: float
    position_error_m: float
    orientation_error_rad: float
    start_distance_m: float
    start_turn_rad: float
    closest: float
    predicted_error_m: float | None
    predicted_error_moving_m: float | None
    skills: int
    lost: bool
    held: bool | None
    plan_s: tuple[float, ...]
    trace: tuple[tuple[float, float, float], ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Sight(Protocol):
    """What is seen of the object instead of the truth; see `studio.workers.tag_pose.TagSight`."""

    def reset(self) -> None: ...
    def see(self, control: np.ndarray, pose: np.ndarray) -> np.ndarray: ...


class StoppedError(Exception):
    """The evaluation was asked to stop in the middle of an episode."""


class ReachEpisode:
    """One episode on the stepped clock.

    Args:
        rig: the robot; its loop rate must be a multiple of the policy's.
        policy_rate_hz: ticks per second of the pilot.
        sight: what the pilot gets to see of the object; None shows it the truth. Success is judged by the truth.
    """

    def __init__(
        self,
        rig: Rig,
        task: Task,
        *,
        policy_rate_hz: float,
        settings: ReachSettings | None = None,
        sight: Sight | None = None,
    ) -> None:
        self._rig, self._task, self._sight = rig, task, sight
        self._settings = settings or ReachSettings()
        self._reader = StateReader(task)
        self._ticks = max(1, round(rig.control_record.rate_hz / policy_rate_hz))
        self._tick_s = self._ticks / rig.control_record.rate_hz
        self._stop: Callable[[], bool] = lambda: False
        self._kept: SkillTrace | None = None

    def run(
        self,
        case: GoalCase,
        pilot: PilotLike,
        *,
        stop: Callable[[], bool] | None = None,
        kept: SkillTrace | None = None,
    ) -> GoalResult:
        """Reset the rig, drive until success, loss or the time limit.

        Args:
            stop: asked at each boundary.
            kept: collects states and skills on the way.
        """
        self._kept = kept
        position_m = np.asarray(case.start_position_m)
        self._rig.reset(position_m, np.asarray(case.start_orientation_xyzw), case.seed)
        pilot.begin(case.goal, case.seed)
        if self._sight is not None:
            self._sight.reset()
        self._stop = stop or self._stop
        trace: list[tuple[float, float, float]] = []
        outcome = self._drive(case, pilot, trace)
        held = self._stays(case.goal) if outcome == "reached" else None
        return self._result(case, pilot, trace, outcome, held)

    def _drive(self, case: GoalCase, pilot: PilotLike, trace: list[tuple[float, float, float]]) -> str:
        for step in range(round(self._settings.limit_s / self._tick_s)):
            state, seen, t_ns = self._observe()
            boundary = pilot.at_boundary
            if boundary and (verdict := self._judge(case.goal, state, step, trace)):
                self._keep(state, None)
                pilot.finish(seen, t_ns)
                return verdict
            motion = pilot.step(seen, t_ns)
            self._keep(state, pilot.skill if boundary else None)
            self._rig.run(motion.position_rad, motion.velocity_rad_s, self._ticks)
        state, seen, t_ns = self._observe()
        self._keep(state, None)
        pilot.finish(seen, t_ns)
        return self._judge(case.goal, state, round(self._settings.limit_s / self._tick_s), trace) or "time"

    def _keep(self, state: FloatArray, begun: FloatArray | None) -> None:
        if self._kept is not None:
            self._kept.add(state, begun)

    def _judge(self, goal: Goal, state: FloatArray, step: int, trace: list[tuple[float, float, float]]) -> str | None:
        """Note the errors at a boundary; a word when the episode is over."""
        distance_m, turn_rad = pose_errors(self._task, state, goal)
        trace.append((step * self._tick_s, float(distance_m), float(turn_rad)))
        if is_reached(self._task, float(distance_m), float(turn_rad)):
            return "reached"
        if self._rig.object_lost():
            return "lost"
        if self._stop():
            raise StoppedError
        return None

    def _observe(self) -> tuple[FloatArray, FloatArray, int]:
        """The true state, the state that the pilot gets to see, and the time."""
        control, pose = self._rig.state()
        truth = self._reader.read({"control": control, "object_pose": pose})
        t_ns = int(control["t_ns"])
        if self._sight is None:
            return truth, truth, t_ns
        return truth, self._reader.read({"control": control, "object_pose": self._sight.see(control, pose)}), t_ns

    def _stays(self, goal: Goal) -> bool:
        state, _, _ = self._observe()
        here = state[self._reader.joints]
        self._rig.run(here, here * 0.0, round(self._settings.hold_s / self._tick_s) * self._ticks)
        distance_m, turn_rad = pose_errors(self._task, self._observe()[0], goal)
        return is_reached(self._task, float(distance_m), float(turn_rad))

    def _result(
        self,
        case: GoalCase,
        pilot: PilotLike,
        trace: list[tuple[float, float, float]],
        outcome: str,
        held: bool | None,
    ) -> GoalResult:
        table = np.asarray(trace)
        gaps = np.array([one.position_error_m for one in pilot.outcomes])
        moving = np.array([one.moved_m > self._settings.moving_m for one in pilot.outcomes], dtype=bool)
        limits = np.array([self._task.position_tolerance_m, self._task.orientation_tolerance_rad])
        return GoalResult(
            goal=case.index,
            name=case.goal.name,
            seed=case.seed,
            success=outcome == "reached",
            time_s=float(table[-1, 0]),
            position_error_m=float(table[-1, 1]),
            orientation_error_rad=float(table[-1, 2]),
            start_distance_m=float(table[0, 1]),
            start_turn_rad=float(table[0, 2]),
            closest=float((table[:, 1:] / limits).max(axis=1).min()),
            predicted_error_m=float(gaps.mean()) if gaps.size else None,
            predicted_error_moving_m=float(gaps[moving].mean()) if moving.any() else None,
            skills=len(gaps),
            lost=outcome == "lost",
            held=held,
            plan_s=tuple(round(float(one), 5) for one in pilot.plan_latencies_s),
            trace=tuple(tuple(round(value, 4) for value in row) for row in trace),  # type: ignore[misc]
        )
