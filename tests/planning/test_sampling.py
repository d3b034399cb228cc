"""Methods 1h, checks 4 and 5, on toys whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from studio.planning.config import PlannerConfig
from studio.planning.rollouts import TorchRollouts
from studio.planning.sampling import SamplingPlanner, elite_weights, shift_controls, soft_weights

IDENTITY = lambda u, s: u  # noqa: E731
SUM = lambda s, z: s + z  # noqa: E731
NO_SCORE = lambda s, z: torch.zeros(len(s))  # noqa: E731


def make_planner(settings: PlannerConfig, *, decode=IDENTITY, score=NO_SCORE, terminal=None, skill_size=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    terminal = terminal or (lambda s: -s.square().sum(-1))
    rollouts = TorchRollouts(decode, SUM, score, terminal)
    return SamplingPlanner(settings, rollouts, generator, skill_size=skill_size)


def test_weights_become_uniform_when_the_temperature_rises() -> None:
    weights = soft_weights(torch.randn(50), 1e9, standardise=True)
    assert torch.allclose(weights, torch.full((50,), 0.02), atol=1e-6)


def test_weights_become_one_hot_when_the_temperature_falls() -> None:
    returns = torch.tensor([0.1, 0.9, 0.3, 0.89])
    assert soft_weights(returns, 1e-9, standardise=True).tolist() == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("standardise", [True, False])
def test_adding_a_constant_to_all_returns_changes_nothing(standardise: bool) -> None:
    returns = torch.randn(64, dtype=torch.float64)
    first = soft_weights(returns, 0.1, standardise=standardise)
    assert torch.allclose(first, soft_weights(returns + 1234.5, 0.1, standardise=standardise), atol=1e-9)


def test_a_return_that_is_not_finite_weighs_nothing() -> None:
    weights = soft_weights(torch.tensor([1.0, math.nan, -math.inf, 2.0]), 0.1, standardise=True)
    assert weights[1] == weights[2] == 0.0
    assert float(weights.sum()) == pytest.approx(1.0)


def test_elites_share_the_weight() -> None:
    weights = elite_weights(torch.arange(10.0), 0.2)
    assert weights.tolist() == [0.0] * 8 + [0.5, 0.5]


@pytest.mark.parametrize("algorithm", ["mppi", "cem"])
def test_controls_stay_in_the_box(algorithm: str) -> None:
    settings = PlannerConfig(algorithm=algorithm, samples=64, stages=5, passes=3, control_limit=0.5, noise=2.0)
    seen: list[torch.Tensor] = []

    def decode(u: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        seen.append(u)
        return u

    planner = make_planner(settings, decode=decode, terminal=lambda s: s.sum(-1))
    plan = planner.plan(torch.zeros(2), torch.full((5, 2), 0.5))
    assert float(plan.controls.abs().max()) <= 0.5
    assert max(float(u.abs().max()) for u in seen) <= 0.5
    assert float(plan.controls.mean()) > 0.2  # and they moved towards the better corner


def test_one_stage_average_converges_to_quadrature() -> None:
    """H = 1, d = 1, z = u, f = s + z, quadratic score: U* -> int u exp(G/lambda) du / int exp(G/lambda) du."""
    temperature, start, target = 0.3, 0.2, 0.9
    grid = np.linspace(-1.0, 1.0, 200_001)
    density = np.exp(-((start + grid - target) ** 2) / temperature)
    expected = float((grid * density).sum() / density.sum())
    errors = []
    for samples in (100, 100_000):
        settings = PlannerConfig(
            samples=samples, stages=1, passes=1, control_limit=1.0, temperature=temperature, standardise=False
        )
        planner = make_planner(settings, terminal=lambda s: -(s[:, 0] - target).square(), skill_size=1)
        errors.append(abs(float(planner.plan(torch.tensor([start])).controls[0, 0]) - expected))
    assert errors[1] < 0.005
    assert errors[1] < errors[0]


def test_each_stage_is_decoded_at_the_predicted_state() -> None:
    """A flow that shifts by s; the spy must see S_t, not s0."""
    settings = PlannerConfig(samples=8, stages=4, passes=1, control_limit=0.7)
    spied: list[tuple[torch.Tensor, torch.Tensor]] = []

    def decode(u: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        spied.append((u.clone(), s.clone()))
        return u + s

    start = torch.tensor([0.3, -0.1])
    plan = make_planner(settings, decode=decode).plan(start)
    sampling = [entry for entry in spied if len(entry[0]) == 8]
    assert len(sampling) == 4
    expected = start.expand(8, 2)
    for controls, states in sampling:
        assert torch.allclose(states, expected, atol=1e-6)
        expected = expected + (controls + expected)
    assert torch.allclose(plan.skill, plan.controls[0] + start, atol=1e-6)
    assert torch.allclose(plan.state_goal, start + plan.skill, atol=1e-6)


def test_sizes_are_exact_and_the_last_state_is_scored() -> None:
    settings = PlannerConfig(samples=7, stages=3, passes=1, fan=5)
    calls = {"running": 0, "terminal": 0}

    def running(s: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        calls["running"] += len(s)
        return torch.zeros(len(s))

    def terminal(s: torch.Tensor) -> torch.Tensor:
        calls["terminal"] += len(s)
        return s[:, 0]

    plan = make_planner(settings, score=running, terminal=terminal).plan(torch.zeros(2))
    # 7 samples and the averaged plan once more
    assert calls == {"running": (7 + 1) * 3, "terminal": 7 + 1}
    assert plan.fan.shape == (5, 4, 2) and plan.path.shape == (4, 2)
    assert torch.allclose(plan.fan[:, -1, 0], plan.fan_returns)
    assert plan.effective_samples == pytest.approx(1.0 / float(plan.weights.square().sum()))


def test_the_shifted_last_plan_is_a_candidate() -> None:
    settings = PlannerConfig(samples=16, stages=3, passes=1, base_share=1.0, temperature=1e-9)
    good = torch.full((3, 2), 0.5)
    score = lambda s: -(s - 1.5).square().sum(-1)  # noqa: E731 - the good plan ends exactly there
    plan = make_planner(settings, terminal=score).plan(torch.zeros(2), good)
    assert torch.allclose(plan.controls, good)


def test_shifting_repeats_the_last_row() -> None:
    controls = torch.arange(4.0)[:, None]
    assert shift_controls(controls, 1)[:, 0].tolist() == [1.0, 2.0, 3.0, 3.0]
    assert shift_controls(controls, 9)[:, 0].tolist() == [3.0] * 4
    assert shift_controls(controls, 0)[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_refinement_passes_come_closer() -> None:
    target = torch.tensor([1.1, -0.7])
    score = lambda s: -(s - target).square().sum(-1)  # noqa: E731
    errors = []
    for passes in (1, 3):
        gaps = []
        for seed in range(10):
            settings = PlannerConfig(samples=64, stages=6, passes=passes)
            plan = make_planner(settings, terminal=score, seed=seed).plan(torch.zeros(2))
            gaps.append(float((plan.path[-1] - target).norm()))
        errors.append(float(np.mean(gaps)))
    assert errors[1] < 0.7 * errors[0]


def test_the_same_seed_gives_the_same_plan() -> None:
    first, second = (make_planner(PlannerConfig(samples=32, stages=4), seed=3).plan(torch.ones(2)) for _ in range(2))
    assert torch.equal(first.controls, second.controls)
