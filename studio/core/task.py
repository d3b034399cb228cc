"""A task is data (`resources/tasks/*.toml`): what a state is, which features it has, when a goal is reached.

Methods know no box and no arm; they know blocks of a state vector with a kind, a symmetry group and tolerances.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from studio.core.config import load_toml, make_config
from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray, quaternion_to_matrix

BlockKind = Literal["vector", "velocity", "position", "rotation"]


@dataclass(frozen=True, kw_only=True)
class StateBlock:
    """One block of the state vector.

    Args:
        stream: record stream; `object_pose` stands for the pose stream that the bundle names.
        size: entries in the state vector; a rotation takes 9 (row-major matrix).
        kind: how to difference and normalise it.
        weight: weight in the dynamics loss.
    """

    name: str
    stream: str
    field: str
    size: int
    kind: str = "vector"
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Task:
    name: str
    title: str
    state: tuple[StateBlock, ...]
    action: str = "recorded"
    robot: str = ""
    symmetry: str = "none"
    features: tuple[str, ...] = ()
    position_tolerance_m: float = 0.0
    orientation_tolerance_rad: float = 0.0
    object_size_m: float = 0.0
    object_rest_height_m: float = 0.0
    tip_radius_m: float = 0.0
    area_x_m: tuple[float, float] = (0.0, 0.0)
    area_y_m: tuple[float, float] = (0.0, 0.0)
    table_x_m: tuple[float, float] = (0.0, 0.0)
    table_y_m: tuple[float, float] = (0.0, 0.0)
    format_version: int = 1

    def __post_init__(self) -> None:
        for block in self.state:
            if block.kind not in ("vector", "velocity", "position", "rotation"):
                raise ConfigError(
                    f"Task {self.name}: block {block.name} has kind {block.kind!r}; "
                    "allowed vector, velocity, position, rotation."
                )
            if block.kind == "rotation" and block.size != 9:
                raise ConfigError(f"Task {self.name}: rotation block {block.name} has size {block.size}; it needs 9.")

    @property
    def state_size(self) -> int:
        return sum(block.size for block in self.state)

    def span(self, name: str) -> slice:
        """Where a block lies in the state vector."""
        start = 0
        for block in self.state:
            if block.name == name:
                return slice(start, start + block.size)
            start += block.size
        raise ConfigError(f"Task {self.name} has no state block {name!r}; it has {[b.name for b in self.state]}.")

    def has_object(self) -> bool:
        return any(block.kind == "rotation" for block in self.state)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def load_task(name_or_path: str | Path) -> Task:
    """A task by its name in the resources, or by path."""
    from studio.core.paths import resources_dir

    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = resources_dir() / "tasks" / f"{name_or_path}.toml"
    return make_task(load_toml(path), where=str(path))


def make_task(data: dict[str, Any], *, where: str = "task") -> Task:
    if data.get("format_version", 1) != 1:
        raise ConfigError(
            f"{where}: format_version is {data['format_version']}; this studio reads 1. Update the studio."
        )
    blocks = tuple(make_config(StateBlock, dict(block), where=f"{where}.state") for block in data.get("state", []))
    rest = {key: value for key, value in data.items() if key != "state"}
    return replace(make_config(Task, {**rest, "state": ()}, where=where), state=blocks)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A pose of the object to reach."""

    position_m: tuple[float, float, float]
    orientation_xyzw: tuple[float, float, float, float]
    goal_id: int = 1
    name: str = ""

    def matrix(self) -> FloatArray:
        return quaternion_to_matrix(np.asarray(self.orientation_xyzw, dtype=np.float64))
