"""One learning curve: thin training, thick held-out, dashed the last run, and the newest held-out number.

Painted directly: four of these open within one frame, where a general plot widget takes a good part of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from studio.app.theme import set_property, theme
from studio.app.widgets.polygon import make_polygon

_POINTS_MAX = 1500
_LEFT_PX, _BOTTOM_PX, _TOP_PX, _RIGHT_PX = 34, 20, 6, 6


@dataclass(frozen=True, kw_only=True)
class LossCurve:
    """Steps [N] and values [N]."""

    steps: Sequence[float] = ()
    values: Sequence[float] = ()


class CurveArea(QWidget):
    """Grid, numbers and lines."""

    def __init__(self) -> None:
        super().__init__()
        self.training = self.held_out = self.reference = LossCurve()
        self.others: Sequence[tuple[LossCurve, str]] = ()  # of compared runs, with their token colours
        self.span, self.limits = (0.0, 1.0), (0.0, 1.0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(300, 180)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme().font("hint"))
        height = self.height() - _TOP_PX - _BOTTOM_PX
        marks = [(value, tick_text(value)) for value in ticks(*self.limits, max(2, int(height / 40)))]
        left = max([_LEFT_PX, *(painter.fontMetrics().horizontalAdvance(words) + 8 for _, words in marks)])
        area = QRectF(left, _TOP_PX, self.width() - left - _RIGHT_PX, height)
        self._paint_grid(painter, area, marks)
        painter.setClipRect(area.adjusted(-1, -1, 5, 1))
        number = theme().number
        dash = [float(n) for n in theme().tokens.value("plot.dash_reference")]
        self._paint_curve(painter, area, self.reference, "text.3", number("plot.width_reference"), dash)
        self._paint_curve(painter, area, self.training, "cat.1", number("plot.width_raw"), [], opacity=0.75)
        for curve, key in self.others:
            self._paint_curve(painter, area, curve, key, number("plot.width_review"), [])
        self._paint_curve(painter, area, self.held_out, "cat.2", number("plot.width_smoothed"), [])
        if len(self.held_out.values):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme().colour("cat.2"))
            painter.drawEllipse(self._points(area, self.held_out).last(), 4, 4)
        painter.end()

    def _paint_grid(self, painter: QPainter, area: QRectF, marks: list[tuple[float, str]]) -> None:
        grid, text = QPen(theme().colour("plot.grid"), 1), theme().colour("plot.axis")
        for value, words in marks:
            y = area.bottom() - (value - self.limits[0]) / (self.limits[1] - self.limits[0]) * area.height()
            painter.setPen(grid)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(text)
            flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(0, y - 9, area.left() - 6, 18), flags, words)
        for step in ticks(*self.span, max(2, int(area.width() / 80))):
            x = area.left() + (step - self.span[0]) / (self.span[1] - self.span[0]) * area.width()
            painter.setPen(grid)
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            painter.setPen(text)
            place = QRectF(min(max(0.0, x - 30), self.width() - 60.0), area.bottom() + 3, 60, 16)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, step_text(step))

    def _points(self, area: QRectF, curve: LossCurve) -> QPolygonF:
        steps, values = thin(curve)
        x = area.left() + (steps - self.span[0]) / (self.span[1] - self.span[0]) * area.width()
        y = area.bottom() - (values - self.limits[0]) / (self.limits[1] - self.limits[0]) * area.height()
        return make_polygon(np.stack([x, np.clip(y, -1e5, 1e5)], axis=1))

    def _paint_curve(
        self, painter: QPainter, area: QRectF, curve: LossCurve, key: str, width: float, dash: list[float], *,
        opacity: float = 1.0,
    ) -> None:  # fmt: skip
        if not len(curve.values):
            return
        pen = QPen(theme().colour(key, opacity), width)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        if dash:
            pen.setDashPattern(dash)
        painter.setPen(pen)
        painter.drawPolyline(self._points(area, curve))


class LossPlot(QWidget):
    """A titled plot; `set_curves` replaces what is drawn, at the pace the caller chooses (once a second)."""

    def __init__(self, title: str = "", hint: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.hint, self.value = QLabel(title), QLabel(hint), QLabel("–")
        set_property(self.title, "type", "strong")
        set_property(self.hint, "type", "small")
        set_property(self.hint, "tone", "3")
        set_property(self.value, "type", "title")
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self.title)
        head.addWidget(self.hint)
        head.addStretch(1)
        head.addWidget(self.value)
        self.area = CurveArea()
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 10, 14, 4)
        column.setSpacing(4)
        column.addLayout(head)
        column.addWidget(self.area, 1)

    def set_title(self, title: str, hint: str) -> None:
        self.title.setText(title)
        self.hint.setText(hint)

    def set_curves(
        self,
        training: LossCurve,
        held_out: LossCurve,
        reference: LossCurve,
        span: tuple[float, float],
        others: Sequence[tuple[LossCurve, str]] = (),
    ) -> None:
        """Draw over steps `span`; the value shown is the newest held-out one, else training."""
        newest = held_out if len(held_out.values) else training
        self.value.setText(number_text(newest.values[-1]) if len(newest.values) else "–")
        area = self.area
        area.training, area.held_out, area.reference, area.others = training, held_out, reference, others
        area.span = (span[0], max(span[1], span[0] + 1.0))
        area.limits = value_limits((training, held_out, reference, *(curve for curve, _ in others)))
        area.update()


def value_limits(curves: Sequence[LossCurve]) -> tuple[float, float]:
    """Lowest and highest value shown. The first steps of a loss are far above the rest; they may leave at the top."""
    shown = [np.asarray(curve.values, dtype=float) for curve in curves if len(curve.values)]
    shown = [values[np.isfinite(values)] for values in shown]
    shown = [values for values in shown if len(values)]
    if not shown:
        return 0.0, 1.0
    low = min(0.0, *(float(values.min()) for values in shown))
    top = max(float(np.quantile(values, 0.98)) for values in shown)
    return low, max(top + 0.04 * (top - low), low + 1e-9)


def ticks(low: float, high: float, count: int) -> np.ndarray:
    """Round values in 1-2-5 steps, at most about `count`."""
    raw = max(high - low, 1e-12) / count
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    values = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    return np.round(values, 12) + 0.0  # no minus zero


def tick_text(value: float) -> str:
    """`−30.05`, with a minus as long as a plus."""
    return f"{value:g}".replace("-", "−")


def step_text(step: float) -> str:
    """12500 is written 12.5k."""
    return f"{step / 1000:g}k" if abs(step) >= 1000 else f"{step:g}"


def thin(curve: LossCurve) -> tuple[np.ndarray, np.ndarray]:
    """At most 1500 points: the mean of each stretch."""
    x, y = np.asarray(curve.steps, dtype=float), np.asarray(curve.values, dtype=float)
    if len(x) <= _POINTS_MAX:
        return x, y
    starts = np.linspace(0, len(x), _POINTS_MAX, endpoint=False).astype(int)
    counts = np.diff(np.append(starts, len(x)))
    return x[starts], np.add.reduceat(y, starts) / counts


def number_text(value: float) -> str:
    """Three figures that matter."""
    if not np.isfinite(value):
        return "–"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 5 else 2
    text = f"{value:.{decimals}f}" if abs(value) >= 0.095 or value == 0 else f"{value:.2g}"
    return text.replace("-", "−", 1) if text.startswith("-") else text
