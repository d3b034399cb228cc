"""Scores of predicted states against a goal pose, in units of the task's tolerances.

Source: methods paper 1c ([O] reward scaling), 1d; deadbands, rotation weight and area penalty from the feasibility
study, section C.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from studio.core.errors import ConfigError
from studio.core.observation import object_spans
from studio.core.task import Goal, Task
from studio.planning.config import PlannerConfig

Tips = Callable[[Tensor], Tensor]  # states [N, S] -> fingertips [N, pairs, 3]
Disagreement = Callable[[Tensor, Tensor], Tensor]  # states [N, S], skills [N, d] -> [N]
Value = Callable[[Tensor, Tensor], Tensor]  # states [N, S], goal [12] (position, row-major rotation) -> [N]


def rotation_angles(first: Tensor, second: Tensor) -> Tensor:
    """Geodesic angles [...] in rad between row-major rotation matrices [..., 9], broadcast against each other."""
    trace = (first * second).sum(-1)
    return torch.arccos(((trace - 1) / 2).clamp(-1.0, 1.0))


class GoalScore:
    """Running and terminal score towards `goal`, which may be replaced between plans.

    Args:
        task: blocks, tolerances and area.
        settings: weights and deadbands.
        tips: fingertips of states, for the approach term.
        value: learned goal-conditioned value; used when `settings.cost` is `value`.
        disagreement: of the dynamics' members on a skill; None where there is nothing to disagree.
    """

    def __init__(
        self,
        task: Task,
        settings: PlannerConfig,
        *,
        tips: Tips | None = None,
        value: Value | None = None,
        disagreement: Disagreement | None = None,
    ) -> None:
        if settings.cost == "value" and value is None:
            raise ConfigError("planner.cost is 'value', but this bundle has no value. Set cost=distance.")
        self._task = task
        self._settings = settings
        self._position, self._rotation = object_spans(task)
        self._tips = tips if settings.approach_weight > 0 else None
        self._disagreement = disagreement if settings.disagreement_weight > 0 else None
        self._value = None if settings.cost == "distance" else value
        low = [task.area_x_m[0], task.area_y_m[0]]
        high = [task.area_x_m[1], task.area_y_m[1]]
        self._low = torch.tensor(low) - settings.area_margin_m
        self._high = torch.tensor(high) + settings.area_margin_m
        self._goal = torch.zeros(12)

    def set_goal(self, goal: Goal) -> None:
        rotation = goal.matrix().reshape(9)
        self._goal = torch.tensor(np.concatenate([goal.position_m, rotation]), dtype=torch.float32)

    @property
    def goal(self) -> Tensor:
        """Position in m and row-major rotation [12]."""
        return self._goal

    def running(self, states: Tensor, skills: Tensor) -> Tensor:
        """R(S, z) [N] before the transition."""
        if self._disagreement is None:
            return -self.cost(states)
        return -self.cost(states) - self._settings.disagreement_weight * self._disagreement(states, skills)

    def terminal(self, states: Tensor) -> Tensor:
        return -self._settings.terminal_weight * self.cost(states)

    def cost(self, states: Tensor) -> Tensor:
        """Cost [N] of states [N, S]; 0 inside the deadbands."""
        cost = self._value_cost(states) if self._value is not None else self._distance_cost(states)
        if self._settings.area_weight > 0:
            cost = cost + self.area_cost(states)
        if self._tips is not None:
            cost = cost + self._settings.approach_weight * self._approach_m(states, self._tips)
        return cost

    def _value_cost(self, states: Tensor) -> Tensor:
        assert self._value is not None
        return -self._value(states, self._goal)

    def _distance_cost(self, states: Tensor) -> Tensor:
        settings, task = self._settings, self._task
        distance_m = (states[:, self._position] - self._goal[:3]).norm(dim=-1)
        turn_rad = rotation_angles(states[:, self._rotation], self._goal[3:])
        far = (distance_m - settings.position_deadband_m).clamp_min(0.0) / task.position_tolerance_m
        turned = (turn_rad - settings.orientation_deadband_rad).clamp_min(0.0) / task.orientation_tolerance_rad
        return far + settings.rotation_weight * turned

    def area_cost(self, states: Tensor) -> Tensor:
        """Cost [N] of leaving the area."""
        return self._settings.area_weight * self._outside_m(states)

    def _outside_m(self, states: Tensor) -> Tensor:
        place = states[:, self._position][:, :2]
        return ((self._low - place).clamp_min(0.0) + (place - self._high).clamp_min(0.0)).sum(-1)

    def _approach_m(self, states: Tensor, tips: Tips) -> Tensor:
        """How far the nearer fingertip is from the object's surface, counted from 2 cm on [N]."""
        gaps = (tips(states) - states[:, None, self._position]).norm(dim=-1).amin(dim=-1)
        return (gaps - self._task.object_size_m / 2 - self._task.tip_radius_m - 0.02).clamp_min(0.0)
