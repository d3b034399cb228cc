"""Work for the window's thread in slices: one step after the other, some milliseconds in each turn of the event loop.

A step is what lies between two `yield`s of a generator. Between two slices the heartbeat is written, keys and mouse
are served and pictures drawn, so what is long as a whole does not block (docs/decisions/0006).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer

from studio.app.host import Steps, finish

SLICE_S = 0.008  # a turn takes steps until this much time is over; the last step may run beyond it


@dataclass
class _Work:
    steps: Steps
    done: Callable[[Any], None]


class Assembly(QObject):
    """Does one piece of work after the other, the most urgent first.

    `slices` counts for every piece of work the turns that it took.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.slices: dict[str, int] = {}
        self._work: dict[str, _Work] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._turn)

    @property
    def names(self) -> list[str]:
        """What is still to be done, the next first."""
        return list(self._work)

    def begin(self, name: str, steps: Steps, done: Callable[[Any], None], *, first: bool = True) -> None:
        """Start a piece of work; `done` gets what the generator returns. `first`: before what was begun earlier."""
        entry = {name: _Work(steps, done)}
        self._work = {**entry, **self._work} if first else {**self._work, **entry}
        self.slices[name] = 0
        self._timer.start(0)

    def hurry(self, name: str) -> None:
        """This one goes first from now on."""
        self._work = {name: self._work.pop(name), **self._work}
        self._timer.start(0)

    def finish(self, name: str) -> None:
        """The rest of one piece of work at once, in this turn."""
        work = self._work.pop(name)
        self.slices[name] += 1
        work.done(finish(work.steps))

    def drop(self, name: str) -> None:
        """Forget a piece of work in the middle."""
        work = self._work.pop(name, None)
        if work is not None:
            work.steps.close()

    def close(self) -> None:
        self._timer.stop()
        for name in self.names:
            self.drop(name)

    def _turn(self) -> None:
        if not self._work:
            return
        name, work = next(iter(self._work.items()))
        self.slices[name] += 1
        end_s = time.monotonic() + SLICE_S
        wait_s = 0.0
        try:
            while not wait_s and time.monotonic() < end_s:
                wait_s = next(work.steps)
        except StopIteration as result:
            del self._work[name]
            work.done(result.value)
        if self._work:
            self._timer.start(round(1000 * wait_s))
