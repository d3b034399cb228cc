"""One learning curve: thin training, thick held-out, dashed the last run, and the newest held-out number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.app.theme import set_property, theme

_POINTS_MAX = 1500


@dataclass(frozen=True, kw_only=True)
class LossCurve:
    """Steps [N] and values [N]."""

    steps: Sequence[float] = ()
    values: Sequence[float] = ()


class StepAxis(pyqtgraph.AxisItem):
    """Steps as 0, 5k, 10k."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        # 12500 is written 12.5k
        return [f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}" for value in values]


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
        self.plot = pyqtgraph.PlotWidget(axisItems={"bottom": StepAxis("bottom")})
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 10, 16, 4)
        column.setSpacing(4)
        column.addLayout(head)
        column.addWidget(self.plot, 1)
        self._make_items()
        theme().changed.connect(self._recolour)
        self._recolour()

    def _make_items(self) -> None:
        item = self.plot.getPlotItem()
        item.hideButtons()
        item.setMenuEnabled(False)
        item.setMouseEnabled(x=False, y=False)
        item.showGrid(x=True, y=True, alpha=1.0)
        for side in ("left", "bottom"):
            item.getAxis(side).setStyle(tickLength=0)
            item.getAxis(side).enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(40)
        self._reference = self.plot.plot([], [])
        self._training = self.plot.plot([], [])
        self._held_out = self.plot.plot([], [])
        self._point = pyqtgraph.ScatterPlotItem(size=8, pen=None)
        self.plot.addItem(self._point)
        self.plot.setFrameShape(self.plot.Shape.NoFrame)

    def set_title(self, title: str, hint: str) -> None:
        self.title.setText(title)
        self.hint.setText(hint)

    def set_curves(
        self, training: LossCurve, held_out: LossCurve, reference: LossCurve, span: tuple[float, float]
    ) -> None:
        """Draw over steps `span`; the value shown is the newest held-out one, else training."""
        for item, curve in ((self._training, training), (self._held_out, held_out), (self._reference, reference)):
            x, y = thin(curve)
            item.setData(x, y, connect="finite")
        newest = held_out if len(held_out.values) else training
        self.value.setText(number_text(newest.values[-1]) if len(newest.values) else "–")
        self._point.setData(list(newest.steps[-1:]), list(newest.values[-1:]))
        self._fit(training, held_out, reference, span)

    def _fit(
        self, training: LossCurve, held_out: LossCurve, reference: LossCurve, span: tuple[float, float]
    ) -> None:
        self.plot.setXRange(span[0], max(span[1], span[0] + 1), padding=0.01)
        shown = [np.asarray(c.values, dtype=float) for c in (training, held_out, reference) if len(c.values)]
        shown = [values[np.isfinite(values)] for values in shown]
        if any(len(values) for values in shown):
            # The first steps of a loss are far above the rest; they may leave the plot at the top.
            top = max(float(np.quantile(v, 0.98)) for v in shown if len(v))
            low = min(float(v.min()) for v in shown if len(v))
            self.plot.setYRange(min(0.0, low), top if top > min(0.0, low) else low + 1.0, padding=0.04)

    def _recolour(self) -> None:
        colours = theme()
        self.plot.setBackground(colours.colour("plot.bg"))
        for side in ("left", "bottom"):
            axis = self.plot.getPlotItem().getAxis(side)
            axis.setPen(colours.colour("plot.grid"))
            axis.setTextPen(colours.colour("plot.axis"))
            axis.setTickFont(colours.font("hint"))
        dash = [float(n) for n in colours.tokens.value("plot.dash_reference")]
        reference = pyqtgraph.mkPen(colours.colour("text.3"), width=colours.number("plot.width_reference"))
        reference.setDashPattern(dash)
        self._reference.setPen(reference)
        self._training.setPen(pyqtgraph.mkPen(colours.colour("cat.1", 0.75), width=colours.number("plot.width_raw")))
        held_out = pyqtgraph.mkPen(colours.colour("cat.2"), width=colours.number("plot.width_smoothed"))
        held_out.setCapStyle(Qt.PenCapStyle.RoundCap)
        self._held_out.setPen(held_out)
        self._point.setBrush(colours.colour("cat.2"))


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
    return f"{value:.{decimals}f}" if abs(value) >= 0.095 or value == 0 else f"{value:.2g}"
