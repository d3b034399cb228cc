"""One state machine per pair of arms, and the dead-man that outranks it.

    DISABLED → ALIGNING → ENGAGED ⇄ HOLDING, any of them → STOPPED or FAULT, and those → DISABLED.

Nothing here touches a motor: the loop reads `state` and acts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from studio.control.fault import FaultCode
from studio.core.records import PairState

ACTIVE = (PairState.ALIGNING, PairState.ENGAGED, PairState.HOLDING)
_SEVERITY = {
    PairState.ENGAGED: 0,
    PairState.ALIGNING: 1,
    PairState.HOLDING: 2,
    PairState.DISABLED: 3,
    PairState.STOPPED: 4,
    PairState.FAULT: 5,
}


class HoldReason(IntEnum):
    """Why a pair holds; decides what lets it go on."""

    NONE = 0
    REQUEST = 1
    DEAD_MAN = 2
    HEARTBEAT = 3
    PLAN = 4


@dataclass(slots=True)
class Signals:
    """What all pairs see in one tick.

    Args:
        dead_man: pressed (or latched), with a heartbeat that is alive.
        heartbeat_late: older than the holding time-out.
        heartbeat_lost: older than the stopping time-out.
        stop: stop was pressed since the last tick.
        plan_hold: a planner or skill drives and has nothing valid to say.
    """

    now_ns: int = 0
    dead_man: bool = False
    heartbeat_late: bool = False
    heartbeat_lost: bool = False
    stop: bool = False
    plan_hold: bool = False


class DeadMan:
    """The dead-man switch. While the heartbeat is late it counts as released, whatever it says.

    Latched (simulation): set by *Engage*, let go by hold, stop, a fault or a falling edge; after a late heartbeat it
    counts again, so that a window that was slow for a moment does not end the play. Not latched: the switch itself,
    and after a late heartbeat it counts only once it was seen released.
    """

    def __init__(self, *, latched: bool) -> None:
        self.latched = latched
        self.raw = False
        self._latch = False
        self._needs_release = False

    def update(self, raw: bool, heartbeat_late: bool) -> bool:
        """Effective dead-man of this tick."""
        if heartbeat_late:
            self._needs_release = True
            return False
        if not raw:
            self._needs_release = False
            if self.raw:
                self._latch = False
        self.raw = raw
        return self._latch if self.latched else raw and not self._needs_release

    def latch(self) -> None:
        self._latch = self.latched

    def release(self) -> None:
        """Counts as released until it is latched again, or seen released and pressed again."""
        self._latch = False
        self._needs_release = True


class PairMachine:
    """State of one pair of arms.

    `since_ns` is when the state was entered, `off_ns` when the motors were last told to go off (0: never on).
    """

    def __init__(self) -> None:
        self.state = PairState.DISABLED
        self.hold_reason = HoldReason.NONE
        self.fault_code = int(FaultCode.NONE)
        self.fault_motor = -1
        self.since_ns = 0
        self.off_ns = 0

    def update(self, signals: Signals, aligned: bool, fault_code: int = 0, fault_motor: int = -1) -> bool:
        """One tick; True when the state changed. `aligned`: close enough to couple, and any alignment has finished."""
        state = self.state
        if (
            state is PairState.ENGAGED
            and signals.dead_man
            and not (fault_code or signals.stop or signals.plan_hold or signals.heartbeat_lost)
        ):
            return False
        if state not in ACTIVE:
            return state is PairState.DISABLED and signals.stop and self._enter(PairState.STOPPED, signals.now_ns)
        if fault_code:
            self.fault_code, self.fault_motor = fault_code, fault_motor
            return self._enter(PairState.FAULT, signals.now_ns)
        if signals.stop or signals.heartbeat_lost:
            return self._enter(PairState.STOPPED, signals.now_ns)
        if state is PairState.HOLDING:
            return self._leave_holding(signals, aligned)
        return self._stay_coupled(signals, aligned)

    def engage(self, now_ns: int, aligned: bool) -> bool:
        """Start moving; the caller has checked the gate. From Holding it goes on where it was."""
        if self.state is PairState.STOPPED:
            self._enter(PairState.DISABLED, now_ns)
        if self.state in (PairState.DISABLED, PairState.HOLDING):
            return self._enter(PairState.ENGAGED if aligned else PairState.ALIGNING, now_ns)
        return False

    def realign(self, now_ns: int, aligned: bool) -> bool:
        """The driver has changed: couple anew, through aligning when the arms are apart."""
        if self.state not in (PairState.ENGAGED, PairState.ALIGNING):
            return False
        return self._enter(PairState.ENGAGED if aligned else PairState.ALIGNING, now_ns)

    def hold(self, now_ns: int, reason: HoldReason = HoldReason.REQUEST) -> bool:
        if self.state is PairState.HOLDING:
            self.hold_reason = reason
        return self.state in (PairState.ALIGNING, PairState.ENGAGED) and self._hold(now_ns, reason)

    def disable(self, now_ns: int) -> bool:
        """Motors off. A fault stays."""
        return self.state not in (PairState.FAULT, PairState.DISABLED) and self._enter(PairState.DISABLED, now_ns)

    def clear_fault(self, now_ns: int, dead_man_pressed: bool, still_wrong: bool) -> bool:
        """Back to Disabled, only by hand, with the dead-man released and the cause gone."""
        if self.state is not PairState.FAULT or dead_man_pressed or still_wrong:
            return False
        self.fault_code, self.fault_motor = int(FaultCode.NONE), -1
        return self._enter(PairState.DISABLED, now_ns)

    def _stay_coupled(self, signals: Signals, aligned: bool) -> bool:
        if not signals.dead_man:
            reason = HoldReason.HEARTBEAT if signals.heartbeat_late else HoldReason.DEAD_MAN
            return self._hold(signals.now_ns, reason)
        if signals.plan_hold:
            return self._hold(signals.now_ns, HoldReason.PLAN)
        return self.state is PairState.ALIGNING and aligned and self._enter(PairState.ENGAGED, signals.now_ns)

    def _leave_holding(self, signals: Signals, aligned: bool) -> bool:
        if not signals.dead_man or signals.plan_hold or self.hold_reason is HoldReason.REQUEST:
            if not signals.dead_man and self.hold_reason is HoldReason.PLAN:
                self.hold_reason = HoldReason.DEAD_MAN
            return False
        return self._enter(PairState.ENGAGED if aligned else PairState.ALIGNING, signals.now_ns)

    def _hold(self, now_ns: int, reason: HoldReason) -> bool:
        self._enter(PairState.HOLDING, now_ns)
        self.hold_reason = reason
        return True

    def _enter(self, state: PairState, now_ns: int) -> bool:
        if self.state in ACTIVE and state not in ACTIVE:
            self.off_ns = now_ns
        self.state, self.since_ns, self.hold_reason = state, now_ns, HoldReason.NONE
        return True


def worst(states: list[PairState]) -> PairState:
    """What the band shows for several pairs."""
    return max(states, key=_SEVERITY.__getitem__)
