"""Bounds of the energy tank (spec/hardware.md 6.7)."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.settings import ControlSettings
from studio.control.tank import EnergyTank

SETTINGS = ControlSettings()


@pytest.mark.parametrize("seed", range(5))
def test_level_and_share_stay_within_bounds_and_no_more_is_injected_than_was_there(seed: int) -> None:
    random, tank = np.random.default_rng(seed), EnergyTank(SETTINGS, 0.0025)
    given_j, taken_j = tank.energy_j, 0.0
    for _ in range(5000):
        dissipated_j, wish_j = random.exponential(1e-3), random.normal(2e-3, 2e-2)
        tank.fill(dissipated_j)
        share = tank.draw(wish_j)
        given_j, taken_j = given_j + dissipated_j, taken_j + share * wish_j
        assert 0.0 <= share <= 1.0 and 0.0 <= tank.energy_j <= SETTINGS.tank_j
        assert taken_j <= given_j + 1e-9


def test_an_empty_tank_lets_nothing_in_and_an_absorbing_term_fills_it() -> None:
    tank = EnergyTank(SETTINGS, 0.0025)
    for _ in range(2000):
        tank.draw(0.01)
    assert tank.energy_j < 1e-6 and tank.draw(0.01) < 1e-3
    for _ in range(400):
        tank.draw(-0.01)
    assert tank.share == 1.0 and tank.energy_j == SETTINGS.tank_j


def test_the_share_never_rises_in_a_step() -> None:
    tank = EnergyTank(SETTINGS, 0.0025)
    for _ in range(2000):
        tank.draw(0.01)
    shares = [tank.draw(wish) for wish in [-0.01] * 300]
    assert np.diff(shares).max() <= 0.0025 / SETTINGS.settings_ramp_s + 1e-12
