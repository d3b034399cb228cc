"""How each dialect names motors on the wire (spec/hardware.md 2.1 and 2.2)."""

from __future__ import annotations

from enum import IntEnum

from hw_drivers.bus.can_frame import EXTENDED_FLAG, EXTENDED_MASK, REMOTE_FLAG
from hw_drivers.motors.codec_mit import ENTER, EXIT, command_id, encode_command
from hw_drivers.motors.models import MotorRange

STATUS_PACKET = 0x29


class Special(IntEnum):
    """Frames that switch a drive. A V3 drive has none; it gets a command of zero gains and no torque instead."""

    ENTER = 0
    EXIT = 1


def command_can_id(motor: MotorRange, drive_id: int) -> int:
    """Identifier of a command, with the kernel's flag when it is an extended one."""
    number, extended = command_id(motor, drive_id)
    return number | EXTENDED_FLAG if extended else number


def special_frame(motor: MotorRange, special: Special) -> bytes:
    """The eight bytes that switch one drive."""
    if motor.firmware == "v3":
        return encode_command(motor, 0.0, 0.0, 0.0, 0.0, 0.0)
    return ENTER if special is Special.ENTER else EXIT


def drive_of(can_id: int, data: bytes) -> int:
    """Drive id that a reply names; -1: no reply.

    Legacy: any standard identifier, 6 or 8 bytes, the id in byte 0 (spec/hardware.md 2.1). V3: extended identifier
    0x2900 | id, 8 bytes (2.2).
    """
    if can_id & REMOTE_FLAG:
        return -1
    if can_id & EXTENDED_FLAG:
        return can_id & 0xFF if (can_id & EXTENDED_MASK) >> 8 == STATUS_PACKET and len(data) == 8 else -1
    return data[0] if len(data) in (6, 8) else -1
