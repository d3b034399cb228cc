"""What was predicted as a band with its middle, what happened as lines over it. Painted directly, as the losses are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from studio.app.theme import set_property, theme
from studio.app.widgets.history import decimate
from studio.app.widgets.loss_plot import ticks
from studio.app.widgets.polygon import make_polygon

_LEFT_PX, _BOTTOM_PX, _TOP_PX, _RIGHT_PX = 36, 20, 6, 14


@dataclass(frozen=True, kw_only=True)
class Band:
    """Times [N] in s with middle, low and high [N], in the unit of the plot, and the token key of its colour."""

    times_s: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    colour: str


class _BandArea(QWidget):
    def __init__(self, smallest: float) -> None:
        super().__init__()
        self.band: Band | None = None
        self.actual: Sequence[tuple[np.ndarray, np.ndarray]] = ()
        self._smallest = smallest
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(240, 130)

    def limits(self) -> tuple[float, float, float]:
        """Seconds, lowest and highest value shown."""
        if self.band is None:
            return 2.0, 0.0, self._smallest
        values = np.concatenate([self.band.low, self.band.high, *(v for _, v in self.actual)])
        low, high = min(0.0, float(values.min())), max(float(values.max()), self._smallest)
        return float(self.band.times_s[-1]), low, high + 0.04 * (high - low)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(_LEFT_PX, _TOP_PX, self.width() - _LEFT_PX - _RIGHT_PX, self.height() - _TOP_PX - _BOTTOM_PX)
        seconds, low, high = self.limits()
        self._paint_grid(painter, area, seconds, low, high)
        painter.setClipRect(area.adjusted(-1, -2, 2, 2))
        if self.band is not None:
            self._paint_band(painter, area, self.band, (seconds, low, high))
        pen = QPen(theme().colour("text.1"), 1.4)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(pen)
        for times_s, values in self.actual:
            times, values = decimate(times_s, values, seconds / max(area.width(), 1.0))
            painter.drawPolyline(_points(area, times, values, (seconds, low, high)))
        painter.end()

    def _paint_grid(self, painter: QPainter, area: QRectF, seconds: float, low: float, high: float) -> None:
        painter.setFont(theme().font("hint"))
        grid, text = QPen(theme().colour("plot.grid"), 1), theme().colour("plot.axis")
        for value in ticks(low, high, max(2, int(area.height() / 40))):
            y = area.bottom() - (value - low) / (high - low) * area.height()
            painter.setPen(grid)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(text)
            flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(0, y - 9, _LEFT_PX - 6, 18), flags, f"{value:g}".replace("-", "−"))
        for second in ticks(0.0, seconds, 3):
            x = area.left() + second / seconds * area.width()
            painter.setPen(grid)
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            painter.setPen(text)
            words = f"{second:g} s" if second == ticks(0.0, seconds, 3)[-1] else f"{second:g}"
            place = QRectF(min(x - 30, self.width() - 60.0), area.bottom() + 3, 60, 16)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, words)

    def _paint_band(self, painter: QPainter, area: QRectF, band: Band, limits: tuple[float, float, float]) -> None:
        there_and_back = np.concatenate([band.times_s, band.times_s[::-1]])
        outline = _points(area, there_and_back, np.concatenate([band.high, band.low[::-1]]), limits)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour(band.colour, theme().number("fill.prediction_band")))
        painter.drawPolygon(outline)
        painter.setPen(QPen(theme().colour(band.colour), 2.0))
        painter.drawPolyline(_points(area, band.times_s, band.middle, limits))


def _points(area: QRectF, times_s: np.ndarray, values: np.ndarray, limits: tuple[float, float, float]) -> QPolygonF:
    seconds, low, high = limits
    x = area.left() + times_s / seconds * area.width()
    y = area.bottom() - (values - low) / (high - low) * area.height()
    return make_polygon(np.stack([x, y], axis=1))


class BandPlot(QWidget):
    """A titled plot of one measure.

    Args:
        title: what; unit: in which unit the caller gives values; smallest: the axis never ends below this.
    """

    def __init__(self, title: str, unit: str, *, smallest: float) -> None:
        super().__init__()
        name, hint = QLabel(title), QLabel(unit)
        set_property(name, "type", "strong")
        set_property(hint, "type", "small")
        set_property(hint, "tone", "3")
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(name)
        head.addWidget(hint)
        head.addStretch(1)
        self.area = _BandArea(smallest)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        column.addWidget(self.area, 1)

    def show_band(self, band: Band | None, actual: Sequence[tuple[np.ndarray, np.ndarray]] = ()) -> None:
        """The prediction and what happened: (times [M] in s, values [M]) each."""
        self.area.band, self.area.actual = band, actual
        self.area.update()


class BandKey(QWidget):
    """The legend of band plots: the prediction in its colour, what happened in the text's."""

    _WORDS = ("predicted, 90 % band", "actual")

    def __init__(self) -> None:
        super().__init__()
        self._colour = "text.2"
        self.setFixedSize(230, 18)
        theme().changed.connect(self.update)

    def set_colour(self, key: str) -> None:
        """Token key of the prediction's colour."""
        if key != self._colour:
            self._colour = key
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theme().font("small"))
        x = 0.0
        for words, key in zip(self._WORDS, (self._colour, "text.1")):
            painter.setPen(QPen(theme().colour(key), 2.4))
            painter.drawLine(QPointF(x, 9.5), QPointF(x + 20, 9.5))
            painter.setPen(theme().colour("text.2"))
            painter.drawText(QRectF(x + 26, 0, 140, 18), Qt.AlignmentFlag.AlignVCenter, words)
            x += 26 + painter.fontMetrics().horizontalAdvance(words) + 18
        painter.end()
