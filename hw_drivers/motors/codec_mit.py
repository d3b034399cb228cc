"""MIT codec of both dialects: command and reply frames as bytes, one motor at a time and for all motors at once.

The row of a motor says its dialect. Legacy: standard id, position first, one reply per command. V3: extended id
`0x800 | id`, gains first, feedback as a servo status frame (`codec_servo`).

Rounding is NEAREST: floor((x - low) / span * (2^n - 1) + 0.5), divided first so that zero always lands on the same
code, saturated to the code range. The legacy Kp code is capped at 0xFFE so that no command can equal a special frame;
V3 has no such frames and no cap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_drivers.motors.codec_kernels import CodecKernels
from hw_drivers.motors.models import MotorRange
from studio.core.errors import ConfigError, DataError, SafetyError
from studio.core.geometry import FloatArray
from studio.core.kernel import Value

ENTER = bytes.fromhex("fffffffffffffffc")
EXIT = bytes.fromhex("fffffffffffffffd")
ZERO = bytes.fromhex("fffffffffffffffe")
SPECIAL_WORD_MIN = int.from_bytes(ENTER, "big")
SPECIAL_WORD_MAX = int.from_bytes(ZERO, "big")

_P_MAX, _CODE_MAX, _KP_MAX = 0xFFFF, 0xFFF, 0xFFE
_COMMAND_SHIFTS = (48, 36, 24, 12, 0)  # p, v, kp, kd, t
_V3_COMMAND_SHIFTS = (24, 12, 52, 40, 0)
_REPLY_SHIFTS = (40, 28, 16, 8, 0)  # p, v, t, temperature, error; the drive id lies above at 56
_STATUS_SHIFTS = (48, 32, 16, 8, 0)
_SIGN_BITS = (0x8000, 0x8000, 0x8000, 0x80, 0)  # a status frame's fields are signed
_STATUS_CODES = (0xFFFF, 0xFFFF, 0xFFFF, 0xFF, 0xFF)
STATUS_RAD, STATUS_ERPM, STATUS_A = pi / 1800, 10.0, 0.01  # one step of a status frame: 0.1 deg, 10 ERPM, 10 mA

BIG_ENDIAN = np.dtype(">u8")
_KEPT_VIEWS = 8  # per codec; each keeps its buffer alive, so that no other can have its identity

Frames = NDArray[np.uint8]
ERROR_NAMES = {
    0: "none",
    1: "motor over-temperature",
    2: "over-current",
    3: "over-voltage",
    4: "under-voltage",
    5: "encoder",
    6: "MOSFET over-temperature",
    7: "stall",
}


def error_name(code: int) -> str:
    """What an error byte says. Every code but 0 is a fault, known or not."""
    return ERROR_NAMES.get(code, f"unknown error {code}")


def command_id(motor: MotorRange, drive_id: int) -> tuple[int, bool]:
    """Arbitration id of a command, and whether it is an extended one."""
    return (0x800 | drive_id, True) if motor.firmware == "v3" else (drive_id, False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A decoded reply; temperature and error are None when the frame has six bytes."""

    drive_id: int
    position_rad: float
    velocity_rad_s: float
    torque_nm: float
    temperature_c: float | None
    error_code: int | None


def _code(value: float, low: float, span: float, code_max: int) -> int:
    share = min(max((value - low) / span, 0.0), 1.0)
    return floor(share * code_max + 0.5)


def _value(code: int, low: float, span: float, code_max: int) -> float:
    return code * span / code_max + low


def encode_command(
    motor: MotorRange,
    position_rad: float,
    velocity_rad_s: float,
    kp_nm_rad: float,
    kd_nm_s_rad: float,
    torque_nm: float,
) -> bytes:
    """Eight bytes of one command; values outside the range saturate.

    Raises:
        SafetyError: a value is not finite.
    """
    values = (position_rad, velocity_rad_s, kp_nm_rad, kd_nm_s_rad, torque_nm)
    if not all(isfinite(v) for v in values):
        raise SafetyError(f"A motor command holds a number that is not finite: {values}. Nothing was sent; press stop.")
    p = _code(position_rad, -motor.position_rad, 2 * motor.position_rad, _P_MAX)
    v = _code(velocity_rad_s, -motor.velocity_rad_s, 2 * motor.velocity_rad_s, _CODE_MAX)
    kp = _code(kp_nm_rad, 0.0, motor.kp_nm_rad, _CODE_MAX)
    kd = _code(kd_nm_s_rad, 0.0, motor.kd_nm_s_rad, _CODE_MAX)
    t = _code(torque_nm, -motor.torque_nm, 2 * motor.torque_nm, _CODE_MAX)
    if motor.firmware == "v3":
        return (kp << 52 | kd << 40 | p << 24 | v << 12 | t).to_bytes(8, "big")
    return (p << 48 | v << 36 | min(kp, _KP_MAX) << 24 | kd << 12 | t).to_bytes(8, "big")


def decode_command(motor: MotorRange, data: bytes) -> tuple[float, float, float, float, float]:
    """What the drive reads in a command: p, v, kp, kd, t in rad, rad/s, N*m/rad, N*m*s/rad, N*m."""
    if len(data) != 8:
        raise DataError(f"A MIT command has 8 bytes, got {len(data)}: {data.hex()}.")
    word = int.from_bytes(data, "big")
    shifts = _V3_COMMAND_SHIFTS if motor.firmware == "v3" else _COMMAND_SHIFTS
    v, kp, kd, t = (word >> shift & _CODE_MAX for shift in shifts[1:])
    return (
        _value(word >> shifts[0] & _P_MAX, -motor.position_rad, 2 * motor.position_rad, _P_MAX),
        _value(v, -motor.velocity_rad_s, 2 * motor.velocity_rad_s, _CODE_MAX),
        _value(kp, 0.0, motor.kp_nm_rad, _CODE_MAX),
        _value(kd, 0.0, motor.kd_nm_s_rad, _CODE_MAX),
        _value(t, -motor.torque_nm, 2 * motor.torque_nm, _CODE_MAX),
    )


def encode_reply(motor: MotorRange, reply: Reply) -> bytes:
    """Eight bytes (six without temperature and error) as a drive sends them."""
    p = _code(reply.position_rad, -motor.position_rad, 2 * motor.position_rad, _P_MAX)
    v = _code(reply.velocity_rad_s, -motor.velocity_rad_s, 2 * motor.velocity_rad_s, _CODE_MAX)
    t = _code(reply.torque_nm, -motor.torque_nm, 2 * motor.torque_nm, _CODE_MAX)
    data = bytes([reply.drive_id]) + (p << 24 | v << 12 | t).to_bytes(5, "big")
    if reply.temperature_c is None or reply.error_code is None:
        return data
    temperature = _code(reply.temperature_c, motor.temperature_offset_c, 255.0, 255)
    return data + bytes([temperature, reply.error_code])


def decode_reply(motor: MotorRange, data: bytes) -> Reply:
    """A reply of six (old firmware) or eight bytes."""
    if len(data) not in (6, 8):
        raise DataError(f"A MIT reply has 6 or 8 bytes, got {len(data)}: {data.hex()}. Check the firmware's mode.")
    word = int.from_bytes(data[1:6], "big")
    whole = len(data) == 8
    return Reply(
        drive_id=data[0],
        position_rad=_value(word >> 24, -motor.position_rad, 2 * motor.position_rad, _P_MAX),
        velocity_rad_s=_value(word >> 12 & 0xFFF, -motor.velocity_rad_s, 2 * motor.velocity_rad_s, _CODE_MAX),
        torque_nm=_value(word & 0xFFF, -motor.torque_nm, 2 * motor.torque_nm, _CODE_MAX),
        temperature_c=data[6] + motor.temperature_offset_c if whole else None,
        error_code=data[7] if whole else None,
    )


class _Layout:
    """Five fields of all motors in one 64-bit word; arrays are [5, motors], as broadcasting costs more than memory.

    Args:
        low, span, codes: value of code 0, width of the range, highest code.
        cap: highest code that is sent.
        shifts: where each field lies in the word.
        flip: sign bits of signed fields, which turn them into unsigned ones; None when there are none.
    """

    def __init__(
        self,
        low: FloatArray,
        span: FloatArray,
        codes: FloatArray,
        cap: FloatArray,
        shifts: NDArray[np.uint64],
        flip: NDArray[np.uint64] | None = None,
    ) -> None:
        # All in C order as the buffers are: an operand in another order makes every call four times as long.
        low, span, codes, cap = (np.ascontiguousarray(x, dtype=np.float64) for x in (low, span, codes, cap))
        self.low, self.span, self.codes, self.most = low, span, codes, cap / codes
        self.step, self.half, self.zero = span / codes, np.full_like(span, 0.5), np.zeros_like(span)
        self.masks = codes.astype(np.uint64)
        self.shifts = np.ascontiguousarray(shifts)
        self.flip = None if flip is None or not flip.any() else np.ascontiguousarray(flip)

    def members(self) -> dict[str, Value]:
        """What the kernels need of it, by the names in resources/native/tick/mit_codec.h."""
        flip = np.zeros_like(self.masks) if self.flip is None else self.flip
        names = ("low", "span", "codes", "most", "step", "shifts", "masks")
        return {name: getattr(self, name) for name in names} | {"flip": flip}


def _columns(rows: Sequence[Sequence[float]], dtype: Any = np.float64) -> NDArray[Any]:
    """One tuple of five per motor as an array [5, motors]."""
    array: NDArray[Any] = np.array(rows, dtype=dtype)
    return np.ascontiguousarray(array.reshape(len(rows), 5).transpose())


def _command_layout(ranges: Sequence[MotorRange]) -> _Layout:
    full = _columns([(r.position_rad, r.velocity_rad_s, r.kp_nm_rad, r.kd_nm_s_rad, r.torque_nm) for r in ranges])
    two_sided = np.array([[1.0], [1.0], [0.0], [0.0], [1.0]])
    codes = _columns([(_P_MAX, _CODE_MAX, _CODE_MAX, _CODE_MAX, _CODE_MAX)] * len(ranges))
    cap = codes.copy()
    cap[2] = [_CODE_MAX if r.firmware == "v3" else _KP_MAX for r in ranges]
    shifts = _columns([_V3_COMMAND_SHIFTS if r.firmware == "v3" else _COMMAND_SHIFTS for r in ranges], np.uint64)
    return _Layout(-full * two_sided, full * (1 + two_sided), codes, cap, shifts)


def status_steps(motor: MotorRange) -> tuple[float, float, float]:
    """Position, velocity and torque of one step of a status frame, in rad, rad/s and N*m at the output.

    Raises:
        ConfigError: the row lacks the pole pairs or the torque of one ampere.
    """
    if motor.erpm_per_rad_s is None or motor.torque_per_current_nm_a is None:
        raise ConfigError(
            f"{motor.model} {motor.firmware}: status frames need pole_pairs and torque_per_current_nm_a, "
            "which no source gives for this model. Read them from the vendor's tool and set them for this motor."
        )
    return STATUS_RAD, STATUS_ERPM / motor.erpm_per_rad_s, STATUS_A * motor.torque_per_current_nm_a


def _reply_row(motor: MotorRange) -> tuple[tuple[float, ...], ...]:
    """Low, span, codes, shifts and sign bits of one motor's feedback."""
    if motor.status_feedback:
        steps = (*status_steps(motor), 1.0, 1.0)
        low = tuple(-sign * step for sign, step in zip(_SIGN_BITS, steps, strict=True))
        span = tuple(code * step for code, step in zip(_STATUS_CODES, steps, strict=True))
        return low, span, _STATUS_CODES, _STATUS_SHIFTS, _SIGN_BITS
    full = (motor.position_rad, motor.velocity_rad_s, motor.torque_nm)
    low = (*(-x for x in full), motor.temperature_offset_c, 0.0)
    span = (*(2 * x for x in full), 255.0, 255.0)
    return low, span, (_P_MAX, _CODE_MAX, _CODE_MAX, 255, 255), _REPLY_SHIFTS, (0, 0, 0, 0, 0)


def _reply_layout(ranges: Sequence[MotorRange]) -> _Layout:
    low, span, codes, shifts, flip = zip(*(_reply_row(r) for r in ranges), strict=True)
    codes = _columns(codes)
    return _Layout(_columns(low), _columns(span), codes, codes, _columns(shifts, np.uint64), _columns(flip, np.uint64))


def is_special(data: bytes) -> bool:
    return data in (ENTER, EXIT, ZERO)


def _not_finite(commands: FloatArray) -> SafetyError:
    bad = np.flatnonzero(~np.isfinite(commands).all(axis=1)).tolist()
    return SafetyError(f"The commands of motors {bad} hold a number that is not finite. Nothing was sent.")


class MitArrayCodec:
    """The same codec for all motors at once, with buffers made once; used by plants and twins at loop rate.

    Kernels in C do it where there is a library and the arrays are column-major and come again (resources/native/tick);
    what stands here in NumPy is their reference, and does the rest.

    Arrays are [motors, 5] outside; inside everything is [5, motors], so transposed arrays (column-major) are fastest.
    Motors of both dialects may be mixed; each row is in its own.

    Args:
        ranges: one row per motor.
        drive_ids: the id each drive puts into byte 0 of its reply.
        zero_dither: zero lies between two codes; take them in turn for speed and torque, so that Kd times half a step
            of speed does not become a constant torque (0.02 N*m on AK60-6; spec/hardware.md 2.3).
    """

    def __init__(self, ranges: Sequence[MotorRange], drive_ids: Sequence[int], *, zero_dither: bool = False) -> None:
        self.motors = len(ranges)
        self._command, self._reply = _command_layout(ranges), _reply_layout(ranges)
        ids = [0 if r.status_feedback else i for r, i in zip(ranges, drive_ids, strict=True)]  # a status frame has none
        # A little less than a half changes exact ties only, and of what is sent only zero is one.
        self._other_half = self._command.half.copy() if zero_dither else None
        if self._other_half is not None:
            self._other_half[[1, 4]] -= 1e-9
        self._ids = np.array(ids, dtype=np.uint64) << np.uint64(56)
        self._scaled = np.empty((5, self.motors))
        self._parts = np.empty((5, self.motors), dtype=np.uint64)
        self._words = np.empty(self.motors, dtype=np.uint64)
        self._low_half, self._high_half = self._parts[:2], self._parts[2:4]
        self._halves, self._last = np.empty((2, self.motors), dtype=np.uint64), self._parts[4]
        self._first_half, self._second_half = self._halves
        self._finite = np.empty((5, self.motors), dtype=bool)
        self._all_finite = np.ones((5, self.motors), dtype=bool).tobytes()
        self._viewed: dict[int, tuple[Frames, NDArray[np.uint64]]] = {}
        self._kernels = CodecKernels(self._command.members(), self._reply.members() | {"ids": self._ids}, zero_dither)

    def encode_commands(self, commands: FloatArray, frames: Frames, carried: FloatArray | None = None) -> None:
        """Commands [motors, 5] (p, v, kp, kd, t) into `frames` [motors, 8]; what they decode to into `carried`.

        Raises:
            SafetyError: a value is not finite; `frames` is untouched.
        """
        if (kernel := self._kernels.find("encode_commands", commands, frames, carried)) is not None:
            if kernel() < 0:
                raise _not_finite(commands)
            return
        layout, scaled = self._command, self._scaled
        if self._other_half is not None:
            layout.half, self._other_half = self._other_half, layout.half
        np.subtract(commands.T, layout.low, scaled)
        np.divide(scaled, layout.span, scaled)
        np.isfinite(scaled, self._finite)
        if self._finite.tobytes() != self._all_finite:
            raise _not_finite(commands)
        self._pack(layout)
        if carried is not None:
            scaled[...] = self._parts
            np.multiply(scaled, layout.step, scaled)
            np.add(scaled, layout.low, carried.T)
        self._join(layout, frames)

    def encode_replies(self, states: FloatArray, frames: Frames) -> None:
        """States [motors, 5] (p, v, torque, temperature, error) into reply `frames` [motors, 8]. A NaN: lowest code."""
        if (kernel := self._kernels.find("encode_replies", states, frames)) is not None:
            kernel()
            return
        layout, scaled = self._reply, self._scaled
        np.subtract(states.T, layout.low, scaled)
        np.divide(scaled, layout.span, scaled)
        self._pack(layout)
        self._join(layout, frames, self._ids)

    def _pack(self, layout: _Layout) -> None:
        """Codes of the scaled values into `_parts`: casting cuts off, which is floor for what is not negative."""
        scaled = self._scaled
        np.fmax(scaled, layout.zero, out=scaled)
        np.minimum(scaled, layout.most, out=scaled)
        np.multiply(scaled, layout.codes, scaled)
        np.add(scaled, layout.half, scaled)
        self._parts[...] = scaled

    def _join(self, layout: _Layout, frames: Frames, ids: NDArray[np.uint64] | None = None) -> None:
        if layout.flip is not None:
            np.bitwise_xor(self._parts, layout.flip, self._parts)
        np.left_shift(self._parts, layout.shifts, self._parts)
        np.bitwise_or(self._low_half, self._high_half, self._halves)  # by halves: a reduction costs more
        np.bitwise_or(self._first_half, self._second_half, self._words)
        np.bitwise_or(self._words, self._last, self._words)
        if ids is not None:
            np.bitwise_or(self._words, ids, self._words)
        self._words_of(frames)[...] = self._words

    def decode_commands(self, frames: Frames, commands: FloatArray) -> None:
        """What the drives read: `frames` [motors, 8] into `commands` [motors, 5]."""
        if (kernel := self._kernels.find("decode_commands", commands, frames)) is not None:
            kernel()
            return
        self._unpack(self._command, frames, commands)

    def decode_replies(self, frames: Frames, states: FloatArray, whole: NDArray[np.bool_] | None = None) -> None:
        """Reply `frames` [motors, 8] into `states` [motors, 5].

        Args:
            whole: [motors], False where a reply had six bytes: temperature and error of that motor stay as they were.
        """
        if whole is None or whole.all():
            self._decode_replies(frames, states)
            return
        kept = states[~whole, 3:]
        self._decode_replies(frames, states)
        states[~whole, 3:] = kept

    def _decode_replies(self, frames: Frames, states: FloatArray) -> None:
        if (kernel := self._kernels.find("decode_replies", states, frames)) is not None:
            kernel()
            return
        self._unpack(self._reply, frames, states)

    def _words_of(self, frames: Frames) -> NDArray[np.uint64]:
        """Frames as words [motors], a view. Those of the few buffers that come every tick are kept."""
        known = self._viewed.get(id(frames))
        if known is None:
            if len(self._viewed) >= _KEPT_VIEWS:
                self._viewed.clear()
            known = self._viewed[id(frames)] = frames, frames.view(BIG_ENDIAN)[:, 0]
        return known[1]

    def _unpack(self, layout: _Layout, frames: Frames, values: FloatArray) -> None:
        parts, columns = self._parts, values.T
        parts[...] = self._words_of(frames)
        np.right_shift(parts, layout.shifts, parts)
        np.bitwise_and(parts, layout.masks, parts)
        if layout.flip is not None:
            np.bitwise_xor(parts, layout.flip, parts)
        columns[...] = parts
        np.multiply(columns, layout.step, columns)
        np.add(columns, layout.low, columns)
