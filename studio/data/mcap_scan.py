"""MCAP files read from the start, needing neither footer nor an untouched end."""

# lz4 has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import lz4.frame
import zstandard
from mcap import records
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError

from studio.core.errors import DataError
from studio.data.mcap_file import (
    CHANNEL,
    CHUNK,
    DATA_END_BYTES,
    FOOTER,
    FOOTER_BYTES,
    HEAD_BYTES,
    MAGIC,
    MESSAGE_INDEX,
    METADATA,
    SCHEMA,
)

MAXIMUM_RECORD_BYTES = 256 << 20


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
            contents.problem = f"record 0x{opcode:02x} at byte {start - HEAD_BYTES} is damaged ({error})"
            break
        contents.valid_bytes = end
        if opcode == FOOTER:
            contents.finished = bytes(data[end:]) == MAGIC
            contents.problem = "" if contents.finished else "the last bytes of the file are not its end"
            break
    return contents


def find_damage(data: memoryview) -> str:
    """What the two checksums over everything say of a file with an end: empty when every byte is right."""
    footer = len(data) - FOOTER_BYTES
    start = int.from_bytes(data[footer + 9 : footer + 17], "little")
    end = (start or footer) - DATA_END_BYTES
    if zlib.crc32(data[:end]) != int.from_bytes(data[end + 9 : end + DATA_END_BYTES], "little"):
        return "the recorded part does not match its checksum"
    checksum = int.from_bytes(data[footer + 25 : footer + 29], "little")
    return (
        "the index does not match its checksum" if start and zlib.crc32(data[start : footer + 25]) != checksum else ""
    )


def _walk(data: memoryview, contents: McapContents) -> Iterator[tuple[int, int, int]]:
    offset = len(MAGIC)
    while offset < len(data):
        length = int.from_bytes(data[offset + 1 : offset + HEAD_BYTES], "little")
        end = offset + HEAD_BYTES + length
        opcode = data[offset]
        if offset + HEAD_BYTES > len(data) or end > len(data):
            contents.problem = f"cut off at byte {len(data)}, inside the record that starts at byte {offset}"
            return
        if length > MAXIMUM_RECORD_BYTES or opcode == 0:
            contents.problem = f"no valid record at byte {offset} (kind 0x{opcode:02x}, {length} bytes)"
            return
        yield opcode, offset + HEAD_BYTES, end
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


class McapFile:
    """One MCAP file, mapped, with its whole chunks listed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except FileNotFoundError:
            raise DataError(f"{path} is missing. Is this an episode's folder? Copy the recording again.") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
        size = path.stat().st_size
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
        self.data = memoryview(self._map) if self._map else memoryview(b"")
        try:
            self.contents: McapContents = scan(self.data, path)
        except DataError:
            self.close()
            raise

    def records(self, place: ChunkPlace) -> bytes:
        return read_chunk(self.data, place, self.path)

    def close(self) -> None:
        self.data.release()
        if self._map is not None:
            with suppress(BufferError):  # an error on its way out still holds a view; the map goes with it
                self._map.close()
        self._file.close()
