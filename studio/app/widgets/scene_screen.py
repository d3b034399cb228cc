"""A screen around the 3-D view: what lies below it, a panel at the right, the newest records in the view."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.app.api import BundleChoice, StudioApi
from studio.app.theme import set_property, theme
from studio.app.widgets.control import KeyButton
from studio.app.widgets.scene3d import RobotView
from studio.app.widgets.scene_camera import VIEWS
from studio.app.widgets.scene_mesh import arm_transforms, tips_from_transforms
from studio.app.widgets.scroll import PageScroll
from studio.core.records import PairState

SIDE_PX = 352
Steps = Generator[None, None, QWidget]
POSE_STREAM = "object_pose.world"


class SceneScreen(QWidget):
    """Base of the planning screens: the view, `below` under it and `side` at the right, which fold away together.

    A subclass gives `make_below` and `make_side`, both in steps (a `yield` is a turn for the window), and `connect`,
    which is called when everything stands there. `make_panel` returns `in_steps(TheScreen(...))`.
    """

    def __init__(self, studio: StudioApi) -> None:
        super().__init__()
        self.studio = studio
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setProperty("ground", "1")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.below: QWidget
        self.side: QWidget

    def make_below(self) -> Steps:
        raise NotImplementedError

    def make_side(self) -> Steps:
        raise NotImplementedError

    def connect_parts(self) -> None:
        raise NotImplementedError

    def build(self) -> Generator[None, None, None]:
        """Part by part; between two parts the window takes a turn."""
        self.view = RobotView(self.studio.robot, self.studio.task)
        self.view.hand_drag_enabled = False
        self.view.set_view("Free")
        if self.view.works:
            self.view.full_button.clicked.connect(self.toggle_panels)
        yield
        self.caption = SceneCaption(self.view)
        self.below = yield from self.make_below()
        yield
        self.side = yield from self.make_side()
        yield
        self._lay_out()
        yield
        self.connect_parts()

    def _lay_out(self) -> None:
        centre = QWidget()
        column = QVBoxLayout(centre)
        row = QHBoxLayout(self)
        for layout in (column, row):
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(0)
        column.addWidget(self.view, 1)
        column.addWidget(self.below)
        row.addWidget(centre, 1)
        row.addWidget(self.side)

    # ---- what the window calls -----------------------------------------------------------------------------------

    def toggle_panels(self) -> None:
        shown = self.side.isVisible()
        self.side.setVisible(not shown)
        self.below.setVisible(not shown)

    def set_view(self, index: int) -> None:
        self.view.set_view(list(VIEWS)[index % len(VIEWS)])

    def moves_robot(self) -> bool:
        return True

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if hasattr(self, "caption"):
            self.caption.place()

    # ---- records -------------------------------------------------------------------------------------------------

    def show_records(self, *, forces: bool = False) -> np.ndarray | None:
        """Arms and box as they are now; returns the newest pose record of the box (shape []), None without one."""
        record = self.studio.streams.latest("control")
        if record is not None:
            self.view.set_arms(record["follower_position_rad"])
            if forces:
                self._show_forces(record)
        pose = self.studio.streams.latest(POSE_STREAM)
        if pose is not None:
            self.view.set_object(pose["position_m"], pose["orientation_xyzw"])
        return pose

    def _show_forces(self, record: np.ndarray) -> None:
        robot = self.studio.robot
        tips = tips_from_transforms(robot, arm_transforms(robot, record["follower_position_rad"]))
        for pair, tip in enumerate(tips):
            moving = int(record["pair_state"][pair]) in (PairState.ENGAGED, PairState.HOLDING)
            self.view.set_force(pair, tip, record["contact_force_n"][pair] if moving else np.zeros(3))


Screen = TypeVar("Screen", bound=SceneScreen)


def in_steps(screen: Screen) -> Generator[None, None, Screen]:
    """What `make_panel` of a plugin with such a screen returns."""
    yield from screen.build()
    return screen


class SceneCaption(QFrame):
    """A card at the bottom left of a 3-D view; `parts` are laid out in a row."""

    def __init__(self, view: RobotView) -> None:
        super().__init__(view)
        self.setObjectName("sceneCaption")
        self._view = view
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(10, 6, 12, 6)
        self.label = QLabel("")
        set_property(self.label, "type", "small")
        self.label.setStyleSheet("font-weight: 600;")
        self.row.addWidget(self.label)
        theme().follow(self, self._recolour)
        self._recolour()
        self.hide()

    def set_text(self, text: str) -> None:
        """One line; an empty text hides the card."""
        if text != self.label.text():
            self.label.setText(text)
            self.label.setVisible(bool(text))
        self.setVisible(bool(text) and self._view.works)
        self.place()

    def add(self, parts: Sequence[QWidget]) -> None:
        """Parts instead of a line: the card is then always shown."""
        self.label.hide()
        for part in parts:
            self.row.addWidget(part)
        self.setVisible(self._view.works)
        self.place()

    def place(self) -> None:
        self.adjustSize()
        self.move(12, self._view.height() - self.height() - 12)

    def _recolour(self) -> None:
        ground = theme().colour("bg.0", theme().number("fill.view_card")).getRgb()
        self.setStyleSheet(f"#sceneCaption {{ background: rgba{ground}; border-radius: 5px; }}")


class ScrollPanel(QFrame):
    """The panel at the right: `column` scrolls; what is wrong and the buttons in `foot` do not."""

    def __init__(self, width_px: int = SIDE_PX) -> None:
        super().__init__()
        self.setProperty("frame", "panel")
        self.setFixedWidth(width_px)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 16)
        outer.setSpacing(8)
        body = QWidget()
        self.column = QVBoxLayout(body)
        self.column.setContentsMargins(16, 12, 16, 8)
        self.column.setSpacing(8)
        body.setMaximumWidth(width_px)
        scroll = PageScroll(body, clear=True)
        outer.addWidget(scroll, 1)
        self.problem = QLabel("")
        self.problem.setWordWrap(True)
        self.problem.setContentsMargins(16, 0, 16, 0)
        set_property(self.problem, "type", "small")
        set_property(self.problem, "tone", "fault")
        self.problem.hide()
        outer.addWidget(self.problem)
        self.foot = QHBoxLayout()
        self.foot.setContentsMargins(16, 0, 16, 0)
        self.foot.setSpacing(8)
        outer.addLayout(self.foot)

    def add(self, *widgets: QWidget) -> None:
        for widget in widgets:
            self.column.addWidget(widget)

    def show_problem(self, text: str, *, tone: str = "fault") -> None:
        """A sentence over the buttons; an empty text hides it."""
        self.problem.setText(text)
        set_property(self.problem, "tone", tone)
        self.problem.setVisible(bool(text))


class BundleBox(QComboBox):
    """Which bundle; `chosen` tells the place in the list, `words` gives the line of each."""

    def __init__(self, choice: BundleChoice, chosen: Callable[[int], None]) -> None:
        super().__init__()
        self._choice = choice
        self.setAccessibleName("Bundle")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.activated.connect(chosen)

    def refresh(self, words: Sequence[str]) -> None:
        """Show the bundles, each as its words say."""
        lines = list(words) or ["No bundle. Train skills first"]
        if [self.itemText(i) for i in range(self.count())] != lines:
            self.clear()
            self.addItems(lines)
        if self._choice.bundle in self._choice.bundles:
            self.setCurrentIndex(self._choice.bundles.index(self._choice.bundle))
        self.setEnabled(bool(words))


def command_button(
    studio: StudioApi, identity: str, text: str, key: str = "", *, kind: str = "", icon: str = ""
) -> KeyButton:
    """A button that runs a command; `sync_button` greys it and says why."""
    button = KeyButton(text, key, kind=kind, icon=icon)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.clicked.connect(lambda: studio.commands.run(identity))
    return button


def sync_button(studio: StudioApi, button: KeyButton, identity: str) -> None:
    """Enabled as the command is; the reason why not is its tool tip."""
    blocked = studio.commands.blocked(identity)
    button.setEnabled(not blocked)
    button.setToolTip(f"{blocked[:1].upper()}{blocked[1:]}." if blocked else "")
