"""Meshes of the 3-D view: two arms, their joint caps and the tagged box, as one vertex buffer with baked normals.

Every vertex knows the rigid part it moves with and the material it is made of, so the whole robot and the box are one
draw call: parts become matrices, materials become colours when the theme changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

PARTS_PER_ARM = 5  # pedestal, yaw body, upper arm, forearm, hand
SEGMENTS = 28
# Dark cells of AprilTag 36h11, numbers 0 to 5, row by row, as OpenCV prints them (a test compares); loading OpenCV for
# them would hold the window up for 70 ms.
_TAG_BITS = (0xDE5EB9454, 0x6D2E70164, 0x8F76FEB44, 0xE6C6861D8, 0xBBEAC2C28, 0xCA32A4730)

BODY, METAL, TIP, BOX, INK = range(5)
FIRST_HOUSING = 5  # housings of joint 1..8: body colour, or fault colour when that joint failed
FIRST_CAP = 13  # caps of joint 1..8 in the joint hues


@dataclass(frozen=True)
class Mesh:
    """Triangles with baked normals.

    Args:
        points_m: [n, 3] in the frame of the part.
        normals: [n, 3] unit.
        parts: [n] index of the rigid part.
        materials: [n] material index.
        triangles: [m, 3] vertex indices.
    """

    points_m: Floats
    normals: Floats
    parts: Floats
    materials: NDArray[np.int32]
    triangles: NDArray[np.uint32]


@dataclass(frozen=True)
class Shape:
    points_m: Floats
    normals: Floats
    triangles: NDArray[np.uint32]

    def placed(
        self, *, part: int, material: int, rotation: Floats | None = None, offset_m: Sequence[float] = (0, 0, 0)
    ) -> Mesh:
        turn = np.eye(3, dtype=np.float32) if rotation is None else rotation
        count = len(self.points_m)
        return Mesh(
            points_m=(self.points_m @ turn.T + np.asarray(offset_m)).astype(np.float32),
            normals=(self.normals @ turn.T).astype(np.float32),
            parts=np.full(count, part, dtype=np.float32),
            materials=np.full(count, material, dtype=np.int32),
            triangles=self.triangles,
        )


ALONG_Y = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=np.float32)  # turns +z to +y
ALONG_X = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], dtype=np.float32)  # turns +z to +x


def lathe(profile_m: Sequence[tuple[float, float]]) -> Shape:
    """A body of revolution about z from (radius, height) pairs; each band keeps its own normal, so edges stay sharp."""
    angles = np.linspace(0, 2 * np.pi, SEGMENTS + 1)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    points, normals, triangles = [], [], []
    for (r0, z0), (r1, z1) in pairwise(profile_m):
        start = len(points) * 2 * (SEGMENTS + 1)
        low = np.column_stack([around * r0, np.full(SEGMENTS + 1, z0)])
        high = np.column_stack([around * r1, np.full(SEGMENTS + 1, z1)])
        slope = np.array([z1 - z0, r0 - r1]) / max(np.hypot(z1 - z0, r0 - r1), 1e-9)
        normal = np.column_stack([around * slope[0], np.full(SEGMENTS + 1, slope[1])])
        points.append(np.concatenate([low, high]))
        normals.append(np.concatenate([normal, normal]))
        i = start + np.arange(SEGMENTS)
        j = i + SEGMENTS + 1
        triangles += [np.column_stack([i, i + 1, j + 1]), np.column_stack([i, j + 1, j])]
    return Shape(
        np.concatenate(points).astype(np.float32),
        np.concatenate(normals).astype(np.float32),
        np.concatenate(triangles).astype(np.uint32),
    )


def sphere(radius_m: float) -> Shape:
    """A ball with smooth normals."""
    polar = np.linspace(0, np.pi, 13)
    shape = lathe([(radius_m * np.sin(a), -radius_m * np.cos(a)) for a in polar])
    return Shape(shape.points_m, shape.points_m / radius_m, shape.triangles)


def cylinder(radius_m: float, half_length_m: float, bevel_m: float = 0.004) -> Shape:
    r, h, b = radius_m, half_length_m, bevel_m
    return lathe([(0, -h), (r - b, -h), (r, -h + b), (r, h - b), (r - b, h), (0, h)])


def rod(length_m: float, start_radius_m: float, end_radius_m: float) -> Shape:
    return lathe([(0, 0), (start_radius_m, 0), (end_radius_m, length_m), (0, length_m)])


def merged(meshes: Sequence[Mesh]) -> Mesh:
    offsets = np.cumsum([0] + [len(m.points_m) for m in meshes[:-1]])
    return Mesh(
        points_m=np.concatenate([m.points_m for m in meshes]),
        normals=np.concatenate([m.normals for m in meshes]),
        parts=np.concatenate([m.parts for m in meshes]),
        materials=np.concatenate([m.materials for m in meshes]),
        triangles=np.concatenate([m.triangles + o for m, o in zip(meshes, offsets)]).astype(np.uint32),
    )


def arm_meshes(pair: int, shoulder_height_m: float, links_m: Sequence[float], tip_radius_m: float) -> list[Mesh]:
    """One arm: pedestal, yaw ring, shoulder, elbow and wrist housings with caps, two links, rod and ball.

    Parts lie along +x at zero angles; the pitch axes are +y (docs/architecture.md, Kinematics).
    """
    first = pair * PARTS_PER_ARM
    joint = pair * 4
    down = shoulder_height_m
    pedestal = lathe([(0.082, -down), (0.082, -down + 0.018), (0.066, -down + 0.03), (0.056, -0.078), (0, -0.078)])
    ring = lathe([(0.053, -0.078), (0.056, -0.074), (0.056, -0.046), (0.05, -0.04), (0, -0.04)])
    upper, fore, hand = links_m
    meshes = [
        pedestal.placed(part=first, material=FIRST_HOUSING + joint),
        ring.placed(part=first + 1, material=FIRST_CAP + joint),
        *_housing(first + 1, joint + 1, radius_m=0.046, half_length_m=0.046, offset_m=(0, 0, 0)),
        rod(upper, 0.036, 0.031).placed(part=first + 2, material=METAL, rotation=ALONG_X),
        *_housing(first + 2, joint + 2, radius_m=0.042, half_length_m=0.043, offset_m=(upper, 0, 0)),
        rod(fore, 0.030, 0.021).placed(part=first + 3, material=METAL, rotation=ALONG_X),
        *_housing(first + 3, joint + 3, radius_m=0.030, half_length_m=0.033, offset_m=(fore, 0, 0)),
        rod(hand, 0.014, 0.009).placed(part=first + 4, material=METAL, rotation=ALONG_X),
        sphere(tip_radius_m).placed(part=first + 4, material=TIP, offset_m=(hand, 0, 0)),
    ]
    return meshes


def _housing(part: int, joint: int, *, radius_m: float, half_length_m: float, offset_m: Sequence[float]) -> list[Mesh]:
    """A motor body across the arm with a cap in the joint's hue at both ends, so that it shows from every side."""
    body = cylinder(radius_m, half_length_m).placed(
        part=part, material=FIRST_HOUSING + joint, rotation=ALONG_Y, offset_m=offset_m
    )
    caps = []
    for side in (-1.0, 1.0):
        place = (offset_m[0], offset_m[1] + side * (half_length_m + 0.004), offset_m[2])
        caps.append(
            cylinder(radius_m * 0.86, 0.007).placed(
                part=part, material=FIRST_CAP + joint, rotation=ALONG_Y, offset_m=place
            )
        )
    return [body, *caps]


def tag_cells(face: int) -> NDArray[np.bool_]:
    """The 10 x 10 cells of a face: one light margin, a dark frame one cell wide, 6 x 6 bits; True is dark."""
    cells = np.zeros((10, 10), dtype=bool)
    cells[1:9, 1:9] = True
    bits = [bool(_TAG_BITS[face] >> (35 - index) & 1) for index in range(36)]
    cells[2:8, 2:8] = np.reshape(bits, (6, 6))
    return cells


def box_mesh(part: int, size_m: float) -> Mesh:
    """The box; each face is made of 10 x 10 coloured cells that draw its tag, so no texture is needed."""
    h = size_m / 2
    steps = np.linspace(-h, h, 11)
    meshes = []
    for face in range(6):
        axis, sign = face // 2, 1.0 if face % 2 == 0 else -1.0
        normal = np.zeros(3)
        normal[axis] = sign
        right = np.zeros(3)
        right[(axis + 1) % 3] = sign
        up = np.cross(normal, right)
        column, row = np.meshgrid(np.arange(10), np.arange(10))
        low = normal * h + steps[column.ravel()][:, None] * right + steps[9 - row.ravel()][:, None] * up
        side = size_m / 10
        corners = np.stack([low, low + side * right, low + side * (right + up), low + side * up], axis=1)
        materials = np.where(tag_cells(face).ravel(), INK, BOX)
        quads = np.arange(100)[:, None] * 4
        triangles = np.concatenate([quads + np.array([0, 1, 2]), quads + np.array([0, 2, 3])])
        meshes.append(
            Mesh(
                points_m=corners.reshape(-1, 3).astype(np.float32),
                normals=np.tile(normal, (400, 1)).astype(np.float32),
                parts=np.full(400, part, dtype=np.float32),
                materials=np.repeat(materials, 4).astype(np.int32),
                triangles=triangles.astype(np.uint32),
            )
        )
    return merged(meshes)


def robot_mesh(robot: Any, *, box_size_m: float, tip_radius_m: float) -> Mesh:
    """Both arms and the box. Part 10 is the box.

    Args:
        robot: the robot description (`arm_bases_m`, `link_lengths_m`).
    """
    meshes: list[Mesh] = []
    for pair in range(len(robot.arm_bases_m)):
        meshes += arm_meshes(pair, float(robot.arm_bases_m[pair][2]), robot.link_lengths_m, tip_radius_m)
    if box_size_m > 0:
        meshes.append(box_mesh(len(robot.arm_bases_m) * PARTS_PER_ARM, box_size_m))
    return merged(meshes)


def arm_transforms(robot: Any, position_rad: NDArray[Any]) -> Floats:
    """Matrices [pairs * 5, 4, 4] of all arm parts at joint angles [8] (docs/architecture.md, Kinematics)."""
    matrices = []
    for pair, base_m in enumerate(robot.arm_bases_m):
        q = np.asarray(position_rad, dtype=np.float64)[pair * 4 : pair * 4 + 4]
        pedestal = np.eye(4)
        pedestal[:3, 3] = base_m
        yaw = pedestal @ _turn_z(q[0])
        upper = yaw @ _turn_y(q[1])
        fore = upper @ _shift_x(robot.link_lengths_m[0]) @ _turn_y(q[2])
        hand = fore @ _shift_x(robot.link_lengths_m[1]) @ _turn_y(q[3])
        matrices += [pedestal, yaw, upper, fore, hand]
    return np.asarray(matrices, dtype=np.float32)


def tips_from_transforms(robot: Any, matrices: Floats) -> NDArray[np.float64]:
    """Ball centres [pairs, 3] from the part matrices."""
    hands = matrices[PARTS_PER_ARM - 1 :: PARTS_PER_ARM][: len(robot.arm_bases_m)].astype(np.float64)
    return hands[:, :3, 3] + hands[:, :3, 0] * float(robot.link_lengths_m[2])


def joint_positions(robot: Any, matrices: Floats, joint: int) -> NDArray[np.float64]:
    """Where joint 0..7 sits in the world [3]."""
    pair, index = divmod(joint, 4)
    part = pair * PARTS_PER_ARM + (1, 2, 3, 4)[index]
    return matrices[part, :3, 3].astype(np.float64)


def _turn_z(angle_rad: float) -> NDArray[np.float64]:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def _turn_y(angle_rad: float) -> NDArray[np.float64]:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1]])


def _shift_x(length_m: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[0, 3] = length_m
    return matrix
