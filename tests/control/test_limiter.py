"""The limiter is last: whatever is asked for, what leaves is within limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.control.frame import Frame
from studio.control.limiter import Limiter
from studio.control.settings import ControlSettings
from studio.core.protocols import KD, KP, POSITION, STATE_POSITION, STATE_VELOCITY, TORQUE, VELOCITY
from studio.robot.description import load_robot

ROBOT = load_robot()
PERIOD_S = 1.0 / ROBOT.loop_rate_hz
ANY = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, float("nan"), float("inf"), float("-inf")]))


def _limiter() -> tuple[Frame, Limiter]:
    frame = Frame(ROBOT.joints, ROBOT.pairs)
    return frame, Limiter(ROBOT, ControlSettings(), PERIOD_S, frame)


def _drive_torque(frame: Frame) -> np.ndarray:
    c, m = frame.command, frame.measured
    return c[KP] * (c[POSITION] - m[STATE_POSITION]) + c[KD] * (c[VELOCITY] - m[STATE_VELOCITY]) + c[TORQUE]


def _check(frame: Frame) -> None:
    command, speed = frame.command, frame.measured[STATE_VELOCITY]
    assert np.isfinite(command).all()
    assert (command[POSITION] >= ROBOT.position_lower_rad).all() and (
        command[POSITION] <= ROBOT.position_upper_rad
    ).all()
    assert (np.abs(command[VELOCITY]) <= ROBOT.velocity_limit_rad_s).all()
    assert (command[KP] >= 0).all() and (command[KP] <= 500).all()
    assert (command[KD] >= 0).all() and (command[KD] <= 5).all()
    torque, slope = _drive_torque(frame), ROBOT.torque_limit_nm / ROBOT.no_load_speed_rad_s
    assert (torque <= np.clip(9.0 - slope * speed, 0, 9) + 1e-9).all()
    assert (torque >= np.clip(-9.0 - slope * speed, -9, 0) - 1e-9).all()
    fast = np.abs(speed) > ROBOT.velocity_limit_rad_s
    assert (torque[fast] * speed[fast] <= 1e-9).all()


@settings(max_examples=150, deadline=None)
@given(
    requested=st.lists(ANY, min_size=10, max_size=10),
    states=st.lists(st.tuples(st.floats(-3, 3), st.floats(-40, 40)), min_size=4, max_size=4),
    ticks=st.integers(1, 4),
)
def test_nothing_leaves_outside_the_limits(
    requested: list[float], states: list[tuple[float, float]], ticks: int
) -> None:
    frame, limiter = _limiter()
    for tick in range(ticks):
        values = np.resize(np.roll(requested, tick), frame.requested.shape)
        frame.requested[:] = values
        frame.measured[:2] = np.resize(np.array(states).T, frame.measured[:2].shape)
        limiter.apply()
        _check(frame)


def test_a_request_within_limits_passes_unchanged() -> None:
    frame, limiter = _limiter()
    frame.measured[STATE_POSITION] = ROBOT.home_rad
    frame.requested[POSITION] = ROBOT.home_rad + 0.01
    frame.requested[KP], frame.requested[KD], frame.requested[TORQUE] = 60.0, 1.5, 0.5
    limiter.restart()
    limiter.apply()
    assert (frame.command == frame.requested).all()


def test_set_points_never_jump() -> None:
    frame, limiter = _limiter()
    frame.measured[STATE_POSITION] = ROBOT.home_rad
    limiter.restart()
    frame.requested[KP], frame.requested[KD] = 60.0, 1.5
    before = np.tile(ROBOT.home_rad, (2, 1))
    for _ in range(20):
        frame.requested[POSITION] = ROBOT.home_rad + 1.0
        limiter.apply()
        assert (np.abs(frame.command[POSITION] - before) <= ROBOT.velocity_limit_rad_s * PERIOD_S + 1e-12).all()
        before = frame.command[POSITION].copy()


def test_stiffness_is_never_without_damping() -> None:
    frame, limiter = _limiter()
    frame.measured[STATE_POSITION] = frame.requested[POSITION] = ROBOT.home_rad
    limiter.restart()
    frame.requested[KP] = 60.0
    limiter.apply()
    assert (frame.command[KD] >= ControlSettings().least_damping_nm_s_rad).all()


def test_a_motor_with_a_senseless_request_damps_and_the_others_go_on() -> None:
    frame, limiter = _limiter()
    frame.measured[STATE_POSITION] = frame.requested[POSITION] = ROBOT.home_rad
    limiter.restart()
    frame.requested[KP], frame.requested[KD] = 60.0, 1.5
    frame.requested[POSITION, 1, 3] = np.nan
    limiter.apply()
    assert frame.command[KP, 1, 3] == 0.0 and frame.command[KD, 1, 3] > 0.5
    assert frame.command[KP, 1, 2] == 60.0


def test_aligning_is_limited_to_a_share_of_the_torque() -> None:
    frame, limiter = _limiter()
    frame.measured[STATE_POSITION] = ROBOT.home_rad
    limiter.restart()
    limiter.share_torque(slice(0, 8), 0.3)
    frame.requested[KP], frame.requested[KD] = 500.0, 1.0
    frame.requested[POSITION] = ROBOT.home_rad + 0.5
    limiter.apply()
    assert np.abs(_drive_torque(frame)).max() == pytest.approx(0.3 * 9.0)
