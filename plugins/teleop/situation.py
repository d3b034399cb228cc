"""What control records say beside the state: how old they are, who stopped the arms, why they hold. No Qt."""

from __future__ import annotations

import time
from enum import IntEnum

import numpy as np

from studio.core.records import PairState
from studio.robot.description import Robot

STALE_S = 0.25  # a hundred ticks; the link counts as lost after twice that (studio.app.monitor)


class Hold(IntEnum):
    """Why a pair holds, as recorded (`studio.control.states.HoldReason`)."""

    NONE = 0
    REQUEST = 1
    DEAD_MAN = 2
    HEARTBEAT = 3
    PLAN = 4


class Situation:
    """Follows the control stream: the newest record, its age, and how the last stop came about."""

    def __init__(self, robot: Robot) -> None:
        self._limit_s = robot.timeouts.motor_dead_ticks / robot.loop_rate_hz
        self.record: np.ndarray | None = None  # shape []
        self.stopped_by_hand: bool | None = None  # of the stop that lasts; None when it was not seen
        self.apart_at_start_rad = 0.0  # when aligning began
        self.stale = True  # what is shown is no longer what is; as of the last `look`
        self._stopped = self._aligning = False

    def take(self, records: np.ndarray) -> None:
        """New control records, oldest first."""
        if not len(records):
            return
        seen = self.record is not None
        self.record = records[-1]
        self._look_for_stop(records, seen)
        self._look_for_align(records)

    def _look_for_stop(self, records: np.ndarray, seen: bool) -> None:
        stopped = (records["pair_state"] == int(PairState.STOPPED)).any(axis=1)
        if stopped.any() and not self._stopped:
            first = int(np.argmax(stopped))
            watched = seen or first > 0
            self.stopped_by_hand = bool(records["stop_pressed"][first]) if watched else None
        self._stopped = bool(stopped[-1])

    def _look_for_align(self, records: np.ndarray) -> None:
        aligning = (records["pair_state"] == int(PairState.ALIGNING)).any(axis=1)
        if aligning[-1] and not self._aligning:
            self.apart_at_start_rad = apart_rad(records[int(np.argmax(aligning))])
        self._aligning = bool(aligning[-1])

    @property
    def age_s(self) -> float | None:
        """Of the newest record; None before the first."""
        return None if self.record is None else max(0.0, time.monotonic() - float(self.record["t_ns"]) * 1e-9)

    def look(self) -> None:
        """Called right after reading, so that a window that comes late does not take its own delay for the loop's."""
        age_s = self.age_s
        self.stale = age_s is None or age_s > STALE_S

    @property
    def hold(self) -> Hold:
        """Why the arms hold, of the first pair that does."""
        if self.record is None:
            return Hold.NONE
        holding = self.record["pair_state"] == int(PairState.HOLDING)
        reason = int(self.record["hold_reason"][int(np.argmax(holding))]) if holding.any() else 0
        return Hold(reason) if reason in Hold.__members__.values() else Hold.NONE

    @property
    def align_share(self) -> float:
        """How much of the way to the leader is done, 0 to 1."""
        if self.record is None or self.apart_at_start_rad <= 0.0:
            return 0.0
        return float(np.clip(1.0 - apart_rad(self.record) / self.apart_at_start_rad, 0.0, 1.0))

    def silent_motors(self, side: str) -> np.ndarray:
        """[joints], whose reply in the newest record is too old: its values are of before."""
        assert self.record is not None
        return self.record[f"{side}_reply_age_s"] > self._limit_s


def apart_rad(record: np.ndarray) -> float:
    """Largest angle between a leader's joint and its follower's."""
    return float(np.abs(record["leader_position_rad"] - record["follower_position_rad"]).max())
