"""From the control ring to the view-model of the link: rate, lateness, missed ticks, states. No Qt."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from studio.app.state import LinkState, worst_state
from studio.app.streams import Follower
from studio.core.clock import NS_PER_S
from studio.core.records import Driver, PairState

_CONNECTED_NS = NS_PER_S // 2
_WINDOW_S = 10.0
# What an hour of play takes on disk when nothing has been measured yet: control stream and one small camera.
_BYTES_PER_HOUR = 2.2e9


class LinkMonitor:
    """Keeps a `LinkState` true.

    Args:
        link: the view-model to write.
        control: a follower of the control stream.
        free_bytes: free space where the project lies.
    """

    def __init__(self, link: LinkState, control: Follower, free_bytes: Callable[[], int]) -> None:
        self._link, self._control, self._free_bytes = link, control, free_bytes
        self._times_ns = np.empty(0, dtype=np.int64)
        self._lateness_s = np.empty(0)
        self.bytes_per_hour = _BYTES_PER_HOUR
        self._missed_first: int | None = None
        self._missed = 0

    def update_state(self, *, stopped: bool = False) -> None:
        """Pair states and driver from the newest record; at view rate, so that a state is never shown late.

        Args:
            stopped: the loop was ended on purpose, so that no records are no loss.
        """
        records = self._control.read()
        now_ns = time.monotonic_ns()
        if records is not None and len(records):
            self._keep(records)
            self._show(records[-1])
        age_ns = now_ns - int(self._times_ns[-1]) if len(self._times_ns) else None
        connected = age_ns is not None and age_ns < _CONNECTED_NS
        self._link.lost = age_ns is not None and not connected and not stopped  # before what listeners look at
        self._link.connected = connected
        if not self._link.connected:
            self._disconnect()

    def update_numbers(self, workers_alive: int, workers_expected: int) -> None:
        """Rate, lateness and disk; four times a second."""
        link = self._link
        link.workers_alive, link.workers_expected = workers_alive, workers_expected
        link.rate_hz = round(self._rate_hz(), 1)
        if len(self._lateness_s):
            p50, p99, top = np.percentile(self._lateness_s, (50, 99, 100))
            link.lateness_p50_s, link.lateness_p99_s, link.lateness_max_s = float(p50), float(p99), float(top)
        link.missed_ticks = self._missed
        link.disk_free_bytes = self._free_bytes()
        link.disk_hours = link.disk_free_bytes / self.bytes_per_hour

    def _keep(self, records: np.ndarray) -> None:
        if len(self._times_ns) and records["t_ns"][0] < self._times_ns[-1]:
            self._times_ns, self._lateness_s = self._times_ns[:0], self._lateness_s[:0]
        self._times_ns = np.concatenate([self._times_ns, records["t_ns"]])
        self._lateness_s = np.concatenate([self._lateness_s, records["lateness_s"]])
        keep = self._times_ns > self._times_ns[-1] - int(_WINDOW_S * NS_PER_S)
        self._times_ns, self._lateness_s = self._times_ns[keep], self._lateness_s[keep]
        newest = int(records["missed_ticks"][-1])
        self._missed_first = newest if self._missed_first is None else min(self._missed_first, newest)
        self._missed = newest - self._missed_first

    def _show(self, record: np.ndarray) -> None:
        states = tuple(PairState(int(value)) for value in record["pair_state"])
        self._link.dead_man = bool(record["dead_man"])  # before the state, whose listeners look at it
        self._link.hands_hold = bool(record["hand_active"].all())
        self._link.driver = Driver(int(record["driver"]))
        self._link.pair_states, self._link.worst = states, worst_state(states)

    def _disconnect(self) -> None:
        self._link.pair_states = tuple(PairState.DISABLED for _ in self._link.pair_states)
        self._link.worst, self._link.driver = PairState.DISABLED, Driver.NOBODY
        self._link.hands_hold = False

    def _rate_hz(self) -> float:
        """Over the last second that is known; 0 when the loop is silent."""
        if not self._link.connected or len(self._times_ns) < 2:
            return 0.0
        recent = self._times_ns[self._times_ns > self._times_ns[-1] - NS_PER_S]
        span_ns = int(recent[-1] - recent[0])
        return (len(recent) - 1) * NS_PER_S / span_ns if span_ns else 0.0
