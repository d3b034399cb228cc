"""Conditional inverse autoregressive flow with a uniform base (spec/methods-papers.md 1b stage 2, 1c traps 6 and 7).

z = head( block_B( … block_1( atanh(u) ) ) ),  u uniform on (-1, 1)^d

Every map is conditioned on features of the state. The first layer atanh gives each z a finite likelihood; the last is
affine and starts as the Gaussian prior of stage 1, the blocks between start as the identity, so that training starts at
(nearly) the Gaussian's likelihood and not far below it (spec/feasibility.md, traps).

Sampling is parallel over d. Inverting is sequential over d, but the hidden units are sorted by degree, so one inversion
computes every unit once: it costs as much arithmetic as one sampling pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.learning.distributions import BASE_LIMIT, LOGISTIC_HALF_DEVIATION, logistic_half_log_density
from studio.learning.networks import GaussianHead, mlp

_LOG_SCALE_LIMIT = 3.0


class MaskedBlock(nn.Module):
    """y_i = shift_i(x_<i, c) + exp(log_scale_i(x_<i, c)) x_i with two masked hidden layers.

    Args:
        size: d.
        context_size: width of the conditioning vector c.
        hidden: units of each hidden layer; at least d.
    """

    mask_hidden: Tensor
    mask_out: Tensor
    mask_in: Tensor

    def __init__(self, size: int, context_size: int, hidden: int) -> None:
        super().__init__()
        self.size = size
        degrees = torch.arange(hidden) * size // hidden  # sorted, 0 .. d-1
        inputs = torch.arange(1, size + 1)
        self.register_buffer("mask_in", (degrees[:, None] >= inputs[None, :]).float(), persistent=False)
        self.register_buffer("mask_hidden", (degrees[:, None] >= degrees[None, :]).float(), persistent=False)
        self.register_buffer("mask_out", (inputs[:, None] > degrees[None, :]).float().repeat(2, 1), persistent=False)
        self._ends = [0] + [int((degrees <= degree).sum()) for degree in range(size)]
        self.first = nn.Linear(size, hidden, bias=False)
        self.context = nn.Linear(context_size, 2 * hidden)
        self.second = nn.Linear(hidden, hidden, bias=False)
        self.out = nn.Linear(hidden, 2 * size)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Image y [N, d] and log |det dy/dx| [N]."""
        from_context_1, from_context_2 = self.context(context).chunk(2, dim=-1)
        hidden = functional.silu(functional.linear(x, self.first.weight * self.mask_in) + from_context_1)
        hidden = functional.silu(functional.linear(hidden, self.second.weight * self.mask_hidden) + from_context_2)
        shift, free = functional.linear(hidden, self.out.weight * self.mask_out, self.out.bias).chunk(2, dim=-1)
        log_scale = _bounded(free)
        return shift + torch.exp(log_scale) * x, log_scale.sum(-1)

    def inverse(self, y: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Pre-image x [N, d] and log |det dx/dy| [N]; one component after the other, every hidden unit once."""
        from_context = self.context(context).chunk(2, dim=-1)
        known: list[Tensor] = []
        hidden_1: list[Tensor] = []
        hidden_2: list[Tensor] = []
        total = y.new_zeros(y.shape[0])
        for index in range(self.size):
            self._extend_hidden(index, known, hidden_1, hidden_2, from_context)
            end = self._ends[index + 1]
            rows = self.out.weight[index :: self.size, :end]
            shift, free = functional.linear(torch.cat(hidden_2, -1), rows, self.out.bias[index :: self.size]).unbind(-1)
            log_scale = _bounded(free)
            known.append((y[:, index] - shift) * torch.exp(-log_scale))
            total = total - log_scale
        return torch.stack(known, dim=-1), total

    def _extend_hidden(
        self,
        index: int,
        known: list[Tensor],
        hidden_1: list[Tensor],
        hidden_2: list[Tensor],
        from_context: Sequence[Tensor],
    ) -> None:
        """Compute the hidden units of degree `index`, which need only the first `index` components."""
        start, end = self._ends[index], self._ends[index + 1]
        first = from_context[0][:, start:end]
        if index:
            first = first + functional.linear(torch.stack(known, -1), self.first.weight[start:end, :index])
        hidden_1.append(functional.silu(first))
        second = functional.linear(torch.cat(hidden_1, -1), self.second.weight[start:end, :end])
        hidden_2.append(functional.silu(second + from_context[1][:, start:end]))


class ConditionalFlow(nn.Module):
    """z = h(u; features), u in (-1, 1)^d.

    Args:
        feature_size: width of the state's features.
        size: d.
        blocks: autoregressive blocks; 2 for control, 16 as a reference (1c).
        hidden: units of the masked layers.
        context_hidden: layers of the network that turns features into the blocks' context.
        head_hidden: layers of the affine head; those of the Gaussian prior, from which it is started.
    """

    def __init__(
        self,
        *,
        feature_size: int,
        size: int,
        blocks: int,
        hidden: int,
        context_hidden: Sequence[int],
        head_hidden: Sequence[int],
    ) -> None:
        super().__init__()
        self.size = size
        self.context = nn.Sequential(mlp([feature_size, *context_hidden]), nn.SiLU())
        self.blocks = nn.ModuleList(MaskedBlock(size, context_hidden[-1], hidden) for _ in range(blocks))
        self.head = GaussianHead(feature_size, head_hidden, size)

    def start_from(self, prior: GaussianHead) -> None:
        """Begin as (a logistic-shaped copy of) the Gaussian prior."""
        self.head.load_state_dict(prior.state_dict())

    def forward(self, base: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, d] and log |det dz/du| [N]."""
        u = base.clamp(-BASE_LIMIT, BASE_LIMIT)
        x = torch.atanh(u) / LOGISTIC_HALF_DEVIATION
        total = -torch.log1p(-u.square()).sum(-1) - self.size * math.log(LOGISTIC_HALF_DEVIATION)
        context = self.context(features)
        for block in self.blocks:
            x, log_det = block(x, context)
            x, total = x.flip(-1), total + log_det
        mean, log_deviation = self.head(features)
        return mean + torch.exp(log_deviation) * x, total + log_deviation.sum(-1)

    def sample(self, base: Tensor, features: Tensor) -> Tensor:
        """z [N, d] alone: what a planner needs."""
        x = torch.atanh(base.clamp(-BASE_LIMIT, BASE_LIMIT)) / LOGISTIC_HALF_DEVIATION
        context = self.context(features)
        for block in self.blocks:
            x = block(x, context)[0].flip(-1)
        mean, log_deviation = self.head(features)
        return mean + torch.exp(log_deviation) * x

    def inverse(self, z: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """u [N, d] and log |det du/dz| [N]."""
        x, total = self._to_logistic(z, features)
        u = torch.tanh(x)
        log_sech_squared = logistic_half_log_density(x) + math.log(2.0)
        return u, total + log_sech_squared.sum(-1)

    def log_density(self, z: Tensor, features: Tensor) -> Tensor:
        """log p(z | features) [N] = log p0(u) + log |det du/dz|, finite for every z."""
        x, total = self._to_logistic(z, features)
        return total + logistic_half_log_density(x).sum(-1)

    def _to_logistic(self, z: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """atanh(u) [N, d] and log |det d atanh(u) / dz| [N]."""
        mean, log_deviation = self.head(features)
        x = (z - mean) * torch.exp(-log_deviation)
        total = -log_deviation.sum(-1) + self.size * math.log(LOGISTIC_HALF_DEVIATION)
        context = self.context(features)
        for block in reversed(self.blocks):
            assert isinstance(block, MaskedBlock)
            x, log_det = block.inverse(x.flip(-1), context)
            total = total + log_det
        return x * LOGISTIC_HALF_DEVIATION, total


def uniform_log_density(size: int) -> float:
    """log p0 of the base, -d log 2."""
    return -size * float(np.log(2.0))


def _bounded(free: Tensor) -> Tensor:
    return _LOG_SCALE_LIMIT * torch.tanh(free / _LOG_SCALE_LIMIT)
