"""`bench frames`: random bytes into every decoder, into drives that are off, and into the control loop as replies.

Nothing may raise anything but DataError, no decoded torque may lie beyond its full scale, no drive may switch on, and
the loop, asked to engage all the while, must not send a torque, a stiffness, a speed or an enter frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from hw_drivers.motors.codec_mit import ENTER, MitArrayCodec, decode_reply
from hw_drivers.motors.codec_servo import decode_servo, decode_status
from hw_drivers.motors.codec_uart import FrameParser
from hw_drivers.motors.models import find_range
from hw_drivers.motors.twin import TwinMotors
from hw_drivers.motors.uart_commands import decode_payload
from studio.cli.output import ProgressBar, parse_arguments, write_result
from studio.control.inputs import make_inputs
from studio.control.loop import ControlLoop
from studio.core.clock import SteppedClock
from studio.core.config import check_range
from studio.core.errors import DataError
from studio.core.geometry import FloatArray
from studio.core.protocols import KD, KP, TORQUE, VELOCITY, TwinPorts
from studio.core.records import PairState
from studio.robot.description import load_robot
from studio.robot.kinematics import Kinematics

_WIDE = 1024  # frames decoded in one call
_SCALAR_SHARE, _LOOP_SHARE = 0.05, 0.02  # of the frames; one at a time they cost a hundred times more


@dataclass(frozen=True, kw_only=True)
class FramesArguments:
    """Random frames into decoders, twins and loop."""

    frames: int = 10_000_000
    """how many 8-byte frames go through the decoders of the loop; the others get a fixed share of it"""
    seed: int = 1
    json: str | None = None
    """write the result as JSON to this path, - for standard output"""


@dataclass(slots=True)
class Tally:
    """What one part of the campaign saw."""

    frames: int = 0
    refused: int = 0  # with a DataError, as it should be
    cpu_s: float = 0.0
    most: float = 0.0  # largest torque as a share of full scale (decoders) or in N*m (twins, loop)
    violations: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        rate = self.frames / self.cpu_s if self.cpu_s else 0.0
        return {"frames": self.frames, "refused": self.refused, "frames_per_cpu_s": round(rate), "most": self.most}


class RandomPlant:
    """A `Plant` that answers with random bytes through the real codec and remembers what it was told."""

    def __init__(self, motors: int, clock: SteppedClock, generator: np.random.Generator) -> None:
        self.motors, self._clock, self._generator = motors, clock, generator
        self._codec = MitArrayCodec([find_range("AK60-6")] * motors, range(1, motors + 1))
        self._frames = np.zeros((motors, 8), dtype=np.uint8)
        self.entered, self.most = 0, 0.0
        self.special_frames = 0

    def open(self) -> None: ...

    def enable(self, motors: np.ndarray) -> None:
        self.entered += int(motors.sum())

    def disable(self, motors: np.ndarray) -> None: ...

    def read(self, states: FloatArray, t_ns: np.ndarray) -> None:
        self._frames[...] = self._generator.integers(0, 256, self._frames.shape, dtype=np.uint8)
        self._codec.decode_replies(self._frames, states)
        t_ns[...] = self._clock.now_ns()

    def send(self, commands: FloatArray, sent: FloatArray) -> None:
        self._codec.encode_commands(commands, self._frames, sent)
        self.special_frames += sum(row.tobytes()[:7] == ENTER[:7] for row in self._frames)
        # Damping towards standstill only takes energy away; all else could move a joint.
        pushing = np.abs(commands[:, TORQUE]) + commands[:, KP] + np.abs(commands[:, KD] * commands[:, VELOCITY])
        self.most = max(self.most, float(pushing.max()))

    def close(self) -> None: ...


class _NoSink:
    def write(self, stream: str, record: np.ndarray) -> None: ...


def fuzz_arrays(frames: int, generator: np.random.Generator, tell: Callable[[int], None]) -> Tally:
    """Replies, status frames and commands of both dialects, decoded for all motors at once."""
    rows = [find_range("AK60-6"), find_range("AK80-9"), find_range("AK60-6", "v3"), find_range("AK80-9", "v3")]
    rows = rows * (_WIDE // len(rows))
    codec, tally = MitArrayCodec(rows, [1] * _WIDE), Tally()
    # a status frame's 16 bits of current hold more than the drive's 60 A, and are shown as they are
    status_nm = [327.68 * (r.torque_per_current_nm_a or 0.0) for r in rows]
    full = np.array([s if r.status_feedback else r.torque_nm for r, s in zip(rows, status_nm, strict=True)])
    command_full = np.array([r.torque_nm for r in rows])
    states, commands = np.zeros((5, _WIDE)).T, np.zeros((5, _WIDE)).T
    started_s = time.process_time()
    while tally.frames < frames:
        data = generator.integers(0, 256, (_WIDE, 8), dtype=np.uint8)
        codec.decode_replies(data, states)
        codec.decode_commands(data, commands)
        share = max(float(np.abs(states[:, 2] / full).max()), float(np.abs(commands[:, 4] / command_full).max()))
        tally.most = max(tally.most, share)
        if not (np.isfinite(states).all() and np.isfinite(commands).all()) or share > 1 + 1e-9:
            tally.violations.append(f"decoded beyond full scale: {share}")
        tally.frames += _WIDE
        tell(tally.frames)
    tally.cpu_s = time.process_time() - started_s
    return tally


def _refusals(*decoders: Callable[[], object]) -> int:
    refused = 0
    for decode in decoders:
        try:
            decode()
        except DataError:
            refused += 1
    return refused


def fuzz_scalars(frames: int, generator: np.random.Generator) -> Tally:
    """The decoders of the command line, one frame of any length and id at a time."""
    legacy, tally = find_range("AK60-6"), Tally()
    noise, ids = generator.bytes(frames * 9), generator.integers(0, 1 << 29, frames).tolist()
    lengths = generator.integers(0, 9, frames).tolist()
    # the id of every second frame names a packet or a status frame, so that their decoders get beyond the first check
    packets = [0, 1, 2, 3, 4, 5, 6, 8, 0x09, 0x29, 0x2C]
    started_s = time.process_time()
    for i in range(frames):
        data, number = noise[9 * i : 9 * i + lengths[i]], ids[i] if i % 2 else packets[i // 2 % 11] << 8 | ids[i] & 0xFF
        tally.refused += _refusals(
            partial(decode_reply, legacy, data),
            partial(decode_servo, number, data),
            partial(decode_status, number, data),
        )
    tally.frames, tally.cpu_s = frames, time.process_time() - started_s
    return tally


def fuzz_serial(frames: int, generator: np.random.Generator) -> Tally:
    """Random bytes rich in head bytes through the serial parsers, and what comes out through the decoder."""
    tally = Tally()
    started_s = time.process_time()
    for firmware, head in (("legacy", 2), ("v3", 0xAA)):
        parser = FrameParser(firmware)
        noise = generator.integers(0, 256, frames * 4, dtype=np.uint8)
        noise[generator.random(len(noise)) < 0.1] = head
        for place in range(0, len(noise), 4096):
            for payload in parser.feed(noise[place : place + 4096].tobytes()):
                tally.most += 1  # frames whose random CRC happened to be right
                try:
                    decode_payload(payload, firmware)
                except DataError:
                    tally.refused += 1
        tally.refused += parser.rejected
    tally.frames, tally.cpu_s = frames, time.process_time() - started_s
    return tally


def fuzz_drives(frames: int, generator: np.random.Generator) -> Tally:
    """Random frames to legacy drives that are off: they stay off."""
    motors = 16
    ports = TwinPorts(np.zeros((motors, 5)), np.zeros((motors, 5)), np.zeros(motors))
    twins, tally = TwinMotors(ports, [find_range("AK60-6")] * motors, range(1, motors + 1)), Tally()
    replies = np.zeros((motors, 8), dtype=np.uint8)
    data = np.zeros((motors, 8), dtype=np.uint8)
    started_s = time.process_time()
    while tally.frames < frames:
        data[...] = generator.integers(0, 256, data.shape, dtype=np.uint8)
        twins.receive(data, replies)
        if ports.powered.any():
            tally.violations.append(f"a drive switched on by {data.tobytes().hex()}")
            ports.powered[:] = 0.0
        tally.frames += motors
    tally.cpu_s = time.process_time() - started_s
    return tally


def fuzz_loop(frames: int, generator: np.random.Generator) -> Tally:
    """Random replies into the real control loop while an operator presses the dead-man and asks to engage."""
    robot, clock, tally = load_robot(), SteppedClock(), Tally()
    plant = RandomPlant(2 * robot.joints, clock, generator)
    loop = ControlLoop(robot, Kinematics(robot), plant, None, clock, _NoSink())
    inputs = make_inputs(robot.pairs, robot.leader_share)
    inputs.dead_man = True
    started_s = time.process_time()
    while tally.frames < frames:
        loop.clear_fault()
        loop.engage()
        loop.tick(inputs)
        clock.advance_ns(round(1e9 * loop.period_s))
        if any(state in (PairState.ENGAGED, PairState.ALIGNING) for state in loop.states):
            tally.violations.append(f"engaged on random replies at tick {loop.tick_count}")
        tally.frames += plant.motors
    tally.cpu_s, tally.most = time.process_time() - started_s, plant.most
    if plant.entered or plant.most or plant.special_frames:
        tally.violations.append(f"{plant.entered} enter frames, gain or torque up to {plant.most:g}")
    return tally


def fuzz(frames: int, seed: int, tell: Callable[[int], None] = lambda _: None) -> dict[str, Tally]:
    """The whole campaign; each part has its own generator."""
    parts = np.random.default_rng(seed).spawn(5)
    few, fewer = max(1, int(frames * _SCALAR_SHARE)), max(1, int(frames * _LOOP_SHARE))
    return {
        "arrays": fuzz_arrays(frames, parts[0], tell),
        "scalars": fuzz_scalars(few, parts[1]),
        "serial": fuzz_serial(few, parts[2]),
        "drives_off": fuzz_drives(few, parts[3]),
        "loop": fuzz_loop(fewer, parts[4]),
    }


def run(arguments: list[str]) -> int:
    """Run the campaign; ends with code 5 when anything was violated."""
    options = parse_arguments(FramesArguments, arguments, "main.py bench frames")
    check_range("frames", "frames", options.frames, 1000, 1e10)
    bar = ProgressBar("frames", options.frames)
    parts = fuzz(options.frames, options.seed, bar.update)
    bar.close()
    violations = [{"case": name, "what": text} for name, tally in parts.items() for text in tally.violations]
    result = {
        "runs": sum(tally.frames for tally in parts.values()),
        "violations": violations[:100],
        "parts": {name: tally.to_json() for name, tally in parts.items()},
    }
    lines = [
        f"{name:<11} {tally.frames:>10} frames, {tally.refused} refused, {len(tally.violations)} violations"
        for name, tally in parts.items()
    ]
    write_result(result, options.json, text="\n".join(lines))
    return 5 if violations else 0
