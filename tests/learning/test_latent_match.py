"""MMD and the discriminator: zero for equal sets, a pull towards each other otherwise."""

from __future__ import annotations

import pytest
import torch

from studio.learning.latent_match import Discriminator, adversarial_loss, mmd_squared


def test_mmd_is_zero_for_one_distribution_and_grows_with_the_distance() -> None:
    chance = torch.Generator().manual_seed(0)
    s, a, b = (torch.randn(400, d, generator=chance) for d in (3, 2, 2))
    same = [float(mmd_squared(s, a, b + shift)) for shift in (0.0, 0.5, 2.0)]
    assert abs(same[0]) < 0.01
    assert same[0] < same[1] < same[2]


def test_mmd_sees_a_skill_that_fits_the_wrong_state() -> None:
    """The same skills in all, but dealt to the other states: only the joint distribution differs."""
    chance = torch.Generator().manual_seed(1)
    s = torch.cat([-2.0 * torch.ones(200, 1), 2.0 * torch.ones(200, 1)]) + 0.1 * torch.randn(400, 1, generator=chance)
    z = s + 0.1 * torch.randn(400, 1, generator=chance)
    again = s + 0.1 * torch.randn(400, 1, generator=chance)
    assert float(mmd_squared(s, z, again.flip(0))) > 20 * abs(float(mmd_squared(s, z, again)))


@pytest.mark.parametrize("kind", ["mmd", "adversarial"])
def test_following_the_loss_brings_the_skills_together(kind: str) -> None:
    torch.manual_seed(0)
    chance = torch.Generator().manual_seed(2)
    shift = torch.full((2,), 1.5, requires_grad=True)
    critic = Discriminator(1, 2, (16,))
    optimiser = torch.optim.Adam([{"params": [shift], "lr": 0.03}, {"params": critic.parameters(), "lr": 0.01}])
    for _ in range(250):
        s = torch.zeros(64, 1)
        first, second = torch.randn(64, 2, generator=chance) + shift, torch.randn(64, 2, generator=chance)
        loss = mmd_squared(s, first, second) if kind == "mmd" else adversarial_loss(critic, s, first, second)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(shift.detach().abs().max()) < 0.8
