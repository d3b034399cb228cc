"""Stability of the bilateral coupling computed in the drives, at the loop's rate (spec/feasibility.md A, third row)."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.settings import ControlSettings
from tests.control.bench import Bench

SETTINGS = ControlSettings(coupling_ramp_s=0.0, passivity_damping_nm_s_rad=0.0)  # the law alone, without the observer


def _swing_after_a_kick(kp: list[float], kd: list[float]) -> tuple[float, float]:
    """Largest angle between leader and follower right after a kick of 0.5 rad/s, and 0.8 s later."""
    bench = Bench(
        settings=SETTINGS, stiffness_nm_rad=np.tile(kp, 2), damping_nm_s_rad=np.tile(kd, 2), velocity_limit_rad_s=25.0
    )
    bench.engage()
    bench.ticks(5)
    bench.plant.velocity[:8] += 0.5
    swings = []
    for _ in range(340):
        bench.ticks(1)
        swings.append(np.abs(bench.plant.position[:8] - bench.plant.position[8:]).max())
    return max(swings[:40]), max(swings[320:])


@pytest.mark.parametrize("scale", [0.25, 1.0, 1.5])
def test_the_shipped_gains_decay_without_a_hand(scale: float) -> None:
    kp, kd = np.array([60.0, 60.0, 60.0, 25.0]) * scale, np.array([1.5, 1.5, 1.2, 0.4]) * max(scale, 0.5)
    early_rad, late_rad = _swing_after_a_kick(kp.tolist(), kd.tolist())
    assert early_rad > 0.003 and late_rad < 0.1 * early_rad


def test_far_beyond_the_table_it_does_not_decay() -> None:
    early_rad, late_rad = _swing_after_a_kick([60.0, 60.0, 60.0, 480.0], [1.5, 1.5, 1.2, 0.3])
    assert late_rad > early_rad
