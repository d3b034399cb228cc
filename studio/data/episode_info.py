"""What `episode.json` says of an episode; written when recording starts, and again when it ends."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from studio.core.errors import DataError
from studio.data.disk import write_error

FORMAT_VERSION = 1
FILE_NAME = "episode.json"
STATES = ("recording", "closed", "repaired")
EVENT_STREAMS = frozenset({"plan"})  # written when something happens; a pause in them is no gap


@dataclass(frozen=True, kw_only=True)
class StreamInfo:
    """One stream of an episode.

    Args:
        rate_hz: declared rate.
        records: how many were recorded.
        gaps: places where more than 2.5 periods lie between two records.
        dropped: records lost on the way (ring overrun), counted by the recorder.
        measured_hz: records over their span; 0 for fewer than two.
    """

    rate_hz: float
    records: int = 0
    gaps: int = 0
    dropped: int = 0
    measured_hz: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CameraInfo:
    """One camera of an episode; `rate_hz` is declared, `measured_hz` what came."""

    codec: str = "h264"
    width_px: int = 0
    height_px: int = 0
    rate_hz: float = 0.0
    frames: int = 0
    dropped: int = 0
    measured_hz: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EpisodeInfo:
    """Facts about one episode.

    Args:
        path: its folder.
        id: `session_0001/episode_000012`.
        state: `recording`, `closed` or `repaired`.
        verdict: `good`, `fair` or `poor`, with the reason; empty while recording.
        clock: `kind` (wall or stepped) and the anchor: `monotonic_ns` and `unix_ns` of one instant.
        config: exactly what the session ran with.
        lateness_us: `p50`, `p99`, `p99_9`, `max` of the control loop, empty when not recorded.
        content: says whether two recordings are the same; part of the cache key.
    """

    path: Path
    id: str
    session: str
    state: str = "recording"
    duration_s: float = 0.0
    started_t_ns: int = 0
    ended_t_ns: int = 0
    verdict: str = ""
    verdict_reason: str = ""
    close_reason: str = ""
    robot: str = ""
    task: str = ""
    streams: dict[str, StreamInfo] = field(default_factory=dict[str, StreamInfo])
    cameras: dict[str, CameraInfo] = field(default_factory=dict[str, CameraInfo])
    clock: dict[str, Any] = field(default_factory=dict[str, Any])
    lateness_us: dict[str, float] = field(default_factory=dict[str, float])
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    lost_s: float = 0.0
    content: str = ""
    format_version: int = FORMAT_VERSION

    @property
    def dropped(self) -> int:
        return sum(s.dropped for s in self.streams.values()) + sum(c.dropped for c in self.cameras.values())

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        del data["path"], data["id"], data["session"]
        return data


def save_episode_info(info: EpisodeInfo) -> None:
    """Write `episode.json` whole or not at all."""
    target = info.path / FILE_NAME
    temporary = info.path / f".{FILE_NAME}.new"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(info.to_json(), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(target)
    except OSError as error:
        raise write_error(target, error) from error


def load_episode_info(folder: Path) -> EpisodeInfo:
    """Read `episode.json` of a folder.

    Raises:
        DataError: missing, empty, cut off, foreign, or of a newer format.
    """
    path = folder / FILE_NAME
    data = load_json_object(path, "an episode")
    version = data.get("format_version")
    if version != FORMAT_VERSION:
        raise DataError(
            f"{path}: format_version is {version!r}; this studio reads {FORMAT_VERSION}. Update the studio "
            "or record again."
        )
    try:
        info = _from_json(folder, data)
    except (TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path} is not an episode's description ({error}). Run `dataset repair`.") from error
    if info.state not in STATES:
        raise DataError(f"{path}: state is {info.state!r}; allowed {', '.join(STATES)}. Run `dataset repair`.")
    return info


def _from_json(folder: Path, data: dict[str, Any]) -> EpisodeInfo:
    known = {f.name for f in fields(EpisodeInfo)} - {"path", "id", "session"}
    values = {key: value for key, value in data.items() if key in known}
    values["streams"] = {name: StreamInfo(**s) for name, s in data.get("streams", {}).items()}
    values["cameras"] = {name: CameraInfo(**c) for name, c in data.get("cameras", {}).items()}
    return EpisodeInfo(path=folder, id=episode_id(folder), session=folder.parent.name, **values)


def episode_id(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def load_json_object(path: Path, what: str) -> dict[str, Any]:
    """A JSON object from a file, or a DataError that says what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} is missing. Is this the folder of {what}? Check the path.") from None
    except (IsADirectoryError, NotADirectoryError, PermissionError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as {what}: {error}. Check the path.") from error
    if not text.strip():
        raise DataError(f"{path} is empty: writing it was interrupted. Run `dataset repair`.")
    try:
        data = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is cut off or is not JSON ({error}). Run `dataset repair`.") from error
    if not isinstance(data, dict):
        raise DataError(
            f"{path} is not a description of {what}: it holds a {type(data).__name__}, not an object. Check the path."
        )
    return data  # pyright: ignore[reportUnknownVariableType]
