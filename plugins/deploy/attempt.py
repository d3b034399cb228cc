"""One attempt at a goal: distance and turn over time, and when it counts as reached or missed; rows of goals. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from studio.core.geometry import FloatArray, quaternion_to_matrix, rotation_angle_rad
from studio.core.task import Goal, Task
from studio.data.goal_file import KeptGoal


def goal_errors(position_m: FloatArray, orientation_xyzw: FloatArray, goal: Goal) -> tuple[FloatArray, FloatArray]:
    """Distance in m and turn in rad [...] of poses [..., 3], [..., 4] from a goal."""
    distance_m = np.linalg.norm(np.asarray(position_m, dtype=np.float64) - np.asarray(goal.position_m), axis=-1)
    turned = quaternion_to_matrix(np.asarray(orientation_xyzw, dtype=np.float64))
    return distance_m, rotation_angle_rad(turned, np.broadcast_to(goal.matrix(), turned.shape))


@dataclass
class Attempt:
    """From *Deploy* until the goal is reached, missed or given up.

    Args:
        started_s: on the clock of the records; None until the planner has made its first plan.
        limit_s: missed after this long.
        rest_s: how long both errors must stay inside the tolerances.
    """

    goal: Goal
    task: Task
    started_s: float | None = None
    limit_s: float = 50.0
    rest_s: float = 0.5
    times_s: list[float] = field(default_factory=list)
    distance_m: list[float] = field(default_factory=list)
    turn_rad: list[float] = field(default_factory=list)
    inside_since_s: float | None = None

    def start(self, t_s: float) -> None:
        """The clock runs from here; a second call changes nothing."""
        if self.started_s is None:
            self.started_s = t_s

    def add(self, t_s: float, position_m: FloatArray, orientation_xyzw: FloatArray) -> bool | None:
        """One pose of the box; True when the goal is reached now, False when time is up, else None."""
        if self.started_s is None or t_s < self.started_s:
            return None
        distance_m, turn_rad = goal_errors(position_m, orientation_xyzw, self.goal)
        since_s = t_s - self.started_s
        self.times_s.append(since_s)
        self.distance_m.append(float(distance_m))
        self.turn_rad.append(float(turn_rad))
        inside = distance_m < self.task.position_tolerance_m and turn_rad < self.task.orientation_tolerance_rad
        if not inside:
            self.inside_since_s = None
            return False if since_s > self.limit_s else None
        if self.inside_since_s is None:
            self.inside_since_s = since_s
        return True if since_s - self.inside_since_s >= self.rest_s else None

    @property
    def seconds(self) -> float:
        return self.times_s[-1] if self.times_s else 0.0


@dataclass
class Outcomes:
    """Reached and missed goals since the screen was opened."""

    reached: list[bool] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, name: str, reached: bool) -> None:
        self.names.append(name)
        self.reached.append(reached)

    def correct_last(self, reached: bool) -> None:
        if self.reached:
            self.reached[-1] = reached

    @property
    def successes(self) -> int:
        return sum(self.reached)


@dataclass
class GoalRow:
    """Kept goals that are run one after the other. Hold, Stop and faults leave it as it is: Deploy goes on with it."""

    waiting: list[KeptGoal] = field(default_factory=list)
    length: int = 0
    now: KeptGoal | None = None

    def begin(self, goals: Sequence[KeptGoal]) -> None:
        self.waiting, self.length, self.now = list(goals), len(goals), None

    def take(self) -> KeptGoal | None:
        """The next goal, or None after the last one."""
        if not self.waiting:
            return None
        self.now = self.waiting.pop(0)
        return self.now

    def end(self) -> None:
        self.begin([])

    @property
    def number(self) -> int:
        """Of the goal that runs or waits, from 1; 0 without a row."""
        return self.length - len(self.waiting)

    def is_at(self, goal: Goal) -> bool:
        """Whether `goal` is the one of the row that runs or was interrupted."""
        now = self.now
        here = (goal.name, *goal.position_m, *goal.orientation_xyzw)
        return now is not None and (now.name, *now.position_m, *now.orientation_xyzw) == here


def predicted_errors(
    goal: Goal, path_m: FloatArray, orientations_xyzw: FloatArray, window_s: float, now_s: float
) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    """Times in s from the attempt's start, distances in mm and turns in degrees along a plan [H+1]."""
    distance_m, turn_rad = goal_errors(path_m, orientations_xyzw, goal)
    times_s = now_s + window_s * np.arange(len(path_m))
    return times_s.tolist(), (1000 * distance_m).tolist(), np.degrees(turn_rad).tolist()
