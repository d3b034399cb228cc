"""A loop that was away for longer than the drives bear faults itself, in real time only."""

from __future__ import annotations

import time

import pytest

from studio.control.fault import FaultCode
from studio.control.lateness import Absence
from studio.core.protocols import KD, KP
from studio.core.records import PairState
from tests.control.bench import Bench


def test_a_long_absence_is_a_latched_fault_of_both_pairs_with_its_cause() -> None:
    bench = Bench()
    bench.engage()
    bench.seconds(0.5)
    bench.inputs.away_s = bench.robot.stall_limit_s + 0.1
    bench.ticks(1)
    assert all(state is PairState.FAULT for state in bench.loop.states)
    assert (bench.plant.log[-1][:, KP] == 0.0).all() and (bench.plant.log[-1][:, KD] > 0.3).all()
    record = bench.sink.control()[-1]
    assert record["fault_code"].tolist() == [FaultCode.STALLED] * 2 and record["fault_joint"].tolist() == [-1, -1]
    assert "stood still for 1100 ms" in bench.loop.fault_text
    bench.inputs.away_s = 0.0
    bench.loop.clear_fault()
    bench.ticks(3)
    assert bench.loop.states[0] is PairState.FAULT  # the dead-man is still pressed
    bench.inputs.dead_man = False
    bench.ticks(1)
    bench.loop.clear_fault()
    bench.ticks(1)
    assert bench.loop.states == [PairState.DISABLED] * 2


def test_a_short_absence_and_one_with_motors_off_change_nothing() -> None:
    bench = Bench()
    bench.ticks(3)
    bench.inputs.away_s = 10.0
    bench.ticks(1)
    assert bench.loop.states == [PairState.DISABLED] * 2
    bench.inputs.away_s = 0.0
    bench.engage()
    bench.inputs.away_s = 0.9 * bench.robot.stall_limit_s
    bench.ticks(5)
    assert bench.loop.states == [PairState.ENGAGED] * 2


def test_commands_from_before_a_stall_inside_a_tick_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.engage()
    bench.seconds(0.5)
    read = bench.plant.read

    def read_slowly(*arguments: object) -> None:
        read(*arguments)  # type: ignore[arg-type]
        bench.clock.advance_ns(int(1e9 * bench.robot.stall_limit_s) + 1_000_000)

    monkeypatch.setattr(bench.plant, "read", read_slowly)
    sent = len(bench.plant.log)
    bench.ticks(1)
    assert len(bench.plant.log) == sent


def test_absence_is_the_time_between_two_calls() -> None:
    began_s, absence = time.monotonic(), Absence()
    time.sleep(0.02)
    away_s = absence.measure_s()
    assert 0.02 <= away_s <= time.monotonic() - began_s + 0.001
    assert absence.measure_s() < away_s + time.monotonic() - began_s
