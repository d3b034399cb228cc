"""All replies of a cycle at once, as long as they come as they came before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hw_drivers.bus.can_frame import STAMP_NS, STAMP_S, Stamps, Words
from hw_drivers.bus.motor_states import MotorStates
from studio.core.clock import NS_PER_S
from studio.core.kernel import make_kernel

_BYTE_0 = np.uint64(0xFF)
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


class KnownReplies:
    """What the expected rows look like when every motor has answered once: identifiers, lengths and drive ids.

    As long as they look the same, only the data is new, and it is taken for all motors at once: by a kernel in C
    (resources/native/tick/bus.h) where there is a library, else by NumPy, its reference.

    Args:
        words: incoming frames; the first are the expected ones, bus after bus.
        stamps: their times.
        counts: how many are expected of each bus.
        replies: [motors], gets the data.
        states: gets times and sequence numbers.
    """

    def __init__(
        self, words: Words, stamps: Stamps, counts: Sequence[int], replies: Words, states: MotorStates
    ) -> None:
        motors = sum(counts)
        self._words, self._data = words[:motors], words[:motors, 1]
        self._seconds, self._nanoseconds = stamps[:motors, STAMP_S], stamps[:motors, STAMP_NS]
        self._mask, self._heads, self._known = np.zeros((3, motors, 2), dtype=np.uint64)
        self._known[:] = _ALL_BITS  # nothing looks like this behind an empty mask
        self._counts, self._replies, self._states = list(counts), replies, states
        self._ns_per_s, self._offset_ns = np.full(motors, NS_PER_S), np.zeros(motors, dtype=np.int64)
        self._t_ns, self._one = np.zeros(motors, dtype=np.int64), np.ones(motors, dtype=np.int64)
        self._row_of_motor = np.zeros(motors, dtype=np.int64)
        self._offset_of_bus_ns = np.zeros(len(counts), dtype=np.int64)
        rows = {"rows": self._words, "mask": self._mask, "heads": self._known, "stamps": stamps[:motors]}
        buses = {"bus_of_row": np.repeat(np.arange(len(counts)), counts), "offset_ns": self._offset_of_bus_ns}
        taken = {
            "row_of_motor": self._row_of_motor,
            "replies": replies,
            "t_ns": states.t_ns,
            "sequence": states.sequence,
        }
        members = {"motors": motors, "buses": len(counts), **rows, **buses, **taken}
        self._take_replies = make_kernel("Replies", "take_replies", members, arguments=1)

    def take(self, offsets_ns: Sequence[int], asked_ns: int) -> bool:
        """False, and nothing taken, when a row looks different or is older than the question.

        Args:
            offsets_ns: of each bus, from its stamps to the monotonic clock.
            asked_ns: when the commands were handed over.
        """
        for bus, offset_ns in enumerate(offsets_ns):
            self._offset_of_bus_ns[bus] = offset_ns
        if self._take_replies is not None:
            return self._take_replies.run(asked_ns) == 1
        np.bitwise_and(self._words, self._mask, self._heads)
        if self._heads.tobytes() != self._known.tobytes():
            return False
        self._read_times()
        if np.minimum.reduce(self._t_ns) < asked_ns:
            return False
        states = self._states
        np.take(self._data, self._row_of_motor, out=self._replies, mode="clip")
        np.take(self._t_ns, self._row_of_motor, out=states.t_ns, mode="clip")
        np.add(states.sequence, self._one, states.sequence)
        return True

    def _read_times(self) -> None:
        self._offset_ns[:] = np.repeat(self._offset_of_bus_ns, self._counts)
        np.multiply(self._seconds, self._ns_per_s, self._t_ns)
        np.add(self._t_ns, self._nanoseconds, self._t_ns)
        np.add(self._t_ns, self._offset_ns, self._t_ns)

    def learn(self, motors: list[int], of_status: list[bool]) -> None:
        """The present rows are one whole reply of each of `motors`; status frames have no id in their data."""
        self._mask[:, 0] = _ALL_BITS
        self._mask[:, 1] = np.where(of_status, np.uint64(0), _BYTE_0)
        self._row_of_motor[motors] = np.arange(len(motors))
        np.bitwise_and(self._words, self._mask, self._known)


def as_words(frames: NDArray[np.uint8]) -> Words:
    """Frames [motors, 8] as words [motors], the same memory."""
    return frames.view(np.uint64)[:, 0]
