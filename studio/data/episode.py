"""One episode: a folder with `control.mcap`, one `cam_<name>.mcap` per camera and `episode.json`.

`control.mcap` holds every stream of records, one channel each; a chunk carries one channel only, so reading joints
never touches the rest. Message times: `log_time` is when we received, `publish_time` when it was captured; producers of
records stamp them on arrival, so for records both are `t_ns`. Reading needs neither footer nor a closed file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from studio.core.errors import DataError
from studio.core.records import RecordType
from studio.data.disk import DiskFullError
from studio.data.episode_info import (
    FILE_NAME,
    CameraInfo,
    EpisodeInfo,
    StreamInfo,
    episode_id,
    load_episode_info,
    save_episode_info,
)
from studio.data.mcap_codec import BlockCodec, walk_messages
from studio.data.mcap_file import McapWriter, chain_digest
from studio.data.mcap_scan import McapFile
from studio.data.stream_writer import CameraWriter, StreamWriter, WriterSettings
from studio.data.verdict import judge, lateness_percentiles
from studio.data.video import (
    VideoDecoder,
    VideoPacket,
    decode_frame,
    is_keyframe,
)

CONTROL_FILE = "control.mcap"
METADATA_NAME = "episode"
RESERVE_FILE = ".reserve"  # room for the footers and episode.json when the disk is full


class EpisodeWriter:
    """Writes one episode.

    Args:
        folder: created; must not hold an episode already.
        streams: the streams that may be written.
        config: exactly what the session runs with; `robot`, `task` and `cameras` {name: CameraInfo fields} are
            taken from it.
        clock: `wall` when `t_ns` is this machine's monotonic clock, `stepped` for simulated time.
        settings: chunk sizes and the like.

    Raises:
        DiskFullError: from any write; close the episode then, what was recorded stays readable.
    """

    def __init__(
        self,
        folder: Path,
        streams: Sequence[RecordType],
        config: Mapping[str, Any],
        *,
        clock: str = "wall",
        settings: WriterSettings | None = None,
    ) -> None:
        self._settings = settings or WriterSettings()
        _make_folder(folder)
        anchor = {"kind": clock, "monotonic_ns": time.monotonic_ns(), "unix_ns": time.time_ns()}
        self._info = EpisodeInfo(
            path=folder,
            id=episode_id(folder),
            session=folder.parent.name,
            robot=_name(config.get("robot", "")),
            task=_name(config.get("task", "")),
            clock=anchor,
            config=dict(config),
            streams={s.name: StreamInfo(rate_hz=s.rate_hz) for s in streams},
        )
        try:
            (folder / RESERVE_FILE).write_bytes(bytes(self._settings.reserve_bytes))
            save_episode_info(self._info)
        except OSError as error:
            raise DiskFullError(
                f"{folder}: no room to start an episode ({error.strerror}). Free some space."
            ) from error
        self._file = McapWriter(
            folder / CONTROL_FILE,
            compression=self._settings.compression,
            fsync_interval_s=self._settings.fsync_interval_s,
        )
        self._file.add_metadata(METADATA_NAME, _metadata(self._info))
        self._streams = {s.name: StreamWriter(self._file, s, self._settings) for s in streams}
        self._cameras: dict[str, CameraWriter] = {}
        self._lateness: list[np.ndarray] = []
        self._undecodable: dict[str, int] = {}  # pictures before the first key frame
        self._closed: EpisodeInfo | None = None

    @property
    def folder(self) -> Path:
        return self._info.path

    def write(self, stream: str, records: np.ndarray) -> None:
        """Append one record (shape []) or a block (shape [N]) of a stream; copied."""
        writer = self._streams.get(stream)
        if writer is None:
            raise DataError(f"Episode {self._info.id} has no stream {stream}. It has {', '.join(self._streams)}.")
        block = records.reshape(-1)
        if not len(block):
            return
        if "lateness_s" in (block.dtype.names or ()):
            self._lateness.append(block["lateness_s"].copy())
        writer.write(block)

    def write_frame(self, camera: str, t_ns: int, receive_t_ns: int, packet: bytes, keyframe: bool) -> None:
        """Append one compressed picture, in decoding order; those before a camera's first key frame are dropped."""
        writer = self._cameras.get(camera)
        if writer is None:
            if not keyframe:
                self._undecodable[camera] = self._undecodable.get(camera, 0) + 1
                return
            writer = self._cameras[camera] = self._open_camera(camera)
            writer.dropped = self._undecodable.get(camera, 0)
        writer.write(t_ns, receive_t_ns, packet)

    def _open_camera(self, name: str) -> CameraWriter:
        known: dict[str, dict[str, Any]] = self._info.config.get("cameras", {})
        info = CameraInfo(**known[name]) if name in known else CameraInfo()
        return CameraWriter(self.folder / f"cam_{name}.mcap", name, info, self._settings)

    def note_dropped(self, source: str, count: int) -> None:
        """Say that records of a stream, or pictures of a camera, were lost on the way here."""
        if source in self._streams:
            self._streams[source].count.dropped += count
        elif source in self._cameras:
            self._cameras[source].dropped += count

    def add_stream(self, record_type: RecordType) -> None:
        """Declare a stream that appeared while recording (a planner that was started later)."""
        if record_type.name in self._streams:
            raise DataError(f"Episode {self._info.id} has a stream {record_type.name} already. Start a new episode.")
        self._streams[record_type.name] = StreamWriter(self._file, record_type, self._settings)

    @property
    def records_written(self) -> dict[str, int]:
        return {name: stream.count.records for name, stream in self._streams.items()}

    def flush(self) -> None:
        """Hand everything collected to the kernel now."""
        for writer in [*self._streams.values(), *self._cameras.values()]:
            writer.flush()

    def close(self, reason: str = "stopped") -> EpisodeInfo:
        """End the episode and judge it; calling it again returns the same."""
        if self._closed is None:
            (self.folder / RESERVE_FILE).unlink(missing_ok=True)
            for stream in self._streams.values():
                _flush_what_fits(stream)
            cameras = {name: camera.close() for name, camera in self._cameras.items()}
            self._file.close()
            self._closed = self._final_info(reason, cameras)
            save_episode_info(self._closed)
        return self._closed

    def _final_info(self, reason: str, cameras: dict[str, CameraInfo]) -> EpisodeInfo:
        counts = {name: stream.count for name, stream in self._streams.items()}
        lateness = lateness_percentiles(np.concatenate(self._lateness) if self._lateness else np.empty(0))
        verdict, why = judge(counts, cameras, lateness)
        started, ended = span_ns(counts.values())
        digests = [self._file.digest, *(self._cameras[name].digest for name in sorted(self._cameras))]
        return replace(
            self._info,
            state="closed",
            close_reason=reason,
            verdict=verdict,
            verdict_reason=why,
            cameras=cameras,
            streams={name: count.info() for name, count in counts.items()},
            lateness_us=lateness,
            started_t_ns=started,
            ended_t_ns=ended,
            duration_s=(ended - started) / 1e9,
            content="-".join(f"{digest:08x}" for digest in digests),
        )


def _metadata(info: EpisodeInfo) -> dict[str, str]:
    facts = {"robot": info.robot, "task": info.task, "clock": info.clock, "config": info.config}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}


def _make_folder(folder: Path) -> None:
    if (folder / FILE_NAME).exists() or (folder / CONTROL_FILE).exists():
        raise DataError(f"{folder} holds an episode already; recordings are never overwritten. Choose another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}. Choose another folder for the dataset.") from error


def _name(value: Any) -> str:
    """A robot or task by name, or by its whole description."""
    if isinstance(value, dict):
        return str(cast(dict[str, Any], value).get("name", ""))
    return str(value)


def _flush_what_fits(stream: StreamWriter) -> None:
    try:
        stream.flush()
    except DiskFullError:
        return  # the episode ends with the last chunk that fitted


def span_ns(counts: Any) -> tuple[int, int]:
    """First and last `t_ns` over all streams that have records."""
    used = [count for count in counts if count.records]
    if not used:
        return 0, 0
    return min(count.first_ns for count in used), max(count.last_ns for count in used)


class EpisodeReader:
    """Reads an episode, closed or not: what a crash left is read up to the last whole chunk.

    Args:
        info: instead of `episode.json`.

    Raises:
        DataError: a missing, empty, foreign or damaged file.
    """

    def __init__(self, folder: Path, *, info: EpisodeInfo | None = None) -> None:
        self.info = info or load_episode_info(folder)
        self._folder = folder
        self._control = McapFile(folder / CONTROL_FILE)
        try:
            self._codecs = {
                codec.record_type.name: codec for codec in map(_codec, self._control.contents.channels.values())
            }
        except DataError:
            self._control.close()
            raise
        self._videos: dict[str, VideoDecoder] = {}

    @property
    def record_types(self) -> dict[str, RecordType]:
        return {name: codec.record_type for name, codec in self._codecs.items()}

    def read(self, stream: str, names: Sequence[str] | None = None) -> np.ndarray:
        """All records of a stream in the order of recording, as a structured array.

        Args:
            names: fields to read besides `t_ns`; None = all.
        """
        codec = self._codecs.get(stream)
        if codec is None:
            raise DataError(f"Episode {self.info.id} has no stream {stream}. It has {', '.join(sorted(self._codecs))}.")
        blocks = [
            codec.decode(self._control.records(place), names)
            for place in self._control.contents.chunks
            if place.channel_id in (codec.channel_id, 0)
        ]
        return np.concatenate(blocks) if blocks else np.empty(0, dtype=codec.output_dtype(names))

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(sorted(path.stem.removeprefix("cam_") for path in self._folder.glob("cam_*.mcap")))

    def camera_info(self, camera: str) -> CameraInfo:
        """Codec, size and rate of a camera, from its own file."""
        self._check_camera(camera)
        file = McapFile(self._folder / f"cam_{camera}.mcap")
        try:
            texts = [c.metadata["camera"] for c in file.contents.channels.values() if "camera" in c.metadata]
            return CameraInfo(**json.loads(texts[0])) if texts else CameraInfo()
        except (ValueError, TypeError) as error:
            raise DataError(f"{file.path} was not recorded by this studio ({error}). Use `dataset import`.") from error
        finally:
            file.close()

    @property
    def content(self) -> str:
        """Says whether two recordings are the same: one checksum over the chunks' own, for each file."""
        paths = [self._folder / CONTROL_FILE, *(self._folder / f"cam_{name}.mcap" for name in self.cameras)]
        return "-".join(f"{digest:08x}" for digest in map(_digest, paths))

    def frame_times_ns(self, camera: str) -> np.ndarray:
        """Capture times of a camera's pictures, int64 [N], rising."""
        return self._video(camera).times_ns

    def frame(self, camera: str, index: int) -> np.ndarray:
        """Picture number `index` of a camera, uint8 [height, width, 3], RGB."""
        return self._video(camera).picture(index)

    def _check_camera(self, camera: str) -> None:
        if camera not in self.cameras:
            raise DataError(f"Episode {self.info.id} has no camera {camera}. It has {list(self.cameras) or 'none'}.")

    def _video(self, camera: str) -> VideoDecoder:
        if camera not in self._videos:
            if camera not in self.cameras:
                raise DataError(
                    f"Episode {self.info.id} has no camera {camera}. It has {list(self.cameras) or 'none'}."
                )
            path = self._folder / f"cam_{camera}.mcap"
            packets, codec = read_packets(path)
            self._videos[camera] = VideoDecoder(packets, codec, f"{self.info.id}, camera {camera}")
        return self._videos[camera]

    def close(self) -> None:
        self._control.close()
        self._videos.clear()


def _codec(channel: Any) -> BlockCodec:
    try:
        record_type = RecordType.from_json(json.loads(channel.metadata["record_type"]))
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"Stream {channel.topic} was not recorded by this studio (no record type in it: {error}). "
            "Use `dataset import`."
        ) from error
    return BlockCodec(record_type, channel.id)


def _digest(path: Path) -> int:
    file = McapFile(path)
    try:
        return chain_digest(place.checksum for place in file.contents.chunks)
    finally:
        file.close()


def read_packets(path: Path) -> tuple[list[VideoPacket], str]:
    """All packets of a `cam_<name>.mcap` in decoding order, and their codec."""
    file = McapFile(path)
    try:
        packets: list[VideoPacket] = []
        codec = "h264"
        for place in file.contents.chunks:
            for _, _, receive_t_ns, t_ns, payload in walk_messages(memoryview(file.records(place))):
                data, codec = decode_frame(payload)
                packets.append(VideoPacket(t_ns, receive_t_ns, data, is_keyframe(data, codec)))
        return packets, codec
    finally:
        file.close()
