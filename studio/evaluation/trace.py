"""What an episode really did, kept for training: its goal, every policy tick's state, and each skill begun."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import FloatArray
from studio.core.task import Goal

Single = NDArray[np.float32]


class SkillTrace:
    """Collects one episode on the way to `goal`.

    `save` writes `states` [T, S], `starts` [n], `skills` [n, d] and `goal` [12] (position, row-major rotation) as plain
    NumPy arrays.
    """

    def __init__(self, goal: Goal) -> None:
        self._goal = np.concatenate([goal.position_m, goal.matrix().flatten()]).astype(np.float32)
        self._states: list[Single] = []
        self._starts: list[int] = []
        self._skills: list[Single] = []

    def add(self, state: FloatArray, begun: FloatArray | None) -> None:
        """One policy tick at `state` [S]; `begun` is the skill [d] that starts with it, else None."""
        if begun is not None:
            self._starts.append(len(self._states))
            self._skills.append(np.array(begun, dtype=np.float32))
        self._states.append(np.array(state, dtype=np.float32))

    def save(self, path: Path) -> None:
        """Write the episode as a whole, so that a reader never sees half of it. An episode without skills is empty."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        with temporary.open("wb") as file:
            np.savez(
                file,
                states=np.stack(self._states) if self._states else np.zeros((0, 0), dtype=np.float32),
                starts=np.array(self._starts, dtype=np.int64),
                skills=np.stack(self._skills) if self._skills else np.zeros((0, 0), dtype=np.float32),
                goal=self._goal,
            )
        temporary.replace(path)
