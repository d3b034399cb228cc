"""The operator's hands in a simulated world: Cartesian targets at any rate become smooth joint targets at loop rate."""

from __future__ import annotations

from math import isfinite

import numpy as np

from studio.core.geometry import FloatArray
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics

_LONGEST_TICKS = 20  # a mouse at 60 Hz comes every 7 ticks; slower sources are not waited for


class HandFollower:
    """Walks to each new target within the time that targets have been apart lately, no faster than a hand moves."""

    def __init__(self, robot: Robot, kinematics: Kinematics, hand_speed_rad_s: float, period_s: float) -> None:
        self.joint_target_rad = robot.home_rad.copy()
        self.active = np.zeros(robot.pairs, dtype=bool)
        self._kinematics, self._per_arm = kinematics, robot.joints_per_arm
        self._goal_rad = robot.home_rad.copy()
        self._step = np.zeros(robot.joints)
        self._most = np.full(robot.joints, hand_speed_rad_s * period_s)
        self._least = -self._most
        self._count = -1
        self._since = _LONGEST_TICKS
        self._left = 0
        self._active_key, self._any_active = bytes(robot.pairs), False

    def update(self, count: int, targets_m: FloatArray, active: np.ndarray, leader_position_rad: FloatArray) -> None:
        """One tick. `count` rises with every new target; targets [pairs, 3] in m, `active` [pairs]."""
        self._since += 1
        if count != self._count:
            self._take(count, targets_m, active, leader_position_rad)
        if self._left > 0:
            self._walk()

    def _take(self, count: int, targets_m: FloatArray, active: np.ndarray, leader_rad: FloatArray) -> None:
        self._count = count
        key = active.tobytes()
        if key != self._active_key:
            self._active_key = key
            wanted = active.astype(bool)
            self._any_active = bool(wanted.any())
            fresh = np.repeat(wanted & ~self.active, self._per_arm)
            np.copyto(self.joint_target_rad, leader_rad, where=fresh)
            np.copyto(self._goal_rad, leader_rad, where=fresh)
            np.copyto(self.active, wanted)
        if not self._any_active or not isfinite(sum(targets_m.ravel().tolist())):
            self._left = 0
            return
        self._goal_rad[...] = self._kinematics.inverse(targets_m, self.joint_target_rad)
        self._left = max(1, min(self._since, _LONGEST_TICKS))
        self._since = 0

    def _walk(self) -> None:
        step = self._step
        np.subtract(self._goal_rad, self.joint_target_rad, step)
        if self._left > 1:
            np.multiply(step, 1.0 / self._left, out=step)
            self._left -= 1
        np.minimum(step, self._most, out=step)
        np.maximum(step, self._least, out=step)
        np.add(self.joint_target_rad, step, self.joint_target_rad)
