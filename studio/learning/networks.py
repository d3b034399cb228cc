"""Plain building blocks: multilayer perceptrons and heads with bounded spread."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

LOG_DEVIATION_LOW, LOG_DEVIATION_HIGH = -6.0, 2.0


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of the given sizes with SiLU between them; the last layer is linear."""
    layers: list[nn.Module] = []
    for index, (size_in, size_out) in enumerate(pairwise(sizes)):
        if index:
            layers.append(nn.SiLU())
        layers.append(nn.Linear(size_in, size_out))
    return nn.Sequential(*layers)


def split_gaussian(output: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log deviation, the latter squeezed smoothly into [-6, 2]."""
    mean, free = output.chunk(2, dim=-1)
    span = LOG_DEVIATION_HIGH - LOG_DEVIATION_LOW
    return mean, LOG_DEVIATION_LOW + span * torch.sigmoid(free + 1.0)


class GaussianHead(nn.Module):
    """Features [N, F] -> mean and log deviation [N, d] of a diagonal Gaussian."""

    def __init__(self, feature_size: int, hidden: Sequence[int], size: int) -> None:
        super().__init__()
        self.net = mlp([feature_size, *hidden, 2 * size])

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return split_gaussian(self.net(features))
