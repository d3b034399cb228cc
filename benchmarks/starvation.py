"""What a busy machine did to a run: time in which its processes were ready, and the machine ran something else."""

from __future__ import annotations

import os
from collections.abc import Mapping


class Starvation:
    """Looks once per tick; keeps the longest time that any process was kept waiting between two looks.

    Args:
        pids: the processes of the run by name.
        limit_s: waiting longer than this counts.
    """

    def __init__(self, pids: Mapping[str, int], limit_s: float) -> None:
        self._limit_s = limit_s
        self._files = {name: os.open(f"/proc/{pid}/schedstat", os.O_RDONLY) for name, pid in pids.items()}
        self._before_s = {name: self._wait_s(file) for name, file in self._files.items()}
        self._worst: tuple[float, str] = (0.0, "")

    def _wait_s(self, file: int) -> float:
        try:
            return int(os.pread(file, 100, 0).split()[1]) * 1e-9
        except (OSError, IndexError):  # the process has ended
            return 0.0

    def look(self) -> None:
        for name, file in self._files.items():
            now_s = self._wait_s(file)
            self._note(now_s - self._before_s[name], f"{name} waited for a core")
            self._before_s[name] = now_s

    def note_wake(self, late_s: float) -> None:
        """How much later than asked for a sleep of the loop ended: a virtual machine's host leaves no other trace."""
        self._note(late_s, "the loop was woken late")

    def _note(self, seconds: float, what: str) -> None:
        if seconds > self._worst[0]:
            self._worst = (seconds, what)

    def forget(self) -> None:
        """A new run begins."""
        self.look()
        self._worst = (0.0, "")

    @property
    def words(self) -> str:
        """The worst, when it was longer than the limit; else empty."""
        seconds, what = self._worst
        return f"{what} for {1e3 * seconds:.1f} ms" if seconds > self._limit_s else ""

    def close(self) -> None:
        for file in self._files.values():
            os.close(file)
