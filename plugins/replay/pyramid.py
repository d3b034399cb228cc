"""Minimum and maximum of a curve at every zoom, so that drawing costs pixels and not samples."""

from __future__ import annotations

import numpy as np

_FACTOR = 4
_SMALLEST_LEVEL = 64


class Pyramid:
    """A curve with precomputed extremes over blocks of 4, 16, 64 ... samples.

    Args:
        t_s: sample times [N] in s, never falling.
        values: samples [N]; NaN marks a gap.
    """

    def __init__(self, t_s: np.ndarray, values: np.ndarray) -> None:
        self.t_s = np.ascontiguousarray(t_s, dtype=np.float64)
        self.values = np.ascontiguousarray(values, dtype=np.float32)
        self._levels = _make_levels(self.t_s, self.values)

    @property
    def low(self) -> float:
        return float(np.nanmin(self.values)) if np.isfinite(self.values).any() else 0.0

    @property
    def high(self) -> float:
        return float(np.nanmax(self.values)) if np.isfinite(self.values).any() else 0.0

    def value_at(self, t_s: float) -> float:
        """The newest sample not after `t_s`; NaN when there is none."""
        index = int(np.searchsorted(self.t_s, t_s, side="right")) - 1
        return float(self.values[index]) if index >= 0 and len(self.values) else float("nan")

    def envelope(self, start_s: float, end_s: float, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Time, minimum and maximum per pixel column of a span.

        Returns:
            Three arrays [n], n <= columns: column centres in s, lowest and highest value inside. Columns without a
            sample are left out. Nothing is lost: the extremes are those of all samples of the span.
        """
        if not len(self.t_s) or columns < 1 or end_s <= start_s:
            return np.empty(0), np.empty(0), np.empty(0)
        t, low, high = self._level_for(start_s, end_s, columns)
        edges = np.linspace(start_s, end_s, columns + 1)
        bounds = np.searchsorted(t, edges)
        filled = bounds[1:] > bounds[:-1]
        starts = bounds[:-1][filled]
        if not len(starts):
            return np.empty(0), np.empty(0), np.empty(0)
        stop = bounds[1:][filled][-1]
        centres = (edges[:-1] + edges[1:])[filled] / 2
        return centres, np.fmin.reduceat(low[:stop], starts), np.fmax.reduceat(high[:stop], starts)

    def _level_for(self, start_s: float, end_s: float, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        chosen = self._levels[0]
        for level in self._levels[1:]:
            inside = np.searchsorted(level[0], end_s) - np.searchsorted(level[0], start_s)
            if inside < 2 * columns:
                break
            chosen = level
        return chosen


def _make_levels(t_s: np.ndarray, values: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    levels = [(t_s, values, values)]
    while len(levels[-1][0]) > _SMALLEST_LEVEL:
        t, low, high = levels[-1]
        starts = np.arange(0, len(t), _FACTOR)
        levels.append((t[starts], np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)))
    return levels
