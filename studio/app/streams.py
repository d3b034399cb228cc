"""Reading the session's rings from the window: newest record, or everything since the last look. No Qt, never blocks.

A worker that is started again makes a new ring under the same name; followers notice and attach to the new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from studio.core.errors import DataError
from studio.core.records import RecordType
from studio.ipc.ring import RingReader

_LOOK_AGAIN_S = 0.25


class Follower:
    """Every record of one stream since the last `read`.

    `record_type` is None and `read` gives None while the stream is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader: RingReader | None = None
        self._identity = (0, 0)
        self._lost_before = 0
        self._looked_s = -1.0

    @property
    def record_type(self) -> RecordType | None:
        return self._reader.record_type if self._reader else None

    @property
    def lost(self) -> int:
        """Records overrun since this follower was made."""
        return self._lost_before + (self._reader.lost if self._reader else 0)

    def read(self, limit: int | None = None) -> np.ndarray | None:
        """New records, oldest first, as a structured array (maybe empty); None while the stream is not there."""
        reader = self._current()
        return reader.read(limit) if reader else None

    def latest(self) -> np.ndarray | None:
        """The newest record (shape []), or None."""
        reader = self._current()
        return reader.latest() if reader else None

    def close(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None

    def look_again(self) -> None:
        """Attach, or attach anew when the file under the name is another one."""
        try:
            stat = self.path.stat()
        except OSError:
            return
        identity = (stat.st_dev, stat.st_ino)
        if self._reader and identity == self._identity:
            return
        try:
            reader = RingReader(self.path)
        except (DataError, OSError, ValueError):
            return
        if self._reader:
            self._lost_before += self._reader.lost
            self._reader.close()
        self._reader, self._identity = reader, identity

    def _current(self) -> RingReader | None:
        now_s = time.monotonic()
        if now_s - self._looked_s > _LOOK_AGAIN_S:
            self._looked_s = now_s
            self.look_again()
        return self._reader


class Streams:
    """The streams of the running session by name, such as `control`, `object_pose.world`, `plan`.

    Args:
        ring_path: where a stream's ring lies.
    """

    def __init__(self, ring_path: Callable[[str], Path]) -> None:
        self._ring_path = ring_path
        self._shared: dict[str, Follower] = {}
        self._followers: list[Follower] = []

    def latest(self, name: str) -> np.ndarray | None:
        """The newest record of a stream (shape [], a copy), or None when there is none."""
        if name not in self._shared:
            self._shared[name] = self.follow(name)
        return self._shared[name].latest()

    def record_type(self, name: str) -> RecordType | None:
        self.latest(name)
        return self._shared[name].record_type

    def follow(self, name: str) -> Follower:
        """A reader of one's own, from now on. Close it when the panel goes."""
        follower = Follower(Path(self._ring_path(name)))  # type: ignore[operator]
        self._followers.append(follower)
        return follower

    def close(self) -> None:
        for follower in self._followers:
            follower.close()
        self._followers.clear()
        self._shared.clear()
