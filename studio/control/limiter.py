"""The last station before the wire: whatever was asked, what leaves is within position, speed and torque limits."""

from __future__ import annotations

import numpy as np

from studio.control.frame import Frame
from studio.control.settings import ControlSettings
from studio.core.geometry import FloatArray
from studio.core.kernel import Value, make_kernel
from studio.core.protocols import KD, KP, POSITION, STATE_POSITION, STATE_VELOCITY, TORQUE, VELOCITY
from studio.robot.description import Robot

_KP_MAX_NM_RAD = 500.0  # the wire carries no more
_KD_MAX_NM_S_RAD = 5.0
_SLOW_RAD_S = 5.0  # joints below this speed are tested against the torque that is left at it


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
        self._damping = np.full(shape, min(settings.stop_damping_nm_s_rad, _KD_MAX_NM_S_RAD))
        self._least_kd = settings.least_damping_nm_s_rad
        self._step_rad = step_rad = robot.velocity_limit_rad_s * period_s
        # Numbers that every tick uses are arrays: NumPy takes twice as long with a plain one.
        self._most_rad, self._least_rad = np.full(shape, step_rad), np.full(shape, -step_rad)
        self._none, self._slopes = np.zeros(shape), np.full(shape, self._slope)
        self._low, self._high = _bounds(robot, shape)
        self._before_rad = np.zeros(shape)
        self._stiff, self._idle = np.zeros(shape, dtype=bool), np.ones(shape, dtype=bool)
        self._stiff_before = self._stiffness_before = b""
        self._a, self._pulled = np.empty(shape), np.empty((2, *shape))
        self._spring, self._damper = self._pulled
        self._state, self._speed = frame.measured[STATE_POSITION : STATE_VELOCITY + 1], frame.measured[STATE_VELOCITY]
        self._set_points, self._gains = frame.command[POSITION : VELOCITY + 1], frame.command[KP : KD + 1]
        self._forward, self._position = frame.command[TORQUE], frame.command[POSITION]
        self._stiffness = frame.requested[KP]
        # Three tests per motor in one comparison: torque with speed, torque of spring and damper alone, speed.
        self._tested, self._passed = np.empty((3, *shape)), np.empty((3, *shape), dtype=bool)
        self._torques, self._torque, self._coupling, self._fast = self._tested[:2], *self._tested
        self._bound, self._slow_bound = np.empty((3, *shape)), np.empty((3, *shape))
        self._bound[:2], self._bound[2] = self._torque_nm, self._speed_rad_s
        slow_rad_s = min(_SLOW_RAD_S, self._speed_rad_s)
        self._slow_bound[:] = self._bound
        self._slow_bound[0], self._slow_bound[2] = self._torque_nm - self._slope * slow_rad_s, slow_rad_s
        self._share, self._derated = np.ones(shape), np.ones(shape)
        self._all_stiff, self._all_passed = (
            np.ones(shape, dtype=bool).tobytes(),
            np.ones((3, *shape), dtype=bool).tobytes(),
        )
        self._limit_commands = make_kernel("Limits", "limit_commands", self._members())

    def _members(self) -> dict[str, Value]:
        """What the kernel needs, by the names in resources/native/tick/control.h."""
        frame = self._frame
        numbers = {"motors": frame.motors, "least_kd": self._least_kd, "slope": self._slope}
        values = {"measured": frame.measured, "requested": frame.requested, "command": frame.command}
        ranges = {"low": self._low, "high": self._high, "before": self._before_rad}
        steps = {"most": self._most_rad, "least": self._least_rad}
        return {**numbers, **values, **ranges, **steps, "slow_bound": self._slow_bound, "bound": self._bound}

    def apply(self) -> None:
        """Fill `frame.command` from `frame.requested` and the measured state."""
        if not (self._apply() if self._limit_commands is None else self._limit_commands.run()):
            self._replace_not_finite()
            self._limit_torque()

    def _apply(self) -> bool:
        """Everything but the exact rule for the torque; False where that must follow. The kernel's reference."""
        command, requested = self._frame.command, self._frame.requested
        if (stiffness := self._stiffness.tobytes()) != self._stiffness_before:
            self._stiffness_before = stiffness
            self._find_idle()
        if self._stiff_before != self._all_stiff:
            np.copyto(self._before_rad, self._frame.measured[STATE_POSITION], where=self._idle)
        command[...] = requested
        self._limit_set_points(self._position)
        np.maximum(command, self._low, out=command)
        np.minimum(command, self._high, out=command)
        return self._is_within_envelope()

    def _find_idle(self) -> None:
        """Motors without stiffness need no damping, and their set-points start anew from where they are."""
        np.greater(self._stiffness, self._none, self._stiff)
        if (stiff := self._stiff.tobytes()) != self._stiff_before:
            self._stiff_before = stiff
            np.logical_not(self._stiff, out=self._idle)
            np.multiply(self._stiff, self._least_kd, out=self._low[KD])

    def restart(self) -> None:
        """Set-points start from where the joints are now (the arms were placed anew)."""
        np.copyto(self._before_rad, self._frame.measured[STATE_POSITION])

    def share_torque(self, joints: slice, share: float) -> None:
        """Allow the spring-damper part of some joints only a share of the torque (aligning), or all of it again (1)."""
        self._share[:, joints] = share
        self._write_bound()

    def derate(self, share: FloatArray) -> None:
        """Allow the spring-damper part of each motor [sides, joints] only a share of its torque."""
        self._derated[...] = share
        self._write_bound()

    def _write_bound(self) -> None:
        self._bound[1] = self._slow_bound[1] = self._share * self._derated * self._torque_nm

    def share_speed(self, joints: slice, share: float) -> None:
        """Allow the set-points of some joints only a share of the speed limit, or all of it again (1)."""
        self._most_rad[:, joints], self._least_rad[:, joints] = share * self._step_rad, -share * self._step_rad
        self._high[VELOCITY][:, joints] = share * self._speed_rad_s
        self._low[VELOCITY][:, joints] = -share * self._speed_rad_s

    def _limit_set_points(self, wanted: FloatArray) -> None:
        """No set-point jumps; one that was idle starts from where the joint is."""
        before, x = self._before_rad, self._a
        np.subtract(wanted, before, x)
        np.maximum(x, self._least_rad, out=x)
        np.minimum(x, self._most_rad, out=x)
        np.add(before, x, before)
        wanted[...] = before

    def _coupling_torque(self) -> FloatArray:
        """Spring and damper part that the drive will start the period with, [sides, joints]."""
        x = self._pulled  # position and velocity at once, times stiffness and damping
        np.subtract(self._set_points, self._state, x)
        np.multiply(x, self._gains, x)
        return np.add(self._spring, self._damper, self._coupling)

    def _is_within_envelope(self) -> bool:
        """Cheap sufficient tests; nearly every tick ends with the first. A NaN anywhere fails them."""
        np.add(self._coupling_torque(), self._forward, self._torque)
        np.absolute(self._torques, self._torques)
        np.absolute(self._speed, self._fast)
        np.less_equal(self._tested, self._slow_bound, self._passed)
        if self._passed.tobytes() == self._all_passed:
            return True
        np.multiply(self._fast, self._slopes, self._a)
        np.add(self._torque, self._a, self._torque)
        np.less_equal(self._tested, self._bound, self._passed)
        return self._passed.tobytes() == self._all_passed

    def _limit_torque(self) -> None:
        """The exact rule, for the rare tick that needs it."""
        command = self._frame.command
        speed = np.nan_to_num(self._frame.measured[STATE_VELOCITY])
        high: FloatArray = np.clip(self._torque_nm - self._slope * speed, 0.0, self._torque_nm)
        low: FloatArray = np.clip(-self._torque_nm - self._slope * speed, -self._torque_nm, 0.0)
        fast = np.abs(speed) > self._speed_rad_s
        high[fast & (speed > 0)] = 0.0
        low[fast & (speed < 0)] = 0.0
        command[KP][fast] = 0.0
        command[KD][fast] = self._damping[fast]
        command[VELOCITY][fast] = 0.0
        np.clip(command[TORQUE], low, high, out=command[TORQUE])
        coupling = np.nan_to_num(self._coupling_torque())
        room = np.copy(low)
        np.copyto(room, high, where=coupling > 0)
        np.subtract(room, command[TORQUE], out=room)
        bound = np.where(command[KP] > 0.0, self._bound[1], self._share * self._torque_nm)  # braking is never derated
        np.clip(room, -bound, bound, out=room)
        excess = np.abs(coupling) > np.abs(room)
        scale = np.divide(room, coupling, out=np.ones_like(room), where=excess)
        command[KP] *= scale
        command[KD] *= scale

    def _replace_not_finite(self) -> None:
        """Motors with a number that is none get damping only."""
        command, measured = self._frame.command, self._frame.measured
        good = np.isfinite(command).all(axis=0) & np.isfinite(measured[:2]).all(axis=0)
        if good.all():
            return
        bad = ~good
        command[:, bad] = 0.0
        command[KD][bad] = self._damping[bad]
        here: FloatArray = np.nan_to_num(measured[STATE_POSITION])
        np.clip(here, self._low[POSITION], self._high[POSITION], out=here)
        command[POSITION][bad] = self._before_rad[bad] = here[bad]


def _bounds(robot: Robot, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bound of every command value, [5, sides, joints]."""
    low, high = np.zeros((5, *shape)), np.zeros((5, *shape))
    low[POSITION], high[POSITION] = robot.position_lower_rad, robot.position_upper_rad
    high[VELOCITY], high[KP], high[KD] = robot.velocity_limit_rad_s, _KP_MAX_NM_RAD, _KD_MAX_NM_S_RAD
    high[TORQUE] = robot.torque_limit_nm
    low[VELOCITY], low[TORQUE] = -high[VELOCITY], -high[TORQUE]
    return low, high
