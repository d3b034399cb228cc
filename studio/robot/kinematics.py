"""Forward and inverse kinematics in closed form and gravity torque by Pinocchio, for all arms of one side."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray
from studio.robot.description import Robot
from studio.robot.geometry import force_of_arm, inverse_arm, jacobian_of_arm, tip_of_arm

_pin: Any = import_module("pinocchio")  # its wheel puts it where a type checker does not look


class Kinematics:
    """Kinematics and gravity of one side (leader and follower arms are of the same build)."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self._bases: list[list[float]] = robot.arm_bases_m.tolist()
        self._lengths = robot.link_lengths_m
        self._model = _pin.buildModelFromUrdf(str(robot.urdf_path))
        self._data = self._model.createData()
        order = tuple(self._model.names)[1:]
        if order != robot.joint_names:
            raise ConfigError(
                f"{robot.urdf_path}: joints are {order}, but {robot.joint_names} in robot.toml. Mend one."
            )

    def tip_positions(self, q_rad: FloatArray) -> FloatArray:
        """Centres of the balls [pairs, 3] in m for joint angles [joints] in rad."""
        q = q_rad.tolist()
        return np.array([tip_of_arm(b, self._lengths, q[4 * i : 4 * i + 4]) for i, b in enumerate(self._bases)])

    def jacobians(self, q_rad: FloatArray) -> FloatArray:
        """d tip / d q of each arm, [pairs, 3, 4] in m/rad."""
        q = q_rad.tolist()
        return np.array([jacobian_of_arm(self._lengths, q[4 * i : 4 * i + 4]) for i in range(len(self._bases))])

    def tip_forces(self, q_rad: FloatArray, torque_nm: FloatArray) -> FloatArray:
        """Forces [pairs, 3] in N at the tips that fit joint torques [joints] best, torque = J^T force."""
        q, torque = q_rad.tolist(), torque_nm.tolist()
        forces: list[float] = []  # flat, because NumPy takes three times as long to make an array of nested ones
        for i in range(0, len(q), 4):
            forces += force_of_arm(self._lengths, q[i : i + 4], torque[i : i + 4])
        return np.array(forces).reshape(-1, 3)

    def gravity_nm(self, q_rad: FloatArray) -> FloatArray:
        """Torque [joints] in N*m that holds the arms still at [joints] rad (Pinocchio)."""
        torque_nm: FloatArray = _pin.computeGeneralizedGravity(self._model, self._data, q_rad)  # an array of its own
        return torque_nm

    def inverse_dynamics_nm(
        self, q_rad: FloatArray, velocity_rad_s: FloatArray, acceleration_rad_s2: FloatArray
    ) -> FloatArray:
        """Torque [joints] in N*m of a motion without contact and friction: inertia, Coriolis, gravity (Pinocchio)."""
        torque_nm: FloatArray = _pin.rnea(self._model, self._data, q_rad, velocity_rad_s, acceleration_rad_s2)
        return torque_nm

    def inverse(self, tips_m: FloatArray, seed_rad: FloatArray) -> FloatArray:
        """Joint angles [joints] in rad for tips [pairs, 3] in m, within the joint limits.

        Hand vertical; tilts outward only when out of reach; clamps to reach; never fails.
        """
        angles: list[float] = []
        tips, seeds = tips_m.tolist(), seed_rad.tolist()
        for i, base in enumerate(self._bases):
            angles += inverse_arm(base, self._lengths, tips[i], seeds[4 * i])
        q = np.array(angles)
        np.maximum(q, self.robot.position_lower_rad, out=q)
        return np.minimum(q, self.robot.position_upper_rad, out=q)
