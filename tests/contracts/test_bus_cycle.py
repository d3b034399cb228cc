"""One contract for every way to a bus: whatever carries the frames, `cycle` sends all and gives states as data."""

from __future__ import annotations

import importlib.util
import itertools
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from hw_drivers.bus.can_frame import BusError
from hw_drivers.bus.dialect import Special
from hw_drivers.bus.motor_buses import BusMotors, MotorBuses
from hw_drivers.bus.motor_states import MotorStates, ReplyError
from hw_drivers.bus.plant import BusPlant
from hw_drivers.bus.python_can import PythonCanTransport, open_python_can
from hw_drivers.bus.raw_can import RawCanTransport
from hw_drivers.bus.transport import FrameTransport
from hw_drivers.bus.twin_drives import TwinDrives, TwinTransport
from hw_drivers.bus.wire_fault import make_fault
from studio.core.clock import WallClock
from studio.core.errors import DeviceError, SafetyError
from studio.core.protocols import ERROR_JUMPED, STATE_ERROR, TwinPorts
from tests.hw_drivers.bus.far_end import MOTOR, FarEnd, Terminal, answer_python_can, answer_socket, make_drives
from tests.patience import PATIENCE_S, wait_for_it

DRIVE_IDS = ((1, 2, 3, 4), (5, 6, 7))  # two buses, of different size
COMMAND = (0.5, 0.0, 40.0, 1.0, 0.25)
BACKENDS = ("raw", "virtual", "slcan", "slcan_acknowledging", "udp_multicast", "twin")


@dataclass
class Line:
    """One bus of a backend: our end, the drives at the other, and what must be closed."""

    transport: FrameTransport
    drives: TwinDrives
    end: FarEnd | None = None
    closing: list[Callable[[], None]] = field(default_factory=list)


def make_line(backend: str, number: int, drive_ids: tuple[int, ...]) -> Line:
    drives = make_drives(drive_ids)
    if backend == "twin":
        return Line(TwinTransport(drives, f"twin:{number}"), drives)
    if backend == "raw":
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        end = answer_socket(drives, far)
        return Line(RawCanTransport(near, f"pair:{number}"), drives, end, [end.close, far.close])
    if backend.startswith("slcan"):
        terminal = Terminal(drives, acknowledge=backend == "slcan_acknowledging")
        bus = open_python_can("slcan", terminal.path, sleep_after_open=0.0)
        return Line(PythonCanTransport(bus, f"slcan:{terminal.path}"), drives, terminal.end, [terminal.close])
    channel = f"contract-{number}" if backend == "virtual" else f"239.74.163.{2 + number}"
    far_bus = open_python_can(backend, channel)
    end = answer_python_can(drives, far_bus, channel_echoes=backend == "udp_multicast")
    near_bus = PythonCanTransport(open_python_can(backend, channel), f"{backend}:{channel}")
    return Line(near_bus, drives, end, [end.close, far_bus.shutdown])


class Rig:
    """Seven motors on two buses of one backend."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.lines = [make_line(backend, number, ids) for number, ids in enumerate(DRIVE_IDS)]
        flat = [drive for ids in DRIVE_IDS for drive in ids]
        rows = iter(range(len(flat)))
        buses = [
            BusMotors(transport=line.transport, motors=[next(rows) for _ in ids], drive_ids=ids)
            for line, ids in zip(self.lines, DRIVE_IDS, strict=True)
        ]
        self.buses = MotorBuses(buses, [MOTOR] * len(flat))
        self.commands = np.tile(COMMAND, (self.buses.motors, 1))

    def cycle(self, timeout_s: float = PATIENCE_S):
        return self.buses.cycle(self.commands, timeout_s)

    def ports(self, bus: int) -> TwinPorts:
        return self.lines[bus].drives.twins.ports

    def until(self, reached: Callable[[], bool], what: str) -> None:
        wait_for_it(reached, what, turn=lambda: self.cycle(0.02))

    def cycle_without(self, *silent: int) -> MotorStates:
        """A cycle that all motors but these have answered; one that the machine cut short is done again."""
        valid = [motor not in silent for motor in range(self.buses.motors)]

        def only_they_answered() -> bool:
            found = self.cycle(0.1).valid
            assert not found[list(silent)].any()
            return found.tolist() == valid

        wait_for_it(only_they_answered, f"all but {silent} answer")
        return self.buses.states

    def close(self) -> None:
        self.buses.close()
        for line in self.lines:
            for close in line.closing:
                close()


@pytest.fixture(params=BACKENDS)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    if request.param == "udp_multicast" and importlib.util.find_spec("msgpack") is None:
        pytest.skip("python-can's udp_multicast needs msgpack, which is not installed")
    made = Rig(request.param)
    yield made
    made.close()


def test_a_cycle_reaches_every_motor_and_brings_its_state(rig: Rig) -> None:
    carried = np.zeros((rig.buses.motors, 5))
    states = rig.buses.cycle(rig.commands, PATIENCE_S, carried)
    assert states.valid.all() and not states.error.any() and not states.bus_error.any()
    assert states.values[:, 0] == pytest.approx(np.arange(1, 8) / 10.0, abs=2e-4)
    assert (states.values[:, 3] == 30.0).all() and (states.sequence == 1).all()
    assert (states.age_ns >= 0).all() and (states.t_ns > 0).all()
    assert carried == pytest.approx(rig.commands, abs=0.07)
    for bus in (0, 1):
        assert rig.ports(bus).command[:, :5] == pytest.approx(np.tile(COMMAND, (len(DRIVE_IDS[bus]), 1)), abs=0.07)


def test_cycles_follow_each_other_with_rising_sequence(rig: Rig) -> None:
    for turn in range(1, 30):
        for bus in (0, 1):
            rig.ports(bus).state[:, 0] = 0.01 * turn
        states = rig.cycle()
        assert states.valid.all() and (states.sequence == turn).all()
        assert states.values[:, 0] == pytest.approx(0.01 * turn, abs=2e-4)
    if rig.backend != "udp_multicast":  # unordered, and our own frames come back
        assert all(counts.foreign == counts.duplicates == counts.late == 0 for counts in rig.buses.counts)


def test_replies_that_are_all_there_are_taken_at_once(rig: Rig) -> None:
    """The two halves of a cycle, as the loop uses them: the second finds everything waiting."""
    for turn in range(1, 20):
        for bus in (0, 1):
            rig.ports(bus).state[:, 0] = 0.01 * turn + 0.001 * np.arange(len(DRIVE_IDS[bus]))
        rig.buses.send(rig.commands)
        end_s = time.monotonic() + PATIENCE_S
        while not rig.buses.collect().valid.all() and (rig.buses.states.sequence < turn).any():
            assert time.monotonic() < end_s
            time.sleep(0.002)
        states = rig.buses.states
        assert (states.sequence == turn).all()
        expected = 0.01 * turn + 0.001 * np.array([0, 1, 2, 3, 0, 1, 2])
        assert states.values[:, 0] == pytest.approx(expected, abs=2e-4)


def test_a_lost_reply_is_data_and_ages(rig: Rig) -> None:
    rig.cycle()
    rig.lines[1].drives.faults.inject(make_fault("lost_reply", 6), 0)
    states = rig.cycle_without(5)
    assert states.error[5] == ReplyError.LOST and states.sequence[5] == 1
    before = int(states.age_ns[5])
    assert rig.cycle(0.05).age_ns[5] > before
    rig.lines[1].drives.faults.clear()
    rig.until(lambda: bool(rig.buses.states.valid.all()), "the reply is back")
    assert rig.buses.states.values[5, 0] == pytest.approx(0.6, abs=2e-4)


def test_enter_frames_reach_only_the_motors_of_the_mask(rig: Rig) -> None:
    mask = np.array([True, False, False, True, False, True, False])
    rig.buses.send_special(Special.ENTER, mask)
    powered = lambda: rig.ports(0).powered.tolist() + rig.ports(1).powered.tolist()  # noqa: E731
    rig.until(lambda: powered() == [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0], "the motors are on")


@pytest.mark.parametrize("kind", ["duplicate", "echo", "short_reply", "wrong_id", "status_frames"])
def test_odd_replies_are_counted_and_never_mistaken(rig: Rig, kind: str) -> None:
    rig.cycle()
    rig.lines[0].drives.faults.inject(make_fault(kind, 0 if kind == "echo" else 3), 0)
    lost = kind in ("wrong_id", "status_frames")
    for _ in range(3):
        states = rig.cycle_without(2) if lost else rig.cycle()
        assert lost or states.valid.all()
        assert states.values[:, 0] == pytest.approx(np.arange(1, 8) / 10.0, abs=2e-4)
        assert (states.values[:, 3] == 30.0).all()  # a short reply leaves the temperature as it was
    counts = rig.buses.counts[0]

    def counted() -> int:
        known = {"duplicate": counts.duplicates + counts.late, "echo": counts.echoed, "short_reply": counts.short}
        return known.get(kind, counts.foreign)

    rig.until(lambda: counted() >= 1, "it is counted")


def test_nothing_is_sent_when_a_number_is_none(rig: Rig) -> None:
    rig.cycle()
    rig.commands[2, 4] = np.nan
    before = rig.ports(0).command.copy()
    with pytest.raises(SafetyError):
        rig.cycle()
    assert (rig.ports(0).command == before).all()


def test_a_far_end_that_has_gone_is_named_and_the_other_bus_goes_on(rig: Rig) -> None:
    if rig.backend in ("virtual", "udp_multicast"):
        pytest.skip("a multicast group and an in-process channel have no far end that could go away")
    rig.cycle()
    line = rig.lines[0]
    if rig.backend == "twin":
        line.drives.faults.inject(make_fault("unplug"), 0)
    for close in line.closing:
        close()
    line.closing.clear()
    rig.until(lambda: rig.buses.states.bus_error.tolist() == [BusError.GONE, BusError.NONE], "the bus is gone")
    states = rig.cycle_without(0, 1, 2, 3)
    assert (states.error[:4] == ReplyError.BUS).all()


def test_the_plant_opens_reads_and_names_who_is_silent(rig: Rig) -> None:
    plant = BusPlant(rig.buses, WallClock())
    plant.open()
    states, t_ns, sent = np.zeros((7, 5)), np.zeros(7, dtype=np.int64), np.zeros((7, 5))
    plant.send(rig.commands, sent)

    def all_heard() -> bool:
        plant.read(states, t_ns)
        return bool((t_ns > 0).all())

    wait_for_it(all_heard, "every motor was heard", turn=lambda: plant.send(rig.commands, sent))
    assert states[:, 0] == pytest.approx(np.arange(1, 8) / 10.0, abs=2e-4)
    rig.lines[0].drives.faults.inject(make_fault("lost_reply", 2), 0)
    with pytest.raises(DeviceError, match=r"drives \[2\]"):
        plant.open()


def test_an_angle_that_jumped_is_not_followed_until_opened_again(rig: Rig) -> None:
    """A lost sector or a wrap: the motor counts as silent, and the loop keeps its last good angle."""
    plant = BusPlant(rig.buses, WallClock())
    plant.open()
    states, t_ns, sent = np.zeros((7, 5)), np.zeros(7, dtype=np.int64), np.zeros((7, 5))

    def tick() -> None:
        plant.send(rig.commands, sent)
        time.sleep(0.005)
        plant.read(states, t_ns)

    wait_for_it(lambda: (t_ns > 0).all(), "every motor was heard", turn=tick)
    angles = itertools.cycle([12.1, 0.6])  # again and again: after a long pause of this test a jump may be a motion
    troubles: list[str] = []

    def jump() -> None:
        rig.ports(1).state[1, 0] = next(angles)
        tick()
        troubles.extend(plant.take_troubles())

    wait_for_it(lambda: troubles, "the jump is told", turn=jump)
    assert "Drive 6 on bus" in troubles[0] and "jumped by 11.50 rad" in troubles[0]
    heard_ns, kept_rad = int(t_ns[5]), float(states[5, 0])
    for _ in range(5):
        tick()
    wait_for_it(lambda: (np.delete(t_ns, 5) > heard_ns).all(), "the others are heard as before", turn=tick)
    assert t_ns[5] == heard_ns
    assert states[5, 0] == kept_rad and states[5, STATE_ERROR] == ERROR_JUMPED
    rig.ports(1).state[1, 0] = 3.0
    plant.open()
    wait_for_it(lambda: abs(states[5, 0] - 3.0) < 0.01, "the new angle is taken", turn=tick)
    assert states[5, STATE_ERROR] == 0.0
