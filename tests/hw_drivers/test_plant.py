"""Twins behind bytes, and the same plant protocol over a CAN bus (python-can's in-process virtual bus)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from hw_drivers.bus.can_bus import PythonCanBus
from hw_drivers.motors.codec_mit import ENTER, EXIT, Reply, encode_reply, is_special
from hw_drivers.motors.models import find_range
from hw_drivers.motors.plant import CanPlant, TwinPlant
from hw_drivers.motors.twin import TwinMotors
from studio.core.clock import SteppedClock, WallClock
from studio.core.errors import ConfigError, DeviceError, SafetyError
from studio.core.protocols import CanFrame, TwinPorts

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


def read(plant: TwinPlant | CanPlant) -> tuple[np.ndarray, np.ndarray]:
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


class EchoDrives:
    """Drives on the far end of a virtual bus, answering when asked to in the test's own thread."""

    def __init__(self, channel: str) -> None:
        self.bus = PythonCanBus("virtual", channel, WallClock())
        self.dead: set[int] = set()
        self.seen: list[CanFrame] = []

    def answer(self) -> None:
        while (frame := self.bus.receive(0.0)) is not None:
            self.seen.append(frame)
            if frame.arbitration_id not in self.dead:
                reply = Reply(frame.arbitration_id, 0.1 * frame.arbitration_id, 0.0, 0.0, 30.0, 0)
                self.bus.send(CanFrame(0, encode_reply(ROW, reply)))


class AnsweringBus(PythonCanBus):
    """A bus whose far end answers before every reception, so that no thread is needed."""

    drives: EchoDrives

    def receive(self, timeout_s: float) -> CanFrame | None:
        self.drives.answer()
        return super().receive(timeout_s)


@pytest.fixture
def wire() -> Iterator[tuple[CanPlant, EchoDrives]]:
    drives = EchoDrives("test-plant")
    bus = AnsweringBus("virtual", "test-plant", WallClock())
    bus.drives = drives
    plant = CanPlant([bus], [0] * MOTORS, range(1, MOTORS + 1), [ROW] * MOTORS, WallClock())
    yield plant, drives
    plant.close()
    drives.bus.close()


def test_can_plant_speaks_and_listens(wire: tuple[CanPlant, EchoDrives]) -> None:
    plant, drives = wire
    plant.open()
    assert [f.data for f in drives.seen] == [EXIT] * MOTORS
    plant.enable(np.array([True, False, False, False]))
    sent = np.zeros((MOTORS, 5))
    plant.send(np.tile([0.1, 0.0, 60.0, 1.5, 0.0], (MOTORS, 1)), sent)
    states, t_ns = read(plant)
    assert states[:, 0] == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=2e-4)
    assert (states[:, 3] == 30.0).all() and (t_ns > 0).all()
    assert drives.seen[MOTORS].data == ENTER and drives.seen[MOTORS].arbitration_id == 1
    assert [f.arbitration_id for f in drives.seen[MOTORS + 1 :]] == [1, 2, 3, 4]
    assert not any(is_special(f.data) for f in drives.seen[MOTORS + 1 :])


def test_a_missing_drive_is_named(wire: tuple[CanPlant, EchoDrives]) -> None:
    plant, drives = wire
    drives.dead.add(3)
    with pytest.raises(DeviceError, match=r"Drives \[3\]"):
        plant.open()


def test_frames_of_strangers_are_counted_and_ignored(wire: tuple[CanPlant, EchoDrives]) -> None:
    plant, drives = wire
    drives.bus.send(CanFrame(0x77, bytes([0x77, 1, 2, 3, 4, 5])))
    states, _ = read(plant)
    assert plant.foreign_frames == 1 and not states.any()


def test_ids_must_be_unique_on_a_bus() -> None:
    with pytest.raises(ConfigError, match="unique"):
        CanPlant([], [0, 0], [5, 5], [ROW, ROW], WallClock())


def test_an_absent_adapter_is_a_sentence() -> None:
    with pytest.raises(DeviceError, match="cannot be opened"):
        PythonCanBus("slcan", "/dev/there-is-no-such-adapter", WallClock())
