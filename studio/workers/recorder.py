"""The recorder: drains the session's rings into the open episode; it owns that folder until it is closed.

Started by the supervisor. Messages: `start` {folder, config, split_s}, `stop`, `mark` {label, t_ns}, `label` {text,
key, start_ns, end_ns}. Putting the box back starts the next episode beside the first, and so does the time `split_s`,
when it is above 0. Config: `minimum_free_bytes`.
"""

from __future__ import annotations

import gc
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.config import make_config
from studio.core.errors import DataError
from studio.data.annotations import Journal
from studio.data.camera_stream import PacketReader, camera_of
from studio.data.dataset import make_episode_folder
from studio.data.disk import DiskFullError
from studio.data.episode import EpisodeWriter
from studio.data.episode_info import EpisodeInfo
from studio.ipc.messages import Message
from studio.ipc.ring import RingReader
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.workers.calibration import describe_calibration

_DRAIN_S = 0.02
_FLUSH_S = 0.2  # with the drain above: what a SIGKILL costs
_RESCAN_S = 0.25  # for rings that appear later
_REPORT_S = 0.25
_DISK_S = 1.0
_LEADING = "control"
_NEVER = ".image"  # preview pictures: too big, and the packets hold the same


@dataclass(frozen=True, kw_only=True)
class RecorderConfig:
    """Settings of the recorder.

    Args:
        minimum_free_bytes: with less room on the disk, an episode ends by itself and none starts.
    """

    minimum_free_bytes: int = 256 << 20


@dataclass
class _Ring:
    reader: RingReader
    inode: int
    lost: int = 0


@dataclass
class _Camera:
    reader: PacketReader
    inode: int
    dropped: int = 0
    group: list[Any] = field(default_factory=list[Any])  # since the last key frame: the start of the next episode


class Recording:
    """One recording in progress: the rings that feed it and the episode that is open.

    Args:
        link: for the session's folder and for what has to be said.
        folder: the episode's folder.
        config: exactly what the session runs with, stored in the episode.
        split_s: an episode as long as this is closed and the next one begins; 0: never.
    """

    def __init__(self, link: WorkerLink, folder: Path, config: dict[str, Any], split_s: float = 0.0) -> None:
        self._link, self._config = link, config
        self._split_ns, self._began_ns = round(split_s * 1e9), 0
        self._rings: dict[str, _Ring] = {}
        self._cameras: dict[str, _Camera] = {}
        self._refused: set[str] = set()
        self._reset_count: int | None = None
        self._open_labels: dict[tuple[int, str], str] = {}
        self._last_ns = 0
        self._attach_all()
        self._writer = self._open(folder)
        self.ended: list[EpisodeInfo] = []  # closed by a reset, not yet reported
        self._flushed_s = self._scanned_s = time.monotonic()

    def _open(self, folder: Path) -> EpisodeWriter:
        cameras = {
            name: {"width_px": c.reader.width_px, "height_px": c.reader.height_px, "rate_hz": c.reader.rate_hz}
            for name, c in self._cameras.items()
        }
        streams = [ring.reader.record_type for ring in self._rings.values()]
        return EpisodeWriter(folder, streams, {"cameras": cameras, **self._config})

    @property
    def folder(self) -> Path:
        return self._writer.folder

    @property
    def records(self) -> dict[str, int]:
        return self._writer.records_written

    @property
    def dropped(self) -> int:
        return sum(r.lost for r in self._rings.values()) + sum(c.dropped for c in self._cameras.values())

    def drain(self) -> None:
        """Move everything new from the rings into the episode."""
        now_s = time.monotonic()
        if now_s - self._scanned_s >= _RESCAN_S:
            self._scanned_s = now_s
            self._attach_all()
        blocks = {name: ring.reader.read() for name, ring in self._ordered()}
        self._write_blocks(blocks)
        self._drain_cameras()
        self._note_losses()
        if now_s - self._flushed_s >= _FLUSH_S:
            self._flushed_s = now_s
            self._writer.flush()

    def _ordered(self) -> list[tuple[str, _Ring]]:
        """The leading ring first, so that the others reach at least as far."""
        return sorted(self._rings.items(), key=lambda item: item[0] != _LEADING)

    def _write_blocks(self, blocks: dict[str, np.ndarray]) -> None:
        leading = blocks.get(_LEADING)
        cuts = [(cut_ns, "the box was put back") for cut_ns in self._reset_times(leading)]
        for cut_ns, reason in cuts or self._split_times(leading):
            for name, block in blocks.items():
                stop = int(np.searchsorted(block["t_ns"], cut_ns))
                self._write(name, block[:stop])
                blocks[name] = block[stop:]
            self._next_episode(reason)
            self._began_ns = cut_ns
        for name, block in blocks.items():
            self._write(name, block)

    def _reset_times(self, block: np.ndarray | None) -> list[int]:
        if block is None or not len(block) or "reset_count" not in (block.dtype.names or ()):
            return []
        counts = block["reset_count"]
        before = int(counts[0]) if self._reset_count is None else self._reset_count
        self._reset_count = int(counts[-1])
        return [int(block["t_ns"][i]) for i in np.flatnonzero(np.diff(counts, prepend=before))]

    def _split_times(self, block: np.ndarray | None) -> list[tuple[int, str]]:
        if not self._split_ns or block is None or not len(block):
            return []
        self._began_ns = self._began_ns or int(block["t_ns"][0])
        cut_ns = self._began_ns + self._split_ns
        return [(cut_ns, f"split after {self._split_ns / 1e9:g} s")] if int(block["t_ns"][-1]) >= cut_ns else []

    def _write(self, name: str, block: np.ndarray) -> None:
        if len(block) and name not in self._refused:
            self._writer.write(name, block)
            self._last_ns = max(self._last_ns, int(block["t_ns"][-1]))

    def _next_episode(self, reason: str) -> None:
        self._note_losses()
        self._end_labels(self._last_ns)
        self.ended.append(self._writer.close(reason))
        self._writer = self._open(make_episode_folder(self.folder.parent))
        for name, camera in self._cameras.items():
            for packet in camera.group:
                self._writer.write_frame(name, packet.t_ns, packet.receive_t_ns, packet.data, packet.keyframe)

    def _drain_cameras(self) -> None:
        for name, camera in self._cameras.items():
            for packet in camera.reader.read():
                if packet.keyframe:
                    camera.group.clear()
                camera.group.append(packet)
                self._writer.write_frame(name, packet.t_ns, packet.receive_t_ns, packet.data, packet.keyframe)

    def _note_losses(self) -> None:
        for name, ring in self._rings.items():
            self._writer.note_dropped(name, ring.reader.lost - ring.lost)
            ring.lost = ring.reader.lost
        for name, camera in self._cameras.items():
            self._writer.note_dropped(name, camera.reader.dropped - camera.dropped)
            camera.dropped = camera.reader.dropped

    def _attach_all(self) -> None:
        """Attach to rings that are new, or were replaced because their description changed."""
        for path in sorted(self._link.session.path.glob("*.ring")):
            stream = path.name.removesuffix(".ring")
            try:
                self._attach(path, stream)
            except (DataError, FileNotFoundError, ValueError):
                continue  # being made at this moment; the next look finds it whole

    def _attach(self, path: Path, stream: str) -> None:
        inode, camera = path.stat().st_ino, camera_of(stream)
        if stream.endswith(_NEVER):
            return
        known = self._cameras.get(camera) if camera else self._rings.get(stream)
        if known is not None and known.inode == inode:
            return
        if camera:
            self._cameras[camera] = _Camera(PacketReader(path), inode)
        else:
            self._take_ring(path, stream, inode)
        if known is not None:
            known.reader.close()

    def _take_ring(self, path: Path, stream: str, inode: int) -> None:
        ring = _Ring(RingReader(path), inode)
        before = self._rings.get(stream)
        self._rings[stream] = ring
        if not hasattr(self, "_writer"):
            return
        if before is None:
            self._writer.add_stream(ring.reader.record_type)
        elif before.reader.record_type != ring.reader.record_type:
            self._refused.add(stream)
            self._link.say("warning", f"{stream} changed its form; it is recorded again from the next take on.")

    def note(self, message: Message) -> None:
        """A mark or label made while recording, into the journal at once.

        A label that has no length opens an interval; the same key again, or the end of the episode, closes it.
        """
        values = message.values
        journal = Journal(self.folder, author=values.get("author"))
        now_ns = int(values.get("t_ns", time.monotonic_ns()))
        text = str(values.get("label", values.get("text", "")))
        if message.name == "mark":
            journal.add("mark", text, now_ns)
            return
        start_ns = int(values.get("start_ns", now_ns))
        end_ns, key = int(values.get("end_ns", start_ns)), int(values.get("key", 0))
        opened = self._open_labels.pop((key, text), None)
        if opened is not None:
            journal.change(opened, end_ns=end_ns)
            return
        item = journal.add("label", text, start_ns, end_ns, key=key)
        if start_ns == end_ns:
            self._open_labels[key, text] = item.id

    def _end_labels(self, end_ns: int) -> None:
        if not self._open_labels:
            return
        journal = Journal(self.folder)
        for identity in self._open_labels.values():
            journal.change(identity, end_ns=end_ns)
        self._open_labels.clear()

    def close(self, reason: str) -> EpisodeInfo:
        """Take what is still in the rings, close the episode, let go of the rings."""
        try:
            if not reason.startswith("disk"):
                self.drain()
            self._end_labels(self._last_ns)
        except DiskFullError:
            reason = "disk full"
        finally:
            info = self._writer.close(reason)
            for source in (*self._rings.values(), *self._cameras.values()):
                source.reader.close()
        return info


class Recorder:
    """The worker: messages in, episodes out."""

    def __init__(self, link: WorkerLink) -> None:
        self._link = link
        self._settings = make_config(RecorderConfig, link.config, where="recorder")
        self._recording: Recording | None = None
        self._started_s = self._reported_s = self._checked_s = 0.0

    def run(self) -> None:
        self._link.send(Message(name="ready"))
        gc.freeze()
        while not self._link.ending:
            idle = self._recording is None
            for message in self._link.wait(0.2 if idle else _DRAIN_S):
                self._handle(message)
            if self._recording is not None:
                self._step(self._recording)
        self._finish("session ended")

    def _handle(self, message: Message) -> None:
        try:
            if message.name == "start":
                self._start(message)
            elif message.name == "stop":
                self._finish("stopped")
            elif message.name in ("mark", "label") and self._recording is not None:
                self._recording.note(message)
        except KeyError as error:
            self._link.say("error", f"Message {message.name} lacks {error}. This is a defect.")
        except DiskFullError as error:
            self._disk_full(error)
        except DataError as error:
            self._link.say("error", str(error), error.detail)

    def _start(self, message: Message) -> None:
        values = message.values
        folder, split_s = Path(str(values["folder"])), float(values.get("split_s", 0.0))
        if self._recording is not None:
            raise DataError(f"{self._recording.folder.name} is still being recorded. Stop it first.")
        free_bytes = shutil.disk_usage(_existing(folder)).free
        if free_bytes < self._settings.minimum_free_bytes:
            raise DataError(self._disk_sentence(free_bytes, folder) + " Recording did not start.")
        config = dict(values.get("config", {}))
        if "robot" in config:
            description = str(config.get("robot_description") or config["robot"])
            config.setdefault("calibration", describe_calibration(description))
        self._recording = Recording(self._link, folder, config, split_s)
        self._started_s = time.monotonic()
        self._report(self._recording)

    def _step(self, recording: Recording) -> None:
        now_s = time.monotonic()
        try:
            recording.drain()
            while recording.ended:
                self._send_episode(recording.ended.pop(0))
            if now_s - self._checked_s >= _DISK_S:
                self._checked_s = now_s
                self._watch_disk(recording.folder)
        except DiskFullError as error:
            self._disk_full(error)
        if self._recording is not None and now_s - self._reported_s >= _REPORT_S:
            self._report(recording)

    def _watch_disk(self, folder: Path) -> None:
        free_bytes = shutil.disk_usage(folder).free
        if free_bytes < self._settings.minimum_free_bytes:
            self._link.say("error", self._disk_sentence(free_bytes, folder) + " The take was ended and is kept.")
            self._finish("disk nearly full")

    def _disk_sentence(self, free_bytes: int, folder: Path) -> str:
        return (
            f"The disk of {folder} is nearly full: {free_bytes / 1e6:.0f} MB left, "
            f"{self._settings.minimum_free_bytes / 1e6:.0f} MB are needed. Free some space or choose another disk."
        )

    def _disk_full(self, error: DiskFullError) -> None:
        self._link.say("error", str(error), error.detail)
        self._finish("disk full")

    def _finish(self, reason: str) -> None:
        if self._recording is None:
            return
        recording, self._recording = self._recording, None
        try:
            last = recording.close(reason)
            for info in (*recording.ended, last):
                self._send_episode(info)
        except DataError as error:
            self._link.say("error", f"{error} The next start repairs the episode.", error.detail)
        self._link.send(Message(name="state", values={"recording": False}))

    def _send_episode(self, info: EpisodeInfo) -> None:
        values = {"folder": str(info.path), "id": info.id, "dropped": info.dropped, **info.to_json()}
        values.pop("config")
        self._link.send(Message(name="episode", values=values))

    def _report(self, recording: Recording) -> None:
        self._reported_s = time.monotonic()
        values = {
            "recording": True,
            "folder": str(recording.folder),
            "duration_s": round(self._reported_s - self._started_s, 3),
            "records": recording.records,
            "dropped": recording.dropped,
        }
        self._link.send(Message(name="state", values=values))


def _existing(folder: Path) -> Path:
    """The nearest folder above that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


if __name__ == "__main__":
    run_worker(lambda link: Recorder(link).run())
