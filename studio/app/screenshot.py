"""Pictures of every screen, taken from the real window on a real simulated session, in both themes.

Names follow the design: `a-teleoperate-idle`, `b-teleoperate-contact`, `d-library`, …; light ones end with `-light`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from studio.app.shell.card import ErrorCard
from studio.app.shell.first_run import SCREEN as FIRST_RUN
from studio.app.start import StudioOptions, open_studio
from studio.app.visitor import VisitError, Visitor, close_window
from studio.app.widgets.scene3d import RobotView
from studio.app.window import StudioWindow
from studio.core.errors import StudioError
from studio.core.records import PairState
from studio.ipc.messages import Message
from studio.jobs.run import Run

SCREENS = (
    "a-teleoperate-idle", "b-teleoperate-contact", "d-library", "e-replay", "f-train", "g-skills", "h-goals",
    "i-deploy", "k-first-run", "l-command-palette", "m-plugin-error",
)  # fmt: skip

# The plugin of the design's picture m: it needs a package that is not there.
_BROKEN_MANIFEST = """id = "skill_map"
title = "Skill map"
version = "0.3.1"
api = 1
role = "train"
order = 30
author = "Lena Ortiz"
model = ""
"""
_BROKEN_PANEL = '"""Draws the skills of a bundle as a map."""\n\nimport umap\n'


@dataclass(frozen=True, kw_only=True)
class AlbumOptions:
    """What to take pictures of.

    Args:
        project: a project with some play in it.
        out: folder for the pictures.
        settings: settings file, so that the person's own are not touched.
        train_s: seconds of training before its picture and the deployment.
        seed: of the training.
        robot: name of the robot description, or its folder.
        say: one line of progress.
    """

    project: Path
    out: Path
    settings: Path
    train_s: float = 60.0
    seed: int = 1
    robot: str = "dual_arm_ak60"
    say: Callable[[str], None] = print


class Album:
    """One walk through the studio in one theme. A screen that does not come is kept in `failures`."""

    def __init__(self, options: AlbumOptions, theme: str) -> None:
        self.options, self.theme = options, theme
        self.pictures: list[Path] = []
        self.failures: list[str] = []
        self._window: StudioWindow | None = None
        self._run: Run | None = None

    @property
    def window(self) -> StudioWindow:
        assert self._window is not None
        return self._window

    def works(self) -> tuple[Callable[[], None], ...]:
        """The walk. Training comes first, on nothing but the play."""
        _write_broken_plugin(self.options.project / "plugins" / "skill_map")
        return (
            self._first_run,
            self._train,
            self._teleoperate,
            self._fault,
            self._review,
            self._skills,
            self._goals,
            self._deploy,
            self._broken,
        )

    def take(self) -> None:
        """Open the window, walk through every screen, close it."""
        options, works = self.options, self.works()
        self._window = open_studio(
            StudioOptions(project=options.project, settings=options.settings, theme=self.theme, robot=options.robot)
        )
        self._visitor = Visitor(self._window, self.options.out)
        self._window.resize(1440, 900)
        self._window.show()
        try:
            for work in works:
                self._try(work)
        finally:
            if self._run and self._run.status().active:
                self._run.cancel()
            close_window(self._window)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StudioError as error:
            self.failures.append(f"{work.__name__.strip('_')}, {self.theme}: {error}")
            self.options.say(f"failed: {error}")

    def _picture(self, name: str) -> None:
        ending = "" if self.theme == "dark" else f"-{self.theme}"
        path = self._visitor.picture(f"{name}{ending}")
        self.pictures.append(path)
        self.options.say(str(path))

    def _first_run(self) -> None:
        """As on the first start; the loop is running behind it."""
        visitor, studio = self._visitor, self.window.studio
        panel: Any = visitor.open(FIRST_RUN)
        visitor.wait("the control loop runs", lambda: studio.state.link.connected, 60.0)
        visitor.wait("all workers run", lambda: studio.state.link.workers_alive >= 4, 60.0)
        panel.view.finish_drawing()
        visitor.rest(1.0)
        self._picture("k-first-run")

    # Teleoperate

    def _teleoperate(self) -> None:
        visitor, studio = self._visitor, self.window.studio
        panel = visitor.open("teleop")
        visitor.wait("the control loop runs", lambda: studio.state.link.connected, 60.0)
        visitor.wait("all workers run", lambda: studio.state.link.workers_alive >= 4, 60.0)
        visitor.rest(10.5)  # until the curves are full
        self._picture("a-teleoperate-idle")
        self._engage()
        studio.recording.start()
        visitor.wait("a take is recorded", lambda: studio.state.recording.on, 60.0)
        self._press_box(view_of(panel), lambda: self._picture("b-teleoperate-contact"))
        studio.recording.stop()
        visitor.wait("the take is closed", lambda: not studio.state.recording.on, 60.0)
        studio.arms.hold()
        visitor.rest(0.5)

    def _fault(self) -> None:
        """The wire of one motor twin is cut while the arms are engaged, and mended afterwards."""
        visitor, studio = self._visitor, self.window.studio
        visitor.open("teleop")
        self._engage()
        visitor.rest(2.0)
        motor = studio.robot.joints + 2  # L3 of the follower
        try:
            studio.workers.send("control", Message(name="cut_wire", values={"motor": motor, "cut": True}))
            visitor.wait("the fault is shown", lambda: studio.state.link.worst is PairState.FAULT, 30.0)
            visitor.rest(2.5)
            self._picture("c-teleoperate-fault")
        finally:
            studio.workers.send("control", Message(name="cut_wire", values={"motor": motor, "cut": False}))
        studio.input.set_dead_man(False)
        visitor.rest(0.5)
        studio.arms.clear_fault()
        visitor.wait("the fault is cleared", lambda: studio.state.link.worst is not PairState.FAULT, 30.0)

    def _engage(self) -> None:
        visitor, studio = self._visitor, self.window.studio
        for _ in range(5):
            studio.arms.engage()
            try:
                visitor.wait("engaged", lambda: studio.state.link.worst is PairState.ENGAGED, 4.0)
            except VisitError:
                continue
            return
        raise VisitError("The arms did not engage within 20 s.")

    def _stay_engaged(self) -> None:
        """On a busy machine the window comes late and the arms hold; a person presses E then."""
        if self.window.studio.state.link.worst is not PairState.ENGAGED:
            self._engage()

    def _press_box(self, view: RobotView, held: Callable[[], None]) -> None:
        """Both hands beside the box, then the left one presses; `held` is called meanwhile."""
        pose = self.window.studio.streams.latest("object_pose.world")
        if pose is None:
            raise VisitError("The box has no pose: the world does not publish it.")
        centre = np.array(pose["position_m"])
        for pair, side in ((1, -1.0), (0, 1.0)):
            beside = centre + np.array([0.0, side * 0.13, 0.0])
            self._stay_engaged()
            self._visitor.drag_hand(view, pair, [beside + np.array([0, 0, 0.08]), beside])
        self._hold_hand(view, 0, centre + np.array([0.0, 0.035, 0.0]), held)

    def _hold_hand(self, view: RobotView, pair: int, place_m: np.ndarray, held: Callable[[], None]) -> None:
        target = view.canvas.surface
        start, end = view.to_pixel(view.hand_position_m(pair)), view.to_pixel(place_m)
        QTest.mousePress(target, Qt.MouseButton.LeftButton, pos=start.toPoint())
        try:
            for step in range(1, 41):
                QTest.mouseMove(target, (start + (end - start) * (step / 40)).toPoint())
                self._visitor.rest(0.04)
                self._stay_engaged()
            for _ in range(5):
                self._stay_engaged()
                self._visitor.rest(0.6)
                if self.window.studio.state.link.worst is PairState.ENGAGED:
                    break
            held()
        finally:
            QTest.mouseRelease(target, Qt.MouseButton.LeftButton, pos=end.toPoint())

    # Review

    def _review(self) -> None:
        visitor, window = self._visitor, self.window
        dataset = window.studio.project.dataset_path
        episodes = [str(path.parent) for path in sorted(dataset.glob("*/*/episode.json"))]
        if not episodes:
            raise VisitError("The project has no episode to replay.")
        visitor.open("library")
        library = window.host.load("library")
        visitor.wait("facts of all episodes", lambda: library.shown and all(e.facts for e in library.shown), 60.0)
        library.select(episodes[:2])
        visitor.rest(0.5)
        self._picture("d-library")
        visitor.open("replay", episode=episodes[0])
        replay = window.host.load("replay")
        visitor.wait("the take", lambda: replay.take is not None, 60.0)
        self._label(replay)
        visitor.rest(1.0)
        self._picture("e-replay")

    def _label(self, replay: Any) -> None:
        """By keys: each digit starts a label and ends it; the second one is chosen at the end."""
        visitor = self._visitor
        digits = (Qt.Key.Key_1, Qt.Key.Key_5, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_4)
        if not replay.notes.labels:
            for digit, pause in zip(digits, (2, 1, 2, 2, 3), strict=True):
                for _ in range(pause):
                    visitor.key(Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
                visitor.key(digit)
                for _ in range(8):
                    visitor.key(Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
                visitor.key(digit)
            visitor.key(Qt.Key.Key_M)
            visitor.wait("five labels", lambda: len(replay.notes.labels) == 5 and replay.notes.marks, 20.0)
        replay.seek(replay.seconds(replay.notes.labels[2].start_ns) + 4.2)
        replay.select(replay.notes.labels[2].id)

    # Train and plan

    def _train(self) -> None:
        options, studio, visitor = self.options, self.window.studio, self._visitor
        visitor.open("training")
        bundle = studio.project.folder("bundles") / f"box-play-{self.theme}"
        half_s = options.train_s / 2
        self._run = studio.jobs.start("train", {
            "method": "haptic_play", "dataset": str(studio.project.dataset_path.resolve()), "preset": "small",
            "bundle": str(bundle.resolve()), "seed": options.seed, "title": bundle.name,
            "set": [f"stage_1.seconds={half_s}", f"chains.seconds={half_s / 2}", f"stage_2.seconds={half_s / 2}",
                    "value.seconds=10"],
        })  # fmt: skip
        run = self._run
        middle_s = time.monotonic() + 0.7 * options.train_s
        visitor.wait("training runs", lambda: time.monotonic() > middle_s or not run.status().active, options.train_s)
        self._picture("f-train")
        visitor.wait("training ends", lambda: not run.status().active, 2 * options.train_s + 180)
        if run.status().state != "done":
            raise VisitError(f"Training ended as {run.status().state}: {run.status().message}")

    def _skills(self) -> None:
        """Eight skills; one is done once, so that what happened lies over what was predicted, then sampled again."""
        visitor = self._visitor
        model: Any = self.window.host.load("skills")
        visitor.open("skills")
        visitor.wait("eight skills", lambda: len(model.skills) == 8, 60.0)
        visitor.key(Qt.Key.Key_4)
        for _ in range(4):
            if model.executions:
                break
            visitor.key(Qt.Key.Key_Return)
            visitor.wait("the skill has ended", lambda: model.doing is None, 60.0)
        visitor.rest(1.0)
        self._picture("g-skills")

    def _goals(self) -> None:
        visitor = self._visitor
        panel = visitor.open("goals")
        model: Any = self.window.host.load("goals")
        if not model.library:
            model.add_examples()
        visitor.wait("the film of an episode", lambda: model.desk.film is not None, 30.0)
        visitor.click_table(view_of(panel), np.array([0.07, -0.05, 0.0]))
        for _ in range(4):
            visitor.key(Qt.Key.Key_Comma)  # 20° to the left
        visitor.rest(1.5)
        self._picture("h-goals")

    def _deploy(self) -> None:
        visitor, studio = self._visitor, self.window.studio
        panel = visitor.open("goals")
        visitor.click(visitor.button(panel, "Go there"))
        if studio.state.screen != "deploy":
            raise VisitError("Go there did not open Deploy.")
        plans = studio.streams.follow("plan")
        seen = [0]

        def planned() -> bool:
            records = plans.read()
            seen[0] += 0 if records is None else len(records)
            return seen[0] >= 40

        visitor.wait("forty plans", planned, 90.0)
        self._picture("i-deploy")
        self.window.open_palette("goal")
        visitor.rest(0.6)
        self._picture("l-command-palette")
        self.window.press_escape()
        visitor.rest(0.5)

    def _broken(self) -> None:
        panel = self._visitor.open("skill_map")
        if not isinstance(panel, ErrorCard):
            raise VisitError("The broken plugin opened; the package umap seems to be installed here.")
        panel.unfold()
        self._visitor.rest(0.3)
        self._picture("m-plugin-error")


def view_of(panel: QWidget) -> RobotView:
    """The panel's 3-D view.

    Raises:
        VisitError: it has none.
    """
    view: Any = panel.findChild(RobotView)
    if view is None or not view.works:
        raise VisitError("There is no 3-D view on this screen. Install OpenGL (on Debian: libgl1-mesa-dri).")
    return view


def _write_broken_plugin(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plugin.toml").write_text(_BROKEN_MANIFEST, encoding="utf-8")
    (folder / "panel.py").write_text(_BROKEN_PANEL, encoding="utf-8")
