"""The conditional autoregressive flow (spec/methods-papers.md 1h checks 1, 2, 3)."""

from __future__ import annotations

import math

import pytest
import torch

from studio.learning.distributions import gaussian_log_density
from studio.learning.flow import ConditionalFlow, MaskedBlock, uniform_log_density
from studio.learning.networks import GaussianHead


def make_flow(size: int, blocks: int = 2, *, features: int = 3, seed: int = 0, spread: float = 0.7) -> ConditionalFlow:
    torch.manual_seed(seed)
    flow = ConditionalFlow(
        feature_size=features, size=size, blocks=blocks, hidden=32, context_hidden=(16,), head_hidden=(16,)
    )
    with torch.no_grad():
        for block in flow.blocks:  # away from the identity
            block.out.weight.normal_(0, spread / math.sqrt(32))
            block.out.bias.normal_(0, 0.3)
    return flow.double()


@pytest.mark.parametrize(("size", "blocks"), [(1, 1), (2, 2), (8, 2), (5, 3)])
@torch.no_grad()
def test_inverse_undoes_forward_and_determinants_cancel(size: int, blocks: int) -> None:
    flow = make_flow(size, blocks)
    u = torch.rand(200, size, dtype=torch.float64) * 1.9 - 0.95
    features = torch.randn(200, 3, dtype=torch.float64)
    z, log_det = flow(u, features)
    back, log_det_back = flow.inverse(z, features)
    assert float((back - u).abs().max()) < 1e-6
    assert float((log_det + log_det_back).abs().max()) < 1e-8
    assert torch.allclose(flow.sample(u, features), z)
    density = flow.log_density(z, features)
    assert torch.allclose(density, uniform_log_density(size) + log_det_back, atol=1e-8)


def test_determinant_is_that_of_the_jacobian() -> None:
    flow = make_flow(4)
    for _ in range(5):
        u = torch.rand(4, dtype=torch.float64) * 1.8 - 0.9
        features = torch.randn(1, 3, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(lambda x, f=features: flow(x[None], f)[0][0], u)
        assert abs(float(torch.linalg.slogdet(jacobian)[1] - flow(u[None], features)[1][0])) < 1e-9


def test_block_is_autoregressive() -> None:
    torch.manual_seed(0)
    block = MaskedBlock(6, 3, 30).double()
    torch.nn.init.normal_(block.out.weight)
    x, context = torch.randn(6, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: block(v[None], context)[0][0], x)
    assert float(torch.triu(jacobian, diagonal=1).abs().max()) == 0.0  # y_i does not know x_j for j > i
    below = jacobian[torch.tril_indices(6, 6, -1)[0], torch.tril_indices(6, 6, -1)[1]]
    assert float(below.abs().min()) > 0.0  # and knows every earlier one


@torch.no_grad()
def test_density_integrates_to_one_in_one_and_two_dimensions() -> None:
    feature = torch.randn(1, 3, dtype=torch.float64)
    grid = torch.linspace(-25, 25, 20_001, dtype=torch.float64)[:, None]
    flow = make_flow(1)
    total = torch.trapezoid(flow.log_density(grid, feature.expand(len(grid), 3)).exp(), grid[:, 0])
    assert abs(float(total) - 1.0) < 1e-3
    flow, line = make_flow(2, spread=0.4), torch.linspace(-20, 20, 501, dtype=torch.float64)
    points = torch.cartesian_prod(line, line)
    density = flow.log_density(points, feature.expand(len(points), 3)).exp().reshape(501, 501)
    assert abs(float(torch.trapezoid(torch.trapezoid(density, line), line)) - 1.0) < 5e-3


def test_starts_near_the_gaussian_and_is_finite_far_out() -> None:
    torch.manual_seed(0)
    prior = GaussianHead(3, (16,), 4)
    flow = ConditionalFlow(feature_size=3, size=4, blocks=2, hidden=32, context_hidden=(16,), head_hidden=(16,))
    flow.start_from(prior)
    features = torch.randn(5000, 3)
    mean, log_deviation = prior(features)
    z = mean + torch.exp(log_deviation) * torch.randn(5000, 4)
    gaussian = gaussian_log_density(z, mean, log_deviation).mean()
    assert 0.0 < float(gaussian - flow.log_density(z, features).mean()) < 0.15  # a logistic instead, nothing worse
    assert bool(torch.isfinite(flow.log_density(1e4 * torch.ones(2, 4), torch.zeros(2, 3))).all())


def test_two_moons_beat_the_best_conditional_gaussian() -> None:
    """Check 3: a posterior that bends, conditioned on a binary state; margin 0.3 nats."""
    generator = torch.Generator().manual_seed(0)

    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        state = torch.randint(2, (count, 1), generator=generator).float()
        angle = math.pi * torch.rand(count, 1, generator=generator)
        sign = 1 - 2 * state
        moon = torch.cat([torch.cos(angle) + 0.5 * state, sign * torch.sin(angle)], 1)
        return state, moon + 0.08 * torch.randn(count, 2, generator=generator)

    state, z = draw(20_000)
    gaussian = 0.0
    for value in (0.0, 1.0):  # the best diagonal Gaussian per state, in closed form
        part = z[state[:, 0] == value]
        gaussian += len(part) / len(z) * float((0.5 * math.log(2 * math.pi * math.e) + part.std(0).log()).sum())
    torch.manual_seed(0)
    flow = ConditionalFlow(feature_size=1, size=2, blocks=2, hidden=64, context_hidden=(32,), head_hidden=(32,))
    optimiser = torch.optim.Adam(flow.parameters(), lr=5e-3)
    for _ in range(600):
        state, z = draw(256)
        loss = -flow.log_density(z, state).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    state, z = draw(20_000)
    with torch.no_grad():
        nll = -float(flow.log_density(z, state).mean())
    assert nll < gaussian - 0.3
