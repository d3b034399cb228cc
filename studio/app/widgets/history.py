"""The last seconds of a stream for live curves: a ring of samples, min/max decimation and calm 1-2-5 axes. No Qt."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class History:
    """Samples of some channels over the last seconds.

    Args:
        channels: values per sample.
        seconds: how far back.
        rate_hz: declared rate; twice that fits, so that a burst does not cut the window short.
    """

    def __init__(self, channels: int, *, seconds: float = 10.0, rate_hz: float = 400.0) -> None:
        self.seconds = seconds
        self._capacity = int(seconds * rate_hz * 2)
        self._t_s = np.zeros(self._capacity)
        self._values = np.zeros((self._capacity, channels))
        self._count = 0

    def append(self, t_s: Floats, values: Floats) -> None:
        """Add samples: times [n] in s, rising, and values [n, channels]. A jump back in time starts anew."""
        if not len(t_s):
            return
        if self._count and t_s[0] < self._t_s[self._count - 1]:
            self._count = 0
        t_s, values = t_s[-self._capacity :], values[-self._capacity :]
        keep = min(self._count, self._capacity - len(t_s))
        if keep < self._count:
            self._t_s[:keep] = self._t_s[self._count - keep : self._count].copy()
            self._values[:keep] = self._values[self._count - keep : self._count].copy()
        self._t_s[keep : keep + len(t_s)] = t_s
        self._values[keep : keep + len(t_s)] = values
        self._count = keep + len(t_s)

    def clear(self) -> None:
        self._count = 0

    @property
    def newest_s(self) -> float | None:
        return float(self._t_s[self._count - 1]) if self._count else None

    def window(self, now_s: float) -> tuple[Floats, Floats]:
        """Times relative to now [n] (-seconds..0) and values [n, channels]."""
        times = self._t_s[: self._count]
        first = int(np.searchsorted(times, now_s - self.seconds))
        return times[first:] - now_s, self._values[first : self._count]


def decimate(t_s: Floats, values: Floats, bin_s: float, origin_s: float = 0.0) -> tuple[Floats, Floats]:
    """At most two points per bin, its minimum and its maximum in the order in which they came.

    Args:
        t_s: times [n], rising; values: [n].
        bin_s: width of a bin, usually one pixel.
        origin_s: added to the times before binning, so that bins stay put while the window moves on.
    """
    if len(t_s) < 3 or bin_s <= 0:
        return t_s, values
    bins = np.floor((t_s + origin_s) / bin_s).astype(np.int64)
    starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    if len(starts) * 2 >= len(t_s):
        return t_s, values
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    ends = np.append(starts[1:], len(t_s)) - 1
    rising = values[ends] >= values[starts]
    out = np.empty(2 * len(starts))
    out[0::2], out[1::2] = np.where(rising, low, high), np.where(rising, high, low)
    times = np.empty(2 * len(starts))
    times[0::2], times[1::2] = t_s[starts], t_s[ends]
    return times, out


def round_up_125(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1.0, 2.0, 5.0, 10.0):
        if value <= step * power * (1 + 1e-9):
            return step * power
    return 10.0 * power


class CalmAxis:
    """An axis end that grows at once in 1-2-5 steps and shrinks after 10 s in which it would have been smaller."""

    def __init__(self, smallest: float, *, calm_s: float = 10.0) -> None:
        self.top = self._smallest = smallest
        self._calm_s = calm_s
        self._small_since_s: float | None = None

    def update(self, largest: float, now_s: float) -> float:
        """The axis end for data whose largest magnitude is given."""
        wanted = max(round_up_125(largest), self._smallest)
        if wanted >= self.top:
            self.top, self._small_since_s = wanted, None
        elif self._small_since_s is None:
            self._small_since_s = now_s
        elif now_s - self._small_since_s > self._calm_s:
            self.top, self._small_since_s = wanted, None
        return self.top
