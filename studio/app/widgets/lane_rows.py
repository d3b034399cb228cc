"""The rows under the curves: their names, sound, skills, notes and marks. Painting only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen, QPolygonF

from studio.app.theme import theme
from studio.app.widgets.lane_paint import HEADER_PX, Geometry, LanesState


@dataclass(frozen=True, kw_only=True)
class NoteChip:
    """A spoken or written note at a time of the take; `text` is what its chip says."""

    identity: str
    text: str
    start_s: float
    spoken: bool = True


@dataclass(frozen=True, kw_only=True)
class SkillSpan:
    """A skill that a model found or drove; `number` gives its colour."""

    number: int
    start_s: float
    end_s: float


_LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft


def paint_rows(painter: QPainter, geometry: Geometry, state: LanesState) -> None:
    """Names and what does not move with the cursor."""
    rows = (
        (geometry.sound(), "Sound"), (geometry.labels(), "Labels"), (geometry.skills(), "Skills, found"),
        (geometry.marks(), "Notes, marks"), (geometry.whole(), "Whole take"),
    )  # fmt: skip
    for area, text in rows:
        painter.setFont(theme().font("body" if text == "Whole take" else "strong"))
        painter.setPen(theme().colour("text.2" if text == "Whole take" else "text.1"))
        painter.drawText(area.adjusted(14, 0, 0, 0), _LEFT, text)
        _line(painter, 0, area.bottom(), geometry.width, area.bottom())
    lock = theme().pixmap("lock", 12, "text.3", painter.device().devicePixelRatioF())
    painter.drawPixmap(QPointF(HEADER_PX - 20, geometry.skills().center().y() - 6), lock)
    _line(painter, HEADER_PX, 0, HEADER_PX, geometry.height)
    _paint_sound(painter, geometry, state)
    _paint_skills(painter, geometry, state)


def _line(painter: QPainter, x0: float, y0: float, x1: float, y1: float) -> None:
    painter.setPen(QPen(theme().colour("line.1"), 1.0))
    painter.drawLine(QPointF(x0, y0), QPointF(x1, y1))


def _paint_words(painter: QPainter, geometry: Geometry, area: QRectF, words: str) -> None:
    painter.setFont(theme().font("small"))
    painter.setPen(theme().colour("text.3"))
    painter.drawText(area.adjusted(geometry.left + 10, 0, -8, 0), _LEFT, words)


def _paint_sound(painter: QPainter, geometry: Geometry, state: LanesState) -> None:
    area = geometry.sound()
    if state.sound is None:
        _paint_words(painter, geometry, area, state.no_sound)
        return
    width = max(2, int(geometry.right - geometry.left) // 3)
    t_s, low, high = state.sound.envelope(*state.span_s, width)
    reach = max(1e-9, float(np.abs(low).max()), float(np.abs(high).max())) if len(t_s) else 1.0
    scale, middle = (area.height() / 2 - 5) / reach, area.center().y()
    painter.setPen(QPen(theme().colour("text.2"), 1.2))
    painter.drawLines([
        QLineF(geometry.x(t), middle - h * scale - 0.5, geometry.x(t), middle - b * scale + 0.5)
        for t, b, h in zip(t_s.tolist(), low.tolist(), high.tolist(), strict=True)
    ])  # fmt: skip


def _paint_skills(painter: QPainter, geometry: Geometry, state: LanesState) -> None:
    area = geometry.skills()
    if not state.skills:
        _paint_words(painter, geometry, area, state.no_skills)
        return
    painter.save()
    painter.setClipRect(QRectF(geometry.left, area.top(), geometry.right - geometry.left, area.height()))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(theme().font("small"))
    for span in state.skills:
        left, right = geometry.x(span.start_s), geometry.x(span.end_s)
        box = QRectF(left, area.top() + 4, max(1.0, right - left - 1), area.height() - 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour(f"cat.{(span.number - 1) % 8 + 1}", theme().number("fill.machine_lane")))
        painter.drawRoundedRect(box, 3, 3)
        if box.width() > 14:
            painter.setPen(theme().colour("text.1"))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(span.number))
    painter.restore()


def chip_box(geometry: Geometry, chip: NoteChip) -> QRectF:
    """Where the chip of a note lies, its start at the note's time."""
    area = geometry.marks()
    width = QFontMetricsF(theme().font("small")).horizontalAdvance(chip.text) + (32 if chip.spoken else 16)
    left = min(max(geometry.x(chip.start_s), geometry.left + 2), geometry.right - width)
    return QRectF(left, area.top() + 4, width, area.height() - 8)


def paint_notes(painter: QPainter, geometry: Geometry, state: LanesState) -> None:
    """Marks as flags, notes as chips."""
    painter.save()
    painter.setClipRect(QRectF(geometry.left, 0, geometry.right - geometry.left, geometry.height))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme().colour("state.recording"))
    y = geometry.marks().center().y()
    for t_s in state.marks_s:
        x = geometry.x(t_s)
        flag = [(-4, -6), (4, -6), (4, 6), (0, 2.5), (-4, 6)]
        painter.drawPolygon(QPolygonF([QPointF(x + dx, y + dy) for dx, dy in flag]))
    start_s, end_s = state.span_s
    for chip in state.notes:
        if start_s <= chip.start_s <= end_s:
            _paint_chip(painter, chip_box(geometry, chip), chip)
    painter.restore()


def _paint_chip(painter: QPainter, box: QRectF, chip: NoteChip) -> None:
    painter.setPen(QPen(theme().colour("line.2"), 1.0))
    painter.setBrush(theme().colour("bg.3"))
    painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
    if chip.spoken:
        icon = theme().pixmap("mic", 13, "text.1", painter.device().devicePixelRatioF())
        painter.drawPixmap(QPointF(box.left() + 8, box.center().y() - 6.5), icon)
    painter.setFont(theme().font("small"))
    painter.setPen(theme().colour("text.1"))
    painter.drawText(box.adjusted(26 if chip.spoken else 8, 0, 0, 0), _LEFT, chip.text)
