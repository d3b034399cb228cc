"""`uart encode | decode | query`: frames of the drives' serial port; only `query` needs a drive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from hw_drivers.motors.codec_uart import FRAMINGS
from hw_drivers.motors.serial_port import DrivePort
from hw_drivers.motors.uart_commands import STREAM_SCALE, VALUES_SCALE, decode_uart, encode_uart, find_command
from studio.cli.can import parse_hex
from studio.cli.output import parse_arguments, write_result
from studio.core.errors import ConfigError, DeviceError


@dataclass(frozen=True, kw_only=True)
class Encode:
    """One serial command as a frame."""

    command: Annotated[str, tyro.conf.arg(aliases=["--packet"])]
    """firmware, values, duty, current, brake, velocity, position, hand_brake, stream, selective, position_velocity,
    multi_turn, single_turn, unlimited, origin, terminal, go_to_zero (legacy), mit (v3)."""
    firmware: Literal["legacy", "v3"] = "legacy"
    """Dialect: legacy (V1, V2) or v3."""
    value: tuple[float, ...] = ()
    """The command's numbers (A, deg, ERPM, ERPM/s2; mit: rad, rad/s, A, kp, kd)."""
    text: str = ""
    """Text of the terminal command."""
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        name, _, number = find_command(self.command, self.firmware)
        frame = encode_uart(name, self.value, self.firmware, text=self.text)
        result = {"command": name, "id": number, "firmware": self.firmware, "frame": frame.hex()}
        write_result(result, self.json, text=frame.hex(" "))
        return 0


@dataclass(frozen=True, kw_only=True)
class Decode:
    """One serial frame of either direction; a damaged one is refused."""

    frame: Annotated[str, tyro.conf.arg(aliases=["--data"])]
    """The frame's bytes in hexadecimal."""
    firmware: Literal["auto", "legacy", "v3"] = "auto"
    """Dialect; auto looks at the first byte."""
    position_scale: float = VALUES_SCALE
    """Steps per degree in a reply to `values`: 1000, or 1000000 in older manuals."""
    stream_scale: float = STREAM_SCALE
    """Steps per degree of the position stream: 10000, or 1000 in other descriptions."""
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        data = parse_hex(self.frame, "--frame")
        if self.position_scale not in (1e3, 1e6):
            raise ConfigError(f"--position-scale is {self.position_scale:g}; allowed 1000 or 1000000.")
        if self.stream_scale not in (1e3, 1e4):
            raise ConfigError(f"--stream-scale is {self.stream_scale:g}; allowed 1000 or 10000.")
        firmware = self.firmware
        if firmware == "auto":
            firmware = "v3" if data[:1] == bytes([FRAMINGS["v3"].head]) else "legacy"
        message = decode_uart(data, firmware, position_scale=self.position_scale, stream_scale=self.stream_scale)
        result = {"command": message.command, "id": message.number, "firmware": firmware, "reply": message.reply,
                  "values": message.values}  # fmt: skip
        shown = ", ".join(f"{key} {value}" for key, value in message.values.items()) or "no values"
        write_result(result, self.json, text=f"{message.command}{' (reply)' if message.reply else ''}: {shown}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which dialect a drive's serial port speaks and what it tells of itself; moves nothing."""

    port: str
    """The adapter, such as /dev/ttyUSB0."""
    json: str | None = None
    """Write the result as JSON to this path; - for standard output."""

    def run(self) -> int:
        with DrivePort(self.port) as port:
            answer = port.values()
        if answer is None:
            raise DeviceError(f"No drive answered on {self.port}. Check its power, the plug, and 921600 baud.")
        firmware, message = answer
        result = {"port": self.port, "firmware": firmware, "values": message.values}
        shown = ", ".join(f"{key} {value}" for key, value in message.values.items())
        write_result(result, self.json, text=f"{firmware}: {shown}")
        return 0


_Command = (
    Annotated[Encode, tyro.conf.subcommand("encode")]
    | Annotated[Decode, tyro.conf.subcommand("decode")]
    | Annotated[Query, tyro.conf.subcommand("query")]
)


def run(arguments: list[str]) -> int:
    """Run `uart …`; returns the exit code."""
    command: Any = parse_arguments(_Command, arguments, "main.py uart")
    return int(command.run())
