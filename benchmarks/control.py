"""`bench control`: CPU time of the whole 16-motor cycle, ours against the same cycle with python-can, in one run.

Both sides speak 16-byte `struct can_frame`s over datagram socket pairs, one per arm, because not every kernel has
SocketCAN; a socket pair costs about what a raw CAN socket costs. The drives' end is played outside the timed part. Both
get the same replies, and before anything is timed both must send the same commands. Time is one period a tick for the
drives and the loop, so what is sent does not depend on how fast the machine runs the ticks.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from benchmarks.control_peer import PlainCycle
from hw_drivers.bus.can_frame import make_block, put_frame
from hw_drivers.bus.motor_buses import BusMotors, MotorBuses
from hw_drivers.bus.plant import BusPlant
from hw_drivers.bus.raw_can import RawCanTransport
from hw_drivers.motors.codec_mit import MitArrayCodec
from hw_drivers.motors.models import MotorRange, find_range
from studio.cli.output import parse_arguments, write_result
from studio.control.inputs import make_inputs
from studio.control.loop import ControlLoop
from studio.control.stream import make_streams
from studio.core.clock import NS_PER_S, SteppedClock
from studio.core.config import check_range
from studio.core.errors import SafetyError
from studio.core.records import PairState
from studio.ipc.ring import RingWriter
from studio.robot.description import Robot, load_robot
from studio.robot.kinematics import Kinematics

_PHASES = 256  # of the motion that the drives report
_BLOCK_TICKS = 50  # of one side before the other takes its turn
_SETTLE_TICKS = 300


@dataclass(frozen=True, kw_only=True)
class Options:
    """The control cycle against python-can.

    Args:
        ticks: of each side that are timed.
        json_path: write the result as JSON; `-` prints it.
    """

    ticks: int = 4000
    json_path: Annotated[str | None, tyro.conf.arg(name="json")] = field(default=None)

    def __post_init__(self) -> None:
        check_range("bench control", "ticks", self.ticks, 100, 1e6)


class Drives:
    """The far ends: every arm's drives answer with the next frames of a prepared motion, and remember what they heard.

    Leaders and followers move alike, 0.02 rad around home. `clock` goes on by one period with every answer.
    """

    def __init__(self, robot: Robot, motor: MotorRange) -> None:
        per_arm, arms = robot.joints_per_arm, 2 * robot.pairs
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(arms)]
        self.near, self._far = [near for near, _ in pairs], [far for _, far in pairs]
        for far in self._far:
            far.setblocking(False)
        self.heard = [bytes(8)] * (arms * per_arm)
        self._per_arm, self._phase = per_arm, 0
        self.clock, self._period_ns = SteppedClock(), int(NS_PER_S / robot.loop_rate_hz)
        self._replies = _make_motion(robot, motor)

    def answer(self) -> None:
        """Take what was sent, and answer every drive once."""
        replies, per_arm = self._replies[self._phase % _PHASES], self._per_arm
        for arm, far in enumerate(self._far):
            with contextlib.suppress(BlockingIOError):
                while frame := far.recv(16):
                    self.heard[arm * per_arm + frame[0] - 1] = frame[8:]
            for frame in replies[arm * per_arm : (arm + 1) * per_arm]:
                far.send(frame)
        self._phase += 1
        self.clock.advance_ns(self._period_ns)

    def close(self) -> None:
        for far in self._far:
            far.close()


def _make_motion(robot: Robot, motor: MotorRange) -> list[list[bytes]]:
    count, per_arm = 2 * robot.joints, robot.joints_per_arm
    ids = [i % per_arm + 1 for i in range(count)]
    codec, states = MitArrayCodec([motor] * count, ids), np.zeros((5, count)).T
    frames, block = np.zeros((count, 8), dtype=np.uint8), make_block(1)
    motion: list[list[bytes]] = []
    for phase in range(_PHASES):
        angle = 2 * np.pi * (phase / _PHASES + np.arange(robot.joints) / robot.joints)
        states[:, 0] = np.tile(robot.home_rad + 0.02 * np.sin(angle), 2)
        states[:, 1] = np.tile(0.02 * 2 * np.pi * robot.loop_rate_hz / _PHASES * np.cos(angle), 2)
        states[:, 3] = 30.0
        codec.encode_replies(states, frames)
        replies: list[bytes] = []
        for row, drive_id in enumerate(ids):
            put_frame(block, 0, drive_id, frames[row].tobytes())
            replies.append(block.tobytes())
        motion.append(replies)
    return motion


class RingSink:
    """Publishes to one ring, as the control worker does."""

    def __init__(self, ring: RingWriter) -> None:
        self._ring = ring

    def write(self, stream: str, record: np.ndarray) -> None:
        self._ring.write(record)


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One side, ready to run: `tick` is timed, `drives` answer outside of it."""

    tick: Callable[[], None]
    exchange: Callable[[], None]
    drives: Drives
    shut: Callable[[], None]

    def close(self) -> None:
        self.drives.close()
        self.shut()

    def timed_us(self, call: Callable[[], None], ticks: int) -> float:
        """CPU time of one call in us, mean over `ticks`."""
        spent_ns = 0
        for _ in range(ticks):
            began_ns = time.thread_time_ns()
            call()
            spent_ns += time.thread_time_ns() - began_ns
            self.drives.answer()
        return spent_ns / ticks / 1e3


def make_ours(robot: Robot, motor: MotorRange, ring: RingWriter) -> Contestant:
    """The real loop on raw sockets, both pairs engaged."""
    drives, per_arm = Drives(robot, motor), robot.joints_per_arm
    buses = [
        BusMotors(
            transport=RawCanTransport(near, f"pair:{arm}"),
            motors=range(arm * per_arm, (arm + 1) * per_arm),
            drive_ids=range(1, per_arm + 1),
        )
        for arm, near in enumerate(drives.near)
    ]
    plant = BusPlant(MotorBuses(buses, [motor] * (2 * robot.joints)), drives.clock)
    loop = ControlLoop(robot, Kinematics(robot), plant, None, drives.clock, RingSink(ring))
    inputs = make_inputs(robot.pairs, robot.leader_share)
    inputs.dead_man = True
    frame = loop.frame

    def exchange() -> None:
        plant.read(frame.states, frame.t_ns)
        plant.send(frame.commands, frame.sents)

    ours = Contestant(tick=lambda: loop.tick(inputs), exchange=exchange, drives=drives, shut=plant.buses.close)
    drives.answer()
    ours.timed_us(ours.tick, 5)
    loop.engage()
    ours.timed_us(ours.tick, _SETTLE_TICKS)
    if any(state is not PairState.ENGAGED for state in loop.states):
        raise SafetyError(f"The benchmark's loop could not be engaged: {loop.take_notices()}")
    return ours


def make_peer(robot: Robot, motor: MotorRange, ring: RingWriter) -> Contestant:
    drives = Drives(robot, motor)
    plain = PlainCycle(robot, motor, drives.near, ring, make_streams(robot, world=False)[0])
    drives.answer()
    peer = Contestant(tick=plain.tick, exchange=plain.exchange, drives=drives, shut=plain.close)
    peer.timed_us(peer.tick, _SETTLE_TICKS + 5)
    return peer


def largest_difference(ours: Contestant, peer: Contestant, motor: MotorRange, ticks: int) -> int:
    """Largest difference of any field of any command in codes, over some ticks with the same replies."""
    most = 0
    for _ in range(ticks):
        for side in (ours, peer):
            side.timed_us(side.tick, 1)
        for a, b in zip(ours.drives.heard, peer.drives.heard, strict=True):
            most = max(most, *(abs(x - y) for x, y in zip(_codes(a), _codes(b), strict=True)))
    return most


def _codes(data: bytes) -> list[int]:
    word = int.from_bytes(data, "big")
    return [word >> 48, *(word >> shift & 0xFFF for shift in (36, 24, 12, 0))]


@contextlib.contextmanager
def _rings(robot: Robot) -> Iterator[list[RingWriter]]:
    record = make_streams(robot, world=False)[0]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        rings = [RingWriter(Path(folder) / name, record) for name in ("ours", "peer")]
        try:
            yield rings
        finally:
            for ring in rings:
                ring.close()


def _compare(
    ours: Contestant, peer: Contestant, part: Callable[[Contestant], Callable[[], None]], ticks: int
) -> dict[str, Any]:
    """In turn, block by block."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(-2, max(4, ticks // _BLOCK_TICKS)):
        for side, times in zip((ours, peer), found, strict=True):
            spent_us = side.timed_us(part(side), _BLOCK_TICKS)
            if number >= 0:
                times.append(spent_us)
    medians = [float(np.median(times)) for times in found]
    return {
        "ours": round(medians[0], 2),
        "peer": round(medians[1], 2),
        "peer_name": f"python-can {importlib.metadata.version('python-can')}, SocketcanBus and Messages",
        "ratio": round(medians[1] / medians[0], 3),
        "unit": "us CPU per cycle",
        "runs": len(found[0]),
        "spread": [[round(float(q), 2) for q in np.percentile(times, (25, 75))] for times in found],
    }


def run(arguments: list[str]) -> int:
    """Run the benchmark; ends with code 5 when the two sides do not command the same."""
    options = parse_arguments(Options, arguments, "main.py bench control")
    robot = load_robot()
    motor = find_range(robot.motor_model, robot.firmware)
    with _rings(robot) as (our_ring, peer_ring):
        ours, peer = make_ours(robot, motor, our_ring), make_peer(robot, motor, peer_ring)
        try:
            difference = largest_difference(ours, peer, motor, _PHASES)
            if difference > 1:
                raise SafetyError(f"Our commands and the peer's differ by {difference} codes; 1 is allowed.")
            workloads = {
                "control_cycle": _compare(ours, peer, lambda side: side.tick, options.ticks),
                "bus_only": _compare(ours, peer, lambda side: side.exchange, options.ticks),
            }
        finally:
            ours.close()
            peer.close()
    result = {"motors": 2 * robot.joints, "largest_difference_codes": difference, "workloads": workloads}
    lines = [
        f"{k:<14} ours {w['ours']:.0f} us, peer {w['peer']:.0f} us: {w['ratio']:.1f}x" for k, w in workloads.items()
    ]
    write_result(result, options.json_path, text="\n".join(lines))
    return 0
