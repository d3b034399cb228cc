"""How late the loop is woken, as a histogram that never grows, and how long it was away."""

from __future__ import annotations

import time

import numpy as np

_BINS = 20_000  # of 1 µs; everything later is in the last


class LatenessHistogram:
    """Counts lateness in bins of 1 µs up to 20 ms, and periods missed altogether."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, dtype=np.int64)
        self.max_us = 0.0
        self.missed = 0
        self.ticks = 0

    def add(self, lateness_ns: int) -> None:
        bin_number = lateness_ns // 1000
        self._counts[bin_number if 0 <= bin_number < _BINS else (_BINS - 1 if bin_number > 0 else 0)] += 1
        self.max_us = max(self.max_us, lateness_ns * 1e-3)
        self.ticks += 1

    def summary(self) -> dict[str, float]:
        """p50, p99, p99_9 and max in µs, `missed` periods and `ticks`."""
        sums = np.cumsum(self._counts)
        ranks = [share * max(self.ticks, 1) for share in (0.5, 0.99, 0.999)]
        p50, p99, p99_9 = (float(np.searchsorted(sums, rank)) for rank in ranks)
        return {
            "p50": p50,
            "p99": p99,
            "p99_9": p99_9,
            "max": round(self.max_us, 1),
            "missed": self.missed,
            "ticks": self.ticks,
        }


class Absence:
    """Time from tick to tick, by the clock that also runs while the machine sleeps."""

    def __init__(self) -> None:
        self._last_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def measure_s(self) -> float:
        """Since the last call, or since it was made."""
        last_ns, self._last_ns = self._last_ns, time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return (self._last_ns - last_ns) * 1e-9
