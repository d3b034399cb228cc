"""A dataset: a folder of sessions, each a folder of episodes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.errors import DataError
from studio.core.records import RecordType, Role
from studio.core.task import StateBlock, Task, load_task
from studio.data.episode import EpisodeReader
from studio.data.episode_info import FILE_NAME, EpisodeInfo, load_episode_info, load_json_object

DATASET_FILE = "dataset.json"
FORMAT_VERSION = 1
IMPORTED_STREAM = "imported"
_HELD_OUT_SESSIONS_FROM = 4  # with fewer sessions, the last tenth of the episodes is held out
_DEFAULT_TASK = "move_box"


@dataclass(frozen=True, kw_only=True)
class HeldOutSplit:
    """Which episodes train and which are held out. `within` means: too few episodes, cut the only one in time."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    within: bool = False


class Dataset:
    """An existing dataset folder.

    Raises:
        DataError: missing, not a folder, or neither a dataset nor holding any session.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            what = "is a file, not a folder" if self.path.exists() else "does not exist"
            raise DataError(f"Dataset {self.path} {what}. Check the path, or make one with `play` or `record`.")
        if not (self.path / DATASET_FILE).exists() and not self._episode_folders():
            raise DataError(
                f"{self.path} is not a dataset: no {DATASET_FILE} and no session_*/episode_* in it. "
                "Give a dataset's folder, or use `dataset import` for foreign data."
            )
        self.facts = self._load_facts()

    @staticmethod
    def create(path: Path | str, **facts: Any) -> Dataset:
        """Open a dataset, made first when it is not there; `facts` go to a new `dataset.json`."""
        folder = Path(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / DATASET_FILE).exists():
                content = json.dumps({"format_version": FORMAT_VERSION, "name": folder.name, **facts}, indent=1)
                temporary = folder / f".{DATASET_FILE}.new"
                temporary.write_text(content, encoding="utf-8")
                temporary.rename(folder / DATASET_FILE)
        except OSError as error:
            raise DataError(f"Dataset {folder} cannot be made: {error.strerror}. Choose another folder.") from error
        return Dataset(folder)

    def _load_facts(self) -> dict[str, Any]:
        path = self.path / DATASET_FILE
        if not path.exists():
            return {}
        facts = load_json_object(path, "a dataset")
        if facts.get("format_version") != FORMAT_VERSION:
            raise DataError(
                f"{path}: format_version is {facts.get('format_version')!r}; this studio reads "
                f"{FORMAT_VERSION}. Update the studio."
            )
        return facts

    @property
    def name(self) -> str:
        return str(self.facts.get("name", self.path.name))

    def _episode_folders(self) -> list[Path]:
        folders = {
            path.parent
            for pattern in ("*/episode_*/control.mcap", f"*/episode_*/{FILE_NAME}")
            for path in self.path.glob(pattern)
            if not path.parent.parent.name.startswith(".")
        }
        return sorted(folders, key=lambda folder: (folder.parent.name, folder.name))

    def episode_folders(self) -> list[Path]:
        """Folders of all episodes, broken ones too, in order."""
        return self._episode_folders()

    def episodes(self) -> list[EpisodeInfo]:
        """All readable episodes in order of recording; `broken()` names the others."""
        found: list[EpisodeInfo] = []
        for folder in self._episode_folders():
            try:
                found.append(load_episode_info(folder))
            except DataError:
                continue  # listed by broken(), so that one bad card does not hide a library
        return found

    def broken(self) -> dict[str, str]:
        """Episodes whose description cannot be read, with the reason."""
        found: dict[str, str] = {}
        for folder in self._episode_folders():
            try:
                load_episode_info(folder)
            except DataError as error:
                found[f"{folder.parent.name}/{folder.name}"] = str(error)
        return found

    def episode(self, identity: str) -> EpisodeInfo:
        """The episode with an id such as `session_0001/episode_000012`."""
        folder = self.path / identity
        if ".." in Path(identity).parts or not folder.is_dir():
            raise DataError(f"Dataset {self.path} has no episode {identity!r}. `dataset info` lists them.")
        return load_episode_info(folder)

    def open(self, identity: str) -> EpisodeReader:
        return EpisodeReader(self.episode(identity).path)

    def new_session(self) -> Path:
        """Make the folder of the next session."""
        return _make_next(self.path, "session_", 4)

    def new_episode(self, session: Path) -> Path:
        """Make the folder of the session's next episode."""
        return make_episode_folder(session)

    def held_out_split(self, used: list[EpisodeInfo] | None = None) -> HeldOutSplit:
        """The last session; with fewer than four sessions, the last tenth of the episodes (at least one).

        Takes differ in length: more from the end is added until a twentieth of the time is held out, so that one short
        take does not stand for the whole. Something is always left to train on.
        """
        episodes = used if used is not None else self.episodes()
        sessions = sorted({episode.session for episode in episodes})
        ids = [episode.id for episode in episodes]
        if len(ids) < 2:
            return HeldOutSplit(train=tuple(ids), held_out=tuple(ids), within=True)
        if len(sessions) >= _HELD_OUT_SESSIONS_FROM:
            kept = _last_sessions(episodes, sessions)
        else:
            kept = set(ids[-_count_held_out(episodes) :])
        return HeldOutSplit(train=tuple(i for i in ids if i not in kept), held_out=tuple(i for i in ids if i in kept))


def _last_sessions(episodes: list[EpisodeInfo], sessions: list[str]) -> set[str]:
    """Episodes of the last session, and of the ones before it while a twentieth of the time is not reached."""
    total_s = sum(episode.duration_s for episode in episodes)
    for count in range(1, len(sessions)):
        held_out = [episode for episode in episodes if episode.session in sessions[-count:]]
        if sum(episode.duration_s for episode in held_out) >= total_s / 20 or count == len(sessions) - 1:
            return {episode.id for episode in held_out}
    return set()


def _count_held_out(episodes: list[EpisodeInfo]) -> int:
    """How many of the last episodes are held out: a tenth of their number and a twentieth of their time, not all."""
    count, total_s = max(1, round(len(episodes) / 10)), sum(episode.duration_s for episode in episodes)
    while count < len(episodes) - 1 and sum(e.duration_s for e in episodes[-count:]) < total_s / 20:
        count += 1
    return count


def make_episode_folder(session: Path) -> Path:
    """The folder of a session's next episode."""
    return _make_next(session, "episode_", 6)


def _make_next(parent: Path, prefix: str, digits: int) -> Path:
    """The next free number; an empty folder made by someone else in between is not taken twice."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)$")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        used = [int(match[1]) for path in parent.iterdir() if (match := pattern.match(path.name))]
        number = max(used, default=0) + 1
        while True:
            folder = parent / f"{prefix}{number:0{digits}d}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1
    except OSError as error:
        raise DataError(f"A folder in {parent} cannot be made: {error.strerror}. Check disk and rights.") from error


def task_for_dataset(dataset: Dataset) -> Task:
    """The task whose state the dataset can fill: the robot's for our recordings, one made of the fields if imported."""
    episodes = dataset.episodes()
    if not episodes:
        raise DataError(f"Dataset {dataset.path} has no episode yet. Record or import one first.")
    if IMPORTED_STREAM not in episodes[0].streams:
        return load_task(episodes[0].task or _DEFAULT_TASK)
    reader = EpisodeReader(episodes[0].path)
    try:
        return _imported_task(dataset.name, reader.record_types[IMPORTED_STREAM], episodes[0].robot)
    finally:
        reader.close()


def _imported_task(name: str, record_type: RecordType, robot: str) -> Task:
    """One `vector` block per observed field (normally one: `observation_state`)."""
    observed = [f for f in record_type.fields if f.role is Role.OBSERVATION]
    if not observed:
        raise DataError(
            f"Dataset {name}: the imported data have no observed numbers. Import data with `observation.*` columns."
        )
    blocks = tuple(
        StateBlock(
            name=f.name, stream=record_type.name, field=f.name, size=int(f.shape[0]) if f.shape else 1, kind="vector"
        )
        for f in observed
    )
    return Task(name=f"imported_{name}", title=f"Imported: {name}", state=blocks, action="recorded", robot=robot)
