"""A skill model with random weights: right shapes and right cost in time, no skill at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from studio.core.task import load_task
from studio.learning.bundle import save_bundle
from studio.learning.kinematics import arm_geometry
from studio.learning.skill_model import SkillModel
from studio.learning.skill_networks import NetworkSizes, SkillNetworks
from studio.robot.description import load_robot


def make_networks(window: int = 20) -> SkillNetworks:
    torch.manual_seed(0)
    robot = load_robot()
    return SkillNetworks(load_task("move_box"), arm_geometry(robot), 2 * robot.joints, window, NetworkSizes())


def make_random_model(prior: str = "gaussian") -> SkillModel:
    return SkillModel(make_networks(), rate_hz=100.0, prior=prior)


def save_random_bundle(path: Path, **changes: Any) -> Path:
    """A whole bundle on disk; `changes` replace entries of its description."""
    networks = make_networks()
    robot = load_robot()
    info: dict[str, Any] = {
        "method": "haptic_play",
        "rate_hz": 100.0,
        "window": networks.window,
        "streams": ["control", "object_pose.world"],
        "task": networks.task.to_json(),
        "robot": robot.name,
        "geometry": arm_geometry(robot).to_json(),
        "networks": networks.sizes.to_json(),
        "action_size": 2 * robot.joints,
        "prior": "gaussian",
    }
    parts = {name: part.state_dict() for name, part in networks.parts().items()}
    save_bundle(path, {**info, **changes}, parts)
    return path
