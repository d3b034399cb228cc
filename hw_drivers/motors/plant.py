"""All motors behind the codec as twins in this process. Drives on buses: `hw_drivers/bus/plant.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw_drivers.motors.codec_mit import ENTER, EXIT
from hw_drivers.motors.twin import TwinMotors
from studio.core.geometry import FloatArray
from studio.core.protocols import Clock

_ENTER_ROW = np.frombuffer(ENTER, dtype=np.uint8)
_EXIT_ROW = np.frombuffer(EXIT, dtype=np.uint8)


class TwinPlant:
    """A `Plant` of motor twins. Every command and every reply passes through the bytes of the codec.

    A reply is made when its command arrives, so the state read in a tick is one period old, as on a bus.
    """

    def __init__(self, twins: TwinMotors, clock: Clock) -> None:
        self.motors = twins.motors
        self.twins = twins
        self._clock = clock
        self._codec = twins.codec
        self._commands = np.zeros((self.motors, 8), dtype=np.uint8)
        self._replies = np.zeros((self.motors, 8), dtype=np.uint8)
        self._fresh = np.zeros((self.motors, 8), dtype=np.uint8)
        self._reply_t_ns = np.zeros(self.motors, dtype=np.int64)

    def open(self) -> None:
        """Poll every drive once."""
        self.twins.poll(self._replies)
        self._reply_t_ns[:] = self._clock.now_ns()

    def enable(self, motors: NDArray[np.bool_]) -> None:
        self._send_special(_ENTER_ROW, motors)

    def disable(self, motors: NDArray[np.bool_]) -> None:
        self._send_special(_EXIT_ROW, motors)

    def _send_special(self, row: NDArray[np.uint8], motors: NDArray[np.bool_]) -> None:
        frames = self._commands.copy()
        frames[motors] = row
        self._exchange(frames)

    def read(self, states: FloatArray, t_ns: NDArray[np.int64]) -> None:
        self._codec.decode_replies(self._replies, states)
        t_ns[...] = self._reply_t_ns

    def send(self, commands: FloatArray, sent: FloatArray) -> None:
        self._codec.encode_commands(commands, self._commands)
        self._exchange(self._commands)
        sent[...] = self.twins.ports.command  # what the drives have read in the bytes

    def _exchange(self, frames: NDArray[np.uint8]) -> None:
        if 1 not in self.twins.silent.tobytes():
            self.twins.receive(frames, self._replies)
            self._reply_t_ns.fill(self._clock.now_ns())
            return
        self.twins.receive(frames, self._fresh)
        answered = ~self.twins.silent
        self._replies[answered] = self._fresh[answered]
        self._reply_t_ns[answered] = self._clock.now_ns()

    def close(self) -> None:
        """Exit frames to all drives."""
        self.disable(np.ones(self.motors, dtype=bool))
