"""What every way to a bus has in common: blocks of frames out, blocks of frames in, errors as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hw_drivers.bus.can_frame import BusError, FrameBlock, Stamps


class FrameTransport(Protocol):
    """One CAN bus. Nothing here waits, and nothing raises once the bus is open.

    The owner gives it memory once with `attach`; `send` and `receive` then work in that memory.
    """

    name: str  # as a person knows it, such as `socketcan:can0`
    # `BUS_OFF` and `GONE` are kept until `clear_error`; `NO_ACKNOWLEDGE` until frames are accepted again.
    error: BusError

    offset_ns: int  # what must be added to its stamps to get monotonic time

    def attach(self, outgoing: FrameBlock, incoming: FrameBlock, stamps: Stamps, rows: Sequence[int]) -> None:
        """Memory for frames to be sent, frames that came, and when.

        Args:
            outgoing: frames to be sent, all of them this bus's.
            incoming: of all buses; the i-th frame that comes here goes into row `rows[i]`.
            stamps: one row per row of `incoming`; seconds in column 2 and nanoseconds in column 3 (the layout of the
                kernel's control message).
            rows: of this bus.
        """
        ...

    def send(self, count: int) -> int:
        """Hand over the first `count` frames of `outgoing`; returns how many were accepted."""
        ...

    def receive(self) -> int:
        """Fill this bus's rows of `incoming` with what has come; returns how many frames."""
        ...

    def note_error_frame(self, can_id: int) -> None:
        """An error frame has come: bus-off is remembered, anything else only counted."""
        ...

    def fileno(self) -> int:
        """What can be waited for with select, or -1."""
        ...

    def clear_error(self) -> None:
        """Forget an error after a person has asked for it; one that is still there comes back at once."""
        ...

    def close(self) -> None: ...
