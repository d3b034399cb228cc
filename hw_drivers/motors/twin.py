"""Motor twins, the drive's side of the wire: frames in, frames out, with enable, fault and temperature of each drive.

The drive law and the mechanics behind it belong to the world, which shares its arrays through `TwinPorts`. Nothing but
bytes crosses between the controller and a twin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hw_drivers.motors.codec_mit import (
    BIG_ENDIAN,
    ENTER,
    EXIT,
    SPECIAL_WORD_MAX,
    SPECIAL_WORD_MIN,
    ZERO,
    Frames,
    MitArrayCodec,
)
from hw_drivers.motors.models import MotorRange
from studio.core.protocols import STATE_ERROR, STATE_POSITION, TwinPorts

_ENTER_WORD, _EXIT_WORD, _ZERO_WORD = (int.from_bytes(f, "big") for f in (ENTER, EXIT, ZERO))
_SPECIAL_START = ENTER[:7]


class TwinMotors:
    """Drives of all motors, leader joints first; one command frame and one reply frame each.

    Args:
        ports: arrays shared with the world; one row per motor.
        ranges: range row per motor.
        drive_ids: id per motor, 1 to 255.
    """

    def __init__(self, ports: TwinPorts, ranges: Sequence[MotorRange], drive_ids: Sequence[int]) -> None:
        self.ports = ports
        self.codec = MitArrayCodec(ranges, drive_ids)
        self.motors = self.codec.motors
        self.silent = np.zeros(self.motors, dtype=bool)  # drives whose replies are lost (a cut wire); set by tests
        self._words = np.zeros(self.motors, dtype=np.uint64)
        self._offset_rad = np.zeros(self.motors)
        self._state = np.zeros((5, self.motors)).T
        self._zeroed = False

    def receive(self, frames: Frames, replies: Frames) -> None:
        """Take one frame per motor and write the answers; those of `silent` drives are lost on the way."""
        if _SPECIAL_START in frames.tobytes():  # perhaps across two frames: the exact test follows
            words = self._words
            words[:] = frames.view(BIG_ENDIAN)[:, 0]
            self._receive_mixed(frames, words)
        else:
            self.codec.decode_commands(frames, self.ports.command)
        self.ports.idle_s = 0.0
        self._answer(replies)

    def _receive_mixed(self, frames: Frames, words: NDArray[np.uint64]) -> None:
        special = (words >= SPECIAL_WORD_MIN) & (words <= SPECIAL_WORD_MAX)
        decoded = np.zeros_like(self.ports.command)
        self.codec.decode_commands(frames, decoded)
        self.ports.command[~special] = decoded[~special]
        self.receive_special(words == _ENTER_WORD, words == _EXIT_WORD, words == _ZERO_WORD)

    def receive_special(self, enter: NDArray[np.bool_], leave: NDArray[np.bool_], zero: NDArray[np.bool_]) -> None:
        """Enter and exit motor mode, set the zero. Entering keeps the old command: real drives remember theirs too."""
        healthy = self.ports.state[:, STATE_ERROR] == 0
        self.ports.powered[enter & healthy] = 1.0
        self.ports.powered[leave] = 0.0
        self.ports.command[leave] = 0.0
        self._offset_rad[zero] = self.ports.state[zero, STATE_POSITION]
        self._zeroed = self._zeroed or bool(zero.any())

    def _answer(self, replies: Frames) -> None:
        state = self.ports.state
        if self._zeroed:
            np.copyto(self._state, state)
            self._state[:, STATE_POSITION] -= self._offset_rad
            state = self._state
        self.codec.encode_replies(state, replies)

    def poll(self, replies: Frames) -> None:
        """Answers as after any frame, without changing a command."""
        self._answer(replies)

    def set_error(self, motor: int, code: int) -> None:
        """Let one drive fail with an error code (0 clears); it then gives no torque and refuses to be entered."""
        self.ports.state[motor, STATE_ERROR] = code
        if code:
            self.ports.powered[motor] = 0.0
