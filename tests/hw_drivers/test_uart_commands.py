"""Serial commands and replies: every printed frame, both dialects, both position scales."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_drivers.motors.codec_uart import encode_frame
from hw_drivers.motors.uart_commands import (
    COMMANDS,
    OLD_VALUES_SCALE,
    SELECTABLE,
    decode_uart,
    encode_uart,
    encode_values,
    fault_name,
)
from studio.core.errors import ConfigError, DataError, SafetyError
from tests.hw_drivers.vectors import (
    POSITION_STREAM,
    SELECTED,
    UART,
    VALUES_LEGACY,
    VALUES_OLD,
    VALUES_V3,
)

VALUES = {
    "mosfet_temperature_c": 31.5,
    "motor_temperature_c": 28.0,
    "output_current_a": 1.25,
    "input_current_a": 0.40,
    "id_a": 0.0,
    "iq_a": 1.25,
    "duty": 0.052,
    "speed_erpm": 840,
    "supply_v": 24.1,
    "fault_code": 0,
    "position_deg": 45.0,
    "drive_id": 1,
    "vd_v": 0.012,
    "vq_v": 1.234,
    "fault": "none",
}


@pytest.mark.parametrize(("dialect", "command", "values", "text", "frame"), UART)
def test_command_vectors(dialect: str, command: str, values: tuple[float, ...], text: str, frame: str) -> None:
    assert encode_uart(command, values, dialect, text=text) == bytes.fromhex(frame)
    message = decode_uart(bytes.fromhex(frame), dialect)
    assert message.command == command and not message.reply
    if text:
        assert message.values == {"text": text}
    else:
        assert list(message.values.values()) == pytest.approx(list(values))


@pytest.mark.parametrize(
    ("dialect", "frame", "scale"),
    [("legacy", VALUES_LEGACY, 1000.0), ("legacy", VALUES_OLD, OLD_VALUES_SCALE), ("v3", VALUES_V3, 1000.0)],
)
def test_the_values_reply(dialect: str, frame: str, scale: float) -> None:
    message = decode_uart(bytes.fromhex(frame), dialect, position_scale=scale)
    assert message.reply and message.command == "values"
    assert message.values == VALUES
    numbers = {key: float(value) for key, value in VALUES.items() if not isinstance(value, str)}
    assert encode_values(numbers, dialect, position_scale=scale) == bytes.fromhex(frame)


def test_the_other_printed_replies() -> None:
    assert decode_uart(bytes.fromhex(POSITION_STREAM), "legacy").values["position_deg"] == pytest.approx(175.0628)
    other = decode_uart(bytes.fromhex(POSITION_STREAM), "legacy", stream_scale=1000.0)
    assert other.values["position_deg"] == pytest.approx(1750.628)
    message = decode_uart(bytes.fromhex(SELECTED), "legacy")
    assert message.reply and message.values == {"mosfet_temperature_c": 28.5}


def test_selected_values_in_order() -> None:
    mask = SELECTABLE["supply_v"] | SELECTABLE["position_deg"] | SELECTABLE["drive_id"] | SELECTABLE["fault_code"]
    assert mask == 0x38100
    data = b"\x00\xf1" + b"\x05" + (45_000_000).to_bytes(4, "big") + b"\x07"
    message = decode_uart(encode_frame(b"\x13" + mask.to_bytes(4, "big") + data, "v3"), "v3")
    assert message.values == {
        "supply_v": 24.1,
        "fault_code": 5,
        "position_deg": 45.0,
        "drive_id": 7,
        "fault": "FET over-temperature",
    }
    with pytest.raises(DataError, match=r"bits \[10\] is not documented"):
        decode_uart(encode_frame(b"\x32\x00\x00\x02\x00\x01", "legacy"), "legacy")


def test_fault_codes_are_not_those_of_can() -> None:
    assert [fault_name(code) for code in (0, 1, 6, 18, 19)] == [
        "none", "over-voltage", "motor over-temperature", "unbalanced currents", "unknown fault 19"
    ]  # fmt: skip


@given(st.sampled_from(["legacy", "v3"]), st.binary(min_size=1, max_size=90))
def test_any_healthy_frame_is_decoded_or_refused(dialect: str, payload: bytes) -> None:
    try:
        message = decode_uart(encode_frame(payload, dialect), dialect)
    except DataError:
        return
    assert message.command in COMMANDS


@pytest.mark.parametrize("command", ["bootloader", "erase", "write", "rotor_position"])
def test_what_the_studio_never_sends(command: str) -> None:
    with pytest.raises(SafetyError, match=f"{command} is not sent"):
        encode_uart(command, (), "legacy")


@pytest.mark.parametrize(
    ("command", "values", "dialect", "text", "said"),
    [
        ("duty", (2,), "legacy", "", "allowed -1 to 1"),
        ("position", (2148,), "legacy", "", "allowed -2147 to 2147 deg"),
        ("duty", (), "legacy", "", "given 0 values; it takes: duty"),
        ("mit", (0, 0, 0, 0, 0), "legacy", "", "no serial command 'mit' in dialect legacy"),
        ("go_to_zero", (), "v3", "", "no serial command 'go_to_zero' in dialect v3"),
        ("terminal", (), "legacy", "", "needs text"),
        ("values", (), "legacy", "x", "takes no text"),
        ("selective", (0.5,), "legacy", "", "whole"),
        ("duty", (0.1,), "v2", "", "dialect 'v2' is unknown"),
    ],
)
def test_wrong_use_is_a_sentence(command: str, values: tuple[float, ...], dialect: str, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        encode_uart(command, values, dialect, text=text)


def test_frames_of_another_length_or_command_are_refused() -> None:
    with pytest.raises(DataError, match="command 200 is unknown in dialect legacy"):
        decode_uart(encode_frame(b"\xc8", "legacy"), "legacy")
    with pytest.raises(DataError, match="duty has 2 bytes of data; 4 are expected"):
        decode_uart(encode_frame(b"\x05\x00\x00", "legacy"), "legacy")
    with pytest.raises(DataError, match="values has 3 bytes of data; 72"):
        decode_uart(encode_frame(b"\x04\x00\x00\x00", "legacy"), "legacy")
