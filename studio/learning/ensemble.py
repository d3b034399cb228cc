"""Several dynamics networks of one shape: their mean predicts, how far they differ says where not to trust it.

Source: spec/feasibility.md, second study (mean of three members, penalty on their disagreement). Members begin with
weights of their own and are trained on batches of their own, so they agree where there are data.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from studio.learning.networks import mlp


class DynamicsEnsemble(nn.Module):
    """Rows [N, X] to the members' mean [N, D].

    Args:
        sizes: layers of each member.
        count: members.
    """

    def __init__(self, sizes: Sequence[int], count: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(mlp(sizes) for _ in range(count))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.each(inputs).mean(0)

    def each(self, inputs: Tensor) -> Tensor:
        """What every member answers [M, N, D]."""
        return torch.stack([member(inputs) for member in self.members])

    def own(self, inputs: Tensor) -> Tensor:
        """Row i as member i mod M answers it [N, D]: a batch dealt out, so that no two members see the same rows."""
        count = len(self.members)
        parts = [member(inputs[index::count]) for index, member in enumerate(self.members)]
        answers = inputs.new_empty(len(inputs), parts[0].shape[-1])
        for index, part in enumerate(parts):
            answers[index::count] = part
        return answers


def make_dynamics(sizes: Sequence[int], members: int) -> nn.Module:
    """One plain network, or an ensemble of several."""
    return mlp(sizes) if members == 1 else DynamicsEnsemble(sizes, members)


def disagreement(changes: Tensor, weight: Tensor) -> Tensor:
    """Root of the members' mean variance [N], in spreads of one skill's change.

    Args:
        changes: normalised changes [M, N, D].
        weight: of each column [D]; only ratios count.
    """
    variance = changes.var(0, unbiased=False)
    return (variance @ (weight / weight.sum())).sqrt()


def member_masks(members: int, rows: int, generator: torch.Generator) -> Tensor:
    """Which rows each member learns from [M, N, 1]: a random half, counted twice; one member alone takes all."""
    if members == 1:
        return torch.ones(1, 1, 1)
    return 2.0 * (torch.rand((members, rows, 1), generator=generator) < 0.5)
