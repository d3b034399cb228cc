"""Whether the goal is reached, without flicker at the border: planner and policy rest by the same rule."""

from __future__ import annotations

from studio.core.geometry import FloatArray
from studio.core.observation import is_reached, pose_errors
from studio.core.task import Goal, Task

_INSIDE_SHARE = 0.8  # resting starts well inside the tolerances and ends at their border


class Arrival:
    """Remembers whether the object has arrived at the goal given."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.arrived = False

    def reset(self) -> None:
        """Another goal."""
        self.arrived = False

    def look(self, state: FloatArray, goal: Goal) -> bool:
        """Whether the object of `state` [S] is at `goal`."""
        distance_m, turn_rad = pose_errors(self._task, state, goal)
        share = 1.0 if self.arrived else _INSIDE_SHARE
        self.arrived = is_reached(self._task, float(distance_m), float(turn_rad), share=share)
        return self.arrived
