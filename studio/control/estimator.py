"""Contact force of each hand, estimated from motor torque: what is shown and recorded, never the simulator's truth."""

from __future__ import annotations

from math import exp, pi

import numpy as np

from studio.control.frame import FOLLOWER, Frame
from studio.control.settings import ControlSettings
from studio.core.protocols import STATE_POSITION, STATE_TORQUE, STATE_VELOCITY
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics


class ContactEstimator:
    """Force [pairs, 3] in N, world frame, that the surroundings exert on each follower hand.

    Discrete reaction-torque observer (spec/hardware.md 6.2 and 6.6), cut-off gamma = 2 pi f:

        q[k] = a q[k-1] + (1 - a) (tau_m + gamma J w - g - fr),  tau_ext = q - gamma J w,  a = exp(-gamma T)

    with diagonal inertia J and fr = Fc tanh(w / w0) + Fv w. tau_ext is what the joint exerts on its surroundings; the
    hand feels the opposite, mapped by the damped pseudo-inverse of the transposed Jacobian.
    """

    def __init__(
        self, robot: Robot, kinematics: Kinematics, settings: ControlSettings, period_s: float, frame: Frame
    ) -> None:
        gamma = 2.0 * pi * settings.estimator_cutoff_hz
        self._measured, self._gravity = frame.measured[:, FOLLOWER], frame.gravity_nm[FOLLOWER]
        self._kinematics = kinematics
        # Arrays throughout: NumPy takes twice as long with a plain number.
        self._weight = np.full(robot.joints, 1.0 - exp(-gamma * period_s))
        self._momentum_gain = gamma * robot.leader_inertia_kg_m2
        self._minus_coulomb = np.full(robot.joints, -robot.motor.coulomb_friction_nm)
        self._inverse_speed = np.full(robot.joints, 1.0 / robot.motor.friction_speed_rad_s)
        self._viscous = np.full(robot.joints, robot.motor.viscous_friction_nm_s_rad)
        self._state = np.zeros(robot.joints)
        self._momentum, self._scratch = np.empty(robot.joints), np.empty(robot.joints)
        self.torque_nm = np.zeros(robot.joints)  # that the followers exert on their surroundings
        self.force_n = np.zeros((robot.pairs, 3))

    def update(self) -> None:
        speed, x, momentum, state = self._measured[STATE_VELOCITY], self._scratch, self._momentum, self._state
        np.multiply(speed, self._inverse_speed, x)
        np.tanh(x, x)
        np.multiply(x, self._minus_coulomb, x)
        np.add(x, self._measured[STATE_TORQUE], x)
        np.subtract(x, self._gravity, x)
        np.multiply(speed, self._viscous, momentum)
        np.subtract(x, momentum, x)
        np.multiply(speed, self._momentum_gain, momentum)
        np.add(x, momentum, x)
        np.subtract(x, state, x)
        np.multiply(x, self._weight, x)
        np.add(state, x, state)
        np.subtract(state, momentum, self.torque_nm)
        np.negative(self._kinematics.tip_forces(self._measured[STATE_POSITION], self.torque_nm), self.force_n)

    def restart(self) -> None:
        """Forget the past, after the motors were off or the arms were placed anew."""
        np.multiply(self._measured[STATE_VELOCITY], self._momentum_gain, out=self._state)
