"""Servo mode: printed command vectors, status frames, limits."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_drivers.motors.codec_servo import (
    OLD_POSITION_SCALE,
    PACKETS,
    ServoStatus,
    decode_servo,
    decode_status,
    encode_servo,
    encode_status,
    find_packet,
    status_reply,
)
from hw_drivers.motors.models import find_range
from studio.core.errors import ConfigError, DataError
from tests.hw_drivers.vectors import ANSWERS, SERVO, STATUS, Answer


@pytest.mark.parametrize(("packet", "values", "drive_id", "number", "data"), SERVO)
def test_command_vectors(packet: str, values: tuple[float, ...], drive_id: int, number: int, data: str) -> None:
    assert encode_servo(packet, values, drive_id) == (number, bytes.fromhex(data))
    command = decode_servo(number, bytes.fromhex(data))
    assert (command.packet, command.drive_id) == (packet, drive_id)
    assert command.values == pytest.approx(values)


def test_older_firmware_has_finer_degrees() -> None:
    assert encode_servo("position", (90,), 1, position_scale=OLD_POSITION_SCALE) == (0x401, bytes.fromhex("055d4a80"))
    with pytest.raises(ConfigError, match=r"does not fit 4 bytes at this scale; at most 2147.48"):
        encode_servo("position", (3000,), 1, position_scale=OLD_POSITION_SCALE)


@pytest.mark.parametrize(("data", "degrees", "erpm", "amperes", "celsius", "error"), STATUS)
def test_status_vectors(data: str, degrees: float, erpm: float, amperes: float, celsius: float, error: int) -> None:
    status = decode_status(0x2901, bytes.fromhex(data))
    assert status.drive_id == 1
    assert (status.position_deg, status.speed_erpm, status.current_a) == pytest.approx((degrees, erpm, amperes))
    assert (status.temperature_c, status.error_code) == (celsius, error)
    assert encode_status(status) == (0x2901, bytes.fromhex(data))
    assert status.error_name == {0: "none", 6: "MOSFET over-temperature"}[error]


@pytest.mark.parametrize("vector", [a for a in ANSWERS if a.firmware == "v3"], ids=lambda a: a.data)
def test_status_in_si_units(vector: Answer) -> None:
    reply = status_reply(find_range(vector.model, "v3"), decode_status(0x2968, bytes.fromhex(vector.data)))
    found = (reply.position_rad, reply.velocity_rad_s, reply.torque_nm, reply.temperature_c, reply.error_code)
    expected = (vector.position_rad, vector.velocity_rad_s, vector.torque_nm, vector.temperature_c, vector.error_code)
    assert found == pytest.approx(expected, rel=1e-5) and reply.drive_id == 0x68


def test_a_status_saturates_where_the_manual_says() -> None:
    number, data = encode_status(ServoStatus(3, 1e6, -1e9, 100.0, 300.0, 0))
    assert number == 0x2903 and data.hex() == "7d0083001770" + "7f00"


@given(st.sampled_from(sorted(PACKETS)), st.data())
def test_what_is_sent_is_what_is_read(packet: str, data: st.DataObject) -> None:
    fields = PACKETS[packet].fields
    whole = {f.name for f in fields if f.size == 1}
    values = [data.draw(st.integers(0, 2) if f.name in whole else st.floats(f.low, f.high)) for f in fields]
    command = decode_servo(*encode_servo(packet, values, 42))
    assert command.packet == packet and command.drive_id == 42
    for field, found, asked in zip(fields, command.values, values, strict=True):
        assert abs(found - asked) <= 0.5 / field.scale * (1 + 1e-6)


@given(st.integers(0, 0x1FFFFFFF), st.binary(max_size=8))
def test_any_frame_is_decoded_or_refused(number: int, data: bytes) -> None:
    for decode in (decode_servo, decode_status):
        try:
            decoded = decode(number, data)
        except DataError:
            continue
        numbers = np.hstack([value for value in asdict(decoded).values() if not isinstance(value, str)])
        assert np.isfinite(numbers.astype(float)).all()


@pytest.mark.parametrize(
    ("packet", "values", "drive_id", "said"),
    [
        ("duty", (1.01,), 1, "duty is 1.01; allowed -1 to 1"),
        ("current", (61,), 1, "allowed -60 to 60 A"),
        ("current", (float("nan"),), 1, "current is nan"),
        ("current", (1, 2), 1, "takes 1: current \\(A\\)"),
        ("position_velocity", (1,), 1, "takes 3: position \\(deg\\), speed \\(ERPM\\), acceleration"),
        ("torque", (1,), 1, "no servo packet 'torque'. Packets: duty"),
        ("duty", (0,), 256, "Drive id is 256; allowed 0 to 255"),
        ("origin", (3,), 1, "allowed 0 to 2"),
    ],
)
def test_wrong_use_is_a_sentence(packet: str, values: tuple[float, ...], drive_id: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        encode_servo(packet, values, drive_id)


def test_other_names_and_foreign_frames() -> None:
    assert find_packet("set-origin")[0] == "origin" and find_packet("RPM")[0] == "velocity"
    with pytest.raises(DataError, match="no servo command"):
        decode_servo(0x868, bytes(8))
    with pytest.raises(DataError, match="has 3 bytes, expected 4"):
        decode_servo(0x101, bytes(3))
    with pytest.raises(DataError, match="tells the start of servo mode"):
        decode_status(0x2C01, bytes.fromhex("fafbfcfd"))
    with pytest.raises(DataError, match="tells a jump start"):
        decode_status(0x0901, bytes(8))
    with pytest.raises(DataError, match="no status frame"):
        decode_status(0x2901, bytes(6))
