"""The mouse in the 3-D view: it takes a hand, moves and turns the goal, or moves the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent

from studio.app.theme import theme
from studio.app.widgets.scene_camera import on_plane
from studio.core.geometry import FloatArray

if TYPE_CHECKING:
    from studio.app.widgets.scene3d import RobotView

_CLICK_PX = 4.0


class _Drag:
    """What the mouse is doing between press and release."""

    def __init__(self, place: QPointF, button: Qt.MouseButton) -> None:
        self.kind = "camera"
        self.pair = 0
        self.button = button
        self.last = place
        self.moved_px = 0.0
        self.place_m: FloatArray = np.zeros(3)
        self.grip = QPointF()
        self.angle_rad = 0.0


class SceneMouse(QObject):
    """Filters the events of the view's surface and says through the view's signals what the person does."""

    def __init__(self, view: RobotView) -> None:
        super().__init__(view)
        self._view = view
        self._drag: _Drag | None = None

    @property
    def dragged_m(self) -> FloatArray | None:
        """Where the mouse has pulled a hand to, xyz [3] in m; None while no hand is dragged."""
        drag = self._drag
        return drag.place_m.copy() if drag is not None and drag.kind == "hand" else None

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.MouseButtonPress and isinstance(event, QMouseEvent):
            self._press(event)
        elif kind == QEvent.Type.MouseMove and isinstance(event, QMouseEvent):
            self._move(event)
        elif kind == QEvent.Type.MouseButtonRelease and isinstance(event, QMouseEvent):
            self._release(event)
        elif kind == QEvent.Type.Wheel and isinstance(event, QWheelEvent):
            self._wheel(event)
        else:
            return False
        return True

    def _press(self, event: QMouseEvent) -> None:
        place = event.position()
        self._drag = _Drag(place, event.button())
        if event.button() != Qt.MouseButton.LeftButton:
            return
        pair = self._hand_at(place) if self._view.hand_drag_enabled else None
        if pair is not None:
            self._drag.kind, self._drag.pair = "hand", pair
            self._drag.place_m = self._view.hand_position_m(pair)
            self._drag.grip = place - self._view.to_pixel(self._drag.place_m)
            self._view.canvas.surface.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._view.hand_dragged.emit(pair, self._drag.place_m.copy(), True)
        elif self._view.goal_edit_enabled and self._view.layers.goal is not None:
            self._press_goal(place)

    def _press_goal(self, place: QPointF) -> None:
        drag, goal = self._drag, self._view.layers.goal
        assert drag is not None and goal is not None
        position = np.asarray(goal.position_m)
        if _near(self._view.to_pixel(self._view.layers.goal_handle_m()), place, 14):
            drag.kind, drag.place_m = "turn", position
            drag.angle_rad = self._angle_at(place, position)
            self._view.goal_grabbed.emit()
        elif _near(self._view.to_pixel(position), place, self._box_radius_px(position)):
            drag.kind, drag.place_m = "goal", position
            drag.grip = place - self._view.to_pixel(position)
            self._view.goal_grabbed.emit()

    def _move(self, event: QMouseEvent) -> None:
        drag, place = self._drag, event.position()
        if drag is None:
            over = self._view.hand_drag_enabled and self._hand_at(place) is not None
            self._view.canvas.surface.setCursor(Qt.CursorShape.OpenHandCursor if over else Qt.CursorShape.ArrowCursor)
            return
        step = place - drag.last
        drag.last = place
        drag.moved_px += abs(step.x()) + abs(step.y())
        if drag.kind == "hand":
            self._move_hand(drag, place, step, event.modifiers())
        elif drag.kind == "goal" and drag.moved_px > _CLICK_PX:
            self._move_goal(drag, place)
        elif drag.kind == "turn":
            angle = self._angle_at(place, drag.place_m)
            self._view.goal_moved.emit((drag.place_m.copy(), angle - drag.angle_rad))
            drag.angle_rad = angle
        elif drag.moved_px > _CLICK_PX:
            self._move_camera(drag, step)

    def _move_hand(self, drag: _Drag, place: QPointF, step: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            depth = float(self._view.camera.project(drag.place_m, *self._view.view_size())[2])
            drag.place_m = drag.place_m + np.array(
                [0, 0, -step.y() * self._view.camera.metres_per_pixel(depth, self._view.height())]
            )
            drag.grip = place - self._view.to_pixel(drag.place_m)
        else:
            at = place - drag.grip
            hit = on_plane(
                *self._ray(at),
                drag.place_m,
                self._view.camera.forward(),
            )
            drag.place_m = drag.place_m if hit is None else hit
        self._view.hand_dragged.emit(drag.pair, drag.place_m.copy(), True)

    def _move_goal(self, drag: _Drag, place: QPointF) -> None:
        at = place - drag.grip
        hit = on_plane(*self._ray(at), drag.place_m, np.array([0.0, 0.0, 1.0]))
        if hit is not None:
            drag.place_m = hit
            self._view.goal_moved.emit((hit.copy(), 0.0))

    def _move_camera(self, drag: _Drag, step: QPointF) -> None:
        if drag.button == Qt.MouseButton.MiddleButton:
            scale = self._view.camera.metres_per_pixel(self._view.camera.distance_m, self._view.height())
            self._view.canvas.camera = self._view.camera.panned(-step.x() * scale, step.y() * scale)
        else:
            self._view.canvas.camera = self._view.camera.orbited(-step.x() * 0.006, step.y() * 0.006)
        self._view.segments.choose("Free")
        self._view.canvas.update()

    def _release(self, event: QMouseEvent) -> None:
        drag, self._drag = self._drag, None
        if drag is None:
            return
        if drag.kind == "hand":
            self._view.canvas.surface.setCursor(Qt.CursorShape.OpenHandCursor)
            self._view.hand_dragged.emit(drag.pair, drag.place_m.copy(), False)
        elif (
            drag.kind in ("camera", "goal") and drag.moved_px <= _CLICK_PX and drag.button == Qt.MouseButton.LeftButton
        ):
            at = event.position()
            hit = on_plane(*self._ray(at), np.zeros(3), np.array([0.0, 0.0, 1.0]))
            if hit is not None:
                self._view.table_clicked.emit(hit)

    def _wheel(self, event: QWheelEvent) -> None:
        notches = event.angleDelta().y() / 120.0
        if self._drag is not None and self._drag.kind == "hand":
            drag = self._drag
            drag.place_m = drag.place_m + 0.01 * notches * self._view.camera.forward()
            drag.grip = drag.last - self._view.to_pixel(drag.place_m)
            self._view.hand_dragged.emit(drag.pair, drag.place_m.copy(), True)
            return
        self._view.canvas.camera = self._view.camera.zoomed(0.9**notches)
        self._view.canvas.update()

    def _ray(self, place: QPointF) -> tuple[FloatArray, FloatArray]:
        """Origin and direction of the ray through a pixel."""
        return self._view.camera.ray(place.x(), place.y(), *self._view.view_size())

    def _hand_at(self, place: QPointF) -> int | None:
        reach = theme().number("scene3d.leader_ring") + 8
        best = [
            (pair, self._view.to_pixel(self._view.hand_position_m(pair)) - place)
            for pair in range(len(self._view.robot.arm_bases_m))
        ]
        close = [(offset.manhattanLength(), pair) for pair, offset in best if _length(offset) <= reach]
        return min(close)[1] if close else None

    def _angle_at(self, place: QPointF, centre_m: FloatArray) -> float:
        hit = on_plane(*self._ray(place), centre_m, np.array([0.0, 0.0, 1.0]))
        return 0.0 if hit is None else float(np.arctan2(hit[1] - centre_m[1], hit[0] - centre_m[0]))

    def _box_radius_px(self, position_m: FloatArray) -> float:
        depth = float(self._view.camera.project(position_m, *self._view.view_size())[2])
        return 0.75 * self._view.task.object_size_m / self._view.camera.metres_per_pixel(depth, self._view.height())


def _length(offset: QPointF) -> float:
    return float(np.hypot(offset.x(), offset.y()))


def _near(place: QPointF, other: QPointF, radius_px: float) -> bool:
    return _length(place - other) <= radius_px
