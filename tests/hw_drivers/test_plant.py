"""Twins behind bytes. The same protocol over buses: tests/contracts/test_bus_cycle.py."""

from __future__ import annotations

import numpy as np
import pytest

from hw_drivers.bus.can_bus import PythonCanBus
from hw_drivers.motors.models import find_range
from hw_drivers.motors.plant import TwinPlant
from hw_drivers.motors.twin import TwinMotors
from studio.core.clock import SteppedClock, WallClock
from studio.core.errors import DeviceError, SafetyError
from studio.core.protocols import TwinPorts

ROW = find_range("AK60-6")
MOTORS = 4
ALL = np.ones(MOTORS, dtype=bool)


def make_twin_plant() -> tuple[TwinPlant, TwinMotors, SteppedClock]:
    ports = TwinPorts(np.zeros((MOTORS, 5)), np.zeros((MOTORS, 5)), np.zeros(MOTORS))
    twins = TwinMotors(ports, [ROW] * MOTORS, range(1, MOTORS + 1))
    clock = SteppedClock()
    plant = TwinPlant(twins, clock)
    plant.open()
    return plant, twins, clock


def read(plant: TwinPlant) -> tuple[np.ndarray, np.ndarray]:
    states, t_ns = np.zeros((MOTORS, 5)), np.zeros(MOTORS, dtype=np.int64)
    plant.read(states, t_ns)
    return states, t_ns


def test_commands_reach_the_registers_quantised() -> None:
    plant, twins, _ = make_twin_plant()
    plant.enable(np.array([True, False, True, False]))
    assert twins.ports.powered.tolist() == [1.0, 0.0, 1.0, 0.0]
    commands, sent = np.tile([0.1234567, 0.5, 60.0, 1.5, 0.25], (MOTORS, 1)), np.zeros((MOTORS, 5))
    plant.send(commands, sent)
    assert (twins.ports.command == sent).all()
    assert 0 < np.abs(sent - commands).max() < 0.07
    plant.disable(ALL)
    assert not twins.ports.powered.any() and not twins.ports.command.any()


def test_replies_are_one_command_old() -> None:
    plant, twins, clock = make_twin_plant()
    zero, sent = np.zeros((MOTORS, 5)), np.zeros((MOTORS, 5))
    plant.send(zero, sent)
    twins.ports.state[:, 0] = 1.0
    clock.advance_ns(2_500_000)
    states, t_ns = read(plant)
    assert np.abs(states[:, 0]).max() < 1e-3 and (t_ns == 0).all()
    plant.send(zero, sent)
    states, t_ns = read(plant)
    assert states[:, 0] == pytest.approx(1.0, abs=2e-4) and (t_ns == 2_500_000).all()


def test_a_silent_drive_keeps_its_last_reply() -> None:
    plant, twins, clock = make_twin_plant()
    twins.silent[2] = True
    twins.ports.state[:, 0] = 0.5
    clock.advance_ns(10)
    plant.send(np.zeros((MOTORS, 5)), np.zeros((MOTORS, 5)))
    states, t_ns = read(plant)
    assert t_ns.tolist() == [10, 10, 0, 10]
    assert abs(states[2, 0]) < 1e-3 < states[1, 0]


def test_a_failed_drive_says_so_and_refuses_to_be_entered() -> None:
    plant, twins, _ = make_twin_plant()
    plant.enable(ALL)
    twins.set_error(1, 7)
    plant.enable(ALL)
    assert read(plant)[0][1, 4] == 7
    assert twins.ports.powered.tolist() == [1.0, 0.0, 1.0, 1.0]
    twins.set_error(1, 0)
    plant.enable(ALL)
    assert twins.ports.powered.all()


def test_nothing_is_sent_when_a_command_is_not_finite() -> None:
    plant, twins, _ = make_twin_plant()
    plant.enable(ALL)
    commands, sent = np.zeros((MOTORS, 5)), np.zeros((MOTORS, 5))
    commands[:, 4] = 1.0
    plant.send(commands, sent)
    commands[3, 0] = np.nan
    with pytest.raises(SafetyError):
        plant.send(commands, sent)
    assert twins.ports.command[:, 4] == pytest.approx(1.0, abs=0.01)


def test_an_absent_adapter_is_a_sentence() -> None:
    with pytest.raises(DeviceError, match="cannot be opened"):
        PythonCanBus("slcan", "/dev/there-is-no-such-adapter", WallClock())
