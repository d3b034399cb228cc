"""Features: kinematics against Pinocchio, distances near the box, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from studio.core.errors import ConfigError
from studio.core.task import StateBlock, load_task
from studio.learning.features import FeatureMap
from studio.learning.kinematics import ArmGeometry, arm_geometry, tip_positions
from studio.robot.description import load_robot
from studio.robot.kinematics import Kinematics
from tests.learning.toy import HOME_RAD, vector_task


def robot_geometry() -> ArmGeometry:
    return arm_geometry(load_robot("dual_arm_ak60"))


def test_tips_agree_with_pinocchio() -> None:
    robot = load_robot("dual_arm_ak60")
    geometry, kinematics = robot_geometry(), Kinematics(robot)
    rng = np.random.default_rng(0)
    for _ in range(50):
        q = rng.uniform(robot.position_lower_rad, robot.position_upper_rad)
        ours = tip_positions(
            torch.from_numpy(q),
            torch.tensor(geometry.arm_bases_m, dtype=torch.float64),
            torch.tensor(geometry.link_lengths_m, dtype=torch.float64),
        )
        assert np.allclose(ours.numpy(), kinematics.tip_positions(q), atol=1e-6)
    assert ArmGeometry.from_json(geometry.to_json()) == geometry


def state_with_tip_at(offset_m: np.ndarray) -> torch.Tensor:
    """A state in which the left tip lies at `offset_m` from the centre of a box in the identity frame."""
    features = FeatureMap(load_task("move_box"), robot_geometry())
    state = torch.zeros(1, 28)
    state[0, :8] = torch.from_numpy(HOME_RAD).float()
    state[0, 19:] = torch.eye(3).flatten()
    state[0, 16:19] = features.tips(state)[0, 0] - torch.from_numpy(offset_m).float()
    return state


def test_near_contact_is_zero_at_touch_and_saturates() -> None:
    features = FeatureMap(load_task("move_box"), robot_geometry())
    touch = 0.05 + 0.018
    inside = features.raw(state_with_tip_at(np.array([touch, 0.0, 0.0])), torch.zeros(1, dtype=torch.int64))[0]
    arm_near = inside[-18:-10]  # left arm: six faces, two distances; then the right arm and two clearances
    assert abs(float(arm_near[0])) < 1e-3 and abs(float(arm_near[6])) < 1e-3
    assert float(arm_near[3]) < -0.99  # far behind the opposite face
    away = features.raw(state_with_tip_at(np.array([touch + 0.2, 0.0, 0.0])), torch.zeros(1, dtype=torch.int64))[0]
    assert float(away[-18]) > 0.99 and float(away[-12]) > 0.99


def test_a_plain_vector_needs_no_robot_and_gives_itself() -> None:
    features = FeatureMap(vector_task(26), None)
    state = torch.randn(4, 26)
    assert torch.equal(features.raw(state, features.frame(state)), state)
    assert features.tips(state).shape == (4, 0, 3)


def test_wrong_features_are_refused() -> None:
    task = load_task("move_box")
    with pytest.raises(ConfigError, match="unknown feature 'smell'"):
        FeatureMap(dataclasses.replace(task, features=("smell",)), robot_geometry())
    with pytest.raises(ConfigError, match="names no robot"):
        FeatureMap(task, None)
    plain = dataclasses.replace(vector_task(3), features=("tips_world",))
    with pytest.raises(ConfigError, match="follower_position_rad"):
        FeatureMap(plain, robot_geometry())
    blocks = (StateBlock(name="q", stream="control", field="follower_position_rad", size=8),)
    with pytest.raises(ConfigError, match="position and a rotation"):
        FeatureMap(dataclasses.replace(task, state=blocks, symmetry="none"), robot_geometry())
