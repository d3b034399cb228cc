"""The state machine of one pair, by table, and the dead-man."""

from __future__ import annotations

import pytest

from studio.control.states import DeadMan, HoldReason, PairMachine, Signals, worst
from studio.core.records import PairState

D, A, E, H, S, F = (
    PairState.DISABLED,
    PairState.ALIGNING,
    PairState.ENGAGED,
    PairState.HOLDING,
    PairState.STOPPED,
    PairState.FAULT,
)
GOOD = {"dead_man": True}


def _machine(state: PairState, reason: HoldReason = HoldReason.DEAD_MAN) -> PairMachine:
    machine = PairMachine()
    machine.state = state
    machine.hold_reason = reason if state is H else HoldReason.NONE
    machine.fault_code = 1 if state is F else 0
    return machine


# state before, signals, aligned, fault code, state after
TABLE = [
    (D, GOOD, True, 0, D),
    (D, {"stop": True}, True, 0, S),
    (D, {"heartbeat_late": True, "heartbeat_lost": True}, True, 0, D),
    (D, GOOD, True, 3, D),
    (A, GOOD, False, 0, A),
    (A, GOOD, True, 0, E),
    (A, {}, False, 0, H),
    (A, {"dead_man": True, "plan_hold": True}, False, 0, H),
    (A, {"dead_man": True, "stop": True}, True, 0, S),
    (A, {"heartbeat_late": True, "heartbeat_lost": True}, True, 0, S),
    (A, GOOD, True, 5, F),
    (E, GOOD, True, 0, E),
    (E, {}, True, 0, H),
    (E, {"heartbeat_late": True}, True, 0, H),
    (E, {"heartbeat_late": True, "heartbeat_lost": True}, True, 0, S),
    (E, {"dead_man": True, "stop": True}, True, 0, S),
    (E, {"dead_man": True, "plan_hold": True}, True, 0, H),
    (E, GOOD, True, 2, F),
    (E, {"dead_man": True, "stop": True}, True, 2, F),
    (H, GOOD, True, 0, E),
    (H, GOOD, False, 0, A),
    (H, {}, True, 0, H),
    (H, {"dead_man": True, "plan_hold": True}, True, 0, H),
    (H, {"stop": True}, True, 0, S),
    (H, {"heartbeat_late": True, "heartbeat_lost": True}, True, 0, S),
    (H, GOOD, True, 1, F),
    (S, GOOD, True, 0, S),
    (S, {}, True, 4, S),
    (F, GOOD, True, 0, F),
    (F, {"stop": True}, True, 0, F),
    (F, {}, True, 0, F),
]


@pytest.mark.parametrize(("before", "signals", "aligned", "fault", "after"), TABLE)
def test_transition(before: PairState, signals: dict[str, bool], aligned: bool, fault: int, after: PairState) -> None:
    machine = _machine(before)
    changed = machine.update(Signals(now_ns=7, **signals), aligned, fault, 3)
    assert machine.state is after
    assert changed is (before is not after)
    if after is F and before is not F:
        assert (machine.fault_code, machine.fault_motor) == (fault, 3)
    if before in (A, E, H) and after in (S, F):
        assert machine.off_ns == 7


@pytest.mark.parametrize(
    ("reason", "resumes"),
    [(HoldReason.REQUEST, False), (HoldReason.DEAD_MAN, True), (HoldReason.HEARTBEAT, True), (HoldReason.PLAN, True)],
)
def test_only_a_hold_by_hand_needs_engage_again(reason: HoldReason, resumes: bool) -> None:
    machine = _machine(H, reason)
    machine.update(Signals(dead_man=True), aligned=True)
    assert (machine.state is E) is resumes
    if not resumes:
        assert machine.engage(1, aligned=True) and machine.state is E


def test_engage_goes_through_aligning_when_the_arms_are_apart() -> None:
    for before in (D, S, H):
        machine = _machine(before)
        assert machine.engage(1, aligned=False) and machine.state is A
    faulty = _machine(F)
    assert not faulty.engage(1, aligned=True) and faulty.state is F


def test_a_fault_latches_and_is_cleared_only_by_hand_with_the_dead_man_released_and_the_cause_gone() -> None:
    machine = _machine(E)
    machine.update(Signals(dead_man=True), True, 1, 4)
    for _ in range(1000):
        machine.update(Signals(dead_man=True), True)
    machine.disable(5)
    assert machine.state is F
    assert not machine.clear_fault(6, dead_man_pressed=True, still_wrong=False)
    assert not machine.clear_fault(6, dead_man_pressed=False, still_wrong=True)
    assert machine.state is F and machine.fault_code == 1
    assert machine.clear_fault(6, dead_man_pressed=False, still_wrong=False)
    assert machine.state is D and machine.fault_code == 0


def test_worst_state_is_what_the_band_shows() -> None:
    assert worst([E, H]) is H and worst([H, F]) is F and worst([S, E]) is S and worst([E, E]) is E


def test_a_switch_counts_while_pressed() -> None:
    dead_man = DeadMan(latched=False)
    assert [dead_man.update(raw, False) for raw in (False, True, True, False)] == [False, True, True, False]


def test_after_a_lost_heartbeat_a_switch_must_be_seen_released() -> None:
    dead_man = DeadMan(latched=False)
    assert dead_man.update(True, False)
    assert not dead_man.update(True, True)
    assert not dead_man.update(True, False)  # came back pressed: the operator may have fainted on it
    assert not dead_man.update(False, False)
    assert dead_man.update(True, False)


def test_a_latch_holds_until_let_go() -> None:
    dead_man = DeadMan(latched=True)
    assert not dead_man.update(True, False)  # pressing alone is not enough
    dead_man.latch()
    assert dead_man.update(True, False)
    assert not dead_man.update(False, False)  # a falling edge lets go
    assert not dead_man.update(True, False)
    dead_man.latch()
    assert dead_man.update(True, False)
    assert not dead_man.update(True, True)  # a late heartbeat counts as released,
    assert dead_man.update(True, False)  # and a slow window goes on when it is back
    assert not dead_man.update(False, True)
    assert not dead_man.update(False, False)  # let go meanwhile: stays let go
    assert not dead_man.update(True, False)
