"""Finds turns of the window's event loop that took too long, and what they were doing. For tests and `--debug`."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from PySide6.QtCore import QObject, Qt, QTimer

LIMIT_S = 0.050
_BEAT_MS = 5
_SAMPLE_S = 0.01


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of the event loop.

    Args:
        wall_s: as a person feels it.
        busy_s: without the time in which the machine ran something else instead (run-queue wait).
        worked_s: processor time of the window's own thread.
        where: the window thread's stack in the middle of it.
    """

    wall_s: float
    busy_s: float
    worked_s: float
    where: str


@dataclass(frozen=True)
class Clocks:
    """Times of this process at one moment: the wall, this thread's work, and how long each thread was kept waiting.

    A thread waits when it is ready and another process has the processor. OpenGL in software draws in threads of its
    own, so what they are kept waiting for delays the window as well.
    """

    wall_s: float
    worked_s: float
    waited_s: dict[str, float]

    @staticmethod
    def now() -> Clocks:
        return Clocks(time.monotonic(), time.thread_time(), _waited_s())

    def busy_since(self, before: Clocks, thread: str) -> float:
        """Wall time since then without what other programs took; at least what this thread itself worked."""
        late = {name: s - before.waited_s.get(name, s) for name, s in self.waited_s.items()}
        own_s = late.pop(thread, 0.0)
        others_s = max(late.values(), default=0.0)
        return max(self.wall_s - before.wall_s - own_s - others_s, self.worked_s - before.worked_s)


def _waited_s() -> dict[str, float]:
    """Per thread of this process; empty where Linux does not say."""
    found: dict[str, float] = {}
    for task in os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else ():
        try:
            with open(f"/proc/self/task/{task}/schedstat", "rb") as file:
                found[task] = int(file.read().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            continue
    return found


class Watchdog(QObject):
    """A timer of 5 ms sees how late it comes; a thread looks at the stack meanwhile.

    Args:
        limit_s: turns with more busy time than this are kept in `long_turns`.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        super().__init__()
        self.limit_s = limit_s
        self.long_turns: list[Turn] = []
        self.listener: Callable[[Turn], None] = lambda turn: None  # told of every turn
        self.turns = 0
        self.longest_busy_s = 0.0
        self._thread_id = threading.get_ident()
        self._task = str(threading.get_native_id())
        self._last = Clocks.now()
        self._stack: list[str] = []
        self._ending = threading.Event()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._sampler = threading.Thread(target=self._sample, name="watchdog", daemon=True)

    def start(self) -> None:
        self._last = Clocks.now()
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
        self._last = Clocks.now()

    @property
    def looked(self) -> bool:
        """Whether the stack of the turn that goes on was already looked at."""
        return bool(self._stack)

    def report(self) -> str:
        return "\n\n".join(
            f"{turn.wall_s * 1e3:.0f} ms, busy {turn.busy_s * 1e3:.0f} ms\n{turn.where}" for turn in self.long_turns
        )

    def _beat(self) -> None:
        now = Clocks.now()
        busy_s = now.busy_since(self._last, self._task)
        self.turns += 1
        self.longest_busy_s = max(self.longest_busy_s, busy_s)
        turn = Turn(
            wall_s=now.wall_s - self._last.wall_s, busy_s=busy_s, worked_s=now.worked_s - self._last.worked_s,
            where="\n".join(self._stack),
        )  # fmt: skip
        self.listener(turn)
        if busy_s > self.limit_s + _BEAT_MS / 1000:
            self.long_turns.append(turn)
        self._last, self._stack = now, []

    def _sample(self) -> None:
        while not self._ending.wait(_SAMPLE_S):
            if time.monotonic() - self._last.wall_s > 0.6 * self.limit_s:
                self._stack = _stack(sys._current_frames().get(self._thread_id))


def _stack(frame: FrameType | None, depth: int = 8) -> list[str]:
    """`file:line function` from the innermost frame outwards; cheap, so that looking does not cost what it measures."""
    lines: list[str] = []
    while frame is not None and len(lines) < depth:
        lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return lines
