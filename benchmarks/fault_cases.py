"""The fault catalogue of the campaign (spec/hardware.md 4.3): what is injected, where, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hw_drivers.bus.wire_fault import FaultKind
from studio.core.records import PairState


class Outcome(StrEnum):
    """What came of a fault while a pair was active."""

    TOLERATED = "tolerated"  # the pair went on, or only damped for some ticks
    STOPPED = "stopped"  # latched Fault, both arms of the pair let down
    NEEDS_LAYER_4 = "needs_layer_4"  # a drive kept its torque where no frame reaches it


STALL = "host_stall"  # the control process does nothing; value in s
UNGUARDED = "host_stall_without_guard"  # the same, and nobody looks on; value in s
DEAD_HOST = "dead_host"  # it does nothing for long, and nobody else reaches the drives; value in s


@dataclass(frozen=True, kw_only=True)
class FaultCase:
    """One fault.

    Args:
        name: of the case.
        kind: a `FaultKind`, `host_stall`, `host_stall_without_guard` or `dead_host`.
        value: see `FaultKind`; None is the usual one.
        whole_bus: hits all drives of the bus instead of the second one.
        expected: outcomes that are right while the pair is active.
        also: a second fault of the same drives, injected first.
        gate: it can be seen while the motors are off, so *Engage* must be refused. Not so where it has passed by then,
            comes by chance, or cannot be told from a healthy wire (replies carry no sequence number).
    """

    name: str
    kind: str
    value: float | None = None
    whole_bus: bool = False
    expected: tuple[Outcome, ...] = (Outcome.STOPPED,)
    also: str = ""
    gate: bool = True


_BOTH = (Outcome.TOLERATED, Outcome.STOPPED)
_TOLERATED = (Outcome.TOLERATED,)
_LAYER_4 = (Outcome.NEEDS_LAYER_4,)

CASES = (
    FaultCase(name="lost reply, 5 %", kind=FaultKind.LOST_REPLY, value=0.05, expected=_TOLERATED),
    FaultCase(name="lost reply", kind=FaultKind.LOST_REPLY),
    FaultCase(name="reply of the previous cycle", kind=FaultKind.PREVIOUS_REPLY, expected=_TOLERATED),
    FaultCase(name="stuck reply", kind=FaultKind.STUCK_REPLY, expected=_BOTH),
    FaultCase(name="duplicate", kind=FaultKind.DUPLICATE, expected=_TOLERATED),
    FaultCase(name="reply 4 ms late", kind=FaultKind.DELAYED, value=0.004, expected=_TOLERATED),
    FaultCase(name="reply 30 ms late", kind=FaultKind.DELAYED, value=0.03, gate=False),
    FaultCase(name="wrong id in byte 0", kind=FaultKind.WRONG_ID),
    FaultCase(name="DLC 6 instead of 8", kind=FaultKind.SHORT_REPLY, expected=_TOLERATED),
    FaultCase(name="temperature + 40", kind=FaultKind.TEMPERATURE_OFFSET, expected=_TOLERATED),
    FaultCase(name="over-temperature", kind=FaultKind.OVER_TEMPERATURE),
    FaultCase(name="error byte set", kind=FaultKind.ERROR_CODE),
    FaultCase(name="unknown error byte", kind=FaultKind.ERROR_CODE, value=77),
    FaultCase(name="bit flips", kind=FaultKind.BIT_FLIP, value=0.02, expected=_BOTH),
    FaultCase(name="position wrap", kind=FaultKind.POSITION_WRAP),
    FaultCase(name="sector jump", kind=FaultKind.SECTOR_JUMP),
    FaultCase(name="velocity scale off by 50/45", kind=FaultKind.VELOCITY_SCALE, expected=_TOLERATED),
    FaultCase(name="own frames echoed", kind=FaultKind.ECHO, whole_bus=True, expected=_TOLERATED),
    FaultCase(name="50 Hz status instead of replies", kind=FaultKind.STATUS_FRAMES, whole_bus=True),
    FaultCase(name="no feedback for 3 s", kind=FaultKind.NO_FEEDBACK, whole_bus=True),
    FaultCase(name="bus-off then restart", kind=FaultKind.BUS_OFF, whole_bus=True, gate=False),
    FaultCase(name="ENOBUFS burst, 4 ms", kind=FaultKind.NO_BUFFER, value=0.004, whole_bus=True, expected=_TOLERATED),
    FaultCase(name="ENOBUFS for 0.1 s", kind=FaultKind.NO_BUFFER, value=0.1, whole_bus=True, gate=False),
    FaultCase(name="one bus of a pair dies", kind=FaultKind.LOST_REPLY, whole_bus=True),
    FaultCase(name="adapter unplugged", kind=FaultKind.UNPLUG, whole_bus=True),
    FaultCase(name="host stall 5 ms", kind=STALL, value=0.005, expected=_TOLERATED),
    FaultCase(name="host stall 20 ms", kind=STALL, value=0.02, expected=_BOTH),
    FaultCase(name="host stall 100 ms", kind=STALL, value=0.1, gate=False),
    FaultCase(name="host stall 150 ms without a guard", kind=UNGUARDED, value=0.15, gate=False),
    FaultCase(
        name="torque persists after silence",
        kind=DEAD_HOST,
        value=1.5,
        whole_bus=True,
        also=FaultKind.HOLD_TORQUE,
        expected=_LAYER_4,
    ),
    FaultCase(
        name="torque drops after 1 s of silence",
        kind=DEAD_HOST,
        value=1.5,
        whole_bus=True,
        also=FaultKind.DROP_TORQUE,
        expected=_TOLERATED,
    ),
)
STATES = tuple(PairState)
