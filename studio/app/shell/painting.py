"""Small things that several parts of the shell paint: key caps, logo, ring, icons."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QWidget

from studio.app.theme import theme

_KEY_SIGNS = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓", "Backspace": "⌫"}


def key_parts(key: str) -> list[str]:
    """The caps of a key: `Ctrl+Shift+Z` gives Ctrl, Shift, Z; arrows become signs."""
    parts = [part or "+" for part in key.split("+")] if key not in ("", "+") else [key] * bool(key)
    return [_KEY_SIGNS.get(part, part) for part in parts]


def key_width(text: str) -> float:
    metrics = QFontMetricsF(theme().font("hint"))
    return max(20.0, metrics.horizontalAdvance(text) + 13)


def draw_key(painter: QPainter, right: float, centre_y: float, text: str, *, ink: str = "text.2") -> float:
    """One key cap with its right edge at `right`; returns where the next one to the left may end."""
    width = key_width(text)
    box = QRectF(right - width + 0.5, centre_y - 9.5, width - 1, 19)
    painter.setPen(QPen(theme().colour("line.2"), 1))
    painter.setBrush(theme().colour("bg.3"))
    painter.drawRoundedRect(box, 4, 4)
    font = theme().font("hint")
    font.setWeight(font.Weight.Medium)
    painter.setFont(font)
    painter.setPen(theme().colour(ink))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    return right - width - 5


def draw_keys(painter: QPainter, right: float, centre_y: float, key: str, *, ink: str = "text.2") -> float:
    """All caps of a key, right-aligned; returns the left edge."""
    for part in reversed(key_parts(key)):
        right = draw_key(painter, right, centre_y, part, ink=ink)
    return right


def draw_icon(painter: QPainter, name: str, box: QRectF, colour: str) -> None:
    """An icon in a square box; drawn once and kept, because making its glyph takes a millisecond."""
    place, ratio = box.toRect(), painter.device().devicePixelRatioF()
    painter.drawPixmap(place.topLeft(), theme().pixmap(name, place.width(), colour, ratio))


def draw_ring(painter: QPainter, box: QRectF, share: float | None, colour: QColor, ground: QColor) -> None:
    """A progress ring; `share` None draws a quarter (running, length unknown)."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(ground, 2.2))
    painter.drawEllipse(box)
    pen = QPen(colour, 2.2)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    span = 0.25 if share is None else max(share, 0.02)
    painter.drawArc(box, 90 * 16, -round(span * 360 * 16))


class Logo(QWidget):
    """Two hands, one motion: leader and follower between two arcs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedSize(24, 26)
        self.setAccessibleName("Haptic Play Studio")

    def sizeHint(self) -> QSize:
        return QSize(24, 26)

    def paintEvent(self, _event: object) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre, radius = QPointF(self.width() / 2, self.height() / 2), 10.8
        pen = QPen(theme().colour("text.1"), 1.8)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        box = QRectF(centre.x() - radius, centre.y() - radius, 2 * radius, 2 * radius)
        painter.drawArc(box, 30 * 16, 120 * 16)
        painter.drawArc(box, 210 * 16, 120 * 16)
        painter.setPen(Qt.PenStyle.NoPen)
        for side, x in (("leader", -7.6), ("follower", 7.6)):
            painter.setBrush(theme().colour(f"side.{side}"))
            painter.drawEllipse(centre + QPointF(x, 0), 3.6, 3.6)
        painter.end()


def octagon(centre: QPointF, radius: float) -> list[QPointF]:
    """The corners of a stop sign."""
    angles = [math.pi / 8 + k * math.pi / 4 for k in range(8)]
    return [QPointF(centre.x() + radius * math.cos(a), centre.y() + radius * math.sin(a)) for a in angles]
