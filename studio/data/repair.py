"""What a crash left is made whole: files get their end back, and `episode.json` says what is in them.

Every file is read from the start up to its last whole chunk and written anew; the original stays beside it as
`<name>.original` until somebody deletes it. Episodes that are being recorded at this moment are left alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.errors import DataError
from studio.data.dataset import Dataset
from studio.data.disk import write_error
from studio.data.episode import CONTROL_FILE, METADATA_NAME, RESERVE_FILE, EpisodeReader, span_ns
from studio.data.episode_info import CameraInfo, EpisodeInfo, episode_id, load_episode_info, save_episode_info
from studio.data.mcap_codec import HEADER_BYTES, walk_messages
from studio.data.mcap_file import MAGIC, McapWriter
from studio.data.mcap_scan import McapFile, find_damage
from studio.data.stream_writer import frame_rate_hz
from studio.data.verdict import StreamCount, judge, lateness_percentiles

ORIGINAL = ".original"


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One repaired episode.

    Args:
        lost_s: at most this much is missing at the end: what was cut off, and one chunk that never reached the disk.
    """

    id: str
    lost_s: float
    what: str


@dataclass(frozen=True, kw_only=True)
class RepairReport:
    repaired: tuple[Repair, ...] = ()
    problems: tuple[str, ...] = ()  # what could not be repaired
    busy: tuple[str, ...] = ()  # being recorded now

    @property
    def lost_s(self) -> float:
        return sum(repair.lost_s for repair in self.repaired)


def repair_dataset(dataset: Dataset) -> RepairReport:
    """Repair every episode that needs it; safe to call at any time and again."""
    repaired: list[Repair] = []
    problems: list[str] = []
    busy: list[str] = []
    for folder in dataset.episode_folders():
        try:
            if is_being_recorded(folder):
                busy.append(episode_id(folder))
            elif (repair := repair_episode(folder)) is not None:
                repaired.append(repair)
        except DataError as error:
            problems.append(str(error))
    return RepairReport(repaired=tuple(repaired), problems=tuple(problems), busy=tuple(busy))


def repair_project(project: Path) -> dict[str, RepairReport]:
    """Start-up repair: all datasets of a project; gives those where something was done or is wrong."""
    reports: dict[str, RepairReport] = {}
    for folder in sorted((project / "datasets").glob("*")):
        try:
            report = repair_dataset(Dataset(folder))
        except DataError:
            continue  # a folder that is no dataset is not ours to repair
        if report.repaired or report.problems:
            reports[folder.name] = report
    return reports


def is_being_recorded(folder: Path) -> bool:
    """Whether a living process holds the episode's file open for writing."""
    try:
        with (folder / CONTROL_FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def repair_episode(folder: Path) -> Repair | None:
    """Repair one episode; None when there is nothing to do.

    Raises:
        DataError: a file that is not ours, or nothing to repair from.
    """
    info, complaint = _description(folder)
    done = [complaint] if complaint else []
    lost_s = 0.0
    for path in [folder / CONTROL_FILE, *sorted(folder.glob("cam_*.mcap"))]:
        problem, lost_here_s = _repair_file(path)
        if problem:
            done.append(f"{path.name}: {problem}")
            lost_s = max(lost_s, lost_here_s)
    if info is not None and info.state == "recording" and not done:
        done.append("it was not closed")
    if not done:
        return None
    (folder / RESERVE_FILE).unlink(missing_ok=True)
    what = "; ".join(done)
    save_episode_info(_rebuilt_info(folder, info, lost_s, what))
    return Repair(id=episode_id(folder), lost_s=lost_s, what=what)


def _description(folder: Path) -> tuple[EpisodeInfo | None, str]:
    try:
        return load_episode_info(folder), ""
    except DataError as error:
        if "format_version" in str(error):
            raise
        return None, "episode.json was damaged or missing"


def _repair_file(path: Path) -> tuple[str, float]:
    """What was wrong, and how much time is lost at most; empty when the file is whole."""
    if not path.exists():
        raise DataError(
            f"{path} is missing and nothing can be made of the episode without it. Copy it again, or move the "
            "episode to the trash."
        )
    if path.stat().st_size < len(MAGIC):
        _replace_file(path, lambda writer: None)
        return "nothing was recorded", 0.0
    file = McapFile(path)
    try:
        good, problem = _good_chunks(file)
        if not problem:
            return "", 0.0
        lost_s = _lost_s(file, good)
        _replace_file(path, lambda writer: _copy(file, good, writer))
        return problem, lost_s
    finally:
        file.close()


def _good_chunks(file: McapFile) -> tuple[int, str]:
    """How many chunks from the start are whole, and the first problem."""
    for number, place in enumerate(file.contents.chunks):
        try:
            walk_messages(memoryview(file.records(place)))
        except DataError as error:
            return number, str(error).split(": ", 1)[-1]
    return len(file.contents.chunks), file.contents.problem or find_damage(file.data)


def _lost_s(file: McapFile, good: int) -> float:
    """Time cut off, and one more chunk that a killed process had not handed over yet."""
    chunks = file.contents.chunks
    if not chunks:
        return 0.0
    longest_ns = max(place.end_ns - place.start_ns for place in chunks)
    kept_ns = max((place.end_ns for place in chunks[:good]), default=chunks[0].start_ns)
    cut_ns = max(place.end_ns for place in chunks) - kept_ns
    return round((cut_ns + longest_ns) / 1e9, 3)


def _copy(file: McapFile, good: int, writer: McapWriter) -> None:
    contents = file.contents
    for name, values in contents.metadata.items():
        writer.add_metadata(name, values)
    for channel in sorted(contents.channels.values(), key=lambda channel: channel.id):
        schema = contents.schemas[channel.schema_id]
        number = writer.add_channel(channel.topic, schema.name, schema.data, channel.metadata)
        if number != channel.id:
            raise DataError(f"{file.path}: its channels are not numbered as this studio does it. Use `dataset import`.")
    for place in contents.chunks[:good]:
        _copy_chunk(file.records(place), writer)


def _copy_chunk(data: bytes, writer: McapWriter) -> None:
    times: list[int] = []
    offsets: list[int] = []
    channel_id = offset = 0
    for channel, _, log_time, _, payload in walk_messages(memoryview(data)):
        channel_id = channel
        times.append(log_time)
        offsets.append(offset)
        offset += HEADER_BYTES + len(payload)
    if times:
        writer.write_chunk(channel_id, data, np.array(times, dtype=np.int64), np.array(offsets))


def _replace_file(path: Path, fill: Callable[[McapWriter], None]) -> None:
    """Write a new file, keep the old one as `.original` (the first one, if repaired twice), swap in one step."""
    fresh, original = path.with_name(f".{path.name}.repaired"), path.with_name(path.name + ORIGINAL)
    fresh.unlink(missing_ok=True)
    try:
        writer = McapWriter(fresh, compression="" if path.name.startswith("cam_") else "lz4", fsync_interval_s=None)
        try:
            fill(writer)
        finally:
            writer.close()
        if not original.exists():
            _keep(path, original)
        fresh.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        fresh.unlink(missing_ok=True)


def _keep(path: Path, original: Path) -> None:
    try:
        os.link(path, original)
    except OSError:  # a disk without hard links
        shutil.copy2(path, original)


def _rebuilt_info(folder: Path, info: EpisodeInfo | None, lost_s: float, what: str) -> EpisodeInfo:
    base = info or EpisodeInfo(path=folder, id=episode_id(folder), session=folder.parent.name, **_facts_of_file(folder))
    dropped = {name: stream.dropped for name, stream in base.streams.items()}
    reader = EpisodeReader(folder, info=base)
    try:
        counts, lateness = _count(reader, dropped)
        cameras = _cameras(reader, base)
        content = reader.content
    finally:
        reader.close()
    verdict, why = judge(counts, cameras, lateness)
    verdict = "fair" if verdict == "good" else verdict
    reason = f"ended early: up to {lost_s:.2f} s lost, repaired ({what})"
    started_ns, ended_ns = span_ns(counts.values())
    return replace(
        base, state="repaired", verdict=verdict, verdict_reason=reason if verdict == "fair" else f"{reason}; {why}",
        streams={name: count.info() for name, count in counts.items()}, cameras=cameras, lateness_us=lateness,
        started_t_ns=started_ns, ended_t_ns=ended_ns, duration_s=(ended_ns - started_ns) / 1e9, lost_s=lost_s,
        close_reason=base.close_reason or "repaired", content=content,
    )  # fmt: skip


def _facts_of_file(folder: Path) -> dict[str, Any]:
    """Robot, task, clock and configuration as the recording itself says them."""
    file = McapFile(folder / CONTROL_FILE)
    try:
        facts = file.contents.metadata.get(METADATA_NAME, {})
    finally:
        file.close()
    try:
        return {
            "robot": facts.get("robot", ""),
            "task": facts.get("task", ""),
            "clock": json.loads(facts.get("clock", "{}")),
            "config": json.loads(facts.get("config", "{}")),
        }
    except ValueError:
        return {}


def _count(reader: EpisodeReader, dropped: Mapping[str, int]) -> tuple[dict[str, StreamCount], dict[str, float]]:
    counts: dict[str, StreamCount] = {}
    lateness: dict[str, float] = {}
    for name, record_type in reader.record_types.items():
        has_lateness = any(f.name == "lateness_s" for f in record_type.fields)
        records = reader.read(name, ["lateness_s"] if has_lateness else [])
        counts[name] = StreamCount(name, record_type.rate_hz)
        counts[name].add(records["t_ns"])
        counts[name].dropped = dropped.get(name, 0)
        if has_lateness:
            lateness = lateness_percentiles(records["lateness_s"])
    return counts, lateness


def _cameras(reader: EpisodeReader, base: EpisodeInfo) -> dict[str, CameraInfo]:
    cameras: dict[str, CameraInfo] = {}
    for name in reader.cameras:
        known = base.cameras.get(name) or reader.camera_info(name)
        times = reader.frame_times_ns(name)
        measured_hz = frame_rate_hz(len(times), int(times[0]), int(times[-1])) if len(times) else 0.0
        cameras[name] = replace(known, frames=len(times), measured_hz=measured_hz)
    return cameras
