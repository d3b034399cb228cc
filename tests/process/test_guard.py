"""The guard's judgement and what it puts on a bus."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_drivers.bus.python_can import open_python_can
from hw_drivers.motors.codec_mit import EXIT, decode_command
from hw_drivers.motors.models import find_range
from studio.core.calibration import MotorCalibration, StepResult, calibration_dir, save_calibration
from studio.core.errors import ConfigError, DeviceError
from studio.core.protocols import CanFrame
from studio.core.records import PairState, make_control_record
from studio.ipc.channels import make_guard_slot
from studio.ipc.ring import RingWriter
from studio.ipc.session import SessionFolder
from studio.ipc.slot import SlotReader
from studio.ipc.worker_link import WorkerLink
from studio.robot.description import Robot, load_robot
from studio.robot.wiring import BusWiring
from studio.workers.guard import (
    BusConfig,
    EmergencyDrive,
    EmergencyFrames,
    GuardConfig,
    GuardWorker,
    SilenceWatch,
    make_frames,
    wire_config,
    wire_robot,
)

KIND = make_control_record(joints=8, pairs=2, rate_hz=400.0)
MOTOR = find_range("AK60-6")
MS = 1_000_000


def drives(*ids: int) -> tuple[EmergencyDrive, ...]:
    return tuple(EmergencyDrive(drive_id=i, motor=MOTOR, damping_nm_s_rad=1.5) for i in ids)


class ListBus:
    """Keeps what is sent; a `dead` one refuses."""

    def __init__(self, *, dead: bool = False) -> None:
        self.sent: list[CanFrame] = []
        self.dead = dead

    def send(self, frame: CanFrame) -> None:
        if self.dead:
            raise DeviceError("Bus can1 does not send. Check its power.")
        self.sent.append(frame)

    def receive(self, timeout_s: float) -> CanFrame | None:
        del timeout_s
        return None

    def close(self) -> None: ...


def _record(t_ns: int, state: PairState) -> np.ndarray:
    record = KIND.empty()[0]
    record["t_ns"], record["pair_state"] = t_ns, state
    return record


@pytest.mark.parametrize(
    ("state", "age_ms", "silent"),
    [
        (PairState.ENGAGED, 19, False),
        (PairState.ENGAGED, 21, True),
        (PairState.HOLDING, 21, True),
        (PairState.ALIGNING, 500, True),
        (PairState.DISABLED, 500, False),
        (PairState.STOPPED, 500, False),
        (PairState.FAULT, 500, False),
    ],
)
def test_silence_counts_only_with_motors_on(state: PairState, age_ms: int, silent: bool) -> None:
    watch = SilenceWatch(0.02)
    assert watch.update(_record(10 * MS, state), (10 + age_ms) * MS) is silent
    assert watch.silent is silent


def test_arms_that_are_being_let_down_still_count() -> None:
    watch = SilenceWatch(0.02)
    watch.update(_record(10 * MS, PairState.ENGAGED), 11 * MS)
    assert watch.update(_record(100 * MS, PairState.STOPPED), 130 * MS)
    watch.update(_record(700 * MS, PairState.STOPPED), 701 * MS)
    assert not watch.update(_record(700 * MS, PairState.STOPPED), 800 * MS)


def test_no_record_is_no_silence() -> None:
    assert not SilenceWatch(0.02).update(None, 10**12)


def test_every_drive_gets_damping_and_exit_even_when_one_bus_is_dead() -> None:
    good, dead = ListBus(), ListBus(dead=True)
    frames = EmergencyFrames([(dead, drives(1, 2)), (good, drives(3, 4))])
    assert frames.send_damping() == ["Bus can1 does not send. Check its power."]
    position, velocity, kp, kd, torque = decode_command(MOTOR, good.sent[0].data)
    assert kp == 0.0 and kd == pytest.approx(1.5, abs=0.002)
    assert abs(torque) < 0.005 and abs(velocity) < 0.02 and abs(position) < 0.001
    frames.send_exit()
    assert [(f.arbitration_id, f.data == EXIT) for f in good.sent] == [(3, False), (4, False), (3, True), (4, True)]


@pytest.fixture
def link(tmp_path: Path) -> Iterator[WorkerLink]:
    session = SessionFolder(tmp_path / "session").create()
    read_in, write_in = os.pipe()
    read_out, write_out = os.pipe()
    yield WorkerLink(session, "guard", {}, read_fd=read_in, write_fd=write_out)
    for descriptor in (read_in, write_in, read_out, write_out):
        os.close(descriptor)
    session.remove()


class HandClock:
    """What the guard takes for the time: moved on by the test."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)


def test_the_guard_acts_once_per_silence_and_counts_it(link: WorkerLink, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    monkeypatch.setattr("studio.workers.guard.time", clock)
    ring, bus = RingWriter(link.session.ring_path("control"), KIND), ListBus()
    guard = GuardWorker(link, GuardConfig(damping_s=0.03), EmergencyFrames([(bus, drives(5))]), 0.02)
    slot = SlotReader(link.session.slot_path("guard"))
    ring.write(_record(clock.monotonic_ns() - 25 * MS, PairState.ENGAGED))
    for _ in range(8):
        guard.look()
        clock.now_s += 0.01
    kinds = [frame.data == EXIT for frame in bus.sent]
    assert 3 <= kinds.count(False) <= 4 and kinds.count(True) == 1 and kinds[-1]
    value = slot.read()
    assert value is not None and value["acted_count"] == 1 and value["silence_count"] == 1
    assert value.dtype == make_guard_slot().dtype
    ring.write(_record(clock.monotonic_ns(), PairState.ENGAGED))
    clock.now_s += 0.001
    guard.look()
    before = len(bus.sent)
    guard.look()
    assert len(bus.sent) == before
    slot.close()
    guard.close()
    ring.close()


def test_a_bus_without_drives_is_refused() -> None:
    with pytest.raises(ConfigError, match="no drive ids"):
        wire_config(GuardConfig(buses=(BusConfig(interface="virtual", channel="0", drive_ids=()),)), MOTOR)
    assert make_frames([]) is None


def wired(*interfaces: str, firmware: str = "legacy") -> Robot:
    robot = load_robot()
    arms = ("L leader", "R leader", "L follower", "R follower")
    buses = tuple(
        BusWiring(interface=interface, channel=f"guard-{number}", arms=(arm,), drive_ids=(11, 12, 13, 14))
        for number, (interface, arm) in enumerate(zip(interfaces, arms, strict=True))
    )
    return replace(robot, buses=buses, motor=replace(robot.motor, firmware=firmware))


@pytest.mark.parametrize("firmware", ["legacy", "v3"])
def test_the_robots_own_buses_are_reached_in_their_dialect(firmware: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    robot = wired("virtual", "slcan", "pcan", "virtual", firmware=firmware)
    scales = {"torque": {"nm_per_unit": 0.5}, "gain": {"kd_factor": 0.8}}
    steps = {name: StepResult(date="2026-11-21", numbers=numbers) for name, numbers in scales.items()}
    motor = MotorCalibration(
        joint="leader.L2",
        drive_id=12,
        model="AK60-6",
        firmware=firmware,
        source="manual",
        bus="virtual:guard-0",
        steps=steps,
    )
    save_calibration(calibration_dir(robot.name), motor)
    wiring, beyond = wire_robot(robot, 1.5)
    assert beyond == ["slcan:guard-1", "pcan:guard-2"]
    assert [bus.channel for bus, _ in wiring] == ["guard-0", "guard-3"]
    far = [open_python_can("virtual", bus.channel) for bus, _ in wiring]
    frames = make_frames(wiring)
    assert frames is not None
    assert frames.send_damping() == [] and frames.send_exit() == []
    heard = [far[0].recv(1.0) for _ in range(8)]
    assert [m.arbitration_id for m in heard[:4]] == [(0x800 | i if firmware == "v3" else i) for i in (11, 12, 13, 14)]
    assert all(m.is_extended_id is (firmware == "v3") for m in heard)
    row = find_range("AK60-6", firmware)
    kd = [decode_command(row, bytes(m.data))[3] for m in heard[:4]]
    assert kd == pytest.approx([1.5, 1.5 / 0.4, 1.5, 1.5], abs=0.003)
    exits = [bytes(m.data) for m in heard[4:]]
    assert all(
        (data == EXIT) if firmware == "legacy" else decode_command(row, data)[2:4] == (0.0, 0.0) for data in exits
    )
    frames.close()
    for bus in far:
        bus.shutdown()


def test_a_bus_that_cannot_be_opened_is_said_and_the_others_are_closed() -> None:
    good = BusConfig(interface="virtual", channel="guard-9", drive_ids=(1,))
    gone = BusConfig(interface="socketcan", channel="no-such-can", drive_ids=(1,))
    with pytest.raises(DeviceError, match="no-such-can"):
        make_frames([(good, drives(1)), (gone, drives(1))])
