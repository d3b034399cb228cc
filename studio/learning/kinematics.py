"""Fingertip positions in torch, from the numbers of the robot description; differentiable and batched.

Tested against `studio.robot.kinematics` (Pinocchio).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.core.errors import DataError


@dataclass(frozen=True, kw_only=True)
class ArmGeometry:
    """What forward kinematics needs of a robot; stored in every bundle, so that a bundle needs no other file.

    Args:
        arm_bases_m: shoulder of each arm [arms][3].
        link_lengths_m: upper arm, forearm, hand.
        joints_per_arm: 4 (yaw, shoulder, elbow and wrist pitch).
    """

    robot: str
    arm_bases_m: tuple[tuple[float, float, float], ...]
    link_lengths_m: tuple[float, float, float]
    joints_per_arm: int = 4

    @property
    def arms(self) -> int:
        return len(self.arm_bases_m)

    def to_json(self) -> dict[str, Any]:
        return {
            "robot": self.robot,
            "arm_bases_m": [list(base) for base in self.arm_bases_m],
            "link_lengths_m": list(self.link_lengths_m),
            "joints_per_arm": self.joints_per_arm,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> ArmGeometry:
        try:
            x, y, z = (float(length) for length in data["link_lengths_m"])
            bases = tuple((float(a), float(b), float(c)) for a, b, c in data["arm_bases_m"])
            return ArmGeometry(
                robot=str(data["robot"]),
                arm_bases_m=bases,
                link_lengths_m=(x, y, z),
                joints_per_arm=int(data["joints_per_arm"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"The arm geometry of the bundle is incomplete ({error}). Train or copy it again."
            ) from error


def arm_geometry(robot: Any) -> ArmGeometry:
    """The geometry of a `studio.robot.description.Robot`."""
    bases = tuple((float(a), float(b), float(c)) for a, b, c in robot.arm_bases_m)
    upper_m, fore_m, hand_m = (float(length) for length in robot.link_lengths_m)
    return ArmGeometry(
        robot=robot.name,
        arm_bases_m=bases,
        link_lengths_m=(upper_m, fore_m, hand_m),
        joints_per_arm=int(robot.joints_per_arm),
    )


def tip_positions(position_rad: Tensor, bases_m: Tensor, links_m: Tensor) -> Tensor:
    """Fingertips in the world.

    Args:
        position_rad: joint positions [..., arms * 4].
        bases_m: shoulders [arms, 3].
        links_m: link lengths [3].

    Returns:
        Tips [..., arms, 3] in m.
    """
    joints = position_rad.unflatten(-1, (bases_m.shape[0], 4))
    pitch = joints[..., 1:].cumsum(-1)
    reach = (pitch.cos() * links_m).sum(-1)
    drop = (pitch.sin() * links_m).sum(-1)
    yaw = joints[..., 0]
    return torch.stack([reach * yaw.cos(), reach * yaw.sin(), -drop], dim=-1) + bases_m
