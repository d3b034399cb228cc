"""Lines of slcan, both sides: frames, adapter answers, refusals, garbage."""

from __future__ import annotations

import contextlib
import os
import pty
import time
import tty
from collections.abc import Iterator

import can
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_drivers.bus.slcan import BlockSlcanBus, SlcanAdapter, format_frame, parse_frame
from tests.patience import PATIENCE_S, wait_for_it


@given(st.integers(0, 0x7FF), st.binary(max_size=8))
def test_standard_frames_come_back(can_id: int, data: bytes) -> None:
    assert parse_frame(format_frame(can_id, data)[:-1]) == (can_id, data)


@given(st.integers(0, 0x1FFFFFFF), st.binary(max_size=8))
def test_extended_frames_come_back(can_id: int, data: bytes) -> None:
    assert parse_frame(format_frame(0x80000000 | can_id, data)[:-1]) == (0x80000000 | can_id, data)


@given(st.binary(max_size=40))
def test_garbage_is_no_frame_or_a_whole_one(line: bytes) -> None:
    frame = parse_frame(line)
    assert frame is None or len(frame[1]) <= 8


def test_an_adapter_answers_as_lawicel_does() -> None:
    adapter = SlcanAdapter(acknowledge=True)
    assert adapter.take(b"t0012AABB\r") == ([], b"\a")  # closed
    frames, answers = adapter.take(b"C\rS8\rO\rt0012AABB\rT000008682")
    assert frames == [(1, b"\xaa\xbb")] and answers == b"\r\r\rz\r"
    assert adapter.take(b"0102\r?\rV\r") == ([(0x80000868, b"\x01\x02")], b"Z\r\aV1013\r")
    assert adapter.take(b"C\rt0010\r") == ([], b"\r\a")


@pytest.fixture
def line() -> Iterator[tuple[int, BlockSlcanBus]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    bus = BlockSlcanBus(os.ttyname(slave), bitrate=1_000_000, sleep_after_open=0.0)
    yield master, bus
    for file in (master, slave):
        with contextlib.suppress(OSError):
            os.close(file)
    with contextlib.suppress(can.CanError):
        bus.shutdown()


def test_opening_says_what_python_can_says(line: tuple[int, BlockSlcanBus]) -> None:
    master, _ = line
    said = bytearray()

    def is_open() -> bool:
        with contextlib.suppress(BlockingIOError):  # a terminal passes on in pieces, when it likes
            said.extend(os.read(master, 100))
        return said.endswith(b"O\r")

    wait_for_it(is_open, "the adapter was opened")
    assert said.startswith(b"C\rS8\r")  # closed first, then 1 Mbit/s


def test_frames_cut_anywhere_and_answers_between_them(line: tuple[int, BlockSlcanBus]) -> None:
    master, bus = line
    text = b"\rz\r" + format_frame(1, b"\1\2") + b"\a" + format_frame(0x80002901, b"\3" * 8) + b"Z\rjunk\r"
    for start in range(0, len(text), 5):
        os.write(master, text[start : start + 5])
    messages = [bus.recv(5.0) for _ in range(2)]
    assert [(m.arbitration_id, m.is_extended_id, bytes(m.data)) for m in messages if m] == [
        (1, False, b"\1\2"),
        (0x2901, True, b"\3" * 8),
    ]
    assert bus.recv(0.0) is None and bus.refused == 1


def test_a_stopped_adapter_never_makes_the_sender_wait(line: tuple[int, BlockSlcanBus]) -> None:
    master, bus = line
    message = can.Message(arbitration_id=1, data=bytes(8), is_extended_id=False)

    def send_many() -> None:
        for _ in range(5000):
            bus.send(message)

    with pytest.raises(can.CanOperationError, match="Transmit buffer full"):
        send_many()
    taken, accepted, end_s = b"", 0, time.monotonic() + PATIENCE_S
    while accepted < 3 and time.monotonic() < end_s:  # the terminal makes room in its own time
        with contextlib.suppress(BlockingIOError):
            taken += os.read(master, 4096)
        with contextlib.suppress(can.CanOperationError):
            bus.send(message)
            accepted += 1
    assert accepted == 3
    os.set_blocking(master, True)
    while not taken.endswith(b"\r") or taken.count(b"t") < 3:
        taken += os.read(master, 4096)
    whole = [line for line in taken.split(b"\r") if line.startswith(b"t")]
    assert all(parse_frame(frame) == (1, bytes(8)) for frame in whole)  # nothing was cut in two


def test_a_line_that_went_away_is_an_error_of_python_can(line: tuple[int, BlockSlcanBus]) -> None:
    master, bus = line
    os.close(master)
    with pytest.raises(can.CanError, match="gone"):
        bus.recv(1.0)
