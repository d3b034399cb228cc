"""Draws one frame of the 3-D view with OpenGL: six draw calls, in the drawer's thread only.

Background and table, shadows, robot and box (one mesh), translucent boxes, lines over them (fan, plan, goal) and lines
that change every frame (forces, rings). What did not change since the frame before is not uploaded again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from vispy import gloo
from vispy.gloo.context import GLContext, forget_canvas, set_current_canvas

from studio.app.widgets import scene_line as lines
from studio.app.widgets.scene_frame import MAX_PARTS, Body, Frame, Look
from studio.app.widgets.scene_mesh import robot_mesh

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


class GlooTarget:
    """What vispy's gloo needs to know of a canvas: its context, and the framebuffer to draw into."""

    def __init__(self) -> None:
        self.context = GLContext()
        self._backend, self._framebuffer = self, 0

    def begin(self, framebuffer: int) -> None:
        """From now on gloo draws there."""
        self._framebuffer = framebuffer
        set_current_canvas(self)

    def end(self) -> None:
        forget_canvas(self)

    def _vispy_get_fb_bind_location(self) -> int:
        return self._framebuffer


class ScenePrograms:
    """The compiled programs and buffers for one robot, box and table."""

    def __init__(self, body: Body) -> None:
        self._mesh = robot_mesh(body, box_size_m=body.object_size_m, tip_radius_m=body.tip_radius_m)
        self._look: Look | None = None
        self._parts: np.ndarray | None = None
        self._still_source: np.ndarray | None = None
        self._fill_source: np.ndarray | None = None
        self._still_indices: Any = None
        self._make_ground(body)
        self._make_solids()
        self._fill = gloo.Program(_FILL_VERTEX, _FILL_FRAGMENT)
        self._still = gloo.Program(lines.VERTEX_SHADER, lines.FRAGMENT_SHADER)
        self._moving = gloo.Program(lines.VERTEX_SHADER, lines.FRAGMENT_SHADER)

    def _make_ground(self, body: Body) -> None:
        self._sky = gloo.Program(_SKY_VERTEX, _SKY_FRAGMENT)
        self._sky["a_position"] = gloo.VertexBuffer(np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], np.float32))
        (x0, x1), (y0, y1) = body.table_x_m, body.table_y_m
        self._ground = gloo.Program(_GROUND_VERTEX, _GROUND_FRAGMENT)
        corners = np.array([[x0, y0, 0], [x1, y0, 0], [x0, y1, 0], [x1, y1, 0]], np.float32)
        self._ground["a_position"] = gloo.VertexBuffer(corners)
        self._ground["u_middle"] = ((x0 + x1) / 2, (y0 + y1) / 2)

    def _make_solids(self) -> None:
        self._solid = gloo.Program(_MESH_VERTEX, _MESH_FRAGMENT)
        self._shadow = gloo.Program(_SHADOW_VERTEX, _FLAT_FRAGMENT)
        position, part = gloo.VertexBuffer(self._mesh.points_m), gloo.VertexBuffer(self._mesh.parts)
        self._solid["a_normal"] = gloo.VertexBuffer(self._mesh.normals)
        for program in (self._solid, self._shadow):
            program["a_position"], program["a_part"] = position, part
            program["u_light"] = LIGHT
        self._triangles = gloo.IndexBuffer(self._mesh.triangles)

    def draw(self, frame: Frame) -> None:
        """Into the framebuffer that is bound."""
        self._upload(frame)
        gloo.set_viewport(0, 0, *frame.size_px)
        gloo.set_clear_color((0.0, 0.0, 0.0, 1.0))
        gloo.set_depth_mask(True)
        gloo.clear(color=True, depth=True, stencil=True)
        matrix = frame.camera.matrix(*frame.size).T.astype(np.float32)
        self._draw_ground(matrix)
        self._draw_solids(matrix, frame)
        self._draw_overlays(matrix, frame)

    def _draw_ground(self, matrix: np.ndarray) -> None:
        gloo.set_state(depth_test=False, blend=False, cull_face=False)
        self._sky.draw("triangle_strip")
        gloo.set_state(depth_test=True, blend=False)
        self._ground["u_matrix"] = matrix
        self._ground.draw("triangle_strip")

    def _draw_solids(self, matrix: np.ndarray, frame: Frame) -> None:
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
        self._solid["u_eye"] = frame.camera.eye_m()
        self._solid.draw("triangles", self._triangles)

    def _draw_overlays(self, matrix: np.ndarray, frame: Frame) -> None:
        gloo.set_state(depth_test=False, blend=True, blend_func=("src_alpha", "one_minus_src_alpha"))
        if len(frame.fills):
            self._fill["u_matrix"] = matrix
            self._fill.draw("triangles")
        moving_indices = _bind(self._moving, frame.moving) if len(frame.moving) else None
        for program, vertices, indices in (
            (self._still, frame.still, self._still_indices),
            (self._moving, frame.moving, moving_indices),
        ):
            if len(vertices):
                program["u_matrix"] = matrix
                program["u_size"] = frame.size
                program.draw("triangles", indices)

    def _upload(self, frame: Frame) -> None:
        if frame.look != self._look:
            self._look = frame.look
            self._upload_look(frame.look)
        if self._parts is None or not np.array_equal(frame.parts, self._parts):
            self._parts = frame.parts
            for program in (self._solid, self._shadow):
                for index in range(MAX_PARTS):
                    program[f"u_parts[{index}]"] = frame.parts[index].T
        if frame.fills is not self._fill_source and len(frame.fills):
            self._fill_source = frame.fills
            self._fill.bind(gloo.VertexBuffer(frame.fills))
        if frame.still is not self._still_source and len(frame.still):
            self._still_source = frame.still
            self._still_indices = _bind(self._still, frame.still)

    def _upload_look(self, look: Look) -> None:
        self._sky["u_top"], self._sky["u_bottom"] = look.top, look.bottom
        for name, value in (
            ("u_table", look.table), ("u_grid", look.grid), ("u_step", look.grid_step_m),
            ("u_darkest", look.darkest), ("u_grid_strength", look.grid_strength),
        ):  # fmt: skip
            self._ground[name] = value
        self._shadow["u_colour"] = look.shadow
        self._solid["u_ambient"] = look.ambient
        palette = np.asarray(look.materials, dtype=np.float32)
        self._solid["a_colour"] = gloo.VertexBuffer(palette[self._mesh.materials])


def _bind(program: Any, vertices: np.ndarray) -> Any:
    program.bind(gloo.VertexBuffer(vertices))
    return gloo.IndexBuffer(lines.quad_indices(len(vertices) // 4))
