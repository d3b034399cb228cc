"""Who drives an evaluation episode on the stepped clock: the planner, random prior skills, or nobody.

The world waits while the planner plans, as in the feasibility studies; the deployed form is the pair of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from studio.core.geometry import FloatArray
from studio.core.observation import StateReader
from studio.core.task import Goal, Task
from studio.planning.executor import Motion, SkillExecutor, SkillOutcome, SkillPlan
from studio.planning.planner import Planner
from studio.planning.skills import Skills


class Outcome(Protocol):
    @property
    def position_error_m(self) -> float: ...
    @property
    def moved_m(self) -> float: ...


class Pilot(Protocol):
    """What an episode asks of whoever drives it; see `SkillPilot`."""

    @property
    def plan_latencies_s(self) -> list[float]: ...
    @property
    def outcomes(self) -> Sequence[Outcome]: ...
    @property
    def at_boundary(self) -> bool: ...
    @property
    def skill(self) -> FloatArray | None: ...
    def begin(self, goal: Goal, seed: int) -> None: ...
    def step(self, state: FloatArray, t_ns: int) -> Motion: ...
    def finish(self, state: FloatArray, t_ns: int) -> None: ...
    def close(self) -> None: ...


class SkillPilot:
    """Plans at every window boundary from the measured state, then runs the policy; with `random`, prior skills."""

    def __init__(self, skills: Skills, planner: Planner, *, random: bool = False) -> None:
        self._planner = planner
        self._random = random
        self._executor = SkillExecutor(skills, hold_after_windows=planner.settings.hold_after_windows)
        self._goal: Goal | None = None
        self._plan_id = 0
        self.plan_latencies_s: list[float] = []
        self.outcomes: list[SkillOutcome] = []

    @property
    def at_boundary(self) -> bool:
        return self._executor.at_boundary

    @property
    def skill(self) -> FloatArray | None:
        """The running skill z [d]; None while holding."""
        skill = self._executor.skill
        return None if skill is None else skill.numpy()

    def begin(self, goal: Goal, seed: int) -> None:
        self._goal, self._plan_id = goal, 0
        self._planner.reset(seed)
        self._executor.reset()
        self.plan_latencies_s, self.outcomes = [], []

    def step(self, state: FloatArray, t_ns: int) -> Motion:
        boundary = self._executor.at_boundary
        if boundary:
            self._offer(state, t_ns)
        motion = self._executor.step(state, t_ns)
        if boundary:
            self._note_outcome()
        return motion

    def finish(self, state: FloatArray, t_ns: int) -> None:
        """The episode ends here; the last skill's outcome counts as well."""
        self._executor.finish(state, t_ns)
        self._note_outcome()

    def close(self) -> None:
        """Nothing is held."""

    def _note_outcome(self) -> None:
        if self._executor.outcome is not None:
            self.outcomes.append(self._executor.outcome)

    def _offer(self, state: FloatArray, t_ns: int) -> None:
        assert self._goal is not None, "begin() comes before step()"
        self._plan_id += 1
        if self._random:
            controls = self._planner.random_controls()
        else:
            timed = self._planner.plan(state, self._goal, t_s=t_ns * 1e-9, whole_path=False)
            self.plan_latencies_s.append(timed.latency_s)
            controls = timed.plan.controls
        goal_id = self._goal.goal_id
        self._executor.offer(SkillPlan(plan_id=self._plan_id, goal_id=goal_id, state_t_ns=t_ns, controls=controls))


class StillPilot:
    """Holds the pose that the episode starts in."""

    def __init__(self, task: Task, *, window: int) -> None:
        joints = StateReader(task).joints
        assert joints is not None, "a task for a robot has its joints in the state"
        self._joints = joints
        self._window = window
        self._phase = 0
        self._motion: Motion | None = None
        self.plan_latencies_s: list[float] = []
        self.outcomes: list[SkillOutcome] = []

    @property
    def at_boundary(self) -> bool:
        return self._phase == 0

    @property
    def skill(self) -> FloatArray | None:
        """Never one."""
        return None

    def begin(self, goal: Goal, seed: int) -> None:
        del goal, seed
        self._motion, self._phase = None, 0

    def step(self, state: FloatArray, t_ns: int) -> Motion:
        del t_ns
        self._phase = (self._phase + 1) % self._window
        if self._motion is None:
            here = state[self._joints].copy()
            self._motion = Motion(position_rad=here, velocity_rad_s=here * 0.0, hold=True)
        return self._motion

    def finish(self, state: FloatArray, t_ns: int) -> None:
        """Nothing ran, so nothing ended."""

    def close(self) -> None:
        """Nothing is held."""
