"""Goals that are kept: one TOML file each in the project's `goals` folder, with how often they were reached."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from studio.core.config import load_toml, make_config
from studio.core.errors import DataError
from studio.core.task import Goal

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class KeptGoal:
    """A named pose and its history.

    Args:
        position_m: x, y, z in the world.
        orientation_xyzw: unit quaternion.
        attempts: how often it was tried; `reached` how often it was reached.
        library: which of the user's libraries it belongs to; empty for none.
    """

    name: str
    position_m: tuple[float, float, float]
    orientation_xyzw: tuple[float, float, float, float]
    attempts: int = 0
    reached: int = 0
    library: str = ""
    format_version: int = FORMAT_VERSION

    def goal(self) -> Goal:
        return Goal(position_m=self.position_m, orientation_xyzw=self.orientation_xyzw, name=self.name)

    def tried(self, *, reached: bool) -> KeptGoal:
        """The same goal after one more attempt."""
        return replace(self, attempts=self.attempts + 1, reached=self.reached + int(reached))


def load_kept_goal(path: Path) -> KeptGoal:
    """Read one goal file.

    Raises:
        ConfigError: missing, no TOML, or a key of the wrong kind.
        DataError: of a newer format, or not a pose.
    """
    data = load_toml(path)
    if data.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        raise DataError(f"{path} has format {data['format_version']!r}; this studio reads {FORMAT_VERSION}. Update it.")
    kept = make_config(KeptGoal, _with_numbers(data, path), where=str(path))
    length = sum(value * value for value in kept.orientation_xyzw) ** 0.5
    if abs(length - 1.0) > 1e-2:
        raise DataError(f"{path}: orientation_xyzw has length {length:.3g}; a turn needs 1. Mend or delete the file.")
    return kept


def _with_numbers(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """The position and orientation lists as floats, checked for their length."""
    numbers = dict(data)
    for key, count in (("position_m", 3), ("orientation_xyzw", 4)):
        values = cast(list[Any], data.get(key))
        is_list = isinstance(data.get(key), list)
        if not is_list or len(values) != count or not all(isinstance(v, (int, float)) for v in values):
            raise DataError(f"{path}: {key} is {values!r}; {count} numbers are needed. Mend or delete the file.")
        numbers[key] = [float(v) for v in values]
    return numbers


def save_kept_goal(folder: Path, kept: KeptGoal) -> Path:
    """Write a goal under its name, replacing an older one of that name; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = goal_path(folder, kept.name)
    lines = [
        f"format_version = {FORMAT_VERSION}",
        f"name = {_quoted(kept.name)}",
        f"position_m = [{', '.join(f'{v:.6f}' for v in kept.position_m)}]",
        f"orientation_xyzw = [{', '.join(f'{v:.8f}' for v in kept.orientation_xyzw)}]",
        f"attempts = {kept.attempts}",
        f"reached = {kept.reached}",
        *([f"library = {_quoted(kept.library)}"] if kept.library else []),
    ]
    temporary = path.with_suffix(".new")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def save_library(path: Path, goals: list[KeptGoal]) -> Path:
    """Goals as `[[goal]]` tables in one file, as `evaluate --goals-file` reads them; returns the file."""
    tables = [
        f"[[goal]]\nname = {_quoted(kept.name)}\n"
        f"position_m = [{', '.join(f'{v:.6f}' for v in kept.position_m)}]\n"
        f"orientation_xyzw = [{', '.join(f'{v:.8f}' for v in kept.orientation_xyzw)}]\n"
        for kept in goals
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text("\n".join(tables), encoding="utf-8")
    temporary.replace(path)
    return path


def goal_path(folder: Path, name: str) -> Path:
    """The file of a goal; letters, digits and dashes of its name."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return folder / f"{stem or 'goal'}.toml"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
