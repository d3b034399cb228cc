"""Closed forms against Monte Carlo and quadrature (spec/methods-papers.md 1h checks 2, 6)."""

from __future__ import annotations

import math

import torch

from studio.learning.distributions import (
    gaussian_from_base,
    gaussian_kl,
    gaussian_log_density,
    gaussian_sample,
    logistic_half_log_density,
)


def test_gaussian_kl_matches_a_million_samples() -> None:
    generator = torch.Generator().manual_seed(1)
    mean_q, mean_p = torch.tensor([0.3, -1.0, 0.2]), torch.tensor([-0.5, -0.6, 0.2])
    log_q, log_p = torch.tensor([-0.7, 0.1, -0.2]), torch.tensor([0.2, -0.3, 0.4])
    closed = gaussian_kl(mean_q, log_q, mean_p, log_p)
    z = gaussian_sample(mean_q.expand(1_000_000, 3), log_q.expand(1_000_000, 3), generator)
    difference = gaussian_log_density(z, mean_q, log_q) - gaussian_log_density(z, mean_p, log_p)
    error = float(difference.std()) / math.sqrt(len(z))
    assert abs(float(difference.mean() - closed)) < 4 * error
    assert float(closed) > 0.5


def test_gaussian_kl_is_zero_only_for_equal_ones() -> None:
    mean, log_deviation = torch.randn(5, 4), torch.randn(5, 4)
    assert torch.allclose(gaussian_kl(mean, log_deviation, mean, log_deviation), torch.zeros(5), atol=1e-6)
    assert (gaussian_kl(mean, log_deviation, mean + 0.1, log_deviation) > 1e-4).all()
    assert (gaussian_kl(mean, log_deviation, mean, log_deviation + 0.1) > 1e-4).all()


def test_half_sech_squared_is_the_logistic_with_scale_one_half() -> None:
    x = torch.linspace(-30, 30, 4001, dtype=torch.float64)
    logistic = -2 * x - math.log(0.5) - 2 * torch.log1p(torch.exp(-2 * x))  # density of Logistic(0, s = 1/2)
    assert torch.allclose(logistic_half_log_density(x), logistic, atol=1e-10)
    assert abs(float(torch.trapezoid(logistic_half_log_density(x).exp(), x)) - 1.0) < 1e-6
    assert bool(torch.isfinite(logistic_half_log_density(torch.tensor([1e6, -1e6]))).all())


def test_uniform_base_becomes_the_gaussian() -> None:
    u = torch.rand(200_000, 1, generator=torch.Generator().manual_seed(0)) * 2 - 1
    z = gaussian_from_base(u, torch.tensor([1.5]), torch.tensor([math.log(0.3)]))
    assert abs(float(z.mean()) - 1.5) < 0.005 and abs(float(z.std()) - 0.3) < 0.005
    assert bool(torch.isfinite(gaussian_from_base(torch.tensor([[1.0], [-1.0]]), torch.zeros(1), torch.zeros(1))).all())
