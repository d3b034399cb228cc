"""Films: the pictures of an episode's camera with the pose of the box in each frame. No Qt; called in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.core.errors import DataError
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeReader

PICTURES = 6
_POSES = ("object_pose.tags", "object_pose.world")  # what the camera saw comes first
_FRESH_NS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class FilmTitle:
    """An episode with pictures."""

    title: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Film:
    """One episode's pictures.

    Args:
        times_s: of every frame since the first, [F].
        positions_m, orientations_xyzw: of the box in every frame, [F, 3] and [F, 4]; NaN where it was not seen.
        shown: indices of the frames in `pictures`, evenly spaced.
        pictures: [h, w, 3] uint8 each.
        problem: why there is nothing; empty otherwise.
    """

    title: str = ""
    folder: Path = Path()
    times_s: np.ndarray
    positions_m: np.ndarray
    orientations_xyzw: np.ndarray
    shown: tuple[int, ...] = ()
    pictures: tuple[np.ndarray, ...] = ()
    problem: str = ""

    def has_pose(self, frame: int) -> bool:
        return bool(np.isfinite(self.positions_m[frame]).all())


def no_film(problem: str) -> Film:
    return Film(times_s=np.zeros(0), positions_m=np.zeros((0, 3)), orientations_xyzw=np.zeros((0, 4)), problem=problem)


def list_films(datasets: list[Path]) -> list[FilmTitle]:
    """Every episode with a camera, newest first; a folder that is no dataset is passed over."""
    found: list[FilmTitle] = []
    for path in datasets:
        try:
            folders = list(Dataset(path).episode_folders())
        except DataError:
            continue
        for folder in folders:
            if any(folder.glob("cam_*.mcap")):
                number = folder.name.rpartition("_")[2].lstrip("0") or folder.name
                session = folder.parent.name.rpartition("_")[2].lstrip("0")
                found.append(FilmTitle(title=f"{path.name} {session} · episode {number}", folder=folder))
    return found[::-1]


def read_film(film: FilmTitle) -> Film:
    """Times and poses of all frames and six pictures."""
    try:
        reader = EpisodeReader(film.folder)
    except DataError as error:
        return no_film(f"{film.title} cannot be read: {error}")
    try:
        return _read(reader, film)
    except DataError as error:
        return no_film(f"{film.title} cannot be shown: {error}")
    finally:
        reader.close()


def read_frame(folder: Path, index: int) -> np.ndarray | None:
    """One picture [h, w, 3]; None when it cannot be decoded."""
    try:
        reader = EpisodeReader(folder)
    except DataError:
        return None
    try:
        return np.ascontiguousarray(reader.frame(reader.cameras[0], index)) if reader.cameras else None
    except DataError:
        return None
    finally:
        reader.close()


def _read(reader: EpisodeReader, film: FilmTitle) -> Film:
    stream = next((name for name in _POSES if name in reader.record_types), "")
    times_ns = reader.frame_times_ns(reader.cameras[0]) if reader.cameras else np.zeros(0, dtype=np.int64)
    if not stream or not len(times_ns):
        return no_film(f"{film.title} has no pictures with the box. Choose another episode.")
    poses = reader.read(stream, ["position_m", "orientation_xyzw"])
    rows = np.clip(np.searchsorted(poses["t_ns"], times_ns, side="right") - 1, 0, max(len(poses) - 1, 0))
    if not len(poses):
        return no_film(f"In {film.title} the box was never seen. Choose another episode.")
    positions, turns = poses["position_m"][rows].astype(float), poses["orientation_xyzw"][rows].astype(float)
    unseen = np.abs(poses["t_ns"][rows] - times_ns) > _FRESH_NS
    positions[unseen], turns[unseen] = np.nan, np.nan
    shown = tuple(sorted({int(i) for i in np.linspace(0.03, 0.97, PICTURES) * (len(times_ns) - 1)}))
    pictures = tuple(np.ascontiguousarray(reader.frame(reader.cameras[0], i)) for i in shown)
    return Film(
        title=film.title,
        folder=film.folder,
        times_s=(times_ns - times_ns[0]) * 1e-9,
        positions_m=positions,
        orientations_xyzw=turns,
        shown=shown,
        pictures=pictures,
    )
