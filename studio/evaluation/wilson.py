"""Intervals for success rates."""

from __future__ import annotations

import math


def wilson_interval(successes: int, episodes: int, *, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson score interval of a rate (95 % by default); (0, 1) when nothing was tried.

    Source: E. B. Wilson, JASA 22 (1927), 209-212.
    """
    if episodes <= 0:
        return 0.0, 1.0
    rate = successes / episodes
    scale = 1 + z * z / episodes
    centre = (rate + z * z / (2 * episodes)) / scale
    half = z * math.sqrt(rate * (1 - rate) / episodes + z * z / (4 * episodes * episodes)) / scale
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return low, 1.0 if successes == episodes else min(1.0, centre + half)
