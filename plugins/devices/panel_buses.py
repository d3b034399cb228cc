"""The left side: the buses with their load, looking for motors, and what this machine has."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QFrame, QLabel, QVBoxLayout, QWidget

from plugins.devices.model import DevicesModel
from plugins.devices.motors import TWIN, Arm
from plugins.devices.words import load_words
from studio.app.api import StudioApi
from studio.app.theme import set_property, theme
from studio.app.widgets.control import make_heading, make_line
from studio.app.widgets.gate import Check, GateList
from studio.app.widgets.scene_screen import PageScroll, command_button, sync_button

WIDTH_PX = 252
_MIDDLE = Qt.AlignmentFlag.AlignVCenter


def place_title(bus: str) -> str:
    """`can0` of `socketcan:can0`."""
    return "Twin bench" if bus == TWIN else bus.partition(":")[2] or bus


class BusCard(QWidget):
    """One arm's bus: where it is, whose, how full in the worst case, or what is wrong there."""

    pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.arm = ""
        self._words = ("", "", "", "")  # place, arm, load, problem
        self._share, self._chosen, self._tone = 0.0, False, "state.stopped"
        self.setFixedHeight(64)
        theme().changed.connect(self.update)

    def show_bus(self, arm: Arm, load: dict[str, float] | None, problem: str, *, chosen: bool) -> None:
        """`problem` takes the place of the load."""
        words = "" if load is None else f"{100 * load['share']:.0f} % load"
        self.arm, self._chosen = arm.name, chosen
        self._share = 0.0 if load is None else float(load["share"])
        self._words = (place_title(arm.bus), arm.title, words, problem)
        self._tone = "state.fault" if load is not None and load["refused"] else "state.stopped"
        self.setAccessibleName(f"Bus {self._words[0]}, {arm.title}, {problem or words}")
        self.setToolTip(problem)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(WIDTH_PX - 32, 64)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.pressed.emit(self.arm)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, active = QPainter(self), theme()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(active.colour("line.1"))
        painter.setBrush(active.colour("bg.3" if self._chosen else "bg.2"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        ratio = self.devicePixelRatioF()
        painter.drawPixmap(QPointF(10, 12), active.pixmap("bus", 16, "text.2", ratio))
        painter.setFont(active.font("strong"))
        painter.setPen(active.colour("text.1"))
        painter.drawText(QRectF(34, 8, 110, 24), _MIDDLE, self._words[0])
        painter.setFont(active.font("small"))
        painter.setPen(active.colour("text.2"))
        right = Qt.AlignmentFlag.AlignRight | _MIDDLE
        painter.drawText(QRectF(100, 8, self.width() - 110, 24), right, self._words[1])
        self._paint_problem(painter) if self._words[3] else self._paint_load(painter)
        painter.end()

    def _paint_problem(self, painter: QPainter) -> None:
        active = theme()
        painter.drawPixmap(QPointF(10, 37), active.pixmap("warn", 16, self._tone, self.devicePixelRatioF()))
        painter.setFont(active.font("small"))
        painter.setPen(active.colour(self._tone))
        room = self.width() - 44
        text = painter.fontMetrics().elidedText(self._words[3], Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRectF(34, 34, room, 22), _MIDDLE, text)

    def _paint_load(self, painter: QPainter) -> None:
        active, width = theme(), self.width() - 100.0
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("bg.4"))
        painter.drawRoundedRect(QRectF(12, 42, width, 6), 3, 3)
        painter.setBrush(active.colour("side.follower"))
        painter.drawRoundedRect(QRectF(12, 42, width * min(self._share, 1.0), 6), 3, 3)
        painter.fillRect(QRectF(12 + 0.7 * width, 39, 1.2, 12), active.colour("text.2"))
        painter.setFont(active.font("small"))
        painter.setPen(active.colour("text.1"))
        area = QRectF(self.width() - 84, 34, 74, 22)
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | _MIDDLE, self._words[2])


class BusPanel(QFrame):
    """Robot, buses, looking, this machine."""

    def __init__(self, studio: StudioApi, model: DevicesModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        self._places: list[str] = []
        self.setProperty("frame", "panel-left")
        self.setFixedWidth(WIDTH_PX)
        body = QWidget()
        body.setMaximumWidth(WIDTH_PX)
        self._column = QVBoxLayout(body)
        self._column.setContentsMargins(16, 14, 14, 12)
        self._column.setSpacing(8)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(PageScroll(body, clear=True))
        self._build()

    def _build(self) -> None:
        column, studio = self._column, self._studio
        column.addWidget(make_heading("Robot")[0])
        robot = QLabel(studio.robot.title)
        robot.setWordWrap(True)
        set_property(robot, "tone", "2")
        column.addWidget(robot)
        column.addWidget(make_heading("Buses")[0])
        self.cards = [BusCard() for _ in self._model.arms]
        for card in self.cards:
            card.pressed.connect(self._choose_arm)
            column.addWidget(card)
        self.place = QComboBox()
        self.place.setAccessibleName("Bus of this arm")
        self.place.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.place.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.place.activated.connect(self._set_place)
        column.addWidget(self.place)
        self.note = _note("Refused above 70 % load, worst case.")
        column.addWidget(self.note)
        self._build_look()
        column.addSpacing(6)
        column.addWidget(make_line())
        column.addWidget(make_heading("This machine")[0])
        self.machine = GateList()
        column.addWidget(self.machine)
        column.addStretch(1)

    def _build_look(self) -> None:
        self.look = command_button(self._studio, "devices.look", "Look for motors", "L", icon="find_motors")
        self._column.addWidget(self.look)
        self._column.addWidget(_note("Looking never moves a joint. A motor that holds a load lets go of it."))
        self.fall = QCheckBox("Nothing can fall: ask V3 too")
        self.fall.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.fall.setToolTip("A V3 drive may be silent until it gets a command of zero gains and zero torque.")
        self.fall.toggled.connect(self._set_fall)
        self._column.addWidget(self.fall)
        self.free = command_button(self._studio, "devices.free_buses", "Stop the loop", icon="bus")
        self.loop = command_button(self._studio, "devices.loop", "Start the loop again", icon="play")
        self._column.addWidget(self.free)
        self._column.addWidget(self.loop)

    def _set_fall(self, on: bool) -> None:
        self._model.search.nothing_can_fall = on

    def _choose_arm(self, name: str) -> None:
        motors = self._model.motors
        self._model.choose(next(i for i, motor in enumerate(motors) if motor.arm == name))

    def _set_place(self, index: int) -> None:
        if 0 <= index < len(self._places):
            self._model.set_place(self._model.arm_of(self._model.motor), self._places[index])

    def refresh(self) -> None:
        model = self._model
        chosen = model.motor.arm
        for card, arm in zip(self.cards, model.arms):
            card.show_bus(arm, model.load(arm), self._problem(arm), chosen=arm.name == chosen)
        self._show_places(model.arm_of(model.motor))
        refused = [load for arm in model.arms if (load := model.load(arm)) is not None and load["refused"]]
        self.note.setText(load_words(refused[0]) if refused else "Refused above 70 % load, worst case.")
        set_property(self.note, "tone", "fault" if refused else "3")
        rows = [Check(name=row["name"], value=row["value"], verdict="good" if row["ok"] else "fair")
                for row in model.facts.get("machine", [])]  # fmt: skip
        self.machine.set_checks(rows)
        self.look.set_words("Looking" if model.search.running else "Look for motors")
        for button, name in ((self.look, "look"), (self.free, "free_buses"), (self.loop, "loop")):
            sync_button(self._studio, button, f"devices.{name}")
        self.free.setVisible(bool(self._studio.robot.buses) and not model.freed)
        self.loop.setVisible(model.freed)

    def _problem(self, arm: Arm) -> str:
        load = self._model.load(arm)
        if load is not None and load["refused"]:
            return f"{100 * load['share']:.0f} % load: refused"
        if problem := self._model.search.problems.get(arm.load_key, ""):
            return problem
        motors = [motor for motor in self._model.motors if motor.arm == arm.name]
        silent = sum(motor.seen is not None and not motor.seen for motor in motors)
        return f"{len(motors) - silent} of {len(motors)} motors answer" if silent else ""

    def _show_places(self, arm: Arm) -> None:
        places = list(self._model.facts.get("places", []))
        if arm.bus not in [place["bus"] for place in places]:
            places.append({"bus": arm.bus, "title": place_title(arm.bus)})
        titles = [str(place["title"]) for place in places]
        self._places = [str(place["bus"]) for place in places]
        if [self.place.itemText(i) for i in range(self.place.count())] != titles:
            self.place.clear()
            self.place.addItems(titles)
        self.place.setCurrentIndex(self._places.index(arm.bus))
        self.place.setEnabled(not self._model.bench.busy)


def _note(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    set_property(label, "type", "small")
    set_property(label, "tone", "3")
    return label
