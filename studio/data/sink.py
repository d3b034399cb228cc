"""The lossless way from the stepped clock to episodes: same records as in real time, no ring in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio.core.errors import ConfigError
from studio.core.records import RecordType
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeWriter, WriterSettings
from studio.data.episode_info import EpisodeInfo

_BLOCK_ROWS = 400
_STEPPED = WriterSettings(fsync_interval_s=None, chunk_bytes=1 << 20, chunk_s=0.9)


class _Buffer:
    """Rows of one stream waiting to be written. Copies bytes, because NumPy copies structured rows field by field."""

    def __init__(self, record_type: RecordType, rows: int) -> None:
        self.rows = record_type.empty(rows)
        self._bytes = self.rows.view(np.uint8).data
        self._size, self._capacity = record_type.dtype.itemsize, rows
        self.count = 0

    def append(self, record: np.ndarray) -> bool:
        """Add one row; True when the buffer is full."""
        start = self.count * self._size
        self._bytes[start : start + self._size] = record.tobytes()
        self.count += 1
        return self.count == self._capacity

    def take_before(self, t_ns: int | None) -> np.ndarray:
        """Rows up to (not at) a time; None = all, as a view that the next row overwrites."""
        used = self.rows[: self.count]
        if t_ns is None:
            self.count = 0
            return used
        stop = int(np.searchsorted(used["t_ns"], t_ns))
        taken, rest = used[:stop].copy(), used[stop:].copy()
        self.rows[: len(rest)] = rest
        self.count = len(rest)
        return taken


@dataclass(slots=True)
class _Frame:
    camera: str
    t_ns: int
    receive_t_ns: int
    packet: bytes
    keyframe: bool


class EpisodeSink:
    """A `Sink` that cuts the stream into sessions and episodes.

    A new episode starts when `reset_count` of the leading stream changes (the box was put back) and every `episode_s`;
    a new session every `session_s`. All streams are cut at the same time; a camera's new file starts with its last key
    frame before the cut, so up to one group of pictures lies in both.

    Args:
        dataset: where to.
        streams: all streams that will be written; the first with a `reset_count` and the highest rate leads.
        config: goes to each `episode.json`.
    """

    def __init__(
        self,
        dataset: Dataset,
        streams: Sequence[RecordType],
        episode_s: float = 60.0,
        *,
        session_s: float = 1800.0,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        if episode_s <= 0 or session_s < episode_s:
            raise ConfigError(
                f"Episodes of {episode_s:g} s in sessions of {session_s:g} s: give an episode length above "
                "0 and a session at least as long."
            )
        self._dataset, self._streams, self._config = dataset, tuple(streams), dict(config or {})
        self._leader = _leading_stream(streams)
        self._episode_ns, self._session_ns = round(episode_s * 1e9), round(session_s * 1e9)
        self._buffers = {s.name: _Buffer(s, _BLOCK_ROWS * (1 if s.name == self._leader else 2)) for s in streams}
        self._frames: list[_Frame] = []
        self._group: dict[str, list[_Frame]] = {}
        self._writer: EpisodeWriter | None = None
        self._session = dataset.new_session()
        self._session_start_ns: int | None = None
        self._episode_start_ns = self._reset_count = 0
        self.episodes: list[EpisodeInfo] = []

    def write(self, stream: str, record: np.ndarray) -> None:
        """Append one record, shape [] or [1]; copied."""
        if self._buffers[stream].append(record):
            self._drain()

    def declare_camera(self, camera: str, *, width_px: int, height_px: int, rate_hz: float) -> None:
        """What a camera's pictures will be like; before its first one."""
        facts = {"width_px": width_px, "height_px": height_px, "rate_hz": rate_hz}
        self._config["cameras"] = {**self._config.get("cameras", {}), camera: facts}

    def write_frame(self, camera: str, t_ns: int, receive_t_ns: int, packet: bytes, keyframe: bool) -> None:
        self._frames.append(_Frame(camera, t_ns, receive_t_ns, packet, keyframe))

    def cut(self) -> None:
        """End the episode here; the next record starts a new one."""
        self._drain()
        self._close_episode("cut")

    def close(self) -> list[EpisodeInfo]:
        """Write what is left and close; gives all episodes of this sink."""
        self.cut()
        return self.episodes

    def _drain(self) -> None:
        """Write all buffers, cutting where the leading stream says so."""
        lead = self._buffers[self._leader]
        times = lead.rows["t_ns"][: lead.count]
        resets = lead.rows["reset_count"][: lead.count] if "reset_count" in (lead.rows.dtype.names or ()) else None
        for cut_ns, reason in self._cuts(times.copy(), None if resets is None else resets.copy()):
            self._write_before(cut_ns)
            self._close_episode(reason)
            self._episode_start_ns = cut_ns
        self._write_before(None)

    def _cuts(self, times: np.ndarray, resets: np.ndarray | None) -> list[tuple[int, str]]:
        """Times at which new episodes start within a block of the leading stream."""
        cuts: list[tuple[int, str]] = []
        if not len(times):
            return cuts
        start_ns = self._episode_start_ns
        if self._writer is None:
            start_ns = self._episode_start_ns = int(times[0])
            self._reset_count = int(resets[0]) if resets is not None else 0
        events = self._reset_times(times, resets)
        while True:
            due_ns = start_ns + self._episode_ns
            candidates = [(t, "the box was put back") for t in events if t > start_ns]
            if times[-1] >= due_ns:
                candidates.append((int(times[np.searchsorted(times, due_ns)]), "episode length"))
            if not candidates:
                return cuts
            start_ns, reason = min(candidates)
            cuts.append((start_ns, reason))

    def _reset_times(self, times: np.ndarray, resets: np.ndarray | None) -> list[int]:
        if resets is None:
            return []
        changed = np.flatnonzero(np.diff(resets, prepend=self._reset_count))
        self._reset_count = int(resets[-1])
        return [int(times[i]) for i in changed]

    def _write_before(self, t_ns: int | None) -> None:
        for name, buffer in self._buffers.items():
            block = buffer.take_before(t_ns)
            if len(block):
                self._open_writer(int(block["t_ns"][0])).write(name, block)
        rest: list[_Frame] = []
        for frame in self._frames:
            if t_ns is not None and frame.t_ns >= t_ns:
                rest.append(frame)
            else:
                self._write_picture(frame)
        self._frames = rest

    def _write_picture(self, frame: _Frame) -> None:
        writer = self._open_writer(frame.t_ns)  # starts with the group so far, hence before the frame joins it
        if frame.keyframe:
            self._group[frame.camera] = []
        self._group.setdefault(frame.camera, []).append(frame)
        writer.write_frame(frame.camera, frame.t_ns, frame.receive_t_ns, frame.packet, frame.keyframe)

    def _open_writer(self, t_ns: int) -> EpisodeWriter:
        if self._writer is None:
            if self._session_start_ns is None:
                self._session_start_ns = t_ns
            elif t_ns - self._session_start_ns >= self._session_ns:
                self._session, self._session_start_ns = self._dataset.new_session(), t_ns
            folder = self._dataset.new_episode(self._session)
            self._writer = EpisodeWriter(folder, self._streams, self._config, clock="stepped", settings=_STEPPED)
            for group in self._group.values():
                for frame in group:
                    self._writer.write_frame(frame.camera, frame.t_ns, frame.receive_t_ns, frame.packet, frame.keyframe)
        return self._writer

    def _close_episode(self, reason: str) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self.episodes.append(writer.close(reason))


def _leading_stream(streams: Sequence[RecordType]) -> str:
    if not streams:
        raise ConfigError("An episode needs at least one stream; none was given.")
    with_resets = [s for s in streams if any(f.name == "reset_count" for f in s.fields)] or list(streams)
    return max(with_resets, key=lambda s: s.rate_hz).name
