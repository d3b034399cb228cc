"""The sampling planner bound to a skill model and a goal; remembers its last plan for the warm start."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from studio.core.geometry import FloatArray
from studio.core.observation import object_spans
from studio.core.task import Goal
from studio.planning.config import PlannerConfig
from studio.planning.goal_score import GoalScore, Value
from studio.planning.rollouts import GoalRollouts, TorchRollouts
from studio.planning.sampling import Plan, SamplingPlanner, shift_controls
from studio.planning.skills import Skills, UncertainSkills


@dataclass(frozen=True, kw_only=True)
class TimedPlan:
    plan: Plan
    latency_s: float


class Planner(Protocol):
    """Whatever finds base controls for a goal: `GoalPlanner` samples, `ActorPlanner` asks a trained network.

    A planner that does not sample gives its one path as `Plan.fan`, one return, `effective_samples` 1, and takes no
    notice of `samples`. Evaluation, the planner worker and the screens need nothing else of it; `shift_controls` and
    the policy only use `Plan.controls`, base controls in the box.
    """

    @property
    def settings(self) -> PlannerConfig: ...

    @property
    def engine(self) -> str:
        """What does the arithmetic, in words."""
        ...

    def reset(self, seed: int | None = None) -> None:
        """Another goal or episode."""
        ...

    def plan(
        self,
        state: FloatArray,
        goal: Goal,
        *,
        t_s: float,
        skills_since_last: int = 1,
        whole_path: bool = True,
        samples: int | None = None,
    ) -> TimedPlan:
        """See `GoalPlanner.plan`."""
        ...

    def follow(self, controls: Tensor) -> None:
        """What is executed of the last plan [H, d], where that differs from what was planned."""
        ...

    def random_controls(self) -> Tensor:
        """Base controls [H, d] drawn from the prior within u_max."""
        ...


class GoalPlanner:
    """Plans skills towards a goal.

    Args:
        skills: the trained model.
        settings: sizes and weights.
        seed: of the samples.
        value: learned goal-conditioned value for `settings.cost == "value"`.
        rollouts: something quicker than torch for the same model and score; None rolls out in torch.
        engine: what rolls out, in words, for people.
    """

    def __init__(
        self,
        skills: Skills,
        settings: PlannerConfig,
        *,
        seed: int,
        value: Value | None = None,
        rollouts: GoalRollouts | None = None,
        engine: str = "torch",
    ) -> None:
        self.settings, self.engine = settings, engine
        self._skills = skills
        unsure = skills.disagreement if isinstance(skills, UncertainSkills) else None
        self._score = GoalScore(skills.task, settings, tips=skills.tips, value=value, disagreement=unsure)
        self._generator = torch.Generator().manual_seed(seed)
        self._quick = rollouts
        used = rollouts or TorchRollouts(skills.skill, skills.predict, self._score.running, self._score.terminal)
        self._sampling = SamplingPlanner(settings, used, self._generator, skill_size=skills.skill_size)
        self._previous: Tensor | None = None
        self._stillness = Stillness(object_spans(skills.task)[0], settings)

    def reset(self, seed: int | None = None) -> None:
        """Forget the last plan, as at a new goal or episode."""
        self._previous = None
        self._stillness.reset()
        if seed is not None:
            self._generator.manual_seed(seed)

    def plan(
        self,
        state: FloatArray,
        goal: Goal,
        *,
        t_s: float,
        skills_since_last: int = 1,
        whole_path: bool = True,
        samples: int | None = None,
    ) -> TimedPlan:
        """Plan from `state` [S].

        Args:
            t_s: time of the state, for the unsticking rule.
            skills_since_last: skills of the last plan that have run since; the warm start is shifted by as many.
            whole_path: predict the whole path for the screen.
            samples: N of this plan; None takes that of the settings.
        """
        began_s = time.perf_counter()
        start = torch.from_numpy(np.asarray(state, dtype=np.float32))
        self._set_goal(goal)
        previous = None if self._previous is None else shift_controls(self._previous, skills_since_last)
        plan = self._sampling.plan(start, previous, whole_path=whole_path, samples=samples)
        if self._stillness.is_stuck(state, t_s):
            plan = self._random_plan(plan, start)
        self._previous = plan.controls
        return TimedPlan(plan=plan, latency_s=time.perf_counter() - began_s)

    def follow(self, controls: Tensor) -> None:
        """See `Planner.follow`; the next warm start begins with it."""
        if self._previous is not None:
            self._previous = controls

    def weigh_again(self, state: Tensor, goal: Goal, candidates: Tensor) -> Tensor:
        """Controls [H, d] out of a plan's candidates [H, K, d], for the state [S] that the window begins with."""
        self._set_goal(goal)
        return self._sampling.weigh_again(state, candidates)

    def random_controls(self) -> Tensor:
        """Base controls [H, d] drawn from the prior within u_max."""
        return self._sampling.random_controls()

    def _set_goal(self, goal: Goal) -> None:
        self._score.set_goal(goal)
        if self._quick is not None:
            self._quick.set_goal(self._score.goal)

    @torch.inference_mode()
    def _random_plan(self, plan: Plan, start: Tensor) -> Plan:
        controls = self.random_controls()
        path = self._sampling.predict_path(start, controls)
        skill = self._skills.skill(controls[:1], start[None])[0]
        own = {"controls": controls, "path": path, "skill": skill, "state_goal": path[1]}
        return Plan(**{**plan.__dict__, **own, "candidates": plan.candidates[:, :0]})  # chance is to stay chance


class Stillness:
    """The unsticking rule: `unstick_s` without 1 cm of object motion asks for a few random skills."""

    def __init__(self, position: slice, settings: PlannerConfig) -> None:
        self._position = position
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        self._place: FloatArray | None = None
        self._since_s = 0.0
        self._left = 0

    def is_stuck(self, state: FloatArray, t_s: float) -> bool:
        if self._left > 0:
            self._left -= 1
            return True
        if self._place is None or float(np.linalg.norm(state[self._position] - self._place)) > 0.01:
            self._place, self._since_s = np.array(state[self._position]), t_s
        if self._settings.unstick_s <= 0 or t_s - self._since_s < self._settings.unstick_s:
            return False
        self._since_s, self._left = t_s, self._settings.unstick_skills - 1
        return self._settings.unstick_skills > 0
