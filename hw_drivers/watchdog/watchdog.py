"""The computer's side of the independent watchdog (layer 4 of spec/hardware.md 8.2), which cuts the supply.

`beat(healthy)` is called often by whoever judges health; a heartbeat leaves only while that is true. What is known of
the box is in the state it returns: `proven` only while its answers to random challenges are right, fresh, and agree
with the contactor's own auxiliary contact. Nothing here pretends a box that is not there.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import serial

from hw_drivers.watchdog.protocol import (
    BAUD_RATE,
    FEEDBACK_S,
    PERIOD_S,
    VERSION,
    LineReader,
    WatchReply,
    WatchState,
    format_end,
    format_heartbeat,
    format_question,
    make_answer,
    parse_reply,
    parse_settings,
)
from studio.core.errors import DeviceError

FRESH_S = 0.1
_RIGHT_IN_A_ROW = 3
_KEPT_CHALLENGES = 8
_ASK_AGAIN_S = 0.5


@dataclass(slots=True)
class WatchdogStatus:
    """What is known of the box.

    Args:
        proven: it is there, watches, and can open its contactor as far as answers tell.
        state: its own; None before the first right answer.
        contactor: whether its auxiliary contact says closed.
        trouble: why it is not proven; empty when it is.
        beats: heartbeats sent.
        rejected: lines that were no valid ones.
    """

    proven: bool = False
    state: WatchState | None = None
    contactor: bool = False
    trouble: str = ""
    beats: int = 0
    rejected: int = 0


class Watchdog(Protocol):
    """A heartbeat. `beat` never waits and never raises; called every few ms it sends one every 20 ms while healthy."""

    def beat(self, healthy: bool, now_ns: int) -> WatchdogStatus: ...
    def end(self) -> None:
        """Say that the power may go in an orderly way."""
        ...

    def close(self) -> None: ...


class SerialWatchdog:
    """A box on a serial line.

    Args:
        path: such as `/dev/ttyACM0`.
        timeout_ms, delay_ms: what the box must be set to: silence that it bears, and damped stop before the cut.

    Raises:
        DeviceError: the port cannot be opened.
    """

    def __init__(self, path: str, *, timeout_ms: int = 50, delay_ms: int = 300) -> None:
        self.path, self._wanted = path, (VERSION, timeout_ms, delay_ms)
        self.status = WatchdogStatus(trouble=f"The watchdog at {path} has not answered yet.")
        self._reader = LineReader()
        self._challenges: dict[int, int] = {}
        self._count = self._right = 0
        self._sent_ns = self._answered_ns = self._asked_ns = 0
        self._agreed_ns = 0  # contactor and state; between them a contactor moves
        self._settings: tuple[int, int, int] | None = None
        try:
            self._port: serial.Serial | None = serial.Serial(
                path, BAUD_RATE, timeout=0, write_timeout=0, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise DeviceError(f"Watchdog {path} cannot be opened: {error}. Plug it in, or mend its path.") from error

    def beat(self, healthy: bool, now_ns: int) -> WatchdogStatus:
        for text in self._reader.feed(self._read()):
            self._take(text, now_ns)
        if self._settings is None and now_ns - self._asked_ns > _ASK_AGAIN_S * 1e9:
            self._asked_ns = now_ns
            self._write(format_question())
        if healthy and now_ns - self._sent_ns >= PERIOD_S * 1e9:
            self._send_heartbeat(now_ns)
        self._judge(now_ns)
        return self.status

    def _send_heartbeat(self, now_ns: int) -> None:
        self._count, self._sent_ns = (self._count + 1) & 0xFF, now_ns
        challenge = secrets.randbelow(0x10000)
        self._challenges[self._count] = challenge
        while len(self._challenges) > _KEPT_CHALLENGES:
            del self._challenges[next(iter(self._challenges))]
        self._write(format_heartbeat(self._count, challenge))
        self.status.beats += 1

    def _take(self, text: bytes, now_ns: int) -> None:
        reply = parse_reply(text)
        if reply is not None:
            self._take_reply(reply, now_ns)
            return
        settings = parse_settings(text)
        if settings is None:
            self._reader.rejected += 1
            self._right = 0
        else:
            self._settings = settings

    def _take_reply(self, reply: WatchReply, now_ns: int) -> None:
        challenge = self._challenges.pop(reply.count, None)
        if challenge is None or reply.answer != make_answer(challenge):
            self._right = 0
            return
        self._right += 1
        self._answered_ns = now_ns
        self.status.state, self.status.contactor = reply.state, reply.contactor
        if reply.contactor == reply.state.closed or not self._agreed_ns:
            self._agreed_ns = now_ns

    def _judge(self, now_ns: int) -> None:
        status = self.status
        status.rejected = self._reader.rejected
        status.trouble = self._find_trouble(now_ns)
        status.proven = not status.trouble

    def _find_trouble(self, now_ns: int) -> str:
        status, path = self.status, self.path
        if self._port is None:
            return f"The watchdog at {path} is gone. Plug it in again and start the guard again."
        if now_ns - self._answered_ns > FRESH_S * 1e9 or self._right < _RIGHT_IN_A_ROW:
            return f"The watchdog at {path} gives no right answers. Check its cable and supply."
        if self._settings is None:
            return f"The watchdog at {path} does not tell its settings. Check its firmware."
        if self._settings != self._wanted:
            version, timeout_ms, delay_ms = self._settings
            return (
                f"The watchdog at {path} has version {version}, {timeout_ms} ms and {delay_ms} ms; the robot's file "
                f"says {self._wanted[0]}, {self._wanted[1]} ms, {self._wanted[2]} ms. Set the box, or mend the file."
            )
        if status.state in (WatchState.DELAY, WatchState.TRIPPED):
            return f"The watchdog at {path} cuts or has cut the supply. Find out why, then press its button."
        return self._find_contactor_trouble(now_ns)

    def _find_contactor_trouble(self, now_ns: int) -> str:
        """A contactor moves in 20 to 50 ms and has 100 ms for it; until it is there, nothing is proven."""
        state, path = self.status.state, self.path
        if state is None or state is WatchState.FAULT or now_ns - self._agreed_ns > FEEDBACK_S * 1e9:
            return f"The contactor of the watchdog at {path} does not do what it is told. Replace it before going on."
        moving = self.status.contactor != state.closed
        return f"The contactor of the watchdog at {path} is moving. Wait a moment." if moving else ""

    def _read(self) -> bytes:
        if self._port is None:
            return b""
        try:
            return self._port.read(4096)
        except (serial.SerialException, OSError, TypeError):
            self.close()
            return b""

    def _write(self, data: bytes) -> None:
        if self._port is None:
            return
        try:  # not the port's own write, which tries again without end while nobody reads at the other end
            os.write(self._port.fileno(), data)
        except BlockingIOError:  # an answer will be missing, and that is judged
            return
        except (serial.SerialException, OSError, TypeError):
            self.close()

    def end(self) -> None:
        self._write(format_end((self._count + 1) & 0xFF))

    def close(self) -> None:
        """The port; heartbeats stop, and the box cuts the supply unless `end` was said."""
        port, self._port = self._port, None
        if port is not None:
            port.close()


class PulseWatchdog:
    """A pulse on a general-purpose output, for relays that want an edge at least every few ten ms.

    It is never `proven`: a wire that only leads away gives no answer.

    Args:
        path: of the output's value, such as `/sys/class/gpio/gpio17/value`; `1` and `0` are written in turn.

    Raises:
        DeviceError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.status = WatchdogStatus(trouble=f"Pulses leave at {path}, but a pulse gives no answer: nobody is proven.")
        self._level, self._sent_ns = False, 0
        try:
            self._file = os.open(Path(path), os.O_WRONLY)
        except OSError as error:
            raise DeviceError(f"Output {path} cannot be opened ({error.strerror}). Export it first.") from error

    def beat(self, healthy: bool, now_ns: int) -> WatchdogStatus:
        if healthy and self._file >= 0 and now_ns - self._sent_ns >= PERIOD_S * 1e9:
            self._level, self._sent_ns = not self._level, now_ns
            try:
                os.pwrite(self._file, b"1" if self._level else b"0", 0)
                self.status.beats += 1
            except OSError as error:
                self.status.trouble = f"Output {self.path} cannot be written ({error.strerror}). No pulses leave."
                self.close()
        return self.status

    def end(self) -> None:
        """A pulse has no word for it: the relay falls."""

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
