"""What the kernel says of a process and of the machine: time on a core, time waiting for one, switches, stolen time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_STOLEN = 8  # column of /proc/stat, after the label
_MINOR, _MAJOR = 7, 9  # columns of /proc/PID/stat, after the name


@dataclass(frozen=True, kw_only=True)
class ProcessStatistics:
    """Sums over all threads since the process began.

    Args:
        run_s: on a core.
        wait_s: ready to run, while the machine ran something else.
        voluntary, involuntary: switches.
        faults: pages that were not there when they were touched.
    """

    run_s: float = 0.0
    wait_s: float = 0.0
    voluntary: int = 0
    involuntary: int = 0
    faults: int = 0

    def since(self, before: ProcessStatistics) -> ProcessStatistics:
        return ProcessStatistics(
            run_s=self.run_s - before.run_s,
            wait_s=self.wait_s - before.wait_s,
            voluntary=self.voluntary - before.voluntary,
            involuntary=self.involuntary - before.involuntary,
            faults=self.faults - before.faults,
        )


def read_process(pid: int) -> ProcessStatistics:
    """Zeros for a process that has ended."""
    total = ProcessStatistics()
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return total
    for task in tasks:
        try:
            run_ns, wait_ns, _ = (int(word) for word in (task / "schedstat").read_text().split())
            switches = dict(line.split(":") for line in (task / "status").read_text().splitlines() if "ctxt" in line)
            words = (task / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total = ProcessStatistics(
            run_s=total.run_s + run_ns * 1e-9,
            wait_s=total.wait_s + wait_ns * 1e-9,
            voluntary=total.voluntary + int(switches["voluntary_ctxt_switches"]),
            involuntary=total.involuntary + int(switches["nonvoluntary_ctxt_switches"]),
            faults=total.faults + int(words[_MINOR]) + int(words[_MAJOR]),
        )
    return total


def main_thread_wait_s(pid: int) -> float:
    """How long the first thread was ready to run without running; cheap enough to be asked often."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) * 1e-9


def stolen_s() -> float:
    """Time that the machine's own host ran something else (virtual machines only), over all cores."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[_STOLEN]) * _TICK_S


def policy_words(pid: int) -> str:
    """Such as `fifo 50` or `nice -5`."""
    policy = os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
    if policy == os.SCHED_FIFO:
        return f"fifo {os.sched_getparam(pid).sched_priority}"
    return f"nice {os.getpriority(os.PRIO_PROCESS, pid)}"
