"""Several dynamics: what they say together, how they differ, and that one alone stays what it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from studio.core.errors import ConfigError
from studio.core.task import load_task
from studio.learning.cvae import LossWeights, chain_loss, stage_1_loss
from studio.learning.ensemble import DynamicsEnsemble, disagreement, make_dynamics, member_masks
from studio.learning.kinematics import arm_geometry
from studio.learning.skill_model import SkillModel
from studio.learning.skill_networks import NetworkSizes, SkillNetworks
from studio.learning.windows import WindowTensors
from studio.methods.haptic_play.config import HapticPlayConfig
from studio.robot.description import load_robot

WINDOW = 6
SMALL = {"policy_hidden": (16,), "posterior_hidden": (16,), "dynamics_hidden": (16,), "prior_hidden": (16,)}


def make_networks(members: int) -> SkillNetworks:
    torch.manual_seed(3)
    sizes = NetworkSizes(**SMALL, flow_hidden=16, flow_context_hidden=(8,), dynamics_members=members)
    return SkillNetworks(load_task("move_box"), arm_geometry(load_robot()), 16, WINDOW, sizes)


def make_windows(networks: SkillNetworks, rows: int = 80) -> WindowTensors:
    chance = torch.Generator().manual_seed(5)
    states = torch.randn(rows, networks.task.state_size, generator=chance)
    rotation = next(networks.task.span(b.name) for b in networks.task.state if b.kind == "rotation")
    states[:, rotation] = torch.eye(3).flatten()
    actions = torch.randn(rows, 16, generator=chance)
    return WindowTensors(states, actions, torch.arange(rows - WINDOW), WINDOW)


def test_the_mean_predicts_and_rows_are_dealt_out() -> None:
    ensemble = DynamicsEnsemble([4, 8, 3], 3)
    rows = torch.randn(7, 4)
    each = torch.stack([member(rows) for member in ensemble.members])
    assert torch.allclose(ensemble(rows), each.mean(0))
    own = ensemble.own(rows)
    for row in range(7):
        assert torch.allclose(own[row], each[row % 3, row], atol=1e-6)


def test_one_member_is_the_plain_network_of_older_bundles() -> None:
    assert type(make_dynamics([4, 8, 3], 1)) is nn.Sequential
    names = set(make_networks(1).dynamics.state_dict())
    assert names == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert NetworkSizes.from_json({"skill_size": 4}).dynamics_members == 1


def test_disagreement_is_a_weighted_deviation() -> None:
    changes = torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]]])
    assert disagreement(changes, torch.tensor([1.0, 1.0])) == pytest.approx(0.5**0.5)
    assert disagreement(changes, torch.tensor([0.0, 5.0])) == pytest.approx(0.0)


def test_masks_halve_the_rows_and_leave_the_generator_alone_for_one_member() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert float(member_masks(1, 50, generator)) == 1.0
    assert torch.equal(generator.get_state(), before)
    masks = member_masks(3, 2000, generator)
    assert set(masks.unique().tolist()) == {0.0, 2.0}
    assert float(masks.mean()) == pytest.approx(1.0, abs=0.05)
    assert not torch.equal(masks[0], masks[1])


@pytest.mark.parametrize("members", [1, 3])
def test_every_member_learns_and_they_stay_apart(members: int) -> None:
    networks = make_networks(members)
    windows = make_windows(networks)
    generator = torch.Generator().manual_seed(1)
    arguments = {"noise": None, "goal_noise": 0.0, "policy_ticks": 2, "generator": generator}
    starts = torch.arange(30)
    first = stage_1_loss(networks, windows, starts, LossWeights(), **arguments)[0]
    first.backward()
    gradients = [p.grad.clone() for p in networks.dynamics.parameters()]
    assert all(float(g.abs().sum()) > 0 for g in gradients)
    networks.zero_grad()
    chain_loss(networks, windows, starts, skills=3, generator=generator)[0].backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in networks.dynamics.parameters())
    model = SkillModel(networks, rate_hz=100.0, prior="gaussian")
    state, z = windows.states[:5], torch.randn(5, networks.sizes.skill_size)
    apart = model.disagreement(state, z)
    assert bool((apart > 0).all()) == (members > 1)
    assert torch.allclose(
        model.predict(state, z),
        networks.transition.apply(state, networks.predicted_change(model.prepare(state).features, z)),
        atol=1e-6,
    )


def test_too_many_members_are_refused() -> None:
    with pytest.raises(ConfigError, match="dynamics_members is 9"):
        HapticPlayConfig(dynamics_members=9)
