"""The drives of one bus as twins: CAN frames in, CAN frames out, with every fault of the wire between."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from hw_drivers.bus.can_frame import (
    ERROR_BUS_OFF,
    ERROR_FLAG,
    EXTENDED_FLAG,
    STAMP_NS,
    BusError,
    FrameBlock,
    Stamps,
    make_block,
    make_stamps,
    put_frame,
    take_frame,
)
from hw_drivers.bus.dialect import STATUS_PACKET, command_can_id
from hw_drivers.bus.wire_fault import FaultKind, Frame, WireFaults
from hw_drivers.motors.codec_mit import ENTER, EXIT, ZERO, is_special
from hw_drivers.motors.models import MotorRange
from hw_drivers.motors.twin import TwinMotors

_REPLY_ID = 0x00  # the manual's "0x00 + drive id"; many drives send their own id


class TwinDrives:
    """Frames of one bus to and from motor twins.

    Legacy drives answer every command. V3 drives need no enter frame and send status frames by themselves.

    Args:
        twins: registers behind the drives.
        ranges: of the twins' motors; decide the dialects.
        drive_ids: of the twins' motors, in their order.
        faults: of this bus.
        status_rate_hz: of status frames, as set in the vendor's tool.
    """

    def __init__(
        self,
        twins: TwinMotors,
        ranges: Sequence[MotorRange],
        drive_ids: Sequence[int],
        faults: WireFaults | None = None,
        status_rate_hz: float = 500.0,
    ) -> None:
        self.twins, self.faults = twins, faults or WireFaults()
        self.drive_ids = tuple(drive_ids)
        self._row_of_id = {
            command_can_id(motor, drive): row for row, (motor, drive) in enumerate(zip(ranges, drive_ids, strict=True))
        }
        self._v3 = np.array([motor.firmware == "v3" for motor in ranges])
        self._status_rows = [row for row, motor in enumerate(ranges) if motor.status_feedback]
        self._status_period_ns, self._status_due_ns = int(1e9 / status_rate_hz), 0
        twins.ports.powered[self._v3] = 1.0
        self._frames = np.zeros((twins.motors, 8), dtype=np.uint8)
        self._replies = np.zeros((twins.motors, 8), dtype=np.uint8)
        self._decoded = np.zeros((5, twins.motors)).T
        self._asked = np.zeros(twins.motors, dtype=bool)

    def answer(self, frames: Sequence[Frame], now_ns: int) -> list[Frame]:
        """What comes back for a batch of frames; those for nobody here are ignored."""
        if self.faults.is_on(FaultKind.BUS_OFF, now_ns):
            return []
        replies: list[Frame] = []
        batch: dict[int, bytes] = {}
        for can_id, data in frames:
            row = self._row_of_id.get(can_id)
            if row is None or len(data) != 8:
                continue
            if row in batch:  # enter and the first command may come together
                replies += self._exchange(batch)
                batch = {}
            batch[row] = data
        replies += self._exchange(batch)
        return self.faults.change(frames, replies, now_ns) if self.faults.any else replies

    def _exchange(self, batch: dict[int, bytes]) -> list[Frame]:
        if not batch:
            return []
        self._asked[:] = False
        for row, data in batch.items():
            if self._v3[row] or not is_special(data):
                self._asked[row] = True
                self._frames[row] = np.frombuffer(data, dtype=np.uint8)
        twins = self.twins
        if self._asked.any():
            twins.codec.decode_commands(self._frames, self._decoded)
            twins.ports.command[self._asked] = self._decoded[self._asked]
        if not self._asked[list(batch)].all():
            twins.receive_special(*(self._mask(batch, special) for special in (ENTER, EXIT, ZERO)))
        twins.ports.idle_s = 0.0
        twins.poll(self._replies)
        return [
            (_REPLY_ID + self.drive_ids[row], self._replies[row].tobytes())
            for row in batch
            if row not in self._status_rows
        ]

    def unprompted(self, now_ns: int) -> list[Frame]:
        """What comes without being asked for: status frames that are due, and replies that were delayed."""
        frames: list[Frame] = []
        if self._status_rows and now_ns >= self._status_due_ns:
            self._status_due_ns = now_ns + self._status_period_ns
            self.twins.poll(self._replies)
            frames = [
                (EXTENDED_FLAG | STATUS_PACKET << 8 | self.drive_ids[row], self._replies[row].tobytes())
                for row in self._status_rows
            ]
        if not self.faults.any:
            return frames
        return self.faults.change([], [] if self.faults.is_on(FaultKind.BUS_OFF, now_ns) else frames, now_ns)

    def _mask(self, batch: dict[int, bytes], special: bytes) -> np.ndarray:
        mask = np.zeros(self.twins.motors, dtype=bool)
        mask[[row for row, data in batch.items() if data == special and not self._v3[row]]] = True
        return mask


class TwinTransport:
    """A `FrameTransport` onto twins in this process: the same frames and the same faults, without a wire.

    Args:
        drives: of this bus.
        name: for people.
        now_ns: the clock of the simulation.
    """

    def __init__(self, drives: TwinDrives, name: str, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.name, self.error, self.drives = name, BusError.NONE, drives
        self.error_frames = 0
        self._now_ns = now_ns
        self._waiting: list[tuple[int, Frame]] = []  # with the time they came
        self._off_told = False
        self.offset_ns = 0
        self.attach(make_block(1), make_block(1), make_stamps(1), (0,))

    def attach(self, outgoing: FrameBlock, incoming: FrameBlock, stamps: Stamps, rows: Sequence[int]) -> None:
        self._outgoing, self._incoming, self._stamps, self._rows = outgoing, incoming, stamps, rows

    def send(self, count: int) -> int:
        now_ns, faults = self._now_ns(), self.drives.faults
        if faults.any and not self._is_up(faults, now_ns):
            return 0
        frames = [take_frame(self._outgoing, row) for row in range(count)]
        self._waiting += [(now_ns, frame) for frame in self.drives.answer(frames, now_ns)]
        if self.error is BusError.NO_ACKNOWLEDGE:
            self.error = BusError.NONE
        return count

    def _is_up(self, faults: WireFaults, now_ns: int) -> bool:
        if faults.is_on(FaultKind.UNPLUG, now_ns):
            self.error = BusError.GONE
        elif faults.is_on(FaultKind.NO_BUFFER, now_ns):
            self.error = self.error or BusError.NO_ACKNOWLEDGE
        elif faults.is_on(FaultKind.BUS_OFF, now_ns):
            if not self._off_told:
                self._waiting.append((now_ns, (ERROR_FLAG | ERROR_BUS_OFF, bytes(8))))
                self._off_told = True
            return True
        else:
            self._off_told = False
            return True
        return False

    def receive(self) -> int:
        now_ns = self._now_ns()
        self._waiting += [(now_ns, frame) for frame in self.drives.unprompted(now_ns)]
        count = min(len(self._waiting), len(self._rows))
        for row, (t_ns, (can_id, data)) in zip(self._rows, self._waiting[:count], strict=False):
            put_frame(self._incoming, row, can_id, data)
            self._stamps[row, STAMP_NS] = t_ns
        del self._waiting[:count]
        return count

    def note_error_frame(self, can_id: int) -> None:
        self.error_frames += 1
        if can_id & ERROR_BUS_OFF:
            self.error = BusError.BUS_OFF

    def fileno(self) -> int:
        return -1

    def clear_error(self) -> None:
        self.error = BusError.NONE

    def close(self) -> None:
        self._waiting.clear()
