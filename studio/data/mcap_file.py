"""MCAP files written chunk by chunk, so that a crash costs the open chunk only, and read without needing the footer.

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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import lz4.frame
import numpy as np
import zstandard
from mcap import records
from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.exceptions import McapError

from studio.core.errors import DataError
from studio.data.disk import DiskFullError, write_error

MAGIC = b"\x89MCAP0\r\n"
MAXIMUM_RECORD_BYTES = 256 << 20
FOOTER, SCHEMA, CHANNEL, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = 2, 3, 4, 6, 7, 8
STATISTICS, METADATA, METADATA_INDEX = 11, 12, 13
_HEAD_BYTES = 9
_DATA_END_BYTES = _HEAD_BYTES + 4
_FOOTER_BYTES = _HEAD_BYTES + 20 + len(MAGIC)


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


@dataclass
class McapContents:
    """What a scan found.

    Args:
        schemas, channels: by id.
        metadata: by name.
        chunks: (chunk record without its data, where its data lie in the file, their length).
        valid_bytes: up to where the file is whole.
        finished: a footer closes the file.
        problem: why the scan stopped early, empty when it did not.
    """

    schemas: dict[int, records.Schema] = field(default_factory=dict[int, records.Schema])
    channels: dict[int, records.Channel] = field(default_factory=dict[int, records.Channel])
    metadata: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    chunks: list[ChunkPlace] = field(default_factory=list["ChunkPlace"])
    valid_bytes: int = 0
    finished: bool = False
    problem: str = ""


@dataclass(frozen=True)
class ChunkPlace:
    """One chunk's header and where its compressed records lie."""

    start_ns: int
    end_ns: int
    uncompressed_bytes: int
    checksum: int
    compression: str
    offset: int
    length: int
    channel_id: int  # first channel of the chunk's index; 0 when there is none


def scan(data: memoryview, path: Path) -> McapContents:
    """Walk the records from the start, stop at the first that is not whole. Needs no footer.

    Raises:
        DataError: empty, or not MCAP at all.
    """
    if len(data) == 0:
        raise DataError(
            f"{path} is empty: nothing was recorded, or the copy failed. Remove the episode or copy it again."
        )
    if bytes(data[:8]) != MAGIC:
        raise DataError(
            f"{path} is not an MCAP file: it starts with {bytes(data[:8])!r}. Use `dataset import` for foreign data."
        )
    contents = McapContents(valid_bytes=len(MAGIC))
    for opcode, start, end in _walk(data, contents):
        try:
            _note(contents, opcode, data, start, end)
        except (ValueError, IndexError, McapError, OverflowError) as error:
            contents.problem = f"record 0x{opcode:02x} at byte {start - _HEAD_BYTES} is damaged ({error})"
            break
        contents.valid_bytes = end
        if opcode == FOOTER:
            contents.finished = bytes(data[end:]) == MAGIC
            contents.problem = "" if contents.finished else "the last bytes of the file are not its end"
            break
    return contents


def find_damage(data: memoryview) -> str:
    """What the two checksums over everything say of a file with an end: empty when every byte is right."""
    footer = len(data) - _FOOTER_BYTES
    start = int.from_bytes(data[footer + 9 : footer + 17], "little")
    end = (start or footer) - _DATA_END_BYTES
    if zlib.crc32(data[:end]) != int.from_bytes(data[end + 9 : end + _DATA_END_BYTES], "little"):
        return "the recorded part does not match its checksum"
    checksum = int.from_bytes(data[footer + 25 : footer + 29], "little")
    return (
        "the index does not match its checksum" if start and zlib.crc32(data[start : footer + 25]) != checksum else ""
    )


def _walk(data: memoryview, contents: McapContents) -> Iterator[tuple[int, int, int]]:
    offset = len(MAGIC)
    while offset < len(data):
        length = int.from_bytes(data[offset + 1 : offset + _HEAD_BYTES], "little")
        end = offset + _HEAD_BYTES + length
        opcode = data[offset]
        if offset + _HEAD_BYTES > len(data) or end > len(data):
            contents.problem = f"cut off at byte {len(data)}, inside the record that starts at byte {offset}"
            return
        if length > MAXIMUM_RECORD_BYTES or opcode == 0:
            contents.problem = f"no valid record at byte {offset} (kind 0x{opcode:02x}, {length} bytes)"
            return
        yield opcode, offset + _HEAD_BYTES, end
        offset = end
    contents.problem = contents.problem or "the end of the file is missing (no footer)"


def _note(contents: McapContents, opcode: int, data: memoryview, start: int, end: int) -> None:
    if opcode == SCHEMA:
        schema = records.Schema.read(_stream(data[start:end]))
        contents.schemas[schema.id] = schema
    elif opcode == CHANNEL:
        channel = records.Channel.read(_stream(data[start:end]))
        contents.channels[channel.id] = channel
    elif opcode == METADATA:
        metadata = records.Metadata.read(_stream(data[start:end]))
        contents.metadata[metadata.name] = metadata.metadata
    elif opcode == CHUNK:
        contents.chunks.append(_chunk_place(data, start, end))
    elif opcode == MESSAGE_INDEX and contents.chunks and contents.chunks[-1].channel_id == 0:
        last = contents.chunks[-1]
        channel_id = int.from_bytes(data[start : start + 2], "little")
        contents.chunks[-1] = replace(last, channel_id=channel_id)


def _stream(data: memoryview) -> ReadDataStream:
    from io import BytesIO

    return ReadDataStream(BytesIO(bytes(data)))


def _chunk_place(data: memoryview, start: int, end: int) -> ChunkPlace:
    numbers = [int.from_bytes(data[start + 8 * i : start + 8 * i + 8], "little") for i in range(3)]
    checksum = int.from_bytes(data[start + 24 : start + 28], "little")
    name_bytes = int.from_bytes(data[start + 28 : start + 32], "little")
    offset = start + 32 + name_bytes + 8
    length = int.from_bytes(data[offset - 8 : offset], "little")
    if name_bytes > 16 or offset + length != end:
        raise ValueError("its lengths do not agree")
    compression = bytes(data[start + 32 : start + 32 + name_bytes]).decode()
    return ChunkPlace(numbers[0], numbers[1], numbers[2], checksum, compression, offset, length, 0)


def read_chunk(data: memoryview, place: ChunkPlace, path: Path) -> bytes:
    """A chunk's records, decompressed and checked against its CRC.

    Raises:
        DataError: damaged.
    """
    packed = data[place.offset : place.offset + place.length]
    try:
        unpacked = _decompress(packed, place)
    except (RuntimeError, zstandard.ZstdError, MemoryError) as error:
        raise DataError(
            f"{path}: the chunk at byte {place.offset} is damaged ({error}). Run `dataset repair`."
        ) from error
    if len(unpacked) != place.uncompressed_bytes or (place.checksum and zlib.crc32(unpacked) != place.checksum):
        raise DataError(f"{path}: the chunk at byte {place.offset} does not match its checksum. Run `dataset repair`.")
    return unpacked


def _decompress(packed: memoryview, place: ChunkPlace) -> bytes:
    if place.uncompressed_bytes > MAXIMUM_RECORD_BYTES:
        raise MemoryError(f"claims {place.uncompressed_bytes} bytes; allowed {MAXIMUM_RECORD_BYTES}")
    if place.compression == "lz4":
        return lz4.frame.decompress(packed)
    if place.compression == "zstd":
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=place.uncompressed_bytes)
    if place.compression:
        raise RuntimeError(f"unknown compression {place.compression!r}")
    return bytes(packed)
