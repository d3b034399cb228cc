"""The red stop: 150x36, 12 from the right, 6 from the top, above everything, never dimmed, acts when pressed down."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QFont, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from studio.app.shell.painting import octagon
from studio.app.theme import theme


class StopButton(QWidget):
    """Not a button that a style or a disabled state could grey: it always answers the press itself."""

    pressed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        _, _, width, height = theme().tokens.value("shell.stop")
        self.setFixedSize(int(width), int(height))
        self.setAccessibleName("Stop")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._down = False
        theme().changed.connect(self.update)

    def place(self, window_width_px: int) -> None:
        """Where it belongs at this width, on top of what came since."""
        reference, top, _, _ = theme().tokens.value("shell.stop")
        self.move(window_width_px - (1440 - int(reference)), int(top))
        self.raise_()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._down = True
        self.update()
        self.pressed.emit()
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._down = False
        self.update()
        event.accept()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("stop.fill"))
        painter.drawRoundedRect(box, 5, 5)
        painter.setPen(QPen(theme().colour("stop.ring", 1.0 if self._down else 0.6), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 4.5, 4.5)
        self._draw_words(painter)
        painter.end()

    def _draw_words(self, painter: QPainter) -> None:
        white, middle = theme().colour("stop.on"), self.height() / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(white)
        painter.drawPolygon(octagon(QPointF(23.5, middle), 7.2))
        font = theme().font("title")
        font.setPixelSize(17)
        font.setWeight(QFont.Weight.Bold)
        font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.4)
        painter.setFont(font)
        painter.setPen(white)
        painter.drawText(QRectF(42, 0, 60, self.height()), Qt.AlignmentFlag.AlignVCenter, "STOP")
        small = theme().font("hint")
        small.setWeight(QFont.Weight.DemiBold)
        width = QFontMetricsF(small).horizontalAdvance("Esc") + 14
        key = QRectF(self.width() - 10 - width, middle - 10, width, 20)
        painter.setFont(small)
        painter.drawText(key, Qt.AlignmentFlag.AlignCenter, "Esc")
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(white, 1))
        painter.drawRoundedRect(key, 4, 4)
