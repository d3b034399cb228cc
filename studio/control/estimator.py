"""Contact force of each hand, estimated from motor torque: what is shown and recorded, never the simulator's truth."""

from __future__ import annotations

from math import exp, pi

import numpy as np

from studio.control.frame import FOLLOWER, Frame
from studio.control.settings import ControlSettings
from studio.core.geometry import FloatArray
from studio.core.kernel import Kernel, Value, make_kernel
from studio.core.protocols import STATE_POSITION, STATE_TORQUE, STATE_VELOCITY
from studio.robot.description import Robot
from studio.robot.geometry import FORCE_DAMPING_M2, JOINTS_PER_ARM
from studio.robot.kinematics import Kinematics


class ContactEstimator:
    """Force [pairs, 3] in N, world frame, that the surroundings exert on each follower hand.

    The torque left over by the motion (spec/hardware.md 6.2 and 6.6), all of it behind the same low-pass F of the
    cut-off f, a = exp(-2 pi f T), so that nothing is out of step:

        tau_ext = F tau_m - F fr - ID(F q, F w, d/dt F w),  fr = Fc tanh(w / w0) + Fv w

    with the whole inverse dynamics ID of the linked arm. A diagonal inertia instead of it gives false contact in every
    quick free motion: an arm's inertia about its base changes with its reach. tau_ext is what the joint exerts on its
    surroundings; the hand feels the opposite, mapped by the damped pseudo-inverse of the transposed Jacobian.
    """

    def __init__(
        self, robot: Robot, kinematics: Kinematics, settings: ControlSettings, period_s: float, frame: Frame
    ) -> None:
        joints = robot.joints
        weight = 1.0 - exp(-2.0 * pi * settings.estimator_cutoff_hz * period_s)
        self._measured = frame.measured[: STATE_TORQUE + 1, FOLLOWER]
        self._position, self._velocity = self._measured[STATE_POSITION], self._measured[STATE_VELOCITY]
        self._kinematics, self._period_s = kinematics, period_s
        # Arrays throughout: NumPy takes twice as long with a plain number.
        self._weight, self._rate = np.full((3, joints), weight), np.full(joints, 1.0 / period_s)
        self._coulomb = np.full(joints, robot.motor.coulomb_friction_nm)
        self._inverse_speed = np.full(joints, 1.0 / robot.motor.friction_speed_rad_s)
        self._viscous = np.full(joints, robot.motor.viscous_friction_nm_s_rad)
        self._input, self._filtered = np.zeros((3, joints)), np.zeros((3, joints))  # position, velocity, torque
        self._change, self._scratch = np.empty((3, joints)), np.empty(joints)
        self._input_torque, self._acceleration = self._input[STATE_TORQUE], self._change[STATE_VELOCITY]
        self._smooth_position, self._smooth_velocity, self._smooth_torque = self._filtered
        self._fresh = True
        self.torque_nm = np.zeros(joints)  # that the followers exert on their surroundings
        self.force_n = np.zeros((robot.pairs, 3))
        self._friction, self._motion_acceleration = np.zeros(joints), np.zeros(joints)
        self._filter, self._find_forces = self._make_kernels(robot, frame)

    def _make_kernels(self, robot: Robot, frame: Frame) -> tuple[Kernel | None, Kernel | None]:
        """By the names in resources/native/tick/control.h."""
        joint = {"friction": self._friction, "coulomb": self._coulomb, "viscous": self._viscous}
        memory = {"filtered": self._filtered, "acceleration": self._motion_acceleration}
        measured: dict[str, Value] = {"measured": frame.measured}
        smooth = {**measured, **joint, "weight": self._weight, "rate": self._rate, **memory}
        arms = {"arms": robot.pairs, "damping": FORCE_DAMPING_M2, "lengths": np.array(robot.link_lengths_m)}
        hand = {**arms, **measured, "torque": self.torque_nm, "force": self.force_n}
        filtering = make_kernel("Filter", "filter_motion", {"joints": robot.joints, **smooth}, arguments=1)
        # It knows the geometry of that class and of no other.
        known = type(self._kinematics) is Kinematics and robot.joints_per_arm == JOINTS_PER_ARM
        return filtering, make_kernel("Hand", "find_forces", hand) if known else None

    def set_cutoff(self, cutoff_hz: float) -> None:
        """The low-pass from the next update on; what it has filtered so far stays."""
        self._weight.fill(1.0 - exp(-2.0 * pi * cutoff_hz * self._period_s))

    def update(self) -> None:
        acceleration = self._filter_natively(self._filter) if self._filter is not None else self._filter_motion()
        motion_nm = self._kinematics.inverse_dynamics_nm(self._smooth_position, self._smooth_velocity, acceleration)
        np.subtract(self._smooth_torque, motion_nm, self.torque_nm)
        if self._find_forces is not None:
            self._find_forces.run()
        else:
            np.negative(self._kinematics.tip_forces(self._position, self.torque_nm), self.force_n)

    def _filter_natively(self, filter_motion: Kernel) -> FloatArray:
        """Only tanh stays with NumPy, whose bits are its own."""
        friction = self._friction
        np.multiply(self._velocity, self._inverse_speed, friction)
        np.tanh(friction, friction)
        fresh, self._fresh = self._fresh, False
        filter_motion.run(int(fresh))
        return self._motion_acceleration

    def _filter_motion(self) -> FloatArray:
        """The followers' motion and torque through the low-pass; returns their acceleration. The kernel's reference."""
        self._take_input()
        if self._fresh:
            self._fresh = False
            np.copyto(self._filtered, self._input)
        change, filtered = self._change, self._filtered
        np.subtract(self._input, filtered, change)
        np.multiply(change, self._weight, change)
        np.add(filtered, change, filtered)
        return np.multiply(self._acceleration, self._rate, self._motion_acceleration)

    def _take_input(self) -> None:
        """Position, velocity, and the motor's torque without friction."""
        speed, x, torque = self._velocity, self._scratch, self._input_torque
        self._input[...] = self._measured
        np.multiply(speed, self._inverse_speed, x)
        np.tanh(x, x)
        np.multiply(x, self._coulomb, x)
        np.subtract(torque, x, torque)
        np.multiply(speed, self._viscous, x)
        np.subtract(torque, x, torque)

    def restart(self) -> None:
        """Forget the past, after the motors were off or the arms were placed anew."""
        self._fresh = True
