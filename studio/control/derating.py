"""Warm motors get less torque, before a trip takes all of it (spec/hardware.md 8.3, soft column)."""

from __future__ import annotations

import numpy as np

from studio.control.frame import Frame
from studio.control.limiter import Limiter
from studio.control.settings import ControlSettings
from studio.core.geometry import FloatArray
from studio.core.protocols import STATE_TEMPERATURE
from studio.robot.description import Robot

_EVERY = 40  # ticks; a motor warms in seconds
_LEAST = 0.2  # of the torque that is left right before the trip
_STEP = 0.02  # smaller changes are not passed on
_CALM_C = 3.0  # a motor this far below is told of again; drives report whole degrees, which flicker


class Derating:
    """Share of the spring-damper torque that each motor may use, [sides, joints], 1 down to 0.2.

    Linear in the temperature from `temperature_derate_c` to the trip. Gravity and other feed-forward keep their own
    bound: an arm that is too warm to push must not fall. `news` has motors to warn about, once per spell.
    """

    def __init__(self, robot: Robot, settings: ControlSettings, limiter: Limiter, frame: Frame) -> None:
        self._temperature_c = frame.measured[STATE_TEMPERATURE]
        self._limiter = limiter
        self._from_c, self._to_c = settings.temperature_derate_c, settings.temperature_trip_c
        self._countdown = _EVERY
        self.share = np.ones((2, robot.joints))
        self._told = np.zeros(self.share.size, dtype=bool)
        self.news: list[tuple[int, float]] = []

    def update(self) -> None:
        """One tick; looks ten times a second."""
        self._countdown -= 1
        if self._countdown:
            return
        self._countdown = _EVERY
        if self._temperature_c.max() <= self._from_c and not self._told.any():
            return  # a NaN goes on: the watch trips on it
        share = self._find_share()
        if np.abs(share - self.share).max() >= _STEP or (share == 1.0).all():
            self.share[...] = share
            self._limiter.derate(share)
            self._tell()

    def _find_share(self) -> FloatArray:
        warm = (self._to_c - np.nan_to_num(self._temperature_c)) / (self._to_c - self._from_c)
        share: FloatArray = np.clip(warm, _LEAST, 1.0)
        return share

    def _tell(self) -> None:
        share = self.share.reshape(-1)
        fresh = (share < 1.0) & ~self._told
        self.news += [(motor, float(share[motor])) for motor in np.flatnonzero(fresh).tolist()]
        self._told = (share < 1.0) | (self._told & (self._temperature_c.reshape(-1) > self._from_c - _CALM_C))
