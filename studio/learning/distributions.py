"""Densities and divergences in closed form. Everything in nats; the last axis is the variable."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LOG_2PI = math.log(2.0 * math.pi)
LOGISTIC_HALF_DEVIATION = math.pi / (2.0 * math.sqrt(3.0))  # standard deviation of Logistic(0, 1/2)
BASE_LIMIT = 1.0 - 1e-6  # |u| is kept below this, spec/methods-papers.md 1c trap 6


def gaussian_kl(mean_q: Tensor, log_deviation_q: Tensor, mean_p: Tensor, log_deviation_p: Tensor) -> Tensor:
    """KL(q || p) of diagonal Gaussians [..., d] -> [...]."""
    ratio = torch.exp(2.0 * (log_deviation_q - log_deviation_p))
    distance = (mean_q - mean_p) * torch.exp(-log_deviation_p)
    return (log_deviation_p - log_deviation_q + 0.5 * (ratio + distance.square() - 1.0)).sum(-1)


def gaussian_log_density(value: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """log N(value; mean, deviation) of diagonal Gaussians [..., d] -> [...]."""
    scaled = (value - mean) * torch.exp(-log_deviation)
    return (-0.5 * (scaled.square() + _LOG_2PI) - log_deviation).sum(-1)


def gaussian_sample(mean: Tensor, log_deviation: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One reparameterised sample."""
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    return mean + torch.exp(log_deviation) * noise


def gaussian_from_base(base: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """The Gaussian's own image of a uniform base in (-1, 1): mean + deviation * sqrt(2) * erfinv(u) (section 1f)."""
    return mean + torch.exp(log_deviation) * math.sqrt(2.0) * torch.erfinv(base.clamp(-BASE_LIMIT, BASE_LIMIT))


def base_from_gaussian(value: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """The inverse of `gaussian_from_base`: erf of the scaled value over sqrt(2), kept within the open box."""
    scaled = (value - mean) * torch.exp(-log_deviation)
    return torch.erf(scaled / math.sqrt(2.0)).clamp(-BASE_LIMIT, BASE_LIMIT)


def logistic_half_log_density(value: Tensor) -> Tensor:
    """log of Logistic(0, 1/2) = log(½ sech² x), the density of atanh(u) for uniform u; elementwise."""
    magnitude = value.abs()  # log sech x = log 2 - |x| - log(1 + exp(-2|x|)), without overflow
    return math.log(0.5) + 2.0 * (math.log(2.0) - magnitude - torch.log1p(torch.exp(-2.0 * magnitude)))
