"""The card of a plugin that could not open: what, where, next; the detail folded."""

from __future__ import annotations

import html

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from studio.app.failure import Failure
from studio.app.theme import theme
from studio.app.widgets.control import IconButton, KeyButton

_WIDTH_PX = 720


def label(text: str, role: str, tone: str = "1", *, wrap: bool = False) -> QLabel:
    widget = QLabel(text)
    widget.setProperty("type", role)
    widget.setProperty("tone", tone)
    widget.setTextFormat(Qt.TextFormat.PlainText)
    widget.setWordWrap(wrap)
    return widget


class ErrorCard(QWidget):
    """Fills the plugin's own area; the rest of the studio runs on."""

    retry = Signal()
    off = Signal()

    def __init__(self, failure: Failure, *, note: str = "", others: str = "") -> None:
        super().__init__()
        self.failure = failure
        self.setProperty("ground", "0")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.card = QFrame()
        self.card.setObjectName("errorcard")
        self.card.setFixedWidth(_WIDTH_PX)
        self.detail = QLabel()
        self.detail.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._unfold = QPushButton(" Detail")
        self._build(note)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 120, 20, 40)
        column.addWidget(self.card, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(24)
        column.addWidget(label(others, "small", "3"), 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        theme().changed.connect(self._restyle)
        self._restyle()

    def _build(self, note: str) -> None:
        edge = QFrame(self.card)  # beside the title, in the colour of its icon
        edge.setObjectName("edge")
        edge.setGeometry(0, 24, 4, 76)
        column = QVBoxLayout(self.card)
        column.setContentsMargins(32, 28, 32, 28)
        column.setSpacing(14)
        column.addLayout(self._head(note))
        line = QFrame()
        line.setProperty("frame", "line")
        column.addSpacing(8)
        column.addWidget(line)
        column.addLayout(self._facts())
        column.addSpacing(8)
        column.addLayout(self._buttons())
        self._unfold.setProperty("kind", "quiet")
        self._unfold.setStyleSheet("padding: 4px 8px 4px 2px; text-align: left;")
        self._unfold.setCheckable(True)
        self._unfold.toggled.connect(self._fold)
        column.addWidget(self._unfold, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.detail)

    def _head(self, note: str) -> QHBoxLayout:
        row, words = QHBoxLayout(), QVBoxLayout()
        self._icon = QLabel()
        row.addWidget(self._icon)
        row.addSpacing(12)
        words.setSpacing(6)
        words.addWidget(label(f"{self.failure.title} could not open", "value"))
        fact = label(f"The rest of the studio runs on. {note}".strip(), "field", "2")
        fact.setStyleSheet("font-weight: 400;")
        words.addWidget(fact)
        row.addLayout(words, 1)
        return row

    def _facts(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(13)
        grid.setColumnMinimumWidth(0, 56)
        grid.setColumnStretch(1, 1)
        rows = (("What", self.failure.what, "strong"), ("Where", self.failure.where, "body"),
                ("Next", self.failure.next, "body"))  # fmt: skip
        for number, (name, text, role) in enumerate(rows):
            grid.addWidget(label(name, "body", "3"), number, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label(text, role, wrap=True), number, 1)
        if self.failure.command:
            grid.addWidget(self._command(), len(rows), 1)
        return grid

    def _command(self) -> QFrame:
        frame = QFrame()
        frame.setObjectName("command")
        row = QHBoxLayout(frame)
        row.setContentsMargins(14, 2, 4, 2)
        self._typed = QLabel(self.failure.command)
        self._typed.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(self._typed, 1)
        copy = IconButton("copy", "Copy")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.failure.command))
        row.addWidget(copy)
        return frame

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(12)
        self.retry_button = KeyButton("Try again", "Enter", kind="primary", icon="retry")
        self.off_button, self.copy_button = QPushButton(" Turn it off"), QPushButton(" Copy the report")
        for button in (self.off_button, self.copy_button):
            button.setProperty("kind", "main")
        self.retry_button.clicked.connect(self.retry)
        self.off_button.clicked.connect(self.off)
        self.copy_button.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.failure.report()))
        for button in (self.retry_button, self.off_button, self.copy_button):
            row.addWidget(button)
        row.addStretch(1)
        return row

    def showEvent(self, event: QShowEvent) -> None:
        """Enter tries again."""
        super().showEvent(event)
        self.retry_button.setFocus(Qt.FocusReason.OtherFocusReason)

    def _fold(self, open_: bool) -> None:
        self.detail.setVisible(open_)
        self._unfold.setIcon(theme().icon("collapse" if open_ else "expand", "text.1"))

    def unfold(self) -> None:
        self._unfold.setChecked(True)

    def _restyle(self) -> None:
        look = theme()
        self.card.setStyleSheet(
            f"#errorcard {{ background: {look.hex('bg.1')}; border: 1px solid {look.hex('line.2')};"
            f" border-radius: {look.pixels('radius.dialog')}px; }}"
            f" #edge {{ background: {look.hex('verdict.fair')}; border-radius: 2px; }}"
            f" #command {{ background: {look.hex('bg.0')}; border: 1px solid {look.hex('line.1')};"
            " border-radius: 5px; }"
        )
        self.detail.setStyleSheet(
            f"background: {look.hex('bg.0')}; border: 1px solid {look.hex('line.1')};"
            " border-radius: 5px; padding: 10px 14px;"
            f" color: {look.hex('text.2')};"
        )
        *lines, last = [html.escape(line) for line in self.failure.detail.splitlines()] or [""]
        coloured = f'<span style="color: {look.hex("verdict.fair")}">{last}</span>'
        self.detail.setText('<p style="line-height: 150%">' + "<br>".join([*lines, coloured]) + "</p>")
        mono = look.font("small", mono=True)
        self.detail.setFont(mono)
        if self.failure.command:
            self._typed.setFont(look.font("body", mono=True))
        self._icon.setPixmap(look.pixmap("plugin_error", 36, "verdict.fair", self.devicePixelRatioF()))
        self.off_button.setIcon(look.icon("state.disabled"))
        self.copy_button.setIcon(look.icon("copy"))
        self._fold(self._unfold.isChecked())

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme().colour("bg.0"))
        painter.end()
