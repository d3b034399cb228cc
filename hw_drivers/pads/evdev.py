"""A gamepad read as the kernel's input events (linux/input.h): 24-byte records from a device file or any other path."""

from __future__ import annotations

import array
import fcntl
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from studio.core.errors import DeviceError

_EVENT = struct.Struct("qqHHi")  # seconds, microseconds, type, code, value
EV_SYN, EV_KEY, EV_ABS = 0, 1, 3
SYN_DROPPED = 3  # the kernel's buffer overran: events are missing
ABS_X, ABS_Y, ABS_Z, ABS_RX, ABS_RY, ABS_RZ = range(6)
BTN_TL, BTN_TR = 310, 311  # shoulder buttons, Linux gamepad specification
_STICKS = (ABS_X, ABS_Y, ABS_RX, ABS_RY)
_TYPICAL_RANGES = dict.fromkeys(_STICKS, (-32768, 32767)) | {ABS_Z: (0, 255), ABS_RZ: (0, 255)}
_READ_BYTES = 64 * _EVENT.size


@dataclass(slots=True)
class PadState:
    """Sticks in -1..1 (right and down positive), triggers in 0..1, pressed buttons by code."""

    axes: dict[int, float] = field(default_factory=lambda: dict.fromkeys(range(6), 0.0))
    pressed: set[int] = field(default_factory=lambda: set[int]())


def split_events(data: bytes) -> tuple[list[tuple[int, int, int]], bytes]:
    """Whole events as (type, code, value), and the bytes of one that has not come whole yet."""
    whole = len(data) - len(data) % _EVENT.size
    return [(kind, code, value) for _, _, kind, code, value in _EVENT.iter_unpack(data[:whole])], data[whole:]


class EvdevPad:
    """One gamepad; `read` never blocks.

    Args:
        path: `/dev/input/event*`, or a named pipe with the same bytes.

    Raises:
        DeviceError: the path cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise DeviceError(
                f"Gamepad {path} cannot be opened ({error.strerror}). Plug it in, or add yourself to group input."
            ) from error
        self.path = path
        self.state = PadState()
        self._rest = b""
        self._ranges = {axis: self._ask_range(axis) for axis in range(6)}

    def read(self) -> PadState:
        """The state after every event so far.

        Raises:
            DeviceError: the gamepad is gone.
        """
        while True:
            try:
                data = os.read(self._file, _READ_BYTES)
            except BlockingIOError:
                return self.state
            except OSError as error:
                raise DeviceError(f"Gamepad {self.path} is gone ({error.strerror}). Plug it in again.") from error
            if not data:  # a pipe nobody writes to at the moment
                return self.state
            self._take(self._rest + data)

    def _take(self, data: bytes) -> None:
        events, self._rest = split_events(data)
        for kind, code, value in events:
            if kind == EV_ABS and code in self._ranges:
                self.state.axes[code] = self._scale(code, value)
            elif kind == EV_KEY:
                (self.state.pressed.add if value else self.state.pressed.discard)(code)

    def _scale(self, axis: int, value: int) -> float:
        low, high = self._ranges[axis]
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return 2.0 * share - 1.0 if axis in _STICKS else share

    def _ask_range(self, axis: int) -> tuple[int, int]:
        """The device's own range (EVIOCGABS); the usual one where the path is no device."""
        answer = array.array("i", [0] * 6)
        try:
            fcntl.ioctl(self._file, 0x80184540 + axis, answer)
        except OSError:
            return _TYPICAL_RANGES[axis]
        return (answer[1], answer[2]) if answer[2] > answer[1] else _TYPICAL_RANGES[axis]

    def close(self) -> None:
        os.close(self._file)


def find_pads(folder: Path = Path("/dev/input/by-id")) -> list[Path]:
    """Gamepads that are plugged in, by the kernel's own names."""
    return sorted(folder.glob("*-event-joystick"))
