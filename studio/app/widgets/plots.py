"""Curves in token colours on pyqtgraph: the last ten seconds live, and a curve against a limit with its prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QSize
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.app.theme import set_property, theme
from studio.app.widgets.chart import Chart
from studio.app.widgets.history import CalmAxis, History, decimate

AXIS_WIDTH_PX = 34


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One curve: its words in the key, its token colour, dashed for the leader and for predictions."""

    name: str
    colour: str
    dashed: bool = False


class KeyMark(QWidget):
    """A short line in the look of a curve, before its name."""

    def __init__(self, curve: Curve) -> None:
        super().__init__()
        self._curve = curve
        self.setFixedSize(20, 14)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(make_pen(self._curve, 2.4))
        painter.drawLine(QPointF(1, 7.5), QPointF(19, 7.5))
        painter.end()


def make_pen(curve: Curve, width_px: float) -> QPen:
    """The pen of a curve in the active theme."""
    pen = QPen(theme().colour(curve.colour), width_px)
    pen.setCosmetic(True)
    if curve.dashed:
        pen.setDashPattern([float(x) for x in theme().tokens.value("plot.dash_leader")])
    return pen


class PlotFrame(QWidget):
    """Title, note, key and a plot without buttons and menus; the mouse does nothing in it."""

    def __init__(self, title: str, note: str, curves: Sequence[Curve], *, bottom_axis: bool = True) -> None:
        super().__init__()
        self.curves = tuple(curves)
        self.title_label, self.note_label = QLabel(title), QLabel(note)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(self._make_head())
        self.plot = Chart()
        self.left, self.bottom = self.plot.left, self.plot.bottom
        self.left.setWidth(AXIS_WIDTH_PX)
        self.bottom.setHeight(20 if bottom_axis else 3)
        self.bottom.setStyle(showValues=bottom_axis, tickLength=0, tickTextOffset=4, hideOverlappingLabels=32)
        self.left.setStyle(tickLength=0, tickTextOffset=6, hideOverlappingLabels=32)
        column.addWidget(self.plot, 1)
        self.items = [self.plot.add_curve() for _ in self.curves]
        self._grid_lines: list[Any] = []
        theme().changed.connect(self.recolour)
        self.recolour()

    def _make_head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 14, 0)
        row.setSpacing(8)
        set_property(self.title_label, "type", "strong")
        set_property(self.note_label, "type", "small")
        set_property(self.note_label, "tone", "2")
        row.addWidget(self.title_label)
        row.addWidget(self.note_label)
        row.addStretch(1)
        for curve in self.curves:
            if not curve.name:
                continue
            name = QLabel(curve.name)
            set_property(name, "type", "small")
            row.addSpacing(8)
            row.addWidget(KeyMark(curve))
            row.addWidget(name)
        return row

    def recolour(self) -> None:
        active = theme()
        self.plot.setBackground(active.colour("bg.1"))
        for line in self._grid_lines:
            line.setPen(pg.mkPen(active.colour("line.1")))
        for axis in (self.left, self.bottom):
            axis.setPen(pg.mkPen(None))
            axis.setTextPen(QPen(active.colour("plot.axis")))
            axis.setTickFont(active.font("hint"))
        width = active.number("plot.width_live")
        for curve, item in zip(self.curves, self.items):
            item.setPen(make_pen(curve, width))

    def set_ticks(self, x_ticks: list[tuple[float, str]], y_ticks: list[tuple[float, str]]) -> None:
        """Labels and grid lines; pyqtgraph's own grid would hide the labels at the ends of an axis."""
        self.bottom.setTicks([x_ticks])
        self.left.setTicks([y_ticks])
        for line in self._grid_lines:
            self.plot.remove(line)
        places = [(90, at) for at, _ in x_ticks] + [(0, at) for at, _ in y_ticks]
        self._grid_lines = [pg.InfiniteLine(at, angle=angle) for angle, at in places]
        for line in self._grid_lines:
            line.setPen(pg.mkPen(theme().colour("line.1")))
            line.setZValue(-20)
            self.plot.add(line)

    def set_note(self, text: str) -> None:
        if self.note_label.text() != text:
            self.note_label.setText(text)

    def sizeHint(self) -> QSize:
        return QSize(400, 110)


class LivePlot(PlotFrame):
    """The last ten seconds of some channels.

    Args:
        title: what; note: unit and whose.
        curves: one per channel.
        smallest: the axis never ends below this.
        signed: symmetric axis around zero, else from zero.
        channels: how many are kept when more than the curves; `show` chooses which are drawn.
    """

    def __init__(
        self,
        title: str,
        note: str,
        curves: Sequence[Curve],
        *,
        smallest: float,
        signed: bool = False,
        bottom_axis: bool = True,
        rate_hz: float = 400.0,
        channels: int | None = None,
    ) -> None:
        super().__init__(title, note, curves, bottom_axis=bottom_axis)
        self.history = History(channels or len(self.curves), rate_hz=rate_hz)
        self._shown = list(range(len(self.curves)))
        self.signed = signed
        self._axis = CalmAxis(smallest)
        self._fault_s: float | None = None
        self._fault_parts: list[Any] = []
        self._still: tuple[np.ndarray, np.ndarray] | None = None
        self._times: list[tuple[float, str]] = []
        self._show_axis(-self.history.seconds, 0.0, 2.0)

    def _show_axis(self, start_s: float, end_s: float, step_s: float) -> None:
        self.plot.set_span(x=(start_s, end_s))
        zero = "now" if self._still is None else "fault"
        steps = np.arange(start_s, end_s + 1e-6, step_s)
        self._times = [(float(s), zero if abs(s) < 1e-9 else f"{s:g} s".replace("-", "−")) for s in steps]
        self._set_top(self._axis.top)

    def show_still(self, t_s: np.ndarray, values: np.ndarray) -> None:
        """Stand still on samples around a fault: times [n] in s from it, values [n, channels]; as in `append`."""
        self._still = (np.asarray(t_s, dtype=np.float64), np.asarray(values, dtype=np.float64))
        self._show_axis(-2.0, 0.5, 0.5)

    def show_live(self) -> None:
        """The last ten seconds again."""
        if self._still is not None:
            self._still = None
            self._show_axis(-self.history.seconds, 0.0, 2.0)

    def _set_top(self, top: float) -> None:
        low = -top if self.signed else 0.0
        self.plot.set_span(y=(low, top))
        marks = (-top, 0.0, top) if self.signed else (0.0, top / 2, top)
        self.set_ticks(self._times, [(mark, f"{mark:g}".replace("-", "−")) for mark in marks])

    @property
    def top(self) -> float:
        return self._axis.top

    def show_channels(self, channels: Sequence[int]) -> None:
        """Draw other channels of the history, one per curve."""
        self._shown = list(channels)

    def append(self, t_s: np.ndarray, values: np.ndarray) -> None:
        """Samples: times [n] in s and values [n, channels]."""
        self.history.append(np.asarray(t_s, dtype=np.float64), np.asarray(values, dtype=np.float64))

    def redraw(self, now_s: float) -> None:
        """Draw the window that ends now, or what stands still; called at curve rate while visible."""
        times, values = self.history.window(now_s) if self._still is None else self._still
        values = values[:, self._shown]
        largest = float(np.nanmax(np.abs(values))) if values.size and np.isfinite(values).any() else 0.0
        top = self._axis.top
        if self._axis.update(largest, now_s) != top:
            self._set_top(self._axis.top)
        seconds = self.history.seconds if self._still is None else 2.5
        bin_s, end_s = seconds / max(self.plot.box.width(), 100.0), now_s if self._still is None else 0.0
        for channel, item in enumerate(self.items):
            item.set_points(*decimate(times, values[:, channel], bin_s, end_s))
        self._place_fault(now_s if self._still is None or self._fault_s is None else self._fault_s)

    def set_fault(self, at_s: float | None, words: str = "") -> None:
        """Shade the 2 s before a fault and draw a line at it; None takes it away."""
        if (at_s is None) == (self._fault_s is None):
            return
        self._fault_s = at_s
        for part in self._fault_parts:
            self.plot.remove(part)
        self._fault_parts = []
        if at_s is None:
            return
        fault = theme().colour("state.fault")
        span = pg.LinearRegionItem((0, 0), movable=False, brush=theme().colour("state.fault", 0.16), pen=pg.mkPen(None))
        line = pg.InfiniteLine(0, pen=pg.mkPen(fault, width=2))
        label = pg.TextItem(words, color=fault, anchor=(1.0, 0.0))
        label.setFont(theme().font("small"))
        self._fault_parts = [span, line, label]
        for part in self._fault_parts:
            self.plot.add(part)

    def _place_fault(self, now_s: float) -> None:
        if self._fault_s is None:
            return
        at = self._fault_s - now_s
        span, line, label = self._fault_parts
        span.setRegion((max(at - 2.0, -self.history.seconds), at))
        line.setValue(at)
        label.setPos(at - 0.05, self._axis.top)


class LimitPlot(PlotFrame):
    """A value over the time of an attempt against its limit; what is predicted follows dashed after the cursor."""

    def __init__(self, title: str, note: str, *, smallest: float, seconds: float = 50.0) -> None:
        curves = [Curve(name="", colour="text.1"), Curve(name="", colour="accent.line", dashed=True)]
        super().__init__(title, note, curves)
        self._seconds = seconds
        self._axis = CalmAxis(smallest)
        self._times: list[float] = []
        self._values: list[float] = []
        self._limit = 0.0
        self._band = pg.LinearRegionItem((0, 0), orientation="horizontal", movable=False, pen=pg.mkPen(None))
        self._limit_line = pg.InfiniteLine(0, angle=0)
        self._cursor = pg.InfiniteLine(0)
        for part in (self._band, self._limit_line, self._cursor):
            self.plot.add(part)
        self._show_axes()
        self._paint_parts()

    def recolour(self) -> None:
        super().recolour()
        if hasattr(self, "_cursor"):
            self._paint_parts()

    def _paint_parts(self) -> None:
        good = theme().colour("verdict.good")
        dash = QPen(good, theme().number("plot.width_threshold"))
        dash.setCosmetic(True)
        dash.setDashPattern([float(x) for x in theme().tokens.value("plot.dash_threshold")])
        self._limit_line.setPen(dash)
        self._band.setBrush(theme().colour("verdict.good", theme().number("fill.prediction_band")))
        self._cursor.setPen(pg.mkPen(theme().colour("plot.cursor", 0.8), width=1))

    def _show_axes(self) -> None:
        top = self._axis.top
        self.plot.set_span(x=(0, self._seconds), y=(0, top))
        step = self._seconds / 5
        times = [(i * step, f"{i * step:g} s") for i in range(6)]
        self.set_ticks(times, [(mark, f"{mark:g}") for mark in (0.0, top / 2, top)])

    def set_limit(self, limit: float) -> None:
        """Success lies below this."""
        self._limit = limit
        self._limit_line.setValue(limit)
        self._band.setRegion((0.0, limit))

    def begin(self) -> None:
        """A new attempt."""
        self._times, self._values, self._seconds = [], [], 50.0
        self._axis = CalmAxis(self._axis._smallest)
        self._show_axes()
        self.redraw()

    def add(self, t_s: float, value: float) -> None:
        self._times.append(t_s)
        self._values.append(value)

    def redraw(self, predicted: tuple[Sequence[float], Sequence[float]] | None = None) -> None:
        """Draw; predicted are times [n] and values [n]."""
        self.items[0].set_points(self._times, self._values)
        self.items[1].set_points(*(predicted or ([], [])))
        if not self._times:
            return
        self._cursor.setValue(self._times[-1])
        longer = self._times[-1] > self._seconds
        self._seconds *= 2 if longer else 1
        top = self._axis.top
        if self._axis.update(max(*self._values, self._limit * 1.2), self._times[-1]) != top or longer:
            self._show_axes()
