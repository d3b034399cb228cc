"""What one picture of the 3-D view shows, as plain values that nobody changes afterwards. No Qt, no OpenGL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.app.widgets.scene_camera import Camera

MAX_PARTS = 11
FILL_DTYPE = np.dtype([("a_position", np.float32, 3), ("a_colour", np.float32, 4)])
Rgb = tuple[float, float, float]
Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Body:
    """What the meshes are made from; equal bodies share their buffers on the graphics card.

    Args:
        arm_bases_m: shoulder of each arm, [pairs][3].
        link_lengths_m: upper arm, forearm, hand.
        object_size_m: edge of the box; 0 is no box.
        table_x_m: span of the drawn table, and `table_y_m` across.
    """

    arm_bases_m: tuple[tuple[float, ...], ...]
    link_lengths_m: tuple[float, ...]
    object_size_m: float
    tip_radius_m: float
    table_x_m: Span
    table_y_m: Span


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colours and strengths of the theme; `materials` by the numbers of scene_mesh."""

    top: Rgb
    bottom: Rgb
    table: Rgb
    grid: Rgb
    grid_step_m: float
    grid_strength: float
    darkest: float
    ambient: float
    shadow: tuple[float, float, float, float]
    materials: tuple[Rgb, ...]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture.

    Args:
        size: in logical pixels; `size_px` in pixels of the screen.
        parts: matrices [11, 4, 4] of the rigid parts.
        fills: triangles of translucent boxes (FILL_DTYPE).
        still: vertices of lines that stay for many frames, moving: of lines of this frame (scene_line.VERTEX_DTYPE).
    """

    body: Body
    look: Look
    camera: Camera
    size: tuple[int, int]
    size_px: tuple[int, int]
    parts: np.ndarray
    fills: np.ndarray
    still: np.ndarray
    moving: np.ndarray
