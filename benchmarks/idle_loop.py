"""A loop that does nothing but wake: what this machine gives a real-time process, whatever that does with its time.

`python -m benchmarks.idle_loop OUT.npz RATE_HZ SECONDS CORE PRIORITY`: kept to one core, with SCHED_FIFO of that
priority (0: the normal scheduler), asked for the same wake-up as the control loop: 150 µs before its deadline, which
that loop then spins away and this one does not. Late is therefore what comes after the deadline. One on each core
beside a session costs it a few µs per wake-up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.paths import repository_root
from studio.workers.priority import freeze_garbage, lock_memory, obtain_niceness, obtain_priority, pin_to

EARLY_NS = 150_000  # studio.core.clock.WallClock spins the last 150 µs
_NICENESS = -20  # as the control loop's where FIFO is refused
_END_S = 20.0


def measure(rate_hz: float, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Deadlines and lateness of each wake-up [wake-ups] in ns; ends early when the process is asked to."""
    period_ns, count = round(1e9 / rate_hz), int(rate_hz * seconds)
    deadlines, late = np.zeros((2, count), dtype=np.int64)
    ending: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: ending.append(number))
    print("ready", flush=True)
    deadline_ns, done = time.monotonic_ns() + period_ns, 0
    while done < count and not ending:
        time.sleep(max(0, deadline_ns - EARLY_NS - time.monotonic_ns()) * 1e-9)
        now_ns = time.monotonic_ns()
        deadlines[done], late[done] = deadline_ns, max(0, now_ns - deadline_ns)
        done += 1
        deadline_ns += period_ns * (1 + max(0, now_ns - deadline_ns) // period_ns)
    return deadlines[:done], late[:done]


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What the idle loop of each core saw: deadlines and lateness [2, wake-ups] in ns, in order of time."""

    cores: tuple[np.ndarray, ...] = ()

    def during(self, from_ns: int, to_ns: int) -> Floor:
        """Only what was due between two times."""
        return make_floor([core[:, (core[0] >= from_ns) & (core[0] <= to_ns)] for core in self.cores])

    def covers(self, deadline_ns: int, late_ns: int) -> bool:
        """Whether an idle loop was kept from waking in the same moment, for at least half as long."""
        for deadlines, late in self.cores:
            first = int(np.searchsorted(deadlines, deadline_ns - 2 * late_ns - EARLY_NS))
            last = int(np.searchsorted(deadlines, deadline_ns + late_ns, side="right"))
            met = deadlines[first:last] + late[first:last] >= deadline_ns
            if (met & (late[first:last] >= 0.5 * late_ns)).any():
                return True
        return False

    def describe(self) -> dict[str, Any]:
        """p50, p99, p99.9 and max of the worse core in µs, and each core's own; empty where nothing was seen."""
        cores = [_describe(late_ns) for _, late_ns in self.cores]
        return {**max(cores, key=lambda core: core["p99_9_us"]), "cores": cores} if cores else {}


class IdleLoops:
    """One process per core, from `start` to `stop`.

    Args:
        folder: where they leave what they saw.
        rate_hz: of each.
        seconds: at most.
        priority: of SCHED_FIFO; above the control loop's, which they must not wait for. 0: the normal scheduler.
    """

    def __init__(self, folder: Path, rate_hz: float, seconds: float, priority: int) -> None:
        self._words = [str(rate_hz), str(seconds)]
        self._priority, self._folder = priority, folder
        self._running: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for core in range(len(os.sched_getaffinity(0))):
            out = self._folder / f"core_{core}.npz"
            words = [str(out), *self._words, str(core), str(self._priority)]
            command = [sys.executable, "-m", "benchmarks.idle_loop", *words]
            self._running.append((subprocess.Popen(command, cwd=repository_root(), stdout=subprocess.PIPE), out))
        for process, _ in self._running:
            assert process.stdout is not None
            process.stdout.readline()  # it wakes up from now on, or has ended

    def stop(self) -> Floor:
        """End them and read what they saw; a loop that left nothing is left out."""
        for process, _ in self._running:
            process.terminate()
        seen: list[np.ndarray] = []
        for process, out in self._running:
            try:
                process.communicate(timeout=_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            if out.exists():
                with np.load(out) as kept:
                    seen.append(np.stack([kept["deadline_ns"], kept["late_ns"]]))
        self._running.clear()
        return make_floor(seen)


def make_floor(seen: Sequence[np.ndarray]) -> Floor:
    """Of several cores' wake-ups, each [2, wake-ups]: deadlines and lateness in ns."""
    return Floor(cores=tuple(core for core in seen if core.shape[1]))


def _describe(late_ns: np.ndarray) -> dict[str, float]:
    p50, p99, p99_9, longest = np.percentile(late_ns * 1e-3, (50, 99, 99.9, 100)).tolist()
    return {"p50_us": round(p50, 1), "p99_us": round(p99, 1), "p99_9_us": round(p99_9, 1), "max_us": round(longest, 1)}


def main(words: list[str]) -> None:
    out, rate_hz, seconds, core, priority = words
    pin_to(int(core))
    freeze_garbage()
    lock_memory()
    if int(priority) == 0 or obtain_priority(int(priority)):
        obtain_niceness(_NICENESS)
    deadlines, late = measure(float(rate_hz), float(seconds))
    np.savez(out, deadline_ns=deadlines, late_ns=late)


if __name__ == "__main__":
    main(sys.argv[1:])
