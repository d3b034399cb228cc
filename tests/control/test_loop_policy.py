"""The loop on a small plant while a planner or a skill drives: ramps, holds, shares of the limits, taking over."""

from __future__ import annotations

import numpy as np
import pytest

from studio.core.protocols import POSITION
from studio.core.records import Driver, PairState
from studio.ipc.channels import make_target_slot
from tests.control.bench import Bench

LEADERS, FOLLOWERS = slice(0, 8), slice(8, 16)


def _all(bench: Bench, state: PairState) -> bool:
    return bench.loop.states == [state] * bench.robot.pairs


def _target(bench: Bench, velocity: float = 0.0, *, valid_s: float = 0.3, hold: int = 0) -> np.ndarray:
    target = make_target_slot(8).empty()[0]
    target["t_ns"] = bench.clock.now_ns()
    target["position_rad"], target["velocity_rad_s"] = bench.robot.home_rad, velocity
    target["ramp_end_ns"] = target["t_ns"] + 10_000_000
    target["valid_until_ns"] = target["t_ns"] + int(valid_s * 1e9)
    target["plan_id"], target["goal_id"], target["hold"] = 7, 3, hold
    return target


def test_a_policy_drives_along_its_ramp_then_the_last_is_kept_then_the_arms_hold() -> None:
    bench = Bench()
    bench.loop.set_driver(Driver.PLANNER)
    bench.engage()
    assert _all(bench, PairState.HOLDING)  # nothing to follow yet
    bench.inputs.target = _target(bench)
    bench.seconds(0.5)
    bench.inputs.target = _target(bench, 0.8)
    bench.ticks(1)
    assert _all(bench, PairState.ENGAGED)
    row = bench.sink.control()[-1]
    assert row["driver"] == Driver.PLANNER and row["plan_id"] == 7 and row["goal_id"] == 3
    bench.ticks(3)
    assert bench.plant.log[-1][FOLLOWERS, POSITION] == pytest.approx(bench.robot.home_rad + 0.8 * 0.0075)
    bench.ticks(40)  # 100 ms: far beyond the ramp
    assert bench.plant.log[-1][FOLLOWERS, POSITION] == pytest.approx(bench.robot.home_rad + 0.8 * 0.010)
    assert (bench.plant.log[-1][FOLLOWERS, 1] == 0).all() and _all(bench, PairState.ENGAGED)
    bench.ticks(100)
    assert _all(bench, PairState.HOLDING) and "No valid plan" in bench.notices()
    held = bench.plant.log[-1][FOLLOWERS, POSITION].copy()
    bench.seconds(2.0)
    assert _all(bench, PairState.HOLDING) and (bench.plant.log[-1][FOLLOWERS, POSITION] == held).all()
    bench.inputs.target = _target(bench)
    bench.ticks(1)
    assert _all(bench, PairState.ENGAGED)


def test_a_target_marked_hold_holds_and_the_dead_man_outranks_the_planner() -> None:
    bench = Bench(latched=False)
    bench.loop.set_driver(Driver.SKILL)
    bench.inputs.target = _target(bench, valid_s=100.0)
    bench.engage()
    bench.ticks(5)
    assert _all(bench, PairState.ENGAGED)
    bench.inputs.target = _target(bench, valid_s=100.0, hold=1)
    bench.clock.advance_ns(1)
    bench.inputs.target["t_ns"] += 1
    bench.ticks(2)
    assert _all(bench, PairState.HOLDING)
    bench.inputs.target = _target(bench, valid_s=100.0)
    bench.ticks(1)
    assert _all(bench, PairState.ENGAGED)
    bench.inputs.dead_man = False
    bench.ticks(1)
    assert _all(bench, PairState.HOLDING)


def test_a_planner_may_use_only_its_share_of_torque_and_speed_and_a_person_all_of_it() -> None:
    bench = Bench()
    bench.loop.set_policy_limits(torque_share=0.3, speed_share=0.1)
    bench.loop.set_driver(Driver.PLANNER)
    bench.inputs.target = _target(bench, valid_s=100.0)
    bench.engage()
    bench.ticks(200)
    assert _all(bench, PairState.ENGAGED)
    far = _target(bench, valid_s=100.0)
    far["position_rad"] += 0.6
    bench.inputs.target = far
    before = bench.plant.log[-1][FOLLOWERS, POSITION].copy()
    bench.ticks(10)
    limit_rad_s = 0.1 * bench.robot.velocity_limit_rad_s
    steps = np.diff([before, *(row[FOLLOWERS, POSITION] for row in bench.plant.log[-10:])], axis=0)
    assert np.abs(steps).max() == pytest.approx(limit_rad_s * bench.loop.period_s, rel=1e-6)
    bench.plant.external_nm[FOLLOWERS] = -2.4  # something in the way: the planner presses with its share only
    for _ in range(40):
        bench.ticks(10)
        most_nm = np.abs(bench.plant.torque[FOLLOWERS]).max()
        assert most_nm <= 0.33 * bench.robot.torque_limit_nm  # the limit holds at the start of a period
    assert np.abs(bench.plant.torque[FOLLOWERS]).max() > 0.2 * bench.robot.torque_limit_nm
    bench.plant.external_nm[FOLLOWERS] = 0.0
    bench.seconds(0.5)
    bench.plant.hand_rad = bench.plant.position[LEADERS].copy()
    bench.loop.set_driver(Driver.OPERATOR)
    bench.seconds(2.0)
    assert _all(bench, PairState.ENGAGED)
    for share in (0.25, 0.5, 0.75, 1.0):
        bench.plant.external_nm[FOLLOWERS] = -4.0 * share
        bench.seconds(0.3)
    bench.seconds(1.0)
    assert np.abs(bench.plant.torque[FOLLOWERS]).max() > 0.35 * bench.robot.torque_limit_nm


def test_while_a_planner_drives_the_leader_follows_and_taking_over_does_not_jump() -> None:
    bench = Bench()
    bench.loop.set_driver(Driver.PLANNER)
    bench.inputs.target = _target(bench)
    bench.engage()
    for _ in range(200):
        last = bench.inputs.target["position_rad"].copy()
        bench.inputs.target = _target(bench, 0.2)
        bench.inputs.target["position_rad"] = last + 0.2 * 0.0025
        bench.ticks(1)
    apart = np.abs(bench.plant.position[LEADERS] - bench.plant.position[FOLLOWERS]).max()
    assert apart < 0.1
    bench.loop.set_driver(Driver.OPERATOR)
    bench.ticks(1)
    assert _all(bench, PairState.ENGAGED)
    before = bench.plant.velocity[FOLLOWERS].copy()
    bench.seconds(0.3)
    assert np.abs(bench.plant.velocity[FOLLOWERS]).max() < np.abs(before).max() + 0.1
