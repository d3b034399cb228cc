"""Every test leaves the machine as it found it: no process, thread or shared memory stays behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from studio.core.paths import SESSION_ROOT

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("QT_API", "pyside6")
os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# The same examples everywhere, and none is too slow: a busy machine is no reason to fail.
settings.register_profile("studio", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("studio")

_GRACE_S = 120.0  # what ends by itself may do so slowly on a busy machine
_KEPT_PROCESSES = ("Xvfb", "dbus-daemon", "pulseaudio", "node", "resource_tracker")


def _children() -> dict[int, str]:
    """Living child processes of this process: pid -> command line."""
    found: dict[int, str] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            pids = (task / "children").read_text().split()
        except OSError:
            continue
        for pid in pids:
            try:
                status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if status != "Z" and not any(name in command for name in _KEPT_PROCESSES):
                found[int(pid)] = command.strip()
    return found


def _threads() -> set[str]:
    return {f"{thread.name} ({thread.ident})" for thread in threading.enumerate() if thread.is_alive()}


def _shared_memory() -> set[str]:
    """Session folders of this process tree; the folder's name or its `owner.pid` file tells whose it is."""
    if not SESSION_ROOT.is_dir():
        return set()
    return {str(path) for path in SESSION_ROOT.iterdir() if _is_ours(path)}


def _is_ours(folder: Path) -> bool:
    owner = folder / "owner.pid"
    try:
        return int(owner.read_text()) == os.getpid()
    except (OSError, ValueError):
        return False


def _delete_asked_widgets() -> None:
    """Widgets that a test asked Qt to delete later are deleted now; the drawing thread ends with the last 3-D view."""
    core = sys.modules.get("PySide6.QtCore")
    if core is not None and core.QCoreApplication.instance() is not None:
        core.QCoreApplication.sendPostedEvents(None, core.QEvent.Type.DeferredDelete.value)
        core.QCoreApplication.processEvents()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """A thread that was left behind failed its test already; it must not also keep this process from ending."""
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        print(f"ended in spite of threads {left}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


@pytest.fixture(autouse=True)
def nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves a process, a thread or shared memory behind."""
    before = (set(_children()), _threads(), _shared_memory())
    yield
    deadline_s = time.monotonic() + _GRACE_S
    while True:
        _delete_asked_widgets()
        children = {pid: text for pid, text in _children().items() if pid not in before[0]}
        threads = _threads() - before[1]
        memory = _shared_memory() - before[2]
        if not (children or threads or memory):
            return
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.05)
    for pid in children:
        os.kill(pid, 9)
    pytest.fail(f"left behind: processes {children}, threads {threads}, shared memory {memory}", pytrace=False)
