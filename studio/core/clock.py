"""Time as an argument: a wall clock, or a clock stepped by the world."""

from __future__ import annotations

import time

from studio.core.errors import ConfigError

NS_PER_S = 1_000_000_000
_SPIN_TAIL_NS = 150_000
_PACED_REST_NS = 2_000_000  # shorter sleeps are added up


class WallClock:
    """The machine's monotonic clock, comparable between processes."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Sleep to the deadline; the last 150 µs are spun, because sleeping wakes up late."""
        remaining_ns = deadline_ns - time.monotonic_ns() - _SPIN_TAIL_NS
        if remaining_ns > 0:
            time.sleep(remaining_ns / NS_PER_S)
        while time.monotonic_ns() < deadline_ns:
            pass


class PacedClock:
    """Simulated time that never runs ahead of the wall clock: a machine that comes late only makes it slower.

    Args:
        pace: seconds of simulated time per second, at most.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self.pace = pace
        self._now_ns = self._wall_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until_ns(self, deadline_ns: int) -> None:
        if deadline_ns <= self._now_ns:
            return
        self._wall_ns += int((deadline_ns - self._now_ns) / self.pace)
        left_ns = self._wall_ns - time.monotonic_ns()
        if left_ns > _PACED_REST_NS:
            time.sleep(left_ns / NS_PER_S)
        elif left_ns < -NS_PER_S // 10:
            self._wall_ns = time.monotonic_ns()  # late: what was missed is not made up for
        self._now_ns = deadline_ns


class SteppedClock:
    """Simulated time. `sleep_until_ns` returns at once and moves time forward."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until_ns(self, deadline_ns: int) -> None:
        self._now_ns = max(self._now_ns, deadline_ns)

    def advance_ns(self, duration_ns: int) -> None:
        if duration_ns < 0:
            raise ConfigError(f"Simulated time cannot run backwards: asked for {duration_ns} ns. Give 0 or more.")
        self._now_ns += duration_ns
