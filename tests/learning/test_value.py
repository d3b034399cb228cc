"""The hindsight value on a toy in which an object is pushed to and fro along x, one centimetre a skill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.core.errors import ConfigError, DataError
from studio.learning.bundle import load_bundle, save_bundle
from studio.learning.skill_model import make_skill_model
from studio.learning.value import (
    GoalValue,
    HindsightGoals,
    LearnedValue,
    ValueSettings,
    discounted_steps,
    last_rows,
    make_learned_value,
    value_loss,
)
from studio.learning.windows import WindowTensors
from tests.planning.random_model import save_random_bundle
from tests.planning.toy import toy_task

TASK = toy_task()
SETTINGS = ValueSettings(radius=1.0, future_s=1.0, target_rate=0.02, discount=0.95)


def make_windows(rows: int = 3000, window: int = 5) -> WindowTensors:
    """A triangle wave between -10 and 10 cm, 1 cm in 5 ticks; joints follow the object."""
    ramp = np.abs((np.arange(rows) * 0.002 + 0.1) % 0.4 - 0.2) - 0.1
    states = torch.zeros(rows, TASK.state_size)
    states[:, 0] = states[:, 2] = torch.from_numpy(ramp).float()
    states[:, 4] = 0.05
    states[:, 5:] = torch.eye(3).flatten()
    return WindowTensors(states, torch.zeros(rows, 4), torch.arange(rows - window), window)


def goal_at(x_m: float) -> torch.Tensor:
    return torch.cat([torch.tensor([x_m, 0.0, 0.05]), torch.eye(3).flatten()])[None]


def state_at(x_m: float) -> torch.Tensor:
    state = make_windows(20).states[:1].clone()
    state[0, 0] = state[0, 2] = x_m
    return state


def features(state: torch.Tensor) -> torch.Tensor:
    return 10.0 * state[:, :4]


@torch.no_grad()
def value_at(value: GoalValue, x_m: float) -> float:
    start = state_at(0.0)
    return float(value.smallest(features(start), start, goal_at(x_m)))


@pytest.fixture(scope="module")
def trained() -> GoalValue:
    torch.manual_seed(0)
    windows = make_windows()
    value = GoalValue(TASK, 4, (64, 64))
    goals = HindsightGoals(windows, TASK, SETTINGS, tick_s=0.02)
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(value.members.parameters(), lr=3e-3)
    for _ in range(700):
        loss, _ = value_loss(value, features, windows, goals.draw(128, value, generator), SETTINGS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        value.follow(SETTINGS.target_rate)
    return value


def test_farther_goals_are_worth_less(trained: GoalValue) -> None:
    values = [value_at(trained, x) for x in (0.0, 0.03, 0.06, 0.09)]
    assert values == sorted(values, reverse=True)
    assert values[0] > -1.5
    assert values[3] < -4.0


def test_the_value_counts_skills(trained: GoalValue) -> None:
    """6 cm away with a radius of 1.5 cm: 4.5 to 5 skills when the object happens to move towards the goal."""
    assert -9.0 < value_at(trained, 0.06) < -3.0


def test_goals_are_poses_of_the_same_stretch_or_of_the_play() -> None:
    windows = make_windows()
    value = GoalValue(TASK, 4, (8,))
    generator = torch.Generator().manual_seed(1)
    batch = HindsightGoals(windows, TASK, SETTINGS, tick_s=0.02).draw(50, value, generator)
    starts, goals = batch.starts, batch.goals
    assert torch.isinf(batch.least[30:]).all() and torch.isfinite(batch.least[:30]).all()
    assert starts.shape == (50,) and goals.shape == (50, 12)
    assert float(goals[:, 0].abs().max()) <= 0.1001
    away = (goals[:30, 0] - windows.states[starts[:30], 2]).abs() > 0.015
    assert int(away.sum()) > 20  # most later goals are not where the object already is


def test_some_goals_are_made_up_beside_the_object_and_can_be_real_poses() -> None:
    windows, value = make_windows(), GoalValue(TASK, 4, (8,))
    settings = ValueSettings(future_share=0.0, near_share=1.0, near_m=0.05, near_turn_rad=0.5)
    batch = HindsightGoals(windows, TASK, settings, tick_s=0.02).draw(400, value, torch.Generator().manual_seed(2))
    here, goals = value.goals_at(windows.states[batch.starts]), batch.goals
    assert torch.isinf(batch.least).all()  # nobody is known to have gone there
    assert torch.equal(goals[:, 2], here[:, 2])  # on the table where the object was on the table
    low, high = torch.tensor([TASK.area_x_m[0], TASK.area_y_m[0]]), torch.tensor([TASK.area_x_m[1], TASK.area_y_m[1]])
    assert (goals[:, :2] >= low - 1e-6).all() and (goals[:, :2] <= high + 1e-6).all()
    matrices = goals[:, 3:].unflatten(-1, (3, 3))
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(3).expand(400, 3, 3))
    torch.testing.assert_close(matrices[:, 2], here[:, 3:].unflatten(-1, (3, 3))[:, 2])  # turned about the vertical
    turns = torch.arccos(((matrices.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2).clamp(-1, 1))
    assert 0.3 < float(turns.max()) <= 0.5 + 1e-3


def test_shares_of_goals_must_fit_into_one() -> None:
    with pytest.raises(ConfigError, match="near_share"):
        ValueSettings(future_share=0.8, near_share=0.3)


def test_planners_never_hear_of_a_state_better_than_the_goal(tmp_path: Path) -> None:
    model = make_skill_model(load_bundle(save_random_bundle(tmp_path / "bundle")))
    value = GoalValue(model.task, model.networks.features.size, (8,))
    states, goal = torch.randn(200, model.state_size), goal_at(0.0)[0]
    with torch.no_grad():
        found = value.smallest(model.prepare(states).features, states, goal.expand(200, -1))
        for member in value.members:
            member[-1].bias -= float(found.median()) / 10.0  # type: ignore[index, operator]
        raw = value.smallest(model.prepare(states).features, states, goal.expand(200, -1))
    heard = LearnedValue(value, model)(states, goal)
    assert float(raw.max()) > 0.0 > float(raw.min())
    torch.testing.assert_close(heard, raw.clamp_max(0.0))


def test_hindsight_bounds_the_value_from_below() -> None:
    steps = torch.tensor([0.0, 0.4, 1.0, 2.0, 1e6])
    assert discounted_steps(steps, 0.9).tolist() == pytest.approx([0.0, -1.0, -1.0, -1.9, -10.0], abs=1e-4)


def test_last_rows_stop_at_breaks() -> None:
    states = torch.zeros(30, TASK.state_size)
    starts = torch.cat([torch.arange(0, 6), torch.arange(10, 26)])
    last = last_rows(WindowTensors(states, states, starts, 4))
    assert last[:6].tolist() == [9] * 6
    assert last[10:26].tolist() == [29] * 16


def test_the_slow_copy_follows() -> None:
    value = GoalValue(TASK, 4, (8,))
    with torch.no_grad():
        for parameter in value.members.parameters():
            parameter.add_(1.0)
    before = [p.clone() for p in value.slow.parameters()]
    value.follow(0.25)
    assert all(torch.allclose(p, b + 0.25) for p, b in zip(value.slow.parameters(), before, strict=True))
    assert not any(p.requires_grad for p in value.slow.parameters())


def test_a_bundle_carries_its_value(tmp_path: Path) -> None:
    bundle = load_bundle(save_random_bundle(tmp_path / "plain"))
    model = make_skill_model(bundle)
    assert make_learned_value(bundle, model) is None
    value = GoalValue(model.task, model.networks.features.size, (16, 16))
    info = {key: entry for key, entry in bundle.info.items() if key not in ("parts", "format_version")}
    parts = {**bundle.parts, "value": dict(value.state_dict())}
    save_bundle(tmp_path / "with", {**info, "value": {"hidden": [16, 16]}}, parts)
    learned = make_learned_value(load_bundle(tmp_path / "with"), model)
    assert learned is not None
    states = torch.zeros(5, model.state_size)
    states[:, 19:] = torch.eye(3).flatten()
    goal = goal_at(0.05)[0]
    assert torch.equal(
        learned(states, goal), value.smallest(model.prepare(states).features, states, goal.expand(5, -1)).detach()
    )
    save_bundle(tmp_path / "wrong", {**info, "value": {"hidden": [8]}}, parts)
    with pytest.raises(DataError, match="its value does not fit"):
        make_learned_value(load_bundle(tmp_path / "wrong"), model)


def test_what_an_episode_was_to_reach_is_a_share_of_the_goals() -> None:
    windows, value = make_windows(), GoalValue(TASK, 4, (8,))
    asked = windows.states.clone()
    asked[:, 2] = 0.5 + 1e-4 * torch.arange(len(asked))  # nowhere else, and another one for every row
    settings = ValueSettings(commanded_share=0.4)
    goals = HindsightGoals(windows, TASK, settings, tick_s=0.02, commanded=asked)
    batch = goals.draw(100, value, torch.Generator().manual_seed(3))
    assert torch.equal(batch.goals[60:, 0], asked[batch.starts[60:], 2]) and float(batch.goals[:60, 0].max()) < 0.2
    assert torch.isinf(batch.least[60:]).all()  # nobody is known to have come there
    assert int(torch.isfinite(batch.least).sum()) == 36  # 60 % of what is left are later poses of the same stretch
    plain = HindsightGoals(windows, TASK, settings, tick_s=0.02).draw(100, value, torch.Generator().manual_seed(3))
    assert float(plain.goals[:, 0].max()) < 0.2
