"""Passivity observer of the coupling (spec/hardware.md 6.7): the energy it has left, and damping that refills it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from studio.control.frame import FOLLOWER, LEADER, Frame
from studio.control.settings import ControlSettings
from studio.core.geometry import FloatArray
from studio.core.kernel import make_kernel
from studio.core.protocols import KD, KP, STATE_POSITION, VELOCITY

_LEAST_SPEED_SQUARED = 1e-4  # (rad/s)^2, so that the damping stays finite


class PassivityObserver:
    """W = E - S + E0 per pair, where E is the energy the coupling has absorbed and S what its spring stores.

    P[k] dt = a tau_l dq_l + tau_f dq_f with the torque in force over the interval, rebuilt from what was sent,
    kp (p_des - mean q) + kd (v_des - mean w); a = 1 / kappa weights the leader. A reply is sampled when its command
    arrives, so the interval between the states of ticks k-1 and k was ruled by the command of tick k-2.

    With a motion scale s and an offset o of the clutch the spring stores K/2 (s q_l + o - q_f)^2; the leader's weight
    stays 1 / kappa, because its force factor is kappa s (`scheme_coupling`). Of the 4-channel law the springs and
    dampers are summed here and the force terms in its energy tank; position-force has no spring on the leader, so
    these sums mean nothing for it and it is not observed: its tank stands in.

    `energy_left_j` [pairs] is W; `damping_nm_s_rad` [pairs] is what the leader is to be damped with in addition.
    """

    def __init__(self, settings: ControlSettings, period_s: float, frame: Frame) -> None:
        self._frame, self._settings, self._period_s = frame, settings, period_s
        shape = (2, frame.joints)
        self._position = np.zeros(shape)
        self._ruling = np.zeros((4, *shape))  # position, velocity, Kp, Kd sent two ticks ago
        self._delta, self._motion = np.empty(shape), np.empty((2, *shape))  # mean position, then mean velocity
        self._mean, self._speed = self._motion
        # Work on leader and follower joints and energy in the spring, together so that one call sums them by pair.
        self._terms = np.zeros((3, frame.joints))
        self._torque, self._stored = self._terms[:2], self._terms[2]
        self._per_pair = self._terms.reshape(3, frame.pairs, frame.per_arm)
        self._half, self._rate = np.full(shape, 0.5), np.full(shape, 1.0 / period_s)
        self._set_points, self._gains = self._ruling[: VELOCITY + 1], self._ruling[KP : KD + 1]
        self._followers_kp = self._ruling[KP, FOLLOWER]
        self._now, self._sent = frame.measured[STATE_POSITION], frame.sent[:4]
        self._absorbed = [0.0] * frame.pairs
        self.energy_left_j = [settings.energy_allowance_j] * frame.pairs
        self.damping_nm_s_rad = [0.0] * frame.pairs
        self._observing = [False] * frame.pairs
        self._scale = 1.0
        self._offset_rad: FloatArray | None = None
        self._sums = np.zeros((3, frame.pairs))
        sizes = {"joints": frame.joints, "pairs": frame.pairs, "per_arm": frame.per_arm}
        read = {"measured": frame.measured, "before": self._position, "ruling": self._ruling}
        members = {**sizes, **read, "rate": 1.0 / period_s, "delta": self._delta, "sums": self._sums}
        self._sum_energy = make_kernel("Energy", "sum_energy", members)

    def set_lever(self, scale: float, offset_rad: FloatArray | None) -> None:
        """Motion scale and offset [joints] of the follower against the leader; None is no offset."""
        self._scale, self._offset_rad = scale, offset_rad

    def update(self, observe: list[bool], leader_share: float) -> None:
        """One tick, called after reading and before sending.

        Pairs that are not observed (not coupled, or their gains are being ramped) start anew with W = E0.
        """
        frame = self._frame
        if any(observe):
            *work, stored = self._find_energy().tolist()
            weight = 1.0 / leader_share if leader_share > 0.01 else 0.0
            for pair, wanted in enumerate(observe):
                self._update_pair(pair, wanted and weight > 0.0, work, 0.5 * stored[pair], weight)
        elif True in self._observing:
            for pair in range(frame.pairs):
                self._update_pair(pair, False, (), 0.0, 1.0)
        self._ruling[...] = self._sent

    def _find_energy(self) -> FloatArray:
        """Work on leaders and followers, twice the energy in the springs, [3, pairs] in J; then this tick is past."""
        position = self._now
        if self._sum_energy is not None and self._offset_rad is None:
            self._sum_energy.run()
            return self._sums
        np.subtract(position, self._position, self._delta)
        self._find_work(position)
        self._find_spring_energy(position)
        self._position[...] = position
        return np.add.reduce(self._per_pair, 2)

    def _find_work(self, position: FloatArray) -> None:
        """Work on the joints [sides, joints] in J over the last interval, unweighted."""
        motion, mean, delta, torque = self._motion, self._mean, self._delta, self._torque
        np.multiply(delta, self._half, mean)
        np.subtract(position, mean, mean)
        np.multiply(delta, self._rate, self._speed)
        np.subtract(self._set_points, motion, motion)  # spring and damper at once
        np.multiply(motion, self._gains, motion)
        np.add(mean, self._speed, torque)
        np.multiply(torque, delta, torque)

    def _find_spring_energy(self, position: FloatArray) -> None:
        """Twice the energy that the spring of each joint stores, [joints] in J."""
        stored = self._stored
        if self._offset_rad is None:
            np.subtract(position[LEADER], position[FOLLOWER], stored)
        else:
            np.subtract(self._scale * position[LEADER] + self._offset_rad, position[FOLLOWER], stored)
        np.multiply(stored, stored, stored)
        np.multiply(stored, self._followers_kp, stored)

    def _update_pair(
        self, pair: int, observe: bool, work: Sequence[Sequence[float]], stored: float, weight: float
    ) -> None:
        settings = self._settings
        if not observe:
            self._observing[pair] = False
            self.energy_left_j[pair], self.damping_nm_s_rad[pair] = settings.energy_allowance_j, 0.0
            return
        if not self._observing[pair]:
            self._observing[pair] = True
            self._absorbed[pair] = stored
        else:
            self._absorbed[pair] -= weight * work[LEADER][pair] + work[FOLLOWER][pair]
        left = self._absorbed[pair] - stored + settings.energy_allowance_j
        if left > settings.energy_cap_j:
            self._absorbed[pair] -= left - settings.energy_cap_j
            left = settings.energy_cap_j
        self.energy_left_j[pair] = left
        self.damping_nm_s_rad[pair] = 0.0 if left >= 0.0 else self._refill(pair, -left, weight)

    def _refill(self, pair: int, missing_j: float, weight: float) -> float:
        delta = self._delta[LEADER, self._frame.spans[pair]]
        speed_squared = max(float(delta @ delta) / self._period_s**2, _LEAST_SPEED_SQUARED)
        return min(missing_j / (weight * speed_squared * self._period_s), self._settings.passivity_damping_nm_s_rad)
