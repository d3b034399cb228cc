"""Whatever a person, a drive or a bus does while a motor is commissioned: it lets go, and only sentences come out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_drivers.commissioning.discovery import discover
from hw_drivers.commissioning.link import MotorLink
from hw_drivers.commissioning.machine import CHECKS, Commissioning, Phase
from hw_drivers.commissioning.work import CommissionSettings
from hw_drivers.motors.models import find_range
from studio.core.calibration import MotorCalibration
from studio.core.clock import SteppedClock
from studio.core.errors import SafetyError
from studio.core.protocols import CanFrame
from tests.hw_drivers.test_commissioning import PASSED, Bench

ACTIONS = ("tick", "answer", "nothing", "wrong", "again", "leave", "cut", "mend", "fail", "heal", "push", "free")


def _act(bench: Bench, action: str) -> None:
    machine, drive = bench.machine, bench.drive
    if action == "answer" and machine.question is not None:
        machine.answer(bench.operator.respond(machine.question))
    elif action == "nothing" and machine.question is not None:
        machine.answer(machine.question.choices[-1])  # says done, and has done nothing
    elif action == "wrong":
        with pytest.raises(SafetyError):
            machine.answer("perhaps")
    elif action == "again":
        machine.again()
    elif action == "leave":
        machine.leave()
    elif action in ("cut", "mend"):
        drive.silent = action == "cut"
    elif action in ("fail", "heal"):
        drive.error_code = 3 if action == "fail" else 0
    elif action == "push":
        drive.joint.hand = lambda t_s: 20.0 * t_s
    elif action == "free":
        drive.joint.release()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["legacy", "v3"]),
    st.sampled_from(sorted(CHECKS)),
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 400)), max_size=25),
)
def test_chaos_on_a_twin(firmware: str, check: str, script: list[tuple[str, int]]) -> None:
    bench = Bench(firmware, check=check, before=dict(PASSED))
    for action, ticks in script:
        _act(bench, action)
        for _ in range(ticks):
            bench.machine.tick()
            assert abs(bench.drive.torque_units) < bench.machine.settings.torque_limit + 0.1
            if bench.machine.phase is Phase.RUNNING and bench.machine.gives_torque:
                assert bench.machine.step in ("torque", "gain", "current", "silence")
    bench.drive.silent, bench.drive.error_code = False, 0
    bench.machine.abort()
    assert bench.released()


class NoisyBus:
    """A bus on which anything may come."""

    def __init__(self, clock: SteppedClock, seed: int) -> None:
        self._clock, self._chance = clock, np.random.default_rng(seed)

    def send(self, frame: CanFrame) -> None: ...

    def receive(self, timeout_s: float) -> CanFrame | None:
        if timeout_s <= 0 or self._chance.random() < 0.3:
            self._clock.advance_ns(int(max(timeout_s, 0.0) * 1e9))
            return None
        self._clock.advance_ns(int(min(timeout_s, 1e-3) * 1e9))
        extended = bool(self._chance.random() < 0.5)
        number = int(self._chance.choice([0, 1, 3, 0x2901, 0x2903, 0x2C03, 0x0903, 0x803, 0x1FFFFFFF]))
        data = bytes(self._chance.integers(0, 256, int(self._chance.integers(0, 9)), dtype=np.uint8))
        data = bytes([3]) + data[1:] if data and self._chance.random() < 0.5 else data
        return CanFrame(number if extended else number & 0x7FF, data, extended, self._clock.now_ns())

    def close(self) -> None: ...


@pytest.mark.parametrize("firmware", ["legacy", "v3"])
def test_noise_on_the_bus_is_no_exception_and_no_pass(firmware: str) -> None:
    for seed in range(5):
        clock = SteppedClock()
        bus = NoisyBus(clock, seed)
        discover(bus, clock, [1, 3], listen_s=0.2, nothing_can_fall=True)
        row = find_range("AK60-6", firmware)
        calibration = MotorCalibration(joint="x", drive_id=3, model=row.model, firmware=firmware, source=row.source)
        machine = Commissioning(MotorLink(bus, clock, row, 3), CommissionSettings(), calibration, CHECKS["all"])
        for _ in range(20_000):
            if machine.phase is Phase.FINISHED:
                break
            if machine.question is not None:
                machine.answer(machine.question.choices[0])
            elif machine.phase is Phase.REFUSED:
                machine.leave()
            else:
                machine.tick()
        assert machine.phase is Phase.FINISHED and not machine.passed
        assert not {"position", "velocity", "torque", "gain"} & set(machine.calibration.steps)
