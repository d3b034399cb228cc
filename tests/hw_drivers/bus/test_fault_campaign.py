"""The fault campaign itself: what it finds when all is well, and that it does find what is wrong."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fault_cases import CASES, FaultCase, Outcome
from benchmarks.fault_rig import SteppedRig
from benchmarks.fault_run import FaultRun, RunResult, reset
from benchmarks.faults import Options, make_words, repeat_disturbed, summarise
from benchmarks.starvation import Starvation
from studio.core.errors import ConfigError
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
        ("host stall 150 ms without a guard", Outcome.STOPPED),
        ("torque persists after silence", Outcome.NEEDS_LAYER_4),
    ],
)
def test_coupled_arms(name: str, outcome: Outcome) -> None:
    result = run_once(load_robot(), case(name), PairState.ENGAGED)
    assert result.outcome is outcome and result.wrong == [] and result.recording_intact
    assert result.cause_named is result.latched is (True if outcome is Outcome.STOPPED else None)
    if name == "lost reply":
        assert result.stop_ms == pytest.approx(10.0) and result.damping_ms == pytest.approx(2.5)
    if name == "host stall 100 ms":
        assert result.stall_ms is not None and 20.0 < result.stall_ms <= 25.0


def test_motors_that_are_off_stay_off() -> None:
    result = run_once(load_robot(), case("adapter unplugged"), PairState.DISABLED)
    assert result.outcome is None and result.wrong == [] and result.recording_intact


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


def test_every_field_of_the_campaign_is_told_and_a_case_that_is_not_there_is_refused() -> None:
    right = RunResult(case("lost reply"), PairState.ENGAGED, "serial", Outcome.STOPPED, recording_intact=True)
    right.latched, right.cause_named = True, False
    summary = summarise([right, RunResult(case("lost reply"), PairState.DISABLED, "serial", recording_intact=True)])
    assert (summary["latched"], summary["cause_named"]) == ({"of": 1, "yes": 1}, {"of": 1, "yes": 0})
    assert summary["recording_intact"] == {"of": 2, "yes": 2}
    words = make_words(summary)
    assert "| lost reply |  | 1 |  |" in words and "cause named: 0 of 1" in words
    with pytest.raises(ConfigError, match=r"no case has 'lost riply' in its name. Cases: lost reply"):
        Options(case="lost riply")


def test_a_rig_can_be_used_again() -> None:
    rig = SteppedRig(load_robot())
    for _ in range(2):
        result = FaultRun(rig, 0, 2).run(case("bus-off then restart"), PairState.ENGAGED, "in_process")
        assert result.outcome is Outcome.STOPPED and result.wrong == []
        reset(rig)
        assert rig.loop.states == [PairState.DISABLED] * 2
    rig.close()


def result_of(wrong: str, disturbed: str) -> RunResult:
    result = RunResult(case("lost reply"), PairState.ENGAGED, "serial", Outcome.STOPPED, disturbed=disturbed)
    result.wrong += [wrong] if wrong else []
    return result


def test_what_the_machine_did_is_told_apart_from_what_the_product_did() -> None:
    runs = iter([result_of("late", "the loop waited"), result_of("late", "twin 2 waited"), result_of("", "")])
    right = repeat_disturbed(lambda: next(runs))
    assert right.wrong == [] and right.discarded == ["late (the loop waited)", "late (twin 2 waited)"]
    miss = repeat_disturbed(lambda: result_of("late", ""))
    assert miss.discarded == []  # the product's: never made again
    unproven = repeat_disturbed(lambda: result_of("late", "the loop waited"), attempts=3)
    assert len(unproven.discarded) == 2
    summary = summarise([right, miss, unproven])
    assert [row["what"] for row in summary["violations"]] == ["late"]
    assert summary["undecided"] == [{"case": unproven.name, "what": "late", "machine": "the loop waited"}]
    assert len(summary["discarded"]) == 4 and summary["repeated"] == 2
    assert summary["classes_of_cases"] == {"lost reply": {"stopped": 3}}


def test_one_missing_reply_before_the_fault_is_no_sign_of_it() -> None:
    rig = SteppedRig(load_robot())
    run = FaultRun(rig, 2, 2)
    records = np.zeros(9, dtype=rig.loop.record.dtype)
    records["t_ns"] = np.arange(1, 10) * 2_500_000
    records["follower_reply_age_s"][2, 1] = 0.0025  # one is borne
    for late, row in enumerate((5, 6, 7, 8), start=1):
        records["follower_reply_age_s"][row, 1] = 0.0025 * late
    assert run._first_sign(records) == 5
    rig.close()


def test_starvation_is_what_the_kernel_says_of_each_process_between_two_looks() -> None:
    starvation = Starvation({"the loop": os.getpid()}, limit_s=0.5)
    starvation.note_wake(0.2)
    starvation.look()
    assert starvation.words == "" or "waited" in starvation.words
    starvation.forget()
    starvation.note_wake(700.0)
    assert starvation.words == "the loop was woken late for 700000.0 ms"
    starvation.forget()
    starvation.note_wake(0.1)
    assert "700000" not in starvation.words
    starvation.close()
