"""Faults of a motor's wire and drive, injected between the twins and the bus (catalogue: spec/hardware.md 4.3).

Each changes what the host sees or what the drives hear, exactly as the reports behind the catalogue describe it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hw_drivers.bus.can_frame import EXTENDED_FLAG
from studio.core.errors import ConfigError

_STATUS_ID = 0x2900
_MIDDLE = 0x800  # velocity code of standstill


class FaultKind(StrEnum):
    """What goes wrong; the comment says what `value` means."""

    LOST_REPLY = "lost_reply"  # share of replies that is lost, 0 to 1
    PREVIOUS_REPLY = "previous_reply"  # the reply of the cycle before comes instead
    STUCK_REPLY = "stuck_reply"  # the same bytes for ever
    DUPLICATE = "duplicate"
    DELAYED = "delayed"  # s
    WRONG_ID = "wrong_id"  # the id in byte 0
    SHORT_REPLY = "short_reply"  # six bytes instead of eight
    TEMPERATURE_OFFSET = "temperature_offset"  # K added to the byte
    OVER_TEMPERATURE = "over_temperature"  # degC in the manual's convention (byte - 40)
    ERROR_CODE = "error_code"  # byte 7
    BIT_FLIP = "bit_flip"  # share of replies with one flipped bit
    POSITION_WRAP = "position_wrap"  # codes added, modulo 65536
    SECTOR_JUMP = "sector_jump"  # rad added, modulo the range
    VELOCITY_SCALE = "velocity_scale"  # factor on the speed
    ECHO = "echo"  # our own frames come back
    STATUS_FRAMES = "status_frames"  # Hz: servo status frames instead of replies
    NO_FEEDBACK = "no_feedback"  # s without any reply
    BUS_OFF = "bus_off"  # s until the controller restarts
    NO_BUFFER = "no_buffer"  # s in which frames are refused
    UNPLUG = "unplug"  # the adapter is gone
    HOLD_TORQUE = "hold_torque"  # the drives keep the last command for ever
    DROP_TORQUE = "drop_torque"  # s of silence after which the drives let go


_USUAL_VALUES = {
    FaultKind.LOST_REPLY: 1.0,
    FaultKind.DELAYED: 0.004,
    FaultKind.WRONG_ID: 99.0,
    FaultKind.TEMPERATURE_OFFSET: 40.0,
    FaultKind.OVER_TEMPERATURE: 95.0,
    FaultKind.ERROR_CODE: 6.0,
    FaultKind.BIT_FLIP: 1.0,
    FaultKind.POSITION_WRAP: 32768.0,
    FaultKind.SECTOR_JUMP: 1.0472,  # 360 degrees by a gear of 6:1
    FaultKind.VELOCITY_SCALE: 50.0 / 45.0,
    FaultKind.STATUS_FRAMES: 50.0,
    FaultKind.NO_FEEDBACK: 3.0,
    FaultKind.BUS_OFF: 0.1,
    FaultKind.NO_BUFFER: 0.05,
    FaultKind.DROP_TORQUE: 1.0,
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of one drive, or of all on the bus.

    Args:
        kind: what goes wrong.
        drive_id: of the drive; 0 means all.
        value: see `FaultKind`.
    """

    kind: FaultKind
    drive_id: int = 0
    value: float = 0.0

    def hits(self, drive_id: int) -> bool:
        return self.drive_id in (0, drive_id)


def make_fault(kind: str, drive_id: int = 0, value: float | None = None) -> Fault:
    """A fault by name; without a value the usual one of the catalogue.

    Raises:
        ConfigError: there is no such fault.
    """
    try:
        known = FaultKind(kind)
    except ValueError:
        raise ConfigError(f"There is no fault {kind!r}. Known: {', '.join(FaultKind)}. Choose one of them.") from None
    return Fault(kind=known, drive_id=drive_id, value=_USUAL_VALUES.get(known, 0.0) if value is None else value)


Frame = tuple[int, bytes]  # identifier with flags, data


class WireFaults:
    """The faults that are active on one bus, and what they remember.

    Args:
        position_range_rad: full scale of the position code, for sector jumps.
        seed: of the chances.
    """

    def __init__(self, position_range_rad: float = 12.5, seed: int = 0) -> None:
        self._range_rad = position_range_rad
        self._chance = random.Random(seed)
        self._active: list[tuple[Fault, int]] = []  # with the time it began
        self._before: dict[int, bytes] = {}
        self._stuck: dict[int, bytes] = {}
        self._held: list[tuple[int, Frame]] = []  # delayed frames with the time they are due
        self._status_due_ns: dict[int, int] = {}

    @property
    def any(self) -> bool:
        return bool(self._active or self._held)

    def inject(self, fault: Fault, now_ns: int) -> None:
        self._active.append((fault, now_ns))

    def clear(self) -> None:
        self._active.clear()
        self._stuck.clear()

    def is_on(self, kind: FaultKind, now_ns: int, drive_id: int = 0) -> bool:
        """Whether a fault acts now; those with a length end by themselves."""
        return self.find(kind, now_ns, drive_id) is not None

    def find(self, kind: FaultKind, now_ns: int, drive_id: int = 0) -> Fault | None:
        for fault, since_ns in self._active:
            if fault.kind is kind and (drive_id == 0 or fault.hits(drive_id)):
                timed = kind in (FaultKind.NO_FEEDBACK, FaultKind.BUS_OFF, FaultKind.NO_BUFFER)
                if not timed or now_ns - since_ns < fault.value * 1e9:
                    return fault
        return None

    def idle_s(self, silence_s: float, now_ns: int) -> float:
        """What the drives take for silence: torque that persists, or that is dropped after a time."""
        if self.is_on(FaultKind.HOLD_TORQUE, now_ns):
            return 0.0
        dropped = self.find(FaultKind.DROP_TORQUE, now_ns)
        if dropped is None:
            return silence_s
        return 0.0 if silence_s < dropped.value else float("inf")

    def change(self, commands: Sequence[Frame], replies: Sequence[Frame], now_ns: int) -> list[Frame]:
        """What the host gets instead of `replies`."""
        changed: list[Frame] = []
        if self.is_on(FaultKind.ECHO, now_ns):
            changed += commands
        for can_id, data in replies:
            changed += self._change_one(can_id, data, now_ns)
        return changed + self.due(now_ns)

    def due(self, now_ns: int) -> list[Frame]:
        """Delayed frames whose time has come."""
        ready = [frame for due_ns, frame in self._held if due_ns <= now_ns]
        self._held = [(due_ns, frame) for due_ns, frame in self._held if due_ns > now_ns]
        return ready

    def _change_one(self, can_id: int, data: bytes, now_ns: int) -> list[Frame]:
        drive_id, honest = can_id & 0xFF if can_id & EXTENDED_FLAG else data[0], data
        frames: list[Frame] | None = None
        for fault, _ in self._active:
            if fault.hits(drive_id) and self.is_on(fault.kind, now_ns, drive_id):
                data = self._change_data(fault, drive_id, data, legacy=not can_id & EXTENDED_FLAG)
                frames = self._change_number(fault, can_id, data, now_ns) if frames is None else frames
        self._before[drive_id] = honest
        return [(can_id, data)] if frames is None else frames

    def _change_number(self, fault: Fault, can_id: int, data: bytes, now_ns: int) -> list[Frame] | None:
        """Faults that make more, fewer, later or other frames of one; None: as many as before."""
        kind = fault.kind
        if kind is FaultKind.NO_FEEDBACK or (kind is FaultKind.LOST_REPLY and self._chance.random() < fault.value):
            return []
        if kind is FaultKind.DUPLICATE:
            return [(can_id, data), (can_id, data)]
        if kind is FaultKind.DELAYED:
            self._held.append((now_ns + int(fault.value * 1e9), (can_id, data)))
            return []
        if kind is FaultKind.STATUS_FRAMES:
            return self._status(data, fault.value, now_ns)
        return None

    def _status(self, data: bytes, rate_hz: float, now_ns: int) -> list[Frame]:
        if now_ns < self._status_due_ns.get(data[0], 0):
            return []
        self._status_due_ns[data[0]] = now_ns + int(1e9 / rate_hz)
        return [(EXTENDED_FLAG | _STATUS_ID | data[0], b"\0" * 6 + b"\x1e\0")]

    def _change_data(self, fault: Fault, drive_id: int, data: bytes, *, legacy: bool) -> bytes:
        kind, value = fault.kind, fault.value
        if kind is FaultKind.PREVIOUS_REPLY:
            return self._before.get(drive_id, data)
        if kind is FaultKind.STUCK_REPLY:
            return self._stuck.setdefault(drive_id, data)
        if kind is FaultKind.SHORT_REPLY:
            return data[:6]
        if kind is FaultKind.BIT_FLIP and self._chance.random() < value:
            return _flip(data, self._chance.randrange(8 * len(data)))
        if not legacy or len(data) != 8:
            return data
        if kind is FaultKind.WRONG_ID:
            return bytes([int(value) & 0xFF]) + data[1:]
        return self._change_fields(kind, value, data)

    def _change_fields(self, kind: FaultKind, value: float, data: bytes) -> bytes:
        word = int.from_bytes(data[1:6], "big")
        position, speed, torque = word >> 24, word >> 12 & 0xFFF, word & 0xFFF
        temperature, error = data[6], data[7]
        if kind is FaultKind.TEMPERATURE_OFFSET:
            temperature = min(255, temperature + int(value))
        elif kind is FaultKind.OVER_TEMPERATURE:
            temperature = min(255, int(value) + 40)
        elif kind is FaultKind.ERROR_CODE:
            error = int(value) & 0xFF
        elif kind is FaultKind.POSITION_WRAP:
            position = (position + int(value)) & 0xFFFF
        elif kind is FaultKind.SECTOR_JUMP:
            position = (position + round(value / (2 * self._range_rad) * 0xFFFF)) & 0xFFFF
        elif kind is FaultKind.VELOCITY_SCALE:
            speed = min(max(_MIDDLE + round((speed - _MIDDLE) * value), 0), 0xFFF)
        fields = (position << 24 | speed << 12 | torque).to_bytes(5, "big")
        return data[:1] + fields + bytes([temperature, error])


def _flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
