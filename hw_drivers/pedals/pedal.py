"""What every dead-man pedal says: pressed or not, and since when that is known. Stale means released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class PedalState:
    """Newest state of a pedal.

    Args:
        pressed: what it said last; False as soon as it is stale, contradicts itself, or is gone.
        t_ns: monotonic time of the last sign of life; 0: never.
        rejected: lines or records that were no valid ones.
        trouble: why it counts as released though it may be pressed; empty when all is well.
        gone: it was closed or unplugged; only opening it again helps.
    """

    pressed: bool = False
    t_ns: int = 0
    rejected: int = 0
    trouble: str = ""
    gone: bool = False


class Pedal(Protocol):
    """A dead-man pedal. `read` never waits and never raises: a pedal that is gone is a pedal that is released."""

    def read(self, now_ns: int) -> PedalState: ...
    def close(self) -> None: ...
