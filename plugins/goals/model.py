"""Goals without Qt: the pose being edited, its checks, the library and where it goes from here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from psygnal import Signal

from plugins.goals.coverage import play_positions
from plugins.goals.film_desk import FilmDesk
from plugins.goals.library import GoalLibrary
from plugins.goals.pose import GoalPose, example_poses, field_range, pose_from_world, pose_problems, random_poses
from studio.app.api import Loader, StudioApi
from studio.core.errors import StudioError
from studio.core.task import Goal
from studio.data.goal_file import KeptGoal

STEP_MM, FINE_MM, TURN_DEG = 5.0, 1.0, 5.0
COVERED_M = 0.03
RANDOM_GOALS = 20
_MOVES = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "away": (0.0, 1.0), "near": (0.0, -1.0)}  # to the right, away


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

    def __init__(self, studio: StudioApi) -> None:
        self.studio = studio
        self.pose = GoalPose(x=60.0, y=-80.0, z=studio.task.object_rest_height_m * 1000)
        self.goals = GoalLibrary(studio)
        self.away = (1.0, 0.0)  # which of the table's x and y lies away from the person in the view
        self._play_m: np.ndarray | None = None
        self._reading = False
        self._undone: list[GoalPose] = []
        self._done: list[GoalPose] = []
        self._loader = Loader("goals")
        self.desk = FilmDesk(studio, self._loader)
        self.desk.taken.connect(self.take_pose)
        self._bind()
        self.read_library()

    def _bind(self) -> None:
        bind = self.studio.commands.bind
        bind("goals.go", self.go, blocked=self.blocked_go)
        bind("goals.go_all", self.go_all, blocked=lambda: "" if self.library else "the library is empty")
        bind("goals.hold", self.studio.arms.hold, blocked=self.studio.arms.blocked_hold)
        bind("goals.keep", self.keep, blocked=self.blocked_go)
        bind("goals.box_here", self.take_box, blocked=lambda: "" if self.box() is not None else "the box is not seen")
        bind("goals.camera", self.desk.take_camera)
        bind("goals.try_all", self.try_all, blocked=self._blocked_try)
        bind("goals.random", self.add_random)
        for name, (x, y) in _MOVES.items():
            bind(f"goals.{name}", self._mover(x * STEP_MM, y * STEP_MM))
            bind(f"goals.{name}_fine", self._mover(x * FINE_MM, y * FINE_MM))
        bind("goals.higher", lambda: self.set_pose(self.pose.moved(z=STEP_MM)))
        bind("goals.lower", lambda: self.set_pose(self.pose.moved(z=-STEP_MM)))
        bind("goals.turn_left", lambda: self.set_pose(self.pose.moved(yaw=TURN_DEG)))
        bind("goals.turn_right", lambda: self.set_pose(self.pose.moved(yaw=-TURN_DEG)))
        for face in range(1, 7):
            bind(f"goals.face_{face}", self._facer(face))

    def _mover(self, right_mm: float, away_mm: float) -> Any:
        def move() -> None:
            x, y = self.away
            self.set_pose(self.pose.moved(x=away_mm * x + right_mm * y, y=away_mm * y - right_mm * x))

        return move

    def look_along(self, forward: np.ndarray) -> None:
        """Arrow keys go where the view shows them: the table's axis nearest to the view's direction is away."""
        x, y = float(forward[0]), float(forward[1])
        self.away = (float(np.sign(x)), 0.0) if abs(x) >= abs(y) else (0.0, float(np.sign(y)))

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

    def take_pose(self, position_m: np.ndarray, orientation_xyzw: np.ndarray) -> None:
        """The pose of the box in a picture."""
        self.set_pose(pose_from_world(position_m, orientation_xyzw))

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
            self.desk.read()

    def poll(self, now_s: float) -> None:
        try:
            for key, result in self._loader.poll():
                if key == "play":
                    self._play_m, self._reading = (result if len(result) else None), False
                    self.checks_changed.emit()
                else:
                    self.desk.take_result(key, result)
        except StudioError as error:
            self._reading = False
            self.studio.notices.error(error)

    # ---- the library ---------------------------------------------------------------------------------------------

    @property
    def library(self) -> list[KeptGoal]:
        """The goals of the library that is shown."""
        return self.goals.shown

    def read_library(self) -> None:
        self.goals.read()
        self.library_changed.emit()

    def choose_library(self, name: str) -> None:
        self.goals.choose(name)
        self.library_changed.emit()

    def keep(self) -> None:
        """Keep the pose under the next free name."""
        self._keep({self.goals.free_name(): self.pose})

    def add_examples(self) -> None:
        """Six goals inside the task's area."""
        self._keep(example_poses(self.studio.task))

    def add_random(self) -> None:
        """Twenty goals spread over the task's area, as a library of their own."""
        seed = 1
        while f"random {seed}" in self.goals.names:
            seed += 1
        self.goals.choose(f"random {seed}")
        poses = random_poses(self.studio.task, RANDOM_GOALS, seed)
        self._keep({f"random {seed} {index}": pose for index, pose in enumerate(poses, start=1)})

    def _keep(self, poses: dict[str, GoalPose]) -> None:
        self.goals.keep([
            KeptGoal(name=name, position_m=pose.position_m(), orientation_xyzw=pose.orientation_xyzw())
            for name, pose in poses.items()
        ])  # fmt: skip
        self.library_changed.emit()

    def choose(self, kept: KeptGoal) -> None:
        self.take_pose(np.array(kept.position_m), np.array(kept.orientation_xyzw))

    def drop(self, kept: KeptGoal) -> None:
        """Into the project's trash."""
        self.goals.drop(kept)
        self.library_changed.emit()

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

    def _blocked_try(self) -> str:
        if not self.library:
            return "the library is empty"
        self.studio.bundles.read()
        return "" if self.studio.bundles.bundle else "train skills first: there is no bundle"

    def try_all(self) -> None:
        """The library in the simulator, in the background: the same job as `evaluate --goals-file`."""
        bundle, file = self.studio.bundles.bundle, self.goals.export()
        if bundle is None or file is None:
            return
        title = f"{bundle.name}: {self.goals.name or 'all goals'}"
        spec = {
            "title": title,
            "bundle": str(bundle.path.resolve()),
            "goals_file": str(file.resolve()),
            "keep_episodes": True,
        }
        try:
            self.studio.jobs.start("evaluate", spec)
        except (StudioError, OSError) as error:
            self.studio.notices.error(error)
            return
        count = len(self.library)
        self.studio.notices.info(
            f"{count} goals are tried in the simulator, in the background; the library shows each."
        )

    def _name(self) -> str:
        position = np.array(self.pose.position_m())
        for kept in self.library:
            same_turn = abs(float(np.dot(kept.orientation_xyzw, self.pose.orientation_xyzw()))) > 0.99999
            if same_turn and np.linalg.norm(position - kept.position_m) < 1e-3:
                return kept.name
        return ""

    def close(self) -> None:
        self._loader.close()


def make_model(studio: StudioApi) -> GoalsModel:
    return GoalsModel(studio)
