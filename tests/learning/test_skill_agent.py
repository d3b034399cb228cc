"""Soft actor-critic in base space: its divergence against quadrature, hindsight rewards, a toy it must solve."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.learning.distributions import base_from_gaussian, gaussian_from_base
from studio.learning.skill_agent import AgentSettings, SkillAgent, Transitions, agent_loss


def one_dimension(mean: float, free: float, limit: float) -> SkillAgent:
    """An actor that answers with one Gaussian before the tanh, whatever it sees."""
    agent = SkillAgent(1, 1, (4,), AgentSettings(control_limit=limit))
    with torch.no_grad():
        agent.actor[-1].weight.zero_()  # type: ignore[union-attr]
        agent.actor[-1].bias.copy_(torch.tensor([mean, free]))  # type: ignore[union-attr]
    return agent


@pytest.mark.parametrize(("mean", "free", "limit"), [(0.0, 0.6, 1.0), (0.7, 0.2, 1.0), (-0.4, 0.5, 0.7)])
def test_divergence_is_the_kl_from_the_uniform_base(mean: float, free: float, limit: float) -> None:
    """Check 9 of methods-papers 1h: E[log pi] + log 2 (and - log of the box) against the integral over the box."""
    agent, generator = one_dimension(mean, free, limit), torch.Generator().manual_seed(0)
    control, sampled = agent.act(torch.zeros(400_000, 1), generator)
    assert float(control.detach().abs().max()) <= limit
    deviation = math.exp(-5.0 + 3.5 * (math.tanh(free) + 1.0))
    x = np.linspace(mean - 9 * deviation, mean + 9 * deviation, 400_001)
    density = np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
    log_u = np.log(density + 1e-300) - np.log(limit) - 2 * (math.log(2) - np.abs(x) - np.log1p(np.exp(-2 * np.abs(x))))
    kl = float(np.trapezoid(density * (log_u + math.log(2 * limit)), x))
    assert float(sampled.detach().mean()) == pytest.approx(kl, abs=0.02)
    assert kl >= 0.0


def test_gaussian_base_and_back() -> None:
    mean, log_deviation = torch.randn(50, 3), 0.3 * torch.randn(50, 3)
    base = 1.9 * torch.rand(50, 3) - 0.95
    assert torch.allclose(base_from_gaussian(gaussian_from_base(base, mean, log_deviation), mean, log_deviation), base,
                          atol=2e-5)  # fmt: skip


def corridor(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A point on a line, moved by 0.3 u; random goals. Columns: position now, control, position after, goal."""
    now = 2.0 * torch.rand((count, 1), generator=generator) - 1.0
    control = 2.0 * torch.rand((count, 1), generator=generator) - 1.0
    goal = 2.0 * torch.rand((count, 1), generator=generator) - 1.0
    return now, control, now + 0.3 * control, goal


def batch_of(now: Tensor, control: Tensor, after: Tensor, goal: Tensor) -> Transitions:
    done = ((after - goal).abs() < 0.1).float()[:, 0]
    return Transitions(
        now=torch.cat([now, goal - now], -1),
        after=torch.cat([after, goal - after], -1),
        control=control,
        reward=done - 1.0,
        done=done,
        recorded=torch.ones(len(now), dtype=torch.bool),
        least=torch.full((len(now),), -torch.inf),
    )


@pytest.mark.parametrize("conservative", [0.0, 0.5])
def test_it_learns_to_go_to_goals_from_random_motion(conservative: float) -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    settings = AgentSettings(divergence=1.0, conservative=conservative, target_rate=0.02)
    agent = SkillAgent(2, 1, (64, 64), settings)
    optimiser = torch.optim.Adam([p for p in agent.parameters() if p.requires_grad], lr=2e-3)
    statistics = {}
    for _ in range(700):
        loss, statistics = agent_loss(agent, batch_of(*corridor(256, generator)), generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        agent.follow()
    position, goal = torch.full((200, 1), -0.9), torch.linspace(0.2, 0.9, 200)[:, None]
    for _ in range(8):  # at least five are needed
        position = position + 0.3 * agent.act(torch.cat([position, goal - position], -1))[0].detach()
    assert float(((position - goal).abs() < 0.15).float().mean()) > 0.9
    assert -25.0 < float(statistics["value"]) < 0.0  # trap 14
    assert ("optimism" in statistics) == (conservative > 0.0)


def test_each_loss_moves_its_own_parameters_only() -> None:
    agent, generator = SkillAgent(2, 1, (8,), AgentSettings()), torch.Generator().manual_seed(0)
    data = batch_of(*corridor(64, generator))
    loss, _ = agent_loss(agent, data, generator)
    loss.backward()
    assert all(p.grad is None for p in agent.slow.parameters())
    critic = torch.cat([p.grad.flatten() for p in agent.critics.parameters() if p.grad is not None]).clone()
    agent.zero_grad()
    generator.manual_seed(0)
    corridor(64, generator)  # the same draws again
    with torch.no_grad():
        later, divergence = agent.act(data.after, generator)
        ahead = agent.values(data.after, later, slow=True).amin(0) - agent.log_alpha.exp() * divergence
        target = data.reward + 0.96 * (1.0 - data.done) * ahead
    (agent.values(data.now, data.control) - target).square().mean().backward()
    alone = torch.cat([p.grad.flatten() for p in agent.critics.parameters() if p.grad is not None])
    assert torch.allclose(critic, alone, atol=1e-6)
