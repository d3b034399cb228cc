from __future__ import annotations

import time

import pytest

from studio.core.clock import SteppedClock, WallClock
from studio.core.errors import ConfigError


def test_stepped_time_moves_only_forward() -> None:
    clock = SteppedClock()
    clock.sleep_until_ns(2_500_000)
    clock.sleep_until_ns(1_000_000)
    clock.advance_ns(500)
    assert clock.now_ns() == 2_500_500
    with pytest.raises(ConfigError, match="backwards"):
        clock.advance_ns(-1)


def test_the_wall_clock_never_wakes_early() -> None:
    clock = WallClock()
    deadline_ns = time.monotonic_ns() + 3_000_000
    clock.sleep_until_ns(deadline_ns)
    assert clock.now_ns() >= deadline_ns
