"""Skills over the 3-D view: each a numbered path to a ghost box, and paths of the hands; the chosen one has arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from studio.app.theme import theme
from studio.app.widgets import scene_line as lines
from studio.app.widgets import scene_mesh as mesh
from studio.app.widgets.scene3d import RobotView
from studio.core.geometry import FloatArray, quaternion_to_matrix

BADGE_PX = 24
_ARM_SHARE = 0.36  # of the ghost's opacity: a mesh is seen through twice
_LIGHT = np.array([-0.28, 0.34, 0.90])
_HAND_OPACITY = 0.45
_APART_PX = BADGE_PX + 2.0


@dataclass(frozen=True, kw_only=True)
class Ghost:
    """One skill to draw: number 1..8 (its colour), box path [H+1, 3], its last turn [4], tips [H+1, hands, 3] and the
    followers' joints at the end [8], empty when unknown."""

    number: int
    path_m: FloatArray
    orientation_xyzw: FloatArray
    tips_m: FloatArray
    joints_rad: FloatArray


class NumberBadge(QWidget):
    """A number in a ring of its colour."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.number, self.chosen = 1, False
        self.setFixedSize(BADGE_PX, BADGE_PX)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def show_number(self, number: int, *, chosen: bool = False) -> None:
        if (number, chosen) != (self.number, self.chosen):
            self.number, self.chosen = number, chosen
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        paint_badge(painter, QRectF(self.rect()), self.number)
        painter.end()


def paint_badge(painter: QPainter, place: QRectF, number: int) -> None:
    """The ring and its number; it reads on any ground."""
    active = theme()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(active.colour("bg.0"))
    painter.setPen(QPen(active.colour(f"cat.{number}"), 2.0))
    painter.drawEllipse(place.adjusted(2, 2, -2, -2))
    painter.setPen(active.colour("text.1"))
    painter.setFont(active.font("strong"))
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, str(number))


class SkillGhosts:
    """Draws ghosts into a view; `place` keeps the badges where their boxes are and is called with every tick.

    Args:
        view: the 3-D view; nothing happens where it does not work.
    """

    def __init__(self, view: RobotView) -> None:
        self._view = view
        self._ghosts: Sequence[Ghost] = ()
        self._chosen = 0
        self.badges: list[NumberBadge] = []
        self._mesh: mesh.Mesh | None = None
        if view.works:
            view.layers.set_painter(self._paint)

    def show(self, ghosts: Sequence[Ghost], chosen: int) -> None:
        """Draw these; `chosen` is an index into them."""
        if not self._view.works:
            return
        self._ghosts, self._chosen = ghosts, chosen
        while len(self.badges) < len(ghosts):
            self.badges.append(NumberBadge(self._view))
        for index, badge in enumerate(self.badges):
            badge.setVisible(index < len(ghosts))
            if index < len(ghosts):
                badge.show_number(ghosts[index].number, chosen=index == chosen)
        self._view.layers.recolour()
        self.place()

    def place(self) -> None:
        """Put each badge over the middle of its ghost box; where two would meet, the later one moves aside."""
        taken: list[tuple[float, float]] = []
        for ghost, badge in zip(self._ghosts, self.badges):
            at = self._view.to_pixel(ghost.path_m[-1])
            x, y = _aside(at.x(), at.y(), taken)
            taken.append((x, y))
            badge.move(round(x - BADGE_PX / 2), round(y - BADGE_PX / 2))
            badge.raise_()

    def _paint(self, batch: lines.LineBatch) -> list[tuple[Any, Any]]:
        fills: list[tuple[Any, Any]] = []
        order = sorted(range(len(self._ghosts)), key=lambda index: index == self._chosen)  # the chosen one on top
        for index in order:
            ghost, chosen = self._ghosts[index], index == self._chosen
            if chosen and len(ghost.joints_rad):
                fills.append(self._arms(ghost))
            fills.append(self._add_ghost(batch, ghost, chosen=chosen))
        return fills

    def _add_ghost(self, batch: lines.LineBatch, ghost: Ghost, *, chosen: bool) -> tuple[Any, Any]:
        active, key = theme(), f"cat.{ghost.number}"
        colour = active.rgba(key, 1.0 if chosen else 0.8)
        width = active.number("scene3d.path_width_chosen" if chosen else "scene3d.path_width")
        for hand in range(ghost.tips_m.shape[1]):
            batch.add_path(ghost.tips_m[:, hand], 1.2, active.rgba(key, 0.9 if chosen else _HAND_OPACITY))
        size_m = self._view.task.object_size_m
        corners = lines.box_corners(ghost.path_m[-1], quaternion_to_matrix(ghost.orientation_xyzw), size_m)
        edges = lines.BOX_EDGES
        batch.add_segments(corners[edges[:, 0]], corners[edges[:, 1]], 2.2 if chosen else 1.2, colour)
        batch.add_path(ghost.path_m, width + 1.6, active.rgba("scene.casing", 0.5))
        batch.add_path(ghost.path_m, width, colour)
        fill = active.number("scene3d.ghost_box_fill_chosen" if chosen else "scene3d.ghost_box_fill")
        return lines.box_faces(corners), active.rgba(key, fill)

    def _arms(self, ghost: Ghost) -> tuple[Any, Any]:
        """Both arms at the end of the skill: their mesh in the skill's colour, shaded, seen through."""
        robot, body = self._view.robot, self._body()
        matrices = mesh.arm_transforms(robot, ghost.joints_rad[-1])
        turns = matrices[body.parts.astype(int)]
        places = np.einsum("nij,nj->ni", turns[:, :3, :3], body.points_m) + turns[:, :3, 3]
        light = np.clip(np.einsum("nij,nj->ni", turns[:, :3, :3], body.normals) @ _LIGHT, 0.0, 1.0)
        colours = np.empty((len(places), 4), dtype=np.float32)
        colours[:, :3] = np.array(theme().rgba(f"cat.{ghost.number}")[:3]) * (0.35 + 0.65 * light)[:, None]
        colours[:, 3] = _ARM_SHARE * theme().number("scene3d.ghost_opacity")
        return places[body.triangles.ravel()], colours[body.triangles.ravel()]

    def _body(self) -> mesh.Mesh:
        """The mesh of the moving parts of both arms; made when it is first needed."""
        if self._mesh is None:
            robot, task = self._view.robot, self._view.task
            whole = mesh.robot_mesh(robot, box_size_m=task.object_size_m, tip_radius_m=task.tip_radius_m)
            arms = len(robot.arm_bases_m) * mesh.PARTS_PER_ARM
            parts = whole.parts[whole.triangles[:, 0]]
            moving = (parts < arms) & (parts % mesh.PARTS_PER_ARM != 0)
            self._mesh = replace(whole, triangles=whole.triangles[moving], parts=np.minimum(whole.parts, arms - 1))
        return self._mesh


def _aside(x: float, y: float, taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    for _ in range(len(taken) + 1):
        near = next(((a, b) for a, b in taken if abs(a - x) < _APART_PX and abs(b - y) < _APART_PX), None)
        if near is None:
            break
        x = near[0] + (_APART_PX if x >= near[0] else -_APART_PX)
    return x, y
