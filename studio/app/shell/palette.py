"""The command palette (Ctrl+K): every action, its key, its place; what cannot run is grey and says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFont, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)  # fmt: skip
from shiboken6 import isValid

from studio.app.commands import Command, Commands
from studio.app.shell.painting import draw_icon, draw_key, draw_keys, key_width
from studio.app.theme import theme

_Index = QModelIndex | QPersistentModelIndex
_GROUPS = ("Do", "Open", "Set")
_STEPS = "Step by step"  # keys that repeat: so many that they would hide what comes after them
_CARD = QRect(400, 47, 641, 614)  # at 1440 wide, below the top bar
_ROW_PX, _HEADING_PX = 42, 40
_GROUP_ICONS = {"Do": "play", "Open": "plan", "Set": "settings"}


@dataclass(frozen=True)
class Row:
    """A heading (no command) or a command with the reason why it cannot run."""

    text: str
    command: Command | None = None
    blocked: str = ""


def find_commands(commands: Commands, query: str, screen: str) -> list[Row]:
    """Rows for a query: every word must occur in title or place; headings between the groups.

    Commands of the screen on top come first within their group, then titles that begin with the query; what cannot run
    now comes last, and small steps (keys that repeat) have a heading of their own at the end.
    """
    words = query.lower().split()
    found = [c for c in commands.all() if all(w in f"{c.title} {c.place}".lower() for w in words)]
    start = query.lower().strip()

    def rank(command: Command) -> tuple[bool, bool, bool, bool, str]:
        here = command.scope == screen and bool(screen)
        in_title = all(w in command.title.lower() for w in words)
        begins = bool(start) and command.title.lower().startswith(start)
        late = bool(commands.blocked(command.id))
        return (not in_title, late, not here, not begins, command.title)

    rows: list[Row] = []
    for group in (*_GROUPS, _STEPS):
        members = sorted((c for c in found if (_STEPS if c.repeat else c.group) == group), key=rank)
        if members:
            rows.append(Row(group))
            rows += [Row(c.title, c, commands.blocked(c.id)) for c in members]
    return rows


class RowModel(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []

    def replace(self, rows: list[Row]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, _parent: _Index | None = None) -> int:
        return len(self.rows)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{row.text}. {row.blocked}" if row.blocked else row.text
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        row = self.rows[index.row()]
        both = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return both if row.command else Qt.ItemFlag.NoItemFlags


class RowDelegate(QStyledItemDelegate):
    def __init__(self) -> None:
        super().__init__()
        self.query = ""

    def sizeHint(self, _option: QStyleOptionViewItem, index: _Index) -> QSize:
        model = index.model()
        assert isinstance(model, RowModel)
        return QSize(600, _ROW_PX if model.rows[index.row()].command else _HEADING_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        model = index.model()
        assert isinstance(model, RowModel)
        row = model.rows[index.row()]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(option.rect)  # type: ignore[attr-defined]
        if row.command is None:
            self._draw_heading(painter, box, row.text)
        else:
            chosen = bool(option.state & QStyle.StateFlag.State_Selected)  # type: ignore[attr-defined]
            self._draw_command(painter, box, row, row.command, chosen)
        painter.restore()

    def _draw_heading(self, painter: QPainter, box: QRectF, text: str) -> None:
        font = theme().font("small")
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(theme().colour("text.3"))
        painter.drawText(box.adjusted(24, 4, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)

    def _draw_command(self, painter: QPainter, box: QRectF, row: Row, command: Command, chosen: bool) -> None:
        if chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme().colour("accent.soft"))
            painter.drawRoundedRect(box.adjusted(8, 1, -8, -1), 5, 5)
            painter.setBrush(theme().colour("accent.line"))
            painter.drawRoundedRect(QRectF(box.left() + 8, box.top() + 9, 3, box.height() - 18), 1.5, 1.5)
        ink, middle = "text.3" if row.blocked else "text.1", box.center().y()
        icon = command.icon or _GROUP_ICONS[command.group]
        draw_icon(painter, icon, QRectF(box.left() + 26, middle - 8, 16, 16), ink)
        right = draw_keys(painter, box.right() - 20, middle, command.key) if command.key else box.right() - 20
        x = self._draw_title(painter, box.left() + 56, box, row.text, ink, bool(row.blocked))
        place = row.blocked or command.place
        painter.setFont(theme().font("body"))
        painter.setPen(theme().colour("text.2" if row.blocked else "text.3"))
        room = right - x - 26
        place = QFontMetricsF(theme().font("body")).elidedText(place, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRectF(x + 14, box.top(), room + 12, box.height()), Qt.AlignmentFlag.AlignVCenter, place)

    def _draw_title(self, painter: QPainter, x: float, box: QRectF, text: str, ink: str, blocked: bool) -> float:
        for part, matches in split_matches(text, self.query):
            font = theme().font("field")
            font.setWeight(QFont.Weight.DemiBold if matches else QFont.Weight.Medium)
            painter.setFont(font)
            painter.setPen(theme().colour("accent.text" if matches and not blocked else ink))
            painter.drawText(QRectF(x, box.top(), 500, box.height()), Qt.AlignmentFlag.AlignVCenter, part)
            x += QFontMetricsF(font).horizontalAdvance(part)
        return x


def split_matches(text: str, query: str) -> list[tuple[str, bool]]:
    """The text cut where it matches the words of the query: `("Set ", no), ("goal", yes)…`."""
    marks = [False] * len(text)
    for word in query.lower().split():
        start = text.lower().find(word)
        while start >= 0:
            marks[start : start + len(word)] = [True] * len(word)
            start = text.lower().find(word, start + 1)
    parts: list[tuple[str, bool]] = []
    for letter, mark in zip(text, marks, strict=True):
        if parts and parts[-1][1] == mark:
            parts[-1] = (parts[-1][0] + letter, mark)
        else:
            parts.append((letter, mark))
    return parts


class Footer(QWidget):
    """What the keys do in here."""

    _TEXTS = ((("↑ ↓",), "choose"), (("Enter",), "do it"), (("Ctrl K",), "close"),
              (("Esc",), "stop the robot and close"))  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(40)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(0, 0, self.width(), 1, theme().colour("line.1"))
        x = 24.0
        for keys, words in self._TEXTS:
            for key in keys:
                x += key_width(key)
                draw_key(painter, x, 20, key)
            font = theme().font("body")
            painter.setFont(font)
            painter.setPen(theme().colour("text.2"))
            painter.drawText(QRectF(x + 9, 0, 300, 40), Qt.AlignmentFlag.AlignVCenter, words)
            x += 9 + QFontMetricsF(font).horizontalAdvance(words) + 20
        painter.end()


class Palette(QWidget):
    """A dim layer over everything but top bar and status bar, with the card in it."""

    chosen = Signal(str)
    closed = Signal()

    def __init__(self, commands: Commands, parent: QWidget) -> None:
        super().__init__(parent)
        self._commands, self._screen = commands, ""
        self._before: QWidget | None = None
        self._model, self._delegate = RowModel(), RowDelegate()
        self.card = QFrame(self)
        self.card.setObjectName("palette")
        self.field, self.found, self.list = QLineEdit(), QLabel(), QListView()
        self._build()
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.list.clicked.connect(self._clicked)
        theme().changed.connect(self._restyle)
        self._restyle()
        self.hide()

    def _build(self) -> None:
        self.field.setPlaceholderText("Find or do anything")
        self.field.setFrame(False)
        self.found.setProperty("tone", "3")
        self.list.setModel(self._model)
        self.list.setItemDelegate(self._delegate)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMouseTracking(True)
        head = QHBoxLayout()
        head.setContentsMargins(20, 0, 20, 0)
        head.setSpacing(12)
        self._icon = QLabel()
        head.addWidget(self._icon)
        head.addWidget(self.field, 1)
        head.addWidget(self.found)
        line = QFrame()
        line.setProperty("frame", "line")
        column = QVBoxLayout(self.card)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        top = QWidget()
        top.setFixedHeight(63)
        top.setLayout(head)
        for widget in (top, line, self.list, Footer()):
            column.addWidget(widget, 1 if widget is self.list else 0)

    def _restyle(self) -> None:
        look = theme()
        radius = look.pixels("radius.dialog")
        self.card.setStyleSheet(
            f"#palette {{ background: {look.hex('bg.1')}; border: 1px solid {look.hex('line.2')};"
            f" border-radius: {radius}px; }} QListView {{ background: transparent; }}"
            " QLineEdit { background: transparent; border: 0; font-size: 18px; padding: 0;"
            " min-height: 40px; max-height: 40px; }"
        )
        self._icon.setPixmap(look.pixmap("palette", 18, "text.2", self.devicePixelRatioF()))

    def open(self, screen: str, query: str = "") -> None:
        """Show with a query; the commands of the screen on top come first."""
        self._screen = screen
        if not self.isVisible():
            self._before = self.window().focusWidget()
        self.field.setText(query)
        self._search(query)
        self.show()
        self.raise_()
        self.field.setFocus()

    def close_palette(self) -> None:
        if self.isVisible():
            self._give_keys_back()
            self.hide()
            self.closed.emit()

    def _give_keys_back(self) -> None:
        """To whom they belonged before; left to Qt, the next text field on the screen would get them and keep them."""
        before, self._before = self._before, None
        if before is None or not isValid(before) or not before.isVisible():
            before = self.window()
        before.setFocus()

    def place(self, area: QRect) -> None:
        """Cover the area between the bars; the card stays centred and shrinks when there is no room."""
        self.setGeometry(area)
        width = min(_CARD.width(), area.width() - 40)
        height = min(_CARD.height(), area.height() - _CARD.y() - 20)
        self.card.setGeometry((area.width() - width) // 2, _CARD.y(), width, height)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme().colour("bg.0", theme().number("fill.dim_behind_palette")))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self.card.geometry().contains(event.position().toPoint()):
            self.close_palette()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                self._step(1 if event.key() == Qt.Key.Key_Down else -1)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run(self.list.currentIndex())
                return True
        return super().eventFilter(watched, event)

    def _search(self, query: str) -> None:
        rows = find_commands(self._commands, query, self._screen)
        self._delegate.query = query
        self._model.replace(rows)
        count = sum(row.command is not None for row in rows)
        self.found.setText(f"{count} found" if count else "Nothing fits")
        self._choose(next((i for i, row in enumerate(rows) if row.command and not row.blocked), -1))

    def _choose(self, row: int) -> None:
        self.list.setCurrentIndex(self._model.index(row, 0) if row >= 0 else QModelIndex())

    def _step(self, direction: int) -> None:
        rows = self._model.rows
        row = self.list.currentIndex().row() + direction
        while 0 <= row < len(rows) and rows[row].command is None:
            row += direction
        if 0 <= row < len(rows):
            self._choose(row)

    def _clicked(self, index: QModelIndex) -> None:
        self._run(index)

    def _run(self, index: QModelIndex) -> None:
        row = self._model.rows[index.row()] if index.isValid() else None
        if row and row.command and not row.blocked:
            self.close_palette()
            self.chosen.emit(row.command.id)
