"""The leader arms as joint-space twins: diagonal inertia, gravity, a hand's spring-damper; no collision."""

from __future__ import annotations

import numpy as np

from studio.core.geometry import FloatArray
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics

_HAND_SPEED_RAD_S = 8.0  # a hand is not faster


class LeaderTwins:
    """All leader joints; `position_rad` and `velocity_rad_s` are views given by the world, advanced in place.

    The hand is a spring-damper between the joint and a hand joint angle, which follows the target smoothly.
    """

    def __init__(self, robot: Robot, kinematics: Kinematics, position_rad: FloatArray, velocity_rad_s: FloatArray) -> None:
        self._robot, self._kinematics = robot, kinematics
        self.position_rad, self.velocity_rad_s = position_rad, velocity_rad_s
        self._inverse_inertia = 1.0 / robot.leader_inertia_kg_m2
        self._spring = robot.hand_stiffness_nm_rad
        self._damper = 2 * robot.hand_damping_ratio * np.sqrt(robot.hand_stiffness_nm_rad * robot.leader_inertia_kg_m2)
        self._target_rad = robot.home_rad.copy()
        self._hand_rad = robot.home_rad.copy()
        self._active = np.zeros(robot.joints)
        self._kp, self._kd, self._constant = np.zeros(robot.joints), np.zeros(robot.joints), np.zeros(robot.joints)
        self._ramp = np.zeros(robot.joints)
        self._a, self._b = np.empty(robot.joints), np.empty(robot.joints)

    def hold(self, joint_target_rad: FloatArray, active: np.ndarray) -> None:
        """Hands on the pairs in `active` [pairs]; a hand that takes hold starts where the arm is."""
        wanted = np.repeat(active, self._robot.joints_per_arm).astype(np.float64)
        if (wanted != self._active).any():
            fresh = wanted > self._active
            self._hand_rad[fresh] = self.position_rad[fresh]
            self._active = wanted
            np.multiply(self._spring, wanted, self._kp)
            np.multiply(self._damper, wanted, self._kd)
        self._target_rad[:] = joint_target_rad

    def load(self, duration_s: float, dt_s: float) -> None:
        """Prepare one control period: gravity now, and where the hand goes during it."""
        step = self._target_rad - self._hand_rad
        step *= min(1.0, duration_s / self._robot.hand_follow_s)
        limit = _HAND_SPEED_RAD_S * duration_s
        np.minimum(step, limit, step)
        np.maximum(step, -limit, step)
        speed = step / duration_s
        # hand torque = kp (hand - q) + kd (speed - v), with the hand moving on by kp * speed * dt every physics step
        np.multiply(self._kp, self._hand_rad, self._constant)
        self._constant += self._kd * speed
        self._constant -= self._kinematics.gravity_nm(self.position_rad)
        np.multiply(self._kp, speed * dt_s, self._ramp)
        self._hand_rad += step
        self._stop_at_limits()

    def update(self, motor_nm: FloatArray, dt_s: float) -> None:
        """One physics step, semi-implicit Euler."""
        a, b, q, v = self._a, self._b, self.position_rad, self.velocity_rad_s
        np.add(self._constant, self._ramp, self._constant)
        np.multiply(self._kp, q, a)
        np.multiply(self._kd, v, b)
        np.add(a, b, a)
        np.subtract(self._constant, a, a)
        np.add(a, motor_nm, a)
        np.multiply(a, self._inverse_inertia, a)
        np.multiply(a, dt_s, a)
        np.add(v, a, v)
        np.multiply(v, dt_s, b)
        np.add(q, b, q)

    def _stop_at_limits(self) -> None:
        q, v = self.position_rad, self.velocity_rad_s
        low, high = self._robot.position_lower_rad, self._robot.position_upper_rad
        if (q < low).any() or (q > high).any():
            v[(q < low) & (v < 0)] = 0.0
            v[(q > high) & (v > 0)] = 0.0
            np.clip(q, low, high, out=q)

    def place(self, position_rad: FloatArray) -> None:
        self.position_rad[:] = position_rad
        self.velocity_rad_s[:] = 0.0
        self._hand_rad[:] = position_rad
        self._target_rad[:] = position_rad
