"""The last station before the wire: whatever was asked, what leaves is within position, speed and torque limits."""

from __future__ import annotations

import numpy as np

from studio.control.frame import Frame
from studio.control.settings import ControlSettings
from studio.core.geometry import FloatArray
from studio.core.protocols import KD, KP, POSITION, STATE_POSITION, STATE_VELOCITY, TORQUE, VELOCITY
from studio.robot.description import Robot

_KP_MAX_NM_RAD = 500.0  # the wire carries no more
_KD_MAX_NM_S_RAD = 5.0


class Limiter:
    """Turns `frame.requested` into `frame.command`.

    - Set-points lie within the joint's range, and move no faster than the speed limit.
    - Stiffness is never without damping.
    - The torque the drive will compute from the newest state lies within `T (1 - |v| / v0)`, the drive's own envelope;
      gains are scaled down together where it would not, so set-points stay where they are.
    - A joint faster than the speed limit gets damping only, and nothing that accelerates it.
    - A value that is not a number makes that motor damp.
    """

    def __init__(self, robot: Robot, settings: ControlSettings, period_s: float, frame: Frame) -> None:
        self._frame = frame
        shape = (2, robot.joints)
        self._torque_nm, self._speed_rad_s = robot.torque_limit_nm, robot.velocity_limit_rad_s
        self._slope = robot.torque_limit_nm / robot.no_load_speed_rad_s
        self._damping = np.broadcast_to(np.minimum(settings.stop_damping_nm_s_rad, _KD_MAX_NM_S_RAD), shape)
        self._least_kd = settings.least_damping_nm_s_rad
        self._step_rad = robot.velocity_limit_rad_s * period_s
        self._low, self._high = _bounds(robot, shape)
        self._before_rad = np.zeros(shape)
        self.coupling_share = np.ones(shape)  # of the torque limit, for the spring-damper part (aligning: less)
        self._a, self._b, self._c = np.empty(shape), np.empty(shape), np.empty(shape)
        self._mask, self._mask2 = np.empty(shape, dtype=bool), np.empty(shape, dtype=bool)
        self._all = np.ones(shape, dtype=bool).tobytes()
        self._finite = np.empty((7, *shape), dtype=bool)
        self._all_finite = np.ones((7, *shape), dtype=bool).tobytes()

    def apply(self) -> None:
        """Fill `frame.command` from `frame.requested` and the measured state."""
        frame = self._frame
        command, measured = frame.command, frame.measured
        np.copyto(command, frame.requested)
        np.isfinite(command, out=self._finite[:5])
        np.isfinite(measured[:2], out=self._finite[5:])
        if self._finite.tobytes() != self._all_finite:
            self._replace_not_finite()
        self._limit_set_points()
        np.maximum(command, self._low, out=command)
        np.minimum(command, self._high, out=command)
        np.greater(command[KP], 0.0, out=self._mask)
        np.multiply(self._mask, self._least_kd, out=self._a)
        np.maximum(command[KD], self._a, out=command[KD])
        if not self._within_envelope():
            self._limit_torque()

    def restart(self) -> None:
        """Set-points start from where the joints are now (the arms were placed anew)."""
        np.copyto(self._before_rad, self._frame.measured[STATE_POSITION])

    def _limit_set_points(self) -> None:
        """No set-point jumps; one that was idle starts from where the joint is."""
        frame, before = self._frame, self._before_rad
        wanted = frame.command[POSITION]
        np.equal(frame.requested[KP], 0.0, out=self._mask)
        np.copyto(before, frame.measured[STATE_POSITION], where=self._mask)
        np.subtract(before, self._step_rad, out=self._a)
        np.maximum(wanted, self._a, out=wanted)
        np.add(before, self._step_rad, out=self._a)
        np.minimum(wanted, self._a, out=wanted)
        np.copyto(before, wanted)

    def _coupling_torque(self) -> FloatArray:
        """Spring and damper part that the drive will start the period with, [sides, joints]."""
        command, measured = self._frame.command, self._frame.measured
        np.subtract(command[POSITION], measured[STATE_POSITION], out=self._a)
        np.multiply(self._a, command[KP], out=self._a)
        np.subtract(command[VELOCITY], measured[STATE_VELOCITY], out=self._b)
        np.multiply(self._b, command[KD], out=self._b)
        return np.add(self._a, self._b, out=self._a)

    def _within_envelope(self) -> bool:
        """A cheap sufficient test; nearly every tick ends here."""
        coupling = self._coupling_torque()
        speed = np.absolute(self._frame.measured[STATE_VELOCITY], out=self._b)
        np.less_equal(speed, self._speed_rad_s, out=self._mask)
        np.multiply(speed, self._slope, out=speed)
        np.subtract(self._torque_nm, speed, out=speed)
        np.add(coupling, self._frame.command[TORQUE], out=self._c)
        np.absolute(self._c, out=self._c)
        np.less_equal(self._c, speed, out=self._mask2)
        np.logical_and(self._mask, self._mask2, out=self._mask)
        np.multiply(self.coupling_share, self._torque_nm, out=self._b)
        np.absolute(coupling, out=coupling)
        np.less_equal(coupling, self._b, out=self._mask2)
        np.logical_and(self._mask, self._mask2, out=self._mask)
        return self._mask.tobytes() == self._all

    def _limit_torque(self) -> None:
        """The exact rule, for the rare tick that needs it."""
        command = self._frame.command
        speed = self._frame.measured[STATE_VELOCITY]
        high: FloatArray = np.clip(self._torque_nm - self._slope * speed, 0.0, self._torque_nm)
        low: FloatArray = np.clip(-self._torque_nm - self._slope * speed, -self._torque_nm, 0.0)
        fast = np.abs(speed) > self._speed_rad_s
        high[fast & (speed > 0)] = 0.0
        low[fast & (speed < 0)] = 0.0
        command[KP][fast] = 0.0
        command[KD][fast] = self._damping[fast]
        command[VELOCITY][fast] = 0.0
        np.clip(command[TORQUE], low, high, out=command[TORQUE])
        coupling = self._coupling_torque()
        room = np.copy(low)
        np.copyto(room, high, where=coupling > 0)
        np.subtract(room, command[TORQUE], out=room)
        most = self.coupling_share * self._torque_nm
        np.clip(room, -most, most, out=room)
        excess = np.abs(coupling) > np.abs(room)
        scale = np.divide(room, coupling, out=np.ones_like(room), where=excess)
        command[KP] *= scale
        command[KD] *= scale

    def _replace_not_finite(self) -> None:
        frame = self._frame
        bad = ~(np.isfinite(frame.command).all(axis=0) & np.isfinite(frame.measured[:2]).all(axis=0))
        frame.command[:, bad] = 0.0
        frame.command[KD][bad] = self._damping[bad]
        for column in (STATE_POSITION, STATE_VELOCITY):
            np.nan_to_num(frame.measured[column], copy=False, posinf=0.0, neginf=0.0)
        frame.command[POSITION][bad] = frame.measured[STATE_POSITION][bad]


def _bounds(robot: Robot, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bound of every command value, [5, sides, joints]."""
    low, high = np.zeros((5, *shape)), np.zeros((5, *shape))
    low[POSITION], high[POSITION] = robot.position_lower_rad, robot.position_upper_rad
    high[VELOCITY], high[KP], high[KD] = robot.velocity_limit_rad_s, _KP_MAX_NM_RAD, _KD_MAX_NM_S_RAD
    high[TORQUE] = robot.torque_limit_nm
    low[VELOCITY], low[TORQUE] = -high[VELOCITY], -high[TORQUE]
    return low, high
