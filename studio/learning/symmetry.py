"""Symmetries of what is moved and of the robot: the cube's 24 rotations, and the left-right mirror of two equal arms.

A cube looks the same after each of 24 rotations G of its own frame, R -> R·G. Instead of augmenting with them, every
window is brought into the one frame in which the object's rotation is nearest to the identity (spec/feasibility.md,
second study, section 5). That is exactly invariant and costs one small matrix product.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from studio.core.errors import ConfigError
from studio.core.geometry import cube_rotations
from studio.learning.device import placed


def symmetry_rotations(name: str) -> Tensor:
    """Rotations [K, 3, 3] of a task's symmetry group: `none` (the identity alone) or `cube` (24)."""
    if name == "none":
        return torch.eye(3)[None]
    if name == "cube":
        return placed(torch.from_numpy(cube_rotations()).float())
    raise ConfigError(f"Symmetry {name!r} is unknown; allowed none, cube. Change `symmetry` in the task.")


def nearest_to_identity(rotation: Tensor, group: Tensor) -> Tensor:
    """Which G of `group` [K, 3, 3] brings R·G nearest to the identity: the largest trace.

    Args:
        rotation: object rotations [..., 9], row-major, in the world.

    Returns:
        Index of G [...], int64.
    """
    transposed = group.to(rotation.dtype).transpose(-1, -2).reshape(len(group), 9)  # trace(R G) = sum R_ij G_ji
    return (rotation @ transposed.T).argmax(-1)


def turn_frame(rotation: Tensor, chosen: Tensor) -> Tensor:
    """R·G for row-major R [..., 9] and G [..., 3, 3]; returns [..., 3, 3]."""
    matrix = rotation.unflatten(-1, (3, 3))
    return (matrix.unsqueeze(-1) * chosen.unsqueeze(-3)).sum(-2)


def mirror_map(arm_bases_m: np.ndarray, joints_per_arm: int) -> tuple[np.ndarray, np.ndarray] | None:
    """How joint vectors change when the scene is mirrored in the plane y = 0; None when the robot has no mirror.

    The arms of a pair of equal arms swap; the first joint turns about z and changes its sign, the others turn about y
    and keep it (docs/architecture.md, kinematics of one arm).

    Returns:
        Order [joints] and signs [joints]: mirrored = signs * joints[order].
    """
    bases = np.asarray(arm_bases_m, dtype=float)
    if len(bases) != 2 or not np.allclose(bases[0] * [1.0, -1.0, 1.0], bases[1], atol=1e-9):
        return None
    order = np.concatenate([np.arange(joints_per_arm, 2 * joints_per_arm), np.arange(joints_per_arm)])
    signs = np.tile(np.r_[-1.0, np.ones(joints_per_arm - 1)], 2)
    return order, signs
