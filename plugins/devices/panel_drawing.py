"""The wizard's drawing: what the bench looks like in this step, with the joint where the motor says it is."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, radians, sin

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.app.theme import theme

HEIGHT_PX = 168
_ARM_PX, _AXIS_Y = 128.0, 74.0


class BenchDrawing(QWidget):
    """One drawing per step; `show_step` says which, and what is measured."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.joint = "reply", 0
        self.angle_rad, self.pins_rad, self.mass_kg, self.lever_m, self.push = 0.0, 1.5708, 0.5, 0.2, 0.0
        self.setMinimumHeight(HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)
        self._drawings: dict[str, Callable[[QPainter], None]] = {
            "reply": self._draw_reply, "position": self._draw_pins, "velocity": self._draw_swing,
            "torque": self._draw_weight, "gain": self._draw_clamp, "current": self._draw_clamp,
            "sign": self._draw_turn, "silence": self._draw_silence, "zero": self._draw_zero,
        }  # fmt: skip

    def show_step(self, step: str, joint: int, angle_rad: float = 0.0, push: float = 0.0) -> None:
        """`angle_rad`: how far the joint has turned in this step; `push`: torque as a share of what is asked."""
        now = (step, joint, round(angle_rad, 3), round(push, 2))
        if now != (self.step, self.joint, round(self.angle_rad, 3), round(self.push, 2)):
            self.step, self.joint, self.angle_rad, self.push = step, joint, angle_rad, push
            self.update()

    def set_bench(self, *, pins_rad: float, mass_kg: float, lever_m: float) -> None:
        if (pins_rad, mass_kg, lever_m) != (self.pins_rad, self.mass_kg, self.lever_m):
            self.pins_rad, self.mass_kg, self.lever_m = pins_rad, mass_kg, lever_m
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, HEIGHT_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, active = QPainter(self), theme()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(active.colour("line.1"))
        painter.setBrush(active.colour("bg.0"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        self._drawings.get(self.step, self._draw_reply)(painter)
        painter.end()

    # ---- steps ---------------------------------------------------------------------------------------------------

    def _draw_reply(self, painter: QPainter) -> None:
        """Motor and adapter, a question going out and an answer coming back."""
        active = theme()
        left, right = QPointF(70, 84), QPointF(self.width() - 70, 84)
        painter.setPen(QPen(active.colour("line.3"), 3))
        painter.drawLine(left, right)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("scene.body"))
        painter.drawRoundedRect(QRectF(left.x() - 34, 62, 68, 44), 6, 6)
        self._text(painter, QRectF(left.x() - 34, 62, 68, 44), "bus", "text.1", Qt.AlignmentFlag.AlignCenter)
        self._axis(painter, right)
        middle = (left.x() + right.x()) / 2
        self._arrow(painter, QPointF(middle - 40, 66), QPointF(middle + 40, 66), "accent.line")
        self._arrow(painter, QPointF(middle + 40, 102), QPointF(middle - 40, 102), "state.engaged")
        self._text(painter, QRectF(middle - 80, 40, 160, 20), "no torque", "text.2", Qt.AlignmentFlag.AlignCenter)
        self._text(painter, QRectF(middle - 80, 108, 160, 20), "its state", "text.2", Qt.AlignmentFlag.AlignCenter)

    def _draw_pins(self, painter: QPainter) -> None:
        """Two pins and the arm between them, at the angle that the motor reports."""
        axis = QPointF(self.width() * 0.36, 132)
        for angle, words in ((0.0, "0°"), (self.pins_rad, f"{self.pins_rad * 57.2958:.0f}°")):
            place = self._polar(axis, angle, 104)
            painter.setPen(QPen(theme().colour("line.3"), 1, Qt.PenStyle.DashLine))
            painter.drawLine(axis, place)
            self._pin(painter, place)
            self._text(painter, QRectF(place.x() + 10, place.y() - 10, 60, 20), words, "text.1")
        self._arm(painter, axis, abs(self.angle_rad), 96)
        self._sweep(painter, axis, 44, abs(self.angle_rad))

    def _draw_swing(self, painter: QPainter) -> None:
        """The arm between its ends, moved by hand."""
        axis = QPointF(self.width() / 2, 140)
        for angle in (radians(30), radians(150)):
            painter.setPen(QPen(theme().colour("line.3"), 1, Qt.PenStyle.DashLine))
            painter.drawLine(axis, self._polar(axis, angle, 108))
        self._arm(painter, axis, radians(90) + self.angle_rad, 104)
        painter.setPen(QPen(theme().colour("accent.line"), 2.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawArc(QRectF(axis.x() - 118, axis.y() - 118, 236, 236), 35 * 16, 110 * 16)
        self._text(painter, QRectF(12, 10, 200, 20), "60° each way or more", "text.2")

    def _draw_weight(self, painter: QPainter) -> None:
        """A level lever, a weight at its end, the torque that lifts it."""
        active, axis = theme(), QPointF(84, _AXIS_Y)
        end = QPointF(min(axis.x() + 155, self.width() - 60), axis.y())
        painter.setPen(QPen(active.colour("text.2"), 1))
        for x in (axis.x(), end.x()):
            painter.drawLine(QPointF(x, 24), QPointF(x, 62))
        painter.drawLine(QPointF(axis.x(), 32), QPointF(end.x(), 32))
        words = f"{1000 * self.lever_m:.0f} mm"
        middle = (axis.x() + end.x()) / 2
        painter.fillRect(QRectF(middle - 34, 22, 68, 20), active.colour("bg.0"))
        self._text(painter, QRectF(middle - 34, 22, 68, 20), words, "text.1", Qt.AlignmentFlag.AlignCenter)
        self._lever(painter, axis, end)
        box = QRectF(end.x() - 27, axis.y() + 32, 54, 36)
        painter.setPen(QPen(active.colour("text.3"), 2))
        painter.drawLine(end, QPointF(end.x(), box.y()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("text.3"))
        painter.drawRoundedRect(box, 4, 4)
        self._text(painter, box, f"{self.mass_kg:.2f} kg", "bg.0", Qt.AlignmentFlag.AlignCenter, "strong")
        self._turning_arrow(painter, axis, 34, active.number("fill.label") if self.push <= 0 else 1.0)
        self._text(painter, QRectF(16, 112, 120, 18), "expected", "text.2")
        newton_metre = self.mass_kg * 9.81 * self.lever_m
        self._text(painter, QRectF(16, 132, 140, 22), f"{newton_metre:.2f} N·m", "text.1", role="title")

    def _draw_clamp(self, painter: QPainter) -> None:
        """The joint between two jaws, pushed by its motor."""
        active, axis = theme(), QPointF(self.width() * 0.32, _AXIS_Y + 6)
        end = QPointF(axis.x() + _ARM_PX, axis.y())
        self._lever(painter, axis, end)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("text.3"))
        for y in (axis.y() - 42, axis.y() + 12):
            painter.drawRoundedRect(QRectF(end.x() - 34, y, 44, 30), 4, 4)
        strength = max(0.35, min(abs(self.push), 1.0))
        if self.step == "gain" or self.push >= 0:
            self._turning_arrow(painter, axis, 38, strength)
        if self.step == "current" and self.push <= 0:
            self._turning_arrow(painter, axis, 38, strength, backward=True)
        words = "a small stiffness and damping" if self.step == "gain" else "one way, then the other"
        self._text(painter, QRectF(16, 136, 280, 20), words, "text.2")

    def _draw_turn(self, painter: QPainter) -> None:
        """Which way is positive."""
        axis = QPointF(self.width() * 0.36, 128)
        painter.setPen(QPen(theme().colour("line.3"), 1, Qt.PenStyle.DashLine))
        painter.drawLine(axis, self._polar(axis, radians(20), 112))
        self._arm(painter, axis, radians(20) + self.angle_rad, 104)
        self._turning_arrow(painter, axis, 66, 1.0)
        self._text(painter, QRectF(axis.x() + 66, 34, 160, 20), "positive, about 30°", "text.1")

    def _draw_silence(self, painter: QPainter) -> None:
        """Commands as ticks along time; a gap; what the torque does in it is the question."""
        active, width = theme(), self.width()
        gap_start, gap_end, base = width * 0.42, width * 0.78, 58.0
        painter.setPen(QPen(active.colour("accent.line"), 2))
        x = 24.0
        while x < width - 20:
            if not gap_start < x < gap_end:
                painter.drawLine(QPointF(x, base), QPointF(x, base - 20))
            x += 9
        self._text(painter, QRectF(gap_start, base - 22, gap_end - gap_start, 20), "silence", "text.2",
                   Qt.AlignmentFlag.AlignCenter)  # fmt: skip
        self._text(painter, QRectF(16, 10, 120, 18), "commands", "text.2")
        self._text(painter, QRectF(16, 84, 120, 18), "torque", "text.2")
        let_go = QPainterPath(QPointF(24, 112))
        for point in ((gap_start + 40, 112), (gap_start + 46, 148), (gap_end, 148)):
            let_go.lineTo(QPointF(*point))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(active.colour("state.engaged"), 2.5))
        painter.drawPath(let_go)
        painter.setPen(QPen(active.colour("state.stopped"), 2, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(gap_start + 46, 112), QPointF(gap_end, 112))
        self._text(painter, QRectF(gap_end + 6, 102, 90, 20), "holds?", "state.stopped")
        self._text(painter, QRectF(gap_end + 6, 138, 90, 20), "lets go?", "state.engaged")

    def _draw_zero(self, painter: QPainter) -> None:
        """The fixture holds the arm; the sectors that one encoder cannot tell apart."""
        active, axis = theme(), QPointF(self.width() / 2, 92)
        for sector in range(6):
            painter.setPen(QPen(active.colour("line.2"), 1, Qt.PenStyle.DashLine))
            painter.drawLine(axis, self._polar(axis, radians(60 * sector + 30), 70))
        painter.setPen(QPen(active.colour("text.3"), 6))
        painter.drawLine(axis + QPointF(50, 18), axis + QPointF(120, 18))
        self._arm(painter, axis, self.angle_rad, 112)
        self._text(painter, QRectF(axis.x() + 52, axis.y() + 24, 120, 20), "fixture", "text.2")

    # ---- parts ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _polar(axis: QPointF, angle_rad: float, radius: float) -> QPointF:
        return QPointF(axis.x() + radius * cos(angle_rad), axis.y() - radius * sin(angle_rad))

    def _axis(self, painter: QPainter, axis: QPointF) -> None:
        """The motor: its housing, the joint's hue, its shaft."""
        active = theme()
        painter.setPen(Qt.PenStyle.NoPen)
        for radius, colour in ((24.0, active.colour("scene.body")), (16.0, active.joint(self.joint))):
            painter.setBrush(colour)
            painter.drawEllipse(axis, radius, radius)
        painter.setBrush(active.colour("bg.0"))
        painter.drawEllipse(axis, 3, 3)

    def _lever(self, painter: QPainter, axis: QPointF, end: QPointF) -> None:
        active = theme()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("scene.body"))
        painter.drawRoundedRect(QRectF(axis.x() - 64, axis.y() - 13, 64, 26), 4, 4)
        painter.setPen(QPen(active.colour("line.3"), 1))
        painter.setBrush(active.colour("scene.metal"))
        painter.drawRoundedRect(QRectF(axis.x(), axis.y() - 9, end.x() - axis.x() + 24, 18), 9, 9)
        self._axis(painter, axis)
        painter.setBrush(active.colour("text.3"))
        painter.drawEllipse(end, 4, 4)

    def _arm(self, painter: QPainter, axis: QPointF, angle_rad: float, length: float) -> None:
        for width, tone in ((18, "line.3"), (16, "scene.metal")):
            painter.setPen(QPen(theme().colour(tone), width, c=Qt.PenCapStyle.RoundCap))
            painter.drawLine(axis, self._polar(axis, angle_rad, length))
        self._axis(painter, axis)

    def _pin(self, painter: QPainter, place: QPointF) -> None:
        painter.setPen(QPen(theme().colour("text.1"), 2))
        painter.setBrush(theme().colour("text.3"))
        painter.drawEllipse(place, 5, 5)

    def _sweep(self, painter: QPainter, axis: QPointF, radius: float, angle_rad: float) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme().colour("accent.line"), 3))
        box = QRectF(axis.x() - radius, axis.y() - radius, 2 * radius, 2 * radius)
        painter.drawArc(box, 0, round(angle_rad * 57.2958 * 16))

    def _turning_arrow(
        self, painter: QPainter, axis: QPointF, radius: float, opacity: float, *, backward: bool = False
    ) -> None:
        """An arc with a head, over the axis; positive turns to the left, backward to the right."""
        colour = theme().colour("state.aligning", max(0.25, min(opacity, 1.0)))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, 3))
        box = QRectF(axis.x() - radius, axis.y() - radius, 2 * radius, 2 * radius)
        painter.drawArc(box, 55 * 16, 130 * 16)
        tip_degrees = 55.0 if backward else 185.0
        tip = self._polar(axis, radians(tip_degrees), radius)
        side = -1 if backward else 1
        along = radians(tip_degrees + side * 90)
        head = QPointF(cos(along), -sin(along))
        across = QPointF(-head.y(), head.x())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawPolygon(QPolygonF([tip + head * 11, tip + across * 6, tip - across * 6]))

    def _arrow(self, painter: QPainter, start: QPointF, end: QPointF, tone: str) -> None:
        painter.setPen(QPen(theme().colour(tone), 2.5))
        painter.drawLine(start, end)
        side = 1.0 if end.x() > start.x() else -1.0
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour(tone))
        painter.drawPolygon(QPolygonF([end + QPointF(9 * side, 0), end + QPointF(0, 5), end + QPointF(0, -5)]))

    def _text(
        self,
        painter: QPainter,
        area: QRectF,
        words: str,
        tone: str,
        side: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignVCenter,
        role: str = "small",
    ) -> None:
        painter.setFont(theme().font(role))
        painter.setPen(theme().colour(tone))
        painter.drawText(area, side, words)
