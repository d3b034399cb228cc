"""The tick's kernels give the bits of the NumPy code, over the whole range and beyond it, tick after tick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio.control.estimator import ContactEstimator
from studio.control.frame import FOLLOWER, Frame
from studio.control.limiter import Limiter
from studio.control.passivity import PassivityObserver
from studio.control.settings import ControlSettings
from studio.control.stream import ControlRecord, make_streams
from studio.control.watch import Watch
from studio.core import kernel
from studio.core.geometry import FloatArray
from studio.core.kernel import NativeBuild, tick_build
from studio.core.protocols import KD, KP, POSITION, STATE_ERROR, STATE_POSITION, STATE_TEMPERATURE, STATE_VELOCITY
from studio.robot.description import load_robot
from studio.robot.kinematics import Kinematics

pytestmark = pytest.mark.skipif(tick_build().library is None, reason=tick_build().reason or "there is a library")

ROBOT, SETTINGS, PERIOD_S = load_robot(), ControlSettings(), 1 / 400
KINEMATICS = Kinematics(ROBOT)
SHAPE = (5, 2, ROBOT.joints)
SPECIAL = np.array([0.0, -0.0, 15.0, -15.0, 9.0, 5.0, np.nan, np.inf, -np.inf, 1e300, -1e300, 5e-324])
RUNS, TICKS = 40, 6


class Parts:
    """The parts of a loop that have kernels, on a frame of their own; `numpy_only` is the reference."""

    def __init__(self, *, numpy_only: bool) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if numpy_only:
                patch.setattr(kernel, "tick_build", lambda: NativeBuild(library=None, reason="for comparison"))
            self.frame = frame = Frame(ROBOT.joints, ROBOT.pairs)
            self.limiter = Limiter(ROBOT, SETTINGS, PERIOD_S, frame)
            self.observer = PassivityObserver(SETTINGS, PERIOD_S, frame)
            self.estimator = ContactEstimator(ROBOT, KINEMATICS, SETTINGS, PERIOD_S, frame)
            self.watch = Watch(ROBOT, SETTINGS, PERIOD_S, frame)
            record = make_streams(ROBOT, world=False)[0]
            self.record = ControlRecord(record, frame, {"contact_force_n": self.estimator.force_n})


def both() -> tuple[Parts, Parts]:
    return Parts(numpy_only=False), Parts(numpy_only=True)


def bits(*arrays: FloatArray) -> bytes:
    """Bytes in which all NaNs, and both zeros, are the same."""
    return b"".join((np.where(np.isnan(a), np.nan, a) + 0.0).tobytes() for a in arrays)


def draw(random: np.random.Generator, *, wild: bool) -> FloatArray:
    """Values of one tick [5, sides, joints]; wild ones are here and there no numbers, or far too large ones."""
    values = random.uniform(-1.0, 1.0, SHAPE) * random.choice([0.05, 3.0, 60.0])
    if wild:
        odd = random.random(SHAPE) < random.choice([0.02, 0.3])
        values[odd] = random.choice(SPECIAL, int(odd.sum()))
    return values


def draw_gentle(random: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Measured values and requests that mostly need no exact rule for the torque."""
    measured, requested = random.uniform(-0.9, 0.9, (2, *SHAPE))
    requested[POSITION] = measured[STATE_POSITION] + random.uniform(-0.03, 0.03, SHAPE[1:])
    requested[KP], requested[KD] = random.uniform(0.0, 3.0, SHAPE[1:]), random.uniform(0.0, 0.5, SHAPE[1:])
    return measured, requested


def test_the_kernels_are_in_use() -> None:
    ours, reference = both()
    assert ours.limiter._limit_commands is not None
    assert ours.observer._sum_energy is not None
    assert ours.estimator._filter is not None
    assert ours.estimator._find_forces is not None
    assert reference.limiter._limit_commands is None
    assert reference.observer._sum_energy is None
    assert reference.estimator._filter is None


def test_limits() -> None:
    random, exact = np.random.default_rng(1), 0
    for run in range(RUNS):
        parts = ours, reference = both()
        shares = random.uniform(0.6, 1.0, 2)
        for _ in range(TICKS):
            measured, requested = draw_gentle(random) if run % 2 else (draw(random, wild=True), draw(random, wild=True))
            if random.random() < 0.2:
                requested[KP, 0] = 0.0  # a side that is idle
            for part in parts:
                part.frame.measured[:], part.frame.requested[:] = measured, requested
                part.limiter.share_torque(part.frame.spans[0], shares[0])
                part.limiter.share_speed(part.frame.spans[1], shares[1])
            assert ours.limiter._limit_commands is not None
            with np.errstate(all="ignore"):
                passed = [bool(ours.limiter._limit_commands.run()), reference.limiter._apply()]
                assert passed[0] is passed[1]
                assert bits(ours.frame.command) == bits(reference.frame.command)
                for part in parts:
                    part.limiter.apply()  # the tick after, with the exact rule
            exact += not passed[0]
            assert bits(ours.frame.command, ours.limiter._before_rad, ours.limiter._low) == bits(
                reference.frame.command, reference.limiter._before_rad, reference.limiter._low
            )
    assert 0.2 < exact / (RUNS * TICKS) < 0.8  # both ways were tried


def test_no_command_leaves_the_limits_whatever_is_asked() -> None:
    random, part = np.random.default_rng(2), Parts(numpy_only=False)
    low, high = part.limiter._low, part.limiter._high
    for _ in range(RUNS * TICKS):
        part.frame.measured[:], part.frame.requested[:] = draw(random, wild=True), draw(random, wild=True)
        with np.errstate(all="ignore"):
            part.limiter.apply()
        command = part.frame.command
        assert np.isfinite(command).all()
        assert (command[:KP] >= low[:KP]).all()
        assert (command[KP : KD + 1] >= 0.0).all()
        assert (command <= high).all()


def test_energy() -> None:
    random = np.random.default_rng(3)
    for run in range(RUNS):
        parts = ours, reference = both()
        for _ in range(TICKS):
            measured, sent = draw(random, wild=run % 3 == 0), draw(random, wild=run % 3 == 0)
            observe, share = (random.random(2) < 0.8).tolist(), float(random.random())
            with np.errstate(all="ignore"):
                for part in parts:
                    part.frame.measured[:], part.frame.sent[:] = measured, sent
                    part.observer.update(observe, share)
            for name in ("energy_left_j", "damping_nm_s_rad"):
                found = [np.array(getattr(part.observer, name)) for part in parts]
                assert bits(found[0]) == bits(found[1])
            assert bits(ours.observer._ruling, ours.observer._position) == bits(
                reference.observer._ruling, reference.observer._position
            )


def test_energy_with_a_lever_is_left_to_numpy() -> None:
    random, parts = np.random.default_rng(4), both()
    for part in parts:
        part.observer.set_lever(1.5, np.full(ROBOT.joints, 0.1))
    for _ in range(TICKS):
        measured, sent = random.uniform(-1, 1, (2, *SHAPE))
        for part in parts:
            part.frame.measured[:], part.frame.sent[:] = measured, sent
            part.observer.update([True, True], 1.0)
        assert parts[0].observer.energy_left_j == parts[1].observer.energy_left_j


def test_contact_force() -> None:
    random = np.random.default_rng(5)
    for _ in range(RUNS):
        parts = ours, reference = both()
        for tick in range(TICKS):
            measured = draw(random, wild=False)
            for part in parts:
                part.frame.measured[:] = measured
                if tick == 3:
                    part.estimator.restart()
                part.estimator.update()
            assert bits(ours.estimator.torque_nm) == bits(reference.estimator.torque_nm)
            # sin and cos are those of the C library in both, but not every Python is linked to the same one
            force_n = [part.estimator.force_n for part in parts]
            np.testing.assert_allclose(force_n[0], force_n[1], rtol=1e-12, atol=1e-12)


def test_what_is_seen_of_trouble_and_vibration() -> None:
    random, troubles = np.random.default_rng(7), 0
    for run in range(RUNS):
        parts = ours, reference = both()
        assert ours.watch._look is not None
        assert ours.watch.vibration._measure_spread is not None
        for tick in range(1, 26):  # windows of vibration are ten long
            measured = draw(random, wild=run % 3 == 0 and tick > 20)
            if run % 3:
                measured[[STATE_ERROR, STATE_TEMPERATURE]] = [[[0.0]], [[30.0]]]
                measured[STATE_POSITION] = ROBOT.home_rad
                measured[STATE_VELOCITY] = random.uniform(-1.5, 1.5, SHAPE[1:])
            heard = random.random(2 * ROBOT.joints) < (0.7 if run % 3 == 2 else 1.0)
            for part in parts:
                part.frame.measured[:] = measured
                part.frame.t_ns[heard] = tick * 2_500_000
                with np.errstate(all="ignore"):
                    part.watch.update()
            for name in ("late", "code", "motor", "_dirty"):
                assert getattr(ours.watch, name) == getattr(reference.watch, name), name
            assert ours.watch.value == pytest.approx(reference.watch.value, nan_ok=True, abs=0.0)
            assert (ours.watch._missed == reference.watch._missed).all()
            assert ours.watch.silent_motors() == reference.watch.silent_motors()
            vibrations = [part.watch.vibration for part in parts]
            assert bits(vibrations[0].sigma_rad_s) == bits(vibrations[1].sigma_rad_s)
            assert bits(np.array(vibrations[0].strongest_rad_s)) == bits(np.array(vibrations[1].strongest_rad_s))
            assert repr(vibrations[0].news) == repr(vibrations[1].news)  # may hold a NaN
            troubles += ours.watch._dirty
    assert 0.2 < troubles / (RUNS * 25) < 0.8


def test_the_record() -> None:
    random, parts = np.random.default_rng(6), both()
    assert parts[0].record._fill_record is not None
    assert parts[1].record._fill_record is None
    for _ in range(RUNS):
        columns = [draw(random, wild=True) for _ in range(3)]
        columns[0][STATE_ERROR] = random.integers(0, 256, SHAPE[1:])
        now_ns, ages_ns = int(random.integers(1 << 40)), random.integers(-(10**9), 1 << 40, 2 * ROBOT.joints)
        force_n = random.uniform(-50.0, 50.0, (ROBOT.pairs, 3))
        for part in parts:
            frame = part.frame
            frame.measured[:], frame.requested[:], frame.sent[:] = columns
            frame.t_ns[:], part.estimator.force_n[:] = now_ns - ages_ns, force_n
            with np.errstate(all="ignore"):
                part.record.fill_motors(now_ns)
        rows = [part.record.array[0] for part in parts]
        for name in rows[0].dtype.names:
            assert bits(rows[0][name].astype(np.float64)) == bits(rows[1][name].astype(np.float64)), name


def test_a_force_that_is_no_number_stays_one() -> None:
    for part in both():
        part.frame.measured[STATE_POSITION, FOLLOWER, 1] = np.nan
        with np.errstate(all="ignore"):
            part.estimator.update()
        assert np.isnan(part.estimator.force_n[0]).all()


def test_arms_of_another_build_have_no_kernel() -> None:
    other = replace(ROBOT, pair_names=("A", "B", "C", "D"), joints_per_arm=2)
    frame = Frame(other.joints, other.pairs)
    assert ContactEstimator(other, KINEMATICS, SETTINGS, PERIOD_S, frame)._find_forces is None
