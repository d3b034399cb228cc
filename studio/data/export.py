"""Export for other programs: one CSV table per stream and episode."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.core.errors import ConfigError, DataError
from studio.core.records import RecordType
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeReader
from studio.data.episode_info import EpisodeInfo

FORMATS = ("csv", "lerobot", "robomimic")


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    episodes: int
    frames: int
    files: int


def export_dataset(
    dataset: Dataset, out: Path, format_name: str, fps: float | None = None, only: Collection[str] = ()
) -> ExportResult:
    """Write a dataset for other programs.

    Args:
        fps: rows per second, each the newest record not later; None = every record.
        only: ids of the episodes to write; empty = all.

    Raises:
        ConfigError: a format that is not there yet, a place that is taken, an impossible rate.
    """
    if format_name not in FORMATS:
        raise ConfigError(f"Export format {format_name!r} is not known. Known: {', '.join(FORMATS)}.")
    if format_name != "csv":
        raise ConfigError(f"Export to {format_name} is not in this version. Use --format csv.")
    if fps is not None and not 0 < fps <= 10_000:
        raise ConfigError(f"--fps is {fps:g}; allowed above 0 up to 10000.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} exists and is not empty. Choose a new folder for the export.")
    chosen = [episode for episode in dataset.episodes() if not only or episode.id in only]
    unknown = sorted(set(only) - {episode.id for episode in chosen})
    if unknown:
        raise ConfigError(f"{dataset.path.name} has no episode {', '.join(unknown)}. Look again at the library.")
    counts = [_export_episode(episode, out, fps) for episode in chosen]
    frames, files = sum(frames for frames, _ in counts), sum(files for _, files in counts)
    return ExportResult(episodes=len(counts), frames=frames, files=files)


def _export_episode(episode: EpisodeInfo, out: Path, fps: float | None) -> tuple[int, int]:
    reader = EpisodeReader(episode.path)
    frames = files = 0
    try:
        for name, record_type in reader.record_types.items():
            records = _resampled(reader.read(name), fps)
            path = out / episode.id.replace("/", "_") / f"{name}.csv"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write_csv(path, record_type, records)
            except OSError as error:
                raise DataError(f"{path} cannot be written: {error.strerror or error}. Free some space.") from error
            frames, files = frames + len(records), files + 1
    finally:
        reader.close()
    return frames, files


def _resampled(records: np.ndarray, fps: float | None) -> np.ndarray:
    if fps is None or not len(records):
        return records
    t_ns = records["t_ns"]
    grid = t_ns[0] + np.round(np.arange(int((t_ns[-1] - t_ns[0]) * fps / 1e9) + 1) * 1e9 / fps).astype(np.int64)
    return records[np.searchsorted(t_ns, grid, side="right") - 1]


def _write_csv(path: Path, record_type: RecordType, records: np.ndarray) -> None:
    names = ["t_ns", *(field.name for field in record_type.fields)]
    columns = [records[name].reshape(len(records), -1) for name in names]
    heads = [
        name if column.shape[1] == 1 else f"{name}.{i}"
        for name, column in zip(names, columns, strict=True)
        for i in range(column.shape[1])
    ]
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(heads) + "\n")
        lists = [column.tolist() for column in columns]  # repr of a float is exact
        for row in zip(*lists, strict=True):
            file.write(",".join(repr(value) for column in row for value in column) + "\n")
