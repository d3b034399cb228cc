"""What changes from one state to another, block by block: differences, and rotation vectors for rotations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from studio.core.task import Task


def rotation_vector(rotation: Tensor) -> Tensor:
    """Logarithm of rotation matrices [..., 3, 3]: axis times angle [..., 3], rad, for angles well below pi."""
    twice_sine = torch.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        dim=-1,
    )
    sine = 0.5 * (twice_sine.square().sum(-1) + 1e-14).sqrt()
    cosine = 0.5 * (rotation[..., 0, 0] + rotation[..., 1, 1] + rotation[..., 2, 2] - 1.0)
    factor = torch.where(sine < 1e-4, torch.ones_like(sine), torch.atan2(sine, cosine) / sine)
    return 0.5 * twice_sine * factor.unsqueeze(-1)


def rotation_matrix(vector: Tensor) -> Tensor:
    """Exponential of rotation vectors [..., 3] in rad: matrices [..., 3, 3] (Rodrigues)."""
    angle_squared = vector.square().sum(-1) + 1e-14
    angle = angle_squared.sqrt()
    sine = (torch.sin(angle) / angle).unsqueeze(-1)
    versine = ((1.0 - torch.cos(angle)) / angle_squared).unsqueeze(-1)
    cosine = torch.cos(angle).unsqueeze(-1)
    first = cosine * torch.eye(3, dtype=vector.dtype, device=vector.device).flatten()
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1)
    outer = (vector.unsqueeze(-1) * vector.unsqueeze(-2)).flatten(-2)
    return (first + sine * skew + versine * outer).unflatten(-1, (3, 3))


def turned(turn: Tensor, rotation: Tensor) -> Tensor:
    """turn · rotation for turn [..., 3, 3] and row-major rotation [..., 9]; returns [..., 9]."""
    matrix = rotation.unflatten(-1, (3, 3))
    return (turn.unsqueeze(-1) * matrix.unsqueeze(-3)).sum(-2).flatten(-2)


class Transition(nn.Module):
    """Encodes the change between two states, normalised, and applies it again.

    Plain blocks give differences. A rotation gives the rotation vector of R_to R_from^T in the world frame, which no
    right-multiplication of both by a symmetry changes.

    Args:
        task: gives the blocks, their kinds and weights.
    """

    scale: Tensor
    weight: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._blocks = tuple((task.span(block.name), block.kind == "rotation") for block in task.state)
        self.names = tuple(name for block in task.state for name in [block.name] * _width(block.kind, block.size))
        weights = [block.weight for block in task.state for _ in range(_width(block.kind, block.size))]
        self.size = len(weights)
        self.register_buffer("scale", torch.ones(self.size))
        self.register_buffer("weight", torch.tensor(weights))

    def difference(self, state: Tensor, later: Tensor) -> Tensor:
        """Change in SI units [..., D] (m, rad, rad/s …)."""
        parts = []
        for span, is_rotation in self._blocks:
            first, second = state[..., span], later[..., span]
            parts.append(_turn_between(first, second) if is_rotation else second - first)
        return torch.cat(parts, dim=-1)

    def encode(self, state: Tensor, later: Tensor) -> Tensor:
        """Normalised change [..., D]."""
        return self.difference(state, later) / self.scale

    def apply(self, state: Tensor, change: Tensor) -> Tensor:  # type: ignore[override]
        """The later state [..., S] from a state and a normalised change."""
        step = change * self.scale
        parts, start = [], 0
        for span, is_rotation in self._blocks:
            width = 3 if is_rotation else span.stop - span.start
            part = step[..., start : start + width]
            parts.append(turned(rotation_matrix(part), state[..., span]) if is_rotation else state[..., span] + part)
            start += width
        return torch.cat(parts, dim=-1)

    def columns(self, name: str) -> slice:
        """Where a block's change lies in D."""
        return slice(self.names.index(name), self.names.index(name) + self.names.count(name))


def _width(kind: str, size: int) -> int:
    return 3 if kind == "rotation" else size


def _turn_between(first: Tensor, second: Tensor) -> Tensor:
    matrix_from, matrix_to = first.unflatten(-1, (3, 3)), second.unflatten(-1, (3, 3))
    return rotation_vector((matrix_to.unsqueeze(-2) * matrix_from.unsqueeze(-3)).sum(-1))
