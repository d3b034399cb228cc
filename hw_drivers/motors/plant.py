"""All motors behind the codec: twins in this process, or drives on CAN buses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hw_drivers.motors.codec_mit import ENTER, EXIT, MitArrayCodec, decode_reply, is_special
from hw_drivers.motors.models import MotorRange
from hw_drivers.motors.twin import TwinMotors
from studio.core.errors import ConfigError, DeviceError
from studio.core.geometry import FloatArray
from studio.core.protocols import STATE_ERROR, STATE_TEMPERATURE, Bus, CanFrame, Clock

_ENTER_ROW = np.frombuffer(ENTER, dtype=np.uint8)
_EXIT_ROW = np.frombuffer(EXIT, dtype=np.uint8)


class TwinPlant:
    """A `Plant` of motor twins. Every command and every reply passes through the bytes of the codec.

    A reply is made when its command arrives, so the state read in a tick is one period old, as on a bus.
    """

    def __init__(self, twins: TwinMotors, clock: Clock) -> None:
        self.motors = twins.motors
        self.twins = twins
        self._clock = clock
        self._codec = twins.codec
        self._commands = np.zeros((self.motors, 8), dtype=np.uint8)
        self._replies = np.zeros((self.motors, 8), dtype=np.uint8)
        self._fresh = np.zeros((self.motors, 8), dtype=np.uint8)
        self._reply_t_ns = np.zeros(self.motors, dtype=np.int64)

    def open(self) -> None:
        """Poll every drive once."""
        self.twins.poll(self._replies)
        self._reply_t_ns[:] = self._clock.now_ns()

    def enable(self, motors: NDArray[np.bool_]) -> None:
        self._send_special(_ENTER_ROW, motors)

    def disable(self, motors: NDArray[np.bool_]) -> None:
        self._send_special(_EXIT_ROW, motors)

    def _send_special(self, row: NDArray[np.uint8], motors: NDArray[np.bool_]) -> None:
        frames = self._commands.copy()
        frames[motors] = row
        self._exchange(frames)

    def read(self, states: FloatArray, t_ns: NDArray[np.int64]) -> None:
        self._codec.decode_replies(self._replies, states)
        t_ns[...] = self._reply_t_ns

    def send(self, commands: FloatArray, sent: FloatArray) -> None:
        self._codec.encode_commands(commands, self._commands, sent)
        self._exchange(self._commands)

    def _exchange(self, frames: NDArray[np.uint8]) -> None:
        if 1 not in self.twins.silent.tobytes():
            self.twins.receive(frames, self._replies)
            self._reply_t_ns.fill(self._clock.now_ns())
            return
        self.twins.receive(frames, self._fresh)
        answered = ~self.twins.silent
        self._replies[answered] = self._fresh[answered]
        self._reply_t_ns[answered] = self._clock.now_ns()

    def close(self) -> None:
        """Exit frames to all drives."""
        self.disable(np.ones(self.motors, dtype=bool))


class CanPlant:
    """A `Plant` of drives on one or more CAN buses; legacy dialect, replies matched on data byte 0.

    Args:
        buses: open buses.
        bus_of_motor: index into `buses` per motor.
        drive_ids: drive id per motor (unique on its bus), 1 to 255.
        ranges: range row per motor.
        clock: for the times of replies whose bus gives none.
    """

    def __init__(
        self,
        buses: Sequence[Bus],
        bus_of_motor: Sequence[int],
        drive_ids: Sequence[int],
        ranges: Sequence[MotorRange],
        clock: Clock,
    ) -> None:
        if not len(bus_of_motor) == len(drive_ids) == len(ranges):
            counts = f"{len(drive_ids)} drive ids, {len(bus_of_motor)} buses and {len(ranges)} ranges"
            raise ConfigError(f"A CAN plant was given {counts}. Give one of each per motor.")
        self._index = {key: motor for motor, key in enumerate(zip(bus_of_motor, drive_ids, strict=True))}
        if len(self._index) != len(drive_ids):
            raise ConfigError(f"Drive ids {list(drive_ids)} are not unique on their buses. Give each its own.")
        self.motors = len(drive_ids)
        self._buses, self._bus_of_motor = list(buses), list(bus_of_motor)
        self._ids, self._ranges = list(drive_ids), list(ranges)
        self._clock = clock
        self._codec = MitArrayCodec(ranges, drive_ids)
        self._frames = np.zeros((self.motors, 8), dtype=np.uint8)
        self._states = np.zeros((self.motors, 5))
        self._t_ns = np.zeros(self.motors, dtype=np.int64)
        self.foreign_frames = 0  # frames from an id nobody knows

    def open(self) -> None:
        """Drain what lies in the buffers, then ask every drive with a harmless exit frame and await its reply."""
        self._drain()
        self._t_ns[:] = 0
        self.disable(np.ones(self.motors, dtype=bool))
        self._await_all(0.2)
        silent = [self._ids[i] for i in np.flatnonzero(self._t_ns == 0)]
        if silent:
            raise DeviceError(
                f"Drives {silent} did not answer within 0.2 s. Check power, wiring, ids and firmware (legacy MIT)."
            )

    def enable(self, motors: NDArray[np.bool_]) -> None:
        self._send_special(ENTER, motors)

    def disable(self, motors: NDArray[np.bool_]) -> None:
        self._send_special(EXIT, motors)

    def _send_special(self, data: bytes, motors: NDArray[np.bool_]) -> None:
        for motor in np.flatnonzero(motors).tolist():
            self._buses[self._bus_of_motor[motor]].send(CanFrame(self._ids[motor], data))

    def read(self, states: FloatArray, t_ns: NDArray[np.int64]) -> None:
        self._drain()
        np.copyto(states, self._states)
        t_ns[:] = self._t_ns

    def send(self, commands: FloatArray, sent: FloatArray) -> None:
        self._codec.encode_commands(commands, self._frames, sent)
        for motor, data in enumerate(self._frames):
            self._buses[self._bus_of_motor[motor]].send(CanFrame(self._ids[motor], data.tobytes()))

    def close(self) -> None:
        self.disable(np.ones(self.motors, dtype=bool))
        for bus in self._buses:
            bus.close()

    def _drain(self) -> None:
        for number, bus in enumerate(self._buses):
            while (frame := bus.receive(0.0)) is not None:
                self._take(number, frame)

    def _await_all(self, timeout_s: float) -> None:
        deadline_ns = self._clock.now_ns() + int(timeout_s * 1e9)
        while (self._t_ns == 0).any() and self._clock.now_ns() < deadline_ns:
            for number, bus in enumerate(self._buses):
                frame = bus.receive(0.005)
                if frame is not None:
                    self._take(number, frame)

    def _take(self, bus: int, frame: CanFrame) -> None:
        motor = self._index.get((bus, frame.data[0])) if len(frame.data) in (6, 8) else None
        if motor is None or frame.extended or is_special(frame.data):
            self.foreign_frames += 1
            return
        reply = decode_reply(self._ranges[motor], frame.data)
        row = self._states[motor]
        row[:3] = reply.position_rad, reply.velocity_rad_s, reply.torque_nm
        if reply.temperature_c is not None and reply.error_code is not None:
            row[STATE_TEMPERATURE], row[STATE_ERROR] = reply.temperature_c, reply.error_code
        self._t_ns[motor] = frame.t_ns or self._clock.now_ns()
