"""CAN over a serial line (slcan, the Lawicel protocol): python-can's own bus read in blocks, and the adapter's side.

python-can asks the port for every single byte and waits for the driver after every frame. At 400 Hz that alone fills
the tick, so two of its methods are replaced here; everything else, opening and parsing included, is python-can's.
"""

from __future__ import annotations

import errno
import os
import select
from collections import deque
from typing import Any

from can import CanOperationError
from can.interfaces.slcan import slcanBus
from serial import SerialException

from hw_drivers.bus.can_frame import EXTENDED_FLAG, EXTENDED_MASK

_FRAME_KINDS = (b"t", b"T")
_LINE_END = b"\r"
_REFUSED = b"\a"
_BLOCK_BYTES = 4096
_MOST_UNREAD = 4096  # bytes without an end of line: a line that is no slcan


class BlockSlcanBus(slcanBus):
    """python-can's slcan bus with block reads; adapter answers are counted instead of read as frames."""

    def __init__(self, channel: str, **options: Any) -> None:
        self._unread, self._unsent = bytearray(), b""
        self._lines: deque[str] = deque()
        self.refused = 0  # frames the adapter answered with BEL
        super().__init__(channel, **options)

    def _write(self, string: str) -> None:
        """Never waits: a line that does not fit is kept, and until it has left, further frames are refused."""
        if self._unsent:
            self._unsent = self._put(self._unsent)
            if self._unsent:
                raise CanOperationError("Transmit buffer full: the serial line takes no data", errno.ENOBUFS)
        self._unsent = self._put(string.encode() + _LINE_END)

    def _put(self, data: bytes) -> bytes:
        """What could not be written."""
        try:
            return data[os.write(self.serialPortOrig.fileno(), data) :]
        except BlockingIOError:
            return data
        except (SerialException, OSError) as error:
            raise CanOperationError(f"the serial line is gone: {error}") from error

    def _read(self, timeout: float | None) -> str | None:
        if not self._lines:
            self._read_block(timeout)
        return self._lines.popleft() if self._lines else None

    def _read_block(self, timeout: float | None) -> None:
        try:
            file = self.serialPortOrig.fileno()
            if not select.select([file], [], [], timeout)[0]:
                return
            data = os.read(file, _BLOCK_BYTES)
        except BlockingIOError:
            return
        except (SerialException, OSError) as error:
            raise CanOperationError(f"the serial line is gone: {error}") from error
        if not data:
            raise CanOperationError("the serial line is gone: its far end has closed")
        self._take(data)

    def _take(self, data: bytes) -> None:
        self.refused += data.count(_REFUSED)
        self._unread += data.replace(_REFUSED, _LINE_END)
        *lines, rest = self._unread.split(_LINE_END)
        self._unread = rest if len(rest) <= _MOST_UNREAD else bytearray()
        self._lines.extend(line.decode("ascii") for line in lines if parse_frame(bytes(line)) is not None)


def format_frame(can_id: int, data: bytes) -> bytes:
    """A data frame as a line; `can_id` with the kernel's flag for extended identifiers."""
    if can_id & EXTENDED_FLAG:
        return b"T%08X%d%s\r" % (can_id & EXTENDED_MASK, len(data), data.hex().upper().encode())
    return b"t%03X%d%s\r" % (can_id, len(data), data.hex().upper().encode())


def parse_frame(line: bytes) -> tuple[int, bytes] | None:
    """Identifier (with the kernel's flag) and data of a line without its end; None when it is no data frame."""
    digits = {b"t": 3, b"T": 8}.get(line[:1])
    if digits is None or len(line) < digits + 2 or line[digits + 1 : digits + 2] not in b"012345678":
        return None
    try:
        can_id, length = int(line[1 : digits + 1], 16), int(line[digits + 1 : digits + 2])
        data = bytes.fromhex(line[digits + 2 : digits + 2 + 2 * length].decode("ascii"))
    except ValueError:
        return None
    if len(data) != length:
        return None
    return (can_id | EXTENDED_FLAG, data) if digits == 8 else (can_id, data)


class SlcanAdapter:
    """The adapter's side of the line: bytes from the host in, frames out, and answers as a Lawicel adapter gives them.

    Args:
        acknowledge: answer every frame with `z` or `Z` and CR, as Lawicel adapters do; CANable-like ones send none.
    """

    def __init__(self, *, acknowledge: bool = False) -> None:
        self.open = False
        self._acknowledge = acknowledge
        self._unread = bytearray()

    def take(self, data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
        """Frames the host wants on the bus, and what is to be answered at once."""
        self._unread += data
        *lines, self._unread = self._unread.split(_LINE_END)
        frames: list[tuple[int, bytes]] = []
        answers = b"".join(self._take_line(bytes(line), frames) for line in lines if line)
        return frames, answers

    def _take_line(self, line: bytes, frames: list[tuple[int, bytes]]) -> bytes:
        if line[:1] in _FRAME_KINDS:
            frame = parse_frame(line)
            if frame is None or not self.open:
                return _REFUSED
            frames.append(frame)
            return (b"Z\r" if line[:1] == b"T" else b"z\r") if self._acknowledge else b""
        if line[:1] == b"V":
            return b"V1013\r"
        if line[:1] == b"N":
            return b"NTWIN\r"
        if line[:1] in b"OCLSsF":
            self.open = line[:1] in b"OL" or (self.open and line[:1] != b"C")
            return b"\r"
        return _REFUSED
