"""Hands: targets at mouse rate become a smooth path at loop rate."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.hand import HandFollower
from studio.robot.description import load_robot
from studio.robot.kinematics import Kinematics

ROBOT = load_robot()
KINEMATICS = Kinematics(ROBOT)
PERIOD_S = 1.0 / ROBOT.loop_rate_hz


def _follower() -> HandFollower:
    return HandFollower(ROBOT, KINEMATICS, 8.0, PERIOD_S)


def test_a_mouse_at_60_hz_gives_a_path_without_steps_that_arrives() -> None:
    hand, tips = _follower(), KINEMATICS.tip_positions(ROBOT.home_rad)
    active, path = np.array([1, 1], dtype=np.uint8), []
    for tick in range(400):
        count = min(tick, 280) // 7
        target = tips + np.array([0.0, 0.002, 0.0]) * count
        hand.update(count, target, active, ROBOT.home_rad)
        path.append(hand.joint_target_rad.copy())
    steps = np.abs(np.diff(path, axis=0)).max(axis=1)
    moving = steps[20:280]
    assert moving.max() < 3 * np.median(moving)  # no staircase: a held target would give 6 zeros and a jump
    assert KINEMATICS.tip_positions(path[-1]) == pytest.approx(target, abs=1e-4)


def test_a_jump_is_walked_no_faster_than_a_hand_moves() -> None:
    hand, tips = _follower(), KINEMATICS.tip_positions(ROBOT.home_rad)
    hand.update(0, tips, np.array([1, 0]), ROBOT.home_rad)
    before = hand.joint_target_rad.copy()
    for _ in range(100):
        hand.update(1, tips + np.array([0.1, -0.1, -0.1]), np.array([1, 0]), ROBOT.home_rad)
        assert np.abs(hand.joint_target_rad - before).max() <= 8.0 * PERIOD_S + 1e-12
        before = hand.joint_target_rad.copy()


def test_a_hand_takes_hold_where_the_leader_is() -> None:
    hand, leader = _follower(), ROBOT.home_rad + 0.1
    tips = KINEMATICS.tip_positions(leader)
    hand.update(0, tips, np.array([0, 1]), leader)
    assert hand.active.tolist() == [False, True]
    assert hand.joint_target_rad[4:] == pytest.approx(leader[4:], abs=8.0 * PERIOD_S)


def test_a_senseless_target_is_ignored() -> None:
    hand = _follower()
    hand.update(0, np.full((2, 3), np.nan), np.array([1, 1]), ROBOT.home_rad)
    assert np.isfinite(hand.joint_target_rad).all()
