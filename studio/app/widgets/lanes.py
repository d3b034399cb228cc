"""Lanes under one cursor: curves, labels, marks and the whole take. Drag to scrub, wheel to zoom, handles to trim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QMenu, QSizePolicy, QWidget

from studio.app.theme import theme
from studio.app.widgets.lane_paint import (
    HEADER_PX,
    LABELS_PX,
    MARKS_PX,
    RULER_PX,
    SKILLS_PX,
    SOUND_PX,
    WHOLE_PX,
    Geometry,
    LabelBox,
    LaneLike,
    LanesState,
    paint_cursor,
    paint_ground,
    paint_labels,
)
from studio.app.widgets.lane_rows import NoteChip, SkillSpan, chip_box, paint_notes, paint_rows

_EDGE_PX = 6.0
_SHORTEST_SPAN_S = 0.05
_FIXED_PX = RULER_PX + SOUND_PX + LABELS_PX + SKILLS_PX + MARKS_PX + WHOLE_PX


def axis_limits(lane: LaneLike) -> tuple[float, float]:
    """Lowest and highest value of a lane in 1-2-5 steps, so that the axis is round and still."""
    lows = [curve.pyramid.low for curve in lane.curves]
    highs = [curve.pyramid.high for curve in lane.curves]
    low, high = min(lows, default=0.0), max(highs, default=1.0)
    if lane.from_zero:
        low = 0.0
    reach = max(abs(low), abs(high), 1e-6)
    step = next(s * 10.0**e for e in range(-7, 12) for s in (1, 2, 5) if s * 10.0**e * 4 >= reach)
    bottom = -(-low // step) * step if low >= 0 else (low // step) * step
    bottom = 0.0 if lane.from_zero else min(bottom, low)
    return bottom, max(-(-high // step) * step, bottom + step)


class LanesView(QWidget):
    """Paints a `LanesState`. Everything static is kept in a picture; a cursor step costs one copy and a line."""

    cursor_moved = Signal(float)
    span_moved = Signal(float, float)
    choice_made = Signal(str, int)
    label_selected = Signal(str)
    label_moved = Signal(str, float, float)
    note_pressed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = LanesState()
        self._ground: QPixmap | None = None
        self._drag: tuple[str, Any] | None = None
        self._preview: tuple[str, float, float] | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Time lanes")
        theme().changed.connect(self._forget)

    # what is shown

    def set_lanes(self, lanes: Sequence[LaneLike], overview: Any, duration_s: float) -> None:
        self._state.lanes, self._state.overview, self._state.duration_s = list(lanes), overview, duration_s
        self._state.ranges = {lane.key: axis_limits(lane) for lane in lanes}
        self._forget()

    def set_span(self, start_s: float, end_s: float) -> None:
        if self._state.span_s != (start_s, end_s):
            self._state.span_s = (start_s, end_s)
            self._forget()

    def set_cursor(self, t_s: float) -> None:
        if self._state.cursor_s != t_s:
            self._state.cursor_s = t_s
            self.update()

    def set_labels(self, labels: Sequence[LabelBox], marks_s: Sequence[float], selected: str) -> None:
        self._state.labels, self._state.marks_s, self._state.selected = list(labels), list(marks_s), selected
        self.update()

    def set_notes(self, notes: Sequence[NoteChip]) -> None:
        """Chips of spoken and written notes; a press on one says `note_pressed`."""
        self._state.notes = list(notes)
        self.update()

    def set_found(self, skills: Sequence[SkillSpan], sound: Any) -> None:
        """What machines recorded beside the curves: skills, and sound as something that answers `envelope`, or None."""
        self._state.skills, self._state.sound = list(skills), sound
        self._forget()

    @property
    def geometry_now(self) -> Geometry:
        """Where time and lanes lie right now, in widget pixels."""
        state = self._state
        return Geometry(self.width(), self.height(), len(state.lanes), state.span_s, state.duration_s)

    def minimumSizeHint(self) -> QSize:
        return QSize(420, _FIXED_PX + 44 * max(1, len(self._state.lanes)))

    # painting

    def _forget(self) -> None:
        self._ground = None
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._forget()

    def paintEvent(self, event: QPaintEvent) -> None:
        geometry = self.geometry_now
        if self._ground is None:
            self._ground = self._make_ground(geometry)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._ground)
        state = self._state if self._preview is None else self._previewed()
        paint_labels(painter, geometry, state)
        paint_notes(painter, geometry, state)
        paint_cursor(painter, geometry, state)
        painter.end()

    def _make_ground(self, geometry: Geometry) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        pixmap.setDevicePixelRatio(ratio)
        painter = QPainter(pixmap)
        paint_ground(painter, geometry, self._state)
        paint_rows(painter, geometry, self._state)
        painter.end()
        return pixmap

    def _previewed(self) -> LanesState:
        assert self._preview is not None
        identity, start_s, end_s = self._preview
        labels = [
            replace(label, start_s=start_s, end_s=end_s) if label.identity == identity else label
            for label in self._state.labels
        ]
        return replace(self._state, labels=labels)

    # mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point, geometry = event.position(), self.geometry_now
        if point.x() < HEADER_PX:
            self._choose(point)
        elif geometry.whole().contains(point):
            self._press_whole(point, geometry)
        elif geometry.labels().contains(point):
            self._press_label(point, geometry)
        elif chip := next((c for c in self._state.notes if chip_box(geometry, c).contains(point)), None):
            self.note_pressed.emit(chip.identity)
        else:
            self._drag = ("cursor", None)
            self._move_cursor(geometry.t(point.x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point, geometry = event.position(), self.geometry_now
        if self._drag is None:
            self._show_cursor_shape(point, geometry)
        elif self._drag[0] == "cursor":
            self._move_cursor(geometry.t(point.x()))
        elif self._drag[0] == "edge":
            self._drag_edge(geometry.t(point.x()))
        else:
            self._drag_whole(geometry.whole_t(point.x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        drag, self._drag = self._drag, None
        preview, self._preview = self._preview, None
        if drag is not None and drag[0] == "edge" and preview is not None:
            self.label_moved.emit(*preview)
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self.geometry_now.whole().contains(event.position()):
            self.span_moved.emit(0.0, self._state.duration_s)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Wheel zooms about the pointer; with Shift, or sideways, it moves the span."""
        start, end = self._state.span_s
        delta = event.angleDelta()
        sideways = delta.x() or (delta.y() if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0)
        if sideways:
            shift = -sideways / 120 * (end - start) * 0.1
            self._ask_span(start + shift, end + shift)
        elif delta.y():
            factor = 0.8 ** (delta.y() / 120)
            centre = self.geometry_now.t(event.position().x())
            self._ask_span(centre - (centre - start) * factor, centre + (end - centre) * factor)
        event.accept()

    def _ask_span(self, start_s: float, end_s: float) -> None:
        length = min(max(end_s - start_s, _SHORTEST_SPAN_S), self._state.duration_s)
        start_s = min(max(0.0, start_s), max(0.0, self._state.duration_s - length))
        self.span_moved.emit(start_s, start_s + length)

    def _move_cursor(self, t_s: float) -> None:
        self.cursor_moved.emit(min(max(0.0, t_s), self._state.duration_s))

    def _choose(self, point: QPointF) -> None:
        """The lane's title opens the list of what the lane can show instead."""
        lane = self._lane_at(point)
        if lane is None or not lane.choices:
            return
        menu = QMenu(self)
        for index, name in enumerate(lane.choices):
            action = menu.addAction(name, lambda i=index, key=lane.key: self.choice_made.emit(key, i))
            action.setCheckable(True)
            action.setChecked(index == lane.chosen)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.mapToGlobal(point.toPoint()))

    def _lane_at(self, point: QPointF) -> LaneLike | None:
        geometry = self.geometry_now
        return next((lane for i, lane in enumerate(self._state.lanes) if geometry.lane(i).contains(point)), None)

    def _press_label(self, point: QPointF, geometry: Geometry) -> None:
        edge = self._edge_at(point, geometry)
        if edge is not None:
            self._drag = ("edge", edge)
            return
        for label in reversed(self._state.labels):
            if geometry.label_box(label, self._state.cursor_s).contains(point):
                self.label_selected.emit(label.identity)
                return
        self.label_selected.emit("")
        self._drag = ("cursor", None)
        self._move_cursor(geometry.t(point.x()))

    def _edge_at(self, point: QPointF, geometry: Geometry) -> tuple[LabelBox, str] | None:
        for label in self._state.labels:
            if label.identity == self._state.selected and label.end_s is not None:
                box = geometry.label_box(label, self._state.cursor_s)
                for name, x in (("start", box.left()), ("end", box.right())):
                    if abs(point.x() - x) <= _EDGE_PX and box.top() <= point.y() <= box.bottom():
                        return label, name
        return None

    def _drag_edge(self, t_s: float) -> None:
        assert self._drag is not None
        label, edge = self._drag[1]
        t_s = min(max(0.0, t_s), self._state.duration_s)
        start_s, end_s = (t_s, label.end_s) if edge == "start" else (label.start_s, t_s)
        self._preview = (label.identity, min(start_s, end_s), max(start_s, end_s))
        self.update()

    def _press_whole(self, point: QPointF, geometry: Geometry) -> None:
        t_s = geometry.whole_t(point.x())
        start, end = self._state.span_s
        for name, x in (("start", geometry.whole_x(start)), ("end", geometry.whole_x(end))):
            if abs(point.x() - x) <= _EDGE_PX:
                self._drag = (f"span-{name}", None)
                return
        if end - start >= self._state.duration_s - 1e-6:
            self._drag = ("whole-cursor", None)
            self._move_cursor(t_s)
        else:
            self._drag = ("span", t_s - start if start <= t_s <= end else (end - start) / 2)
            self._drag_whole(t_s)

    def _drag_whole(self, t_s: float) -> None:
        assert self._drag is not None
        kind, grip = self._drag
        start, end = self._state.span_s
        if kind == "span":
            self._ask_span(t_s - grip, t_s - grip + end - start)
        elif kind == "span-start":
            self._ask_span(min(t_s, end - _SHORTEST_SPAN_S), end)
        elif kind == "span-end":
            self._ask_span(start, max(t_s, start + _SHORTEST_SPAN_S))
        else:
            self._move_cursor(t_s)

    def _show_cursor_shape(self, point: QPointF, geometry: Geometry) -> None:
        shapes = Qt.CursorShape
        if point.x() < HEADER_PX:
            lane = self._lane_at(point)
            shape = shapes.PointingHandCursor if lane is not None and lane.choices else shapes.ArrowCursor
        elif self._edge_at(point, geometry) is not None or self._near_span_edge(point, geometry):
            shape = shapes.SizeHorCursor
        else:
            shape = shapes.ArrowCursor
        self.setCursor(shape)

    def _near_span_edge(self, point: QPointF, geometry: Geometry) -> bool:
        strip: QRectF = geometry.strip()
        inside = strip.top() <= point.y() <= strip.bottom()
        return inside and any(abs(point.x() - geometry.whole_x(t)) <= _EDGE_PX for t in self._state.span_s)
