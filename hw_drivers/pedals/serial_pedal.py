"""A dead-man pedal on a serial line, and its one-line protocol.

The pedal sends a line every 20 ms, 115 200 baud 8N1, whatever its state:

    P,<a>,<b>,<count>*<check>\\n          for example  P,1,1,42*7A

- `a`, `b`: its two contacts, 1 = pressed. Both must be 1; when they differ for longer than a moment one is broken.
- `count`: 0 to 255, one more with every line. A line with the count of the line before is a frozen pedal, no news.
- `check`: exclusive or of all characters before the `*`, two upper-case hexadecimal digits.

Anything else is dropped and counted. Without a valid new line for 0.1 s the pedal counts as released.
"""

from __future__ import annotations

from functools import reduce

import serial

from hw_drivers.pedals.pedal import PedalState
from studio.core.errors import DeviceError

BAUD_RATE = 115_200
PERIOD_S = 0.02
STALE_S = 0.1
_DISAGREE_LINES = 5  # so long one contact may close before the other
_MOST_UNREAD = 256


def format_line(first: bool, second: bool, count: int) -> bytes:
    """A line as a pedal sends it."""
    text = b"P,%d,%d,%d" % (first, second, count & 0xFF)
    return text + b"*%02X\n" % _check(text)


def parse_line(line: bytes) -> tuple[bool, bool, int] | None:
    """Both contacts and the count of a line without its end; None when it is not exactly such a line."""
    text, star, check = line.strip(b"\r").partition(b"*")
    parts = text.split(b",")
    if not star or len(parts) != 4 or parts[0] != b"P" or check != b"%02X" % _check(text):
        return None
    if parts[1] not in (b"0", b"1") or parts[2] not in (b"0", b"1") or not parts[3].isdigit() or int(parts[3]) > 255:
        return None
    return parts[1] == b"1", parts[2] == b"1", int(parts[3])


def _check(text: bytes) -> int:
    return reduce(lambda a, b: a ^ b, text, 0)


class SerialPedal:
    """A `Pedal` on a serial line.

    Args:
        path: such as `/dev/ttyUSB0`.
        stale_s: without news for so long it counts as released.

    Raises:
        DeviceError: the port cannot be opened.
    """

    def __init__(self, path: str, stale_s: float = STALE_S) -> None:
        self.path, self._stale_ns = path, int(stale_s * 1e9)
        self.state = PedalState(trouble="The pedal has not said anything yet.")
        self._unread = bytearray()
        self._count = -1
        self._disagreed = 0
        self._pressed = False
        try:
            self._port: serial.Serial | None = serial.Serial(path, BAUD_RATE, timeout=0, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise DeviceError(f"Pedal {path} cannot be opened: {error}. Plug it in, or choose its port.") from error

    def read(self, now_ns: int) -> PedalState:
        """The state after every line so far."""
        self._take(self._read_bytes(), now_ns)
        state = self.state
        if self._port is None or state.t_ns == 0:
            state.pressed = False
            return state
        fresh = now_ns - state.t_ns <= self._stale_ns
        state.pressed, state.trouble = fresh and self._pressed, ""
        if not fresh:
            state.trouble = self._silent(now_ns)
        elif self._disagreed > _DISAGREE_LINES:
            state.trouble = f"The contacts of pedal {self.path} disagree. Replace it."
        return state

    def _silent(self, now_ns: int) -> str:
        age_ms = (now_ns - self.state.t_ns) * 1e-6
        return f"Pedal {self.path} has been silent for {age_ms:.0f} ms. Check its cable."

    def _read_bytes(self) -> bytes:
        if self._port is None:
            return b""
        try:
            return self._port.read(4096)
        except (serial.SerialException, OSError, TypeError):
            self.state.trouble = f"Pedal {self.path} is gone. Plug it in again."
            self.close()
            return b""

    def _take(self, data: bytes, now_ns: int) -> None:
        self._unread += data
        *lines, rest = self._unread.split(b"\n")
        if len(rest) > _MOST_UNREAD:
            rest = bytearray()
            self.state.rejected += 1
        self._unread = rest
        for line in lines:
            parsed = parse_line(bytes(line))
            if parsed is None:
                self.state.rejected += 1
                continue
            self._take_line(*parsed, now_ns)

    def _take_line(self, first: bool, second: bool, count: int, now_ns: int) -> None:
        if count == self._count:
            return
        self._count = count
        self._disagreed = self._disagreed + 1 if first != second else 0
        self._pressed = first and second
        self.state.t_ns = now_ns

    def close(self) -> None:
        """The port; the pedal counts as released from now on."""
        port, self._port, self._pressed = self._port, None, False
        self.state.gone = True
        if port is not None:
            port.close()
