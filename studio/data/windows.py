"""Episodes to training windows, at the policy's rate, in one memory-mapped cache.

A state is taken at the start of each policy tick; the action of the tick is, for our own teleoperation, leader minus
follower position at its start and the mean leader velocity over it, and for imported data their own. A window never
crosses a change of driver, a reset, a state other than Engaged, or a gap.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.errors import ConfigError, DataError
from studio.core.paths import user_data_dir
from studio.core.records import Driver
from studio.core.task import Task
from studio.data.annotations import Journal
from studio.data.dataset import Dataset, HeldOutSplit
from studio.data.episode import EpisodeReader
from studio.data.episode_info import EpisodeInfo
from studio.data.stretches import Stretch, WindowSource

PREPROCESSING_VERSION = 1  # raise it when the same recording would give other numbers
_CACHE_FOLDER = ".cache"
_ARRAYS = ("states", "actions", "row_episode", "row_t_ns", "train_starts", "held_out_starts")


@dataclass(frozen=True, kw_only=True)
class WindowSet:
    """All windows of a dataset.

    Args:
        states: [T, S] float32, blocks as in the task, SI units, rotations as 9 numbers row by row; memory-mapped.
        actions: [T, A] float32.
        train_starts: int64, rows at which a training window starts: rows i..i+window are one unbroken stretch.
        held_out_starts: the same for held-out windows.
        window: W, policy ticks per window; s_g = states[i + W].
        row_episode: [T] int32, index into `episode_ids`.
        row_t_ns: [T] int64, time of each row in its episode.
        lineage: what the windows were made of: dataset, episodes, streams, action definition, cache key.
    """

    states: np.ndarray
    actions: np.ndarray
    train_starts: np.ndarray
    held_out_starts: np.ndarray
    window: int
    rate_hz: float
    task: Task
    action_names: tuple[str, ...]
    lineage: dict[str, Any]
    row_episode: np.ndarray
    row_t_ns: np.ndarray
    episode_ids: tuple[str, ...]


def load_windows(
    dataset: Dataset,
    task: Task,
    rate_hz: float = 100.0,
    window_ticks: int = 20,
    cache_dir: Path | None = None,
    *,
    drivers: Sequence[Driver] = (Driver.OPERATOR,),
    pose_stream: str | None = None,
) -> WindowSet:
    """Windows of a dataset, from the cache when nothing has changed.

    Args:
        rate_hz: policy rate; must divide the recorded rate (400 Hz: 400 with 40 ticks is the paper's, 100 with 20 the
            default; imported data: their frame rate or a divisor).
        window_ticks: W.
        cache_dir: default is `.cache` in the dataset, or the user's folder when that is read-only; safe to delete.
        drivers: whose motion counts as play.
        pose_stream: which stream stands for `object_pose`; default: the world's if recorded, else the tags'.

    Raises:
        ConfigError: a rate that does not divide the recorded one, a window below 1.
        DataError: no episode with a whole window.
    """
    if window_ticks < 1:
        raise ConfigError(f"Window length is {window_ticks} ticks; give 1 or more.")
    episodes = [e for e in dataset.episodes() if not Journal(e.path).left_out]
    if not episodes:
        raise DataError(
            f"Dataset {dataset.path} has no episode to train on. Record or import one, or take back a `leave out`."
        )
    source = WindowSource.choose(task, episodes, rate_hz, tuple(drivers), pose_stream)
    key = _cache_key(episodes, task, source, window_ticks)
    folder = (cache_dir or _default_cache(dataset)) / f"windows_{key}"
    if not (folder / "index.json").exists():
        _build(folder, dataset, episodes, source, window_ticks, key)
    return _load(folder, task, source, window_ticks)


def _default_cache(dataset: Dataset) -> Path:
    """Beside the data; for data that may only be read, in the user's folder."""
    return dataset.path / _CACHE_FOLDER if os.access(dataset.path, os.W_OK) else user_data_dir() / "cache"


def _cache_key(episodes: Sequence[EpisodeInfo], task: Task, source: WindowSource, window: int) -> str:
    """Hash of recording, annotation version and preprocessing."""
    digest = hashlib.sha256()
    for episode in episodes:
        recording = episode.content or _file_stamp(episode)
        digest.update(f"{episode.id}\0{recording}\0{Journal(episode.path).version}\n".encode())
    settings = {"version": PREPROCESSING_VERSION, "window": window, "source": source.to_json(), "task": task.to_json()}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()[:24]


def _file_stamp(episode: EpisodeInfo) -> str:
    """For an episode that is not closed: size and time of its file."""
    path = episode.path / "control.mcap"
    if not path.exists():
        return "missing"
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def _build(
    folder: Path, dataset: Dataset, episodes: Sequence[EpisodeInfo], source: WindowSource, window: int, key: str
) -> None:
    split = dataset.held_out_split(list(episodes))
    parts = list(_stretches(episodes, source))
    rows = sum(len(stretch.states) for _, stretch in parts)
    train, held_out = _starts(parts, episodes, split, window)
    if not len(train) + len(held_out):
        raise DataError(
            f"Dataset {dataset.path}: no unbroken stretch is longer than one window of {window} ticks at "
            f"{source.rate_hz:g} Hz ({window / source.rate_hz:.3g} s). Record longer, or shorten the window."
        )
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.mkdir(parents=True)
        _save_rows(temporary, parts, rows)
        np.save(temporary / "train_starts.npy", train)
        np.save(temporary / "held_out_starts.npy", held_out)
        index = {
            "format_version": 1,
            "episode_ids": [e.id for e in episodes],
            "action_names": list(source.action_names),
            "lineage": _lineage(dataset, episodes, source, split, key, window, (len(train), len(held_out))),
        }
        (temporary / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        raise DataError(
            f"The training cache {folder} cannot be written: {error.strerror}. Free some space or choose "
            "another cache folder."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _stretches(episodes: Sequence[EpisodeInfo], source: WindowSource) -> Iterator[tuple[int, Stretch]]:
    for number, episode in enumerate(episodes):
        reader = EpisodeReader(episode.path)
        try:
            for stretch in source.read(reader):
                yield number, stretch
        finally:
            reader.close()


def _save_rows(folder: Path, parts: Sequence[tuple[int, Stretch]], rows: int) -> None:
    first = parts[0][1]
    shapes = {
        "states": ("<f4", (rows, first.states.shape[1])),
        "actions": ("<f4", (rows, first.actions.shape[1])),
        "row_episode": ("<i4", (rows,)),
        "row_t_ns": ("<i8", (rows,)),
    }
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        for name, (dtype, shape) in shapes.items()
    }
    start = 0
    for number, stretch in parts:
        stop = start + len(stretch.states)
        arrays["states"][start:stop], arrays["actions"][start:stop] = stretch.states, stretch.actions
        arrays["row_episode"][start:stop], arrays["row_t_ns"][start:stop] = number, stretch.t_ns
        start = stop
    for array in arrays.values():
        array.flush()


def _starts(
    parts: Sequence[tuple[int, Stretch]], episodes: Sequence[EpisodeInfo], split: HeldOutSplit, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """N - W starts of each stretch of N rows, divided into training and held-out ones."""
    kept = set(split.held_out)
    chosen: dict[bool, list[np.ndarray]] = {False: [], True: []}
    row = 0
    for number, stretch in parts:
        count = len(stretch.states)
        chosen[episodes[number].id in kept].append(np.arange(row, row + max(0, count - window), dtype=np.int64))
        row += count
    train, held_out = (np.concatenate([np.empty(0, np.int64), *chosen[key]]) for key in (False, True))
    return _cut_in_time(held_out, window) if split.within else (train, held_out)


def _cut_in_time(starts: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """One episode only: its last tenth is held out, one window apart from the rest so that nothing is seen twice."""
    cut = len(starts) - max(1, len(starts) // 10)
    held_out = starts[cut:]
    return starts[:cut][starts[:cut] < starts[cut] - window] if len(starts) > 1 else starts[:0], held_out


def _lineage(
    dataset: Dataset,
    episodes: Sequence[EpisodeInfo],
    source: WindowSource,
    split: HeldOutSplit,
    key: str,
    window: int,
    counts: tuple[int, int],
) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "robot": episodes[0].robot,
        "cache_key": key,
        "window_ticks": window,
        "episodes": {e.id: e.content for e in episodes},
        "held_out_episodes": list(split.held_out),
        "recorded_s": round(sum(e.duration_s for e in episodes), 3),
        "train_windows": counts[0],
        "held_out_windows": counts[1],
        **source.to_json(),
    }


def _load(folder: Path, task: Task, source: WindowSource, window: int) -> WindowSet:
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        arrays: dict[str, Any] = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"The training cache {folder} is damaged ({error}). Delete that folder; it is made again."
        ) from error
    return WindowSet(
        window=window,
        rate_hz=source.rate_hz,
        task=task,
        action_names=tuple(index["action_names"]),
        lineage=index["lineage"],
        episode_ids=tuple(index["episode_ids"]),
        **arrays,
    )
