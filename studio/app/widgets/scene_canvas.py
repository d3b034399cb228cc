"""What a 3-D view shows, kept in the window's thread; frames of it go to the drawer's thread (`scene_drawer`).

Positions come in as matrices and line batches; nothing here knows a robot.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QImage

from studio.app.theme import theme
from studio.app.widgets import scene_line as lines
from studio.app.widgets.scene_camera import Camera
from studio.app.widgets.scene_drawer import attach_view, detach_view, scene_drawer
from studio.app.widgets.scene_frame import FILL_DTYPE, MAX_PARTS, Body, Frame, Look
from studio.app.widgets.scene_surface import SceneSurface


class SceneCanvas(QObject):
    """State of one view; `before_draw` is called first for every frame to fill the moving line batch.

    One frame at a time is with the drawer; what changes meanwhile is in the next one, so a slow drawer drops frames
    and nothing piles up.
    """

    def __init__(self, body: Body, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.camera = Camera(target_m=(0, 0, 0), distance_m=1.5, azimuth_rad=0, elevation_rad=0.5)
        self.before_draw: Callable[[], None] = lambda: None
        self.still_lines = lines.LineBatch()
        self.moving_lines = lines.LineBatch()
        self.fills = np.zeros(0, dtype=FILL_DTYPE)
        self.failed_joints: frozenset[int] = frozenset()
        self.draw_s = 0.0
        self.frames = 0
        self.surface = SceneSurface()
        self._body = body
        self._look: Look | None = None
        self._still = self.still_lines.vertices()
        self._parts = np.tile(np.eye(4, dtype=np.float32), (MAX_PARTS, 1, 1))
        self._stale, self._drawing = True, False
        self._number = attach_view()
        self._drawer = scene_drawer()
        self._drawer.drawn.connect(self._take)
        self._drawer.failed.connect(self.surface.say)
        self._soon = QTimer(self)  # several changes in one turn are one frame
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._send)
        self.surface.needed.connect(self.update)
        # the surface goes with its panel, whoever still holds this object
        self.surface.destroyed.connect(lambda _=None, view=self._number: detach_view(view))
        self.destroyed.connect(lambda _=None, view=self._number: detach_view(view))

    @property
    def waiting(self) -> bool:
        """Whether the picture does not show everything yet."""
        return self._stale or self._drawing

    def update(self) -> None:
        """Something has changed; it is drawn soon, and not at all while nobody sees it."""
        self._stale = True
        if not self._drawing and not self._soon.isActive() and self.surface.isVisible():
            self._soon.start(0)

    def set_parts(self, first: int, matrices: np.ndarray) -> None:
        """Place rigid parts [n, 4, 4], from part number `first` on."""
        self._parts[first : first + len(matrices)] = matrices

    def mark(self, *what: str) -> None:
        """Say what changed: colours, still, fills."""
        if "colours" in what:
            self._look = None
        if "still" in what:
            self._still = self.still_lines.vertices()
        self.update()

    def finish_drawing(self) -> None:
        """Wait until the picture shows everything that was set; for pictures and tests."""
        self._stale = False
        self.surface.show_picture(self._drawer.draw_now(self._number, self._frame()))

    def _send(self) -> None:
        if self._stale and not self._drawing and self.surface.isVisible():
            self._stale, self._drawing = False, True
            self._drawer.ask(self._number, self._frame())

    def _take(self, view: int, picture: QImage, took_s: float) -> None:
        if view != self._number:
            return
        self._drawing = False
        self.frames += 1
        self.draw_s = 0.8 * self.draw_s + 0.2 * took_s
        self.surface.show_picture(picture)
        if self._stale:
            self.update()

    def _frame(self) -> Frame:
        self.moving_lines.clear()
        self.before_draw()
        self._look = self._look or make_look(self.failed_joints)
        width, height = max(self.surface.width(), 1), max(self.surface.height(), 1)
        ratio = self.surface.devicePixelRatioF()
        return Frame(
            body=self._body, look=self._look, camera=self.camera, size=(width, height),
            size_px=(round(width * ratio), round(height * ratio)), parts=self._parts.copy(), fills=self.fills,
            still=self._still, moving=self.moving_lines.vertices(),
        )  # fmt: skip


def make_look(failed_joints: frozenset[int]) -> Look:
    """The active theme as numbers."""
    active = theme()
    return Look(
        top=active.rgba("scene.top")[:3], bottom=active.rgba("scene.bottom")[:3],
        table=active.rgba("scene.table")[:3], grid=active.rgba("scene.grid")[:3],
        grid_step_m=active.number("scene3d.grid_step_m"), grid_strength=0.34 if active.dark else 0.75,
        darkest=0.62 if active.dark else 1.0, ambient=0.42 if active.dark else 0.62,
        shadow=(0.0, 0.0, 0.0, active.number(f"scene3d.shadow.{active.name}") * 0.8),
        materials=tuple(material_colours(failed_joints)),
    )  # fmt: skip


def material_colours(failed_joints: frozenset[int] = frozenset()) -> list[tuple[float, float, float]]:
    """The colour of every material in the active theme; failed joints take the fault colour."""
    active = theme()
    keys = ["scene.body", "scene.metal", "scene.tip", "scene.box", "scene.casing"]
    keys += ["state.fault" if joint in failed_joints else "scene.body" for joint in range(8)]
    keys += ["state.fault" if joint in failed_joints else f"cat.{joint + 1}" for joint in range(8)]
    return [active.rgba(key)[:3] for key in keys]
