"""MCAP files written chunk by chunk, so that a crash costs the open chunk only; `mcap_scan` reads them.

The library's writer closes a chunk by size only, cannot be flushed and takes messages one by one; this one is given
whole chunks (one channel each) and hands every chunk to the kernel with one write. The result is plain MCAP 1.
"""

# lz4 has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import fcntl
import os
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import lz4.frame
import numpy as np
from mcap import records
from mcap.data_stream import RecordBuilder

from studio.data.disk import DiskFullError, write_error

MAGIC = b"\x89MCAP0\r\n"
FOOTER, SCHEMA, CHANNEL, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = 2, 3, 4, 6, 7, 8
STATISTICS, METADATA, METADATA_INDEX = 11, 12, 13
HEAD_BYTES = 9
DATA_END_BYTES = HEAD_BYTES + 4
FOOTER_BYTES = HEAD_BYTES + 20 + len(MAGIC)


@dataclass
class _Totals:
    messages: dict[int, int] = field(default_factory=dict[int, int])
    chunks: list[records.ChunkIndex] = field(default_factory=list[records.ChunkIndex])
    start_ns: int = 0
    end_ns: int = 0

    def add(self, index: records.ChunkIndex, channel_id: int, count: int) -> None:
        self.start_ns = min(self.start_ns, index.message_start_time) if self.chunks else index.message_start_time
        self.end_ns = max(self.end_ns, index.message_end_time)
        self.messages[channel_id] = self.messages.get(channel_id, 0) + count
        self.chunks.append(index)


class McapWriter:
    """One MCAP file, open for appending chunks.

    Args:
        path: created; must not exist.
        compression: `lz4` or `` (none).
        fsync_interval_s: how often written data are forced to the disk; None = only at close.

    Raises:
        DiskFullError: when nothing more fits; the file then ends with its last whole chunk and can still be closed.
    """

    def __init__(self, path: Path, *, compression: str = "lz4", fsync_interval_s: float | None = 1.0) -> None:
        self.path = path
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise write_error(path, error) from error
        fcntl.flock(self._file, fcntl.LOCK_EX)  # repair leaves alone what somebody still writes
        self._compression = compression
        self._fsync_interval_s = fsync_interval_s
        self._synced_s = time.monotonic()
        self._end = self._checksum = 0
        self._schemas: list[records.Schema] = []
        self._channels: list[records.Channel] = []
        self._metadata: list[records.MetadataIndex] = []
        self._totals = _Totals()
        self.digest = zlib.crc32(b"")  # over the chunks' checksums: says whether two recordings are the same
        self._append(MAGIC + _record(records.Header(profile="", library="haptic-play-studio 1")))

    def add_channel(self, topic: str, schema_name: str, schema: bytes, metadata: Mapping[str, str]) -> int:
        """Declare a Protobuf channel; returns its id."""
        number = len(self._channels) + 1
        kind = records.Schema(id=number, name=schema_name, encoding="protobuf", data=schema)
        channel = records.Channel(
            id=number, schema_id=number, topic=topic, message_encoding="protobuf", metadata=dict(metadata)
        )
        self._append(_record(kind) + _record(channel))
        self._schemas.append(kind)
        self._channels.append(channel)
        return number

    def add_metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Facts about the whole file; here so that it says what it is without `episode.json`."""
        record = _record(records.Metadata(name=name, metadata=dict(values)))
        self._metadata.append(records.MetadataIndex(offset=self._end, length=len(record), name=name))
        self._append(record)

    def next_channel_id(self) -> int:
        return len(self._channels) + 1

    def write_chunk(
        self, channel_id: int, messages: bytes | np.ndarray, log_times: np.ndarray, offsets: np.ndarray
    ) -> None:
        """Append message records of one channel as a chunk with its index.

        Args:
            messages: the message records, one after the other.
            log_times: ns of each, shape [N].
            offsets: where each starts in `messages`, shape [N].
        """
        data = _compress(messages, self._compression)
        checksum = zlib.crc32(messages)  # pyright: ignore[reportArgumentType] - an array is a buffer too
        start_ns, end_ns = int(log_times.min()), int(log_times.max())
        chunk = _record(
            records.Chunk(
                compression=self._compression,
                data=data,
                message_start_time=start_ns,
                message_end_time=end_ns,
                uncompressed_crc=checksum,
                uncompressed_size=len(messages),
            )
        )
        index = _message_index(channel_id, log_times, offsets)
        position = self._end
        self._append(chunk + index)
        self.digest = zlib.crc32(checksum.to_bytes(4, "little"), self.digest)
        self._totals.add(
            records.ChunkIndex(
                chunk_length=len(chunk),
                chunk_start_offset=position,
                compression=self._compression,
                compressed_size=len(data),
                message_end_time=end_ns,
                message_index_length=len(index),
                message_index_offsets={channel_id: position + len(chunk)},
                message_start_time=start_ns,
                uncompressed_size=len(messages),
            ),
            channel_id,
            len(log_times),
        )
        self._maybe_sync()

    def sync(self) -> None:
        """Force what was written to the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise write_error(self.path, error) from error
        self._synced_s = time.monotonic()

    def _maybe_sync(self) -> None:
        if self._fsync_interval_s is not None and time.monotonic() - self._synced_s >= self._fsync_interval_s:
            self.sync()

    def _append(self, data: bytes) -> None:
        """Write all of it or none of it: a full disk must not leave half a chunk before the footer."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise write_error(self.path, error) from error
        self._end += len(data)
        self._checksum = zlib.crc32(data, self._checksum)

    def close(self) -> None:
        """Write the summary; on a full disk a file without one, which is still valid, is left."""
        if self._file.closed:
            return
        end = _record(records.DataEnd(data_section_crc=self._checksum))
        try:
            self._append(end + self._summary(self._end + len(end)))
        except DiskFullError:
            self._close_without_summary(end)
        try:
            self.sync()
        finally:
            self._file.close()

    def _close_without_summary(self, end: bytes) -> None:
        footer = records.Footer(summary_start=0, summary_offset_start=0, summary_crc=0)
        try:
            self._append(end + _record(footer) + MAGIC)
        except DiskFullError:
            return  # the reader does without; start-up repair adds the footer once there is room

    def _summary(self, start: int) -> bytes:
        groups: list[bytes] = [
            b"".join(_record(schema) for schema in self._schemas),
            b"".join(_record(channel) for channel in self._channels),
            _record(self._statistics()),
            b"".join(_record(chunk) for chunk in self._totals.chunks),
            b"".join(_record(index) for index in self._metadata),
        ]
        body = b"".join(groups)
        offsets, position = b"", start
        for opcode, group in zip((SCHEMA, CHANNEL, STATISTICS, CHUNK_INDEX, METADATA_INDEX), groups, strict=True):
            if group:
                offsets += _record(records.SummaryOffset(opcode, position, len(group)))
            position += len(group)
        head = records.Footer(summary_start=start, summary_offset_start=start + len(body), summary_crc=0)
        blank = _record(head)
        checksum = zlib.crc32(blank[:-4], zlib.crc32(body + offsets))
        return body + offsets + blank[:-4] + checksum.to_bytes(4, "little") + MAGIC

    def _statistics(self) -> records.Statistics:
        return records.Statistics(
            attachment_count=0,
            channel_count=len(self._channels),
            channel_message_counts=self._totals.messages,
            chunk_count=len(self._totals.chunks),
            message_count=sum(self._totals.messages.values()),
            message_end_time=self._totals.end_ns,
            message_start_time=self._totals.start_ns,
            metadata_count=len(self._metadata),
            schema_count=len(self._schemas),
        )


def chain_digest(checksums: Iterable[int]) -> int:
    """One number for a sequence of chunk checksums."""
    digest = zlib.crc32(b"")
    for checksum in checksums:
        digest = zlib.crc32(checksum.to_bytes(4, "little"), digest)
    return digest


def _record(record: records.McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)  # type: ignore[attr-defined]
    return builder.end()


def _message_index(channel_id: int, log_times: np.ndarray, offsets: np.ndarray) -> bytes:
    entries = np.empty((len(log_times), 2), dtype="<u8")
    entries[:, 0], entries[:, 1] = log_times, offsets
    body = channel_id.to_bytes(2, "little") + entries.nbytes.to_bytes(4, "little") + entries.tobytes()
    return bytes([MESSAGE_INDEX]) + len(body).to_bytes(8, "little") + body


def _compress(data: bytes | np.ndarray, compression: str) -> bytes:
    if compression == "lz4":
        return lz4.frame.compress(data, store_size=False)
    return bytes(data)
