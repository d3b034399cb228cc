"""The fault campaign itself: what it finds when all is well, and that it does find what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.fault_cases import CASES, FaultCase, Outcome
from benchmarks.fault_rig import SteppedRig
from benchmarks.fault_run import FaultRun, RunResult, reset
from benchmarks.faults import summarise
from studio.core.records import PairState
from studio.robot.description import Robot, load_robot


def case(name: str) -> FaultCase:
    return next(c for c in CASES if c.name == name)


def run_once(robot: Robot, chosen: FaultCase, state: PairState, bus: int = 2) -> RunResult:
    rig = SteppedRig(robot)
    result = FaultRun(rig, bus, 2).run(chosen, state, "in_process")
    rig.close()
    return result


def test_every_fault_of_the_catalogue_has_a_case_and_runs_are_enough() -> None:
    assert len({c.name for c in CASES}) == len(CASES)
    assert len(CASES) * len(PairState) * 3 >= 400


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("lost reply", Outcome.STOPPED),
        ("duplicate", Outcome.TOLERATED),
        ("sector jump", Outcome.STOPPED),
        ("host stall 100 ms", Outcome.STOPPED),
        ("torque persists after silence", Outcome.NEEDS_LAYER_4),
    ],
)
def test_coupled_arms(name: str, outcome: Outcome) -> None:
    result = run_once(load_robot(), case(name), PairState.ENGAGED)
    assert result.outcome is outcome and result.wrong == []
    if name == "lost reply":
        assert result.stop_ms == pytest.approx(10.0) and result.damping_ms == pytest.approx(2.5)
    if name == "host stall 100 ms":
        assert result.stall_ms is not None and 20.0 < result.stall_ms <= 25.0


def test_motors_that_are_off_stay_off() -> None:
    result = run_once(load_robot(), case("adapter unplugged"), PairState.DISABLED)
    assert result.outcome is None and result.wrong == []


def test_slow_time_outs_and_wrong_expectations_are_found() -> None:
    robot = load_robot()
    slow = replace(robot, timeouts=replace(robot.timeouts, motor_late_ticks=4, motor_dead_ticks=9))
    wrong = run_once(slow, case("lost reply"), PairState.ENGAGED).wrong
    assert any("damping only after 4 ticks" in text for text in wrong)
    assert any("stopped after 9 ticks" in text for text in wrong)
    harmless = replace(case("duplicate"), expected=(Outcome.STOPPED,))
    result = run_once(robot, harmless, PairState.ENGAGED)
    assert "tolerated, expected stopped" in result.wrong[0]
    assert len(summarise([result])["violations"]) == len(result.wrong)


def test_a_rig_can_be_used_again() -> None:
    rig = SteppedRig(load_robot())
    for _ in range(2):
        result = FaultRun(rig, 0, 2).run(case("bus-off then restart"), PairState.ENGAGED, "in_process")
        assert result.outcome is Outcome.STOPPED and result.wrong == []
        reset(rig)
        assert rig.loop.states == [PairState.DISABLED] * 2
    rig.close()
