"""The ground of every plot: two axes and a box of curves on pyqtgraph, without its menus.

pyqtgraph's own `PlotWidget` makes forty hidden widgets for the menu of each plot. Making them took as long as the rest
of the plot, and every change of theme styled them again (docs/decisions/0006).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import ArrayLike
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGraphicsGridLayout, QSizePolicy

_AXIS_DEPTH = 0.5  # above the curves, as in pyqtgraph's plots


class CurveLine(pg.PlotCurveItem):
    """One curve; `getData` gives (None, None) while it is empty."""

    def set_points(self, x: ArrayLike, y: ArrayLike) -> None:
        """Points [n] each; a value that is not finite leaves a gap."""
        if len(np.atleast_1d(x)):
            self.setData(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), connect="finite")
        elif self.xData is not None:
            self.clear()


class Chart(pg.GraphicsView):
    """A box of curves with an axis at the left and one below; the mouse does nothing in it."""

    def __init__(self, margins_px: tuple[int, int, int, int] = (0, 3, 14, 0)) -> None:
        super().__init__()
        self.box: Any = pg.ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0.0)
        self.left, self.bottom = pg.AxisItem("left"), pg.AxisItem("bottom")
        area: Any = pg.GraphicsWidget()
        grid = QGraphicsGridLayout()
        grid.setSpacing(0)
        grid.setContentsMargins(*margins_px)
        for item, row, column in ((self.left, 0, 0), (self.box, 0, 1), (self.bottom, 1, 1)):
            grid.addItem(item, row, column)
        grid.setRowStretchFactor(0, 100)
        grid.setColumnStretchFactor(1, 100)
        area.setLayout(grid)
        for axis in (self.left, self.bottom):
            axis.linkToView(self.box)
            axis.setZValue(_AXIS_DEPTH)
        self.setCentralItem(area)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def add_curve(self) -> CurveLine:
        curve = CurveLine()
        self.box.addItem(curve)
        return curve

    def add(self, item: Any) -> None:
        """Anything else of pyqtgraph; it does not widen the axes."""
        self.box.addItem(item, ignoreBounds=True)

    def remove(self, item: Any) -> None:
        self.box.removeItem(item)

    def set_span(self, *, x: tuple[float, float] | None = None, y: tuple[float, float] | None = None) -> None:
        """Ends of the axes."""
        if x is not None:
            self.box.setXRange(*x, padding=0)
        if y is not None:
            self.box.setYRange(*y, padding=0.02)

    def spans(self) -> list[list[float]]:
        """[[left, right], [lower, upper]] as shown."""
        return self.box.viewRange()
