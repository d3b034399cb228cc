"""Sheets that the person opens at the right: notices, jobs, settings, keys. They never lie over STOP."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QRect, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from studio.app.api import StudioApi
from studio.app.commands import GLOBAL, Command
from studio.app.shell.card import label
from studio.app.shell.painting import draw_keys
from studio.app.shell.topbar import time_left_words
from studio.app.state import Notice, RunView
from studio.app.theme import theme
from studio.app.widgets.control import IconButton

_WIDTH_PX = 388
_ROW_PX = 28  # of a key
_LEVEL = {"info": ("info", "text.2"), "warn": ("warn", "verdict.fair"), "fault": ("fault", "state.fault")}


class Sheet(QFrame):
    """Title, close button and a column that scrolls."""

    closed = Signal()

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("frame", "panel")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.head = QHBoxLayout()
        self.head.setContentsMargins(16, 12, 8, 8)
        self.head.addWidget(label(title, "title"), 1)
        close = IconButton("close", "Close")
        close.clicked.connect(self.close_sheet)
        self.head.addWidget(close)
        column.addLayout(self.head)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._inner = QWidget()
        self.column = QVBoxLayout(self._inner)
        self.column.setContentsMargins(16, 4, 16, 16)
        self.column.setSpacing(8)
        scroll.setWidget(self._inner)
        column.addWidget(scroll, 1)
        theme().changed.connect(self.refresh_if_open)
        self.hide()

    def place(self, area: QRect) -> None:
        width = min(_WIDTH_PX, area.width())
        self.setGeometry(area.right() + 1 - width, area.top(), width, area.height())

    def open(self) -> None:
        self.refresh()
        self.show()
        self.raise_()

    def close_sheet(self) -> None:
        if self.isVisible():
            self.hide()
            self.closed.emit()

    def refresh(self) -> None:
        """Fill anew; called when opened and when its subject changes."""

    def refresh_if_open(self) -> None:
        if self.isVisible():
            self.refresh()

    def clear(self) -> None:
        clear_layout(self.column)


def clear_layout(layout: QLayout) -> None:
    while layout.count():
        item = layout.takeAt(0)
        if item is None:
            return
        widget, inner = item.widget(), item.layout()
        if widget:
            widget.hide()
            widget.deleteLater()
        elif inner:
            clear_layout(inner)


class NoticeCard(QFrame):
    """One notice: icon, sentence, time, the button that helps, the detail folded."""

    def __init__(self, notice: Notice, run: Callable[[str], None]) -> None:
        super().__init__()
        self.setProperty("frame", "card")
        icon, colour = _LEVEL[notice.level]
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 10, 10)
        row.setSpacing(10)
        sign = QLabel()
        sign.setPixmap(theme().pixmap(icon, 16, colour, self.devicePixelRatioF()))
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(label(notice.text, "body", "1", wrap=True))
        foot = QHBoxLayout()
        foot.addWidget(label(time.strftime("%H:%M:%S", time.localtime(notice.time_s)), "hint", "3"))
        foot.addStretch(1)
        words.addLayout(foot)
        row.addLayout(words, 1)
        if notice.command:
            button = QPushButton(notice.command_title or "Do it")
            button.clicked.connect(lambda: run(notice.command))
            words.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        if notice.detail:
            self._add_detail(notice.detail, words, foot)

    def _add_detail(self, text: str, words: QVBoxLayout, foot: QHBoxLayout) -> None:
        detail = label(text, "hint", "2", wrap=True)
        detail.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        detail.setFont(theme().font("hint", mono=True))
        detail.hide()
        button = QPushButton("Detail")
        button.setProperty("kind", "link")
        button.setCheckable(True)
        button.toggled.connect(detail.setVisible)
        foot.addWidget(button)
        words.addWidget(detail)


class NoticesSheet(Sheet):
    def __init__(self, studio: StudioApi, parent: QWidget) -> None:
        super().__init__("Notices", parent)
        self._studio = studio
        clear = QPushButton("Clear")
        clear.setProperty("kind", "link")
        clear.clicked.connect(studio.notices.clear)
        self.head.insertWidget(1, clear)
        studio.notices.changed.connect(self.refresh_if_open)

    def refresh(self) -> None:
        self.clear()
        for notice in self._studio.notices.items[:40]:
            self.column.addWidget(NoticeCard(notice, self._studio.commands.run))
        if not self._studio.notices.items:
            self.column.addWidget(label("Nothing happened that you need to know.", "body", "2", wrap=True))
        self.column.addStretch(1)


class JobsSheet(Sheet):
    """Runs of the project, running ones first with their bars."""

    def __init__(self, studio: StudioApi, parent: QWidget) -> None:
        super().__init__("Jobs", parent)
        self._studio = studio
        studio.state.runs.changed.connect(self.refresh_if_open)

    def refresh(self) -> None:
        self.clear()
        runs = sorted(self._studio.state.runs.runs, key=lambda run: not run.active)
        for run in runs[:30]:
            self.column.addWidget(self._card(run))
        if not runs:
            self.column.addWidget(label("No job yet. Train skills, and it appears here.", "body", "2", wrap=True))
        self.column.addStretch(1)

    def _card(self, run: RunView) -> QFrame:
        card = QFrame()
        card.setProperty("frame", "card")
        column = QVBoxLayout(card)
        column.setContentsMargins(12, 10, 12, 10)
        head = QHBoxLayout()
        head.addWidget(label(run.title, "strong"), 1)
        words = time_left_words(run) if run.active else run.state
        head.addWidget(label(words, "small", "poor" if run.state in ("failed", "lost") else "2"))
        column.addLayout(head)
        if run.active:
            bar = QProgressBar()
            bar.setRange(0, 1000)
            bar.setValue(round(1000 * run.share))
            column.addWidget(bar)
        if run.message:
            column.addWidget(label(run.message, "small", "2", wrap=True))
        if run.active:
            cancel = QPushButton("Cancel")
            cancel.clicked.connect(lambda: self._studio.jobs.run(run.id).cancel())
            column.addWidget(cancel, 0, Qt.AlignmentFlag.AlignLeft)
        return card


class SettingsSheet(Sheet):
    """Light or dark, what is turned off, where things lie."""

    def __init__(
        self, studio: StudioApi, parent: QWidget, turn_on: Callable[[str], None], switch_theme: Callable[[str], None]
    ) -> None:
        super().__init__("Settings", parent)
        self._studio, self._turn_on, self._switch_theme = studio, turn_on, switch_theme
        self._looks: dict[str, QPushButton] = {}

    def refresh(self) -> None:
        self.clear()
        self.column.addWidget(label("Look", "strong"))
        row = QHBoxLayout()
        for name in theme().tokens.themes:
            button = QPushButton(name.capitalize())
            button.setCheckable(True)
            button.setChecked(theme().name == name)
            button.clicked.connect(lambda _checked=False, name=name: self._switch(name))
            self._looks[name] = button
            row.addWidget(button)
        self.column.addLayout(row)
        self._add_facts()
        off = self._studio.settings.get("plugins.off", [])
        if off:
            self.column.addWidget(label("Turned off", "strong"))
        for identity in off:
            button = QPushButton(f"Turn {identity} on")
            button.clicked.connect(lambda _checked=False, identity=identity: self._on(identity))
            self.column.addWidget(button)
        self.column.addStretch(1)

    def _add_facts(self) -> None:
        self.column.addSpacing(12)
        self.column.addWidget(label("Where things lie", "strong"))
        robot, project = self._studio.robot, self._studio.project
        for text in (f"Project: {project.path}", f"Robot: {robot.title}, {robot.loop_rate_hz:.0f} Hz"):
            fact = label(text, "small", "2", wrap=True)
            fact.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.column.addWidget(fact)
        self.column.addSpacing(12)

    def _switch(self, name: str) -> None:
        for look, button in self._looks.items():
            button.setChecked(look == name)
        self._switch_theme(name)

    def _on(self, identity: str) -> None:
        self._turn_on(identity)
        self.refresh()


class KeyTable(QWidget):
    """Commands and their key caps, one below the other, painted as a whole: a hundred rows need no hundred widgets."""

    def __init__(self, commands: list[Command]) -> None:
        super().__init__()
        self.commands = commands
        self.setFixedHeight(_ROW_PX * len(commands))
        self.setAccessibleName(", ".join(f"{command.title}: {command.key}" for command in commands))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        first, last = event.rect().top() // _ROW_PX, event.rect().bottom() // _ROW_PX + 1
        for row, command in list(enumerate(self.commands))[max(first, 0) : last]:
            top = row * _ROW_PX
            painter.setFont(theme().font("body"))
            painter.setPen(theme().colour("text.1"))
            painter.drawText(QRectF(0, top, self.width(), _ROW_PX), Qt.AlignmentFlag.AlignVCenter, command.title)
            draw_keys(painter, self.width() - 1, top + _ROW_PX / 2, command.key)
        painter.end()


class KeysSheet(Sheet):
    """Every key, the screen on top first."""

    def __init__(self, studio: StudioApi, parent: QWidget, fixed: list[Command]) -> None:
        super().__init__("Keys", parent)
        self._studio, self._fixed = studio, fixed

    def refresh(self) -> None:
        self.clear()
        screen = self._studio.state.screen
        commands = [c for c in self._studio.commands.all() if c.key]
        places = {c.scope: c.place for c in commands if c.scope != GLOBAL}
        for scope in sorted({c.scope for c in commands}, key=lambda s: (s != screen, s != GLOBAL, places.get(s, s))):
            self.column.addWidget(label("Everywhere" if scope == GLOBAL else places[scope], "strong"))
            fixed = self._fixed if scope == GLOBAL else []
            self.column.addWidget(KeyTable([*fixed, *(c for c in commands if c.scope == scope)]))
            self.column.addSpacing(8)
        for text in self._studio.commands.refused:
            self.column.addWidget(label(text, "small", "fair", wrap=True))
        self.column.addStretch(1)
