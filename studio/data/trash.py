"""Deleting moves to the project's trash; nothing recorded is destroyed by a key press."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import DataError
from studio.data.dataset import Dataset
from studio.data.episode_info import load_json_object

_ORIGIN = "origin.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Trashed:
    """An episode in the trash: where it lies now and where it came from."""

    path: Path
    origin: Path
    unix_s: float


def trash_dir(dataset: Dataset) -> Path:
    """The trash of the project that the dataset belongs to; without a project, one in the dataset."""
    for parent in dataset.path.resolve().parents[:4]:
        if (parent / "project.toml").exists():
            return parent / "trash"
    return dataset.path / ".trash"


def move_to_trash(dataset: Dataset, identity: str) -> Trashed:
    """Move one episode to the trash, broken ones too.

    Raises:
        DataError: no such episode, or the folder cannot be moved.
    """
    folder = dataset.path / identity
    if ".." in Path(identity).parts or not folder.is_dir():
        raise DataError(f"Dataset {dataset.path} has no episode {identity!r}. It may be in the trash already.")
    now_s = time.time()
    target = trash_dir(dataset) / f"{dataset.name}_{identity.replace('/', '_')}_{int(now_s * 1000):x}"
    trashed = Trashed(path=target, origin=folder.resolve(), unix_s=now_s)
    try:
        target.mkdir(parents=True)
        origin = {"format_version": FORMAT_VERSION, "origin": str(trashed.origin), "unix_s": now_s}
        (target / _ORIGIN).write_text(json.dumps(origin), encoding="utf-8")
        shutil.move(folder, target / "episode")
    except OSError as error:
        raise DataError(f"{folder} cannot be moved to the trash: {error.strerror or error}. Check the disk.") from error
    return trashed


def list_trash(folder: Path) -> list[Trashed]:
    """What is in a trash folder, newest first."""
    found: list[Trashed] = []
    for path in folder.glob("*"):
        try:
            facts = load_json_object(path / _ORIGIN, "a trashed episode")
            found.append(Trashed(path=path, origin=Path(facts["origin"]), unix_s=float(facts["unix_s"])))
        except (DataError, KeyError, TypeError, ValueError):
            continue  # not put there by us
    return sorted(found, key=lambda trashed: trashed.unix_s, reverse=True)


def restore(trashed: Trashed) -> Path:
    """Put an episode back where it was.

    Raises:
        DataError: its place is taken, or it is no longer in the trash.
    """
    if trashed.origin.exists():
        raise DataError(f"{trashed.origin} exists again, so the episode from the trash cannot go there. Move it first.")
    try:
        trashed.origin.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(trashed.path / "episode", trashed.origin)
        shutil.rmtree(trashed.path)
    except OSError as error:
        raise DataError(
            f"{trashed.path} cannot be put back: {error.strerror or error}. It is still in the trash."
        ) from error
    return trashed.origin
