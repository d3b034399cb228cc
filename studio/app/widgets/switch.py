"""A switch: on or off, drawn as a track with a knob; a check box otherwise."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QSizePolicy

from studio.app.theme import theme

_TRACK_PX = (30.0, 16.0)


class Switch(QCheckBox):
    """Words at the left, the track at the right; the whole row may be pressed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(28)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(240, 28)

    def hitButton(self, position: QPoint) -> bool:
        return self.rect().contains(position)

    def paintEvent(self, event: QPaintEvent) -> None:
        active, painter = theme(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(active.font("body"))
        painter.setPen(active.colour("text.2" if self.isEnabled() else "text.3"))
        painter.drawText(self.rect().adjusted(0, 0, -40, 0), Qt.AlignmentFlag.AlignVCenter, self.text())
        width, height = _TRACK_PX
        track = QRectF(self.width() - width - 1, (self.height() - height) / 2, width, height)
        on = self.isChecked()
        painter.setBrush(active.colour("accent.line" if on else "bg.4"))
        painter.setPen(QPen(active.colour("accent.line"), 2) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.drawRoundedRect(track, height / 2, height / 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("bg.0" if on else "text.2"))
        knob = height - 4
        x = track.right() - knob - 2 if on else track.left() + 2
        painter.drawEllipse(QRectF(x, track.top() + 2, knob, knob))
        painter.end()
