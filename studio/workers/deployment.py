"""What planner and policy share: a bundle that fits the robot, the session's state, the goal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.camera_calibration import find_camera, require_placement
from studio.core.config import apply_settings
from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray
from studio.core.observation import StateReader, check_goal
from studio.core.task import Goal, Task, load_task
from studio.ipc.messages import Message
from studio.ipc.session import SessionFolder
from studio.learning.bundle import check_fits_robot, load_bundle
from studio.learning.imagination import LearnedActor, make_learned_actor
from studio.learning.skill_model import SkillModel, make_skill_model
from studio.learning.value import LearnedValue, make_learned_value
from studio.planning.config import PlannerConfig, planner_preset
from studio.robot.description import Robot, load_robot
from studio.workers.tap import StateTap, Tap

STALE_STATE_NS = 100_000_000  # older than this, the arms are not moved by it


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A loaded bundle and how it was asked for."""

    path: Path
    model: SkillModel
    robot: Robot
    value: LearnedValue | None
    actor: LearnedActor | None
    pose_stream: str
    values: dict[str, Any]


def load_deployment(values: dict[str, Any], config: dict[str, Any]) -> Deployment:
    """The bundle of a `deploy` message, checked against the session's robot and task.

    Raises:
        ConfigError, DataError: no bundle named, damaged, or trained for another robot.
    """
    if not values.get("bundle"):
        raise ConfigError("Deploy: no bundle was named. Pick a trained bundle first.")
    path = Path(str(values["bundle"]))
    bundle = load_bundle(path)
    task = load_task(str(config.get("task", "move_box")))
    robot = load_robot(str(config.get("robot", task.robot)))
    require_sight(robot)
    check_fits_robot(bundle.info, robot.name, task.state_size, where=f"Bundle {path.name}")
    model = make_skill_model(bundle, prior=values.get("prior"))
    return Deployment(
        path=path,
        model=model,
        robot=robot,
        value=make_learned_value(bundle, model),
        actor=make_learned_actor(bundle, model),
        pose_stream=_choose_stream(values, bundle.info, robot),
        values=values,
    )


def require_sight(robot: Robot) -> None:
    """Real arms are moved to a goal only by a camera whose place in the world is known.

    Raises:
        ConfigError: it is not; the text says what to do.
    """
    if robot.buses:
        camera, device = ("top", "") if robot.camera is None else (robot.camera.name, robot.camera.device)
        require_placement(find_camera(robot.name, camera), camera, robot=robot.reference, device=device)


def _choose_stream(values: dict[str, Any], info: dict[str, Any], robot: Robot) -> str:
    """What was asked for, else what the bundle names; where there is no simulated world, what the camera sees."""
    if values.get("pose"):
        return f"object_pose.{values['pose']}"
    return "object_pose.tags" if robot.buses else pose_stream(info)


def pose_stream(info: dict[str, Any]) -> str:
    """The object pose stream that a bundle names; the world's when it names none."""
    names = [str(name) for name in info.get("streams", [])]
    return next((name for name in names if name.startswith("object_pose.")), "object_pose.world")


def make_settings(values: dict[str, Any]) -> PlannerConfig:
    """Planner settings of a `deploy` message: a preset, `key=value` changes, and `hold_after_windows` by itself."""
    changes = [str(value) for value in values.get("set", [])]
    if "hold_after_windows" in values:
        changes.append(f"hold_after_windows={float(values['hold_after_windows'])}")
    return apply_settings(planner_preset(str(values.get("preset", "default"))), changes)


class GoalTap:
    """The goal slot as a Goal; None while there is none."""

    def __init__(self, session: SessionFolder, task: Task) -> None:
        self._tap = Tap(session.slot_path("goal"))
        self._task = task

    def read(self) -> Goal | None:
        record = self._tap.read()
        if record is None or int(record["goal_id"]) == 0:
            return None
        goal = goal_from_record(record)
        check_goal(self._task, goal)
        return goal

    def close(self) -> None:
        self._tap.close()


def goal_from_record(record: np.ndarray) -> Goal:
    x, y, z = (float(value) for value in record["position_m"])
    qx, qy, qz, qw = (float(value) for value in record["orientation_xyzw"])
    return Goal(position_m=(x, y, z), orientation_xyzw=(qx, qy, qz, qw), goal_id=int(record["goal_id"]))


class Surroundings:
    """State and goal of the session for one deployed task."""

    def __init__(self, session: SessionFolder, deployment: Deployment) -> None:
        task = deployment.model.task
        self._state = StateTap(session, StateReader(task), deployment.pose_stream)
        self._goal = GoalTap(session, task)

    def state(self, now_ns: int) -> tuple[FloatArray, int] | None:
        """State [S] and its time, or None when there is none that is fresh."""
        found = self._state.read()
        return None if found is None or now_ns - found[1] > STALE_STATE_NS else found

    def goal(self) -> Goal | None:
        return self._goal.read()

    def close(self) -> None:
        self._state.close()
        self._goal.close()


def newest_deploy(messages: list[Message]) -> Message | None:
    """The last `deploy` among messages; older ones have been overtaken."""
    return next((message for message in reversed(messages) if message.name == "deploy"), None)
