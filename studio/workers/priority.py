"""Asking the kernel for what a real-time process needs, and saying honestly what was refused."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from pathlib import Path

_LOCK_ALL = 3  # MCL_CURRENT | MCL_FUTURE
_TIMER_SLACK = 29  # PR_SET_TIMERSLACK
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
_NEVER, _LARGE = 1 << 30, 1 << 25  # bytes; the latter is the most that glibc takes


def obtain_priority(priority: int) -> str:
    """SCHED_FIFO for this process (children start without it). Returns why it was refused, empty when it was not."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError as error:
        return f"{error.strerror}. Run `{grant_command()}` and log in again."
    return ""


def leave_priority() -> None:
    """Back to the normal scheduler. The flag stays, because only root may take it off again (sched(7))."""
    os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def grant_command() -> str:
    """What lets this user have real-time priority."""
    user = os.environ.get("USER") or str(os.getuid())
    return f"echo '{user} - rtprio 90' | sudo tee /etc/security/limits.d/90-studio.conf"


def obtain_niceness(level: int, *, autogroup: Path = Path("/proc/self/autogroup")) -> bool:
    """A better place than ordinary programs (`level` below 0) or a worse one, where the system allows it.

    Every worker leads a session of its own, and a kernel with autogroups (the default of desktop distributions) shares
    the processor between sessions, whatever the niceness of the processes in them (sched(7), "The autogroup feature").
    So a worker's session gets the level too; a process in somebody else's session, a terminal's, leaves that alone.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, level)
    except OSError:
        return False
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # no autogroups here, or asked too often
            autogroup.write_text(str(level))
    return True


def lock_memory() -> bool:
    """Keep all pages in memory, now and later; also wake sleepers without slack. False where it is not allowed."""
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_TIMER_SLACK, 1, 0, 0, 0)
    return library.mlockall(_LOCK_ALL) == 0


def keep_memory() -> None:
    """Memory that is freed stays with this process (mallopt(3)); otherwise glibc gives it back and gets it again.

    Each page that comes back is zeroed by the kernel, and while it does that many kernels let nobody else run on the
    core, whatever his priority: a planner with 5,000 page faults a second makes a loop with SCHED_FIFO late.
    """
    library = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):  # another C library
        library.mallopt(_TRIM_THRESHOLD, _NEVER)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)


def pin_to(core: int) -> None:
    """Run on one of the allowed cores only, counted from the end for negative numbers; one core: nothing to choose."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[core % len(cores)]})


def freeze_garbage() -> None:
    """After warm-up: no collection will interrupt a tick."""
    gc.collect()
    gc.freeze()
    gc.disable()
