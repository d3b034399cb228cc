"""Rings of fixed records in shared memory: one writer, any number of readers, nothing ever blocks.

A ring is a plain mapped file, so it outlives any process that dies, and the standard library's tracker cannot unlink
it. Each record carries its sequence number before and after the payload; a reader that sees two different numbers, or
not the expected one, knows that the writer has lapped it and counts the loss.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import BinaryIO

import numpy as np

from studio.core.errors import DataError
from studio.core.kernel import make_kernel
from studio.core.records import RecordType

_MAGIC = b"HPSRING1"
_HEADER_BYTES = 16384
_HEAD_OFFSET = 64  # u64: sequence number of the newest complete record, 0 = none yet


def open_for_writing(path: Path, magic: bytes, header: bytes, size_bytes: int) -> BinaryIO:
    """Open a mapped file, making it unless one with the same magic, header and size is already there."""
    prefix = magic + len(header).to_bytes(8, "little")
    if path.exists() and path.stat().st_size == size_bytes:
        file = path.open("r+b")
        there = file.read(128 + len(header))
        if there[: len(prefix)] == prefix and there[128:] == header:
            return file
        file.close()
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(prefix)
        file.seek(128)
        file.write(header)
        file.truncate(size_bytes)
    opened = temporary.open("r+b")
    temporary.rename(path)
    return opened


def _slot_dtype(record_type: RecordType) -> np.dtype:
    return np.dtype([("before", "<u8"), ("record", record_type.dtype), ("after", "<u8")])


class RingWriter:
    """Creates the ring and appends records. A ring of the same description is taken over, so that its readers stay
    attached when its writer is started again; any other is replaced.

    Args:
        path: file, usually in the session's folder under /dev/shm.
        record_type: what one record is; stored in the header so that any reader can attach.
        seconds: how much history the ring holds at the declared rate.
    """

    def __init__(self, path: Path, record_type: RecordType, *, seconds: float = 8.0) -> None:
        self.record_type = record_type
        capacity = max(16, int(np.ceil(seconds * record_type.rate_hz)))
        slot = _slot_dtype(record_type)
        header = json.dumps({"capacity": capacity, "record_type": record_type.to_json()}).encode()
        if len(header) > _HEADER_BYTES - 128:
            raise DataError(f"Ring {path.name}: its description needs {len(header)} bytes; at most 16256 fit.")
        self._file = open_for_writing(path, _MAGIC, header, _HEADER_BYTES + capacity * slot.itemsize)
        self._map = mmap.mmap(self._file.fileno(), 0)
        self._head = np.frombuffer(self._map, dtype="<u8", count=1, offset=_HEAD_OFFSET)
        self._slots = np.frombuffer(self._map, dtype=slot, count=capacity, offset=_HEADER_BYTES)
        self._records = self._slots["record"]
        self._before, self._after = self._slots["before"], self._slots["after"]
        self._dtype = record_type.dtype
        self._slot_bytes, self._record_bytes = slot.itemsize, self._dtype.itemsize
        self._first_byte = _HEADER_BYTES + int(slot.fields["record"][1]) if slot.fields else _HEADER_BYTES
        self._capacity = capacity
        self._sequence = int(self._head[0])  # a writer that comes back goes on where it stopped
        memory = np.frombuffer(self._map, dtype=np.uint8, offset=_HEADER_BYTES)
        sizes = {"capacity": capacity, "slot_size": slot.itemsize}
        kernel = make_kernel("Ring", "append_record", {**sizes, "slots": memory, "head": self._head}, arguments=2)
        self._append = None if kernel is None else kernel.run
        self._last: tuple[np.ndarray | None, int] = (None, 0)  # the record written last, and where it lies

    def _is_known(self, dtype: np.dtype[np.void]) -> bool:
        """Whether it is this ring's dtype; comparing takes long, so the object that was equal is remembered."""
        if dtype != self.record_type.dtype:
            return False
        self._dtype = dtype
        return True

    def _is_plain(self, record: np.ndarray) -> bool:
        """Whether this is one whole record in one piece; where it lies is remembered, as most writers have only one."""
        if type(record) is not np.ndarray or record.size != 1 or not record.flags.c_contiguous:
            return False
        if record.dtype is not self._dtype and not self._is_known(record.dtype):
            return False
        self._last = record, record.ctypes.data
        return True

    def write(self, record: np.ndarray) -> None:
        """Append one record (shape [] or [1] of the ring's dtype)."""
        if self._append is not None and (record is self._last[0] or self._is_plain(record)):
            self._append(self._sequence + 1, self._last[1])
            self._sequence += 1
            return
        sequence = self._sequence + 1
        index = sequence % self._capacity
        self._after[index] = 0
        self._before[index] = sequence
        if record.dtype is self._dtype or self._is_known(record.dtype):
            # as bytes: field by field takes twenty times as long
            start = self._first_byte + index * self._slot_bytes
            self._map[start : start + self._record_bytes] = record.tobytes()
        else:
            self._records[index] = record
        self._after[index] = sequence
        self._head[0] = sequence
        self._sequence = sequence

    def close(self) -> None:
        self._append = None  # it holds on to the map
        del self._head, self._slots, self._records, self._before, self._after
        self._map.close()
        self._file.close()


class RingReader:
    """Follows a ring from the moment of attaching (or from its oldest record). `lost` counts what was overrun."""

    def __init__(self, path: Path, *, from_oldest: bool = False) -> None:
        try:
            self._file = path.open("rb")
        except FileNotFoundError:
            raise DataError(f"Stream {path.stem} is not there. Start the session that produces it.") from None
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._map[:8] != _MAGIC:
            self._map.close()
            self._file.close()
            raise DataError(f"{path} is not a ring of this studio. Remove it and start the session again.")
        length = int.from_bytes(self._map[8:16], "little")
        header = json.loads(self._map[128 : 128 + length])
        self.record_type = RecordType.from_json(header["record_type"])
        self._capacity = int(header["capacity"])
        self._head = np.frombuffer(self._map, dtype="<u8", count=1, offset=_HEAD_OFFSET)
        self._slots = np.frombuffer(
            self._map, dtype=_slot_dtype(self.record_type), count=self._capacity, offset=_HEADER_BYTES
        )
        self.lost = 0
        head = int(self._head[0])
        self._next = max(1, head - self._capacity + 2) if from_oldest else head + 1

    def read(self, limit: int | None = None) -> np.ndarray:
        """All records since the last call, oldest first (at most `limit`), as a copy."""
        head = int(self._head[0])
        oldest = head - self._capacity + 2  # the slot after the newest may be under the writer's hand
        if self._next < oldest:
            self.lost += oldest - self._next
            self._next = oldest
        stop = head + 1 if limit is None else min(head + 1, self._next + limit)
        if stop <= self._next:
            return np.empty(0, dtype=self.record_type.dtype)
        sequences = np.arange(self._next, stop, dtype=np.uint64)
        slots = self._slots[(sequences % np.uint64(self._capacity)).astype(np.int64)]
        whole = (slots["before"] == sequences) & (slots["after"] == sequences)
        self.lost += int(len(sequences) - whole.sum())
        self._next = stop
        return slots["record"] if whole.all() else slots["record"][whole]

    def latest(self) -> np.ndarray | None:
        """A copy of the newest whole record (shape []), or None when nothing was written yet; does not consume."""
        for _ in range(4):
            head = int(self._head[0])
            if head == 0:
                return None
            slot = self._slots[head % self._capacity].copy()
            if slot["before"] == head and slot["after"] == head:
                return slot["record"]
        return None

    def close(self) -> None:
        del self._head, self._slots
        self._map.close()
        self._file.close()
