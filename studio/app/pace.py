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
