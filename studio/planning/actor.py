"""A planner that does not search: a trained actor answers with base controls, and the dynamics say where they lead."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from studio.core.geometry import FloatArray
from studio.core.observation import object_spans
from studio.core.task import Goal
from studio.planning.config import PlannerConfig
from studio.planning.goal_score import GoalScore
from studio.planning.planner import Stillness, TimedPlan
from studio.planning.sampling import Plan
from studio.planning.skills import Skills

# states [N, S], goal [12] (position in m, row-major rotation), and whose chance -> u [N, d]
Actor = Callable[[Tensor, Tensor, torch.Generator], Tensor]


class ActorPlanner:
    """Same face as `GoalPlanner`; the plan is what the actor answers along its own predicted path.

    It answers by chance, as it was trained to, and like every planner it does a few random skills where the object has
    not moved for long: an actor repeats what did not work otherwise.

    Args:
        skills: the trained model.
        actor: the trained actor.
        settings: stages, control limit, unsticking and weights of the score that is shown.
        seed: of the actor's chance and of random controls.
    """

    def __init__(self, skills: Skills, actor: Actor, settings: PlannerConfig, *, seed: int) -> None:
        self.settings, self.engine = settings, "torch"
        self._skills, self._actor = skills, actor
        self._score = GoalScore(skills.task, settings, tips=skills.tips)
        self._generator = torch.Generator().manual_seed(seed)
        self._stillness = Stillness(object_spans(skills.task)[0], settings)

    def reset(self, seed: int | None = None) -> None:
        """Forget how long the object has been still."""
        self._stillness.reset()
        if seed is not None:
            self._generator.manual_seed(seed)

    @torch.inference_mode()
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
        """See `GoalPlanner.plan`; without `whole_path` only the first skill is looked for."""
        del skills_since_last, samples
        began_s = time.perf_counter()
        self._score.set_goal(goal)
        current = torch.from_numpy(np.asarray(state, dtype=np.float32))[None]
        path, skills, controls, returns = [current], [], [], torch.zeros(1)
        chance = self.random_controls() if self._stillness.is_stuck(state, t_s) else None
        for stage in range(self.settings.stages if whole_path else 1):
            answer = self._actor(current, self._score.goal, self._generator) if chance is None else chance[stage]
            control = answer.reshape(1, -1)
            skill = self._skills.skill(control, current)
            returns = returns + self._score.running(current, skill)
            current = self._skills.predict(current, skill)
            path.append(current)
            skills.append(skill)
            controls.append(control[0])
        returns = returns + self._score.terminal(current)
        whole = torch.cat(path)
        plan = Plan(
            controls=torch.stack(controls),
            skill=skills[0][0],
            state_goal=whole[1],
            returns=returns,
            weights=torch.ones(1),
            effective_samples=1.0,
            path=whole,
            fan=whole[None][: self.settings.fan],
            fan_returns=returns[: self.settings.fan],
        )
        return TimedPlan(plan=plan, latency_s=time.perf_counter() - began_s)

    def follow(self, controls: Tensor) -> None:
        """Nothing is remembered."""

    def random_controls(self) -> Tensor:
        """Base controls [H, d] drawn from the prior within u_max."""
        uniform = torch.rand((self.settings.stages, self._skills.skill_size), generator=self._generator)
        return self.settings.control_limit * (2.0 * uniform - 1.0)
