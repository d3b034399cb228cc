"""Vectors of spec/hardware.md 2.4.1 to 2.4.4, round trips, and the promise that no command equals a special frame."""

from __future__ import annotations

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
    decode_command,
    decode_reply,
    encode_command,
    encode_reply,
    is_special,
)
from hw_drivers.motors.models import MotorRange, find_range, known_ranges
from studio.core.errors import ConfigError, DataError, SafetyError

AK60, AK80 = find_range("AK60-6"), find_range("AK80-9")
LEGACY = [row for row in known_ranges().values() if row.firmware == "legacy"]

COMMANDS = [
    (AK60, (0, 0, 0, 0, 0), "8000800000000800"),  # C1
    (AK60, (12.5, 45, 500, 5, 15), "fffffffffeffffff"),  # C2 with the Kp cap
    (AK60, (-12.5, -45, 0, 0, -15), "0000000000000000"),  # C3
    (AK60, (1, 0, 0, 0, 0), "8a3d800000000800"),  # C4
    (AK60, (0.1, 0.5, 60, 1.5, 0.25), "81068161eb4cd822"),  # C10
    (AK60, (13, 50, 600, 6, 20), "fffffffffeffffff"),  # C14 with the Kp cap
    (AK80, (0, 0, 0, 0, 0), "8000800000000800"),  # C17
    (AK80, (12.5, 50, 500, 5, 18), "fffffffffeffffff"),  # C20 with the Kp cap
]
OVERFLOWS = [  # what the vendor's rule makes of a single field at its limit (2.4.3)
    ((12.5, 0, 0, 0, 0), "0000800000000800"),
    ((0, 45, 0, 0, 0), "8000000000000800"),
    ((0, 0, 500, 0, 0), "8000801000000800"),
    ((0, 0, 0, 5, 0), "8000800000000800"),
    ((0, 0, 0, 0, 15), "8000800000001000"),
]
REPLIES = [
    (AK60, "018000800800", (1, 0.000191, 0.010989, 0.003663, None, None)),  # R1
    (AK60, "017fff7ff7ff", (1, -0.000191, -0.010989, -0.003663, None, None)),  # R2
    (AK60, "02ffffffffff4600", (2, 12.5, 45.0, 15.0, 30.0, 0)),  # R3
    (AK60, "0300000000003c05", (3, -12.5, -45.0, -15.0, 20.0, 5)),  # R4
    (AK80, "018a3d851a004400", (1, 1.000038, 1.990232, 4.505495, 28.0, 0)),  # R10
    (AK60, "01851e9c7999", (1, 0.49992, 10.011, 3.0, None, None)),
]


@pytest.mark.parametrize(("motor", "values", "data"), COMMANDS)
def test_command_vectors(motor: MotorRange, values: tuple[float, ...], data: str) -> None:
    assert encode_command(motor, *values).hex() == data


@pytest.mark.parametrize(("values", "vendor"), OVERFLOWS)
def test_never_the_overflow_of_the_vendor_rule(values: tuple[float, ...], vendor: str) -> None:
    data = encode_command(AK60, *values)
    assert data.hex() != vendor
    asked = next(i for i, v in enumerate(values) if v)
    assert decode_command(AK60, data)[asked] == pytest.approx(values[asked], rel=1e-3)


@pytest.mark.parametrize(("motor", "data", "expected"), REPLIES)
def test_reply_vectors(motor: MotorRange, data: str, expected: tuple[float | None, ...]) -> None:
    reply = decode_reply(motor, bytes.fromhex(data))
    assert reply.drive_id == expected[0]
    found = (reply.position_rad, reply.velocity_rad_s, reply.torque_nm)
    assert found == pytest.approx(expected[1:4], rel=2e-3, abs=1e-6)
    assert (reply.temperature_c, reply.error_code) == expected[4:]


@pytest.mark.parametrize("motor", LEGACY)
def test_zero_has_the_same_codes_on_every_range(motor: MotorRange) -> None:
    assert encode_command(motor, 0, 0, 0, 0, 0).hex() == "8000800000000800"


wide = st.floats(-1e4, 1e4)


@given(st.sampled_from(LEGACY), wide, wide, wide, wide, wide)
def test_no_command_is_a_special_frame(motor: MotorRange, p: float, v: float, kp: float, kd: float, t: float) -> None:
    data = encode_command(motor, p, v, kp, kd, t)
    assert not is_special(data)
    assert data[:7] != b"\xff" * 7


@given(st.floats(-12.5, 12.5), st.floats(-45, 45), st.floats(0, 499.8), st.floats(0, 5), st.floats(-15, 15))
def test_command_round_trip_is_within_half_a_step(p: float, v: float, kp: float, kd: float, t: float) -> None:
    found = decode_command(AK60, encode_command(AK60, p, v, kp, kd, t))
    half = np.array([25 / 65535, 90 / 4095, 500 / 4095, 5 / 4095, 30 / 4095]) / 2
    assert (np.abs(np.array(found) - (p, v, kp, kd, t)) <= half * (1 + 1e-9)).all()


@given(st.lists(st.tuples(wide, wide, wide, wide, wide), min_size=16, max_size=16))
def test_arrays_and_scalars_agree(rows: list[tuple[float, ...]]) -> None:
    motors = [AK60, AK80] * 8
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
