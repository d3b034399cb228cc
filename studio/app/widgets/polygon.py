"""Many points for Qt at once: an array becomes a polygon without one Python object a point."""

from __future__ import annotations

from typing import Any

import numpy as np
import shiboken6
from PySide6.QtGui import QPolygonF


def make_polygon(points_px: np.ndarray) -> QPolygonF:
    """A polygon of points [N, 2]; Qt keeps them as pairs of doubles, so one copy does it."""
    polygon = QPolygonF()
    count = len(points_px)
    if count:
        polygon.resize(count)
        memory: Any = shiboken6.VoidPtr(polygon.data(), count * 16, True)  # type: ignore[attr-defined]
        np.frombuffer(memory, dtype=np.float64).reshape(count, 2)[:] = points_px
    return polygon
