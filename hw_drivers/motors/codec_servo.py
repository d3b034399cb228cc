"""Servo mode over CAN: extended id `packet << 8 | drive id`, big-endian payload; status frames as V3 drives send them.

Source: CubeMars driver manual V1.0.18 section 5.1, product manual V3.0.0 section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite

from hw_drivers.motors.codec_mit import STATUS_A, STATUS_ERPM, Reply, error_name, status_steps
from hw_drivers.motors.models import MotorRange
from studio.core.errors import ConfigError, DataError

STATUS_PACKET, JUMP_START_PACKET, START_PACKET = 0x29, 0x09, 0x2C
START_MARK = bytes.fromhex("fafbfcfd")
POSITION_SCALE, OLD_POSITION_SCALE = 10_000.0, 1_000_000.0  # steps per degree; older manuals use the second


@dataclass(frozen=True, slots=True)
class ServoField:
    """One number of a packet: `size` bytes hold value * scale; `low` to `high` are the documented limits."""

    name: str
    unit: str  # empty for a plain number
    scale: float
    low: float
    high: float
    size: int = 4


@dataclass(frozen=True, slots=True)
class ServoPacket:
    number: int
    fields: tuple[ServoField, ...]


_POSITION = ServoField("position", "deg", POSITION_SCALE, -36_000, 36_000)
PACKETS: dict[str, ServoPacket] = {
    "duty": ServoPacket(0, (ServoField("duty", "", 100_000, -1, 1),)),
    "current": ServoPacket(1, (ServoField("current", "A", 1000, -60, 60),)),
    # the manual states 0 to 60 A and prints an example of -4 A; both are let through
    "current_brake": ServoPacket(2, (ServoField("current", "A", 1000, -60, 60),)),
    "velocity": ServoPacket(3, (ServoField("speed", "ERPM", 1, -100_000, 100_000),)),
    "position": ServoPacket(4, (_POSITION,)),
    # 0 temporary, 1 permanent (dual encoders only, says the legacy manual), 2 restore default in older manuals
    "origin": ServoPacket(5, (ServoField("mode", "", 1, 0, 2, 1),)),
    # the stated range of the acceleration is positive, a printed example is negative: send positive ones
    "position_velocity": ServoPacket(
        6,
        (
            _POSITION,
            ServoField("speed", "ERPM", 0.1, -327_680, 327_670, 2),
            ServoField("acceleration", "ERPM/s2", 0.1, -327_680, 327_670, 2),
        ),
    ),
}
_ALIASES = {
    "brake": "current_brake",
    "rpm": "velocity",
    "speed": "velocity",
    "set_origin": "origin",
    "position_speed": "position_velocity",
    "position_speed_acceleration": "position_velocity",
    "pos_spd": "position_velocity",
}


@dataclass(frozen=True, slots=True)
class ServoCommand:
    """A decoded command packet: its name and its values in the packet's units."""

    packet: str
    drive_id: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ServoStatus:
    """A status frame `0x2900 | id` as it is: output degrees, electrical speed, phase current, board temperature."""

    drive_id: int
    position_deg: float
    speed_erpm: float
    current_a: float
    temperature_c: float
    error_code: int

    @property
    def error_name(self) -> str:
        return error_name(self.error_code)


def field_label(field: ServoField) -> str:
    return f"{field.name} ({field.unit})" if field.unit else field.name


def find_packet(name: str) -> tuple[str, ServoPacket]:
    """A packet by its name or a common other name.

    Raises:
        ConfigError: there is none of that name.
    """
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    plain = _ALIASES.get(plain, plain)
    if plain not in PACKETS:
        raise ConfigError(f"There is no servo packet {name!r}. Packets: {', '.join(PACKETS)}.")
    return plain, PACKETS[plain]


def scaled_integer(field: ServoField, value: float, where: str, scale: float | None = None) -> bytes:
    """One value as a big-endian integer, rounded to nearest.

    Raises:
        ConfigError: outside the documented limits or not finite.
    """
    if not isfinite(value) or not field.low <= value <= field.high:
        allowed = f"{field.low:g} to {field.high:g} {field.unit}".rstrip()
        raise ConfigError(f"{where}: {field.name} is {value:g}; allowed {allowed}. Change the value.")
    if field.size == 1 and value != int(value):  # a mode: half a mode must not become another one
        raise ConfigError(f"{where}: {field.name} is {value:g}; allowed whole numbers. Change the value.")
    number = floor(value * (field.scale if scale is None else scale) + 0.5)
    bound = 1 << (8 * field.size - 1)
    if field.size > 1 and not -bound <= number < bound:
        most = (bound - 1) / (field.scale if scale is None else scale)
        raise ConfigError(
            f"{where}: {field.name} {value:g} does not fit {field.size} bytes at this scale; at most {most:g}."
        )
    return number.to_bytes(field.size, "big", signed=field.size > 1)


def encode_servo(
    packet: str, values: Sequence[float], drive_id: int, *, position_scale: float = POSITION_SCALE
) -> tuple[int, bytes]:
    """Arbitration id (extended) and payload of one command.

    Args:
        packet: name from `PACKETS`.
        values: in the units of the packet's fields.
        drive_id: 0 to 255.
        position_scale: steps per degree; `OLD_POSITION_SCALE` for older firmware.

    Raises:
        ConfigError: unknown packet, wrong number of values, a value outside its limits.
    """
    name, found = find_packet(packet)
    if not 0 <= drive_id <= 255:
        raise ConfigError(f"Drive id is {drive_id}; allowed 0 to 255. Change the id.")
    if len(values) != len(found.fields):
        wanted = ", ".join(field_label(f) for f in found.fields)
        raise ConfigError(
            f"Servo packet {name} was given {len(values)} values; it takes {len(found.fields)}: {wanted}."
        )
    parts = [
        scaled_integer(field, value, f"Servo packet {name}", position_scale if field is _POSITION else None)
        for field, value in zip(found.fields, values, strict=True)
    ]
    return found.number << 8 | drive_id, b"".join(parts)


def decode_servo(arbitration_id: int, data: bytes, *, position_scale: float = POSITION_SCALE) -> ServoCommand:
    """What a drive reads in a servo command.

    Raises:
        DataError: no such packet, or another length.
    """
    number, drive_id = arbitration_id >> 8, arbitration_id & 0xFF
    found = [(name, packet) for name, packet in PACKETS.items() if packet.number == number]
    if not found:
        raise DataError(f"Id {arbitration_id:#010x} is no servo command. Packets are 0 to 6.")
    name, packet = found[0]
    if len(data) != sum(f.size for f in packet.fields):
        raise DataError(f"Servo packet {name} has {len(data)} bytes, expected {sum(f.size for f in packet.fields)}.")
    values, place = list[float](), 0
    for field in packet.fields:
        steps = int.from_bytes(data[place : place + field.size], "big", signed=field.size > 1)
        values.append(steps / (position_scale if field is _POSITION else field.scale))
        place += field.size
    return ServoCommand(name, drive_id, tuple(values))


def decode_status(arbitration_id: int, data: bytes) -> ServoStatus:
    """A status frame.

    Raises:
        DataError: another id or length.
    """
    if arbitration_id >> 8 in (START_PACKET, JUMP_START_PACKET):
        what = "the start of servo mode" if arbitration_id >> 8 == START_PACKET else "a jump start"
        raise DataError(f"Frame {arbitration_id:#010x} tells {what}, and no state. Wait for an id 0x29.. .")
    if arbitration_id >> 8 != STATUS_PACKET or len(data) != 8:
        raise DataError(
            f"Frame {arbitration_id:#010x} with {len(data)} bytes is no status frame; one has id 0x29.. and 8 bytes."
        )
    position, speed, current = (int.from_bytes(data[i : i + 2], "big", signed=True) for i in (0, 2, 4))
    temperature = int.from_bytes(data[6:7], "big", signed=True)
    return ServoStatus(
        arbitration_id & 0xFF, position / 10, speed * STATUS_ERPM, current * STATUS_A, float(temperature), data[7]
    )


def encode_status(status: ServoStatus) -> tuple[int, bytes]:
    """A status frame as a drive sends it; values saturate at the documented limits."""
    position = min(max(floor(status.position_deg * 10 + 0.5), -32_000), 32_000)
    speed = min(max(floor(status.speed_erpm / STATUS_ERPM + 0.5), -32_000), 32_000)
    current = min(max(floor(status.current_a / STATUS_A + 0.5), -6_000), 6_000)
    temperature = min(max(floor(status.temperature_c + 0.5), -20), 127)
    data = b"".join(value.to_bytes(2, "big", signed=True) for value in (position, speed, current))
    data += temperature.to_bytes(1, "big", signed=True) + bytes([status.error_code])
    return STATUS_PACKET << 8 | status.drive_id, data


def status_reply(motor: MotorRange, status: ServoStatus) -> Reply:
    """A status frame in the units of a MIT reply.

    Raises:
        ConfigError: the row lacks pole pairs or the torque of one ampere.
    """
    step_rad, step_rad_s, step_nm = status_steps(motor)
    return Reply(
        drive_id=status.drive_id,
        position_rad=status.position_deg * 10 * step_rad,
        velocity_rad_s=status.speed_erpm / STATUS_ERPM * step_rad_s,
        torque_nm=status.current_a / STATUS_A * step_nm,
        temperature_c=status.temperature_c,
        error_code=status.error_code,
    )
