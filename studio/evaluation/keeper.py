"""Episodes of an evaluation kept as recordings, so that the library shows them and the replay plays them.

`<run>/episodes` is a dataset like any other; goal i is `session_0001/episode_<i + 1>`. Its followers are driven by the
planner, so training on play never takes it for play.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.errors import DataError
from studio.core.records import RecordType
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeWriter
from studio.data.episode_info import EpisodeInfo

FOLDER = "episodes"
_SESSION = "session_0001"
_AUTHOR = "evaluation"
REACHED = "goal reached"


def episodes_folder(run: Path) -> Path:
    """Where a run keeps its episodes, kept or not."""
    return run / FOLDER


def make_episode_dataset(run: Path, *, title: str, robot: str, task: str) -> Path:
    """The dataset of a run's episodes; one that is there is left as it is."""
    return Dataset.create(episodes_folder(run), name=title, robot=robot, task=task, source="evaluate").path


class EpisodeKeeper:
    """A `Sink` that holds one episode in memory and writes it at its end, so that nothing waits for a disk.

    Args:
        dataset: of `make_episode_dataset`.
        every: keep one record of so many (the control rate over the policy's); streams that are slower already,
            `slow`, are kept whole.
    """

    def __init__(self, dataset: Path, *, every: int, slow: Sequence[str] = ("truth",)) -> None:
        self._dataset, self._every, self._slow = dataset, max(1, every), frozenset(slow)
        self._streams: tuple[RecordType, ...] = ()
        self._rows: dict[str, list[bytes]] = {}
        self._counts: dict[str, int] = {}

    def bind(self, streams: Sequence[RecordType]) -> None:
        """Which streams will come; before the first record."""
        self._streams = tuple(
            s if s.name in self._slow else dataclasses.replace(s, rate_hz=s.rate_hz / self._every) for s in streams
        )
        self.begin()

    def begin(self) -> None:
        """Forget what was held; a new episode starts."""
        self._rows = {stream.name: [] for stream in self._streams}
        self._counts = dict.fromkeys(self._rows, 0)

    def write(self, stream: str, record: np.ndarray) -> None:
        """Hold one record, shape [] or [1]; copied."""
        rows = self._rows.get(stream)
        if rows is None:
            return
        count = self._counts[stream]
        if stream in self._slow or count % self._every == 0:
            rows.append(record.tobytes())
        self._counts[stream] = count + 1

    def keep(
        self, goal: int, config: Mapping[str, Any], *, reached_s: float | None, clock: str = "stepped"
    ) -> EpisodeInfo:
        """Write what is held as the episode of a goal; an older one of the same goal is replaced.

        Args:
            goal: index in the list.
            config: goes to `episode.json`.
            reached_s: how long before its end the goal was reached, marked there; None: it was not.
            clock: `stepped` or `wall`, of `t_ns`.

        Raises:
            DataError: there is no room for it.
        """
        name = f"episode_{goal + 1:06d}"
        work = self._dataset.parent / f".keeping-{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)  # of a process with this number that was killed
        try:
            info = self._write(work / _SESSION / name, config, clock)
            _note(info, reached_s)
            final = self._dataset / _SESSION / name
            final.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(final, ignore_errors=True)
            info.path.rename(final)
        except OSError as error:
            raise DataError(
                f"The episode of goal {goal} cannot be kept in {self._dataset}: {error.strerror}. Free some space."
            ) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
            self.begin()
        return dataclasses.replace(info, path=final)

    def _write(self, folder: Path, config: Mapping[str, Any], clock: str) -> EpisodeInfo:
        writer = EpisodeWriter(folder, self._streams, config, clock=clock)
        for stream in self._streams:
            rows = self._rows[stream.name]
            if rows:
                writer.write(stream.name, np.frombuffer(b"".join(rows), dtype=stream.dtype))
        return writer.close("the goal's episode is over")


def _note(info: EpisodeInfo, reached_s: float | None) -> None:
    journal = Journal(info.path, author=_AUTHOR)
    journal.set_outcome("failure" if reached_s is None else "success")
    if reached_s is not None:
        journal.add("mark", REACHED, max(info.started_t_ns, info.ended_t_ns - round(1e9 * reached_s)))
