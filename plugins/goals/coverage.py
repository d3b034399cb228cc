"""What play says about a goal: where the box has been. No Qt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.core.errors import DataError
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeReader

POSE_STREAM = "object_pose.world"
_EPISODES_MAX = 120
_SAMPLES_PER_EPISODE = 240


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


def _episodes(dataset_path: Path) -> list[Path]:
    try:
        return list(Dataset(dataset_path).episode_folders())
    except DataError:
        return []
