"""RobotView: the 3-D view of two arms, the box, forces, goals and rollouts, with the mouse as a hand.

A press on a hand's ring starts a drag in the view plane; the wheel then moves in depth and Shift moves vertically.
Elsewhere the left button orbits, the middle button shifts and the wheel zooms.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.app.graphics import opengl_problem
from studio.app.theme import set_property, theme
from studio.app.widgets import scene_mesh as mesh
from studio.app.widgets.control import IconButton, SegmentedControl
from studio.app.widgets.scene_camera import VIEWS, Camera
from studio.app.widgets.scene_canvas import SceneCanvas
from studio.app.widgets.scene_frame import Body
from studio.app.widgets.scene_layer import SceneLayers
from studio.app.widgets.scene_mouse import SceneMouse
from studio.core.geometry import FloatArray, quaternion_to_matrix
from studio.core.task import Goal


class RobotView(QWidget):
    """Two arms and a box in 3-D.

    Args:
        robot: the robot description (`arm_bases_m`, `link_lengths_m`).
        task: the task (object size, tip radius, table).
    """

    hand_dragged = Signal(int, object, bool)  # pair, xyz [3] in m, still held
    table_clicked = Signal(object)  # xyz [3] in m
    goal_grabbed = Signal()  # a drag of the goal begins
    goal_moved = Signal(object)  # (position [3] in m, turn in rad since the last signal)
    view_changed = Signal(str)

    def __init__(self, robot: Any, task: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.robot, self.task = robot, task
        self.setMinimumSize(240, 160)
        self.setMouseTracking(True)
        self.hand_drag_enabled = True
        self.goal_edit_enabled = False
        self.canvas: Any = None
        self._labels: dict[str, tuple[QLabel, Any, bool]] = {}
        self._frame_mark = (time.perf_counter(), 0)
        self._fps = 0.0
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        problem = opengl_problem()
        if problem:
            layout.addWidget(NoView(problem))
            return
        self._make_canvas(layout)
        self._make_overlay()
        self.set_view("Front")
        self.set_arms(np.asarray(getattr(robot, "home_rad", np.zeros(8))))
        theme().changed.connect(self._recolour)

    @property
    def works(self) -> bool:
        """False where the display has no OpenGL; every setter then does nothing."""
        return self.canvas is not None

    # ---- what is shown -------------------------------------------------------------------------------------------

    def set_arms(self, follower_q_rad: Any) -> None:
        """Follower joint angles [8] in rad."""
        if not self.works:
            return
        matrices = mesh.arm_transforms(self.robot, np.asarray(follower_q_rad, dtype=np.float64))
        self.layers.set_arms(matrices)
        self.canvas.set_parts(0, matrices)
        self.canvas.update()

    def set_leader(self, tips_m: Any | None) -> None:
        """Leader ball positions [2, 3] in m, drawn as orange rings; None hides them."""
        if self.works:
            self.layers.leader_m = None if tips_m is None else np.array(tips_m, dtype=np.float64)
            self.canvas.update()

    def set_object(self, position_m: Any, orientation_xyzw: Any) -> None:
        """Pose of the box."""
        if not self.works:
            return
        matrix = np.eye(4, dtype=np.float32)
        matrix[:3, :3] = quaternion_to_matrix(np.asarray(orientation_xyzw, dtype=np.float64))
        matrix[:3, 3] = position_m
        self.layers.object_matrix = matrix
        self.canvas.set_parts(len(self.robot.arm_bases_m) * mesh.PARTS_PER_ARM, matrix[None])
        self.canvas.update()

    def set_force(self, pair: int, tip_m: Any, force_n: Any) -> None:
        """Arrow of the force [3] in N that the hand feels at a ball [3]; below 0.2 N none is drawn."""
        if self.works:
            self.layers.forces[pair] = (np.array(tip_m, dtype=np.float64), np.array(force_n, dtype=np.float64))
            self.canvas.update()

    def set_goal(self, goal: Goal | None, *, tolerance_m: float = 0.0, tolerance_rad: float = 0.0) -> None:
        """White goal box; with a tolerance also the dashed box around it."""
        if self.works:
            self.layers.set_goal(goal, tolerance_m, tolerance_rad, self.goal_edit_enabled)

    def set_fan(self, paths_m: Any | None, returns: Any | None = None) -> None:
        """Predicted rollouts [K, H+1, 3] coloured and ordered by their returns [K] (higher is better)."""
        if self.works:
            self.layers.set_fan(paths_m, returns)

    def set_plan(self, path_m: Any | None, orientations_xyzw: Any | None = None) -> None:
        """The chosen plan [H+1, 3] in white, with ghost boxes along it when orientations [H+1, 4] are given."""
        if self.works:
            self.layers.set_plan(path_m, orientations_xyzw)

    def set_link(self, ends_m: tuple[Any, Any] | None) -> None:
        """A dashed line between two places, from the box to its goal."""
        if self.works:
            self.layers.link = None if ends_m is None else (np.array(ends_m[0]), np.array(ends_m[1]))
            self.canvas.update()

    def goal_handle_m(self) -> FloatArray:
        """The knob of the turning ring."""
        return self.layers.goal_handle_m() if self.works and self.layers.goal is not None else np.zeros(3)

    def set_fault(self, joints: frozenset[int]) -> None:
        """Joints 0..7 painted and ringed in the fault colour."""
        if self.works and joints != self.canvas.failed_joints:
            self.canvas.failed_joints = joints
            self.canvas.mark("colours")

    def set_goal_edit(self, enabled: bool) -> None:
        """Show axes and the turning ring on the goal and let the mouse move it."""
        self.goal_edit_enabled = enabled
        if self.works:
            self.layers.set_goal_edit(enabled)

    def set_note(
        self, name: str, text: str, place_m: Any | None = None, tone: str = "1", *, below: bool = False
    ) -> None:
        """A small label above (or below) a place in the world; an empty text removes it."""
        if not self.works:
            return
        if not text:
            if name in self._labels:
                self._labels.pop(name)[0].deleteLater()
            return
        if name not in self._labels:
            label = QLabel(self)
            label.setObjectName("sceneNote")
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            set_property(label, "type", "small")
            self._labels[name] = (label, place_m, below)
            self._style_note(label)
            label.show()
        label = self._labels[name][0]
        self._labels[name] = (label, np.array(place_m, dtype=np.float64), below)
        set_property(label, "tone", tone)
        if label.text() != text:
            label.setText(text)
            label.adjustSize()

    @property
    def dragged_m(self) -> FloatArray | None:
        """Where the mouse has pulled a hand to, xyz [3] in m; None while no hand is dragged."""
        return self._mouse.dragged_m if self.works else None

    def hand_position_m(self, pair: int) -> FloatArray:
        """Where the ring of a hand is: the leader's ball where it is shown, else the follower's."""
        return self.layers.hand_m(pair)

    def joint_position_m(self, joint: int) -> FloatArray:
        """Where joint 0..7 of the followers is."""
        return self.layers.joint_m(joint)

    def add_button(self, button: QWidget) -> None:
        """One more button at the top right, before the others."""
        row = self._bar.layout()
        assert isinstance(row, QHBoxLayout)
        row.insertWidget(row.count() - 3, button)

    def to_pixel(self, place_m: Any) -> QPointF:
        """Where a place in the world [3] appears in this widget."""
        x, y, _ = self.camera.project(np.asarray(place_m, dtype=np.float64), *self.view_size())
        return QPointF(float(x), float(y))

    # ---- camera --------------------------------------------------------------------------------------------------

    @property
    def camera(self) -> Camera:
        return self.canvas.camera

    def set_view(self, name: str) -> None:
        """Front, Top, Left or Free."""
        if not self.works:
            return
        self.canvas.camera = VIEWS[name]
        self.segments.choose(name)
        self.canvas.update()
        self.view_changed.emit(name)

    def show_only(self, camera: Camera) -> None:
        """A picture to look at: no buttons, and the mouse does nothing in it."""
        if self.works:
            self._bar.hide()
            self.canvas.camera = camera
            self.canvas.surface.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            self.canvas.update()

    def save_png(self, path: str) -> None:
        """A picture of the whole view as it stands."""
        self.finish_drawing()
        self.grab().save(path)

    def finish_drawing(self) -> None:
        """Wait until the picture shows everything that was set; for pictures and tests."""
        if self.works:
            self.canvas.finish_drawing()

    # ---- construction --------------------------------------------------------------------------------------------

    def _make_canvas(self, layout: QVBoxLayout) -> None:
        self.canvas = SceneCanvas(_body(self.robot, self.task), self)
        self.layers = SceneLayers(self.canvas, self.robot, self.task)
        self.canvas.before_draw = self._before_draw
        surface = self.canvas.surface
        surface.setParent(self)
        surface.setMouseTracking(True)
        surface.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # a press in the view takes the keys from a text field
        self._mouse = SceneMouse(self)
        surface.installEventFilter(self._mouse)
        layout.addWidget(surface)
        self.set_object((0.02, 0.0, self.task.object_rest_height_m), (0.0, 0.0, 0.0, 1.0))

    def _make_overlay(self) -> None:
        self._bar = QWidget(self)
        row = QHBoxLayout(self._bar)
        row.setContentsMargins(12, 12, 16, 0)
        self.segments = SegmentedControl(list(VIEWS), self._bar)
        self.segments.chosen.connect(self.set_view)
        self.speed_label = QLabel("", self._bar)
        set_property(self.speed_label, "type", "small")
        set_property(self.speed_label, "tone", "2")
        row.addWidget(self.segments)
        row.addWidget(self.speed_label)
        row.addStretch(1)
        self.full_button = IconButton("fullscreen", "The whole window for the 3-D view", self._bar)
        self.eye_button = IconButton("eye", "Show or hide forces, rings and labels", self._bar, checkable=True)
        self.axes_button = IconButton("gizmo", "Show or hide the axes of the table", self._bar, checkable=True)
        self.eye_button.setChecked(True)
        self.eye_button.toggled.connect(self._show_forces)
        self.axes_button.toggled.connect(self._show_axes)
        for button in (self.full_button, self.eye_button, self.axes_button):
            row.addWidget(button)
        self._bar.setFixedHeight(42)

    def _show_forces(self, shown: bool) -> None:
        self.layers.forces_shown = shown
        self.canvas.update()

    def _show_axes(self, shown: bool) -> None:
        self.layers.axes_shown = shown
        self.canvas.update()

    def _recolour(self) -> None:
        self.layers.recolour()
        self.canvas.mark("colours")
        for label, *_ in self._labels.values():
            self._style_note(label)

    def _style_note(self, label: QLabel) -> None:
        ground = theme().colour("bg.0", theme().number("fill.view_card"))
        look = f"background: rgba{ground.getRgb()}; border-radius: 4px; padding: 3px 6px; font-weight: 600;"
        label.setStyleSheet(f"#sceneNote {{ {look} }}")

    # ---- drawing -------------------------------------------------------------------------------------------------

    def view_size(self) -> tuple[int, int]:
        """Width and height in logical pixels, at least 1."""
        return max(self.width(), 1), max(self.height(), 1)

    def _before_draw(self) -> None:
        self.layers.fill_moving(self.camera, self.height())
        for label, place, below in self._labels.values():
            at = self.to_pixel(place)
            x = min(max(at.x() - label.width() / 2, 4), self.width() - label.width() - 4)
            y = at.y() + 14 if below else at.y() - label.height() - 14
            label.move(round(x), round(min(max(y, 44), self.height() - label.height() - 4)))
        self._count_frame()

    def _count_frame(self) -> None:
        now = time.perf_counter()
        since, frames = self._frame_mark
        if now - since > 1.0:
            self._fps = (self.canvas.frames - frames) / (now - since)
            self._frame_mark = (now, self.canvas.frames)
            words = f"{self._fps:.0f} fps · {self.canvas.draw_s * 1000:.0f} ms" if self._fps >= 1 else ""
            self.speed_label.setText(words)  # nothing is said while nothing moves

    @property
    def frames_per_s(self) -> float:
        """Frames drawn a second, over the last second."""
        return self._fps

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        if self.works:
            self._bar.setGeometry(0, 0, self.width(), 42)
            self._bar.raise_()


class NoView(QFrame):
    """Stands where the 3-D view would be, on a display without OpenGL."""

    def __init__(self, problem: str) -> None:
        super().__init__()
        set_property(self, "ground", "0")
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        title = QLabel("No 3-D view")
        set_property(title, "type", "title")
        self.message = QLabel(problem)
        self.message.setWordWrap(True)
        set_property(self.message, "tone", "2")
        for label in (title, self.message):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(label)
        layout.addStretch(1)


def _body(robot: Any, task: Any) -> Body:
    table_x_m, table_y_m = _table(task)
    return Body(
        arm_bases_m=tuple(tuple(float(v) for v in base_m) for base_m in robot.arm_bases_m),
        link_lengths_m=tuple(float(v) for v in robot.link_lengths_m),
        object_size_m=float(task.object_size_m), tip_radius_m=float(task.tip_radius_m),
        table_x_m=table_x_m, table_y_m=table_y_m,
    )  # fmt: skip


def _table(task: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """The table that is drawn: the task's table with a margin that also carries the pedestals."""
    (x0, x1), (y0, y1) = task.table_x_m, task.table_y_m
    if x1 <= x0:
        return (-0.6, 0.6), (-0.6, 0.6)
    return (min(x0, -0.3) - 0.15, x1 + 0.16), (y0 - 0.26, y1 + 0.26)
