"""A drive's serial port on a real adapter: questions that move nothing, and their answers."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import serial

from hw_drivers.motors.codec_uart import BAUD_RATE, FRAMINGS, FrameParser
from hw_drivers.motors.uart_commands import UartMessage, decode_payload, encode_uart
from studio.core.errors import DataError, DeviceError

_ANSWER_S = 1.0


class DrivePort:
    """An open serial port, 921,600 baud 8N1. Never used in the control loop.

    Args:
        path: such as `/dev/ttyUSB0`.
        answer_s: longest wait for an answer.

    Raises:
        DeviceError: it cannot be opened.
    """

    def __init__(self, path: str, answer_s: float = _ANSWER_S) -> None:
        self.path, self._answer_s = path, answer_s
        try:
            self._port: Any = serial.Serial(path, BAUD_RATE, timeout=0.02, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise DeviceError(f"Serial port {path} cannot be opened: {error}. Plug in the adapter.") from error

    def ask(self, command: str, firmware: str) -> UartMessage | None:
        """The drive's reply to one command of a dialect; None when nothing understandable came in time."""
        parser = FrameParser(firmware)
        self._write(encode_uart(command, (), firmware))
        deadline_s = time.monotonic() + self._answer_s
        while time.monotonic() < deadline_s:
            for payload in parser.feed(self._read()):
                message = _understood(payload, firmware)
                if message is not None and message.reply and message.command == command:
                    return message
        return None

    def values(self) -> tuple[str, UartMessage] | None:
        """The dialect that answers, and what the drive tells of itself; None when neither does."""
        for firmware in FRAMINGS:
            message = self.ask("values", firmware)
            if message is not None:
                return firmware, message
        return None

    def _write(self, data: bytes) -> None:
        try:
            self._port.reset_input_buffer()
            self._port.write(data)
        except (serial.SerialException, OSError) as error:
            raise DeviceError(f"Serial port {self.path} does not send: {error}. Check the adapter.") from error

    def _read(self) -> bytes:
        try:
            return bytes(self._port.read(max(1, self._port.in_waiting)))
        except (serial.SerialException, OSError) as error:
            raise DeviceError(f"Serial port {self.path} does not receive: {error}. Check the adapter.") from error

    def close(self) -> None:
        self._port.close()

    def __enter__(self) -> DrivePort:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _understood(payload: bytes, firmware: str) -> UartMessage | None:
    try:
        return decode_payload(payload, firmware)
    except DataError:
        return None
