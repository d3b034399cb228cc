"""The goals screen: the goal in 3-D, its fields, checks and library, and the pictures a goal can be taken from."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from plugins.goals.model import GoalsModel
from plugins.goals.parts import CheckRow, GoalCard, PoseField, StripView
from plugins.goals.pose import FIELDS
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property
from studio.app.widgets.control import KeyButton, make_heading, make_line
from studio.app.widgets.scene3d import RobotView

PANEL_WIDTH_PX = 352
STRIP_HEIGHT_PX = 224


class GoalsPanel(QWidget):
    def __init__(self, studio: StudioApi, model: GoalsModel) -> None:
        super().__init__()
        self.studio, self.model = studio, model
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setProperty("ground", "1")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._pace = Pace(30)

    # ---- construction --------------------------------------------------------------------------------------------

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget((yield from self._make_centre()), 1)
        self.side = yield from self._make_side()
        row.addWidget(self.side)
        yield
        self._connect()
        self._show_pose()
        yield
        self._show_library()

    def _make_centre(self) -> Generator[None, None, QWidget]:
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.view = RobotView(self.studio.robot, self.studio.task)
        self.view.hand_drag_enabled = False
        self.view.set_goal_edit(True)
        self.view.set_view("Free")
        column.addWidget(self.view, 1)
        yield
        self.strip = StripView()
        self.strip.setFixedHeight(STRIP_HEIGHT_PX)
        column.addWidget(self.strip)
        yield
        return centre

    def _make_side(self) -> Generator[None, None, QFrame]:
        side = QFrame()
        side.setProperty("frame", "panel")
        side.setFixedWidth(PANEL_WIDTH_PX)
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
        self.go = self._command("goals.go", "Go there", "Enter", kind="primary", icon="deploy")
        column.addWidget(self.go)
        column.addWidget(self._command("goals.keep", "Keep in library", "K", icon="plus"))
        column.addSpacing(4)
        column.addWidget(make_line())
        yield
        self._add_library(column)
        self.go_all = self._command("goals.go_all", "Run all goals", "Shift Enter", kind="main", icon="play")
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
        heading, self.library_note = make_heading("Library", "")
        column.addWidget(heading)
        self.cards = QWidget()
        self.grid = QGridLayout(self.cards)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setSpacing(8)
        self.grid.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.cards)
        self.cards.setAutoFillBackground(False)
        scroll.viewport().setAutoFillBackground(False)
        column.addWidget(scroll, 1)
        self.empty = QPushButton("No goal kept yet. Add six examples")
        self.empty.setProperty("kind", "link")
        self.empty.clicked.connect(self.model.add_examples)
        column.addWidget(self.empty)

    def _command(self, identity: str, text: str, key: str, **look: Any) -> KeyButton:
        button = KeyButton(text, key, **look)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.studio.commands.run(identity))
        return button

    def _connect(self) -> None:
        model = self.model
        self.view.table_clicked.connect(model.place)
        self.view.goal_grabbed.connect(model.begin_drag)
        self.view.goal_moved.connect(lambda moved: model.drag(*moved))
        if self.view.works:
            self.view.full_button.clicked.connect(self.toggle_panels)
        self.strip.chosen.connect(self._take_picture)
        model.pose_changed.connect(self._show_pose)
        model.checks_changed.connect(self._show_checks)
        model.library_changed.connect(self._show_library)
        model.strip_changed.connect(lambda: self.strip.set_strip(model.strip))

    # ---- input ---------------------------------------------------------------------------------------------------

    def _edit(self, name: str, value: float) -> None:
        self.model.set_pose(replace(self.model.pose, **{name: value}))

    def _choose_face(self, face: int) -> None:
        self.model.set_face(face)
        self._show_pose()

    def _take_picture(self, index: int) -> None:
        from plugins.goals.pose import pose_from_world

        strip = self.model.strip
        if strip is not None and index < len(strip.pictures):
            picture = strip.pictures[index]
            self.model.set_pose(pose_from_world(picture.position_m, picture.orientation_xyzw))

    def toggle_panels(self) -> None:
        shown = self.side.isVisible()
        self.side.setVisible(not shown)
        self.strip.setVisible(not shown)

    def set_view(self, index: int) -> None:
        self.view.set_view(("Front", "Top", "Left", "Free")[index % 4])

    def shown(self) -> None:
        self.setFocus()  # not a field: keys move the goal until one is pressed
        self.model.read_library()
        self.model.read_play()

    # ---- showing -------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        if not self._pace.due(now_s):
            return
        record = self.studio.streams.latest("control")
        if record is not None:
            self.view.set_arms(record["follower_position_rad"])
        box = self.model.box()
        if box is not None:
            self.view.set_object(box["position_m"], box["orientation_xyzw"])
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
        self.go.setEnabled(not problems)
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
        count = len(self.model.library)
        self.library_note.setText(f"{count} goal{'' if count == 1 else 's'}")
        self.empty.setVisible(not count)
        self.go_all.setEnabled(bool(count))
        self.go_all.set_words(f"Run all {count} goals" if count > 1 else "Run all goals")


def make_panel(studio: StudioApi, model: GoalsModel) -> Generator[None, None, GoalsPanel]:
    panel = GoalsPanel(studio, model)
    yield from panel.build()
    return panel
