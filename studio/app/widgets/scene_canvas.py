"""The drawing surface of the 3-D view: a vispy canvas with six draw calls a frame.

Background and table, shadows, robot and box (one mesh), translucent boxes, lines over them (fan, plan, goal) and lines
that change every frame (forces, rings). Positions come in as matrices and line batches; nothing here knows a robot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from vispy import app, gloo

from studio.app.graphics import draws_in_software
from studio.app.theme import theme
from studio.app.widgets import scene_line as lines
from studio.app.widgets import scene_mesh as mesh
from studio.app.widgets.scene_camera import Camera
from studio.app.widgets.scene_surface import SceneSurface

MAX_PARTS = 11

_GROUND_VERTEX = """
uniform mat4 u_matrix;
attribute vec3 a_position;
varying vec2 v_place;
void main() { v_place = a_position.xy; gl_Position = u_matrix * vec4(a_position, 1.0); }
"""

_GROUND_FRAGMENT = """
uniform vec3 u_table;
uniform vec3 u_grid;
uniform float u_step;
uniform vec2 u_middle;
uniform float u_darkest;
uniform float u_grid_strength;
varying vec2 v_place;
void main() {
    vec2 cell = v_place / u_step;
    vec2 soft = fwidth(cell);
    vec2 away = abs(fract(cell - 0.5) - 0.5) / max(soft, vec2(1e-6));
    float line = 1.0 - clamp(min(away.x, away.y), 0.0, 1.0);
    float strength = u_grid_strength * clamp(0.30 / max(soft.x, soft.y), 0.0, 1.0);
    float lit = clamp(1.1 - 0.55 * length(v_place - u_middle), u_darkest, 1.1);
    gl_FragColor = vec4(mix(u_table * lit, u_grid, line * strength), 1.0);
}
"""

_SKY_VERTEX = """
attribute vec2 a_position;
varying float v_height;
void main() { v_height = a_position.y * 0.5 + 0.5; gl_Position = vec4(a_position, 0.9999, 1.0); }
"""

_SKY_FRAGMENT = """
uniform vec3 u_top;
uniform vec3 u_bottom;
varying float v_height;
void main() { gl_FragColor = vec4(mix(u_bottom, u_top, v_height), 1.0); }
"""

_MESH_VERTEX = f"""
uniform mat4 u_matrix;
uniform mat4 u_parts[{MAX_PARTS}];
attribute vec3 a_position;
attribute vec3 a_normal;
attribute float a_part;
attribute vec3 a_colour;
varying vec3 v_normal;
varying vec3 v_place;
varying vec3 v_colour;
void main() {{
    mat4 part = u_parts[int(a_part + 0.5)];
    vec4 place = part * vec4(a_position, 1.0);
    v_normal = mat3(part[0].xyz, part[1].xyz, part[2].xyz) * a_normal;
    v_place = place.xyz;
    v_colour = a_colour;
    gl_Position = u_matrix * place;
}}
"""

_MESH_FRAGMENT = """
uniform vec3 u_eye;
uniform vec3 u_light;
uniform float u_ambient;
varying vec3 v_normal;
varying vec3 v_place;
varying vec3 v_colour;
void main() {
    vec3 n = normalize(v_normal);
    vec3 view = normalize(u_eye - v_place);
    float key = max(dot(n, u_light), 0.0);
    float fill = 0.7 + 0.3 * n.z;
    float shine = pow(max(dot(n, normalize(u_light + view)), 0.0), 24.0);
    vec3 colour = v_colour * (u_ambient * fill + (1.0 - u_ambient) * key + 0.03) + vec3(0.13 * shine);
    gl_FragColor = vec4(colour, 1.0);
}
"""

_SHADOW_VERTEX = f"""
uniform mat4 u_matrix;
uniform mat4 u_parts[{MAX_PARTS}];
uniform vec3 u_light;
attribute vec3 a_position;
attribute float a_part;
void main() {{
    vec3 place = (u_parts[int(a_part + 0.5)] * vec4(a_position, 1.0)).xyz;
    vec3 ground = place - u_light * (max(place.z, 0.0) / u_light.z);
    gl_Position = u_matrix * vec4(ground.xy, 0.0008, 1.0);
}}
"""

_FLAT_FRAGMENT = "uniform vec4 u_colour;\nvoid main() { gl_FragColor = u_colour; }"

_FILL_VERTEX = """
uniform mat4 u_matrix;
attribute vec3 a_position;
attribute vec4 a_colour;
varying vec4 v_colour;
void main() { v_colour = a_colour; gl_Position = u_matrix * vec4(a_position, 1.0); }
"""

_FILL_FRAGMENT = "varying vec4 v_colour;\nvoid main() { gl_FragColor = v_colour; }"

LIGHT = np.array([-0.28, 0.34, 0.90]) / np.linalg.norm([-0.28, 0.34, 0.90])
FILL_DTYPE = np.dtype([("a_position", np.float32, 3), ("a_colour", np.float32, 4)])


class SceneCanvas(app.Canvas):
    """Draws what it was given; `before_draw` is called first in every frame to fill the moving line batch."""

    def __init__(self, body: mesh.Mesh, table_x_m: tuple[float, float], table_y_m: tuple[float, float]) -> None:
        # Four samples a pixel triple the time of a frame where the processor draws (57 against 28 ms at 1040x520).
        config = {"samples": 0 if draws_in_software() else 4, "stencil_size": 8, "depth_size": 24}
        self.surface: SceneSurface | None = None
        super().__init__(app=app.use_app("pyside6"), keys=None, show=False, config=config, autoswap=False)
        self.camera = Camera(target_m=(0, 0, 0), distance_m=1.5, azimuth_rad=0, elevation_rad=0.5)
        self.before_draw: Callable[[], None] = lambda: None
        self.still_lines = lines.LineBatch()
        self.moving_lines = lines.LineBatch()
        self.fills = np.zeros(0, dtype=FILL_DTYPE)
        self.failed_joints: frozenset[int] = frozenset()
        self.draw_s = 0.0
        self.frames = 0
        self._body = body
        self._parts = np.tile(np.eye(4, dtype=np.float32), (MAX_PARTS, 1, 1))
        self._changed = {"colours", "still", "fills", "parts"}
        self._make_programs(table_x_m, table_y_m)
        self.events.draw.connect(self._draw)
        self.surface = SceneSurface(self.native)

    def update(self, node: Any = None) -> None:
        """Draw again with the next paint of the surface."""
        if self.surface is not None:  # vispy asks for a first update while it is being made
            self.surface.redraw()

    def _make_programs(self, table_x_m: tuple[float, float], table_y_m: tuple[float, float]) -> None:
        self._sky = gloo.Program(_SKY_VERTEX, _SKY_FRAGMENT)
        self._sky["a_position"] = gloo.VertexBuffer(np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], np.float32))
        (x0, x1), (y0, y1) = table_x_m, table_y_m
        self._ground = gloo.Program(_GROUND_VERTEX, _GROUND_FRAGMENT)
        corners = np.array([[x0, y0, 0], [x1, y0, 0], [x0, y1, 0], [x1, y1, 0]], np.float32)
        self._ground["a_position"] = gloo.VertexBuffer(corners)
        self._ground["u_middle"] = ((x0 + x1) / 2, (y0 + y1) / 2)
        self._solid = gloo.Program(_MESH_VERTEX, _MESH_FRAGMENT)
        self._shadow = gloo.Program(_SHADOW_VERTEX, _FLAT_FRAGMENT)
        position = gloo.VertexBuffer(self._body.points_m)
        part = gloo.VertexBuffer(self._body.parts)
        self._solid["a_normal"] = gloo.VertexBuffer(self._body.normals)
        for program in (self._solid, self._shadow):
            program["a_position"], program["a_part"] = position, part
            program["u_light"] = LIGHT
        self._triangles = gloo.IndexBuffer(self._body.triangles)
        self._fill = gloo.Program(_FILL_VERTEX, _FILL_FRAGMENT)
        self._still = gloo.Program(lines.VERTEX_SHADER, lines.FRAGMENT_SHADER)
        self._moving = gloo.Program(lines.VERTEX_SHADER, lines.FRAGMENT_SHADER)
        self._still_indices: Any = None
        self._moving_indices: Any = None

    def set_parts(self, first: int, matrices: np.ndarray) -> None:
        """Place rigid parts [n, 4, 4], from part number `first` on."""
        self._parts[first : first + len(matrices)] = matrices
        self._changed.add("parts")

    def mark(self, *what: str) -> None:
        """Say what changed: colours, still, fills."""
        self._changed.update(what)
        self.update()

    def _draw(self, _event: Any) -> None:
        started = time.perf_counter()
        self.moving_lines.clear()
        self.before_draw()
        self._upload()
        width, height = self.size
        ratio = self.pixel_scale
        gloo.set_viewport(0, 0, *self.physical_size)
        gloo.set_clear_color((0.0, 0.0, 0.0, 1.0))  # opaque, or pictures taken by Qt show what lies behind
        gloo.clear(color=False, depth=True, stencil=True)
        matrix = self.camera.matrix(width, height).T.astype(np.float32)
        self._draw_ground(matrix)
        self._draw_solids(matrix)
        self._draw_overlays(matrix, (width, height), ratio)
        self.frames += 1
        self.draw_s = 0.8 * self.draw_s + 0.2 * (time.perf_counter() - started)

    def _draw_ground(self, matrix: np.ndarray) -> None:
        gloo.set_state(depth_test=False, blend=False, cull_face=False)
        self._sky.draw("triangle_strip")
        gloo.set_state(depth_test=True, blend=False)
        self._ground["u_matrix"] = matrix
        self._ground.draw("triangle_strip")

    def _draw_solids(self, matrix: np.ndarray) -> None:
        gloo.set_state(depth_test=True, blend=True, blend_func=("src_alpha", "one_minus_src_alpha"))
        gloo.set_state(stencil_test=True)
        gloo.set_stencil_func("equal", 0, 255)
        gloo.set_stencil_op("keep", "keep", "incr")
        gloo.set_depth_mask(False)
        self._shadow["u_matrix"] = matrix
        self._shadow.draw("triangles", self._triangles)
        gloo.set_state(stencil_test=False, blend=False)
        gloo.set_depth_mask(True)
        self._solid["u_matrix"] = matrix
        self._solid["u_eye"] = self.camera.eye_m()
        self._solid.draw("triangles", self._triangles)

    def _draw_overlays(self, matrix: np.ndarray, size: tuple[int, int], ratio: float) -> None:
        gloo.set_state(depth_test=False, blend=True, blend_func=("src_alpha", "one_minus_src_alpha"))
        if len(self.fills):
            self._fill["u_matrix"] = matrix
            self._fill.draw("triangles")
        for program, batch, indices in (
            (self._still, self.still_lines, self._still_indices),
            (self._moving, self.moving_lines, self._moving_indices),
        ):
            if batch.blocks:
                program["u_matrix"] = matrix
                program["u_size"] = size
                program.draw("triangles", indices)

    def _upload(self) -> None:
        if "colours" in self._changed:
            self._upload_colours()
        if "parts" in self._changed:
            for program in (self._solid, self._shadow):
                for index in range(MAX_PARTS):
                    program[f"u_parts[{index}]"] = self._parts[index].T
        if "fills" in self._changed and len(self.fills):
            self._fill.bind(gloo.VertexBuffer(self.fills))
        if "still" in self._changed and self.still_lines.blocks:
            self._still_indices = _bind(self._still, self.still_lines)
        if self.moving_lines.blocks:
            self._moving_indices = _bind(self._moving, self.moving_lines)
        self._changed.clear()

    def _upload_colours(self) -> None:
        active = theme()
        for program, uniform, key in (
            (self._sky, "u_top", "scene.top"),
            (self._sky, "u_bottom", "scene.bottom"),
            (self._ground, "u_table", "scene.table"),
            (self._ground, "u_grid", "scene.grid"),
        ):
            program[uniform] = active.rgba(key)[:3]
        self._ground["u_step"] = active.number("scene3d.grid_step_m")
        self._ground["u_darkest"] = 0.62 if active.dark else 1.0
        self._ground["u_grid_strength"] = 0.34 if active.dark else 0.75
        self._shadow["u_colour"] = (0.0, 0.0, 0.0, active.number(f"scene3d.shadow.{active.name}") * 0.8)
        self._solid["u_ambient"] = 0.55 if active.dark else 0.66
        palette = np.asarray(material_colours(self.failed_joints), dtype=np.float32)
        self._solid["a_colour"] = gloo.VertexBuffer(palette[self._body.materials])


def material_colours(failed_joints: frozenset[int] = frozenset()) -> list[tuple[float, float, float]]:
    """The colour of every material in the active theme; failed joints take the fault colour."""
    active = theme()
    keys = ["scene.body", "scene.metal", "scene.tip", "scene.box", "scene.casing"]
    keys += ["state.fault" if joint in failed_joints else "scene.body" for joint in range(8)]
    keys += ["state.fault" if joint in failed_joints else f"cat.{joint + 1}" for joint in range(8)]
    return [active.rgba(key)[:3] for key in keys]


def _bind(program: Any, batch: lines.LineBatch) -> Any:
    vertices = batch.vertices()
    program.bind(gloo.VertexBuffer(vertices))
    return gloo.IndexBuffer(lines.quad_indices(len(vertices) // 4))
