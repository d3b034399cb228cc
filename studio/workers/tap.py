"""Reading streams and slots of a session that come and go: a writer that is started again makes a new file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.errors import DataError
from studio.core.geometry import FloatArray
from studio.core.observation import StateReader
from studio.ipc.ring import RingReader
from studio.ipc.session import SessionFolder
from studio.ipc.slot import SlotReader

_LOOK_AGAIN_S = 0.25


class Tap:
    """The newest record of a ring or slot; None while there is no writer or nothing was written.

    Args:
        path: the ring's or slot's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: RingReader | SlotReader | None = None
        self._inode = 0
        self._looked_s = -1.0

    def read(self) -> np.ndarray | None:
        """A copy of the newest record (shape []); looks for a new file a few times a second."""
        now_s = time.monotonic()
        if now_s - self._looked_s > _LOOK_AGAIN_S:
            self._looked_s = now_s
            self._look()
        if self._reader is None:
            return None
        return self._reader.latest() if isinstance(self._reader, RingReader) else self._reader.read()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _look(self) -> None:
        try:
            inode = os.stat(self._path).st_ino
        except OSError:
            return  # the file is gone, but what is mapped stays readable and gets old, which its time shows
        if inode == self._inode:
            return
        self.close()
        self._inode = inode
        try:
            self._reader = RingReader(self._path) if self._path.suffix == ".ring" else SlotReader(self._path)
        except DataError:
            self._inode = 0  # half a file; the next look finds it whole


class StateTap:
    """Measured states of a task from the session's rings.

    Args:
        pose_stream: the pose stream that the bundle was trained on.
    """

    def __init__(self, session: SessionFolder, reader: StateReader, pose_stream: str) -> None:
        self._reader = reader
        names = {name: pose_stream if name == "object_pose" else name for name in reader.streams}
        self._taps = {name: Tap(session.ring_path(stream)) for name, stream in names.items()}

    def read(self) -> tuple[FloatArray, int] | None:
        """State [S] and the time of its oldest part in ns, or None while a stream is missing."""
        records: dict[str, Any] = {name: tap.read() for name, tap in self._taps.items()}
        if any(record is None for record in records.values()):
            return None
        return self._reader.read(records), min(int(record["t_ns"]) for record in records.values())

    def close(self) -> None:
        for tap in self._taps.values():
            tap.close()
