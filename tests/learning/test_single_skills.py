"""Single skills prepared once: what they hold, what is drawn, and dynamics that learn from them alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.core.task import load_task
from studio.learning.cvae import chain_loss, encode_windows
from studio.learning.executed import executed_errors, load_executed
from studio.learning.single_skills import executed_singles, recorded_singles, singles_loss
from studio.learning.skill_networks import NetworkSizes, SkillNetworks
from studio.learning.windows import WindowTensors
from tests.learning.test_executed import SKILL, WINDOW, joints_moved_by_skills, write
from tests.learning.toy import GEOMETRY, pushed_box

SIZES = {"skill_size": SKILL, "dynamics_hidden": (32,), "flow_hidden": 16, "flow_context_hidden": (8,)}


@pytest.fixture
def play() -> WindowTensors:
    states, actions = (torch.from_numpy(array) for array in pushed_box(0, 400))
    return WindowTensors(states, actions, torch.arange(400 - WINDOW), WINDOW)


class Sharp(torch.nn.Module):
    """A posterior without spread."""

    def __init__(self, posterior: torch.nn.Module) -> None:
        super().__init__()
        self.posterior = posterior

    def forward(self, features: torch.Tensor, ticks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_deviation = self.posterior(features, ticks)
        return mean, torch.full_like(log_deviation, -20.0)


def make_networks(members: int = 1) -> SkillNetworks:
    torch.manual_seed(0)
    sizes = NetworkSizes(**SIZES, dynamics_members=members)  # type: ignore[arg-type]
    return SkillNetworks(load_task("move_box"), GEOMETRY, 16, WINDOW, sizes)


def test_prepared_windows_are_those_that_whole_windows_give(play: WindowTensors) -> None:
    networks, starts = make_networks(), torch.tensor([3, 50, 200])
    found = recorded_singles(networks, play, starts)
    batch = encode_windows(networks, play, starts)
    mean, log_deviation = networks.posterior(batch.features, batch.ticks)
    for one, other in zip(
        (found.features, found.mean, found.deviation, found.change),
        (batch.features, mean, log_deviation.exp(), batch.change),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_the_loss_is_that_of_chains_of_one(play: WindowTensors) -> None:
    """With the same skills, up to the frame in which the last bit of a turn is measured."""
    networks, starts = make_networks(), torch.arange(300)
    networks.posterior = Sharp(networks.posterior)
    found = recorded_singles(networks, play, starts)
    error = (networks.own_change(found.features, found.mean) - found.change).clamp(-20, 20).square()
    prepared = (error * networks.transition.weight).mean()
    whole, _ = chain_loss(networks, play, starts, skills=1, generator=torch.Generator().manual_seed(0))
    assert float(prepared) == pytest.approx(float(whole), rel=0.02)


def test_skills_are_drawn_from_their_posterior_and_executed_ones_are_kept(play: WindowTensors, tmp_path: Path) -> None:
    networks = make_networks()
    found = recorded_singles(networks, play, torch.tensor([7]))
    _, skills, _ = found.draw(20_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(skills.mean(0), found.mean[0], atol=0.05, rtol=0.05)
    torch.testing.assert_close(skills.std(0), found.deviation[0], atol=0.05, rtol=0.05)
    executed = load_executed([write(tmp_path / "0.npz", ticks=41, starts=[0, 10, 20])], window=WINDOW, skill_size=SKILL)
    kept = executed_singles(networks, executed)
    _, drawn, _ = kept.draw(50, torch.Generator().manual_seed(1))
    known = {tuple(row) for row in executed.skills.tolist()}
    assert {tuple(row) for row in drawn.tolist()} == known and len(kept) == 3


def test_members_learn_from_prepared_skills_and_nothing_else_moves(tmp_path: Path) -> None:
    executed = joints_moved_by_skills(tmp_path / "0.npz")
    networks = make_networks(members=3)
    networks.transition.scale.fill_(0.02)
    before = {name: value.clone() for name, value in networks.state_dict().items()}
    optimiser = torch.optim.Adam(networks.dynamics.parameters(), lr=3e-3)
    generator, losses = torch.Generator().manual_seed(0), []
    pairs = executed_singles(networks, executed)
    for _ in range(200):
        loss, _ = singles_loss(networks, [(pairs, 96)], generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    assert np.mean(losses[-10:]) < 0.1 * losses[0]
    after = networks.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert {name.split(".")[0] for name in changed} == {"dynamics"}
    assert {name.split(".")[2] for name in changed} == {"0", "1", "2"}  # every member has its share
    assert executed_errors(networks, executed)["executed_mm"] < 5.0
