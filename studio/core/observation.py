"""From records to the state vector of a task, and from states to errors against a goal. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from studio.core.errors import ConfigError, DataError
from studio.core.geometry import FloatArray, quaternion_to_matrix
from studio.core.task import Goal, Task


class StateReader:
    """Builds raw state vectors [S] from the newest record of each stream.

    Args:
        task: which fields make the state; a rotation field is a quaternion and becomes 9 numbers row-major.
        joint_field: the field that actions are added to.
    """

    def __init__(self, task: Task, *, joint_field: str = "follower_position_rad") -> None:
        self._task = task
        self._spans = [(block, task.span(block.name)) for block in task.state]
        self.joints = next((span for block, span in self._spans if block.field == joint_field), None)

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams that the state needs, each once; `object_pose` stands for the pose stream of the bundle."""
        return tuple(dict.fromkeys(block.stream for block, _ in self._spans))

    def read(self, records: Mapping[str, Any]) -> FloatArray:
        """State [S] from records (shape []) by stream name."""
        state = np.empty(self._task.state_size)
        for block, span in self._spans:
            if block.stream not in records:
                raise DataError(f"The state of task {self._task.name} needs stream {block.stream}, which is not there.")
            value = np.asarray(records[block.stream][block.field], dtype=np.float64)
            state[span] = quaternion_to_matrix(value).reshape(9) if block.kind == "rotation" else value.reshape(-1)
        return state


def object_spans(task: Task) -> tuple[slice, slice]:
    """Where the object's position and rotation lie in a state; ConfigError for a task that moves nothing."""
    kinds = {block.kind: task.span(block.name) for block in task.state}
    if "position" not in kinds or "rotation" not in kinds:
        raise ConfigError(f"Task {task.name} has no object pose, so there is no goal to reach. Pick another bundle.")
    return kinds["position"], kinds["rotation"]


def pose_errors(task: Task, states: FloatArray, goal: Goal) -> tuple[FloatArray, FloatArray]:
    """Distance in m and turn in rad [...] of states [..., S] from a goal; the turn is to the requested pose, not
    modulo symmetry (methods 1d)."""
    position, rotation = object_spans(task)
    distance_m = np.linalg.norm(states[..., position] - np.asarray(goal.position_m), axis=-1)
    trace = (states[..., rotation] * goal.matrix().reshape(9)).sum(-1)
    return distance_m, np.arccos(np.clip((trace - 1) / 2, -1.0, 1.0))


def is_reached(task: Task, distance_m: float, turn_rad: float, *, share: float = 1.0) -> bool:
    """Both errors below `share` of the task's tolerances (1.5 cm and 20 degrees for the box)."""
    near = distance_m < share * task.position_tolerance_m
    return bool(near and turn_rad < share * task.orientation_tolerance_rad)


def check_goal(task: Task, goal: Goal) -> None:
    """ConfigError unless the goal lies on the part of the table where goals are allowed and is a rotation."""
    x, y, z = goal.position_m
    for name, value, (low, high) in (("x", x, task.area_x_m), ("y", y, task.area_y_m)):
        if not low <= value <= high:
            raise ConfigError(
                f"Goal {goal.name or goal.goal_id}: {name} is {value:.3f} m; the table's goal area allows "
                f"{low:g} to {high:g} m. Move the goal."
            )
    if not abs(z - task.object_rest_height_m) <= 0.5:
        raise ConfigError(f"Goal {goal.name or goal.goal_id}: height is {z:.3f} m; allowed up to 0.5 m from the table.")
    length = float(np.linalg.norm(goal.orientation_xyzw))
    if not abs(length - 1) < 1e-3:
        raise ConfigError(f"Goal {goal.name or goal.goal_id}: its quaternion has length {length:.4g}; it must be 1.")
