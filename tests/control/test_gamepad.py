"""A gamepad through a named pipe with the kernel's own bytes moves the hands."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hw_drivers.pads.evdev import ABS_RZ, ABS_X, ABS_Y, BTN_TR, EvdevPad, find_pads
from studio.control.gamepad import SPEED_M_S, GamepadOperator
from studio.core.errors import DeviceError
from studio.core.protocols import OperatorIntent, OperatorView
from studio.core.records import PairState


class Pipe:
    """Writes input events as the kernel does."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.pad = EvdevPad(path)
        self._file = os.open(path, os.O_WRONLY)

    def send(self, kind: int, code: int, value: int, *, cut: bool = False) -> None:
        data = struct.pack("qqHHi", 1, 2, kind, code, value)
        os.write(self._file, data[:10])
        if cut:
            self.pad.read()
        os.write(self._file, data[10:])

    def close(self) -> None:
        os.close(self._file)
        self.pad.close()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    made = Pipe(tmp_path / "event0")
    yield made
    made.close()


def _view(t_s: float, state: PairState, tips_m: np.ndarray) -> OperatorView:
    still = np.zeros(8)
    return OperatorView(round(t_s * 1e9), still, still, tips_m, np.zeros((2, 3)), np.zeros(3), np.array([0, 0, 0, 1.0]),
                        np.array([state, state], dtype=np.uint8))  # fmt: skip


def test_events_become_axes_and_buttons(pipe: Pipe) -> None:
    pipe.send(3, ABS_X, 32767)
    pipe.send(3, ABS_Y, -32768, cut=True)  # an event that arrives in two pieces
    pipe.send(3, ABS_RZ, 255)
    pipe.send(1, BTN_TR, 1)
    pipe.send(0, 0, 0)
    state = pipe.pad.read()
    assert state.axes[ABS_X] == 1.0
    assert state.axes[ABS_Y] == -1.0
    assert state.axes[ABS_RZ] == 1.0
    assert state.pressed == {BTN_TR}
    pipe.send(1, BTN_TR, 0)
    assert pipe.pad.read().pressed == set()


def test_the_left_stick_moves_the_left_hand_only_while_engaged(pipe: Pipe) -> None:
    operator, tips_m = GamepadOperator(pipe.pad.read, 2), np.array([[0.1, 0.2, 0.15], [0.1, -0.2, 0.15]])
    intent = OperatorIntent(np.zeros((2, 3)), np.zeros(2, dtype=bool))
    pipe.send(3, ABS_Y, -32768)  # away from the operator
    operator.update(_view(1.0, PairState.DISABLED, tips_m), intent)
    assert not intent.hand_active.any()
    for t_s in np.arange(1.05, 1.40, 0.05):
        operator.update(_view(float(t_s), PairState.ENGAGED, tips_m), intent)
    assert intent.hand_active.all()
    moved_m = intent.hand_target_m - tips_m
    assert moved_m[0, 0] == pytest.approx(SPEED_M_S * 0.35, abs=0.002)
    assert np.abs(moved_m[0, 1:]).max() < 1e-6
    assert np.abs(moved_m[1]).max() < 1e-6


def test_a_target_stays_near_its_hand_and_above_the_table(pipe: Pipe) -> None:
    operator, tips_m = GamepadOperator(pipe.pad.read, 2), np.array([[0.1, 0.2, 0.05], [0.1, -0.2, 0.05]])
    intent = OperatorIntent(np.zeros((2, 3)), np.zeros(2, dtype=bool))
    pipe.send(3, ABS_RZ, 255)  # right hand down
    for t_s in np.arange(1.0, 9.0, 0.05):
        operator.update(_view(float(t_s), PairState.ENGAGED, tips_m), intent)
    assert intent.hand_target_m[1, 2] == pytest.approx(0.02)
    assert np.linalg.norm(intent.hand_target_m - tips_m, axis=1).max() <= 0.081


def test_a_gamepad_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be opened"):
        EvdevPad(tmp_path / "none")
    (tmp_path / "usb-Pad-event-joystick").touch()
    assert [path.name for path in find_pads(tmp_path)] == ["usb-Pad-event-joystick"]
