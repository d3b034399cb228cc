"""All motors of all buses behind one call: `cycle(commands) -> states`.

Everything is sent first, then what comes is collected until the deadline. Nothing raises on the way: age, sequence,
validity and error of every motor are data in the states (spec/hardware.md 4.1). Arrays are made once.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hw_drivers.bus.can_frame import (
    ERROR_FLAG,
    EXTENDED_FLAG,
    EXTENDED_MASK,
    STAMP_S,
    BusError,
    make_block,
    make_stamps,
    put_frame,
    take_frame,
    words_of,
)
from hw_drivers.bus.dialect import Special, command_can_id, drive_of, special_frame
from hw_drivers.bus.known_replies import KnownReplies, as_words
from hw_drivers.bus.motor_states import BusCounts, MotorStates, ReplyError, make_states
from hw_drivers.bus.transport import FrameTransport
from hw_drivers.motors.codec_mit import MitArrayCodec
from hw_drivers.motors.models import MotorRange
from studio.core.clock import NS_PER_S
from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray

_SPARE_ROWS = 32  # frames of strangers, duplicates and late replies that fit beside the expected ones
_NEVER_NS = 0


@dataclass(frozen=True, kw_only=True)
class BusMotors:
    """One bus and who is on it.

    Args:
        transport: open.
        motors: rows of the commands and states, in the order in which they are sent.
        drive_ids: their ids on this bus.
    """

    transport: FrameTransport
    motors: Sequence[int]
    drive_ids: Sequence[int]


@dataclass(slots=True)
class _Lane:
    """One bus's share of the blocks."""

    number: int
    transport: FrameTransport
    first: int  # of its rows of outgoing, and of its expected rows of incoming
    expected: int
    rows: list[int]  # of incoming
    motor_of_drive: dict[int, int]
    counts: BusCounts = field(default_factory=BusCounts)


class MotorBuses:
    """Every motor of a rig over its buses.

    Args:
        buses: each motor appears on exactly one of them.
        ranges: range row per motor; its firmware decides the dialect, and dialects may be mixed.
        now_ns: monotonic clock.
    """

    def __init__(
        self,
        buses: Sequence[BusMotors],
        ranges: Sequence[MotorRange],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        _check(buses, len(ranges))
        self.motors, self._now_ns = len(ranges), now_ns
        self.ranges = list(ranges)
        ids = dict(pair for bus in buses for pair in zip(bus.motors, bus.drive_ids, strict=True))
        self._codec = MitArrayCodec(ranges, [ids[motor] for motor in range(self.motors)])
        self._special = [[special_frame(row, special) for row in ranges] for special in Special]
        # Row i of the blocks is the i-th motor in sending order; frames beyond the expected ones go to spare rows.
        self._order = np.array([motor for bus in buses for motor in bus.motors])
        count = self.motors + _SPARE_ROWS * len(buses)
        self._outgoing, self._incoming, self._stamps = make_block(self.motors), make_block(count), make_stamps(count)
        self._out_data, self._in_words = words_of(self._outgoing)[:, 1], words_of(self._incoming)
        self._lanes = self._make_lanes(buses)
        self._expected = [lane.expected for lane in self._lanes]
        self._receives = [lane.transport.receive for lane in self._lanes]
        self._frames = np.zeros((self.motors, 8), dtype=np.uint8)
        self._replies = np.zeros((self.motors, 8), dtype=np.uint8)
        self._frame_words, self._reply_words = as_words(self._frames), as_words(self._replies)
        self._in_order = bool((self._order == np.arange(self.motors)).all())
        self._ordered = self._frame_words if self._in_order else np.zeros(self.motors, dtype=np.uint64)
        self._heard = np.zeros(self.motors, dtype=bool)
        self.sent_ns = _NEVER_NS  # when the commands of this cycle were handed over
        self.steady = False  # two cycles in a row were complete and nothing was wrong
        self.states = make_states(self.motors, len(buses))
        self._known = KnownReplies(self._in_words, self._stamps, self._expected, self._reply_words, self.states)

    def _make_lanes(self, buses: Sequence[BusMotors]) -> list[_Lane]:
        lanes: list[_Lane] = []
        first = 0
        for number, bus in enumerate(buses):
            expected, spare = len(bus.motors), self.motors + _SPARE_ROWS * number
            rows = [*range(first, first + expected), *range(spare, spare + _SPARE_ROWS)]
            bus.transport.attach(self._outgoing[first : first + expected], self._incoming, self._stamps, rows)
            motor_of_drive = dict(zip(bus.drive_ids, bus.motors, strict=True))
            lanes.append(_Lane(number, bus.transport, first, expected, rows, motor_of_drive))
            self._address(lanes[-1])
            first += expected
        return lanes

    # One tick.

    def cycle(self, commands: FloatArray, timeout_s: float, carried: FloatArray | None = None) -> MotorStates:
        """Send all, then collect what comes until the deadline or until every motor has answered.

        Args:
            commands: [motors, 5] position rad, velocity rad/s, Kp N*m/rad, Kd N*m*s/rad, torque N*m.
            timeout_s: longest time from sending to return.
            carried: [motors, 5] gets what the frames decode to.

        Raises:
            SafetyError: a command is not finite; nothing was sent.
        """
        self.send(commands, carried)
        return self.collect(self.sent_ns + int(timeout_s * 1e9))

    def send(self, commands: FloatArray, carried: FloatArray | None = None) -> None:
        """The first half of a cycle, for a loop that does other work while the wire is busy."""
        self._codec.encode_commands(commands, self._frames, carried)
        if not self._in_order:
            np.take(self._frame_words, self._order, out=self._ordered, mode="clip")
        self._out_data[...] = self._ordered
        self.sent_ns = self._now_ns()
        for lane in self._lanes:
            accepted = lane.transport.send(lane.expected)
            if accepted != lane.expected:
                lane.counts.refused += lane.expected - accepted

    def send_special(self, special: Special, motors: NDArray[np.bool_]) -> None:
        """Switch the motors of a mask, now; answers are collected as usual."""
        frames = self._special[special]
        for lane in self._lanes:
            chosen = [(drive, motor) for drive, motor in lane.motor_of_drive.items() if motors[motor]]
            for row, (drive, motor) in enumerate(chosen):
                put_frame(self._outgoing, lane.first + row, command_can_id(self.ranges[motor], drive), frames[motor])
            if chosen:
                lane.counts.refused += len(chosen) - lane.transport.send(len(chosen))
                self._address(lane)

    def _address(self, lane: _Lane) -> None:
        """The identifiers of all commands of a bus, in the order in which they are sent."""
        for row, (drive, motor) in enumerate(lane.motor_of_drive.items()):
            put_frame(self._outgoing, lane.first + row, command_can_id(self.ranges[motor], drive), bytes(8))

    def collect(self, deadline_ns: int = 0) -> MotorStates:
        """The second half: what has come and comes until the deadline; without one, what is there already."""
        lanes = self._lanes
        counts = [receive() for receive in self._receives]
        if counts == self._expected and self._known.take([lane.transport.offset_ns for lane in lanes], self.sent_ns):
            return self._finish(complete=True)
        self._heard[:] = False
        self.states.error.fill(ReplyError.NONE)
        clean = [self._take_rows(lane, count) for lane, count in zip(lanes, counts, strict=True)]
        if all(clean):
            self._learn()
        while 0 in self._heard.tobytes() and self._wait(deadline_ns):
            for lane in lanes:
                self._take_rows(lane, lane.transport.receive())
        return self._finish(complete=False)

    def _wait(self, deadline_ns: int) -> bool:
        """Wait for any bus to have something; False at the deadline."""
        left_ns = deadline_ns - self._now_ns()
        if left_ns <= 0:
            return False
        files = [lane.transport.fileno() for lane in self._lanes if lane.transport.error is not BusError.GONE]
        if -1 in files or not files:
            time.sleep(min(left_ns * 1e-9, 0.0005))
        else:
            select.select(files, [], [], left_ns * 1e-9)
        return True

    # The careful way, frame by frame.

    def _take_rows(self, lane: _Lane, count: int) -> bool:
        """All frames of one bus; True when they were one whole reply of every motor and nothing else."""
        clean = count == lane.expected
        for row in lane.rows[:count]:
            clean = self._take(lane, row) and clean
        return clean

    def _take(self, lane: _Lane, row: int) -> bool:
        """One frame; True when it was a reply of eight bytes, the first of its motor in this cycle."""
        can_id, data = take_frame(self._incoming, row)
        if can_id & ERROR_FLAG:
            self._take_error(lane, can_id)
            return False
        if self._is_echo(lane, can_id, data):
            lane.counts.echoed += 1
            return False
        motor = self._motor_of(lane, can_id, data)
        if motor < 0:
            lane.counts.foreign += 1
            return False
        seconds, nanoseconds = self._stamps[row, STAMP_S:].tolist()
        t_ns = seconds * NS_PER_S + nanoseconds + lane.transport.offset_ns
        return self._accept(lane, motor, data, t_ns)

    def _accept(self, lane: _Lane, motor: int, data: bytes, t_ns: int) -> bool:
        self._replies[motor, : len(data)] = np.frombuffer(data, dtype=np.uint8)
        self.states.t_ns[motor] = t_ns
        self.states.sequence[motor] += 1
        if t_ns < self.sent_ns:  # answered before it was asked: a reply to an earlier command
            lane.counts.late += 1
            self.states.error[motor] = ReplyError.LATE
            return False
        again = bool(self._heard[motor])
        self._heard[motor], self.states.error[motor] = True, ReplyError.NONE
        lane.counts.duplicates += again
        lane.counts.short += len(data) == 6
        return len(data) == 8 and not again

    def _take_error(self, lane: _Lane, can_id: int) -> None:
        lane.counts.error_frames += 1
        lane.transport.note_error_frame(can_id & EXTENDED_MASK)

    def _is_echo(self, lane: _Lane, can_id: int, data: bytes) -> bool:
        """Whether this is one of the frames sent in this cycle; some adapters give them back."""
        rows = self._outgoing[lane.first : lane.first + lane.expected]
        same = rows["can_id"] == can_id
        return bool(same.any()) and any(row.tobytes() == data for row in rows["data"][same])

    def _learn(self) -> None:
        """Remember the heads of a cycle in which every bus gave exactly one whole reply per motor."""
        rows = ((lane, row) for lane in self._lanes for row in lane.rows[: lane.expected])
        motors = [self._motor_of(owner, *take_frame(self._incoming, row)) for owner, row in rows]
        self._known.learn(motors, [self.ranges[motor].status_feedback for motor in motors])

    def _motor_of(self, lane: _Lane, can_id: int, data: bytes) -> int:
        """Whose reply this is; -1: nobody's."""
        motor = lane.motor_of_drive.get(drive_of(can_id, data), -1)
        of_status = bool(can_id & EXTENDED_FLAG)
        return motor if motor >= 0 and self.ranges[motor].status_feedback is of_status else -1

    def _finish(self, *, complete: bool) -> MotorStates:
        states = self.states
        self._codec.decode_replies(self._replies, states.values)
        np.subtract(self._now_ns(), states.t_ns, states.age_ns)
        troubled = False
        for lane in self._lanes:  # a generator costs as much as the arithmetic
            troubled = troubled or bool(lane.transport.error)
        if not (complete and self.steady):
            self._heard[...] |= complete
            self._mark()
        if troubled or not self.steady:
            self._mark_buses()
        self.steady = complete and not troubled
        return states

    def _mark(self) -> None:
        """Validity and error of every motor."""
        states = self.states
        np.copyto(states.valid, self._heard)
        states.error[self._heard] = ReplyError.NONE
        states.error[~self._heard & (states.error == ReplyError.NONE)] = ReplyError.LOST

    def _mark_buses(self) -> None:
        for lane in self._lanes:
            error = lane.transport.error
            self.states.bus_error[lane.number] = error
            if error is BusError.BUS_OFF or error is BusError.GONE:
                self._invalidate(lane)

    def _invalidate(self, lane: _Lane) -> None:
        """A bus in trouble has no valid motors, whatever still trickles in; it stays so until `clear_errors`."""
        motors = list(lane.motor_of_drive.values())
        self.states.valid[motors], self.states.error[motors] = False, ReplyError.BUS

    # Around it.

    @property
    def counts(self) -> list[BusCounts]:
        """Per bus, what else was seen."""
        return [lane.counts for lane in self._lanes]

    @property
    def names(self) -> list[str]:
        return [lane.transport.name for lane in self._lanes]

    def motors_of(self, bus: int) -> list[int]:
        return list(self._lanes[bus].motor_of_drive.values())

    def drives_of(self, bus: int) -> dict[int, int]:
        """Drive id -> motor."""
        return dict(self._lanes[bus].motor_of_drive)

    def clear_errors(self) -> None:
        for lane in self._lanes:
            lane.transport.clear_error()

    def close(self) -> None:
        for lane in self._lanes:
            lane.transport.close()


def _check(buses: Sequence[BusMotors], motors: int) -> None:
    rows = sorted(motor for bus in buses for motor in bus.motors)
    if rows != list(range(motors)):
        raise ConfigError(f"Motors {rows} are on the buses; every motor 0 to {motors - 1} must be on exactly one.")
    for bus in buses:
        ids = list(bus.drive_ids)
        if len(ids) != len(bus.motors) or len(set(ids)) != len(ids) or not all(1 <= i <= 127 for i in ids):
            raise ConfigError(
                f"Bus {bus.transport.name} has drive ids {ids} for {len(bus.motors)} motors. Give each motor its own "
                "id from 1 to 127."
            )
