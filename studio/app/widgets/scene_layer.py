"""What lies over the robot in the 3-D view: forces, rings, goal, plan and rollouts, as line batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from studio.app.theme import theme
from studio.app.widgets import scene_line as lines
from studio.app.widgets import scene_mesh as mesh
from studio.app.widgets.scene_camera import Camera
from studio.core.geometry import FloatArray, quaternion_to_matrix
from studio.core.task import Goal

SMALLEST_FORCE_N = 0.2
Painter = Callable[[lines.LineBatch], Sequence[tuple[Any, Any]]]
_GIZMO_SCALE = 1.15  # radius of the turning ring in box sizes


class SceneLayers:
    """Keeps what is shown and rebuilds only the batch that changed."""

    def __init__(self, canvas: Any, robot: Any, task: Any) -> None:
        self._canvas, self._robot, self._task = canvas, robot, task
        self.leader_m: FloatArray | None = None
        self.forces: dict[int, tuple[FloatArray, FloatArray]] = {}
        self.object_matrix = np.eye(4, dtype=np.float32)
        self.goal: Goal | None = None
        self.forces_shown = True
        self.axes_shown = False
        self.link: tuple[FloatArray, FloatArray] | None = None
        self._tolerance = (0.0, 0.0)
        self._goal_edit = False
        self._fan: tuple[np.ndarray, np.ndarray] | None = None
        self._plan: tuple[np.ndarray, np.ndarray | None] | None = None
        self._painter: Painter | None = None
        self._matrices = np.zeros((0, 4, 4), dtype=np.float32)
        self._tips_m: FloatArray = np.zeros((2, 3))

    # ---- setters -------------------------------------------------------------------------------------------------

    def set_arms(self, matrices: np.ndarray) -> None:
        self._matrices = matrices
        self._tips_m = mesh.tips_from_transforms(self._robot, matrices)

    def hand_m(self, pair: int) -> FloatArray:
        return (self._tips_m if self.leader_m is None else self.leader_m)[pair].copy()

    def joint_m(self, joint: int) -> FloatArray:
        return mesh.joint_positions(self._robot, self._matrices, joint)

    def set_goal(self, goal: Goal | None, tolerance_m: float, tolerance_rad: float, edit: bool) -> None:
        state = (goal, (tolerance_m, tolerance_rad), edit)
        if state != (self.goal, self._tolerance, self._goal_edit):
            self.goal, self._tolerance, self._goal_edit = state
            self._rebuild()

    def set_goal_edit(self, edit: bool) -> None:
        self._goal_edit = edit
        self._rebuild()

    def set_fan(self, paths_m: Any | None, returns: Any | None) -> None:
        self._fan = None
        if paths_m is not None and len(paths_m):
            paths = np.asarray(paths_m, dtype=np.float32)
            scores = np.zeros(len(paths)) if returns is None else np.asarray(returns, dtype=np.float64)
            finite = np.isfinite(paths).all(axis=(1, 2)) & np.isfinite(scores)
            order = np.argsort(scores[finite])  # the best lie on top
            self._fan = (paths[finite][order][-int(theme().number("scene3d.fan_shown_max")) :], scores[finite][order])
        self._rebuild()

    def set_plan(self, path_m: Any | None, orientations_xyzw: Any | None) -> None:
        self._plan = None
        if path_m is not None:
            turns = None if orientations_xyzw is None else np.asarray(orientations_xyzw, dtype=np.float64)
            self._plan = (np.asarray(path_m, dtype=np.float64), turns)
        self._rebuild()

    def set_painter(self, painter: Painter | None) -> None:
        """More still lines under the goal.

        Called with the line batch; gives corners of translucent triangles [n, 3] with their rgba [4] or [n, 4].
        """
        self._painter = painter
        self._rebuild()

    def recolour(self) -> None:
        self._rebuild()

    def goal_handle_m(self) -> FloatArray:
        """The knob on the turning ring, at the goal's yaw."""
        assert self.goal is not None
        matrix = self.goal.matrix()
        yaw = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
        radius = _GIZMO_SCALE * self._task.object_size_m
        return np.asarray(self.goal.position_m) + radius * np.array([np.cos(yaw), np.sin(yaw), 0.0])

    # ---- still lines ---------------------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        batch = self._canvas.still_lines
        batch.clear()
        self._canvas.fills = np.zeros(0, dtype=self._canvas.fills.dtype)
        if self._fan is not None and len(self._fan[0]):
            self._add_fan(batch)
        if self._plan is not None:
            self._add_plan(batch)
        for triangles, colour in self._painter(batch) if self._painter is not None else ():
            self._fill(triangles, colour)
        if self.goal is not None:
            self._add_goal(batch)
        self._canvas.mark("still", "fills")

    def _add_fan(self, batch: lines.LineBatch) -> None:
        assert self._fan is not None
        paths, scores = self._fan
        scores = scores[-len(paths) :]
        low, high = float(scores.min()), float(scores.max())
        share = np.clip((scores - low) / max(high - low, 1e-9), 0.0, 1.0)
        tokens = theme().tokens
        widths, opacities = tokens.value("scene3d.fan_width"), tokens.value("scene3d.fan_opacity")
        colours = np.array([theme().ramp(float(s)).getRgbF() for s in share])
        colours[:, 3] = opacities[0] + share * (opacities[1] - opacities[0])
        batch.add_paths(paths, widths[0] + share * (widths[1] - widths[0]), colours)

    def _add_plan(self, batch: lines.LineBatch) -> None:
        assert self._plan is not None
        path, turns = self._plan
        if turns is not None and len(path) > 2:
            ghost = theme().rgba("scene.goal", theme().number("scene3d.ghost_opacity"))
            for stage in (len(path) // 3, 2 * len(path) // 3):
                corners = lines.box_corners(path[stage], quaternion_to_matrix(turns[stage]), self._task.object_size_m)
                edges = lines.BOX_EDGES
                batch.add_segments(corners[edges[:, 0]], corners[edges[:, 1]], 1.0, ghost)
        width = theme().number("scene3d.plan_width")
        batch.add_path(path, width + 2.0, theme().rgba("scene.casing", 0.6))
        batch.add_path(path, width, theme().rgba("scene.goal"))

    def _add_goal(self, batch: lines.LineBatch) -> None:
        assert self.goal is not None
        size, matrix = self._task.object_size_m, self.goal.matrix()
        position = np.asarray(self.goal.position_m)
        corners, edges = lines.box_corners(position, matrix, size), lines.BOX_EDGES
        self._fill(
            lines.box_faces(corners), theme().rgba("accent.line", theme().number("scene3d.ghost_box_fill_chosen"))
        )
        tolerance_m, tolerance_rad = self._tolerance
        line = theme().rgba("accent.line", 0.8)
        if tolerance_m > 0:
            outer = lines.box_corners(position, matrix, size + 2 * tolerance_m)
            for first, last in edges:
                batch.add_dashes(outer[[first, last]], 0.006, 0.005, 1.2, line)
        if self._goal_edit:
            self._add_gizmo(batch, position, tolerance_rad)
        batch.add_segments(
            corners[edges[:, 0]], corners[edges[:, 1]], theme().number("scene3d.goal_width"), theme().rgba("scene.goal")
        )

    def _fill(self, triangles: Any, colour: Any) -> None:
        fills: Any = np.zeros(len(triangles), dtype=self._canvas.fills.dtype)
        fills["a_position"], fills["a_colour"] = triangles, colour
        self._canvas.fills = np.concatenate([self._canvas.fills, fills])

    def _add_gizmo(self, batch: lines.LineBatch, position: FloatArray, tolerance_rad: float) -> None:
        radius = _GIZMO_SCALE * self._task.object_size_m
        x, y, z = np.eye(3)
        blue = theme().rgba("axis.z")
        batch.add_path(lines.ring_points(position, x, y, radius, 64), 2.4, blue, closed=True)
        if tolerance_rad > 0:
            handle = self.goal_handle_m() - position
            for sign in (-1.0, 1.0):
                c, s = np.cos(sign * tolerance_rad), np.sin(sign * tolerance_rad)
                edge = np.array([c * handle[0] - s * handle[1], s * handle[0] + c * handle[1], 0.0])
                batch.add_dashes(np.stack([position, position + edge]), 0.006, 0.005, 1.2, blue)
        for axis, key in ((x, "axis.x"), (y, "axis.y"), (z, "axis.z")):
            add_arrow(
                batch, position, position + 1.05 * self._task.object_size_m * axis, 2.6, theme().rgba(key), 0.018, 11.0
            )

    # ---- moving lines --------------------------------------------------------------------------------------------

    def fill_moving(self, camera: Camera, height_px: float) -> None:
        """Forces, rings and knobs, whose size in pixels follows the camera."""
        batch = self._canvas.moving_lines
        if self.axes_shown:
            for axis, key in zip(np.eye(3), ("axis.x", "axis.y", "axis.z")):
                add_arrow(batch, np.zeros(3), 0.15 * axis, 2.5, theme().rgba(key), 0.018, 11.0)
        if self.link is not None:
            batch.add_dashes(np.stack(self.link), 0.010, 0.008, 1.4, theme().rgba("text.2"))
        if self.goal is not None and self._goal_edit:
            self._add_knob(batch, camera, height_px)
        if self.forces_shown:
            for pair, (tip, force) in self.forces.items():
                self._add_force(batch, camera, height_px, pair, tip, force)
            if self.leader_m is not None:
                self._add_rings(batch, camera, height_px)
        for joint in self._canvas.failed_joints:
            self._add_circle(batch, camera, height_px, self.joint_m(joint), 54, 3.0, theme().rgba("state.fault"))

    def _add_force(
        self, batch: lines.LineBatch, camera: Camera, height_px: float, pair: int, tip: FloatArray, force: FloatArray
    ) -> None:
        if float(np.linalg.norm(force)) < SMALLEST_FORCE_N:
            return
        number = theme().number
        width, end = number("scene3d.force_width"), tip + number("scene3d.force_m_per_n") * force
        hue, casing = theme().rgba("cat.1" if pair == 0 else "cat.5"), theme().rgba("scene.casing")
        dot = number("scene3d.contact_dot")
        scale = camera.metres_per_pixel(float(np.dot(tip - camera.eye_m(), camera.forward())), height_px)
        head = 15.0 * scale
        add_arrow(
            batch, tip, end + 2.5 * scale * force / np.linalg.norm(force), width + 3.0, casing, head + 4.0 * scale, 21.0
        )
        self._add_circle(batch, camera, height_px, tip, dot / 2, dot + 3.5, casing)
        add_arrow(batch, tip, end, width, hue, head, 16.0)
        self._add_circle(batch, camera, height_px, tip, dot / 2, dot, hue)

    def _add_rings(self, batch: lines.LineBatch, camera: Camera, height_px: float) -> None:
        assert self.leader_m is not None
        radius, width = theme().number("scene3d.leader_ring"), theme().number("scene3d.leader_ring_width")
        leader = theme().rgba("side.leader")
        for place in self.leader_m:
            self._add_circle(batch, camera, height_px, place, radius, width, leader)
            self._add_circle(batch, camera, height_px, place, 1.5, 3.0, leader)

    def _add_knob(self, batch: lines.LineBatch, camera: Camera, height_px: float) -> None:
        place = self.goal_handle_m()
        for radius_px in (2.0, 5.5):  # two rings make a disc without crossing edges in the middle
            self._add_circle(batch, camera, height_px, place, radius_px, 5.0, theme().rgba("axis.z"))
        self._add_circle(batch, camera, height_px, place, 9.0, 2.0, theme().rgba("scene.casing"))

    def _add_circle(
        self,
        batch: lines.LineBatch,
        camera: Camera,
        height_px: float,
        place: FloatArray,
        radius_px: float,
        width_px: float,
        colour: lines.Rgba,
    ) -> None:
        """A ring of a size in pixels that faces the camera."""
        depth = float(np.dot(place - camera.eye_m(), camera.forward()))
        if depth <= 0:
            return
        radius = radius_px * camera.metres_per_pixel(depth, height_px)
        points = lines.ring_points(place, camera.right(), camera.up(), radius, 36 if radius_px > 5 else 14)
        batch.add_path(points, width_px, colour, closed=True)


def add_arrow(
    batch: lines.LineBatch, start: Any, end: Any, width_px: float, colour: lines.Rgba, head_m: float, head_px: float
) -> None:
    """A shaft and a head; a short arrow is all head."""
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    length = float(np.linalg.norm(end - start))
    if length < 1e-6:
        return
    neck = start + (end - start) * max(0.0, 1.0 - head_m / length)
    batch.add_segments(start[None], neck[None], width_px, colour)
    batch.add_segments(neck[None], end[None], np.array([[head_px, 0.0]]), colour)
