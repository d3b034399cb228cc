"""Goal classes and their published seed lists; goals from a file.

Goal i of list S has the seed 1000 S + i and its own generator, so the first twenty of forty are the twenty. List 1 is
what is reported; lists 100 to 119 are for tuning.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.config import load_toml
from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray, cube_rotations, matrix_to_quaternion
from studio.core.observation import check_goal
from studio.core.task import Goal, Task

GOAL_CLASSES = ("easy", "planar", "full")
START_DISTANCE_M = 0.03  # feasibility, second study: start at least 3 cm away
_EASY_YAW_RAD = np.pi / 4


@dataclass(frozen=True, kw_only=True)
class GoalCase:
    """One episode: where the object starts and where it should go."""

    index: int
    seed: int
    start_position_m: tuple[float, float, float]
    start_orientation_xyzw: tuple[float, float, float, float]
    goal: Goal


def goal_seeds(seed: int, count: int) -> list[int]:
    """The seeds of list `seed`."""
    return [1000 * seed + index for index in range(count)]


def make_cases(task: Task, goal_class: str, count: int, seed: int) -> list[GoalCase]:
    """Cases of a class in the task's area.

    Args:
        goal_class: `easy` same face up and yaw within 45 degrees of the start, `planar` same face up and any yaw,
            `full` any face up and any yaw.
    """
    if goal_class not in GOAL_CLASSES:
        raise ConfigError(f"--goal-class is {goal_class!r}; allowed {', '.join(GOAL_CLASSES)}.")
    if count < 1 or seed < 0:
        raise ConfigError(f"--goals is {count} and --seed is {seed}; give at least 1 goal and a seed of 0 or more.")
    return [_make_case(task, goal_class, index, one) for index, one in enumerate(goal_seeds(seed, count))]


def load_cases(task: Task, path: Path, seed: int) -> list[GoalCase]:
    """Cases from a goals file: TOML with `[[goal]]` tables {name, position_m, orientation_xyzw}, checked against the
    task's area; starts are drawn as for the classes."""
    tables = load_toml(path).get("goal", [])
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f"{path} has no [[goal]] tables. Write at least one with position_m and orientation_xyzw.")
    return [_case_from_table(task, table, index, 1000 * seed + index, path) for index, table in enumerate(tables)]


def yaw_matrix(angle_rad: float) -> FloatArray:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _make_case(task: Task, goal_class: str, index: int, seed: int) -> GoalCase:
    rng = np.random.default_rng(seed)
    start_rotation = _random_rest(rng)
    start = _random_place(task, rng)
    place = _away_from(task, rng, start)
    if goal_class == "easy":
        rotation = yaw_matrix(rng.uniform(-_EASY_YAW_RAD, _EASY_YAW_RAD)) @ start_rotation
    elif goal_class == "planar":
        rotation = yaw_matrix(rng.uniform(-np.pi, np.pi)) @ start_rotation
    else:
        rotation = _random_rest(rng)
    goal = Goal(
        position_m=place, orientation_xyzw=_quaternion(rotation), goal_id=index + 1, name=f"{goal_class} {seed}"
    )
    return GoalCase(
        index=index, seed=seed, start_position_m=start, start_orientation_xyzw=_quaternion(start_rotation), goal=goal
    )


def _case_from_table(task: Task, table: dict[str, Any], index: int, seed: int, path: Path) -> GoalCase:
    try:
        position = tuple(float(value) for value in table["position_m"])
        orientation = tuple(float(value) for value in table["orientation_xyzw"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path}, goal {index + 1}: {error}. It needs position_m [3] and orientation_xyzw [4]."
        ) from error
    if len(position) != 3 or len(orientation) != 4:
        raise ConfigError(f"{path}, goal {index + 1}: position_m needs 3 numbers and orientation_xyzw 4.")
    name = str(table.get("name", f"goal {index + 1}"))
    goal = Goal(position_m=position, orientation_xyzw=orientation, goal_id=index + 1, name=name)
    check_goal(task, goal)
    rng = np.random.default_rng(seed)
    start = _away_from(task, rng, position)
    return GoalCase(index=index, seed=seed, start_position_m=start, start_orientation_xyzw=orientation, goal=goal)


def _random_rest(rng: np.random.Generator) -> FloatArray:
    """A cube at rest: any face up, any yaw."""
    return yaw_matrix(rng.uniform(-np.pi, np.pi)) @ cube_rotations()[rng.integers(24)]


def _random_place(task: Task, rng: np.random.Generator) -> tuple[float, float, float]:
    return float(rng.uniform(*task.area_x_m)), float(rng.uniform(*task.area_y_m)), task.object_rest_height_m


def _away_from(task: Task, rng: np.random.Generator, other: tuple[float, ...]) -> tuple[float, float, float]:
    for _ in range(1000):
        place = _random_place(task, rng)
        if np.hypot(place[0] - other[0], place[1] - other[1]) >= START_DISTANCE_M:
            return place
    raise ConfigError(f"Task {task.name}: its area is too small for a start {START_DISTANCE_M} m away from the goal.")


def _quaternion(rotation: FloatArray) -> tuple[float, float, float, float]:
    x, y, z, w = (float(value) for value in matrix_to_quaternion(rotation))
    return x, y, z, w
