"""Vectors of both dialects, round trips over all codes, and the promise that no command equals a special frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_drivers.motors.codec_mit import (
    ENTER,
    EXIT,
    ZERO,
    MitArrayCodec,
    Reply,
    command_id,
    decode_command,
    decode_reply,
    encode_command,
    encode_reply,
    error_name,
    is_special,
)
from hw_drivers.motors.codec_servo import decode_status, status_reply
from hw_drivers.motors.models import MotorRange, find_range, known_ranges
from studio.core.errors import ConfigError, DataError, SafetyError
from tests.hw_drivers.vectors import ANSWERS, MIT_COMMANDS, Answer, Mit

AK60, AK80 = find_range("AK60-6"), find_range("AK80-9")
LEGACY = [row for row in known_ranges().values() if row.firmware == "legacy"]

OVERFLOWS = [  # what the vendor's rule makes of a single field at its limit (2.4.3)
    ((12.5, 0, 0, 0, 0), "0000800000000800"),
    ((0, 45, 0, 0, 0), "8000000000000800"),
    ((0, 0, 500, 0, 0), "8000801000000800"),
    ((0, 0, 0, 5, 0), "8000800000000800"),
    ((0, 0, 0, 0, 15), "8000800000001000"),
]
PRINTED_V3 = [  # V3 manual p. 49, id 0x868; they fit 12.5 / 50 / 65, and no single rule makes them all: +-1 per field
    ((0, 6, 0, 2, 0), "0006667fff8f57ff", "00066680008f5800"),
    ((-6, 0, 2, 2, 0), "010666428f7ff7ff", "010666428f800800"),
    ((0, 0, 0, 0, 2), "0000007fff7ff83f", "000000800080083f"),
]


@pytest.mark.parametrize("vector", MIT_COMMANDS, ids=lambda v: f"{v.model}-{v.firmware}-{v.values}")
def test_command_vectors(vector: Mit) -> None:
    motor = find_range(vector.model, vector.firmware)
    data = encode_command(motor, *vector.values)
    assert data == bytes.fromhex(vector.data)
    frames = np.zeros((1, 8), dtype=np.uint8)
    MitArrayCodec([replace(motor, status_feedback=False)], [1]).encode_commands(
        np.array([vector.values], dtype=np.float64), frames
    )
    assert frames.tobytes() == data


@pytest.mark.parametrize(("values", "printed", "ours"), PRINTED_V3)
def test_v3_commands_are_within_one_code_of_the_printed_ones(
    values: tuple[float, ...], printed: str, ours: str
) -> None:
    motor = find_range("AK60-6", "v3", {"position_rad": 12.5, "velocity_rad_s": 50.0, "torque_nm": 65.0})
    data = encode_command(motor, *values)
    assert data.hex() == ours
    for shift, mask in ((52, 0xFFF), (40, 0xFFF), (24, 0xFFFF), (12, 0xFFF), (0, 0xFFF)):
        found, wanted = (int(text, 16) >> shift & mask for text in (data.hex(), printed))
        assert abs(found - wanted) <= 1


def test_ids_of_commands() -> None:
    assert command_id(AK60, 5) == (5, False)
    assert command_id(find_range("AK60-6", "v3"), 0x68) == (0x868, True)


@pytest.mark.parametrize(("values", "vendor"), OVERFLOWS)
def test_never_the_overflow_of_the_vendor_rule(values: tuple[float, ...], vendor: str) -> None:
    data = encode_command(AK60, *values)
    assert data.hex() != vendor
    asked = next(i for i, v in enumerate(values) if v)
    assert decode_command(AK60, data)[asked] == pytest.approx(values[asked], rel=1e-3)


@pytest.mark.parametrize("vector", [a for a in ANSWERS if a.firmware == "legacy"], ids=lambda a: a.data)
def test_reply_vectors(vector: Answer) -> None:
    reply = decode_reply(find_range(vector.model), bytes.fromhex(vector.data))
    assert reply.drive_id == vector.drive_id
    found = (reply.position_rad, reply.velocity_rad_s, reply.torque_nm)
    assert found == pytest.approx((vector.position_rad, vector.velocity_rad_s, vector.torque_nm), rel=2e-3, abs=1e-6)
    assert (reply.temperature_c, reply.error_code) == (vector.temperature_c, vector.error_code)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, (0.49992, 10.011, 3.0)),
        ({"velocity_rad_s": 50.0}, (0.49992, 11.123, 3.0)),
        ({"velocity_rad_s": 41.87, "torque_nm": 9.0}, (0.49992, 9.315, 1.8)),
        ({"position_rad": 12.56, "velocity_rad_s": 60.0, "torque_nm": 12.0}, (0.50232, 13.348, 2.4)),
    ],
)
def test_the_same_bytes_in_the_wrong_table(row: dict[str, float], expected: tuple[float, ...]) -> None:
    reply = decode_reply(find_range("AK60-6", "legacy", row), bytes.fromhex("01851e9c7999"))
    found = (reply.position_rad, reply.velocity_rad_s, reply.torque_nm)
    assert found == pytest.approx(expected, abs=6e-4)


def test_the_other_temperature_convention() -> None:
    plain = find_range("AK60-6", "legacy", {"temperature_offset_c": 0.0})
    assert decode_reply(plain, bytes.fromhex("02ffffffffff4600")).temperature_c == 70


def test_unknown_error_codes_are_faults_with_a_name() -> None:
    reply = decode_reply(AK60, bytes.fromhex("02ffffffffff46c8"))
    assert reply.error_code == 200 and error_name(200) == "unknown error 200"
    assert [error_name(code) for code in (0, 6, 7)] == ["none", "MOSFET over-temperature", "stall"]


@pytest.mark.parametrize("motor", LEGACY)
def test_zero_has_the_same_codes_on_every_range(motor: MotorRange) -> None:
    assert encode_command(motor, 0, 0, 0, 0, 0).hex() == "8000800000000800"


wide = st.floats(allow_nan=False, allow_infinity=False)
beyond = st.one_of(wide, st.floats(-1000, 1000), st.sampled_from([12.5, 45.0, 500.0, 5.0, 15.0, 499.94, 1e300, -1e300]))


@given(st.sampled_from(LEGACY), beyond, beyond, beyond, beyond, beyond)
def test_no_command_is_a_special_frame(motor: MotorRange, p: float, v: float, kp: float, kd: float, t: float) -> None:
    data = encode_command(motor, p, v, kp, kd, t)
    assert not is_special(data)
    assert data[:7] != b"\xff" * 7


_WIDE = 1024


def _wide_codec(motor: MotorRange) -> MitArrayCodec:
    """Many motors of one kind, to try many frames at once."""
    return MitArrayCodec([replace(motor, status_feedback=False)] * _WIDE, [1] * _WIDE)


@pytest.mark.parametrize("motor", LEGACY, ids=lambda m: m.model)
def test_no_gain_has_the_code_of_a_special_frame(motor: MotorRange) -> None:
    """All special frames have a Kp code of 0xFFF: with every code and every place between two codes it is not sent."""
    kp = np.linspace(-0.1, 1.1, 32_768 - 4098) * motor.kp_nm_rad
    kp = np.concatenate([kp, np.nextafter(motor.kp_nm_rad, [0, 1e9]), np.arange(4096) * (motor.kp_nm_rad / 4095)])
    commands = np.tile([1e9, 1e9, 0.0, 1e9, 1e9], (len(kp), 1))  # all others at full scale, as a special frame has them
    commands[:, 2] = kp
    frames = np.zeros((len(kp), 8), dtype=np.uint8)
    codec = _wide_codec(motor)
    for place in range(0, len(kp), _WIDE):
        codec.encode_commands(commands[place : place + _WIDE], frames[place : place + _WIDE])
    codes = (frames[:, 3].astype(int) & 0xF) << 8 | frames[:, 4]
    assert codes.max() == 0xFFE and codes.min() == 0
    assert (frames[:, :3] == 0xFF).all() and (frames[:, 5:] == 0xFF).all()


@pytest.mark.parametrize("motor", list(known_ranges().values()), ids=lambda m: f"{m.model}-{m.firmware}")
def test_every_code_of_every_field_comes_back(motor: MotorRange) -> None:
    """Decode and encode are inverse on all 65,536 and 4,096 codes; the legacy Kp stops at 0xFFE."""
    count, codec = 65_536, _wide_codec(motor)
    codes = np.arange(count, dtype=np.uint64)
    shifts = (24, 12, 52, 40, 0) if motor.firmware == "v3" else (48, 36, 24, 12, 0)
    words = codes << np.uint64(shifts[0])
    for shift in shifts[1:]:
        words = words | (codes & np.uint64(0xFFF)) << np.uint64(shift)
    frames = words.astype(">u8").view(np.uint8).reshape(count, 8)
    commands, again = np.zeros((count, 5)), np.zeros((count, 8), dtype=np.uint8)
    for place in range(0, count, _WIDE):
        rows = slice(place, place + _WIDE)
        codec.decode_commands(frames[rows], commands[rows])
        codec.encode_commands(commands[rows], again[rows])
    different = (frames != again).any(axis=1)
    if motor.firmware == "v3":
        assert not different.any()
    else:
        assert (np.flatnonzero(different) & 0xFFF == 0xFFF).all() and different.sum() == 16


@given(st.floats(-12.5, 12.5), st.floats(-45, 45), st.floats(0, 499.8), st.floats(0, 5), st.floats(-15, 15))
def test_command_round_trip_is_within_half_a_step(p: float, v: float, kp: float, kd: float, t: float) -> None:
    found = decode_command(AK60, encode_command(AK60, p, v, kp, kd, t))
    half = np.array([25 / 65535, 90 / 4095, 500 / 4095, 5 / 4095, 30 / 4095]) / 2
    assert (np.abs(np.array(found) - (p, v, kp, kd, t)) <= half * (1 + 1e-9)).all()


@given(st.lists(st.tuples(beyond, beyond, beyond, beyond, beyond), min_size=16, max_size=16))
def test_arrays_and_scalars_agree(rows: list[tuple[float, ...]]) -> None:
    motors = [AK60, AK80, find_range("AK60-6", "v3"), find_range("AK10-9", "v3")] * 4  # dialects mixed
    codec = MitArrayCodec(motors, range(1, 17))
    commands, frames = np.array(rows), np.zeros((16, 8), dtype=np.uint8)
    carried, decoded = np.zeros((16, 5)), np.zeros((16, 5))
    codec.encode_commands(commands, frames, carried)
    codec.decode_commands(frames, decoded)
    for i, row in enumerate(rows):
        assert frames[i].tobytes() == encode_command(motors[i], *row)
        assert decoded[i] == pytest.approx(decode_command(motors[i], frames[i].tobytes()), abs=1e-12)
    assert (carried == decoded).all()


@given(st.lists(st.tuples(wide, wide, wide, st.floats(-60, 300), st.integers(0, 7)), min_size=4, max_size=4))
def test_reply_arrays_and_scalars_agree(rows: list[tuple[float, ...]]) -> None:
    codec = MitArrayCodec([AK60] * 4, [1, 2, 3, 200])
    frames, states = np.zeros((4, 8), dtype=np.uint8), np.zeros((4, 5))
    codec.encode_replies(np.array(rows, dtype=np.float64), frames)
    codec.decode_replies(frames, states)
    for i, drive_id in enumerate((1, 2, 3, 200)):
        reply = decode_reply(AK60, frames[i].tobytes())
        assert reply.drive_id == drive_id
        found = (reply.position_rad, reply.velocity_rad_s, reply.torque_nm, reply.temperature_c, reply.error_code)
        assert states[i] == pytest.approx(found, abs=1e-9)
        assert reply.error_code == rows[i][4]


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=4, max_size=4))
def test_any_bytes_decode_alike_in_arrays_and_alone(rows: list[bytes]) -> None:
    motors = [AK60, find_range("AK60-6", "v3"), AK80, find_range("AK80-9", "v3")]
    frames, states = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(4, 8).copy(), np.zeros((4, 5))
    MitArrayCodec(motors, [1, 2, 3, 4]).decode_replies(frames, states)
    for motor, data, state in zip(motors, rows, states, strict=True):
        v3 = motor.status_feedback
        reply = status_reply(motor, decode_status(0x2901, data)) if v3 else decode_reply(motor, data)
        found = (reply.position_rad, reply.velocity_rad_s, reply.torque_nm, reply.temperature_c, reply.error_code)
        assert state == pytest.approx(found, rel=1e-9, abs=1e-9)


def test_a_status_frame_of_the_array_codec_is_the_scalar_one() -> None:
    motor = find_range("AK60-6", "v3")
    codec, frames = MitArrayCodec([motor, AK60], [7, 9]), np.zeros((2, 8), dtype=np.uint8)
    codec.encode_replies(np.array([[0.7853982, 12.46664, 0.8, 30, 0], [0.0, 0.0, 0.0, 30, 0]]), frames)
    assert frames[0].tobytes() == bytes.fromhex("01C203E800641E00")
    assert frames[1].tobytes() == encode_reply(AK60, Reply(9, 0.0, 0.0, 0.0, 30.0, 0))


def test_a_six_byte_reply_keeps_temperature_and_error() -> None:
    codec = MitArrayCodec([AK60, AK60], [1, 2])
    frames = np.zeros((2, 8), dtype=np.uint8)
    frames[0, :6] = list(bytes.fromhex("01851e9c7999"))
    frames[1] = list(bytes.fromhex("0300000000003c05"))
    states = np.tile([0.0, 0.0, 0.0, 44.0, 3.0], (2, 1))
    codec.decode_replies(frames, states, np.array([False, True]))
    assert states[0] == pytest.approx([0.49992, 10.011, 3.0, 44.0, 3.0], abs=1e-3)
    assert states[1, 3:].tolist() == [20.0, 5.0]


@pytest.mark.parametrize("motor", list(known_ranges().values()), ids=lambda m: f"{m.model}-{m.firmware}")
def test_zero_by_turns_of_its_two_codes(motor: MotorRange) -> None:
    plain = replace(motor, status_feedback=False)
    codec, frames, carried = MitArrayCodec([plain], [1], zero_dither=True), np.zeros((1, 8), np.uint8), np.zeros((1, 5))
    total = np.zeros(5)
    for _ in range(10):
        codec.encode_commands(np.zeros((1, 5)), frames, carried)
        assert abs(carried[0, 1]) == pytest.approx(motor.velocity_rad_s / 4095)
        total += carried[0]
    assert total[[1, 4]] == pytest.approx([0.0, 0.0], abs=1e-9) and total[[2, 3]].tolist() == [0.0, 0.0]


@given(st.lists(st.tuples(beyond, beyond, beyond, beyond, beyond), min_size=4, max_size=4))
def test_dither_changes_nothing_but_zero(rows: list[tuple[float, ...]]) -> None:
    commands = np.clip(np.array(rows), -1e6, 1e6)
    commands[np.abs(commands) < 1e-3] = 1e-3
    plain, dithered = MitArrayCodec([AK60] * 4, range(4)), MitArrayCodec([AK60] * 4, range(4), zero_dither=True)
    first, second = np.zeros((4, 8), dtype=np.uint8), np.zeros((4, 8), dtype=np.uint8)
    plain.encode_commands(commands, first)
    for _ in range(2):
        dithered.encode_commands(commands, second)
        different = _codes(first) - _codes(second)
        assert not different[:, [0, 2, 3]].any()
        share = (commands[:, [1, 4]] + (45.0, 15.0)) / (90.0, 30.0) * 4095
        tie = np.abs(share % 1.0 - 0.5) < 1e-6
        assert not different[:, [1, 4]][~tie].any() and (np.abs(different) <= 1).all()


def _codes(frames: np.ndarray) -> np.ndarray:
    words = frames.view(">u8")[:, 0].astype(np.uint64)
    fields = [(48, 0xFFFF), (36, 0xFFF), (24, 0xFFF), (12, 0xFFF), (0, 0xFFF)]
    return np.stack([(words >> np.uint64(s) & np.uint64(m)).astype(np.int64) for s, m in fields], axis=1)


def test_a_row_without_pole_pairs_cannot_read_status_frames() -> None:
    with pytest.raises(ConfigError, match="AK80-6 v3: status frames need pole_pairs"):
        MitArrayCodec([find_range("AK80-6", "v3")], [1])
    MitArrayCodec([find_range("AK80-6", "v3", {"pole_pairs": 21})], [1])


def test_reply_round_trip_of_the_twin_side() -> None:
    reply = Reply(7, 1.25, -3.0, 2.5, 41.0, 6)
    found = decode_reply(AK60, encode_reply(AK60, reply))
    assert (found.drive_id, found.temperature_c, found.error_code) == (7, 41.0, 6)
    assert found.position_rad == pytest.approx(1.25, abs=2e-4)
    assert len(encode_reply(AK60, Reply(7, 0, 0, 0, None, None))) == 6


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(SafetyError, match="not finite"):
        encode_command(AK60, 0, bad, 0, 0, 0)
    commands, frames = np.zeros((3, 5)), np.full((3, 8), 7, dtype=np.uint8)
    commands[1, 2] = bad
    with pytest.raises(SafetyError, match=r"\[1\]"):
        MitArrayCodec([AK60] * 3, [1, 2, 3]).encode_commands(commands, frames)
    assert (frames == 7).all()


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="6 or 8 bytes"):
        decode_reply(AK60, b"\x01\x02\x03")
    with pytest.raises(DataError, match="8 bytes"):
        decode_command(AK60, b"\x01")


def test_special_frames_and_unknown_models() -> None:
    assert all(is_special(frame) for frame in (ENTER, EXIT, ZERO))
    with pytest.raises(ConfigError, match="in no catalogue"):
        find_range("AK60-9")
    with pytest.raises(ConfigError, match="unknown"):
        find_range("AK99-1")
