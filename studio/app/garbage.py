"""Cyclic garbage is collected in the window's thread only.

Python collects in whichever thread happens to allocate; a widget that dies in a loader's thread takes the process with
it. So automatic collection is off while a window is open, and the window's timer collects, the young generations often.
"""

from __future__ import annotations

import gc

from studio.app.pace import Pace

_open = 0


class Collector:
    """Collects from `tick`; `start` and `stop` enclose the life of a window."""

    def __init__(self) -> None:
        self._settled = False
        self._paces = (Pace(2.0), Pace(0.1), Pace(1 / 60))

    def start(self) -> None:
        """Turn automatic collection off; what is there now is not looked at again until the end."""
        global _open
        _open += 1
        gc.disable()
        gc.freeze()

    def tick(self, now_s: float, *, settled: bool = True) -> bool:
        """Collect at most one generation: 0 twice a second, 1 every 10 s, 2 every minute; whether it did.

        `settled` is False while a screen is being built. Once it is built it is not looked at again: screens and
        their code stay to the end, and looking through 200 000 of their objects takes 0.1 s.
        """
        if settled and not self._settled:
            gc.freeze()
        self._settled = settled
        if not settled:
            return False
        for generation in (2, 1, 0):
            if self._paces[generation].due(now_s):
                gc.collect(generation)
                return True
        return False

    def stop(self) -> None:
        global _open
        _open -= 1
        if _open == 0:
            gc.unfreeze()
            gc.enable()
