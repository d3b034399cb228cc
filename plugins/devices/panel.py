"""The devices screen: buses, motors and the check of one of them; beside it the cameras."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Generator, Iterator
from types import GeneratorType
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from plugins.devices.model import DevicesModel
from plugins.devices.panel_buses import BusPanel
from plugins.devices.panel_table import MotorTable, live_of, make_note
from plugins.devices.panel_wizard import WizardPanel
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property, theme
from studio.app.widgets.control import SegmentedControl

_CAMERAS = "plugins.devices.panel_cameras"  # has make_cameras(studio) -> QWidget; built when it is first opened
_NARROW_PX = 1280
_NOTE = (
    "Angle, temperature and age: as the loop reads them. "
    "Scale: true torque per commanded torque; the loop divides by it."
)


class DevicesPanel(QWidget):
    """Tabs, and the page of each."""

    def __init__(self, studio: StudioApi, model: DevicesModel) -> None:
        super().__init__()
        self.studio, self.model = studio, model
        self.cameras: Any = None
        self._state_pace, self._number_pace = Pace(4), Pace(10)
        self._stale = self._numbers = True
        self._narrow: bool | None = None
        set_property(self, "ground", "0")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        self.pages = QStackedWidget(self)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.pages)
        page = QWidget()
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self.pages.addWidget(page)
        self.buses = BusPanel(self.studio, self.model)
        row.addWidget(self.buses)
        yield
        row.addLayout(self._make_middle(), 1)
        yield
        self.wizard = WizardPanel(self.studio, self.model)
        yield from self.wizard.build()
        row.addWidget(self.wizard)
        yield
        self.model.changed.connect(self._note_change)
        self.model.measured.connect(self._note_numbers)
        self.studio.state.link.events.worst.connect(self._note_change)
        self.refresh()

    def _make_middle(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        bar = QFrame()
        set_property(bar, "frame", "bar")
        bar.setFixedHeight(52)
        row = QHBoxLayout(bar)
        row.setContentsMargins(20, 0, 16, 0)
        row.setSpacing(12)
        title, self.counts = QLabel("Motors"), QLabel()
        set_property(title, "type", "title")
        set_property(self.counts, "tone", "2")
        row.addWidget(title)
        row.addWidget(self.counts, 1)
        self.tabs = self._make_tabs()
        if self.tabs is not None:
            row.addWidget(self.tabs)
        self.table = MotorTable()
        self.table.chosen.connect(self._choose)
        note = make_note(_NOTE)
        note.setContentsMargins(20, 8, 16, 10)
        column.addWidget(bar)
        column.addWidget(self.table, 1)
        column.addWidget(note)
        return column

    def _make_tabs(self) -> SegmentedControl | None:
        """Motors and Cameras, where the cameras' screen is there."""
        if importlib.util.find_spec(_CAMERAS) is None:
            return None
        tabs = SegmentedControl(("Motors", "Cameras"))
        tabs.chosen.connect(self.open_tab)
        return tabs

    def open_tab(self, name: str) -> None:
        """`Motors` or `Cameras`."""
        if name != "Cameras" or self.tabs is None:
            self._call_cameras("hidden")
            self.pages.setCurrentIndex(0)
            return
        if self.cameras is None:
            self.cameras = _finish(importlib.import_module(_CAMERAS).make_cameras(self.studio))
            self.pages.addWidget(self._with_way_back(self.cameras))
        self.pages.setCurrentIndex(1)
        self._call_cameras("shown")

    def _with_way_back(self, cameras: QWidget) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        bar = QFrame()
        set_property(bar, "frame", "bar")
        bar.setFixedHeight(52)
        row = QHBoxLayout(bar)
        row.setContentsMargins(20, 0, 16, 0)
        title = QLabel("Cameras")
        set_property(title, "type", "title")
        row.addWidget(title)
        row.addStretch(1)
        tabs = SegmentedControl(("Motors", "Cameras"))
        tabs.choose("Cameras")
        tabs.chosen.connect(self._leave_cameras)
        self._camera_tabs = tabs
        row.addWidget(tabs)
        column.addWidget(bar)
        column.addWidget(cameras, 1)
        return page

    def _leave_cameras(self, name: str) -> None:
        if name == "Motors":
            self._camera_tabs.choose("Cameras")
            assert self.tabs is not None
            self.tabs.choose("Motors")
            self.open_tab("Motors")

    def _call_cameras(self, method: str, *arguments: Any) -> None:
        function = getattr(self.cameras, method, None)
        if callable(function):
            function(*arguments)

    # ---- called by the window ------------------------------------------------------------------------------------

    def open(self, tab: str = "Motors") -> None:
        if self.tabs is not None:
            self.tabs.choose(tab)
        self.open_tab(tab)

    def shown(self) -> None:
        self.studio.input.set_dead_man(False)  # another screen may have latched it; here it is held, or it is not
        self.setFocus()  # Enter is for the wizard, not for a button of the bars
        self.model.read_motors()
        self.model.ask_survey()
        if self.pages.currentIndex():
            self._call_cameras("shown")

    def hidden(self) -> None:
        self.model.hidden()
        self._call_cameras("hidden")

    def moves_robot(self) -> bool:
        return True

    def space_must_be_held(self) -> bool:
        """The dead-man of a bench is never latched."""
        return True

    def tick(self, now_s: float) -> None:
        if self.pages.currentIndex():
            self._call_cameras("tick", now_s)
            return
        if self._state_pace.due(now_s) or self._stale:
            self.refresh()
        elif self._numbers and self._number_pace.due(now_s):
            self._numbers = False
            self.wizard.show_numbers()

    def toggle_panels(self) -> None:
        shown = self.buses.isVisible()
        self.buses.setVisible(not shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = self.width() < _NARROW_PX - theme().pixels("shell.activity")
        if narrow != self._narrow and hasattr(self, "buses"):
            self._narrow = narrow
            self.buses.setVisible(not narrow)

    # ---- showing -------------------------------------------------------------------------------------------------

    def _note_change(self, *_: object) -> None:
        self._stale = True

    def _note_numbers(self) -> None:
        self._numbers = True

    def _choose(self, joint: str) -> None:
        self.model.choose(next(i for i, motor in enumerate(self.model.motors) if motor.joint == joint))

    def refresh(self) -> None:
        self._stale = False
        record = self.studio.streams.latest("control") if self.studio.state.link.connected else None
        live = live_of(record, self.studio.robot.joint_names)
        self.table.rows.show_motors(self.model, live)
        self.table.choose(self.model.motor.joint)
        self.counts.setText(self.model.counts())
        self.buses.refresh()
        self.wizard.refresh()


def _finish(made: Any) -> Any:
    """A widget, or what a generator of one returns."""
    while isinstance(made, GeneratorType):
        try:
            next(made)
        except StopIteration as end:
            return end.value
    return made


def make_panel(studio: StudioApi, model: DevicesModel) -> Generator[None, None, DevicesPanel]:
    panel = DevicesPanel(studio, model)
    yield from panel.build()
    return panel
