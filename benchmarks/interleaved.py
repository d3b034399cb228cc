"""Timing several things fairly on a machine that is never quite quiet: in turn, in one process, many times."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Of one contestant.

    Args:
        seconds: wall time of each run.
        processor_seconds: what all threads together used; this hardly changes when other programs want the cores.
    """

    seconds: tuple[float, ...]
    processor_seconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        return 1e3 * float(np.median(self.seconds))

    @property
    def processor_ms(self) -> float:
        return 1e3 * float(np.median(self.processor_seconds))

    @property
    def spread_ms(self) -> list[float]:
        """First and third quartile."""
        return [1e3 * float(part) for part in np.percentile(self.seconds, (25, 75))]


def interleaved(contestants: Mapping[str, Callable[[], object]], runs: int, *, warm_up: int = 1) -> dict[str, Timing]:
    """Run all contestants in turn, `runs` times after `warm_up` rounds that do not count.

    Every round begins with the next contestant, so that nobody always runs after the same other one.
    """
    walls: dict[str, list[float]] = {name: [] for name in contestants}
    processors: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(-warm_up, runs):
        for name in _turned(list(contestants), number + warm_up):
            call = contestants[name]
            began_s, used_s = time.perf_counter(), time.process_time()
            call()
            if number >= 0:
                walls[name].append(time.perf_counter() - began_s)
                processors[name].append(time.process_time() - used_s)
    return {name: Timing(seconds=tuple(walls[name]), processor_seconds=tuple(processors[name])) for name in contestants}


def _turned(names: list[str], by: int) -> list[str]:
    by %= max(1, len(names))
    return names[by:] + names[:by]


def ratio_spread(above: Timing, below: Timing) -> list[float]:
    """First and third quartile of the ratio of wall times, round by round."""
    ratios = np.array(above.seconds) / np.array(below.seconds)
    return [float(part) for part in np.percentile(ratios, (25, 75))]


@contextlib.contextmanager
def busy_neighbour(processes: int = 1) -> Iterator[None]:
    """Other processes that want a core each, all the time."""
    command = [sys.executable, "-c", "while True: pass"]
    neighbours = [subprocess.Popen(command) for _ in range(processes)]
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))
