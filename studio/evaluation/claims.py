"""Goals of one evaluation shared between processes: a folder in which each goal is claimed once and answered once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class GoalClaims:
    """`goals/<i>.claim` says who works on a goal, `goals/<i>.json` is its raw result.

    Args:
        folder: the run's folder.
        count: number of goals.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = Path(folder) / "goals"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._count = count

    def claim(self) -> int | None:
        """The next goal that nobody has, now claimed by this process; None when there is none left."""
        for index in range(self._count):
            if not self._result(index).exists() and self._take(index):
                return index
        return None

    def answer(self, index: int, result: dict[str, Any]) -> None:
        """Write a result as a whole."""
        temporary = self._folder / f".{index}.new"
        temporary.write_text(json.dumps(result), encoding="utf-8")
        temporary.replace(self._result(index))

    def results(self) -> list[dict[str, Any]]:
        """Raw results so far, in the order of the goals."""
        paths = [self._result(index) for index in range(self._count)]
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]

    def done(self) -> int:
        return sum(self._result(index).exists() for index in range(self._count))

    def free(self, owner: int | None = None) -> None:
        """Give back goals without a result: those claimed by process `owner`, or all."""
        for path in self._folder.glob("*.claim"):
            unanswered = not path.with_suffix(".json").exists()
            if unanswered and (owner is None or path.read_text(encoding="utf-8") == str(owner)):
                path.unlink(missing_ok=True)

    def give_back(self, index: int) -> None:
        """A goal that this process claimed and does not answer."""
        (self._folder / f"{index}.claim").unlink(missing_ok=True)

    def _take(self, index: int) -> bool:
        try:
            handle = os.open(self._folder / f"{index}.claim", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            file.write(str(os.getpid()))
        return True

    def _result(self, index: int) -> Path:
        return self._folder / f"{index}.json"
