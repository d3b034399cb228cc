"""What one episode is about, computed once and kept in a small file: contact, forces, where the box was, a picture."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from studio.core.errors import DataError
from studio.core.geometry import quaternion_to_matrix, up_face

# Against the simulator's truth on two minutes of play, 88 % of the samples agree at 3 N (74 % at 1 N): below lie
# friction and inertia that the estimate from torque cannot tell from contact.
CONTACT_N = 3.0
SPARK_POINTS = 96
MAP_ROWS, MAP_COLUMNS = 7, 14
PICTURE_WIDTH_PX = 320
_FACE_HELD_S = 0.25  # a face counts when it stays up this long
_FORMAT_VERSION = 4


class Reader(Protocol):
    """The part of `studio.data.episode.EpisodeReader` that is used here."""

    @property
    def info(self) -> Any: ...
    @property
    def cameras(self) -> Any: ...
    def read(self, stream: str, names: Sequence[str] | None = None) -> np.ndarray: ...
    def frame_times_ns(self, camera: str) -> np.ndarray: ...
    def frame(self, camera: str, index: int) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class Area:
    """The part of the table that is drawn, in m: x away from the person, y to the left."""

    x_m: tuple[float, float] = (-0.28, 0.34)
    y_m: tuple[float, float] = (-0.34, 0.34)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Numbers and pictures of one episode.

    Args:
        contact_share: share of time with any hand above 3 N; NaN without force.
        mean_force_n: mean over the time in contact, largest hand; NaN without force.
        spark: force (or motion, when there is no force) of each hand over time, [hands, points], 0 to 1.
        spark_kind: `force` or `motion`.
        box_map: share of time per cell, [7, 14], rows from far to near, columns from left to right; empty without box.
        box_path_m: the way of the box on the table, [points, 2]; empty without box.
        picture: [height, width, 3] uint8 of the first camera, or empty.
    """

    duration_s: float = 0.0
    contact_share: float = float("nan")
    mean_force_n: float = float("nan")
    peak_force_n: float = float("nan")
    flips: int = -1
    faces: int = -1
    lateness_p999_us: float = float("nan")
    drops: int = 0
    spark: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    spark_kind: str = "force"
    box_map: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    box_path_m: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.float32))
    picture: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8))

    @property
    def has_contact(self) -> bool:
        return bool(np.isfinite(self.contact_share))


def compute_facts(reader: Reader, area: Area | None = None) -> Facts:
    """All facts of one open episode. A stream that is missing or unreadable leaves its facts empty."""
    area = area or Area()
    streams = reader.info.streams
    values: dict[str, Any] = {"duration_s": float(reader.info.duration_s)}
    if "control" in streams:
        values |= _control_facts(reader.read("control", ["contact_force_n"]))
        values["lateness_p999_us"] = float(reader.info.lateness_us.get("p99_9", float("nan")))
    else:
        values |= _motion_facts(reader, streams)
    pose = next((name for name in ("object_pose.world", "object_pose.tags") if name in streams), None)
    if pose is not None:
        values |= _box_facts(reader.read(pose, ["position_m", "orientation_xyzw"]), area)
    values["drops"] = int(reader.info.dropped)
    return Facts(**values, picture=_picture(reader))


def _control_facts(control: np.ndarray) -> dict[str, Any]:
    if not len(control):
        return {}
    force_n = np.linalg.norm(control["contact_force_n"], axis=-1)
    largest_n = force_n.max(axis=1)
    touching = largest_n > CONTACT_N
    return {
        "contact_share": float(touching.mean()),
        "mean_force_n": float(largest_n[touching].mean()) if touching.any() else 0.0,
        "peak_force_n": float(largest_n.max()),
        "spark": _spark(force_n, 10.0),
    }


def _motion_facts(reader: Reader, streams: dict[str, Any]) -> dict[str, Any]:
    """How fast the first vector stream changes; for imported data that carry no force."""
    for name in sorted(streams):
        records = reader.read(name)
        for field_name in (records.dtype.names or ())[1:]:
            values = np.asarray(records[field_name], dtype=np.float64)
            if values.ndim == 2 and len(values) > 2:
                speed = np.abs(np.diff(values, axis=0)).mean(axis=1)[:, None]
                return {"spark": _spark(speed, float(np.quantile(speed, 0.99)) or 1.0), "spark_kind": "motion"}
    return {}


def _spark(values: np.ndarray, full_scale: float) -> np.ndarray:
    """[N, hands] -> [hands, points]: the largest value of each of at most 96 stretches, over the full scale."""
    points = min(SPARK_POINTS, len(values))
    starts = np.linspace(0, len(values), points, endpoint=False).astype(int)
    top = np.maximum.reduceat(np.nan_to_num(values), starts, axis=0).T
    return np.clip(top / max(full_scale, float(top.max()), 1e-9), 0.0, 1.0).astype(np.float32)


def _box_facts(pose: np.ndarray, area: Area) -> dict[str, Any]:
    if not len(pose):
        return {}
    position_m = np.asarray(pose["position_m"], dtype=np.float64)
    faces, flips = _face_facts(pose)
    keep = np.linspace(0, len(pose) - 1, min(240, len(pose))).astype(int)
    return {
        "faces": faces,
        "flips": flips,
        "box_map": _box_map(position_m, area),
        "box_path_m": position_m[keep, :2].astype(np.float32),
    }


def _box_map(position_m: np.ndarray, area: Area) -> np.ndarray:
    counts, _, _ = np.histogram2d(
        position_m[:, 0], position_m[:, 1], bins=(MAP_ROWS, MAP_COLUMNS), range=(area.x_m, area.y_m)
    )
    share = counts / max(1, len(position_m))
    return share[::-1, ::-1].astype(np.float32)  # far row first, left column (+y) first


def _face_facts(pose: np.ndarray) -> tuple[int, int]:
    """How many faces were up, and how often another face came up and stayed."""
    face = up_face(quaternion_to_matrix(np.asarray(pose["orientation_xyzw"], dtype=np.float64)))
    t_s = (pose["t_ns"] - pose["t_ns"][0]) / 1e9
    starts = np.concatenate([[0], np.flatnonzero(np.diff(face)) + 1])
    ends = np.concatenate([starts[1:], [len(face) - 1]])
    held = [int(face[a]) for a, b in zip(starts, ends, strict=True) if t_s[b] - t_s[a] >= _FACE_HELD_S]
    stays = held or [int(face[0])]
    return len(set(stays)), int(np.count_nonzero(np.diff(stays)))


def _picture(reader: Reader) -> np.ndarray:
    """The first frame of the first camera, made small; empty when there is none or it cannot be decoded."""
    for camera in reader.cameras:
        try:
            image = reader.frame(camera, 0) if len(reader.frame_times_ns(camera)) else None
        except DataError:
            image = None
        if image is not None and image.size:
            step = max(1, round(image.shape[1] / PICTURE_WIDTH_PX))
            return np.ascontiguousarray(image[::step, ::step])
    return np.empty((0, 0, 3), np.uint8)


class FactsCache:
    """Facts in small files, keyed by the episode's path and the time and size of its files. Safe to delete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, episode: Path) -> Facts | None:
        try:
            with np.load(self._file(episode), allow_pickle=False) as stored:
                return Facts(**{f.name: _plain(stored[f.name]) for f in fields(Facts)})
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, episode: Path, facts: Facts) -> None:
        file = self._file(episode)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(".new.npz")
            np.savez_compressed(temporary, **{f.name: getattr(facts, f.name) for f in fields(Facts)})
            temporary.replace(file)
        except OSError:
            return  # a full disk costs time at the next start, nothing else

    def _file(self, episode: Path) -> Path:
        parts = [str(_FORMAT_VERSION), str(episode.resolve())]
        for path in sorted(episode.glob("*.mcap")):
            status = path.stat()
            parts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
        return self.folder / (hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32] + ".npz")


def _plain(value: np.ndarray) -> Any:
    return value.item() if value.ndim == 0 else value
