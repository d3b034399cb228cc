"""A slider with two handles: a low and a high value."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from studio.app.theme import theme

_EDGE_PX = 7.0
_KEYS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1}


class RangeSlider(QWidget):
    """Values from 0 to `top`. Drag a handle, or choose one with Tab's focus and the arrow keys (Shift: the low one)."""

    moved = Signal(int, int)

    def __init__(self, top: int = 100, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._top, self._values, self._held = top, [0, top], -1
        self.setFixedHeight(22)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def values(self) -> tuple[int, int]:
        return self._values[0], self._values[1]

    def set_values(self, low: int, high: int) -> None:
        """Show a range without telling anybody."""
        self._values = [low, high]
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(160, 22)

    def handle_x(self, index: int) -> float:
        """Where a handle is (0 low, 1 high), in widget pixels."""
        return _EDGE_PX + self._values[index] / self._top * (self.width() - 2 * _EDGE_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("bg.4"))
        painter.drawRoundedRect(QRectF(_EDGE_PX, middle - 2, self.width() - 2 * _EDGE_PX, 4), 2, 2)
        low, high = self.handle_x(0), self.handle_x(1)
        painter.setBrush(theme().colour("accent.line"))
        painter.drawRect(QRectF(low, middle - 2, high - low, 4))
        painter.setBrush(theme().colour("text.1"))
        painter.setPen(QPen(theme().colour("accent.line"), 2) if self.hasFocus() else Qt.PenStyle.NoPen)
        for x in (low, high):
            painter.drawEllipse(QPointF(x, middle), 6, 6)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        distances = [abs(event.position().x() - self.handle_x(index)) for index in (0, 1)]
        both = abs(distances[0] - distances[1]) < 1e-6  # on top of each other: the side that is pressed decides
        self._held = int(event.position().x() >= self.handle_x(1)) if both else distances.index(min(distances))
        self._drag_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held >= 0:
            self._drag_to(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._held = -1

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = _KEYS.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
            return
        index = 0 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        self._move(index, self._values[index] + 5 * step)

    def _drag_to(self, x: float) -> None:
        self._move(self._held, round((x - _EDGE_PX) / max(1.0, self.width() - 2 * _EDGE_PX) * self._top))

    def _move(self, index: int, value: int) -> None:
        low, high = (0, self._values[1]) if index == 0 else (self._values[0], self._top)
        value = min(max(value, low), high)
        if value != self._values[index]:
            self._values[index] = value
            self.update()
            self.moved.emit(*self._values)
