"""A joystick or HID pedal as the kernel's input events (linux/input.h), from a device file or any other path.

Such a pedal speaks only when it moves, so its silence says nothing; what can be seen is that the device is gone or that
events were lost, and both mean released. A serial pedal, which speaks all the time, is the safer one.
"""

from __future__ import annotations

import os
from pathlib import Path

from hw_drivers.pads.evdev import EV_ABS, EV_KEY, EV_SYN, SYN_DROPPED, split_events
from hw_drivers.pedals.pedal import PedalState
from studio.core.errors import DeviceError

_READ_BYTES = 64 * 24


class EvdevPedal:
    """A `Pedal` behind input events.

    Args:
        path: `/dev/input/event*`, or a named pipe with the same bytes.
        button: code of the button; None: any button.
        axis: code of an analogue pedal's axis; None: it has none.
        threshold: value of the axis from which on it counts as pressed.

    Raises:
        DeviceError: the path cannot be opened.
    """

    def __init__(self, path: Path, *, button: int | None = None, axis: int | None = None, threshold: int = 128) -> None:
        self.path, self._button, self._axis, self._threshold = path, button, axis, threshold
        self.state = PedalState()
        self._held: set[int] = set()
        self._far = False  # the axis is beyond its threshold
        self._rest = b""
        self._heard = False
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise DeviceError(
                f"Pedal {path} cannot be opened ({error.strerror}). Plug it in, or add yourself to group input."
            ) from error

    def read(self, now_ns: int) -> PedalState:
        """The state after every event so far."""
        while self._file >= 0 and (data := self._read_bytes()):
            events, self._rest = split_events(self._rest + data)
            for kind, code, value in events:
                self._take(kind, code, value)
            self.state.t_ns, self._heard = now_ns, True
        self.state.pressed = bool(self._held) or self._far
        return self.state

    def _read_bytes(self) -> bytes:
        try:
            data = os.read(self._file, _READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            self._lose(f"Pedal {self.path} is gone ({error.strerror}). Plug it in again.")
            return b""
        if not data and self._heard:  # whoever wrote has gone
            self._lose(f"Pedal {self.path} is gone. Plug it in again.")
        return data

    def _take(self, kind: int, code: int, value: int) -> None:
        if kind == EV_SYN and code == SYN_DROPPED:
            self._held.clear()
            self._far = False
            self.state.rejected += 1
        elif kind == EV_KEY and self._button in (None, code):
            (self._held.add if value else self._held.discard)(code)
        elif kind == EV_ABS and code == self._axis:
            self._far = value >= self._threshold

    def _lose(self, trouble: str) -> None:
        self.state.trouble = trouble
        self.close()

    def close(self) -> None:
        """The file; the pedal counts as released from now on."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._far, self.state.gone = -1, False, True
        self._held.clear()
