"""The screen of the first start: three ways in. Later it is reached by the palette."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from studio.app.commands import Command
from studio.app.demo import PLAY_MINUTES, DemoFacts, demo_dir, prepare_demo, read_demo
from studio.app.host import Steps
from studio.app.shell.card import label
from studio.app.shell.projects import open_beside
from studio.app.theme import theme
from studio.app.widgets.control import KeyButton
from studio.app.widgets.scene3d import RobotView
from studio.app.widgets.scene_camera import VIEWS
from studio.core.errors import StudioError

if TYPE_CHECKING:
    from studio.app.api import StudioApi
    from studio.app.window import StudioWindow

SCREEN = "first_run"
SEEN = "first_run.seen"
_CARD_WIDTH_PX, _CARD_HEIGHT_PX = 392, 280
_CAMERA = replace(
    VIEWS["Front"], target_m=(0.02, 0.0, 0.06), distance_m=1.85, azimuth_rad=np.pi, elevation_rad=np.radians(10.0)
)


class Points(QWidget):
    """A few short lines with a dot before each."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: tuple[str, ...] = ()
        self.setFixedHeight(72)
        theme().changed.connect(self.update)

    def show_lines(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        self.setAccessibleName(", ".join(lines))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme().font("body"))
        for row, line in enumerate(self.lines):
            top = 22.5 * row
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme().colour("text.3"))
            painter.drawEllipse(QPointF(3.0, top + 12), 2.4, 2.4)
            painter.setPen(theme().colour("text.2"))
            painter.drawText(QRectF(16, top, self.width() - 16, 24), Qt.AlignmentFlag.AlignVCenter, line)
        painter.end()


class WayIn(QFrame):
    """A card: icon, title, how long it takes, what it is, and its button."""

    def __init__(self, icon: str, title: str, minutes: str, words: str, button: KeyButton, *, first: bool) -> None:
        super().__init__()
        self.setObjectName("wayin")
        self._icon_name, self._first = icon, first
        self.setFixedHeight(_CARD_HEIGHT_PX)
        self.setMaximumWidth(_CARD_WIDTH_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 18)
        column.setSpacing(12)
        head = QHBoxLayout()
        head.setSpacing(12)
        self._icon, self.title = QLabel(), label(title, "title")
        self.title.setStyleSheet("font-size: 20px;")
        self.minutes = label(minutes, "small", "2")
        head.addWidget(self._icon)
        head.addWidget(self.title, 1)
        head.addWidget(self.minutes)
        column.addLayout(head)
        self.words = label(words, "body", "2", wrap=True)
        column.addWidget(self.words)
        column.addStretch(1)
        self.points = Points()
        column.addWidget(self.points)
        column.addStretch(1)
        self.reason = label("", "small", "fair", wrap=True)
        column.addWidget(self.reason)
        self.button = button
        button.setFixedHeight(42)
        column.addWidget(button)
        theme().changed.connect(self._restyle)
        self._restyle()

    def show_blocked(self, reason: str) -> None:
        """Grey with its reason, or not."""
        self.button.setEnabled(not reason)
        self.button.setToolTip(reason)
        self.reason.setText(reason[:1].upper() + reason[1:] + "." if reason else "")
        self.reason.setVisible(bool(reason))

    def _restyle(self) -> None:
        look = theme()
        edge = f"2px solid {look.hex('accent.line')}" if self._first else f"1px solid {look.hex('line.2')}"
        self.setStyleSheet(
            f"#wayin {{ background: {look.hex('bg.1')}; border: {edge};"
            f" border-radius: {look.pixels('radius.dialog')}px; }}"
        )
        self._icon.setPixmap(look.pixmap(self._icon_name, 24, "text.1", self.devicePixelRatioF()))


class FirstRun(QWidget):
    """Robot and table behind, the title above, the three ways in below.

    Args:
        studio: for commands and what there is.
        links: words and commands of the line below the cards.
    """

    def __init__(self, studio: StudioApi, links: dict[str, Callable[[], object]]) -> None:
        super().__init__()
        self.studio, self._links = studio, links
        self.setProperty("ground", "0")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

    def build(self) -> Iterator[float]:
        """Part by part; between two parts the window takes a turn."""
        self.view = RobotView(self.studio.robot, self.studio.task, self)
        if self.view.works:
            self.view.show_only(_CAMERA)
        else:
            self.view.hide()
        yield 0.0
        column = QVBoxLayout(self)
        column.setContentsMargins(32, 52, 32, 24)
        column.setSpacing(0)
        self._add_title(column)
        column.addStretch(1)
        yield 0.0
        row = QHBoxLayout()
        row.setSpacing(24)
        row.addStretch(1)
        self.cards = {name: self._make_card(name) for name in _WAYS}
        for card in self.cards.values():
            row.addWidget(card, 20)
        row.addStretch(1)
        column.addLayout(row)
        yield 0.0
        column.addSpacing(22)
        column.addLayout(self._make_links())
        column.addSpacing(8)
        hint = label("Keys: Esc stops everything · Ctrl K finds everything · ? shows all keys", "small", "3")
        column.addWidget(hint, 0, Qt.AlignmentFlag.AlignHCenter)

    def _add_title(self, column: QVBoxLayout) -> None:
        self.title = label("Teach a robot by feel", "state")
        real = bool(self.studio.robot.buses)
        self.subtitle = label(
            f"This robot has motors. It moves only while you hold {self.studio.input.dead_man_name}."
            if real
            else "Everything here is simulated until you connect motors. Nothing can break.",
            "title", "2",
        )  # fmt: skip
        for part in (self.title, self.subtitle):
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(part)
            column.addSpacing(6)
        self.subtitle.setStyleSheet("font-size: 16px; font-weight: 400;")

    def _make_card(self, name: str) -> WayIn:
        icon, title, minutes, words, points, button, key = _WAYS[name]
        first = name == "play"
        pressed = KeyButton(button, key, kind="primary" if first else "main")
        pressed.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        pressed.clicked.connect(lambda: self.studio.commands.run(f"{SCREEN}.{name}"))
        card = WayIn(icon, title, minutes, words, pressed, first=first)
        card.points.show_lines(points)
        return card

    def _make_links(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(14)
        row.addStretch(1)
        for index, (words, run) in enumerate(self._links.items()):
            if index:
                row.addWidget(label("·", "body", "3"))
            link = QPushButton(words)
            link.setProperty("kind", "link")
            link.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            link.clicked.connect(run)
            row.addWidget(link)
        row.addStretch(1)
        return row

    # ---- what the window calls -----------------------------------------------------------------------------------

    def shown(self) -> None:
        """From now on the studio starts where it was left."""
        self.studio.settings.set(SEEN, True)
        self.refresh()

    def refresh(self) -> None:
        """What can run now, and what the demo holds."""
        for name, card in self.cards.items():
            card.show_blocked(self.studio.commands.blocked(f"{SCREEN}.{name}"))
        self.cards["demo"].points.show_lines(demo_lines(read_demo(demo_dir())))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if hasattr(self, "view"):
            self.view.setGeometry(self.rect())
            self.view.lower()


_WAYS: dict[str, tuple[str, str, str, str, tuple[str, ...], str, str]] = {
    "play": ("teleop", "Feel it now", "2 min",
             "Two arms, one box, your mouse. Drag a hand, press the box, watch the force come back.",
             ("Engage and drag a hand", "Press Record, play for a minute", "See it in the library"),
             "Start playing", "Enter"),
    "demo": ("review", "Look at recorded play", "1 min",
             "Play of a scripted hand, in a project of its own. Replay it, label it, train skills on it.",
             (), "Open the demo", "D"),
    "motors": ("devices", "Connect real motors", "about 40 min",
               "Find them on the bus, check each joint, set zeros. No joint moves until you say so.",
               ("CAN adapters, up to 16 motors", "Nine steps per motor", "A stop you can trust"),
               "Set up motors", "M"),
}  # fmt: skip


def demo_lines(facts: DemoFacts) -> tuple[str, str, str]:
    """What the demo's card says about it."""
    if facts.making:
        return ("The play is being made", "It opens while it grows", "Force, torque and box on one cursor")
    if not facts.episodes:
        made = f"{PLAY_MINUTES:.0f} min of play, made here in about one"
        return (made, "Force, torque and box on one cursor", "Kept apart from your own project")
    bundles = f"{facts.bundles} bundle{'s' if facts.bundles != 1 else ''}" if facts.bundles else "no bundle yet"
    several = "s" if facts.episodes != 1 else ""
    return (
        f"{facts.episodes} episode{several}, {facts.play_s / 60:.0f} min of play",
        f"Ready to train on: {bundles}",
        "Kept apart from your own project",
    )


def first_run_steps(window: StudioWindow) -> Steps:
    """Makes the screen; for `Screens.own`."""
    screen = FirstRun(window.studio, {
        "Open a project": window.open_projects,
        "Import a LeRobot dataset": lambda: window.run_anywhere("library.import"),
        "All keys": lambda: window.toggle_sheet("keys"),
    })  # fmt: skip
    yield from screen.build()
    return screen


def add_first_run(window: StudioWindow) -> None:
    """Its commands: their keys work while it is on top, and the palette has them always."""
    commands = window.studio.commands
    runs = {"play": lambda: window.navigate("teleop"), "demo": lambda: _open_demo(window.studio),
            "motors": lambda: window.navigate("devices")}  # fmt: skip
    blocked = {"play": lambda: _missing(window, "teleop"), "motors": lambda: _missing(window, "devices")}
    for name, (icon, _, _, _, _, words, key) in _WAYS.items():
        identity = f"{SCREEN}.{name}"
        commands.add(Command(id=identity, title=words, key=key, scope=SCREEN, place="First steps", icon=icon))
        commands.bind(identity, runs[name], blocked=blocked.get(name))
    commands.add(Command(id="studio.first_run", title="First steps", group="Open", place="Studio", icon="help"))
    commands.bind("studio.first_run", lambda: window.navigate(SCREEN))


def _missing(window: StudioWindow, screen: str) -> str:
    plugin = window.host.plugins.get(screen)
    if plugin is None:
        return f"the plugin {screen} is not installed"
    return f"{plugin.manifest.title} is turned off; settings turn it on" if plugin.off else ""


def _open_demo(studio: StudioApi) -> None:
    """In a window of its own, beside this one."""
    try:
        facts = prepare_demo(demo_dir(), studio.robot.reference, studio.task.name)
    except (StudioError, OSError) as error:
        studio.notices.error(error)
        return
    open_beside(demo_dir(), "library")
    making = " Its play is made in the background; episodes appear as they come." if facts.making else ""
    studio.notices.info(f"The demo opens in a window of its own.{making}")
