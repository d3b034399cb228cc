"""`can …` and `uart …`: every vector through the command line, and one clear line for wrong use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.cli.main import main
from tests.hw_drivers.vectors import (
    ANSWERS,
    MIT_COMMANDS,
    POSITION_STREAM,
    SELECTED,
    SERVO,
    UART,
    VALUES_OLD,
    VALUES_V3,
)


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_can_encode(capsys: pytest.CaptureFixture[str]) -> None:
    for vector in MIT_COMMANDS:
        numbers = [
            w for name, x in zip(("p", "v", "kp", "kd", "t"), vector.values, strict=True) for w in (f"--{name}", f"{x}")
        ]
        result = _run(capsys, "can", "encode", "--model", vector.model, "--firmware", vector.firmware, *numbers)
        assert result["data"] == bytes.fromhex(vector.data).hex()
        v3 = vector.firmware == "v3"
        assert (result["id_offset"], result["extended"]) == ((0x800, True) if v3 else (0, False))


def test_can_decode(capsys: pytest.CaptureFixture[str]) -> None:
    for vector in ANSWERS:
        result = _run(
            capsys, "can", "decode", "--model", vector.model, "--firmware", vector.firmware, "--data", vector.data
        )
        found = (result["position_rad"], result["velocity_rad_s"], result["torque_nm"])
        assert found == pytest.approx(
            (vector.position_rad, vector.velocity_rad_s, vector.torque_nm), rel=2e-3, abs=1e-6
        )
        assert (result["id"], result["temperature_c"]) == (vector.drive_id, vector.temperature_c)
        assert result["error"]["code"] == vector.error_code
    assert result["error"] == {"code": 9, "name": "unknown error 9"}


def test_can_decode_knows_the_drive_and_its_temperature(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("can", "decode", "--model", "AK60-6", "--firmware")
    status = _run(capsys, *words, "v3", "--data", "01C203E800641E00", "--arbitration-id", "0x2968")
    assert (status["id"], status["position_deg"], status["speed_erpm"], status["current_a"]) == (
        0x68,
        45.0,
        10_000,
        1.0,
    )
    reply = _run(capsys, *words, "legacy", "--data", "02ffffffffff4600", "--set", "temperature_offset_c=0")
    assert reply["temperature_c"] == 70 and "set for this motor" in reply["source"]


def test_v3_frames_of_either_layout(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("can", "decode", "--firmware", "v3", "--model")
    reply = _run(capsys, *words, "AK60-6", "--data", "01:85:1E:9C:79:99")  # spec/hardware.md 2.4.4
    found = (reply["position_rad"], reply["velocity_rad_s"], reply["torque_nm"])
    assert reply["id"] == 1 and found == pytest.approx((0.50232, 13.348, 2.400), abs=5e-4)
    whole = _run(capsys, *words, "AK60-6", "--data", "01-85-1E-9C-79-99-1B-00", "--arbitration-id", "1")
    assert whole["torque_nm"] == reply["torque_nm"] and whole["temperature_c"] == 27
    poor = _run(capsys, *words, "AK80-6", "--data", "0x01C203E800641E07")  # no source gives its pole pairs
    assert poor["position_rad"] == pytest.approx(0.785398) and poor["error"]["name"] == "stall"
    assert poor["velocity_rad_s"] is None and "pole_pairs" in poor["note"]


def test_can_servo(capsys: pytest.CaptureFixture[str]) -> None:
    for packet, values, drive_id, number, data in SERVO:
        numbers = [str(value) for value in values]
        result = _run(capsys, "can", "servo", "--packet", packet, "--id", str(drive_id), "--value", *numbers)
        assert (result["id"], result["data"]) == (number, bytes.fromhex(data).hex())


def test_can_models(capsys: pytest.CaptureFixture[str]) -> None:
    result = _run(capsys, "can", "models")
    models = {model["name"]: model for model in result["models"]}
    assert models["AK60-9"] == models["AK60-9"] | {"resolved": False, "choices": ["AK60-6", "AK80-9"]}
    assert models["AK60-6"]["ranges"]["legacy"]["velocity_rad_s"]["value"] == 45.0
    assert main(["can", "models"]) == 0
    assert "AK60-9   unresolved" in capsys.readouterr().out


def test_uart_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    for dialect, command, values, text, frame in UART:
        numbers = ["--value", *map(str, values)] if values else []
        words = [*numbers, *(["--text", text] if text else [])]
        result = _run(capsys, "uart", "encode", "--command", command, "--firmware", dialect, *words)
        assert result["frame"] == bytes.fromhex(frame).hex()
        decoded = _run(capsys, "uart", "decode", "--frame", frame)
        assert (decoded["command"], decoded["firmware"], decoded["id"]) == (command, dialect, result["id"])


def test_uart_replies(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "uart", "decode", "--frame", VALUES_V3)["values"]["supply_v"] == 24.1
    old = _run(capsys, "uart", "decode", "--frame", VALUES_OLD, "--position-scale", "1000000")
    assert old["reply"] and old["values"]["position_deg"] == 45.0
    assert _run(capsys, "uart", "decode", "--frame", SELECTED)["values"] == {"mosfet_temperature_c": 28.5}
    assert _run(capsys, "uart", "decode", "--frame", POSITION_STREAM)["reply"]


WRONG = [
    (2, "can", "encode", "--model", "AK60-9", "--firmware", "legacy"),
    (2, "can", "encode", "--model", "AK60-6", "--firmware", "v2"),
    (2, "can", "encode", "--model", "AK60-6", "--firmware", "legacy", "--p", "nan"),
    (2, "can", "encode", "--model", "AK60-6", "--firmware", "legacy", "--p", "x"),
    (2, "can", "encode", "--model", "AK60-6", "--firmware", "legacy", "--set", "torque_nm"),
    (2, "can", "encode", "--model", "AK60-6", "--firmware", "legacy", "--id", "300"),
    (2, "can", "decode", "--model", "AK60-6", "--firmware", "legacy", "--data", "zz"),
    (3, "can", "decode", "--model", "AK60-6", "--firmware", "legacy", "--data", "0102"),
    (3, "can", "decode", "--model", "AK60-6", "--firmware", "v3", "--data", "010203"),
    (2, "can", "servo", "--packet", "torque", "--value", "1"),
    (2, "can", "servo", "--packet", "duty", "--value", "2"),
    (2, "can", "servo", "--packet", "duty"),
    (2, "can", "servo", "--packet", "origin", "--value", "0.5"),
    (2, "uart", "encode", "--command", "stream", "--value", "3.9"),
    (2, "can", "servo", "--packet", "position", "--value", "1", "--position-scale", "7"),
    (2, "can"),
    (2, "uart", "encode", "--command", "duty", "--value", "2"),
    (5, "uart", "encode", "--command", "erase"),
    (3, "uart", "decode", "--frame", "020104408503"),
    (2, "uart", "decode", "--frame", "0201044084031"),
    (3, "uart", "decode", "--frame", ""),
]


@pytest.mark.parametrize("words", WRONG, ids=lambda words: " ".join(map(str, words)))
def test_wrong_use_is_one_clear_line(words: tuple[Any, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(words[1:])) == words[0]
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and "--------" not in said
