"""Lines of the 3-D view: any number of segments with width, colour and casing as one vertex buffer and one draw call.

Widths are in pixels; the vertex program turns each segment into a screen-facing ribbon, and the fragment program
softens its edges, so lines look the same with and without multisampling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rgba = tuple[float, float, float, float]

VERTEX_DTYPE = np.dtype(
    [
        ("a_here", np.float32, 3),
        ("a_there", np.float32, 3),
        ("a_side", np.float32, 2),  # across: -1 or 1; along: -1 at the start, 1 at the end
        ("a_width", np.float32),
        ("a_colour", np.float32, 4),
    ]
)

VERTEX_SHADER = """
uniform mat4 u_matrix;
uniform vec2 u_size;
attribute vec3 a_here;
attribute vec3 a_there;
attribute vec2 a_side;
attribute float a_width;
attribute vec4 a_colour;
varying vec4 v_colour;
varying vec2 v_across;

vec4 clipped(vec4 point, vec4 other) {
    float near = 0.02;
    if (point.w >= near) return point;
    if (other.w <= near) return vec4(0.0, 0.0, 0.0, -1.0);
    return mix(point, other, (near - point.w) / (other.w - point.w));
}

void main() {
    vec4 raw_here = u_matrix * vec4(a_here, 1.0);
    vec4 raw_there = u_matrix * vec4(a_there, 1.0);
    vec4 here = clipped(raw_here, raw_there);
    vec4 there = clipped(raw_there, raw_here);
    vec2 way = (there.xy / there.w - here.xy / here.w) * u_size;
    way = length(way) > 1e-4 ? normalize(way) * -a_side.y : vec2(1.0, 0.0);
    float half_width = 0.5 * a_width + 0.75;
    vec2 offset = vec2(-way.y, way.x) * a_side.x * half_width;
    v_across = vec2(a_side.x * half_width, 0.5 * a_width);
    v_colour = a_colour;
    gl_Position = vec4(here.xy + offset * 2.0 / u_size * here.w, here.z, here.w);
}
"""

FRAGMENT_SHADER = """
varying vec4 v_colour;
varying vec2 v_across;
void main() {
    float soft = clamp(v_across.y + 0.75 - abs(v_across.x), 0.0, 1.0);
    gl_FragColor = vec4(v_colour.rgb, v_colour.a * soft);
}
"""

_SIDES = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float32)


@dataclass
class LineBatch:
    """Segments collected for one draw call; later ones lie on top of earlier ones."""

    blocks: list[np.ndarray] = field(default_factory=list)

    def clear(self) -> None:
        self.blocks.clear()

    def add_segments(self, starts_m: Any, ends_m: Any, width_px: Any, colour: Any) -> None:
        """Segments [n, 3] to [n, 3]; width a number, [n] or [n, 2] (start, end); colour one rgba or [n, 4]."""
        starts = np.asarray(starts_m, dtype=np.float32)
        count = len(starts)
        if count == 0:
            return
        ends = np.asarray(ends_m, dtype=np.float32)
        widths = np.asarray(width_px, dtype=np.float32)
        if widths.ndim < 2:
            widths = np.broadcast_to(widths[..., None] if widths.ndim else widths, (count, 2))
        block = np.empty((count, 4), dtype=VERTEX_DTYPE)
        block["a_here"] = np.stack([starts, starts, ends, ends], axis=1)
        block["a_there"] = np.stack([ends, ends, starts, starts], axis=1)
        block["a_side"] = _SIDES
        block["a_width"] = np.stack([widths[:, 0], widths[:, 0], widths[:, 1], widths[:, 1]], axis=1)
        colours = np.broadcast_to(np.asarray(colour, dtype=np.float32), (count, 4))
        block["a_colour"] = colours[:, None, :]
        self.blocks.append(block.reshape(-1))

    def add_path(self, points_m: Any, width_px: float, colour: Rgba, *, closed: bool = False) -> None:
        """A chain through points [n, 3]."""
        points = np.asarray(points_m, dtype=np.float32)
        if closed:
            points = np.concatenate([points, points[:1]])
        self.add_segments(points[:-1], points[1:], width_px, colour)

    def add_dashes(
        self, points_m: Any, dash_m: float, gap_m: float, width_px: float, colour: Rgba, *, closed: bool = False
    ) -> None:
        """A dashed chain; dashes are measured in metres so that they stay put when the view turns."""
        points = np.asarray(points_m, dtype=np.float64)
        if closed:
            points = np.concatenate([points, points[:1]])
        lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        if lengths[-1] < 1e-6:
            return
        starts = np.arange(0.0, lengths[-1], dash_m + gap_m)
        ends = np.minimum(starts + dash_m, lengths[-1])
        first, last = (
            np.stack([np.interp(at, lengths, points[:, axis]) for axis in range(3)], axis=-1) for at in (starts, ends)
        )
        self.add_segments(first, last, width_px, colour)

    def add_paths(self, paths_m: Any, width_px: Any, colours: Any) -> None:
        """Many chains at once [k, n, 3] with a width [k] and colours [k, 4]: the fan of rollouts."""
        paths = np.asarray(paths_m, dtype=np.float32)
        steps = paths.shape[1] - 1
        widths = np.repeat(np.asarray(width_px, dtype=np.float32), steps)
        self.add_segments(
            paths[:, :-1].reshape(-1, 3),
            paths[:, 1:].reshape(-1, 3),
            widths,
            np.repeat(np.asarray(colours, dtype=np.float32), steps, axis=0),
        )

    def vertices(self) -> np.ndarray:
        return np.concatenate(self.blocks) if self.blocks else np.zeros(0, dtype=VERTEX_DTYPE)


def quad_indices(quads: int) -> NDArray[np.uint32]:
    start = np.arange(quads, dtype=np.uint32)[:, None] * 4
    return np.concatenate(
        [start + np.array([0, 1, 2], np.uint32), start + np.array([0, 2, 3], np.uint32)], axis=1
    ).ravel()


def ring_points(
    centre_m: Any, first_axis: Any, second_axis: Any, radius_m: float, count: int = 48
) -> NDArray[np.float64]:
    """Points [count, 3] of a circle spanned by two unit axes."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    first, second = np.asarray(first_axis, dtype=np.float64), np.asarray(second_axis, dtype=np.float64)
    return np.asarray(centre_m) + radius_m * (np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second)


_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
BOX_EDGES = np.array(
    [[a, b] for a in range(8) for b in range(a + 1, 8) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 2]
)


def box_corners(position_m: Any, rotation: Any, size_m: float) -> NDArray[np.float64]:
    """The eight corners [8, 3] of a cube; BOX_EDGES joins them."""
    return np.asarray(position_m) + (_CORNERS * size_m / 2) @ np.asarray(rotation).T


def box_faces(corners_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twelve triangles [36, 3] of a cube from its corners."""
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    order = [i for a, b, c, d in quads for i in (a, b, c, a, c, d)]
    return corners_m[order]
