"""The vibration detector: its number, its notice once per spell, its trip, and what is recorded."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.fault import FaultCode
from studio.control.frame import Frame
from studio.control.settings import ControlSettings
from studio.control.vibration import VibrationDetector
from studio.core.protocols import STATE_VELOCITY
from studio.core.records import PairState
from tests.control.bench import Bench


def _shake(bench: Bench, motor: int, ticks: int, amplitude_rad_s: float = 2.0) -> None:
    """The drive reports a speed that goes to and fro, 50 Hz at 400 ticks per second."""
    for tick in range(ticks):
        bench.plant.reply[motor, STATE_VELOCITY] = amplitude_rad_s * np.sin(2 * np.pi * tick / 8)
        bench.ticks(1)


def test_sigma_is_the_standard_deviation_of_ten_samples() -> None:
    frame, random = Frame(8, 2), np.random.default_rng(0)
    detector, samples = VibrationDetector(frame, 10.0), []
    for _ in range(35):
        frame.measured[STATE_VELOCITY] = random.normal(size=(2, 8))
        samples.append(frame.measured[STATE_VELOCITY].copy())
        looked = detector.update()
        if looked and len(samples) >= 15:
            assert detector.sigma_rad_s == pytest.approx(np.std(samples[-10:], axis=0))
    assert max(detector.strongest_rad_s) == pytest.approx(detector.sigma_rad_s.max()) and not detector.news


def test_an_even_acceleration_is_no_vibration_but_is_measured() -> None:
    frame = Frame(8, 2)
    detector = VibrationDetector(frame, 0.7)
    for tick in range(40):
        frame.measured[STATE_VELOCITY] = 0.4 * tick
        detector.update()
    assert max(detector.strongest_rad_s) > 1.0 and not detector.news


def test_a_vibration_is_said_once_named_and_recorded() -> None:
    bench = Bench()
    bench.engage()
    bench.seconds(0.2)
    _shake(bench, 10, 80)
    text = bench.notices()
    assert text.count("vibrates") == 1 and f"{bench.robot.joint_names[2]} (follower) vibrates" in text
    row = bench.sink.control()[-1]
    assert row["vibration_rad_s"][0] > 0.7 > row["vibration_rad_s"][1] and row["coupling_scheme"] == 1
    assert bench.loop.states == [PairState.ENGAGED] * 2


def test_the_trip_latches_with_its_cause() -> None:
    bench = Bench(settings=ControlSettings(vibration_trip_rad_s=0.7))
    bench.engage()
    bench.seconds(0.2)
    _shake(bench, 1, 40)
    assert bench.loop.states[0] is PairState.FAULT
    assert bench.sink.control()[-1]["fault_code"][0] == FaultCode.VIBRATION
    assert f"{bench.robot.joint_names[1]} (leader) vibrates" in bench.loop.fault_text


def test_what_a_scheme_s_tank_holds_is_recorded() -> None:
    bench = Bench(settings=ControlSettings(scheme="position_force"))
    bench.engage()
    bench.seconds(0.1)
    row = bench.sink.control()[-1]
    assert row["coupling_scheme"] == 2 and (row["tank_energy_j"] > 0.0).all()
