"""Gate rows about real drives: behaviour on silence, zero since power-up, real-time priority; and demo gains."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.drives import DriveChecks, DriveKnowledge, GainRequest
from studio.control.fault import FaultCode
from studio.control.scheme import Scheme
from studio.control.settings import ControlSettings
from studio.core.protocols import ERROR_JUMPED, KD, KP
from studio.core.records import PairState
from studio.robot.description import load_robot
from tests.control.bench import Bench

ALL = tuple(range(16))
DEMO_K, DEMO_B = 15.0, 0.5


def _bench(known: DriveKnowledge, *, realtime: bool = True) -> Bench:
    bench = Bench(drives=known)
    bench.loop.set_realtime(realtime, "Not permitted. Run `grant it`.")
    return bench


def _refusal(bench: Bench) -> str:
    bench.engage()
    assert bench.loop.states == [PairState.DISABLED] * 2
    return bench.notices()


def _row(bench: Bench, name: str) -> bool:
    return next(row.ok for row in bench.loop.gate() if row.name == name)


def test_twins_need_none_of_it() -> None:
    bench = _bench(DriveKnowledge(), realtime=False)
    bench.engage()
    assert PairState.DISABLED not in bench.loop.states


@pytest.mark.parametrize(
    ("known", "realtime", "words"),
    [
        (DriveKnowledge(real=ALL, unsafe_on_silence=(2, 9)), True, ("L3 (leader), L2 (follower)", "--check silence")),
        (DriveKnowledge(real=ALL), False, ("Real-time priority", "`grant it`")),
    ],
)
def test_full_gains_are_refused_and_demo_gains_are_not(
    known: DriveKnowledge, realtime: bool, words: tuple[str, ...]
) -> None:
    bench = _bench(known, realtime=realtime)
    bench.ticks(3)
    bench.loop.confirm_zero()
    bench.ticks(1)
    text = _refusal(bench)
    assert all(word in text for word in words) and "25 % stiffness and 33 % damping" in text
    bench.inputs.stiffness_scale, bench.inputs.damping_scale = 0.25, 0.33
    bench.engage()
    assert PairState.DISABLED not in bench.loop.states
    bench.seconds(1.0)
    assert bench.loop.states == [PairState.ENGAGED] * 2
    before = float(bench.plant.log[-1][:, KP].max())
    bench.inputs.stiffness_scale, bench.inputs.damping_scale = 1.5, 1.5  # while engaged: it stays, and that is said
    bench.inputs.scheme, bench.inputs.motion_scale = int(Scheme.FOUR_CHANNEL), 4.0
    bench.seconds(1.0)
    sent = np.array(bench.plant.log[-300:])
    assert 0.0 < before <= DEMO_K and sent[:, :, KP].max() <= DEMO_K + 1e-9 and sent[:, :, KD].max() <= DEMO_B + 1e-9
    assert bench.notices().count("Gains stay at the demo preset") == 1


def test_unknown_drives_never_see_more_than_demo_gains_right_after_the_start() -> None:
    bench = _bench(DriveKnowledge(real=ALL, unsafe_on_silence=ALL))
    bench.inputs.stiffness_scale, bench.inputs.damping_scale = 0.25, 0.33
    bench.ticks(1)
    bench.loop.confirm_zero()
    bench.engage()
    bench.seconds(1.0)
    sent = np.array(bench.plant.log)
    assert sent[:, :, KP].max() > 1.0 and sent[:, :, KP].max() <= DEMO_K + 1e-9


def test_the_zero_is_confirmed_by_a_person_and_forgotten_by_a_motor_that_was_silent() -> None:
    bench = _bench(DriveKnowledge(real=ALL))
    assert "L1 (leader), L2 (leader) and 14 more was not checked since power-up" in _refusal(bench)
    bench.plant.silent[5] = True
    bench.ticks(8)
    bench.loop.confirm_zero()  # does not count for a motor that does not answer
    bench.ticks(1)
    bench.plant.silent[5] = False
    bench.ticks(8)
    assert not _row(bench, "zero")
    bench.loop.confirm_zero()
    bench.ticks(1)
    assert _row(bench, "zero")
    bench.engage()
    assert PairState.DISABLED not in bench.loop.states
    bench.plant.silent[5] = True
    bench.ticks(8)
    assert bench.loop.states[1] is PairState.FAULT and not _row(bench, "zero")


def test_the_zero_is_forgotten_when_the_loop_was_away_for_long() -> None:
    bench = _bench(DriveKnowledge(real=ALL))
    bench.ticks(3)
    bench.loop.confirm_zero()
    bench.ticks(1)
    assert _row(bench, "zero")
    bench.inputs.away_s = 0.9
    bench.ticks(1)
    assert _row(bench, "zero")
    bench.inputs.away_s = 1.1
    bench.ticks(1)
    bench.inputs.away_s = 0.0
    bench.ticks(1)
    assert not _row(bench, "zero")


@pytest.mark.parametrize("scale", [-1.0, float("nan"), 0.0])
def test_a_scale_that_says_nothing_is_the_settings_own(scale: float) -> None:
    robot = load_robot()
    settings = ControlSettings(motion_scale=2.0)
    checks = DriveChecks(robot, settings, DriveKnowledge(real=ALL, unsafe_on_silence=ALL), str)
    asked = GainRequest(stiffness=0.1, damping=0.1, motion_scale=scale)
    assert not checks.is_demo(asked) and checks.allowed(asked).motion_scale == 1.0


def test_motors_that_were_never_zeroed_cannot_be_confirmed() -> None:
    bench = _bench(DriveKnowledge(real=ALL, never_zeroed=(12,)))
    bench.ticks(3)
    bench.loop.confirm_zero()
    assert "R1 (follower) was never set" in _refusal(bench)


def test_a_jump_is_named_and_ends_the_confirmation_of_that_motor() -> None:
    bench = _bench(DriveKnowledge(real=ALL))
    bench.ticks(3)
    bench.loop.confirm_zero()
    bench.engage()
    bench.seconds(0.5)
    bench.plant.error[10] = ERROR_JUMPED
    bench.ticks(2)
    record = bench.sink.control()[-1]
    assert record["fault_code"][0] == FaultCode.JUMPED and record["fault_joint"][0] == 2
    assert "L3 (follower) changed its angle faster" in bench.loop.fault_text
    bench.plant.error[10] = 0.0
    bench.ticks(3)
    assert not _row(bench, "zero")
