"""A pilot that does not learn: the scripted hand with the object's pose and the goal, over the same control loop.

The hands' targets become joint targets as the leader arms would give them: a leader at rest lies where the springs of
hand and coupling balance, so this presses as hard as play does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from studio.core.geometry import FloatArray, matrix_to_quaternion
from studio.core.observation import StateReader, object_spans
from studio.core.task import Goal, Task
from studio.planning.executor import Motion, SkillOutcome
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics
from studio.sim.operator.goal import GoalOperator

_PARK_M = (-0.09, 0.23, 0.2)  # x, |y|, z of an idle hand


class ScriptedPilot:
    """Drives an episode with `GoalOperator`.

    Args:
        rate_hz: of `step`.
        window: ticks between two looks at whether the goal is reached.
    """

    def __init__(self, task: Task, robot: Robot, *, rate_hz: float, window: int) -> None:
        joints = StateReader(task).joints
        assert joints is not None, "a task for a robot has its joints in the state"
        self._task, self._joints, self._window, self._rate_hz = task, joints, window, rate_hz
        self._kinematics = Kinematics(robot)
        self._give = robot.hand_stiffness_nm_rad / (robot.hand_stiffness_nm_rad + robot.stiffness_nm_rad)
        side = np.sign(robot.arm_bases_m[:, 1])
        self._parks_m = np.stack([np.full(2, _PARK_M[0]), _PARK_M[1] * side, np.full(2, _PARK_M[2])], axis=1)
        self._operator: GoalOperator | None = None
        self._path, self._index, self._phase = np.zeros((0, 2, 3)), 0, 0
        self._hands_rad: FloatArray | None = None
        self.plan_latencies_s: list[float] = []
        self.outcomes: Sequence[SkillOutcome] = []

    @property
    def at_boundary(self) -> bool:
        return self._phase == 0

    @property
    def skill(self) -> FloatArray | None:
        """Never one."""
        return None

    def begin(self, goal: Goal, seed: int) -> None:
        """Another episode; nothing is remembered."""
        self._operator = GoalOperator(self._task, goal, self._parks_m, rate_hz=self._rate_hz, seed=seed)
        self._path, self._index, self._phase, self._hands_rad = np.zeros((0, 2, 3)), 0, 0, None

    def step(self, state: FloatArray, t_ns: int) -> Motion:
        """Joint targets for the next tick from the measured state [S]."""
        del t_ns
        assert self._operator is not None, "begin() comes before step()"
        self._phase = (self._phase + 1) % self._window
        here = np.asarray(state[self._joints], dtype=np.float64)
        if self._index >= len(self._path):
            self._look(state, here)
        hands_m, self._index = self._path[self._index], self._index + 1
        before = here if self._hands_rad is None else self._hands_rad
        self._hands_rad = self._kinematics.inverse(hands_m, before)
        velocity_rad_s = self._give * (self._hands_rad - before) * self._rate_hz
        return Motion(
            position_rad=here + self._give * (self._hands_rad - here), velocity_rad_s=velocity_rad_s, hold=False
        )

    def _look(self, state: FloatArray, here: FloatArray) -> None:
        assert self._operator is not None
        position, rotation = object_spans(self._task)
        hands_m = self._path[-1] if len(self._path) else self._kinematics.tip_positions(here)
        quaternion = matrix_to_quaternion(state[rotation].reshape(3, 3))
        self._path, self._index = self._operator.next_path(np.array(state[position]), quaternion, hands_m), 0

    def finish(self, state: FloatArray, t_ns: int) -> None:
        """No skill ran, so none ended."""

    def close(self) -> None:
        """Nothing is held."""
