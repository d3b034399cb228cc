"""Parts of the goals screen: a pose field with its axis colour, a library card, the strip of pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QMenu, QVBoxLayout, QWidget

from studio.app.theme import set_property, theme
from studio.app.widgets import scene_line
from studio.app.widgets.scene_camera import Camera
from studio.core.geometry import quaternion_to_matrix
from studio.data.goal_file import KeptGoal


class PoseField(QWidget):
    """A number with its unit; a wrong one is marked and keeps what was typed."""

    edited = Signal(str, float)

    def __init__(self, name: str, unit: str) -> None:
        super().__init__()
        self.name = name
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        label = QLabel(name)
        set_property(label, "type", "small")
        label.setProperty("tone", f"axis-{name}" if name in "xyz" else "1")
        self.line = QLineEdit()
        self.line.setAccessibleName(f"{name} in {unit}")
        self._unit = QLabel(unit, self.line)
        set_property(self._unit, "type", "small")
        set_property(self._unit, "tone", "3")
        self._unit.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.line.editingFinished.connect(self._finish)
        column.addWidget(label)
        column.addWidget(self.line)
        self._value = 0.0

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._unit.adjustSize()
        self._unit.move(self.line.width() - self._unit.width() - 8, (self.line.height() - self._unit.height()) // 2)

    def set_value(self, value: float, *, wrong: bool) -> None:
        self._value = value
        if not self.line.hasFocus() or self._parsed() != value:
            self.line.setText(f"{round(value, 1) + 0.0:g}".replace("-", "−"))
        set_property(self.line, "wrong", "true" if wrong else "false")

    def _parsed(self) -> float | None:
        try:
            return float(self.line.text().strip().replace("−", "-").replace(",", "."))
        except ValueError:
            return None

    def _finish(self) -> None:
        value = self._parsed()
        if value is None or not np.isfinite(value):
            self.set_value(self._value, wrong=False)
            self.line.setText(f"{self._value:g}".replace("-", "−"))
        elif abs(value - round(self._value, 1)) > 1e-9:
            self.edited.emit(self.name, value)


class CheckRow(QWidget):
    """An icon and a sentence."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self.icon, self.words = QLabel(), QLabel()
        self.icon.setFixedSize(15, 15)
        set_property(self.words, "type", "small")
        row.addWidget(self.icon)
        row.addWidget(self.words, 1)
        self._verdict = "good"
        theme().follow(self, lambda: self.set_check(self.words.text(), self._verdict))

    def set_check(self, words: str, verdict: str) -> None:
        self._verdict = verdict
        self.words.setText(words)
        self.icon.setPixmap(theme().pixmap(f"verdict.{verdict}", 15, f"verdict.{verdict}", self.devicePixelRatioF()))
        set_property(self.words, "tone", "2" if verdict == "good" else verdict)


class GoalCard(QWidget):
    """A kept goal: the box on the table from above, its name and how often it was reached."""

    chosen = Signal(object)
    dropped = Signal(object)

    def __init__(self, kept: KeptGoal, task: Any) -> None:
        super().__init__()
        self.kept, self._task = kept, task
        self.setFixedSize(101, 108)
        self.setToolTip(f"{kept.name}: click to take it, right click to drop it")
        self.setAccessibleName(f"Goal {kept.name}")
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.chosen.emit(self.kept)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = QMenu(self)
        menu.addAction("Take this goal", lambda: self.chosen.emit(self.kept))
        menu.addAction("Drop into the trash", lambda: self.dropped.emit(self.kept))
        menu.exec(event.globalPos())

    def paintEvent(self, event: QPaintEvent) -> None:
        active, painter = theme(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(active.colour("line.1"), 1))
        painter.setBrush(active.colour("bg.2"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        self._paint_scene(painter, QRectF(1, 5, self.width() - 2, 58))
        painter.setPen(active.colour("text.1"))
        painter.setFont(active.font("strong"))
        name = painter.fontMetrics().elidedText(self.kept.name, Qt.TextElideMode.ElideRight, self.width() - 14)
        painter.drawText(QRectF(8, 68, self.width() - 14, 18), Qt.AlignmentFlag.AlignVCenter, name)
        painter.setPen(active.colour("text.2"))
        painter.setFont(active.font("hint"))
        painter.drawText(QRectF(8, 86, self.width() - 10, 16), Qt.AlignmentFlag.AlignVCenter, self._history())
        painter.end()

    def _history(self) -> str:
        if not self.kept.attempts:
            return "not tried yet"
        return f"reached {100 * self.kept.reached / self.kept.attempts:.0f} %"

    def _paint_scene(self, painter: QPainter, place: QRectF) -> None:
        painter.save()
        painter.setClipRect(place)
        painter.fillRect(place, theme().colour("scene.table"))
        painter.translate(place.topLeft())
        camera = Camera(target_m=(0.02, 0.0, 0.02), distance_m=0.72, azimuth_rad=np.pi, elevation_rad=np.radians(50))
        size = (place.width(), place.height())
        painter.setPen(QPen(theme().colour("scene.grid", 0.5), 1))
        for at in np.arange(-0.4, 0.45, 0.1):
            for ends in (((at, -0.5, 0), (at, 0.5, 0)), ((-0.5, at, 0), (0.5, at, 0))):
                start, end = camera.project(np.array(ends), *size)[:, :2]
                painter.drawLine(QPointF(*start), QPointF(*end))
        paint_box(painter, camera, size, self.kept.position_m, self.kept.orientation_xyzw, self._task.object_size_m)
        painter.restore()


def paint_box(
    painter: QPainter, camera: Camera, size: tuple[float, float], position_m: Any, orientation_xyzw: Any, size_m: float
) -> None:
    """A small shaded box; the face with the dark square is the box's +z."""
    corners = scene_line.box_corners(position_m, quaternion_to_matrix(np.array(orientation_xyzw)), size_m)
    middle = corners.mean(axis=0)
    painter.setPen(Qt.PenStyle.NoPen)
    for face, order in enumerate(((4, 6, 7, 5), (0, 1, 3, 2), (2, 3, 7, 6), (0, 4, 5, 1), (1, 5, 7, 3), (0, 2, 6, 4))):
        quad = corners[list(order)]
        normal = (quad.mean(axis=0) - middle) / (size_m / 2)
        if normal @ (camera.eye_m() - quad.mean(axis=0)) <= 0:
            continue
        shade = theme().colour("scene.box").darker(round(100 + 90 * (1 - max(normal @ [0.2, 0.3, 0.93], 0.0))))
        for scale, colour in (
            (1.0, shade),
            (0.62, theme().colour("scene.casing")),
            (0.34, shade if face != 4 else None),
        ):
            if colour is None:
                continue
            inner = quad.mean(axis=0) + (quad - quad.mean(axis=0)) * scale
            points = camera.project(inner, *size)[:, :2]
            painter.setBrush(colour)
            painter.drawPolygon(QPolygonF([QPointF(float(x), float(y)) for x, y in points]))
