"""Kept goals and their libraries on disk. No Qt.

Each goal is one file in the project's `goals` folder and names its library; a library is also written as one file,
`goals/libraries/<name>.toml`, which `evaluate --goals-file` runs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from studio.app.api import StudioApi
from studio.core.errors import StudioError
from studio.data.goal_file import KeptGoal, goal_path, load_kept_goal, save_kept_goal, save_library

ALL = "All goals"


class GoalLibrary:
    """What is kept; `name` is the library that is shown, empty for all of them."""

    def __init__(self, studio: StudioApi) -> None:
        self._studio = studio
        self.kept: list[KeptGoal] = []
        self.name = ""

    @property
    def folder(self) -> Path:
        return self._studio.project.folder("goals")

    @property
    def names(self) -> list[str]:
        return sorted({kept.library for kept in self.kept if kept.library} | ({self.name} if self.name else set()))

    @property
    def shown(self) -> list[KeptGoal]:
        return [kept for kept in self.kept if not self.name or kept.library == self.name]

    def read(self) -> None:
        """Look again; a broken file is said and left out."""
        self.kept = []
        for path in self._studio.project.goal_files():
            try:
                self.kept.append(load_kept_goal(path))
            except StudioError as error:
                self._studio.notices.error(error)

    def choose(self, name: str) -> None:
        """Another library; a new name begins one."""
        self.name = "" if name == ALL else name.strip()

    def free_name(self, stem: str = "goal") -> str:
        number = 1
        while goal_path(self.folder, f"{stem} {number}").exists():
            number += 1
        return f"{stem} {number}"

    def keep(self, goals: list[KeptGoal]) -> None:
        """Write goals into the library that is shown."""
        try:
            for kept in goals:
                save_kept_goal(self.folder, replace(kept, library=self.name))
        except OSError as error:
            text = f"The goal was not kept: {self.folder} cannot be written."
            self._studio.notices.add("fault", text, detail=str(error))
        self.read()
        self.export()

    def drop(self, kept: KeptGoal) -> None:
        """Into the project's trash."""
        path = goal_path(self.folder, kept.name)
        if path.exists():
            self._studio.project.trash(path)
        self.read()
        self.export()

    def export(self) -> Path | None:
        """The shown library as one goals file; None while it is empty or cannot be written."""
        if not self.shown:
            return None
        stem = re.sub(r"[^a-z0-9]+", "-", (self.name or "all").lower()).strip("-") or "library"
        try:
            return save_library(self.folder / "libraries" / f"{stem}.toml", self.shown)
        except OSError as error:
            self._studio.notices.add("warn", "The library's goals file was not written.", detail=str(error))
            return None
