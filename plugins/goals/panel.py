"""The goals screen: the goal in 3-D, its fields, checks and library, and the pictures a goal can be taken from."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from plugins.goals.film_view import FilmPanel
from plugins.goals.library import ALL
from plugins.goals.model import RANDOM_GOALS, GoalsModel
from plugins.goals.parts import CheckRow, GoalCard, PoseField
from plugins.goals.pose import FIELDS
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property
from studio.app.widgets.control import make_heading, make_line
from studio.app.widgets.scene_screen import SIDE_PX, SceneScreen, Steps, command_button, in_steps, sync_button
from studio.app.widgets.scroll import PageScroll


class GoalsPanel(SceneScreen):
    below: FilmPanel

    def __init__(self, studio: StudioApi, model: GoalsModel) -> None:
        super().__init__(studio)
        self.model = model
        self._pace, self._film_pace = Pace(30), Pace(10)

    # ---- construction --------------------------------------------------------------------------------------------

    def make_below(self) -> Steps:
        film = FilmPanel(self.model.desk)
        yield
        return film

    def make_side(self) -> Steps:
        side = QFrame()
        side.setProperty("frame", "panel")
        side.setFixedWidth(SIDE_PX)
        column = QVBoxLayout(side)
        column.setContentsMargins(16, 12, 16, 16)
        column.setSpacing(10)
        column.addWidget(make_heading("Goal for the box", role="title")[0])
        column.addLayout(self._make_fields())
        yield
        column.addLayout(self._make_faces())
        column.addLayout(self._make_tolerance())
        yield
        self.checks = [CheckRow(), CheckRow()]
        for check in self.checks:
            column.addWidget(check)
        studio = self.studio
        self.go = command_button(studio, "goals.go", "Go there", "Enter", kind="primary", icon="deploy")
        column.addWidget(self.go)
        column.addWidget(command_button(studio, "goals.keep", "Keep in library", "K", icon="plus"))
        column.addSpacing(4)
        column.addWidget(make_line())
        yield
        self._add_library(column)
        self.go_all = command_button(studio, "goals.go_all", "Run all goals", "Shift Enter", kind="main", icon="play")
        column.addWidget(self.go_all)
        return side

    def _make_fields(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        self.fields: dict[str, PoseField] = {}
        for index, name in enumerate(FIELDS):
            field = PoseField(name, "mm" if name in "xyz" else "°")
            field.edited.connect(self._edit)
            field.setToolTip(f"{name}: {self.model.range_words(name)}")
            grid.addWidget(field, index // 3, index % 3)
            self.fields[name] = field
        return grid

    def _make_faces(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        label = QLabel("Face up")
        set_property(label, "tone", "2")
        row.addWidget(label)
        row.addStretch(1)
        self.faces: list[QPushButton] = []
        for face in range(1, 7):
            button = QPushButton(str(face))
            button.setCheckable(True)
            button.setFixedWidth(34)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, chosen=face: self._choose_face(chosen))
            self.faces.append(button)
            row.addWidget(button)
        return row

    def _make_tolerance(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        label = QLabel("Tolerance")
        set_property(label, "tone", "2")
        task = self.studio.task
        row.addWidget(label)
        row.addStretch(1)
        degrees = np.degrees(task.orientation_tolerance_rad)
        for words in (f"{task.position_tolerance_m * 1000:.0f} mm", f"{degrees:.0f} °"):
            shown = QLineEdit(words)
            shown.setReadOnly(True)
            shown.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            shown.setFixedWidth(92)
            shown.setToolTip("Set by the task")
            row.addWidget(shown)
        return row

    def _add_library(self, column: QVBoxLayout) -> None:
        column.addLayout(self._make_library_head())
        self.cards = QWidget()
        self.grid = QGridLayout(self.cards)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setSpacing(8)
        self.grid.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        column.addWidget(PageScroll(self.cards, clear=True), 1)
        links = QHBoxLayout()
        self.empty = self._link("Six examples", self.model.add_examples)
        self.random = self._link("20 random goals", lambda: self.studio.commands.run("goals.random"))
        self.try_all = self._link("Try all in simulation", lambda: self.studio.commands.run("goals.try_all"))
        for link in (self.empty, self.random, self.try_all):
            links.addWidget(link)
        links.addStretch(1)
        column.addLayout(links)

    def _make_library_head(self) -> QHBoxLayout:
        """Which library: one of the kept ones, or a new one by typing its name."""
        row = QHBoxLayout()
        row.setSpacing(8)
        label = QLabel("Library")
        set_property(label, "type", "strong")
        self.libraries = QComboBox()
        self.libraries.setEditable(True)
        self.libraries.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.libraries.setAccessibleName("Library")
        self.libraries.setToolTip("Choose a library, or type a name to begin a new one")
        self.libraries.setFixedWidth(150)
        self.libraries.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.libraries.textActivated.connect(self._choose_library)
        line = self.libraries.lineEdit()
        if line is not None:
            line.returnPressed.connect(lambda: self._choose_library(self.libraries.currentText()))
        self.library_note = QLabel("")
        set_property(self.library_note, "type", "small")
        set_property(self.library_note, "tone", "2")
        row.addWidget(label)
        row.addWidget(self.libraries)
        row.addStretch(1)
        row.addWidget(self.library_note)
        return row

    def _link(self, text: str, call: Callable[[], None]) -> QPushButton:
        link = QPushButton(text)
        link.setProperty("kind", "link")
        link.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        link.clicked.connect(call)
        return link

    def connect_parts(self) -> None:
        model = self.model
        self.view.set_goal_edit(True)
        self.view.table_clicked.connect(model.place)
        self.view.goal_grabbed.connect(model.begin_drag)
        self.view.goal_moved.connect(lambda moved: model.drag(*moved))
        model.pose_changed.connect(self._show_pose)
        model.checks_changed.connect(self._show_checks)
        model.library_changed.connect(self._show_library)
        self.studio.commands.bind("goals.picture", self.below.ask_file)
        self._show_pose()
        self._show_library()

    # ---- input ---------------------------------------------------------------------------------------------------

    def _edit(self, name: str, value: float) -> None:
        self.model.set_pose(replace(self.model.pose, **{name: value}))

    def _choose_face(self, face: int) -> None:
        self.model.set_face(face)
        self._show_pose()

    def _choose_library(self, name: str) -> None:
        self.model.choose_library(name)
        self.setFocus()  # keys move the goal again

    def open(self, episode: str = "") -> None:
        """From the replay: with the film of an episode."""
        if episode:
            self.model.desk.show_episode(Path(episode))

    def shown(self) -> None:
        self.setFocus()  # not a field: keys move the goal until one is pressed
        self.model.read_library()
        self.model.read_play()

    # ---- showing -------------------------------------------------------------------------------------------------

    def hidden(self) -> None:
        self.model.desk.find_tags(False)

    def tick(self, now_s: float) -> None:
        if self._film_pace.due(now_s):
            self.below.tick()
        if not self._pace.due(now_s):
            return
        box = self.show_records()
        if self.view.works:
            self.model.look_along(self.view.camera.forward())
        self._show_distance(box)

    def _show_pose(self) -> None:
        pose, problems = self.model.pose, self.model.problems()
        for name, field in self.fields.items():
            field.set_value(getattr(pose, name), wrong=name in problems)
        for face, button in enumerate(self.faces, start=1):
            button.setChecked(face == pose.face)
        task = self.studio.task
        self.view.set_goal(
            self.model.goal(), tolerance_m=task.position_tolerance_m, tolerance_rad=task.orientation_tolerance_rad
        )
        degrees = np.degrees(task.orientation_tolerance_rad)
        words = f"success: {task.position_tolerance_m * 1000:.0f} mm and {degrees:.0f}°"
        self.view.set_note("success", words, np.array(pose.position_m()) - [0, 0, 0.10], below=True)
        outward = 1.35 * self.view.goal_handle_m() - 0.35 * np.array(pose.position_m())
        self.view.set_note("yaw", f"{pose.yaw:.0f}°".replace("-", "−"), outward)
        self._show_checks()
        sync_button(self.studio, self.go, "goals.go")
        self._show_distance(self.model.box())

    def _show_distance(self, box: np.ndarray | None) -> None:
        if box is None:
            return
        here, there = box["position_m"], np.array(self.model.pose.position_m())
        away_m = float(np.linalg.norm(here - there))
        self.view.set_link((here, there) if away_m > 0.02 else None)
        self.view.set_note("away", f"{away_m * 1000:.0f} mm" if away_m > 0.12 else "", (here + there) / 2)

    def _show_checks(self) -> None:
        for row, check in zip(self.checks, self.model.checks()):
            row.set_check(check.words, check.verdict)

    def _show_library(self) -> None:
        while self.grid.count():
            item = self.grid.takeAt(0)
            widget = item.widget() if item else None
            if widget is not None:
                widget.deleteLater()
        for index, kept in enumerate(self.model.library):
            card = GoalCard(kept, self.studio.task)
            card.chosen.connect(self.model.choose)
            card.dropped.connect(self.model.drop)
            self.grid.addWidget(card, index // 3, index % 3)
        model, count = self.model, len(self.model.library)
        names = [ALL, *model.goals.names]
        if [self.libraries.itemText(i) for i in range(self.libraries.count())] != names:
            self.libraries.clear()
            self.libraries.addItems(names)
        self.libraries.setCurrentText(model.goals.name or ALL)
        self.library_note.setText(f"{count} goal{'' if count == 1 else 's'}")
        self.empty.setVisible(not count)
        self.random.setVisible(count < RANDOM_GOALS)
        self.try_all.setVisible(bool(count))
        self.go_all.setEnabled(bool(count))
        self.go_all.set_words(f"Run all {count} goals" if count > 1 else "Run all goals")


def make_panel(studio: StudioApi, model: GoalsModel) -> Generator[None, None, GoalsPanel]:
    return in_steps(GoalsPanel(studio, model))
