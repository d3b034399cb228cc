"""A goal-conditioned value learned from play by hindsight: how many skills away a goal is.

V(s, g) is about minus the discounted number of skills to bring the object to pose g, learned by expectile regression on
skill transitions (s, s') whose goals are poses that the object really had later, or anywhere in the play. It says what
a distance cannot: that the hand must first come round to the far side. Beyond the paper; source: spec/feasibility.md,
second study, section 4.3 (discount 0.99, expectile 0.7, the smaller of two, radius tighter than the test's).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from studio.core.config import check_range
from studio.core.errors import DataError
from studio.core.task import Task
from studio.learning.bundle import Bundle
from studio.learning.device import make_generator
from studio.learning.features import FeatureMap
from studio.learning.networks import mlp
from studio.learning.skill_model import SkillModel
from studio.learning.training import Phase
from studio.learning.windows import StartSampler, WindowTensors

SCALE = 10.0  # networks put out V / 10
_NEAR_M, _FAR_M = 0.02, 0.1
_FIRST_GUESS = -3.0  # V starts at 30 skills away: hindsight only ever says that a goal was nearer
_GOAL_FEATURES = 3 + 3 + 3 + 9 + 2


@dataclass(frozen=True, kw_only=True)
class ValueSettings:
    """How the value is learned.

    Args:
        discount: per skill.
        expectile: above 0.5 leans to the better skills that play shows from a state.
        radius: of what counts as reached, as a share of the task's tolerances (1 cm and 15 degrees of 1.5 and 20).
        target_rate: the slow copy follows the network by this share with every update.
        future_share: share of goals from later in the same stretch.
        near_share: share of goals made up: the pose that the object has, shifted on the table and turned about the
            vertical. Hindsight alone only ever asks for what was reached next, so V came out hopeful about every goal
            near by, and planners hovered. The rest of the goals are poses from anywhere.
        near_m: spread of that shift in each direction; `near_turn_rad` the largest turn.
        future_s: mean of how much later.
        commanded_share: where episodes had a goal that they were to reach, the share of pairs with that goal; the other
            kinds share the rest. A planner goes on asking for it, so this is where hope has to be unlearned.
    """

    discount: float = 0.99
    expectile: float = 0.7
    radius: float = 0.7
    target_rate: float = 0.02
    future_share: float = 0.6
    near_share: float = 0.25
    near_m: float = 0.08
    near_turn_rad: float = 0.8
    future_s: float = 3.0
    commanded_share: float = 0.5

    def __post_init__(self) -> None:
        check_range("value", "future_share", self.future_share, 0.0, 1.0)
        check_range("value", "commanded_share", self.commanded_share, 0.0, 1.0)
        check_range("value", "near_share", self.near_share, 0.0, 1.0 - self.future_share + 1e-9)


class GoalValue(nn.Module):
    """Two networks V_k(features, goal) and their slow copies.

    Args:
        task: where the object is in the state, and the tolerances.
        feature_size: size of the state's features.
        hidden: layers of each network.
    """

    def __init__(self, task: Task, feature_size: int, hidden: tuple[int, ...], *, members: int = 2) -> None:
        super().__init__()
        kinds = {block.kind: task.span(block.name) for block in task.state}
        self._position, self._rotation = kinds["position"], kinds["rotation"]
        self.input_size = feature_size + _GOAL_FEATURES
        sizes = [self.input_size, *hidden, 1]
        self.members = nn.ModuleList(mlp(sizes) for _ in range(members))
        self.slow = nn.ModuleList(mlp(sizes) for _ in range(members))
        for member in self.members:
            nn.init.constant_(member[-1].bias, _FIRST_GUESS)  # type: ignore[index]
        self.slow.load_state_dict(self.members.state_dict())
        self.slow.requires_grad_(False)
        self.radius_m, self.radius_rad = task.position_tolerance_m, task.orientation_tolerance_rad

    def inputs(self, features: Tensor, state: Tensor, goal: Tensor) -> Tensor:
        """What the networks see of states [N, S] with features [N, F] and goals [N, 12]; the turn to go is taken in
        the world, so it does not depend on which of the cube's frames is the canonical one."""
        offset = goal[:, :3] - state[:, self._position]
        turn = _relative_turn(state[:, self._rotation], goal[:, 3:])
        far = offset.norm(dim=-1, keepdim=True)
        angle = _angle(turn)[:, None]
        near = torch.tanh(offset / _NEAR_M)
        return torch.cat([features, offset / _FAR_M, near, goal[:, :3] / _FAR_M, turn, far / _FAR_M, angle], dim=-1)

    def forward(self, features: Tensor, state: Tensor, goal: Tensor) -> Tensor:
        """V of every member [K, N]."""
        return _stack(self.members, self.inputs(features, state, goal))

    def smallest(self, features: Tensor, state: Tensor, goal: Tensor) -> Tensor:
        """The smaller of the members [N]."""
        return self(features, state, goal).amin(0)

    def is_reached(self, state: Tensor, goal: Tensor, radius: float) -> Tensor:
        """Which states [N] are within `radius` of the tolerances."""
        near = (state[:, self._position] - goal[:, :3]).norm(dim=-1) < radius * self.radius_m
        return near & (_angle(_relative_turn(state[:, self._rotation], goal[:, 3:])) < radius * self.radius_rad)

    def goals_at(self, states: Tensor) -> Tensor:
        """Object poses [N, 12] of states as goals."""
        return torch.cat([states[:, self._position], states[:, self._rotation]], dim=-1)

    @torch.no_grad()
    def follow(self, rate: float) -> None:
        """Move the slow copies a little towards the networks."""
        for slow, quick in zip(self.slow.parameters(), self.members.parameters(), strict=True):
            slow.lerp_(quick, rate)


@dataclass(frozen=True, kw_only=True)
class GoalBatch:
    """Pairs to learn from.

    Args:
        starts: rows [N].
        goals: object poses [N, 12].
        least: what V is at least [N], because the play did reach the goal; -inf where it is not known to have.
    """

    starts: Tensor
    goals: Tensor
    least: Tensor


def discounted_steps(steps: Tensor, discount: float) -> Tensor:
    """V after `steps` skills to the goal: -(1 - g^n) / (1 - g)."""
    return -(1.0 - discount ** steps.ceil()) / (1.0 - discount)


class HindsightGoals:
    """Draws (start, goal) pairs from windows.

    Args:
        windows: training windows; a stretch is a run of consecutive starts.
        tick_s: length of a tick, for `settings.future_s`.
        commanded: states [T, S] like those of the windows, with the object where the row's episode was to bring it.
    """

    def __init__(
        self,
        windows: WindowTensors,
        task: Task,
        settings: ValueSettings,
        *,
        tick_s: float,
        commanded: Tensor | None = None,
    ) -> None:
        self._windows, self._settings, self._commanded = windows, settings, commanded
        self._low = torch.tensor([task.area_x_m[0], task.area_y_m[0]])
        self._high = torch.tensor([task.area_x_m[1], task.area_y_m[1]])
        self._sampler = StartSampler(windows, task, moving_share=0.35)
        self._last_row = last_rows(windows)
        self._mean_ticks = settings.future_s / tick_s

    def draw(self, count: int, value: GoalValue, generator: torch.Generator) -> GoalBatch:
        """`count` pairs, the moving starts spread evenly over both kinds of goals."""
        starts = self._sampler.draw(count, generator)
        # the moving ones would otherwise come last
        return self.pair(starts[torch.randperm(count, generator=generator)], value, generator)

    def pair(self, starts: Tensor, value: GoalValue, generator: torch.Generator) -> GoalBatch:
        """Goals for rows [N] in random order; the kinds follow one another."""
        states, count = self._windows.states, len(starts)
        asked = 0 if self._commanded is None else round(count * self._settings.commanded_share)
        future = round((count - asked) * self._settings.future_share)
        near = round((count - asked) * self._settings.near_share)
        anywhere = count - asked - future - near
        rows = self._later(starts[:future], value, generator)
        here = value.goals_at(states[starts[future : future + near]])
        parts = [value.goals_at(states[rows]), self._beside(here, generator)]
        parts.append(value.goals_at(self._anywhere(anywhere, generator)))
        if self._commanded is not None:
            parts.append(value.goals_at(self._commanded[starts[count - asked :]]))
        goals = torch.cat(parts)
        least = torch.full((count,), -torch.inf)
        least[:future] = discounted_steps((rows - starts[:future]) / self._windows.window, self._settings.discount)
        return GoalBatch(starts=starts, goals=goals, least=least)

    def _later(self, starts: Tensor, value: GoalValue, generator: torch.Generator) -> Tensor:
        """Later rows of the same stretch; of three draws the first in which the object is not where it already is."""
        states = self._windows.states
        here = states[starts]
        chosen = self._draw_later(starts, generator)
        for _ in range(2):
            same = value.is_reached(here, value.goals_at(states[chosen]), 1.0)
            chosen = torch.where(same, self._draw_later(starts, generator), chosen)
        return chosen

    def _draw_later(self, starts: Tensor, generator: torch.Generator) -> Tensor:
        uniform = torch.rand(len(starts), generator=generator).clamp_min(1e-6)
        ticks = self._windows.window - self._mean_ticks * uniform.log()
        return torch.minimum(starts + ticks.long(), self._last_row[starts])

    def _beside(self, poses: Tensor, generator: torch.Generator) -> Tensor:
        """Poses [N, 12] shifted on the table and turned about the vertical."""
        settings, count = self._settings, len(poses)
        shift = settings.near_m * torch.randn((count, 2), generator=generator)
        angle = settings.near_turn_rad * (2.0 * torch.rand(count, generator=generator) - 1.0)
        cosine, sine = angle.cos()[:, None], angle.sin()[:, None]
        rows = poses[:, 3:].unflatten(-1, (3, 3))
        first, second = rows[:, 0], rows[:, 1]
        turned = torch.cat([cosine * first - sine * second, sine * first + cosine * second, rows[:, 2]], dim=-1)
        place = (poses[:, :2] + shift).clamp(self._low, self._high)
        return torch.cat([place, poses[:, 2:3], turned], dim=-1)

    def _anywhere(self, count: int, generator: torch.Generator) -> Tensor:
        picks = torch.randint(len(self._windows.starts), (count,), generator=generator)
        return self._windows.states[self._windows.starts[picks]]


def make_value_phase(
    value: GoalValue,
    features: FeatureMap,
    windows: WindowTensors,
    held_out: WindowTensors,
    *,
    tick_s: float,
    steps: int,
    seconds: float,
    batch: int,
    learning_rate: float,
    final_learning_rate: float,
    settings: ValueSettings | None = None,
) -> Phase:
    """The training phase of a value; it needs nothing of the other networks but the features."""
    settings = settings or ValueSettings()

    def see(states: Tensor) -> Tensor:
        return features(states, features.frame(states))

    goals = HindsightGoals(windows, features.task, settings, tick_s=tick_s)
    unseen = HindsightGoals(held_out, features.task, settings, tick_s=tick_s)

    def loss(generator: torch.Generator) -> tuple[Tensor, Mapping[str, Tensor]]:
        value.follow(settings.target_rate)
        return value_loss(value, see, windows, goals.draw(batch, value, generator), settings)

    def measure() -> dict[str, float]:
        with torch.no_grad():
            drawn = unseen.draw(2048, value, make_generator(0))
            found = value_loss(value, see, held_out, drawn, settings)[1]
        return {name: float(number) for name, number in found.items()}

    return Phase(
        name="value",
        module=value.members,
        loss=loss,
        held_out=measure,
        steps=steps,
        seconds=seconds,
        learning_rate=learning_rate,
        final_learning_rate=final_learning_rate,
    )


class LearnedValue:
    """A trained value beside its skill model, as planners call it.

    Args:
        model: shares the features it computed for the same tensor of states.
    """

    def __init__(self, value: GoalValue, model: SkillModel) -> None:
        self.value = value.eval().requires_grad_(False)
        self._model = model

    def __call__(self, states: Tensor, goal: Tensor) -> Tensor:
        """V [N] of raw states [N, S] for one goal [12] (position, row-major rotation)."""
        with torch.inference_mode():
            features = self._model.prepare(states).features
            found = self.value.smallest(features, states, goal.expand(len(states), -1))
            return found.clamp_max(0.0)  # no state is better than being there, whatever a network makes of odd ones


def make_learned_value(bundle: Bundle, model: SkillModel) -> LearnedValue | None:
    """The value that a bundle carries, or None.

    Raises:
        DataError: its weights do not fit its description.
    """
    if "value" not in bundle.parts:
        return None
    try:
        hidden = tuple(int(size) for size in bundle.info["value"]["hidden"])
        value = GoalValue(model.task, model.networks.features.size, hidden)
        value.load_state_dict(bundle.parts["value"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"Bundle {bundle.path}: its value does not fit its description. Train or copy it again.", detail=str(error)
        ) from error
    return LearnedValue(value, model)


def last_rows(windows: WindowTensors) -> Tensor:
    """For every row that is a start: the last row of its stretch (int64 [T]; other rows hold themselves)."""
    starts = windows.starts.sort().values
    last = torch.arange(len(windows.states))
    breaks = torch.nonzero(starts[1:] - starts[:-1] != 1).flatten()
    ends = torch.cat([breaks, torch.tensor([len(starts) - 1])])
    run = torch.bucketize(torch.arange(len(starts)), ends)
    last[starts] = starts[ends[run]] + windows.window
    return last


def value_loss(
    value: GoalValue, features: Any, windows: WindowTensors, batch: GoalBatch, settings: ValueSettings
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Expectile TD over one skill.

    Args:
        features: states [N, S] -> normalised canonical features [N, F].

    Returns:
        Loss, and statistics `value` and `td_error` in skills.
    """
    now, after = windows.states[batch.starts], windows.states[batch.starts + windows.window]
    with torch.no_grad():
        inputs = value.inputs(features(now), now, batch.goals)
        ahead = _stack(value.slow, value.inputs(features(after), after, batch.goals)).amin(0)
        ahead = torch.where(value.is_reached(after, batch.goals, settings.radius), torch.zeros_like(ahead), ahead)
        target = (-1.0 + settings.discount * ahead).clamp(-1.0 / (1.0 - settings.discount), 0.0)
        target = torch.maximum(target, batch.least)
        target = torch.where(value.is_reached(now, batch.goals, settings.radius), torch.zeros_like(target), target)
    predicted = _stack(value.members, inputs)
    error = (target - predicted) / SCALE
    weight = torch.where(error > 0, settings.expectile, 1.0 - settings.expectile)
    loss = (weight * error.square()).mean()
    return loss, {"value": predicted.mean().detach(), "td_error": (error.abs().mean() * SCALE).detach()}


def _stack(members: nn.ModuleList, inputs: Tensor) -> Tensor:
    return torch.stack([SCALE * member(inputs)[:, 0] for member in members])


def _relative_turn(rotation: Tensor, goal: Tensor) -> Tensor:
    """R_goal R^T [N, 9] of row-major rotations [N, 9]."""
    return (goal.unflatten(-1, (3, 3)) @ rotation.unflatten(-1, (3, 3)).transpose(-1, -2)).flatten(-2)


def _angle(turn: Tensor) -> Tensor:
    """Angle [N] of rotations [N, 9]."""
    trace = turn[:, 0] + turn[:, 4] + turn[:, 8]
    return torch.arccos(((trace - 1) / 2).clamp(-1.0, 1.0))
