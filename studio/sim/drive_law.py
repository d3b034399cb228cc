"""The drives' own law and their imperfections, for all motors at once at physics rate.

tau = Kp (p_des - p) + Kd (v_des - v) + t_ff, clipped to the drive's peak torque, passed through a first-order lag (the
torque bandwidth), minus regularised Coulomb and viscous friction. Reflected rotor inertia is in the links' inertia.
"""

from __future__ import annotations

from math import exp, pi

import numpy as np

from studio.core.geometry import FloatArray
from studio.core.protocols import KD, KP, POSITION, TORQUE, VELOCITY, TwinPorts
from studio.robot.description import Robot


class DriveLaw:
    """Torque of every motor from its registers; buffers are made once.

    Args:
        robot: gives friction, bandwidth and peak torque of one joint.
        motors: number of motors (leader and follower).
        physics_dt_s: period of one `update`.
    """

    def __init__(self, robot: Robot, motors: int, physics_dt_s: float) -> None:
        motor = robot.motor
        self._limit_nm = robot.torque_limit_nm
        self._lag = 1.0 - exp(-2 * pi * motor.torque_bandwidth_hz * physics_dt_s)
        self._timeout_s = motor.command_timeout_s
        self._coulomb_nm = motor.coulomb_friction_nm
        self._inverse_speed = 1.0 / motor.friction_speed_rad_s
        self._viscous = motor.viscous_friction_nm_s_rad
        self.torque_nm = np.zeros(motors)  # what the winding gives; a reply reports it
        self.net_nm = np.zeros(motors)  # what reaches the joint after friction
        self._kp, self._kd, self._constant = np.zeros(motors), np.zeros(motors), np.zeros(motors)
        self._a, self._b = np.empty(motors), np.empty(motors)

    def load(self, ports: TwinPorts) -> None:
        """Take the registers for the coming control period; silence longer than the drive's time-out lets go."""
        command, powered = ports.command, ports.powered
        if ports.idle_s > self._timeout_s:
            self._kp[:] = self._kd[:] = self._constant[:] = 0.0
            return
        np.multiply(command[:, KP], powered, out=self._kp)
        np.multiply(command[:, KD], powered, out=self._kd)
        np.multiply(command[:, TORQUE], powered, out=self._constant)
        self._constant += self._kp * command[:, POSITION]
        self._constant += self._kd * command[:, VELOCITY]

    def update(self, position_rad: FloatArray, velocity_rad_s: FloatArray) -> FloatArray:
        """One physics step; returns `net_nm` [motors], valid until the next call."""
        a, b, torque = self._a, self._b, self.torque_nm
        np.multiply(self._kp, position_rad, a)
        np.multiply(self._kd, velocity_rad_s, b)
        np.add(a, b, a)
        np.subtract(self._constant, a, a)
        np.minimum(a, self._limit_nm, a)
        np.maximum(a, -self._limit_nm, a)
        np.subtract(a, torque, a)
        np.multiply(a, self._lag, a)
        np.add(torque, a, torque)
        np.multiply(velocity_rad_s, self._inverse_speed, b)
        np.tanh(b, b)
        np.multiply(b, self._coulomb_nm, b)
        np.multiply(velocity_rad_s, self._viscous, a)
        np.add(b, a, b)
        return np.subtract(torque, b, self.net_nm)
