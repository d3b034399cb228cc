"""Watches what the motors say: silence, drive errors, heat, speed, range, tracking and RMS torque."""

from __future__ import annotations

from math import exp, inf

import numpy as np

from studio.control.fault import FaultCode
from studio.control.frame import Frame
from studio.control.settings import ControlSettings
from studio.control.vibration import VibrationDetector
from studio.core.geometry import FloatArray
from studio.core.kernel import make_kernel
from studio.core.protocols import (
    ERROR_JUMPED,
    KP,
    POSITION,
    STATE_ERROR,
    STATE_POSITION,
    STATE_TEMPERATURE,
    STATE_TORQUE,
    STATE_VELOCITY,
)
from studio.robot.description import Robot

_CODE_OF_COLUMN = {
    STATE_ERROR: FaultCode.DRIVE_ERROR,
    STATE_TEMPERATURE: FaultCode.HOT,
    STATE_VELOCITY: FaultCode.OVER_SPEED,
    STATE_POSITION: FaultCode.OUT_OF_RANGE,
    STATE_TORQUE: FaultCode.NOT_FINITE,
}


class Watch:
    """Trips of layer 1 (spec/hardware.md 8.2, 8.3), evaluated every tick for all motors at once.

    After `update`: `late[pair]` (its motors are to damp only), and of the first trouble found `code[pair]` (0 = none),
    `motor[pair]` (leader joints first, then follower joints; -1 = none) and `value[pair]`.
    """

    def __init__(self, robot: Robot, settings: ControlSettings, period_s: float, frame: Frame) -> None:
        self._robot, self._settings, self._frame, self._period_s = robot, settings, frame, period_s
        self._low, self._high = _bounds(robot, settings)
        shape = frame.measured.shape
        self._good = np.empty((2, *shape), dtype=bool)  # above the lower bound, below the upper one
        self._above, self._below = self._good
        self._all_good = np.ones_like(self._good).tobytes()
        self._before_ns = np.full(frame.motors, -1, dtype=np.int64)
        self._same = np.empty(frame.motors, dtype=bool)
        self._missed = np.zeros(frame.motors, dtype=np.int64)
        self._rms_weight = 1.0 - exp(-period_s / settings.rms_torque_window_s)
        self._mean_square = np.zeros((2, robot.joints))
        self._astray_s = np.zeros((2, robot.joints))
        self._dirty = True
        good = self._good.view(np.uint8)
        bounds = {"measured": frame.measured, "low": self._low, "high": self._high, "above": good[0], "below": good[1]}
        times = {"t_ns": frame.t_ns, "before_ns": self._before_ns, "missed": self._missed}
        self._look = make_kernel("Look", "look_for_trouble", {"motors": frame.motors, **bounds, **times})
        self.vibration = VibrationDetector(frame, settings.vibration_warn_rad_s)
        pairs = robot.pairs
        self.late = [False] * pairs
        self.code, self.motor, self.value = [0] * pairs, [-1] * pairs, [0.0] * pairs

    def update(self) -> None:
        """Look at the newest states; cheap as long as nothing is wrong."""
        trouble = bool(self._look.run()) if self._look is not None else self._look_for_trouble()
        if trouble or self._dirty:
            self._judge()
            self._dirty = trouble
        self._watch_slow_trips()

    def _look_for_trouble(self) -> bool:
        """Bounds and silence of all motors; True when any of it is trouble. The kernel's reference."""
        frame = self._frame
        np.equal(frame.t_ns, self._before_ns, self._same)
        silence = 1 in self._same.tobytes()
        if silence or self._dirty:  # otherwise all were heard in this tick and the last, and zeros stay zeros
            self._missed += 1
            self._missed *= self._same
        self._before_ns[...] = frame.t_ns
        measured = frame.measured
        np.greater_equal(measured, self._low, self._above)
        np.less_equal(measured, self._high, self._below)
        return silence or self._good.tobytes() != self._all_good

    def silent_motors(self) -> int:
        """How many motors have never answered, or do not now."""
        answered = (self._frame.t_ns > 0) & (self._missed < self._robot.timeouts.motor_late_ticks)
        return self._frame.motors - int(np.count_nonzero(answered))

    def dead_motors(self) -> np.ndarray:
        """[motors] that have never answered, have been silent for too long, or lost their angle."""
        jumped = self._frame.measured[STATE_ERROR].reshape(-1) == ERROR_JUMPED
        return (self._frame.t_ns <= 0) | (self._missed >= self._robot.timeouts.motor_dead_ticks) | jumped

    def _judge(self) -> None:
        timeouts = self._robot.timeouts
        missed = self._missed.reshape(2, self._frame.joints)
        good = self._above & self._below
        for pair, span in enumerate(self._frame.spans):
            most = int(missed[:, span].max())
            self.late[pair] = most >= timeouts.motor_late_ticks
            self.code[pair], self.motor[pair], self.value[pair] = 0, -1, 0.0
            jumped = np.argwhere(self._frame.measured[STATE_ERROR, :, span] == ERROR_JUMPED)
            if len(jumped):
                self._set(pair, FaultCode.JUMPED, int(jumped[0][0]), int(jumped[0][1]), 0.0)
            elif most >= timeouts.motor_dead_ticks:
                side, index = np.unravel_index(int(missed[:, span].argmax()), missed[:, span].shape)
                self._set(pair, FaultCode.SILENT, int(side), int(index), most * self._period_s * 1e3)
            elif not good[:, :, span].all():
                self._judge_values(pair, ~good[:, :, span])

    def _judge_values(self, pair: int, bad: np.ndarray) -> None:
        values = self._frame.measured[:, :, self._frame.spans[pair]]
        for column, code in _CODE_OF_COLUMN.items():
            if bad[column].any():
                side, index = np.argwhere(bad[column])[0]
                value = float(values[column, side, index])
                finite = value - value == 0.0
                self._set(pair, code if finite else FaultCode.NOT_FINITE, int(side), int(index), value)
                return

    def _set(self, pair: int, code: FaultCode, side: int, index: int, value: float) -> None:
        joint = pair * self._frame.per_arm + index
        self.code[pair], self.value[pair] = int(code), value
        self.motor[pair] = side * self._frame.joints + joint

    def _watch_slow_trips(self) -> None:
        limit_rad_s = self._settings.vibration_trip_rad_s
        if self.vibration.update() and limit_rad_s > 0.0:
            sigma = self.vibration.sigma_rad_s
            self._trip(sigma > limit_rad_s, FaultCode.VIBRATION, sigma)
        if self._robot.rms_torque_limit_nm is not None:
            square = np.square(self._frame.measured[STATE_TORQUE]) - self._mean_square
            self._mean_square += self._rms_weight * square
            over = self._mean_square > self._robot.rms_torque_limit_nm**2
            self._trip(over, FaultCode.RMS_TORQUE, np.sqrt(self._mean_square))
        if self._settings.tracking_trip_rad > 0.0:
            sent = self._frame.sent
            distance = np.abs(sent[POSITION] - self._frame.measured[STATE_POSITION]) * (sent[KP] > 0)
            self._astray_s += self._period_s
            self._astray_s *= distance > self._settings.tracking_trip_rad
            self._trip(self._astray_s > self._settings.tracking_trip_s, FaultCode.TRACKING, distance)

    def _trip(self, over: np.ndarray, code: FaultCode, values: FloatArray) -> None:
        if not over.any():
            return
        self._dirty = True
        for pair, span in enumerate(self._frame.spans):
            if over[:, span].any() and not self.code[pair]:
                side, index = np.argwhere(over[:, span])[0]
                self._set(pair, code, int(side), int(index), float(values[:, span][side, index]))


def _bounds(robot: Robot, settings: ControlSettings) -> tuple[FloatArray, FloatArray]:
    """Values between which nothing trips, [5, sides, joints]. A NaN is in no range."""
    low, high = np.full((5, 2, robot.joints), -inf), np.full((5, 2, robot.joints), inf)
    low[STATE_POSITION] = robot.position_lower_rad - settings.position_trip_margin_rad
    high[STATE_POSITION] = robot.position_upper_rad + settings.position_trip_margin_rad
    high[STATE_VELOCITY] = robot.velocity_limit_rad_s * settings.velocity_trip_factor
    low[STATE_VELOCITY] = -high[STATE_VELOCITY]
    high[STATE_TEMPERATURE] = settings.temperature_trip_c
    low[STATE_ERROR], high[STATE_ERROR] = -0.5, 0.5
    return low, high
