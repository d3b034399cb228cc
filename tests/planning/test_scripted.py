"""The scripted controller: what it decides without physics, and that it reaches goals through the control loop."""

from __future__ import annotations

import numpy as np
import pytest

from studio.core.geometry import matrix_to_quaternion
from studio.core.task import Goal, load_task
from studio.evaluation.config import EvaluateConfig
from studio.evaluation.goals import make_cases, yaw_matrix
from studio.evaluation.reach import ReachEpisode, ReachSettings
from studio.planning.scripted import ScriptedPilot
from studio.robot.description import load_robot
from studio.sim.operator.goal import GoalOperator
from studio.workers.rig import make_rig

TASK = load_task("move_box")
ROBOT = load_robot(TASK.robot)
PARKS = np.array([[-0.09, 0.23, 0.2], [-0.09, -0.23, 0.2]])
LEVEL = np.eye(3)
ON_ITS_SIDE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def decide(rotation: np.ndarray, goal_rotation: np.ndarray, place: tuple[float, float], wanted: tuple[float, float]):
    quaternion = matrix_to_quaternion(goal_rotation)
    goal = Goal(position_m=(*wanted, 0.05), orientation_xyzw=tuple(float(q) for q in quaternion))
    operator = GoalOperator(TASK, goal, PARKS, rate_hz=100.0, seed=0)
    path = operator.next_path(np.array([*place, 0.05]), matrix_to_quaternion(rotation), PARKS)
    return operator, path


@pytest.mark.parametrize(
    ("rotation", "goal_rotation", "does"),
    [
        (LEVEL, LEVEL, "slide"),
        (LEVEL, yaw_matrix(0.6), "couple"),
        (LEVEL, ON_ITS_SIDE, "tip"),
        (LEVEL, np.diag([1.0, -1.0, -1.0]), "tip"),  # upside down takes two
        (yaw_matrix(0.1), LEVEL, "slide"),  # well within the tolerance
    ],
)
def test_the_face_comes_first_then_the_yaw_then_the_place(
    rotation: np.ndarray, goal_rotation: np.ndarray, does: str
) -> None:
    operator, path = decide(rotation, goal_rotation, (0.02, 0.0), (0.02, 0.06))
    assert operator.doing == does
    assert path.shape[1:] == (2, 3) and len(path) > 50
    assert np.abs(np.diff(path, axis=0)).max() < 0.03  # no jump: at most 3 m/s between ticks at 100 Hz


def test_a_box_that_strayed_is_fetched_and_one_in_the_air_is_left_alone() -> None:
    assert decide(LEVEL, LEVEL, (0.25, 0.0), (0.02, 0.0))[0].doing == "recover"
    goal = Goal(position_m=(0.02, 0.0, 0.05), orientation_xyzw=(0.0, 0.0, 0.0, 1.0))
    operator = GoalOperator(TASK, goal, PARKS, rate_hz=100.0, seed=0)
    operator.next_path(np.array([0.02, 0.0, 0.12]), np.array([0.0, 0.0, 0.0, 1.0]), PARKS)
    assert operator.doing == "retreat"


def test_hands_go_away_when_nothing_moved() -> None:
    goal = Goal(position_m=(0.02, 0.06, 0.05), orientation_xyzw=(0.0, 0.0, 0.0, 1.0))
    operator = GoalOperator(TASK, goal, PARKS, rate_hz=100.0, seed=0)
    done = []
    for _ in range(3):
        operator.next_path(np.array([0.02, 0.0, 0.05]), np.array([0.0, 0.0, 0.0, 1.0]), PARKS)
        done.append(operator.doing)
    assert done == ["slide", "retreat", "slide"]


def test_it_reaches_goals_through_the_control_loop() -> None:
    assert EvaluateConfig(bundle="x", planner="scripted").planner == "scripted"
    rig = make_rig(ROBOT, TASK)
    pilot = ScriptedPilot(TASK, ROBOT, rate_hz=100.0, window=20)
    episode = ReachEpisode(rig, TASK, policy_rate_hz=100.0, settings=ReachSettings(limit_s=15.0))
    results = [episode.run(case, pilot) for case in make_cases(TASK, "easy", 3, 100)[1:]]
    rig.close()
    assert [(result.success, result.lost) for result in results] == [(True, False)] * 2
    assert results[0].skills == 0 and results[0].predicted_error_m is None
