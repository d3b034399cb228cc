"""What each state asks of the motors: coupling, following, holding, aligning, letting down.

Bilateral position-position coupling by impedance, computed in the drive (spec/hardware.md 6.2, 6.3): each arm gets the
other arm's angle and speed as its set-point, stiffness K and damping B, and gravity as feed-forward,

    tau_f = K (q_l - q_f) + B (w_l - w_f) + g_f,    tau_l = kappa [K (q_f - q_l) + B (w_f - w_l)] + g_l.
"""

from __future__ import annotations

import numpy as np

from studio.control.frame import FOLLOWER, LEADER, Frame
from studio.control.settings import ControlSettings
from studio.control.states import ACTIVE
from studio.control.target import PolicyTarget
from studio.core.geometry import FloatArray
from studio.core.protocols import KD, KP, POSITION, STATE_POSITION, STATE_VELOCITY, TORQUE, VELOCITY
from studio.core.records import PairState
from studio.robot.description import Robot

_NS = 1e-9
_PEAK_OF_MINIMUM_JERK = 1.875
_GAIN_LIMITS = ((0.0, 1.5), (0.2, 1.5), (0.0, 1.0))  # stiffness, damping, leader's share


class Gains:
    """The operator's gain settings, ramped; `stiffness` and `damping` [joints] are what both arms use now."""

    def __init__(self, robot: Robot, settings: ControlSettings, period_s: float) -> None:
        self._robot = robot
        self._step = period_s / settings.settings_ramp_s
        self._now = [1.0, 1.0, robot.leader_share]
        self._wanted = list(self._now)
        self._asked: tuple[float, float, float] | None = None
        self.stiffness, self.damping = robot.stiffness_nm_rad.copy(), robot.damping_nm_s_rad.copy()

    @property
    def leader_share(self) -> float:
        return self._now[2]

    def ask(self, stiffness_scale: float, damping_scale: float, leader_share: float) -> None:
        """New settings; clamped to 0..1.5 of the robot's gains and to a share of 0..1."""
        asked = stiffness_scale, damping_scale, leader_share
        if asked == self._asked:
            return
        self._asked = asked
        for index, (value, (low, high)) in enumerate(zip(asked, _GAIN_LIMITS, strict=True)):
            if value == value:  # a NaN keeps the old setting
                self._wanted[index] = min(max(value, low), high)

    def ramp(self) -> bool:
        """One tick towards what was asked; True when something changed."""
        if self._now == self._wanted:
            return False
        for index, wanted in enumerate(self._wanted):
            difference = wanted - self._now[index]
            self._now[index] += min(max(difference, -self._step), self._step)
        np.multiply(self._robot.stiffness_nm_rad, self._now[0], out=self.stiffness)
        np.multiply(self._robot.damping_nm_s_rad, self._now[1], out=self.damping)
        return True


class PairCoupling:
    """Writes the request of one pair. All arrays are views of the frame's, [.., joints of one arm]."""

    def __init__(self, pair: int, robot: Robot, settings: ControlSettings, gains: Gains, frame: Frame) -> None:
        span = frame.spans[pair]
        self._settings, self._gains, self._span = settings, gains, span
        self._measured, self._request = frame.measured[:, :, span], frame.requested[:, :, span]
        self._limited, self._gravity = frame.command[:, :, span], frame.gravity_nm[:, span]
        self._position, self._speed = self._measured[STATE_POSITION], self._measured[STATE_VELOCITY]
        self._stop_damping = np.minimum(settings.stop_damping_nm_s_rad, 2 * robot.damping_nm_s_rad[span])
        joints = robot.joints_per_arm
        self._anchor, self._offset = np.zeros(joints), np.zeros(joints)
        self._scratch = np.zeros(joints)
        self._state = PairState.DISABLED
        self.since_ns = 0  # when the present state was entered
        self._align_s = 0.0
        self._fresh = False
        self.blend = 1.0  # 0 right after coupling, 1 when the ramp is over
        self.share = 0.0  # of the leader, softly started
        self.extra_damping = 0.0  # of the leader, from the passivity observer

    def enter(self, state: PairState, now_ns: int) -> None:
        """The pair's state has changed (or its driver); remember where the follower was sent last."""
        active_before = self._state in ACTIVE
        source = self._limited[POSITION, FOLLOWER] if active_before else self._position[FOLLOWER]
        np.copyto(self._anchor, source)
        self._state, self.since_ns, self._fresh = state, now_ns, True
        self.blend, self.extra_damping = 0.0, 0.0
        if state is PairState.ALIGNING:
            apart = float(np.abs(self._position[LEADER] - self._anchor).max())
            self._align_s = max(0.2, apart * _PEAK_OF_MINIMUM_JERK / self._settings.align_speed_rad_s)

    def apart_rad(self) -> float:
        """Largest angle between leader and follower."""
        return float(np.abs(self._position[LEADER] - self._position[FOLLOWER]).max())

    def align_finished(self, now_ns: int) -> bool:
        return self._state is not PairState.ALIGNING or (now_ns - self.since_ns) * _NS >= self._align_s

    def write_operator(self, now_ns: int) -> None:
        """Bilateral coupling."""
        request, gains, span = self._request, self._gains, self._span
        np.copyto(request[POSITION, FOLLOWER], self._position[LEADER])
        np.copyto(request[VELOCITY, FOLLOWER], self._speed[LEADER])
        if self.blend < 1.0:
            self._fade_in(now_ns)
        share = gains.leader_share
        self.share = share = self._settings.soft_share + (share - self._settings.soft_share) * self.blend
        self._write_leader(share, share)
        if self.extra_damping > 0.0:
            self._add_leader_damping(self.extra_damping)
        self._write_follower_gains(gains.stiffness[span], gains.damping[span])

    def write_target(self, target: PolicyTarget, now_ns: int) -> None:
        """The follower follows the policy's ramp, the leader follows softly."""
        request, gains, span = self._request, self._gains, self._span
        np.copyto(request[POSITION, FOLLOWER], target.position_rad[span])
        np.copyto(request[VELOCITY, FOLLOWER], target.velocity_rad_s[span])
        if self.blend < 1.0:
            self._fade_in(now_ns)
        self._write_leader(self._settings.soft_share, self._settings.soft_damping_share)
        self._write_follower_gains(gains.stiffness[span], gains.damping[span])

    def write_hold(self) -> None:
        """The follower stays where it was sent last, the leader follows softly."""
        request, gains, span = self._request, self._gains, self._span
        np.copyto(request[POSITION, FOLLOWER], self._anchor)
        request[VELOCITY, FOLLOWER] = 0.0
        self._write_leader(self._settings.soft_share, self._settings.soft_damping_share)
        self._write_follower_gains(gains.stiffness[span], gains.damping[span])

    def write_align(self, now_ns: int) -> None:
        """The follower goes to the leader along a minimum-jerk profile; the leader is only damped."""
        request, gains, span = self._request, self._gains, self._span
        s = min(1.0, (now_ns - self.since_ns) * _NS / self._align_s)
        share = s * s * s * (10.0 + s * (6.0 * s - 15.0))
        np.subtract(self._position[LEADER], self._anchor, out=self._scratch)
        np.multiply(self._scratch, share, out=self._scratch)
        np.add(self._anchor, self._scratch, out=request[POSITION, FOLLOWER])
        request[VELOCITY, FOLLOWER] = 0.0
        self._write_leader(0.0, self._settings.soft_damping_share)
        request[VELOCITY, LEADER] = 0.0
        self._write_follower_gains(gains.stiffness[span], gains.damping[span])

    def write_damping(self, gravity_share: float = 1.0) -> None:
        """Both arms: no stiffness, damping, gravity compensated by a share (stop profile, or late motors)."""
        request = self._request
        np.copyto(request[POSITION], self._position)
        request[VELOCITY] = 0.0
        request[KP] = 0.0
        request[KD] = self._stop_damping
        np.multiply(self._gravity, gravity_share, out=request[TORQUE])

    def write_letting_down(self, off_ns: int, now_ns: int) -> None:
        """Stop profile: damping at once, gravity kept, then faded, then nothing (spec/hardware.md 8.3)."""
        settings = self._settings
        left_s = settings.stop_gravity_s + settings.stop_fade_s - (now_ns - off_ns) * _NS
        if off_ns == 0 or left_s <= 0.0:
            self.write_off()
        else:
            self.write_damping(min(1.0, left_s / max(settings.stop_fade_s, _NS)))

    def write_off(self) -> None:
        """Nothing at all."""
        request = self._request
        request[VELOCITY:] = 0.0
        np.copyto(request[POSITION], self._position)

    def _fade_in(self, now_ns: int) -> None:
        """Start from where the follower was sent last, so that coupling never jumps."""
        wanted = self._request[POSITION, FOLLOWER]
        if self._fresh:
            np.subtract(self._anchor, wanted, out=self._offset)
            self._fresh = False
        ramp_s = self._settings.coupling_ramp_s
        s = 1.0 if ramp_s <= 0.0 else min(1.0, (now_ns - self.since_ns) * _NS / ramp_s)
        self.blend = s * s * (3.0 - 2.0 * s)
        np.multiply(self._offset, 1.0 - self.blend, out=self._scratch)
        np.add(wanted, self._scratch, out=wanted)

    def _write_leader(self, stiffness_share: float, damping_share: float) -> None:
        request, gains, span = self._request, self._gains, self._span
        np.copyto(request[POSITION, LEADER], self._position[FOLLOWER])
        np.copyto(request[VELOCITY, LEADER], self._speed[FOLLOWER])
        np.multiply(gains.stiffness[span], stiffness_share, out=request[KP, LEADER])
        np.multiply(gains.damping[span], damping_share, out=request[KD, LEADER])

    def _write_follower_gains(self, stiffness: FloatArray, damping: FloatArray) -> None:
        request = self._request
        np.copyto(request[KP, FOLLOWER], stiffness)
        np.copyto(request[KD, FOLLOWER], damping)
        np.copyto(request[TORQUE], self._gravity)

    def _add_leader_damping(self, extra: float) -> None:
        """kd (v_des - w) - extra w, as one gain and one set-point."""
        kd, speed = self._request[KD, LEADER], self._request[VELOCITY, LEADER]
        np.multiply(speed, kd, out=speed)
        np.add(kd, extra, out=kd)
        np.divide(speed, kd, out=speed)
