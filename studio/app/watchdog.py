"""Finds turns of the window's event loop that took too long, and what they were doing. For tests and `--debug`."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer

LIMIT_S = 0.050
_BEAT_MS = 5
_SAMPLE_S = 0.01


@dataclass(frozen=True, kw_only=True)
class LongTurn:
    """One turn of the event loop.

    Args:
        wall_s: as a person feels it.
        busy_s: without the time in which the machine ran something else instead (run-queue wait).
        where: the window thread's stack in the middle of it.
    """

    wall_s: float
    busy_s: float
    where: str


def _waited_s() -> float:
    """How long this thread was ready but another one had the processor, since it began; 0 where Linux does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class Watchdog(QObject):
    """A timer of 5 ms sees how late it comes; a thread looks at the stack meanwhile.

    Args:
        limit_s: turns with more busy time than this are kept in `long_turns`.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        super().__init__()
        self.limit_s = limit_s
        self.long_turns: list[LongTurn] = []
        self.turns = 0
        self.longest_busy_s = 0.0
        self._thread_id = threading.get_ident()
        self._last_s, self._last_waited_s = time.monotonic(), _waited_s()
        self._stack = ""
        self._ending = threading.Event()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._sampler = threading.Thread(target=self._sample, name="watchdog", daemon=True)

    def start(self) -> None:
        self._last_s, self._last_waited_s = time.monotonic(), _waited_s()
        self._timer.start(_BEAT_MS)
        self._sampler.start()

    def stop(self) -> None:
        self._timer.stop()
        self._ending.set()
        if self._sampler.is_alive():
            self._sampler.join()

    def forget(self) -> None:
        """Start counting anew, for example after the window has opened."""
        self.long_turns.clear()
        self.turns, self.longest_busy_s = 0, 0.0
        self._last_s, self._last_waited_s = time.monotonic(), _waited_s()

    def report(self) -> str:
        return "\n\n".join(f"{turn.wall_s * 1e3:.0f} ms, busy {turn.busy_s * 1e3:.0f} ms\n{turn.where}" for turn in self.long_turns)

    def _beat(self) -> None:
        now_s, waited_s = time.monotonic(), _waited_s()
        wall_s = now_s - self._last_s
        busy_s = wall_s - (waited_s - self._last_waited_s)
        self.turns += 1
        self.longest_busy_s = max(self.longest_busy_s, busy_s)
        if busy_s > self.limit_s + _BEAT_MS / 1000:
            self.long_turns.append(LongTurn(wall_s=wall_s, busy_s=busy_s, where=self._stack))
        self._last_s, self._last_waited_s, self._stack = now_s, waited_s, ""

    def _sample(self) -> None:
        while not self._ending.wait(_SAMPLE_S):
            if time.monotonic() - self._last_s > 0.6 * self.limit_s:
                frame = sys._current_frames().get(self._thread_id)
                self._stack = "".join(traceback.format_stack(frame)[-8:]) if frame else ""
