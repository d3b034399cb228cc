"""Pacing inside the window's one timer: view 60, curves 30, numbers 10, status 4, losses 1. No Qt."""

from __future__ import annotations


class Pace:
    """Says when something slower than the window's timer is due.

    Args:
        rate_hz: how often, at most.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1.0 / rate_hz
        self._next_s = 0.0

    def due(self, now_s: float) -> bool:
        """True at most `rate_hz` times a second; a late call does not make the next ones bunch up."""
        if now_s < self._next_s:
            return False
        self._next_s = max(self._next_s + self._period_s, now_s + 0.5 * self._period_s)
        return True


class ViewRate:
    """Ticks of the panel on top: 60 Hz, down to 15 when the event loop comes late."""

    def __init__(self, fastest_hz: float, slowest_hz: float = 15.0) -> None:
        self._fastest_s, self._slowest_s = 1.0 / fastest_hz, 1.0 / slowest_hz
        self._late_s = 0.0
        self._next_s = 0.0
        self._ticks: list[float] = []

    def note_late(self, late_s: float) -> None:
        """How much later than planned the timer came, smoothed over about ten ticks."""
        self._late_s += 0.1 * (max(late_s, 0.0) - self._late_s)

    @property
    def late(self) -> bool:
        """Whether the event loop comes later than half a period, smoothed: there is too much to do."""
        return self._late_s > 0.5 * self._fastest_s

    @property
    def period_s(self) -> float:
        return min(self._slowest_s, self._fastest_s + 2.0 * self._late_s)

    def due(self, now_s: float) -> bool:
        if now_s < self._next_s - 0.002:
            return False
        self._next_s = max(self._next_s + self.period_s, now_s + 0.5 * self.period_s)
        self._ticks = [t for t in self._ticks if now_s - t < 1.0] + [now_s]
        return True

    @property
    def hz(self) -> float:
        if len(self._ticks) < 2:
            return 0.0
        return (len(self._ticks) - 1) / max(self._ticks[-1] - self._ticks[0], 1e-6)
