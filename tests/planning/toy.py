"""A toy whose skills are known exactly: two joints carry an object over a plane; z is how far a skill carries it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from studio.core.geometry import FloatArray
from studio.core.records import RecordType, make_control_record, make_object_pose_record
from studio.core.task import Goal, StateBlock, Task

METRES_PER_RAD = 0.1
STEP_RAD = 0.25  # a full skill carries the object 2.5 cm along each axis
LEVEL = (0.0, 0.0, 0.0, 1.0)


def toy_task(joints: int = 2) -> Task:
    blocks = (
        StateBlock(name="joints", stream="control", field="follower_position_rad", size=joints),
        StateBlock(name="place", stream="object_pose", field="position_m", size=3, kind="position"),
        StateBlock(name="turn", stream="object_pose", field="orientation_xyzw", size=9, kind="rotation"),
    )
    return Task(
        name="toy",
        title="Toy",
        robot="toy",
        state=blocks,
        position_tolerance_m=0.015,
        orientation_tolerance_rad=0.35,
        object_size_m=0.1,
        object_rest_height_m=0.05,
        area_x_m=(-0.06, 0.10),
        area_y_m=(-0.12, 0.12),
        table_x_m=(-0.28, 0.34),
        table_y_m=(-0.34, 0.34),
    )


def toy_goal(x_m: float, y_m: float) -> Goal:
    return Goal(position_m=(x_m, y_m, 0.05), orientation_xyzw=LEVEL)


def toy_state(x_m: float = 0.0, y_m: float = 0.0) -> FloatArray:
    joints = np.array([x_m, y_m]) / METRES_PER_RAD
    return np.concatenate([joints, [x_m, y_m, 0.05], np.eye(3).reshape(9)])


class ToySkills:
    """The `Skills` protocol, exact; `seen` keeps the states that controls were decoded at."""

    skill_size = 2
    action_size = 4
    window = 10
    rate_hz = 100.0

    def __init__(self) -> None:
        self.task = toy_task()
        self.state_size = self.task.state_size
        self.starts = 0
        self.seen: list[Tensor] = []
        self.phases: list[int] = []

    def skill(self, u: Tensor, state: Tensor) -> Tensor:
        self.seen.append(state.clone())
        return u * STEP_RAD

    def predict(self, state: Tensor, z: Tensor) -> Tensor:
        ended = state.clone()
        ended[:, :2] += z
        ended[:, 2:4] += z * METRES_PER_RAD
        return ended

    def start_policy(self, state: Tensor) -> None:
        assert state.shape == (self.state_size,)
        self.starts += 1

    def act(self, state: Tensor, state_goal: Tensor, z: Tensor, phase: int) -> Tensor:
        self.phases.append(phase)
        left_s = (self.window - phase) / self.rate_hz
        return torch.cat([torch.zeros(2), (state_goal[:2] - state[:2]) / left_s])

    def tips(self, state: Tensor) -> Tensor:
        return state[:, None, 2:5]


class ToyRig:
    """The `Rig` protocol: joints follow the ramp exactly and carry the object with them."""

    def __init__(self) -> None:
        self.control_record: RecordType = make_control_record(joints=2, pairs=1, rate_hz=400.0)
        self._control = self.control_record.empty()[0]
        self._pose = make_object_pose_record("world", 400.0).empty()[0]
        self._joints = np.zeros(2)
        self._ticks = 0
        self.closed = False

    def reset(self, object_position_m: FloatArray, object_orientation_xyzw: FloatArray, seed: int) -> None:
        self._joints = np.asarray(object_position_m)[:2] / METRES_PER_RAD
        self._orientation = np.asarray(object_orientation_xyzw)
        self._ticks = 0

    def state(self) -> tuple[np.ndarray, np.ndarray]:
        self._control["t_ns"] = self._pose["t_ns"] = self._ticks * 2_500_000
        self._control["follower_position_rad"] = self._joints
        self._pose["position_m"] = [*(self._joints * METRES_PER_RAD), 0.05]
        self._pose["orientation_xyzw"] = self._orientation
        return self._control, self._pose

    def run(self, position_rad: FloatArray, velocity_rad_s: FloatArray, ticks: int) -> None:
        self._joints = position_rad + velocity_rad_s * ticks / 400.0
        self._ticks += ticks

    def object_lost(self) -> bool:
        return bool(np.abs(self._joints * METRES_PER_RAD).max() > 0.34)

    def close(self) -> None:
        self.closed = True
