from __future__ import annotations

import pytest

from studio.evaluation.wilson import wilson_interval


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [(38, 40, 0.835, 0.986), (13, 20, 0.433, 0.819), (0, 20, 0.0, 0.161), (20, 20, 0.839, 1.0)],
)
def test_known_intervals(successes: int, episodes: int, low: float, high: float) -> None:
    """Values as the feasibility study prints them (38/40: 83 to 99 %; 13/20: 43 to 82 %; 0/20: 0 to 16 %)."""
    assert wilson_interval(successes, episodes) == pytest.approx((low, high), abs=0.001)


def test_nothing_tried_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
