"""A goal pose as people set it: millimetres, degrees and which face is up. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studio.core.geometry import FloatArray, matrix_to_quaternion, quaternion_to_matrix, up_face
from studio.core.task import Task

FIELDS = ("x", "y", "z", "yaw", "pitch", "roll")
HEIGHT_SPAN_MM = 250.0


@dataclass(frozen=True, kw_only=True)
class GoalPose:
    """Position in mm; yaw about the world's z, then pitch and roll in degrees, of the box with `face` (1..6) up."""

    x: float = 0.0
    y: float = 0.0
    z: float = 50.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    face: int = 5  # +z of the box, as it stands at the start

    def position_m(self) -> tuple[float, float, float]:
        return (self.x / 1000, self.y / 1000, self.z / 1000)

    def matrix(self) -> FloatArray:
        yaw, pitch, roll = np.radians([self.yaw, self.pitch, self.roll])
        return _turn("z", yaw) @ _turn("y", pitch) @ _turn("x", roll) @ _face_matrix(self.face)

    def orientation_xyzw(self) -> tuple[float, float, float, float]:
        x, y, z, w = (float(v) for v in matrix_to_quaternion(self.matrix()))
        return (x, y, z, w)

    def moved(self, *, x: float = 0.0, y: float = 0.0, z: float = 0.0, yaw: float = 0.0) -> GoalPose:
        turned = (self.yaw + yaw + 180.0) % 360.0 - 180.0
        return replace(self, x=self.x + x, y=self.y + y, z=self.z + z, yaw=round(turned, 3))

    def with_face(self, face: int, rest_mm: float) -> GoalPose:
        """Another face up, lying flat on the table."""
        return replace(self, face=face, pitch=0.0, roll=0.0, z=rest_mm)


def pose_from_world(position_m: FloatArray, orientation_xyzw: FloatArray) -> GoalPose:
    """The fields of a pose in the world; the face up is the one nearest to it."""
    matrix = quaternion_to_matrix(np.asarray(orientation_xyzw, dtype=np.float64))
    face = int(up_face(matrix)) + 1
    rest = matrix @ _face_matrix(face).T
    yaw, pitch, roll = _angles(rest)
    x, y, z = (round(float(v) * 1000, 1) + 0.0 for v in position_m)  # no minus zero
    return GoalPose(x=x, y=y, z=z, yaw=yaw, pitch=pitch, roll=roll, face=face)


def example_poses(task: Task) -> dict[str, GoalPose]:
    """Six goals spread over the area of a task."""
    (x0, x1), (y0, y1) = ((1000 * a, 1000 * b) for a, b in (task.area_x_m, task.area_y_m))
    x, y, z = (x0 + x1) / 2, (y0 + y1) / 2, 1000 * task.object_rest_height_m
    return {
        "near left": GoalPose(x=x0 * 0.8, y=y1 * 0.6, z=z, yaw=15),
        "turn 90": GoalPose(x=x, y=y, z=z, yaw=90),
        "far right": GoalPose(x=x1 * 0.8, y=y0 * 0.6, z=z, yaw=-30),
        "on face 2": GoalPose(x=x, y=y0 * 0.4, z=z, face=2, yaw=20),
        "centre": GoalPose(x=x, y=y, z=z),
        "edge": GoalPose(x=x1, y=y1, z=z, yaw=45),
    }


def random_poses(task: Task, count: int, seed: int) -> list[GoalPose]:
    """Flat goals spread over the area of a task with any yaw, face as it stands at the start."""
    rng = np.random.default_rng(seed)
    (x0, x1), (y0, y1) = task.area_x_m, task.area_y_m
    return [
        GoalPose(
            x=round(1000 * float(rng.uniform(x0, x1))), y=round(1000 * float(rng.uniform(y0, y1))),
            z=1000 * task.object_rest_height_m, yaw=round(float(rng.uniform(-180, 180))),
        )
        for _ in range(count)
    ]  # fmt: skip


def field_range(task: Task, name: str) -> tuple[float, float]:
    """Allowed values of a field in its own unit (mm or degrees)."""
    rest_mm = task.object_rest_height_m * 1000
    ranges = {
        "x": (task.area_x_m[0] * 1000, task.area_x_m[1] * 1000),
        "y": (task.area_y_m[0] * 1000, task.area_y_m[1] * 1000),
        "z": (rest_mm, rest_mm + HEIGHT_SPAN_MM),
        "yaw": (-180.0, 180.0),
        "pitch": (-90.0, 90.0),
        "roll": (-180.0, 180.0),
    }
    return ranges[name]


def field_problem(task: Task, name: str, value: float) -> str:
    """`x 640 mm: allowed −60 to 100`, or an empty text."""
    low, high = field_range(task, name)
    if low - 1e-6 <= value <= high + 1e-6:
        return ""
    unit = " mm" if name in "xyz" else "°"
    return f"{name} {_number(value)}{unit}: allowed {_number(low)} to {_number(high)}{unit if unit == '°' else ''}"


def pose_problems(task: Task, pose: GoalPose) -> dict[str, str]:
    """Fields that are out of range, with the sentence for each."""
    found = {name: field_problem(task, name, getattr(pose, name)) for name in FIELDS}
    return {name: problem for name, problem in found.items() if problem}


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _angles(matrix: FloatArray) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of Rz(yaw) Ry(pitch) Rx(roll)."""
    pitch = float(np.arcsin(np.clip(-matrix[2, 0], -1.0, 1.0)))
    yaw = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    roll = float(np.arctan2(matrix[2, 1], matrix[2, 2]))
    return tuple(round(float(np.degrees(angle)), 2) + 0.0 for angle in (yaw, pitch, roll))  # type: ignore[return-value]


def _face_matrix(face: int) -> FloatArray:
    """The turn that brings face 1..6 (+x −x +y −y +z −z of the box) to the top."""
    half = np.pi / 2
    turns = {1: ("y", -half), 2: ("y", half), 3: ("x", half), 4: ("x", -half), 5: ("x", 0.0), 6: ("x", np.pi)}
    return np.round(_turn(*turns[face]), 12)


def _turn(axis: str, angle_rad: float) -> FloatArray:
    c, s = float(np.cos(angle_rad)), float(np.sin(angle_rad))
    rows = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(rows[axis], dtype=np.float64)
