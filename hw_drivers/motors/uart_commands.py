"""What the drives' serial frames say: every command of both dialects, and the replies.

Source: driver manual V1.0.18 section 5.2.2 and product manual V3.0.0, their printed examples before their comments:
the V3 selective query is 0x13 as printed (its table says 16), and the position's scale differs from command to command.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hw_drivers.motors.codec_servo import ServoField, field_label, scaled_integer
from hw_drivers.motors.codec_uart import decode_frame, encode_frame, find_framing
from studio.core.errors import ConfigError, DataError, SafetyError

VALUES_SCALE, OLD_VALUES_SCALE = 1000.0, 1_000_000.0  # steps per degree of a GET_VALUES reply, new and older manuals
STREAM_SCALE, OTHER_STREAM_SCALE = 10_000.0, 1000.0  # of the position stream: manual V1.0.18, and elsewhere
_INT32_DEG = 2147.0  # what four bytes hold at 1,000,000 steps per degree

FAULT_NAMES = (  # the serial port's own codes, unlike the error byte on CAN
    "none",
    "over-voltage",
    "under-voltage",
    "gate driver",
    "absolute over-current",
    "FET over-temperature",
    "motor over-temperature",
    "gate driver over-voltage",
    "gate driver under-voltage",
    "MCU under-voltage",
    "watchdog reset",
    "encoder SPI",
    "sin-cos amplitude low",
    "sin-cos amplitude high",
    "flash",
    "current offset of phase 1",
    "current offset of phase 2",
    "current offset of phase 3",
    "unbalanced currents",
)


def fault_name(code: int) -> str:
    """What a serial fault code says. Every code but 0 is a fault, known or not."""
    return FAULT_NAMES[code] if code < len(FAULT_NAMES) else f"unknown fault {code}"


@dataclass(frozen=True, slots=True)
class UartCommand:
    """One command: its id per dialect (None = the dialect has none), its numbers, and what follows them.

    `padding` zero bytes follow; `text` means ASCII follows; `refused` says why the studio never sends it.
    """

    legacy: int | None
    v3: int | None
    fields: tuple[ServoField, ...] = ()
    padding: int = 0
    text: bool = False
    refused: str = ""

    def number(self, firmware: str) -> int | None:
        return self.legacy if firmware == "legacy" else self.v3


_FLASH = "it changes the drive's firmware. Use the vendor's tool"
_AMPERES = (ServoField("current", "A", 1000, -60, 60),)
_WIDE = 2_000_000.0
COMMANDS: dict[str, UartCommand] = {
    "firmware": UartCommand(0, 65),
    "bootloader": UartCommand(1, 66, refused=_FLASH),
    "erase": UartCommand(2, 67, refused=_FLASH),
    "write": UartCommand(3, 68, refused=_FLASH),
    "values": UartCommand(4, 69),
    "duty": UartCommand(5, 70, (ServoField("duty", "", 100_000, -1, 1),)),
    "current": UartCommand(6, 71, _AMPERES),
    "brake": UartCommand(7, 72, _AMPERES),
    "velocity": UartCommand(8, 73, (ServoField("speed", "ERPM", 1, -100_000, 100_000),)),
    "position": UartCommand(9, 74, (ServoField("position", "deg", 1_000_000, -_INT32_DEG, _INT32_DEG),)),
    "hand_brake": UartCommand(10, 75, _AMPERES),
    "stream": UartCommand(11, 76, (ServoField("mode", "", 1, 0, 255, 1),)),
    "terminal": UartCommand(20, None, text=True),
    "print": UartCommand(21, None, text=True, refused="it is a message of the drive"),
    "rotor_position": UartCommand(22, 87, refused="it is a message of the drive"),
    "selective": UartCommand(50, 0x13, (ServoField("mask", "", 1, 0, 0xFFFF_FFFF, 4),)),
    "position_velocity": UartCommand(
        91,
        60,
        (
            ServoField("position", "deg", 1000, -36_000, 36_000),
            ServoField("speed", "ERPM", 1, -100_000, 100_000),
            ServoField("acceleration", "ERPM/s2", 1, 0, 100_000_000),
        ),
    ),
    "multi_turn": UartCommand(92, 61, padding=4),
    "single_turn": UartCommand(93, 62, padding=4),
    "unlimited": UartCommand(94, 63, padding=4),
    "origin": UartCommand(95, 64, (ServoField("mode", "", 1, 0, 2, 1),)),
    "go_to_zero": UartCommand(101, None, padding=4),  # moves, by the shortest way
    "mit": UartCommand(
        None,
        0x60,
        (
            ServoField("position", "rad", 1000, -_WIDE, _WIDE),
            ServoField("speed", "rad/s", 1000, -_WIDE, _WIDE),
            ServoField("torque", "A", 1000, -_WIDE, _WIDE),
            ServoField("kp", "", 1000, 0, _WIDE),
            ServoField("kd", "", 1000, 0, _WIDE),
        ),
    ),
}
_ALIASES = {
    "get_values": "values",
    "rpm": "velocity",
    "speed": "velocity",
    "current_brake": "brake",
    "handbrake": "hand_brake",
    "detect": "stream",
    "pos_speed": "position_velocity",
    "position_speed": "position_velocity",
    "get_selected": "selective",
    "set_origin": "origin",
}
_V3_SELECTIVE_IDS = (0x13, 16)

# bit counted from 1 -> name, size, divisor (driver manual V1.0.18)
_SELECTED: dict[int, tuple[str, int, float]] = {
    1: ("mosfet_temperature_c", 2, 10),
    2: ("motor_temperature_c", 2, 10),
    3: ("output_current_a", 4, 100),
    4: ("input_current_a", 4, 100),
    5: ("id_a", 4, 100),
    6: ("iq_a", 4, 100),
    7: ("duty", 2, 1000),
    8: ("speed_erpm", 4, 1),
    9: ("supply_v", 2, 10),
    16: ("fault_code", 1, 1),
    17: ("position_deg", 4, 1_000_000),
    18: ("drive_id", 1, 1),
}
SELECTABLE = {name: 1 << (bit - 1) for bit, (name, _, _) in _SELECTED.items()}
_VALUES = struct.Struct(">xhhiiiihih24xBiB6xii")
_VALUES_NAMES = (
    ("mosfet_temperature_c", 10),
    ("motor_temperature_c", 10),
    ("output_current_a", 100),
    ("input_current_a", 100),
    ("id_a", 100),
    ("iq_a", 100),
    ("duty", 1000),
    ("speed_erpm", 1),
    ("supply_v", 10),
    ("fault_code", 1),
    ("position_deg", 0),  # its scale is an argument
    ("drive_id", 1),
    ("vd_v", 1000),
    ("vq_v", 1000),
)


@dataclass(frozen=True, slots=True)
class UartMessage:
    """A decoded frame: the command it belongs to, its id, whether a drive sent it, and its numbers or text by name."""

    command: str
    number: int
    reply: bool
    values: dict[str, float | int | str]


def find_command(name: str, firmware: str) -> tuple[str, UartCommand, int]:
    """A command by its name, and its id in a dialect.

    Raises:
        ConfigError: there is none of that name in this dialect.
    """
    find_framing(firmware)
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    plain = _ALIASES.get(plain, plain)
    command = COMMANDS.get(plain)
    number = None if command is None else command.number(firmware)
    if command is None or number is None:
        known = ", ".join(key for key, c in COMMANDS.items() if c.number(firmware) is not None and not c.refused)
        raise ConfigError(f"There is no serial command {name!r} in dialect {firmware}. Commands: {known}.")
    return plain, command, number


def encode_uart(name: str, values: Sequence[float], firmware: str, *, text: str = "") -> bytes:
    """A command as a frame.

    Args:
        name: from `COMMANDS`.
        values: in the units of the command's fields.
        firmware: `legacy` (V1, V2) or `v3`.
        text: of the `terminal` command.

    Raises:
        ConfigError: unknown command, wrong number of values, a value outside its limits.
        SafetyError: a command that the studio never sends.
    """
    plain, command, number = find_command(name, firmware)
    if command.refused:
        raise SafetyError(f"Serial command {plain} is not sent: {command.refused}.")
    if len(values) != len(command.fields):
        wanted = ", ".join(field_label(f) for f in command.fields) or "none"
        raise ConfigError(f"Serial command {plain} was given {len(values)} values; it takes: {wanted}.")
    if command.text != bool(text) or not text.isascii():
        raise ConfigError(f"Serial command {plain} {'needs' if command.text else 'takes no'} text, plain ASCII.")
    payload = bytes([number]) + text.encode("ascii")
    for field, value in zip(command.fields, values, strict=True):
        payload += _field_bytes(field, value, f"Serial command {plain}")
    return encode_frame(payload + bytes(command.padding), firmware)


def _field_bytes(field: ServoField, value: float, where: str) -> bytes:
    if field.name == "mask":  # unsigned, and exact
        if not 0 <= value <= 0xFFFF_FFFF or value != int(value):
            raise ConfigError(f"{where}: mask is {value:g}; allowed 0 to 4294967295, whole. Change the value.")
        return int(value).to_bytes(4, "big")
    return scaled_integer(field, value, where)


def decode_uart(
    frame: bytes, firmware: str, *, position_scale: float = VALUES_SCALE, stream_scale: float = STREAM_SCALE
) -> UartMessage:
    """One whole frame of either direction.

    Args:
        position_scale: steps per degree in a GET_VALUES reply.
        stream_scale: steps per degree of the position stream.

    Raises:
        DataError: damaged, unknown, or of another length than its command has.
    """
    payload = decode_frame(frame, firmware)
    return decode_payload(payload, firmware, position_scale=position_scale, stream_scale=stream_scale)


def decode_payload(
    payload: bytes, firmware: str, *, position_scale: float = VALUES_SCALE, stream_scale: float = STREAM_SCALE
) -> UartMessage:
    """As `decode_uart`, for a payload that a parser has checked."""
    number, data, scales = payload[0], payload[1:], (position_scale, stream_scale)
    if firmware == "v3" and number in _V3_SELECTIVE_IDS:
        return _decode(("selective", number), data, scales)
    for name, command in COMMANDS.items():
        if command.number(firmware) == number:
            return _decode((name, number), data, scales)
    raise DataError(f"Serial command {number} is unknown in dialect {firmware}. Check the dialect.")


def _decode(command: tuple[str, int], data: bytes, scales: tuple[float, float]) -> UartMessage:
    name, number = command
    if name == "values" and data:
        return UartMessage(name, number, True, _decode_values(data, scales[0]))
    if name == "selective" and len(data) > 4:
        return UartMessage(name, number, True, _decode_selected(data))
    if name == "rotor_position":
        if len(data) != 4:
            raise _wrong_length(name, data, "4")
        return UartMessage(name, number, True, {"position_deg": int.from_bytes(data, "big", signed=True) / scales[1]})
    if name == "firmware" and data:
        return UartMessage(name, number, True, {"data": data.hex()})
    if COMMANDS[name].text:
        return UartMessage(name, number, name == "print", {"text": data.decode("ascii", "replace")})
    if COMMANDS[name].refused:
        return UartMessage(name, number, False, {"data": data.hex()})
    return UartMessage(name, number, False, _decode_fields(name, data))


def _decode_fields(name: str, data: bytes) -> dict[str, float | int | str]:
    command, values, place = COMMANDS[name], dict[str, float | int | str](), 0
    size = sum(field.size for field in command.fields) + command.padding
    if len(data) != size:
        raise _wrong_length(name, data, str(size))
    for field in command.fields:
        signed = field.size > 1 and field.name != "mask"
        steps = int.from_bytes(data[place : place + field.size], "big", signed=signed)
        values[field.name] = steps if field.scale == 1 else steps / field.scale
        place += field.size
    return values


def _decode_values(data: bytes, position_scale: float) -> dict[str, float | int | str]:
    if len(data) != _VALUES.size - 1:
        raise _wrong_length("values", data, str(_VALUES.size - 1))
    numbers = _VALUES.unpack(b"\0" + data)
    values: dict[str, float | int | str] = {}
    for (name, divisor), number in zip(_VALUES_NAMES, numbers, strict=True):
        values[name] = number if divisor == 1 else number / (divisor or position_scale)
    values["fault"] = fault_name(int(values["fault_code"]))
    return values


def _decode_selected(data: bytes) -> dict[str, float | int | str]:
    mask, place = int.from_bytes(data[:4], "big"), 4
    bits = [bit for bit in range(1, 33) if mask >> (bit - 1) & 1]
    unknown = [bit for bit in bits if bit not in _SELECTED]
    if unknown:
        raise DataError(f"Selective reply with mask {mask:#010x}: the layout of bits {unknown} is not documented.")
    if len(data) != 4 + sum(_SELECTED[bit][1] for bit in bits):
        raise _wrong_length("selective", data, str(4 + sum(_SELECTED[bit][1] for bit in bits)))
    values: dict[str, float | int | str] = {}
    for bit in bits:
        name, size, divisor = _SELECTED[bit]
        steps = int.from_bytes(data[place : place + size], "big", signed=size > 1)
        values[name] = steps if divisor == 1 else steps / divisor
        place += size
    if "fault_code" in values:
        values["fault"] = fault_name(int(values["fault_code"]))
    return values


def encode_values(values: dict[str, float], firmware: str, *, position_scale: float = VALUES_SCALE) -> bytes:
    """A GET_VALUES reply as a drive sends it; names as in a decoded one, absent ones are 0."""
    numbers = [round(values.get(name, 0.0) * (divisor or position_scale)) for name, divisor in _VALUES_NAMES]
    payload = bytearray(_VALUES.pack(*numbers))
    payload[0] = find_command("values", firmware)[2]
    return encode_frame(bytes(payload), firmware)


def _wrong_length(name: str, data: bytes, wanted: str) -> DataError:
    return DataError(f"Serial command {name} has {len(data)} bytes of data; {wanted} are expected. Check the dialect.")
