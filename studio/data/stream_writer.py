"""Collects records and pictures of one episode and writes them as chunks."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from studio.core.records import RecordType
from studio.data.disk import DiskFullError
from studio.data.episode_info import CameraInfo
from studio.data.mcap_codec import BlockCodec, message_record
from studio.data.mcap_file import McapWriter
from studio.data.verdict import StreamCount
from studio.data.video import SCHEMA_NAME, encode_frame, video_descriptors


@dataclass(frozen=True, kw_only=True)
class WriterSettings:
    """How an episode is written (survey of peers, section 4.2).

    Args:
        chunk_bytes: a chunk of records is closed when it has this size.
        chunk_s: ... or holds this much time, whichever is first; the most a killed process loses.
        video_chunk_bytes: the same for pictures.
        video_chunk_s: the same for pictures.
        fsync_interval_s: None = only at close (faster than real time, where a crash is repeated, not mourned).
        compression: `lz4` or ``.
        reserve_bytes: kept free on the disk for closing.
    """

    chunk_bytes: int = 64 << 10
    chunk_s: float = 0.25
    video_chunk_bytes: int = 256 << 10
    video_chunk_s: float = 0.4
    fsync_interval_s: float | None = 1.0
    compression: str = "lz4"
    reserve_bytes: int = 512 << 10


class StreamWriter:
    """Collects records of one stream and writes a chunk when it is big or old enough."""

    def __init__(self, file: McapWriter, record_type: RecordType, settings: WriterSettings) -> None:
        self.count = StreamCount(record_type.name, record_type.rate_hz)
        self._codec = BlockCodec(record_type, file.next_channel_id())
        self._file, self._settings = file, settings
        self._rows = max(1, settings.chunk_bytes // self._codec.message_bytes)
        self._pending: list[np.ndarray] = []
        self._pending_rows = 0
        metadata = {"record_type": json.dumps(record_type.to_json(), separators=(",", ":"))}
        schema = self._codec.descriptors.SerializeToString()
        self._channel = file.add_channel(record_type.name, self._codec.schema_name, schema, metadata)

    def write(self, records: np.ndarray) -> None:
        if not self._pending and self._is_chunk(len(records), records):
            self._write_all(records)
            return
        self._pending.append(records.copy())
        self._pending_rows += len(records)
        if self._is_chunk(self._pending_rows, self._pending[0], records):
            self.flush()

    def _is_chunk(self, rows: int, first: np.ndarray, last: np.ndarray | None = None) -> bool:
        """Big or old enough to be written."""
        age_ns = int((first if last is None else last)["t_ns"][-1]) - int(first["t_ns"][0])
        return rows >= self._rows or age_ns >= self._settings.chunk_s * 1e9

    def flush(self) -> None:
        """Write what was collected. On a full disk what did not fit stays collected."""
        if not self._pending:
            return
        self._write_all(np.concatenate(self._pending) if len(self._pending) != 1 else self._pending[0])

    def _write_all(self, records: np.ndarray) -> None:
        try:
            while len(records):
                self._write_block(records[: self._rows])
                records = records[self._rows :]
        finally:
            self._pending = [records.copy()] if len(records) else []
            self._pending_rows = len(records)

    def _write_block(self, records: np.ndarray) -> None:
        first_sequence = self.count.records + self.count.dropped  # so that the file itself shows what is missing
        messages = self._codec.encode(records, first_sequence)
        offsets = np.arange(len(records)) * self._codec.message_bytes
        self._file.write_chunk(self._channel, messages, records["t_ns"], offsets)
        self.count.add(records["t_ns"])


def frame_rate_hz(frames: int, first_ns: int, last_ns: int) -> float:
    """Pictures per second between the first and the last."""
    return round((frames - 1) * 1e9 / (last_ns - first_ns), 2) if last_ns > first_ns else 0.0


class CameraWriter:
    """One camera's file. `frames` counts what has reached it."""

    def __init__(self, path: Path, name: str, info: CameraInfo, settings: WriterSettings) -> None:
        self.name, self.info, self.frames, self.dropped = name, info, 0, 0
        self._settings = settings
        self._file = McapWriter(path, compression="", fsync_interval_s=settings.fsync_interval_s)
        metadata = {
            "camera": json.dumps(
                {"codec": info.codec, "width_px": info.width_px, "height_px": info.height_px, "rate_hz": info.rate_hz}
            )
        }
        self._channel = self._file.add_channel(
            f"camera.{name}", SCHEMA_NAME, video_descriptors().SerializeToString(), metadata
        )
        self._pending: list[tuple[int, bytes]] = []
        self._pending_bytes = self._received = 0
        self._first_ns = self._last_ns = 0

    def write(self, t_ns: int, receive_t_ns: int, packet: bytes) -> None:
        payload = encode_frame(t_ns, self.name, packet, self.info.codec)
        self._pending.append((receive_t_ns, message_record(self._channel, self._received, receive_t_ns, t_ns, payload)))
        self._pending_bytes += len(payload)
        self._first_ns = t_ns if self._received == 0 else min(self._first_ns, t_ns)
        self._last_ns = max(self._last_ns, t_ns)
        self._received += 1
        old = receive_t_ns - self._pending[0][0] >= self._settings.video_chunk_s * 1e9
        if old or self._pending_bytes >= self._settings.video_chunk_bytes:
            self.flush()

    def flush(self) -> None:
        if not self._pending:
            return
        times = np.array([t for t, _ in self._pending], dtype=np.int64)
        sizes = [len(record) for _, record in self._pending]
        offsets = np.cumsum([0, *sizes[:-1]])
        self._file.write_chunk(self._channel, b"".join(record for _, record in self._pending), times, offsets)
        self.frames += len(times)
        self._pending, self._pending_bytes = [], 0

    def close(self) -> CameraInfo:
        try:
            self.flush()
        except DiskFullError:
            self._pending = []
        self._file.close()
        measured_hz = frame_rate_hz(self._received, self._first_ns, self._last_ns)
        return replace(self.info, frames=self.frames, dropped=self.dropped, measured_hz=measured_hz)

    @property
    def digest(self) -> int:
        return self._file.digest
