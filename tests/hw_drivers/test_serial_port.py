"""A drive's serial port over a pseudo-terminal: pyserial on one end, a drive twin on the other."""

from __future__ import annotations

import json
import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hw_drivers.commissioning.twin_bench import make_drive
from hw_drivers.motors.dialect_twin import UartTwin
from hw_drivers.motors.models import find_range
from hw_drivers.motors.serial_port import DrivePort
from studio.cli.main import main
from studio.core.errors import DeviceError
from tests.patience import PATIENCE_S


@contextmanager
def line(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """A pseudo-terminal whose far end answers until the block is left; its path."""
    far, near = os.openpty()
    tty.setraw(near)
    stop_read, stop_write = os.pipe()

    def serve() -> None:
        while stop_read not in (ready := select.select([far, stop_read], [], [])[0]):
            if far in ready:
                os.write(far, answer(os.read(far, 4096)))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(near)
    finally:
        os.write(stop_write, b"x")
        thread.join(PATIENCE_S)
        for number in (far, near, stop_read, stop_write):
            os.close(number)


def _twin(firmware: str, error_code: int = 0) -> Callable[[bytes], bytes]:
    drive = make_drive(find_range("AK60-6", "v3"), 9)
    drive.error_code = error_code
    return UartTwin(drive, firmware).exchange


@pytest.mark.parametrize("firmware", ["legacy", "v3"])
def test_the_dialect_and_the_values(firmware: str) -> None:
    with line(_twin(firmware, error_code=5)) as path, DrivePort(path, answer_s=2.0) as port:
        found, message = port.values() or ("", None)
    assert found == firmware and message is not None
    assert (message.values["drive_id"], message.values["supply_v"]) == (9, 24.0)
    assert message.values["fault"] == "FET over-temperature"


def test_damaged_answers_are_no_answers() -> None:
    twin = _twin("legacy")

    def damaged(data: bytes) -> bytes:
        answer = twin(data)
        return answer[:10] + bytes([answer[10] ^ 1]) + answer[11:] if answer else answer

    with line(damaged) as path, DrivePort(path, answer_s=0.2) as port:
        assert port.values() is None
    with line(lambda _: b"\x02\x49garbage" * 9) as path, DrivePort(path, answer_s=0.2) as port:
        assert port.values() is None


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with line(_twin("legacy")) as path:
        assert main(["uart", "query", "--port", path, "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["firmware"] == "legacy" and result["values"]["fault"] == "none"


def test_no_port_and_no_drive_are_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeviceError, match="cannot be opened"):
        DrivePort("/dev/there-is-no-such-port")
    with line(lambda _: b"") as path:
        assert main(["uart", "query", "--port", path]) == 4
    assert capsys.readouterr().err.startswith(f"error: No drive answered on {path}")
