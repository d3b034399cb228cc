"""What play says about a goal: where the box has been, and pictures of an episode with the box's pose. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.core.errors import DataError
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeReader

POSE_STREAM = "object_pose.world"
PICTURES = 6
_EPISODES_MAX = 120
_SAMPLES_PER_EPISODE = 240


@dataclass(frozen=True)
class Picture:
    """One frame: time in the episode, image [h, w, 3] uint8, pose of the box."""

    time_s: float
    image: np.ndarray
    position_m: np.ndarray
    orientation_xyzw: np.ndarray


@dataclass(frozen=True)
class Strip:
    """Pictures of one episode, or why there are none."""

    title: str
    pictures: tuple[Picture, ...] = ()
    problem: str = ""


def play_positions(dataset_path: Path) -> np.ndarray:
    """Box positions [n, 3] in m over the newest episodes, about four a second; empty without play."""
    found: list[np.ndarray] = []
    for folder in _episodes(dataset_path)[-_EPISODES_MAX:]:
        try:
            reader = EpisodeReader(folder)
        except DataError:
            continue  # a broken episode has its own card in the library
        try:
            if POSE_STREAM in reader.record_types:
                positions = reader.read(POSE_STREAM, ["position_m"])["position_m"]
                found.append(positions[:: max(1, len(positions) // _SAMPLES_PER_EPISODE)])
        finally:
            reader.close()
    return np.concatenate(found) if found else np.zeros((0, 3))


def read_strip(dataset_path: Path) -> Strip:
    """Six evenly spaced frames of the newest episode that has a camera and the box's pose."""
    for folder in reversed(_episodes(dataset_path)[-10:]):
        try:
            reader = EpisodeReader(folder)
        except DataError:
            continue
        try:
            if reader.cameras and POSE_STREAM in reader.record_types:
                number = folder.name.rpartition("_")[2].lstrip("0")
                return Strip(f"Episode {number or folder.name}", _pictures(reader))
        finally:
            reader.close()
    return Strip("", problem="No episode with pictures yet. Record a minute with the camera on.")


def _episodes(dataset_path: Path) -> list[Path]:
    try:
        return list(Dataset(dataset_path).episode_folders())
    except DataError:
        return []


def _pictures(reader: EpisodeReader) -> tuple[Picture, ...]:
    camera = reader.cameras[0]
    times_ns = reader.frame_times_ns(camera)
    poses = reader.read(POSE_STREAM, ["position_m", "orientation_xyzw"])
    if not len(times_ns) or not len(poses):
        return ()
    wanted = np.linspace(0.05, 0.95, PICTURES) * (len(times_ns) - 1)
    found = []
    for index in sorted({int(i) for i in wanted}):
        row = poses[min(int(np.searchsorted(poses["t_ns"], times_ns[index])), len(poses) - 1)]
        found.append(Picture(
            time_s=float(times_ns[index] - times_ns[0]) * 1e-9, image=np.ascontiguousarray(reader.frame(camera, index)),
            position_m=row["position_m"].copy(), orientation_xyzw=row["orientation_xyzw"].copy(),
        ))  # fmt: skip
    return tuple(found)
