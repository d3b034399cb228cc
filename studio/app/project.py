"""A project folder: project.toml, datasets, bundles, goals, runs, layouts, trash (docs/architecture.md). No Qt."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from studio.core.config import load_toml
from studio.core.errors import DataError
from studio.core.paths import default_project_dir
from studio.data.dataset import DATASET_FILE

FORMAT_VERSION = 1
_FOLDERS = ("datasets", "bundles", "goals", "runs", "layouts", "trash")


class Project:
    """One open project. Use `open_project`, which makes a missing one."""

    def __init__(self, path: Path, name: str, *, made_now: bool = False) -> None:
        self.path = path
        self.name = name
        self.made_now = made_now

    def folder(self, kind: str) -> Path:
        """`datasets`, `bundles`, `goals`, `runs`, `layouts` or `trash`; made when missing."""
        path = self.path / kind
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def dataset_path(self) -> Path:
        """The dataset that recording writes to."""
        path = self.folder("datasets") / "play"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def datasets(self) -> list[Path]:
        return sorted(path for path in self.folder("datasets").iterdir() if path.is_dir())

    def tried(self) -> list[Path]:
        """Episodes that evaluations kept, one dataset a run: to look at, not to train on."""
        return sorted(path.parent for path in self.folder("runs").glob(f"*/episodes/{DATASET_FILE}"))

    def bundles(self) -> list[Path]:
        """Bundle folders, newest first."""
        found = [path.parent for path in self.folder("bundles").glob("*/bundle.json")]
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)

    def goal_files(self) -> list[Path]:
        return sorted(self.folder("goals").glob("*.toml"))

    def trash(self, path: Path) -> Path:
        """Move a file or folder of the project into its trash; returns where it lies now."""
        target = self.folder("trash") / f"{time.strftime('%Y%m%d-%H%M%S')}-{path.name}"
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{target.name}-{number}")
        shutil.move(str(path), target)
        return target

    def free_bytes(self) -> int:
        """Free space where the project lies; 0 when it cannot be asked."""
        try:
            return shutil.disk_usage(self.path).free
        except OSError:
            return 0


def open_project(path: Path | None = None) -> Project:
    """Open a project; a missing or empty folder becomes a new one.

    Args:
        path: project folder; None is the one in the user's data folder.

    Raises:
        DataError: the folder holds something else, is of a newer format or cannot be written.
    """
    path = (path or default_project_dir()).expanduser().resolve()
    description = path / "project.toml"
    if description.exists():
        return _read(path, description)
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise DataError(f"{path} is not a project: it has no project.toml. Choose a project or an empty folder.")
    return _make(path, description)


def _read(path: Path, description: Path) -> Project:
    data = load_toml(description)
    version = data.get("format_version")
    if version != FORMAT_VERSION:
        raise DataError(
            f"{description}: format_version is {version!r}; this studio reads {FORMAT_VERSION}. Update the studio."
        )
    if not os.access(path, os.W_OK):
        raise DataError(f"{path} cannot be written. Change its permissions, or choose another project.")
    return Project(path, str(data.get("name", path.name)))


def _make(path: Path, description: Path) -> Project:
    try:
        for name in _FOLDERS:
            (path / name).mkdir(parents=True, exist_ok=True)
        description.write_text(
            f'format_version = {FORMAT_VERSION}\nname = "{path.name}"\nmade = "{time.strftime("%Y-%m-%d %H:%M")}"\n',
            encoding="utf-8",
        )
    except OSError as error:
        raise DataError(f"{path} cannot be made ({error.strerror}). Choose another folder with --project.") from error
    return Project(path, path.name, made_now=True)
