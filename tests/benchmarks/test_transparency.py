"""What the transparency table says of the default coupling and of position-force, on the twins."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.transparency import _delay_ticks, measure_contact, measure_free
from studio.control.scheme import Scheme
from studio.robot.description import load_robot


def test_position_position_shows_what_it_touches_and_position_force_is_lighter_in_the_air() -> None:
    robot = load_robot()
    plain, light = (measure_free(robot, s) for s in (Scheme.POSITION_POSITION, Scheme.POSITION_FORCE))
    assert np.degrees(plain["position_error_rad"]).max() < 1.5  # spec/hardware.md 6.8
    assert (light["free_torque_nm"] < 0.7 * plain["free_torque_nm"]).all()
    assert (plain["delay_s"] > 0.0).all() and (plain["delay_s"] < 0.02).all()


def test_contact_comes_through_with_the_share_of_each_scheme() -> None:
    robot = load_robot()
    stiffness = robot.stiffness_nm_rad[: robot.joints_per_arm]
    plain, light = (measure_contact(robot, s) for s in (Scheme.POSITION_POSITION, Scheme.POSITION_FORCE))
    assert (plain["force_error_share"] < 0.15).all()
    assert plain["transmitted_nm_rad"] == pytest.approx(stiffness, rel=0.1)
    assert light["transmitted_nm_rad"] == pytest.approx(0.5 * stiffness, rel=0.15)  # kappa


@pytest.mark.parametrize("lag", [0.0, 2.5, 7.0])
def test_the_delay_is_found_between_ticks(lag: float) -> None:
    time = np.arange(800.0)
    assert _delay_ticks(np.sin(0.02 * time), np.sin(0.02 * (time - lag))) == pytest.approx(lag, abs=0.05)
