"""Disturbance and reaction-torque observers against joints whose disturbance is known."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.observer import TorqueObserver

PERIOD_S, CUTOFF_RAD_S = 0.0025, 2 * np.pi * 20.0


def _observe(push_nm: float, motor_nm: float, model_nm: float, ticks: int) -> np.ndarray:
    """A joint of 0.02 kg m2 with a constant motor torque that pushes with `push_nm` on its surroundings."""
    inertia = np.full(3, 0.02)
    observer, speed, seen = TorqueObserver(inertia, CUTOFF_RAD_S, PERIOD_S), np.zeros(3), []
    for _ in range(ticks):
        seen.append(observer.update(np.full(3, motor_nm), speed, np.full(3, model_nm)).copy())
        speed = speed + PERIOD_S * (motor_nm - model_nm - push_nm) / inertia
    return np.array(seen)


def test_it_finds_the_torque_of_an_accelerating_joint() -> None:
    seen = _observe(push_nm=0.7, motor_nm=1.5, model_nm=0.3, ticks=200)
    assert seen[-1] == pytest.approx(np.full(3, 0.7), abs=0.02)


def test_without_a_push_it_finds_nothing_however_the_joint_moves() -> None:
    assert _observe(push_nm=0.0, motor_nm=1.0, model_nm=0.2, ticks=200)[-1] == pytest.approx(np.zeros(3), abs=0.02)


def test_its_cut_off_is_its_speed() -> None:
    seen = _observe(push_nm=0.5, motor_nm=0.5, model_nm=0.0, ticks=3)
    assert seen[0] == pytest.approx(np.full(3, 0.5))  # a fresh one starts with what is left over now
    observer = TorqueObserver(np.full(1, 0.02), CUTOFF_RAD_S, PERIOD_S)
    still = np.zeros(1)
    observer.update(still, still, still)
    for _ in range(round(1.0 / CUTOFF_RAD_S / PERIOD_S)):
        observer.update(np.ones(1), still, still)
    assert observer.torque_nm[0] == pytest.approx(1.0 - np.exp(-1.0), abs=0.05)
    observer.restart()
    assert observer.update(still, still, still)[0] == 0.0
