"""Goals without Qt: the pose being edited, its checks, the library and where it goes from here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from plugins.goals.coverage import Strip, play_positions, read_strip
from plugins.goals.pose import GoalPose, field_range, pose_from_world, pose_problems
from studio.app.api import StudioApi
from studio.app.loader import Loader
from studio.core.errors import StudioError
from studio.core.task import Goal
from studio.data.goal_file import KeptGoal, goal_path, load_kept_goal, save_kept_goal

STEP_MM, FINE_MM, TURN_DEG = 5.0, 1.0, 5.0
COVERED_M = 0.03
# keys move the goal as the front view shows it: right is −y … left of the picture is +y of the far side
_MOVES = {"left": (0.0, -1.0), "right": (0.0, 1.0), "away": (-1.0, 0.0), "near": (1.0, 0.0)}


@dataclass(frozen=True)
class GoalCheck:
    """One line under the fields: good, fair (may go on) or poor."""

    words: str
    verdict: str


class GoalsModel:
    """The goal being set up. Nothing is sent to the robot before *Go there*."""

    pose_changed = Signal()
    library_changed = Signal()
    checks_changed = Signal()
    strip_changed = Signal()

    def __init__(self, studio: StudioApi) -> None:
        self.studio = studio
        self.pose = GoalPose(x=60.0, y=-80.0, z=studio.task.object_rest_height_m * 1000)
        self.library: list[KeptGoal] = []
        self.strip: Strip | None = None
        self._play_m: np.ndarray | None = None
        self._reading = False
        self._undone: list[GoalPose] = []
        self._done: list[GoalPose] = []
        self._loader = Loader("goals")
        self._bind()
        self.read_library()

    def _bind(self) -> None:
        bind = self.studio.commands.bind
        bind("goals.go", self.go, blocked=self.blocked_go)
        bind("goals.go_all", self.go_all, blocked=lambda: "" if self.library else "the library is empty")
        bind("goals.hold", self.studio.arms.hold, blocked=self.studio.arms.blocked_hold)
        bind("goals.keep", self.keep, blocked=self.blocked_go)
        bind("goals.box_here", self.take_box, blocked=lambda: "" if self.box() is not None else "the box is not seen")
        for name, (x, y) in _MOVES.items():
            bind(f"goals.{name}", self._mover(x * STEP_MM, y * STEP_MM))
            bind(f"goals.{name}_fine", self._mover(x * FINE_MM, y * FINE_MM))
        bind("goals.higher", lambda: self.set_pose(self.pose.moved(z=STEP_MM)))
        bind("goals.lower", lambda: self.set_pose(self.pose.moved(z=-STEP_MM)))
        bind("goals.turn_left", lambda: self.set_pose(self.pose.moved(yaw=TURN_DEG)))
        bind("goals.turn_right", lambda: self.set_pose(self.pose.moved(yaw=-TURN_DEG)))
        for face in range(1, 7):
            bind(f"goals.face_{face}", self._facer(face))

    def _mover(self, x_mm: float, y_mm: float) -> Any:
        return lambda: self.set_pose(self.pose.moved(x=x_mm, y=y_mm))

    def _facer(self, face: int) -> Any:
        return lambda: self.set_face(face)

    # ---- the pose ------------------------------------------------------------------------------------------------

    def set_pose(self, pose: GoalPose, *, remember: bool = True) -> None:
        """Another pose; `remember` False while dragging, so that one drag is one undo."""
        if pose == self.pose:
            return
        if remember:
            self._done, self._undone = [*self._done[-99:], self.pose], []
        self.pose = pose
        self.pose_changed.emit()

    def begin_drag(self) -> None:
        self._done, self._undone = [*self._done[-99:], self.pose], []

    def place(self, place_m: np.ndarray) -> None:
        """A click on the table: the goal stands there."""
        x_mm, y_mm = (round(float(v) * 1000) for v in place_m[:2])
        self.set_pose(replace(self.pose, x=x_mm, y=y_mm))

    def drag(self, place_m: np.ndarray, turn_rad: float) -> None:
        x_mm, y_mm = (round(float(v) * 1000) for v in place_m[:2])
        moved = replace(self.pose, x=x_mm, y=y_mm)
        self.set_pose(moved.moved(yaw=float(np.degrees(turn_rad))), remember=False)

    def set_face(self, face: int) -> None:
        self.set_pose(self.pose.with_face(face, self.studio.task.object_rest_height_m * 1000))

    def take_box(self) -> None:
        """The goal is where the box is now."""
        box = self.box()
        if box is not None:
            self.set_pose(pose_from_world(box["position_m"], box["orientation_xyzw"]))

    def undo(self) -> None:
        if self._done:
            self._undone.append(self.pose)
            self.pose = self._done.pop()
            self.pose_changed.emit()

    def redo(self) -> None:
        if self._undone:
            self._done.append(self.pose)
            self.pose = self._undone.pop()
            self.pose_changed.emit()

    def problems(self) -> dict[str, str]:
        return pose_problems(self.studio.task, self.pose)

    def goal(self) -> Goal:
        return Goal(position_m=self.pose.position_m(), orientation_xyzw=self.pose.orientation_xyzw())

    def box(self) -> np.ndarray | None:
        return self.studio.streams.latest("object_pose.world")

    def range_words(self, name: str) -> str:
        low, high = field_range(self.studio.task, name)
        return f"{low:g} to {high:g}".replace("-", "−")

    def checks(self) -> list[GoalCheck]:
        """Reach, and how well play covers the place."""
        return [self._reach(), self._coverage()]

    def _reach(self) -> GoalCheck:
        if self.problems():
            return GoalCheck(next(iter(self.problems().values())), "poor")
        robot = self.studio.robot
        longest_m = sum(robot.link_lengths_m) - 0.02
        place = np.array(self.pose.position_m())
        near = np.linalg.norm(robot.arm_bases_m - place, axis=-1) < longest_m
        on_table = abs(self.pose.z - self.studio.task.object_rest_height_m * 1000) < 5
        where = "On the table" if on_table else "In the air"
        if near.all():
            return GoalCheck(f"{where}, inside both arms’ reach", "good" if on_table else "fair")
        return GoalCheck(
            f"{where}, reached by {'one arm' if near.any() else 'no arm'}", "fair" if near.any() else "poor"
        )

    def _coverage(self) -> GoalCheck:
        if self._play_m is None:
            return GoalCheck("Reading the play" if self._reading else "No play to compare with", "fair")
        place = np.array(self.pose.position_m())
        count = int((np.linalg.norm(self._play_m - place, axis=-1) < COVERED_M).sum())
        words = f"{'Seen' if count else 'Never seen'} in play: {count} box poses within {COVERED_M * 1000:.0f} mm"
        return GoalCheck(words, "good" if count >= 10 else "fair")

    # ---- play and pictures ---------------------------------------------------------------------------------------

    def read_play(self) -> None:
        """Where the box was, and pictures of the last episode; read beside the window."""
        if not self._reading:
            self._reading = True
            self._loader.ask("play", play_positions, self.studio.project.dataset_path)
            self._loader.ask("strip", read_strip, self.studio.project.dataset_path)

    def poll(self, now_s: float) -> None:
        try:
            for key, result in self._loader.poll():
                if key == "play":
                    self._play_m, self._reading = (result if len(result) else None), False
                    self.checks_changed.emit()
                else:
                    self.strip = result
                    self.strip_changed.emit()
        except StudioError as error:
            self._reading = False
            self.studio.notices.error(error)

    # ---- the library ---------------------------------------------------------------------------------------------

    def read_library(self) -> None:
        self.library = []
        for path in self.studio.project.goal_files():
            try:
                self.library.append(load_kept_goal(path))
            except StudioError as error:
                self.studio.notices.error(error)
        self.library_changed.emit()

    def keep(self) -> None:
        """Keep the pose under the next free name."""
        folder = self.studio.project.folder("goals")
        number = 1
        while goal_path(folder, f"goal {number}").exists():
            number += 1
        self._save(folder, KeptGoal(
            name=f"goal {number}", position_m=self.pose.position_m(), orientation_xyzw=self.pose.orientation_xyzw()
        ))  # fmt: skip

    def add_examples(self) -> None:
        """Six goals inside the task's area."""
        folder = self.studio.project.folder("goals")
        for name, pose in example_poses(self.studio.task).items():
            self._save(
                folder, KeptGoal(name=name, position_m=pose.position_m(), orientation_xyzw=pose.orientation_xyzw())
            )

    def _save(self, folder: Path, kept: KeptGoal) -> None:
        try:
            save_kept_goal(folder, kept)
        except OSError as error:
            self.studio.notices.add("fault", f"The goal was not kept: {folder} cannot be written.", detail=str(error))
        self.read_library()

    def choose(self, kept: KeptGoal) -> None:
        self.set_pose(pose_from_world(np.array(kept.position_m), np.array(kept.orientation_xyzw)))

    def drop(self, kept: KeptGoal) -> None:
        """Into the project's trash."""
        path = goal_path(self.studio.project.folder("goals"), kept.name)
        if path.exists():
            self.studio.project.trash(path)
        self.read_library()

    # ---- onwards -------------------------------------------------------------------------------------------------

    def blocked_go(self) -> str:
        return next(iter(self.problems().values()), "")

    def go(self) -> None:
        """Make this the goal and open Deploy."""
        self.studio.goal.set(self.pose.position_m(), self.pose.orientation_xyzw(), self._name())
        self.studio.navigate("deploy", start=True)

    def go_all(self) -> None:
        """Every goal of the library, one after the other."""
        self.studio.navigate("deploy", goals=[kept.name for kept in self.library])

    def _name(self) -> str:
        position = np.array(self.pose.position_m())
        for kept in self.library:
            same_turn = abs(float(np.dot(kept.orientation_xyzw, self.pose.orientation_xyzw()))) > 0.99999
            if same_turn and np.linalg.norm(position - kept.position_m) < 1e-3:
                return kept.name
        return ""

    def close(self) -> None:
        self._loader.close()


def example_poses(task: Any) -> dict[str, GoalPose]:
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


def make_model(studio: StudioApi) -> GoalsModel:
    return GoalsModel(studio)
