"""Drives of one bus as twins: both dialects through one cycle, specials, and what nobody is meant by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_drivers.bus.can_frame import EXTENDED_FLAG, BusError
from hw_drivers.bus.dialect import Special
from hw_drivers.bus.motor_buses import BusMotors, MotorBuses
from hw_drivers.bus.motor_states import ReplyError
from hw_drivers.bus.twin_drives import TwinDrives, TwinTransport
from hw_drivers.bus.wire_fault import make_fault
from hw_drivers.motors.codec_mit import ENTER, EXIT, encode_command
from hw_drivers.motors.models import MotorRange, find_range
from hw_drivers.motors.twin import TwinMotors
from studio.core.clock import SteppedClock
from studio.core.errors import ConfigError
from studio.core.protocols import TwinPorts

LEGACY = find_range("AK60-6")
V3 = replace(find_range("AK80-9", "v3"), status_feedback=True)
COMMAND = (0.5, 0.0, 40.0, 1.0, 0.25)


def make_drives(ranges: list[MotorRange]) -> TwinDrives:
    count, ids = len(ranges), list(range(1, len(ranges) + 1))
    ports = TwinPorts(np.zeros((count, 5)), np.zeros((count, 5)), np.zeros(count))
    ports.state[:, 0] = np.array(ids) / 10.0
    ports.state[:, 3] = 30.0
    return TwinDrives(TwinMotors(ports, ranges, ids), ranges, ids)


def make_buses(ranges: list[MotorRange], clock: SteppedClock) -> tuple[MotorBuses, TwinDrives, TwinTransport]:
    drives = make_drives(ranges)
    transport = TwinTransport(drives, "twin:0", clock.now_ns)
    bus = BusMotors(transport=transport, motors=range(len(ranges)), drive_ids=drives.drive_ids)
    return MotorBuses([bus], ranges, clock.now_ns), drives, transport


def test_both_dialects_on_one_bus() -> None:
    clock = SteppedClock(1)
    query = find_range("AK60-6", "v3", {"status_feedback": 0.0})  # V3 commands, MIT replies
    buses, drives, _ = make_buses([LEGACY, V3, LEGACY, query], clock)
    commands = np.tile(COMMAND, (4, 1))
    for _ in range(4):  # the first is read frame by frame, later ones at once
        clock.advance_ns(2_500_000)
        states = buses.cycle(commands, 0.0)
        assert states.valid.all() and not states.error.any()
        assert states.values[:, 0] == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-3)
    assert drives.twins.ports.command == pytest.approx(commands, abs=0.08)
    assert buses.counts[0].foreign == 0


def test_v3_drives_have_no_special_frames_and_get_a_harmless_one() -> None:
    clock = SteppedClock(1)
    buses, drives, _ = make_buses([LEGACY, V3], clock)
    ports = drives.twins.ports
    assert ports.powered.tolist() == [0.0, 1.0]
    buses.cycle(np.tile(COMMAND, (2, 1)), 0.0)
    buses.send_special(Special.ENTER, np.ones(2, dtype=bool))
    assert ports.powered.tolist() == [1.0, 1.0]
    assert ports.command[1] == pytest.approx(np.zeros(5), abs=0.02)
    buses.send_special(Special.EXIT, np.ones(2, dtype=bool))
    assert ports.powered.tolist() == [0.0, 1.0] and not ports.command[0].any()


def test_enter_and_the_first_command_may_come_together() -> None:
    drives = make_drives([LEGACY, LEGACY])
    command = encode_command(LEGACY, *COMMAND)
    replies = drives.answer([(1, ENTER), (1, command), (2, command), (9, command), (1, b"short")], 0)
    assert [can_id for can_id, _ in replies] == [1, 1, 2]
    assert drives.twins.ports.powered.tolist() == [1.0, 0.0]
    assert drives.twins.ports.command[0] == pytest.approx(COMMAND, abs=0.07)
    drives.answer([(EXTENDED_FLAG | 1, EXIT)], 0)  # an extended identifier is another drive's
    assert drives.twins.ports.powered[0] == 1.0


def test_bus_off_is_told_once_and_latched_though_the_bus_comes_back() -> None:
    clock = SteppedClock(1)
    buses, drives, transport = make_buses([LEGACY, LEGACY], clock)
    commands = np.tile(COMMAND, (2, 1))
    drives.faults.inject(make_fault("bus_off", 0, 0.01), clock.now_ns())
    for _ in range(10):
        clock.advance_ns(2_500_000)
        states = buses.cycle(commands, 0.0)
    assert states.bus_error[0] == BusError.BUS_OFF and (states.error == ReplyError.BUS).all()
    assert not states.valid.any() and buses.counts[0].error_frames == 1
    buses.clear_errors()
    clock.advance_ns(2_500_000)
    assert buses.cycle(commands, 0.0).valid.all() and transport.error is BusError.NONE


def test_a_burst_of_full_buffers_passes() -> None:
    clock = SteppedClock(1)
    buses, drives, _ = make_buses([LEGACY], clock)
    commands = np.tile(COMMAND, (1, 1))
    drives.faults.inject(make_fault("no_buffer", 0, 0.004), clock.now_ns())
    seen: list[tuple[int, bool]] = []
    for _ in range(4):
        states = buses.cycle(commands, 0.0)
        seen.append((int(states.bus_error[0]), bool(states.valid[0])))
        clock.advance_ns(2_500_000)
    assert seen == [(1, False), (1, False), (0, True), (0, True)] and buses.counts[0].refused == 2


@pytest.mark.parametrize(("ids", "said"), [((1, 1), "own id"), ((1,), "own id"), ((0, 200), "1 to 127")])
def test_wrong_ids_are_refused(ids: tuple[int, ...], said: str) -> None:
    transport = TwinTransport(make_drives([LEGACY]), "twin:0")
    with pytest.raises(ConfigError, match=said):
        MotorBuses([BusMotors(transport=transport, motors=(0, 1), drive_ids=ids)], [LEGACY, LEGACY])


def test_every_motor_is_on_exactly_one_bus() -> None:
    transport = TwinTransport(make_drives([LEGACY]), "twin:0")
    with pytest.raises(ConfigError, match="exactly one"):
        MotorBuses([BusMotors(transport=transport, motors=(0,), drive_ids=(1,))], [LEGACY, LEGACY])
