"""The drive law alone: its equation, its limits, and that what it drives comes to rest."""

from __future__ import annotations

import numpy as np
import pytest

from studio.core.protocols import KD, KP, POSITION, TORQUE, VELOCITY, TwinPorts
from studio.robot.description import load_robot
from studio.sim.drive_law import DriveLaw

ROBOT = load_robot()
DT_S = 1 / 2000


def make_law(motors: int = 2) -> tuple[DriveLaw, np.ndarray, TwinPorts]:
    state = np.zeros((2, motors))
    ports = TwinPorts(np.zeros((5, motors)).T, np.zeros((5, motors)).T, np.ones(motors))
    return DriveLaw(ROBOT, state, DT_S), state, ports


def settle(law: DriveLaw, steps: int = 200) -> None:
    for _ in range(steps):
        law.update()


def test_it_is_the_mit_law() -> None:
    law, state, ports = make_law()
    state[:] = [[0.3, -0.2], [0.5, -1.0]]
    ports.command[:] = [[0.32, 0.6, 40.0, 1.0, 0.2], [-0.2, 0.0, 0.0, 0.5, -0.4]]
    law.load(ports)
    settle(law)
    p, v, kp, kd, t = (ports.command[:, c] for c in (POSITION, VELOCITY, KP, KD, TORQUE))
    assert law.torque_nm == pytest.approx(kp * (p - state[0]) + kd * (v - state[1]) + t)
    motor = ROBOT.motor
    friction = np.clip(state[1] / motor.friction_speed_rad_s, -1, 1) * motor.coulomb_friction_nm
    assert law.net_nm == pytest.approx(law.torque_nm - friction - motor.viscous_friction_nm_s_rad * state[1])


def test_peak_torque_and_bandwidth() -> None:
    law, _, ports = make_law()
    ports.command[:, TORQUE] = [100.0, -100.0]
    law.load(ports)
    rise: list[float] = []
    for _ in range(40):
        law.update()
        rise.append(float(law.torque_nm[0]))
    time_constant_s = (1 + int(np.argmax(np.array(rise) > 9.0 * (1 - np.exp(-1))))) * DT_S
    assert time_constant_s == pytest.approx(1 / (2 * np.pi * ROBOT.motor.torque_bandwidth_hz), abs=DT_S)
    settle(law)
    assert law.torque_nm == pytest.approx([9.0, -9.0])


def test_motors_that_are_off_or_forgotten_give_no_torque() -> None:
    law, _, ports = make_law()
    ports.command[:, TORQUE] = 2.0
    ports.powered[1] = 0.0
    law.load(ports)
    settle(law)
    assert law.torque_nm == pytest.approx([2.0, 0.0])
    ports.idle_s = ROBOT.motor.command_timeout_s + 0.001
    law.load(ports)
    settle(law)
    assert law.torque_nm == pytest.approx([0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize(("kp", "kd", "inertia_kg_m2"), [(60.0, 1.5, 0.07), (60.0, 1.2, 0.02), (25.0, 0.4, 0.0018)])
def test_a_kicked_joint_loses_its_energy(kp: float, kd: float, inertia_kg_m2: float) -> None:
    law, state, ports = make_law()
    ports.command[:, KP], ports.command[:, KD] = kp, kd
    law.load(ports)
    state[1, 0] = 0.5
    first_j = 0.5 * inertia_kg_m2 * state[1, 0] ** 2
    energy_j: list[float] = []
    for _ in range(1600):
        state[1] += law.update() / inertia_kg_m2 * DT_S
        state[0] += state[1] * DT_S
        energy_j.append(float(0.5 * inertia_kg_m2 * state[1, 0] ** 2 + 0.5 * kp * state[0, 0] ** 2))
    assert max(energy_j) < 1.5 * first_j  # the lag of the winding may give a little first
    assert energy_j[-1] < 0.01 * first_j


def test_coulomb_friction_stops_a_free_joint() -> None:
    law, state, ports = make_law()
    law.load(ports)
    state[1] = 1.0
    for _ in range(4000):
        state[1] += law.update() / 0.07 * DT_S
    assert np.abs(state[1]).max() < 1e-3
