"""A joystick pedal as input events through a named pipe."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw_drivers.pedals.evdev_pedal import EvdevPedal
from studio.core.errors import DeviceError

BUTTON, AXIS_Z = 288, 2


def event(kind: int, code: int, value: int) -> bytes:
    return struct.pack("qqHHi", 0, 0, kind, code, value)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, list[int]]]:
    path, files = tmp_path / "event7", []
    os.mkfifo(path)
    yield path, files
    for file in files:
        os.close(file)


def open_both(pipe: tuple[Path, list[int]], **options: int) -> tuple[EvdevPedal, int]:
    path, files = pipe
    pedal = EvdevPedal(path, **options)
    file = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    files.append(file)
    return pedal, file


def test_a_button_pressed_released_and_cut_in_two(pipe: tuple[Path, list[int]]) -> None:
    pedal, file = open_both(pipe, button=BUTTON)
    assert not pedal.read(1).pressed
    data = event(1, BUTTON, 1)
    os.write(file, data[:10])
    assert not pedal.read(2).pressed
    os.write(file, data[10:] + event(1, BUTTON + 1, 1))
    assert pedal.read(3).pressed and pedal.state.t_ns == 3
    os.write(file, event(1, BUTTON, 2))  # auto-repeat
    assert pedal.read(4).pressed
    os.write(file, event(1, BUTTON, 0))
    assert not pedal.read(5).pressed
    pedal.close()


def test_an_analogue_pedal_by_its_threshold(pipe: tuple[Path, list[int]]) -> None:
    pedal, file = open_both(pipe, axis=AXIS_Z, threshold=100)
    os.write(file, event(3, AXIS_Z, 99))
    assert not pedal.read(1).pressed
    os.write(file, event(3, AXIS_Z, 180))
    assert pedal.read(2).pressed
    pedal.close()


def test_lost_events_mean_released(pipe: tuple[Path, list[int]]) -> None:
    pedal, file = open_both(pipe)
    os.write(file, event(1, BUTTON, 1))
    assert pedal.read(1).pressed
    os.write(file, event(0, 3, 0))
    assert not pedal.read(2).pressed and pedal.state.rejected == 1
    pedal.close()


def test_a_device_that_went_away_is_released(pipe: tuple[Path, list[int]]) -> None:
    pedal, file = open_both(pipe)
    os.write(file, event(1, BUTTON, 1))
    assert pedal.read(1).pressed
    pipe[1].remove(file)
    os.close(file)
    assert not pedal.read(2).pressed and "gone" in pedal.state.trouble
    assert not pedal.read(3).pressed


def test_an_absent_device_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="group input"):
        EvdevPedal(tmp_path / "none")
