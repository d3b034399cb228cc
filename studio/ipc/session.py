"""The folder of one running session: rings, slots, worker configurations and logs, in shared memory.

The owner holds a file lock for as long as it lives, however it ends; a folder whose lock is free is stale and is
cleared at the next start.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import IO

from studio.core.errors import WorkerError
from studio.core.paths import SESSION_ROOT

_LOCK_NAME = "owner.pid"


class SessionFolder:
    """Paths of everything that processes of one session share.

    Args:
        path: the folder, usually below `SESSION_ROOT`. Workers only read paths from it; the owner calls `create`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._lock: IO[str] | None = None

    def ring_path(self, stream: str) -> Path:
        return self.path / f"{stream}.ring"

    def slot_path(self, name: str) -> Path:
        return self.path / f"{name}.slot"

    def config_path(self, worker: str) -> Path:
        return self.path / f"{worker}.json"

    def log_path(self, worker: str) -> Path:
        return self.path / f"{worker}.log"

    def create(self) -> SessionFolder:
        """Make the folder and own it; stale neighbours are cleared first.

        Raises:
            WorkerError: the folder belongs to a session that is still running, or cannot be made.
        """
        clear_stale_sessions(self.path.parent)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / _LOCK_NAME).open("a+")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock.truncate(0)
            self._lock.write(str(os.getpid()))
            self._lock.flush()
        except BlockingIOError:
            self._release()
            raise WorkerError(f"Session {self.path.name} is already running. Close the other window first.") from None
        except OSError as error:
            self._release()
            raise WorkerError(
                f"The session's folder {self.path} cannot be made: {error.strerror}. Free space in shared memory."
            ) from error
        return self

    def remove(self) -> None:
        """Delete the folder and give up ownership. Processes that have files mapped keep them until they end."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def make_session(root: Path = SESSION_ROOT) -> SessionFolder:
    """A session with a fresh name; nothing is written until `create`."""
    return SessionFolder(root / f"session-{os.getpid()}-{time.monotonic_ns():x}")


def clear_stale_sessions(root: Path) -> list[Path]:
    """Delete folders below `root` whose owner is gone; returns what was deleted."""
    stale = [lock.parent for lock in root.glob(f"*/{_LOCK_NAME}") if _is_free(lock)]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return stale


def _is_free(lock: Path) -> bool:
    try:
        with lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
