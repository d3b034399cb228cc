"""Latest-value slots in shared memory: one writer replaces the value, readers take the newest whole one."""

from __future__ import annotations

import json
import mmap
from pathlib import Path

import numpy as np

from studio.core.errors import DataError
from studio.core.records import RecordType
from studio.ipc.ring import open_for_writing

_MAGIC = b"HPSSLOT1"
_HEADER_BYTES = 8192
_COPIES = 4  # the writer walks round these, so a reader always finds a whole value


class SlotWriter:
    """Creates the slot. One of the same description is taken over, so that readers stay attached."""

    def __init__(self, path: Path, record_type: RecordType) -> None:
        self.record_type = record_type
        header = json.dumps(record_type.to_json()).encode()
        if len(header) > _HEADER_BYTES - 128:
            raise DataError(f"Slot {path.name}: its description needs {len(header)} bytes; at most 8064 fit.")
        slot = np.dtype([("before", "<u8"), ("record", record_type.dtype), ("after", "<u8")])
        self._file = open_for_writing(path, _MAGIC, header, _HEADER_BYTES + _COPIES * slot.itemsize)
        self._map = mmap.mmap(self._file.fileno(), 0)
        self._head = np.frombuffer(self._map, dtype="<u8", count=1, offset=64)
        self._slots = np.frombuffer(self._map, dtype=slot, count=_COPIES, offset=_HEADER_BYTES)

    def write(self, record: np.ndarray) -> None:
        sequence = int(self._head[0]) + 1  # from the file: a second writer may have taken turns (window, scripted hand)
        slot = self._slots[sequence % _COPIES]
        slot["after"] = 0
        slot["before"] = sequence
        slot["record"] = record
        slot["after"] = sequence
        self._head[0] = sequence

    def close(self) -> None:
        del self._head, self._slots
        self._map.close()
        self._file.close()


class SlotReader:
    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
        except FileNotFoundError:
            raise DataError(f"Slot {path.stem} is not there. Start the session that produces it.") from None
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._map[:8] != _MAGIC:
            self._map.close()
            self._file.close()
            raise DataError(f"{path} is not a slot of this studio. Remove it and start the session again.")
        length = int.from_bytes(self._map[8:16], "little")
        self.record_type = RecordType.from_json(json.loads(self._map[128 : 128 + length]))
        slot = np.dtype([("before", "<u8"), ("record", self.record_type.dtype), ("after", "<u8")])
        self._head = np.frombuffer(self._map, dtype="<u8", count=1, offset=64)
        self._slots = np.frombuffer(self._map, dtype=slot, count=_COPIES, offset=_HEADER_BYTES)

    @property
    def sequence(self) -> int:
        """Number of values written so far; 0 before the first."""
        return int(self._head[0])

    def read(self) -> np.ndarray | None:
        """A copy of the newest whole value (shape []), or None before the first write."""
        for _ in range(8):
            head = int(self._head[0])
            if head == 0:
                return None
            slot = self._slots[head % _COPIES].copy()
            if slot["before"] == head and slot["after"] == head:
                return slot["record"]
        return None

    def close(self) -> None:
        del self._head, self._slots
        self._map.close()
        self._file.close()


class WaitingSlotReader:
    """Reads a slot that may not exist yet; looks for it at most every `retry_reads` reads.

    A slot of another description than expected counts as absent, so a foreign writer cannot reach the reader.
    """

    def __init__(self, path: Path, record_type: RecordType, *, retry_reads: int = 20) -> None:
        self._path, self._dtype, self._retry_reads = path, record_type.dtype, retry_reads
        self._reader: SlotReader | None = None
        self._countdown = 0
        self._seen = 0

    def read(self) -> np.ndarray | None:
        """A copy of the newest whole value (shape []), or None."""
        if self._reader is None and not self._attach():
            return None
        assert self._reader is not None
        return self._reader.read()

    def read_new(self) -> np.ndarray | None:
        """Like `read`, but None unless something was written since the last call; cheap when nothing was."""
        if self._reader is None and not self._attach():
            return None
        assert self._reader is not None
        sequence = self._reader.sequence
        if sequence == self._seen:
            return None
        self._seen = sequence
        return self._reader.read()

    def _attach(self) -> bool:
        if self._countdown > 0:
            self._countdown -= 1
            return False
        self._countdown = self._retry_reads
        if not self._path.exists():
            return False
        reader = SlotReader(self._path)
        if reader.record_type.dtype != self._dtype:
            reader.close()
            return False
        self._reader = reader
        return True

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
