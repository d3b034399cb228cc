"""What the scripted operator sees of the object: where it lies, which faces stand upright, whether it lies flat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.core.geometry import FloatArray, quaternion_to_matrix
from studio.core.task import Task

_FLAT = float(np.cos(np.radians(8.0)))


@dataclass(frozen=True)
class Side:
    """An upright face: outward normal and tangent = z x normal, both horizontal unit vectors [3]."""

    normal: FloatArray
    tangent: FloatArray


@dataclass(frozen=True)
class Sight:
    """The object at one moment.

    Attributes:
        centre_m: [3].
        sides: the four upright faces, none when the object does not lie flat.
        half_m: half an edge; radius_m: of the ball on the hand.
        target_m: [2], middle of the task's area.
    """

    centre_m: FloatArray
    sides: tuple[Side, ...]
    half_m: float
    radius_m: float
    task: Task

    @property
    def flat(self) -> bool:
        return bool(self.sides)

    @property
    def standing(self) -> bool:
        """Flat and on the table (not on a hand or in the air)."""
        return self.flat and abs(self.centre_m[2] - self.half_m) < 0.006

    @property
    def middle_m(self) -> FloatArray:
        task = self.task
        return np.array([sum(task.area_x_m) / 2, sum(task.area_y_m) / 2])

    def outside_m(self, point_m: FloatArray, margin_m: float = 0.0) -> float:
        """How far a point lies outside the task's area (0 inside), in m."""
        low = np.array([self.task.area_x_m[0], self.task.area_y_m[0]]) - margin_m
        high = np.array([self.task.area_x_m[1], self.task.area_y_m[1]]) + margin_m
        return float(np.linalg.norm(np.maximum(low - point_m[:2], 0) + np.maximum(point_m[:2] - high, 0)))


def look(task: Task, position_m: FloatArray, orientation_xyzw: FloatArray) -> Sight:
    """Sight of an object pose."""
    matrix = quaternion_to_matrix(orientation_xyzw)
    heights = np.abs(matrix[2])
    up = int(np.argmax(heights))
    sides: list[Side] = []
    if heights[up] > _FLAT:
        for axis in range(3):
            if axis != up:
                normal = matrix[:, axis] * np.array([1.0, 1.0, 0.0])
                normal /= np.linalg.norm(normal)
                tangent = np.array([-normal[1], normal[0], 0.0])
                sides += [Side(normal, tangent), Side(-normal, -tangent)]
    return Sight(np.array(position_m, dtype=np.float64), tuple(sides), task.object_size_m / 2, task.tip_radius_m, task)
