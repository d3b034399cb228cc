"""How lanes are drawn: ruler, curves, labels, marks, the whole take. Geometry and painting only, no interaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from studio.app.theme import theme
from studio.app.widgets.polygon import make_polygon

HEADER_PX = 124
RULER_PX = 24
SOUND_PX = 32
LABELS_PX = 34
SKILLS_PX = 27
MARKS_PX = 30
WHOLE_PX = 38
RIGHT_PX = 12
_LEGEND_MAX = 4
_SMOOTH_MAX = 4  # more curves than this in a lane are drawn plain
_DENSE_TRAVEL = 15.0  # a line that goes up and down more than this many heights fills columns
_DASH_PX = 5.0


class CurveLike(Protocol):
    """One line: `colour` is a token name, `pyramid` answers `envelope`, `value_at`, `low` and `high`."""

    @property
    def name(self) -> str: ...
    @property
    def colour(self) -> str: ...
    @property
    def dashed(self) -> bool: ...
    @property
    def pyramid(self) -> Any: ...


class LaneLike(Protocol):
    """Curves on one axis; `choices` are what the lane can show instead."""

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def curves(self) -> Sequence[Any]: ...
    @property
    def choices(self) -> Sequence[str]: ...
    @property
    def chosen(self) -> int: ...
    @property
    def from_zero(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class LabelBox:
    """A label on the time line. `end_s` is None while it is still open."""

    identity: str
    name: str
    number: int
    start_s: float
    end_s: float | None


@dataclass(kw_only=True)
class LanesState:
    """All that is drawn. `sound` answers `envelope`, or is None; the words stand in lanes that are empty."""

    duration_s: float = 0.0
    span_s: tuple[float, float] = (0.0, 1.0)
    cursor_s: float = 0.0
    lanes: Sequence[LaneLike] = ()
    overview: Any = None
    labels: Sequence[LabelBox] = ()
    marks_s: Sequence[float] = ()
    notes: Sequence[Any] = ()  # of lane_rows.NoteChip
    skills: Sequence[Any] = ()  # of lane_rows.SkillSpan
    sound: Any = None
    no_sound: str = "No sound was recorded."
    no_skills: str = "No skills: no skill model has driven this take."
    selected: str = ""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Geometry:
    """Where everything lies for a widget size; x is time."""

    width: float
    height: float
    lanes: int
    span_s: tuple[float, float]
    duration_s: float

    @property
    def left(self) -> float:
        return float(HEADER_PX)

    @property
    def right(self) -> float:
        return self.width - RIGHT_PX

    @property
    def lane_height(self) -> float:
        fixed = RULER_PX + SOUND_PX + LABELS_PX + SKILLS_PX + MARKS_PX + WHOLE_PX
        return max(30.0, (self.height - fixed) / max(1, self.lanes))

    def lane(self, index: int) -> QRectF:
        return QRectF(0, RULER_PX + index * self.lane_height, self.width, self.lane_height)

    def _below(self) -> float:
        return RULER_PX + self.lanes * self.lane_height

    def _row(self, above_px: float, height_px: float) -> QRectF:
        return QRectF(0, self._below() + above_px, self.width, height_px)

    def sound(self) -> QRectF:
        return self._row(0, SOUND_PX)

    def labels(self) -> QRectF:
        return self._row(SOUND_PX, LABELS_PX)

    def skills(self) -> QRectF:
        return self._row(SOUND_PX + LABELS_PX, SKILLS_PX)

    def marks(self) -> QRectF:
        return self._row(SOUND_PX + LABELS_PX + SKILLS_PX, MARKS_PX)

    def whole(self) -> QRectF:
        return self._row(SOUND_PX + LABELS_PX + SKILLS_PX + MARKS_PX, WHOLE_PX)

    def strip(self) -> QRectF:
        area = self.whole()
        return QRectF(self.left, area.top() + 8, self.right - self.left, WHOLE_PX - 16)

    def x(self, t_s: float) -> float:
        start, end = self.span_s
        return self.left + (t_s - start) / max(1e-9, end - start) * (self.right - self.left)

    def t(self, x: float) -> float:
        start, end = self.span_s
        return start + (x - self.left) / max(1.0, self.right - self.left) * (end - start)

    def whole_x(self, t_s: float) -> float:
        strip = self.strip()
        return strip.left() + t_s / max(1e-9, self.duration_s) * strip.width()

    def whole_t(self, x: float) -> float:
        strip = self.strip()
        return (x - strip.left()) / max(1.0, strip.width()) * self.duration_s

    def label_box(self, label: LabelBox, cursor_s: float) -> QRectF:
        end_s = label.end_s if label.end_s is not None else max(cursor_s, label.start_s)
        area = self.labels()
        left, right = self.x(min(label.start_s, end_s)), self.x(max(label.start_s, end_s))
        return QRectF(left, area.top() + 4, max(3.0, right - left), LABELS_PX - 8)


def clock_text(t_s: float, decimals: int = 0) -> str:
    """Seconds as `0:05` or `0:05.250`."""
    scaled = round(max(0.0, t_s) * 10**decimals)
    minutes, rest = divmod(scaled, 60 * 10**decimals)
    seconds = rest / 10**decimals
    return f"{minutes}:{seconds:02.0f}" if not decimals else f"{minutes}:{seconds:0{3 + decimals}.{decimals}f}"


def ruler_step_s(span_s: float, width_px: float) -> float:
    """A round distance of the ruler's ticks, at least 70 px apart."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600):
        if step / max(1e-9, span_s) * width_px >= 70:
            return step
    return 1800.0


def paint_ground(painter: QPainter, geometry: Geometry, state: LanesState) -> None:
    """Everything that does not move with the cursor."""
    colours = theme()
    painter.fillRect(QRectF(0, 0, geometry.width, geometry.height), colours.colour("plot.bg"))
    painter.fillRect(QRectF(0, 0, HEADER_PX, geometry.height), colours.colour("bg.1"))
    _paint_ruler(painter, geometry)
    for index, lane in enumerate(state.lanes):
        _paint_lane(painter, geometry, geometry.lane(index), lane, state)
    _paint_whole(painter, geometry, state)


def _line(painter: QPainter, key: str, x0: float, y0: float, x1: float, y1: float, width: float = 1.0) -> None:
    painter.setPen(QPen(theme().colour(key), width))
    painter.drawLine(QPointF(x0, y0), QPointF(x1, y1))


def _paint_ruler(painter: QPainter, geometry: Geometry) -> None:
    painter.setFont(theme().font("hint"))
    start, end = geometry.span_s
    step = ruler_step_s(end - start, geometry.right - geometry.left)
    decimals = 0 if step >= 1 else (1 if step >= 0.1 else 2)
    for t_s in np.arange(np.ceil(start / step - 1e-6) * step, end + step * 1e-6, step):
        x = geometry.x(float(t_s))
        _line(painter, "line.2", x, RULER_PX - 4, x, RULER_PX)
        painter.setPen(theme().colour("text.3"))
        left = min(max(x - 30, geometry.left + 3), geometry.width - 62)
        side = Qt.AlignmentFlag.AlignLeft if x - 30 < geometry.left + 3 else Qt.AlignmentFlag.AlignHCenter
        side = Qt.AlignmentFlag.AlignRight if x + 30 > geometry.width else side
        painter.drawText(
            QRectF(left, 0, 60, RULER_PX - 4), side | Qt.AlignmentFlag.AlignVCenter, clock_text(t_s, decimals)
        )
    _line(painter, "line.1", 0, RULER_PX, geometry.width, RULER_PX)


def _paint_lane(painter: QPainter, geometry: Geometry, area: QRectF, lane: LaneLike, state: LanesState) -> None:
    plot = QRectF(geometry.left, area.top() + 8, geometry.right - geometry.left, area.height() - 14)
    low, high = state.ranges.get(lane.key, (0.0, 1.0))
    for share in (0.0, 0.5, 1.0):
        y = plot.bottom() - share * plot.height()
        _line(painter, "plot.grid", plot.left(), y, plot.right(), y)
    if low < 0 < high:
        y = plot.bottom() - (0 - low) / (high - low) * plot.height()
        _line(painter, "line.2", plot.left(), y, plot.right(), y)
    painter.save()
    painter.setClipRect(QRectF(plot.left(), area.top(), plot.width(), area.height()))
    for curve in sorted(lane.curves, key=lambda item: (item.colour != "text.3", item.dashed)):  # grey lies behind
        _paint_curve(painter, plot, curve, state.span_s, (low, high), many=len(lane.curves) > _SMOOTH_MAX)
    painter.restore()
    _line(painter, "line.1", 0, area.bottom(), geometry.width, area.bottom())


def _paint_curve(
    painter: QPainter,
    plot: QRectF,
    curve: CurveLike,
    span_s: tuple[float, float],
    limits: tuple[float, float],
    *,
    many: bool,
) -> None:
    """Smooth where it is a line; plain one-pixel strokes where it fills columns, at a tenth of the cost."""
    points = _curve_points(plot, curve, span_s, limits)
    if not len(points):
        return
    dense = float(np.abs(np.diff(points[:, 1])).sum()) > _DENSE_TRAVEL * plot.height()
    plain = many or dense
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, not plain)
    width = theme().number("plot.width_raw") if plain else theme().number("plot.width_review")
    pen = QPen(theme().colour(curve.colour, 0.8 if many else 1.0), width)
    if curve.dashed and not dense:
        pen.setDashPattern([float(n) for n in theme().tokens.value("plot.dash_leader")])
    painter.setPen(pen)
    for part in _dashes(points) if curve.dashed and dense else (points,):
        painter.drawPolyline(make_polygon(part))


def _curve_points(
    plot: QRectF, curve: CurveLike, span_s: tuple[float, float], limits: tuple[float, float]
) -> np.ndarray:
    """Points [n, 2] in pixels: lowest and highest value of each column, or one where they are the same."""
    t_s, low, high = curve.pyramid.envelope(*span_s, max(2, int(plot.width())))
    x = plot.left() + (t_s - span_s[0]) / max(1e-9, span_s[1] - span_s[0]) * plot.width()
    scale = plot.height() / max(1e-12, limits[1] - limits[0])
    bottom = plot.bottom() - (np.nan_to_num(low, nan=limits[0]) - limits[0]) * scale
    top = plot.bottom() - (np.nan_to_num(high, nan=limits[0]) - limits[0]) * scale
    if np.array_equal(bottom, top):
        return np.stack([x, bottom], axis=1)
    return np.stack([np.repeat(x, 2), np.stack([bottom, top], axis=1).ravel()], axis=1)


def _dashes(points: np.ndarray) -> list[np.ndarray]:
    """A dashed line by columns: along a line that fills columns a dash pattern would say nothing."""
    group = ((points[:, 0] - points[0, 0]) // _DASH_PX).astype(int)
    parts = np.split(points, np.flatnonzero(np.diff(group)) + 1)
    return [part for part in parts[::2] if len(part) > 1]


def _paint_whole(painter: QPainter, geometry: Geometry, state: LanesState) -> None:
    strip = geometry.strip()
    if state.overview is not None and state.duration_s > 0:
        t_s, _, high = state.overview.envelope(0.0, state.duration_s, max(2, int(strip.width()) // 2))
        top = max(1e-9, float(high.max())) if len(high) else 1.0
        shape = [QPointF(strip.left(), strip.bottom())]
        shape += [
            QPointF(geometry.whole_x(t), strip.bottom() - h / top * strip.height())
            for t, h in zip(t_s, high, strict=True)
        ]
        shape.append(QPointF(strip.right(), strip.bottom()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("text.3", 0.5))
        painter.drawPolygon(QPolygonF(shape))
    left, right = (geometry.whole_x(t) for t in state.span_s)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(theme().colour("plot.span"), 1.5))
    painter.setBrush(theme().colour("plot.span", 0.08))
    painter.drawRoundedRect(QRectF(left, strip.top(), max(4.0, right - left), strip.height()), 3, 3)


def paint_labels(painter: QPainter, geometry: Geometry, state: LanesState) -> None:
    """Labels; they change while the cursor moves (an open label grows)."""
    painter.save()
    painter.setClipRect(QRectF(geometry.left, 0, geometry.right - geometry.left, geometry.height))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(theme().font("body"))
    for label in state.labels:
        _paint_label(
            painter, geometry.label_box(label, state.cursor_s), label, selected=label.identity == state.selected
        )
    painter.restore()


def _paint_label(painter: QPainter, box: QRectF, label: LabelBox, *, selected: bool) -> None:
    key = f"cat.{(label.number - 1) % 8 + 1}"
    opacity = theme().number("fill.label_selected" if selected else "fill.label")
    painter.setPen(QPen(theme().colour("text.1"), 2) if selected else Qt.PenStyle.NoPen)
    painter.setBrush(theme().colour(key, opacity))
    painter.drawRoundedRect(box, 4, 4)
    painter.fillRect(QRectF(box.left(), box.top(), 4, box.height()), theme().colour(key))
    painter.setPen(theme().colour("text.1"))
    text = label.name if label.end_s is not None else f"{label.name} …"
    painter.drawText(box.adjusted(10, 0, -6, 0), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
    if selected and label.end_s is not None:
        for x in (box.left(), box.right()):
            painter.fillRect(QRectF(x - 2.5, box.center().y() - 6, 5, 12), theme().colour("text.1"))


def paint_cursor(painter: QPainter, geometry: Geometry, state: LanesState) -> None:
    """One cursor through all lanes, its head on the ruler, and the values under it."""
    for index, lane in enumerate(state.lanes):
        _paint_legend(painter, geometry.lane(index), lane, state.cursor_s)
    cursor = theme().colour("plot.cursor")
    whole_x = geometry.whole_x(state.cursor_s)
    strip = geometry.strip()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(cursor, theme().number("plot.width_cursor")))
    painter.drawLine(QPointF(whole_x, strip.top()), QPointF(whole_x, strip.bottom()))
    x = geometry.x(state.cursor_s)
    if geometry.left - 0.5 <= x <= geometry.right + 0.5:
        painter.drawLine(QPointF(x, RULER_PX - 8), QPointF(x, geometry.marks().bottom()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(cursor)
        painter.drawPolygon(
            QPolygonF([QPointF(x - 6, RULER_PX - 12), QPointF(x + 6, RULER_PX - 12), QPointF(x, RULER_PX - 3)])
        )


def _paint_legend(painter: QPainter, area: QRectF, lane: LaneLike, cursor_s: float) -> None:
    flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
    painter.setFont(theme().font("strong"))
    painter.setPen(theme().colour("text.1"))
    title = painter.fontMetrics().elidedText(lane.title, Qt.TextElideMode.ElideRight, HEADER_PX - 34)
    row = QRectF(14, area.top() + 6, HEADER_PX - 16, 18)
    painter.drawText(row, flags, title)
    if lane.choices:
        width = painter.fontMetrics().horizontalAdvance(title)
        painter.drawPixmap(
            QPointF(16 + width, row.top() + 3),
            theme().pixmap("collapse", 12, "text.3", painter.device().devicePixelRatioF()),
        )
    painter.setFont(theme().font("hint"))
    if len(lane.curves) > _LEGEND_MAX:
        painter.setPen(theme().colour("text.3"))
        painter.drawText(row.translated(0, 18), flags, f"{len(lane.curves)} values")
        return
    for index, curve in enumerate(lane.curves):
        line = row.translated(0, 18 + 16 * index)
        if line.bottom() > area.bottom():
            return
        _paint_legend_row(painter, line, curve, cursor_s, lane.unit)


def _paint_legend_row(painter: QPainter, row: QRectF, curve: CurveLike, cursor_s: float, unit: str) -> None:
    pen = QPen(QColor(theme().colour(curve.colour)), 2)
    if curve.dashed:
        pen.setDashPattern([2.0, 1.5])
    painter.setPen(pen)
    painter.drawLine(QPointF(row.left(), row.center().y()), QPointF(row.left() + 12, row.center().y()))
    value = curve.pyramid.value_at(cursor_s)
    number = "" if not np.isfinite(value) else f"{value:.1f}" if abs(value) >= 0.05 else f"{value:.2f}"
    number = "0.0" if not number.strip("-0.") and number else number.replace("-", "−")
    painter.setPen(theme().colour("text.2"))
    name = {"commanded": "command"}.get(curve.name, curve.name)
    text = f"{name} {number} {unit}".rstrip()
    if painter.fontMetrics().horizontalAdvance(text) > row.width() - 19:
        text = f"{name} {number}"
    text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(row.width()) - 18)
    painter.drawText(row.adjusted(17, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)
