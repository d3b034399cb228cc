"""What the transparency table says of the default coupling and of position-force, on the twins."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.transparency import _delay_ticks, find_beyond, make_table, measure_contact, measure_free
from studio.control.scheme import Scheme
from studio.robot.description import load_robot


def test_position_position_shows_what_it_touches_and_position_force_is_lighter_in_the_air() -> None:
    robot = load_robot()
    plain, light = (measure_free(robot, s) for s in (Scheme.POSITION_POSITION, Scheme.POSITION_FORCE))
    assert np.degrees(plain["position_error_rad"]).max() < 1.5  # spec/hardware.md 6.8
    assert (light["free_torque_nm"] < 0.7 * plain["free_torque_nm"]).all()
    assert plain["least_energy_j"][0] >= -0.05 and np.isnan(light["least_energy_j"][0])
    both_ways_nm = 2.0 * robot.motor.coulomb_friction_nm  # of the follower, felt at the leader
    assert (plain["hysteresis_nm"] > both_ways_nm).all() and (plain["hysteresis_nm"] < 2.5 * both_ways_nm).all()
    helped = measure_free(robot, Scheme.POSITION_POSITION, 0.6)
    assert (helped["hand_torque_nm"] < 0.8 * plain["hand_torque_nm"]).all(), "friction compensation is felt"
    assert (plain["delay_s"] > 0.0).all() and (plain["delay_s"] < 0.02).all()


def test_contact_comes_through_with_the_share_of_each_scheme() -> None:
    robot = load_robot()
    stiffness = robot.stiffness_nm_rad[: robot.joints_per_arm]
    plain, light = (measure_contact(robot, s) for s in (Scheme.POSITION_POSITION, Scheme.POSITION_FORCE))
    assert (plain["force_error_share"] < 0.15).all()
    assert plain["transmitted_nm_rad"] == pytest.approx(stiffness, rel=0.1)
    assert light["transmitted_nm_rad"] == pytest.approx(0.5 * stiffness, rel=0.15)  # kappa


def test_the_table_stars_what_misses_the_suggestion() -> None:
    row = {
        "scheme": "position_force", "friction_share": 0.6, "joint": "L1", "position_error_deg": 0.5, "delay_ms": 11.0,
        "force_error_percent": 3.0, "free_torque_nm": 0.6, "hand_torque_nm": 0.7, "hysteresis_nm": 0.3,
        "transmitted_nm_rad": 40.0, "coupling_nm_rad": 60.0, "largest_quiet_wall_nm_rad": 300.0, "z_width_per_s": 500.0,
        "least_energy_j": None,
    }  # fmt: skip
    robot = load_robot()
    row["beyond"] = find_beyond(row, robot)
    assert row["beyond"] == ["delay_ms", "free_torque_nm", "transmitted_nm_rad"]
    table = make_table([row]).splitlines()
    assert table[0].count("|") == table[1].count("|") == table[2].count("|")
    assert "60 % of friction compensated" in table[2] and "11 *" in table[2] and "not observed" in table[2]
    plain = {**row, "friction_share": 0.0, "least_energy_j": -0.06, "delay_ms": 9.0, "transmitted_nm_rad": 43.0}
    assert find_beyond(plain, robot) == ["least_energy_j"]


@pytest.mark.parametrize("lag", [0.0, 2.5, 7.0])
def test_the_delay_is_found_between_ticks(lag: float) -> None:
    time = np.arange(800.0)
    assert _delay_ticks(np.sin(0.02 * time), np.sin(0.02 * (time - lag))) == pytest.approx(lag, abs=0.05)
