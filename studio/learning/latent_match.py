"""Two ways besides the KL term to bring posterior skills and prior skills together (spec/methods-papers.md 1f).

Both compare the pairs (s, z ~ q) with (s, z ~ p) of a batch: a kernel distance (MMD), or a discriminator that is fooled
(adversarial). Discussed in the paper without results; forms and weights are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.learning.networks import mlp

_WIDTHS = (0.25, 1.0, 4.0)  # of the skill kernel, in median squared distances


def mmd_squared(features: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Squared maximum mean discrepancy between {(s, first)} and {(s, second)}, unbiased; quadratic in the batch.

    Args:
        features: [N, F] of s, shared by both sets.
        first, second: skills [N, d].
    """
    apart = _squared_distances(features, features)
    same_state = torch.exp(-0.5 * apart / _median(apart))
    spread = _median(_squared_distances(first, second))

    def mean(a: Tensor, b: Tensor) -> Tensor:
        distances = _squared_distances(a, b) / spread
        kernel = sum(torch.exp(-0.5 * distances / width) for width in _WIDTHS) * same_state / len(_WIDTHS)
        count = len(a)
        return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))

    return mean(first, first) + mean(second, second) - 2.0 * mean(first, second)


class Discriminator(nn.Module):
    """Tells (features [N, F], z [N, d]) of the posterior from those of the prior: logits [N]."""

    def __init__(self, feature_size: int, skill_size: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.net = mlp([feature_size + skill_size, *hidden, 1])

    def forward(self, features: Tensor, z: Tensor) -> Tensor:
        return self.net(torch.cat([features, z], dim=-1))[:, 0]


def adversarial_loss(discriminator: Discriminator, features: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Cross entropy of the discriminator in nats; log 2 where it cannot tell the two apart.

    The skills get the opposite gradient, so one optimiser trains both sides.
    """
    logits = torch.cat([discriminator(features, _reversed(first)), discriminator(features, _reversed(second))])
    truth = torch.cat([torch.ones(len(first)), torch.zeros(len(second))])
    return functional.binary_cross_entropy_with_logits(logits, truth)


def _reversed(values: Tensor) -> Tensor:
    """The same values; gradients come back with the opposite sign."""
    return 2.0 * values.detach() - values


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """[N, M] without a tensor [N, M, d], which held-out sets would make too large."""
    lengths = a.square().sum(-1)[:, None] + b.square().sum(-1)[None]
    return (lengths - 2.0 * a @ b.mT).clamp_min(0.0)


def _median(distances: Tensor) -> Tensor:
    return distances.detach().median().clamp_min(1e-6)
