"""What every way to a bus has in common: blocks of frames out, blocks of frames in, errors as data."""

from __future__ import annotations

from typing import Protocol

from hw_drivers.bus.can_frame import BusError, FrameBlock, Times


class FrameTransport(Protocol):
    """One CAN bus. Nothing here waits, and nothing raises once the bus is open.

    The owner gives it memory once with `attach`; `send` and `receive` then work in that memory.
    """

    name: str  # as a person knows it, such as `socketcan:can0`
    # `BUS_OFF` and `GONE` are kept until `clear_error`; `NO_ACKNOWLEDGE` until frames are accepted again.
    error: BusError

    def attach(self, outgoing: FrameBlock, incoming: FrameBlock, incoming_t_ns: Times) -> None:
        """Memory for frames to be sent, frames that came, and the monotonic times at which they came."""
        ...

    def send(self, count: int) -> int:
        """Hand over the first `count` frames of `outgoing`; returns how many were accepted."""
        ...

    def receive(self) -> int:
        """Fill `incoming` from its start with what has come; returns how many frames."""
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
