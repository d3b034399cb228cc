"""Vibration detector: the standard deviation of each joint's speed over 10 samples (spec/hardware.md 8.3, OpenArm)."""

from __future__ import annotations

import numpy as np

from studio.control.frame import Frame
from studio.core.kernel import make_kernel
from studio.core.protocols import STATE_VELOCITY

_SAMPLES = 10
_EVERY = 5  # ticks between looks; windows overlap by half
_LOOKS = 3  # in a row, 50 ms at 400 ticks per second: an impact is over by then
_QUIET_LOOKS = 80  # of calm before it is said again


class VibrationDetector:
    """`sigma_rad_s` [sides, joints] of the newest window; `strongest_rad_s` [pairs]; `news` has pairs to warn about.

    A quick but even motion changes the speed as much as a vibration does, so a warning asks in addition that the speed
    turned back within the window, at least two turning points, and this in three looks in a row. The trip (`Watch`)
    takes sigma alone, as published.
    """

    def __init__(self, frame: Frame, warn_rad_s: float) -> None:
        self._frame, self._warn_rad_s = frame, warn_rad_s
        self._velocity = frame.measured[STATE_VELOCITY]
        self._window = np.zeros((_SAMPLES, *self._velocity.shape))
        self._next, self._countdown, self._filled = 0, _EVERY, 0
        self.sigma_rad_s = np.zeros(self._velocity.shape)
        self.strongest_rad_s = [0.0] * frame.pairs
        self.news: list[tuple[int, int, float]] = []  # pair, motor, sigma
        self._strongest = np.zeros(frame.pairs)
        sizes = {"samples": _SAMPLES, "joints": frame.joints, "pairs": frame.pairs, "per_arm": frame.per_arm}
        arrays = {"window": self._window, "sigma": self.sigma_rad_s, "strongest": self._strongest}
        self._measure_spread = make_kernel("Spread", "measure_spread", {**sizes, **arrays})
        self._calm, self._looks = [_QUIET_LOOKS] * frame.pairs, [0] * frame.pairs

    def update(self) -> bool:
        """One tick; True when a window was looked at."""
        self._window[self._next] = self._velocity
        self._next = self._next + 1 if self._next < _SAMPLES - 1 else 0
        self._countdown -= 1
        if self._countdown:
            return False
        self._countdown = _EVERY
        self._look()
        return True

    def _look(self) -> None:
        if self._filled < _SAMPLES:
            self._filled += _EVERY
            return
        if self._measure_spread is not None:
            self._measure_spread.run()
        else:
            self._find_spread()
        for pair, strongest in enumerate(self._strongest.tolist()):
            span = self._frame.spans[pair]
            self.strongest_rad_s[pair] = strongest
            self._calm[pair] += 1
            if strongest <= self._warn_rad_s:
                self._looks[pair] = 0
            else:
                self._tell(pair, span)

    def _find_spread(self) -> None:
        """The kernel's reference."""
        window = self._window
        mean = np.add.reduce(window, 0) / _SAMPLES
        away = window - mean
        np.sqrt(np.add.reduce(away * away, 0) / _SAMPLES, out=self.sigma_rad_s)
        for pair, span in enumerate(self._frame.spans):
            self._strongest[pair] = self.sigma_rad_s[:, span].max()

    def _tell(self, pair: int, span: slice) -> None:
        """Once per spell of vibration."""
        ordered = np.roll(self._window[:, :, span], -self._next, axis=0)
        change = np.diff(ordered, axis=0)
        turns = (change[1:] * change[:-1] < 0.0).sum(axis=0)
        shaking = np.where(turns >= 2, self.sigma_rad_s[:, span], 0.0)
        side, joint = np.unravel_index(int(shaking.argmax()), shaking.shape)
        if shaking[side, joint] <= self._warn_rad_s:
            self._looks[pair] = 0
            return
        self._looks[pair] += 1
        if self._looks[pair] < _LOOKS:
            return
        if self._calm[pair] >= _QUIET_LOOKS:
            motor = int(side) * self._frame.joints + span.start + int(joint)
            self.news.append((pair, motor, float(shaking[side, joint])))
        self._calm[pair] = 0
