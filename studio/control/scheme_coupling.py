"""The bilateral laws beside the plain one, and scaling and clutch of all of them.

With l leader, f follower, torque on the joint, tau^ the torque that a joint exerts on its surroundings, beta the
leader's share, s the motion scale, o the offset of the clutch (spec/hardware.md 6.2 and 6.6, where the sources are):

    position-position   tau_f = K (s q_l + o - q_f) + B (s w_l - w_f) + g_f
                        tau_l = beta s [K (q_f - o - s q_l) + B (w_f - s w_l)] + g_l
    position-force      tau_f as above;  tau_l = -beta s kappa tau^_f - b w_l + g_l
    4-channel           tau_f = J/2 [Kp (s q_l + o - q_f) + Kd (s w_l - w_f)] - Kf/2 (tau^_l / s + tau^_f)
                                + c d^_f + g_f,  tau_l = beta with l <-> f  (Yamane et al. [YAM], Sakaino et al.)

The leader's force factor is s_tau = beta s, so a share of 1 is power-consistent at every scale and the observer's
weight s_p / s_tau = 1 / beta holds for all (6.7). Springs and dampers stay in the drives; only force terms are
feed-forward. tau^_f comes from the contact estimator (whole inverse dynamics), tau^_l from a reaction-torque observer
and the disturbance d^ from one with gravity only, both with the nominal inertia. The force terms are not passive and go
through the energy tank.
"""

from __future__ import annotations

from math import pi

import numpy as np

from studio.control.coupling import Gains, PairCoupling
from studio.control.estimator import ContactEstimator
from studio.control.frame import FOLLOWER, LEADER, Frame
from studio.control.observer import TorqueObserver
from studio.control.scheme import SchemeRamp
from studio.control.settings import ControlSettings
from studio.control.tank import EnergyTank
from studio.core.geometry import FloatArray
from studio.core.protocols import KD, KP, POSITION, STATE_POSITION, STATE_TORQUE, STATE_VELOCITY, TORQUE, VELOCITY
from studio.robot.description import Robot

_FRICTION_SHARE = 0.8  # of the identified friction counts as dissipated for certain (spec/hardware.md 6.6)
_LEAST_SHARE = 0.05  # bounds the leader's weight


class SchemeTorques:
    """What the force terms need, [2, joints]; updated only while a scheme uses it."""

    def __init__(
        self, robot: Robot, settings: ControlSettings, estimator: ContactEstimator, period_s: float, frame: Frame
    ) -> None:
        inertia = np.tile(robot.leader_inertia_kg_m2, (2, 1))
        self._motor, self._frame, self._estimator = robot.motor, frame, estimator
        self._disturbance = TorqueObserver(inertia, 2 * pi * settings.disturbance_cutoff_hz, period_s)
        self._reaction = TorqueObserver(inertia, 2 * pi * settings.estimator_cutoff_hz, period_s)
        self.disturbance_nm, self.reaction_nm = self._disturbance.torque_nm, self._reaction.torque_nm
        self.friction_nm = np.zeros_like(inertia)

    def restart(self) -> None:
        self._disturbance.restart()
        self._reaction.restart()

    def set_cutoffs(self, force_rad_s: float, disturbance_rad_s: float) -> None:
        self._reaction.set_cutoff(force_rad_s)
        self._disturbance.set_cutoff(disturbance_rad_s)

    def update(self) -> None:
        frame, motor = self._frame, self._motor
        torque, speed = frame.measured[STATE_TORQUE], frame.measured[STATE_VELOCITY]
        coulomb = motor.coulomb_friction_nm * np.tanh(speed / motor.friction_speed_rad_s)
        np.add(coulomb, motor.viscous_friction_nm_s_rad * speed, out=self.friction_nm)
        self._disturbance.update(torque, speed, frame.gravity_nm)
        self._reaction.update(torque, speed, frame.gravity_nm + self.friction_nm)
        self.reaction_nm[FOLLOWER] = self._estimator.torque_nm


class PairScheme:
    """Turns the plain coupling's request of one pair into that of the blend of laws in force."""

    def __init__(
        self,
        pair: int,
        robot: Robot,
        settings: ControlSettings,
        gains: Gains,
        ramp: SchemeRamp,
        torques: SchemeTorques,
        frame: Frame,
        offset_rad: FloatArray,
    ) -> None:
        self._span = span = frame.spans[pair]
        self._settings, self._gains, self._ramp = settings, gains, ramp
        self._period_s = 1.0 / robot.loop_rate_hz
        self._request = frame.requested[:, :, span]
        self._position = frame.measured[STATE_POSITION][:, span]
        self._speed = frame.measured[STATE_VELOCITY][:, span]
        self._reaction, self._disturbance = torques.reaction_nm[:, span], torques.disturbance_nm[:, span]
        self._friction = torques.friction_nm[:, span]
        half_inertia = 0.5 * robot.leader_inertia_kg_m2[span]
        self._stiffness_4 = settings.four_channel_stiffness_s2 * half_inertia
        self._damping_4 = settings.four_channel_damping_s * half_inertia
        self.tank = EnergyTank(settings, self._period_s)
        self.offset_rad = offset_rad[span]  # a view
        self._leader_before, self._scale_before = np.zeros(robot.joints_per_arm), 1.0
        self._since_ns = -1

    def forget(self) -> None:
        """The next `mix` starts anew, from arms without an offset."""
        self._since_ns = -1

    def mix(self, coupling: PairCoupling) -> None:
        """Called after `coupling.write_operator`."""
        if coupling.since_ns != self._since_ns:
            self._start(coupling.since_ns)
        self._move_offset()
        self._write_set_points()
        self._write_forces(coupling, self._write_gains(coupling))

    def _start(self, since_ns: int) -> None:
        """Freshly coupled: the follower's set-point is where the plain coupling has it, whatever the scale."""
        self._since_ns = since_ns
        self.tank.restart()
        np.copyto(self._leader_before, self._position[LEADER])
        self._scale_before = self._ramp.scale
        np.multiply(self._position[LEADER], 1.0 - self._scale_before, out=self.offset_rad)

    def _move_offset(self) -> None:
        """s q_l + o moves by clutch * s * dq_l and by nothing else: neither scale nor clutch can make it jump."""
        ramp, leader, before = self._ramp, self._position[LEADER], self._leader_before
        if ramp.scale != self._scale_before:
            self.offset_rad -= (ramp.scale - self._scale_before) * before
            self._scale_before = ramp.scale
        if ramp.clutch < 1.0:
            self.offset_rad -= (1.0 - ramp.clutch) * ramp.scale * (leader - before)
        np.copyto(before, leader)

    def _write_set_points(self) -> None:
        request, ramp, scale = self._request, self._ramp, self._ramp.scale
        leader, follower = self._position
        fading = request[POSITION, FOLLOWER] - leader  # what the soft start has added
        request[POSITION, FOLLOWER] = scale * leader + self.offset_rad + fading
        request[POSITION, LEADER] = (follower - self.offset_rad) / scale
        request[VELOCITY, FOLLOWER] = ramp.clutch * scale * self._speed[LEADER]
        request[VELOCITY, LEADER] = ramp.clutch * self._speed[FOLLOWER] / scale

    def _write_gains(self, coupling: PairCoupling) -> FloatArray:
        """Gains of both arms; returns the follower's damping."""
        request, span = self._request, self._span
        both, force, four = self._ramp.weights
        squared, share = self._ramp.scale**2, coupling.share
        k, b = self._gains.stiffness[span], self._gains.damping[span]
        stiffness: FloatArray = (both + force) * k + four * self._stiffness_4
        damping: FloatArray = (both + force) * b + four * self._damping_4
        request[KP, FOLLOWER], request[KD, FOLLOWER] = stiffness, damping
        request[KP, LEADER] = self._ramp.clutch * share * squared * (both * k + four * self._stiffness_4)
        coupled: FloatArray = share * squared * (both * b + four * self._damping_4)
        # Local damping does not pull towards the follower's speed: one gain and one set-point for both.
        total: FloatArray = coupled + force * self._settings.leader_damping_nm_s_rad + coupling.extra_damping
        np.divide(coupled * request[VELOCITY, LEADER], total, out=request[VELOCITY, LEADER], where=total > 0.0)
        request[KD, LEADER] = total
        return damping

    def _write_forces(self, coupling: PairCoupling, damping: FloatArray) -> None:
        _, force, four = self._ramp.weights
        if force == 0.0 and four == 0.0:
            return
        settings, scale = self._settings, self._ramp.scale
        leader, follower = self._reaction
        faded = coupling.blend * self._ramp.clutch
        half = 0.5 * settings.four_channel_force * four
        terms = np.empty_like(self._reaction)
        terms[LEADER] = -faded * (force * settings.force_share * scale * follower + half * (leader + scale * follower))
        terms[FOLLOWER] = -faded * half * (leader / scale + follower)
        terms += four * coupling.blend * settings.disturbance_share * self._disturbance
        injected_w = float((terms * self._speed).sum())  # before the leader's share: weighted by 1 / beta
        terms[LEADER] *= max(coupling.share, 0.0)
        self._fill_tank(damping, max(coupling.share, _LEAST_SHARE))
        terms *= self.tank.draw(injected_w * self._period_s)
        self._request[TORQUE] += terms

    def _fill_tank(self, damping: FloatArray, share: float) -> None:
        """The coupling's damper, the leader's local one and a certain part of the friction dissipate."""
        slip = self._request[VELOCITY, FOLLOWER] - self._speed[FOLLOWER]
        local = self._ramp.weights[1] * self._settings.leader_damping_nm_s_rad / share
        power_w = float(damping @ (slip * slip)) if self._ramp.weights[1] == 0.0 else 0.0
        power_w += local * float(self._speed[LEADER] @ self._speed[LEADER])
        rubbed = np.einsum("sj,sj->s", self._friction, self._speed)
        power_w += _FRICTION_SHARE * float(rubbed[LEADER] / share + rubbed[FOLLOWER])
        self.tank.fill(power_w * self._period_s)


class Schemes:
    """All pairs' laws. While `plain`, nothing is computed here and the plain coupling is all there is."""

    def __init__(
        self,
        robot: Robot,
        settings: ControlSettings,
        gains: Gains,
        estimator: ContactEstimator,
        period_s: float,
        frame: Frame,
    ) -> None:
        self.ramp = ramp = SchemeRamp(settings, period_s)
        self.offset_rad = np.zeros(robot.joints)
        self.torques = SchemeTorques(robot, settings, estimator, period_s, frame)
        self._pairs = [
            PairScheme(pair, robot, settings, gains, ramp, self.torques, frame, self.offset_rad)
            for pair in range(robot.pairs)
        ]
        self._fresh = True
        self.plain = ramp.plain

    def update(self, scheme: int, motion_scale: float, clutch_open: bool) -> bool:
        """One tick; True when the plain coupling is all there is."""
        if self.ramp.update(scheme, motion_scale, clutch_open) and self.plain:
            return True
        self.plain = self.ramp.plain and not self.offset_rad.any()
        if self.plain:
            self._fresh = True
            return True
        if self._fresh:
            self._fresh = False
            self.torques.restart()
            for pair in self._pairs:
                pair.forget()
        self.torques.update()
        return False

    def mix(self, pair: int, coupling: PairCoupling) -> None:
        """Turn what `coupling.write_operator` asks of a pair into the laws in force."""
        self._pairs[pair].mix(coupling)

    @property
    def tanks_j(self) -> list[float]:
        """Energy in each pair's tank."""
        return [pair.tank.energy_j for pair in self._pairs]

    def restart(self) -> None:
        """The arms were placed anew: observers and offsets start afresh."""
        self._fresh = True
