"""Finding episodes on disk and reading one for its facts; runs in the library's thread. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.library.entry import Entry, Marks
from plugins.library.facts import Area, Facts, FactsCache, compute_facts
from studio.core.errors import DataError, StudioError
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeReader
from studio.data.episode_info import FILE_NAME, EpisodeInfo, episode_id, load_episode_info


@dataclass(frozen=True, kw_only=True)
class FactsResult:
    """Facts of one episode, or why there are none."""

    key: str
    facts: Facts
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class EditResult:
    """What people say now about each edited episode, and the first error."""

    marks: dict[str, Marks]
    error: StudioError | None = None


def edit_journals(folders: Sequence[Path], change: Callable[[Journal], Any]) -> EditResult:
    """Apply one change to the journals of several episodes; stops at the first that cannot be written."""
    error: StudioError | None = None
    try:
        for folder in folders:
            change(Journal(folder))
    except StudioError as problem:
        error = problem
    return EditResult(marks={str(folder): read_marks(folder) for folder in folders}, error=error)


def signature(datasets: Sequence[Path]) -> tuple[tuple[str, int], ...]:
    """Changes when an episode or an annotation appears, goes or changes; costs one `stat` a file."""
    found: list[tuple[str, int]] = []
    for dataset in datasets:
        for pattern in (f"*/*/{FILE_NAME}", "*/*/annotations.jsonl"):
            for path in dataset.glob(pattern):
                try:
                    found.append((str(path), path.stat().st_mtime_ns))
                except OSError:
                    continue  # deleted between the listing and here
    return tuple(sorted(found))


def scan(datasets: Sequence[Path]) -> list[Entry]:
    """Every episode of the datasets in the order of recording. A broken episode is an entry with a problem."""
    entries: list[Entry] = []
    for dataset in datasets:
        folders = sorted(path.parent for path in dataset.glob(f"*/*/{FILE_NAME}"))
        name = dataset_name(dataset)
        entries += [make_entry(folder, name, number) for number, folder in enumerate(folders, start=1)]
    return entries


def dataset_name(dataset: Path) -> str:
    """The folder's name; for the episodes of an evaluation, what was tried and when."""
    if dataset.name != "episodes" or dataset.parent.name == "datasets":
        return dataset.name
    try:
        name = Dataset(dataset).name
    except StudioError:
        name = ""
    return f"Tried: {name} ({dataset.parent.name})" if name else f"Tried: {dataset.parent.name}"


def make_entry(folder: Path, dataset: str, number: int) -> Entry:
    try:
        info = load_episode_info(folder)
        problem = problem_text(info)
    except DataError:
        info = EpisodeInfo(path=folder, id=episode_id(folder), session=folder.parent.name, verdict="poor")
        problem = "description unreadable: repair it"
    return Entry(path=folder, dataset=dataset, number=number, info=info, marks=read_marks(folder), problem=problem)


def problem_text(info: EpisodeInfo) -> str:
    """What a crash left, in words; empty for a whole episode."""
    if info.state == "repaired":
        return f"ends early: {info.lost_s:.1f} s lost, repaired"
    return "not closed: repair it" if info.state == "recording" else ""


def read_marks(folder: Path) -> Marks:
    """What people said of an episode; nothing when its journal cannot be read."""
    try:
        journal = Journal(folder)
    except (StudioError, OSError):
        return Marks()
    labels = tuple((label.text, label.key or 1) for label in journal.labels)
    return Marks(labels=labels, outcome=journal.outcome, left_out=journal.left_out)


def read_facts(folder: Path, cache: FactsCache, area: Area) -> FactsResult:
    """Facts from the cache, else from the recording; damage becomes a sentence."""
    facts = cache.load(folder)
    if facts is not None:
        return FactsResult(key=str(folder), facts=facts)
    try:
        reader = EpisodeReader(folder)
        try:
            facts = compute_facts(reader, area)
        finally:
            reader.close()
    except DataError:
        return FactsResult(key=str(folder), facts=Facts(), problem="recording unreadable: repair it")
    cache.save(folder, facts)
    return FactsResult(key=str(folder), facts=facts)
