"""Poses and rotations in NumPy. Quaternions are x, y, z, w; poses read `T_world_tool`."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def quaternion_to_matrix(quaternion_xyzw: FloatArray) -> FloatArray:
    """Rotation matrices [..., 3, 3] of unit quaternions [..., 4]."""
    x, y, z, w = np.moveaxis(np.asarray(quaternion_xyzw, dtype=np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quaternion(matrix: FloatArray) -> FloatArray:
    """Unit quaternions [..., 4] (w >= 0) of rotation matrices [..., 3, 3]; stable at every angle."""
    m = np.asarray(matrix, dtype=np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    k = np.empty((*m.shape[:-2], 4, 4))
    k[..., 0, 0], k[..., 1, 1], k[..., 2, 2], k[..., 3, 3] = xx - yy - zz, yy - xx - zz, zz - xx - yy, xx + yy + zz
    k[..., 0, 1] = k[..., 1, 0] = m[..., 0, 1] + m[..., 1, 0]
    k[..., 0, 2] = k[..., 2, 0] = m[..., 0, 2] + m[..., 2, 0]
    k[..., 1, 2] = k[..., 2, 1] = m[..., 1, 2] + m[..., 2, 1]
    k[..., 0, 3] = k[..., 3, 0] = m[..., 2, 1] - m[..., 1, 2]
    k[..., 1, 3] = k[..., 3, 1] = m[..., 0, 2] - m[..., 2, 0]
    k[..., 2, 3] = k[..., 3, 2] = m[..., 1, 0] - m[..., 0, 1]
    q = np.linalg.eigh(k)[1][..., :, -1]
    return np.where(q[..., 3:] < 0, -q, q)


def rotation_angle_rad(first: FloatArray, second: FloatArray) -> FloatArray:
    """Geodesic angle between rotation matrices [..., 3, 3]; 0 to pi."""
    trace = np.einsum("...ij,...ij->...", first, second)
    return np.arccos(np.clip((trace - 1) / 2, -1.0, 1.0))


def cube_rotations() -> FloatArray:
    """The 24 proper rotations of a cube, shape [24, 3, 3]: signed permutation matrices with determinant +1."""
    found: list[FloatArray] = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return np.stack(found)


def up_face(matrix: FloatArray) -> NDArray[np.int64]:
    """Which face of the box is up, 0..5 = +x, -x, +y, -y, +z, -z of the box frame; matrices [..., 3, 3]."""
    row = np.asarray(matrix)[..., 2, :]
    axis = np.argmax(np.abs(row), axis=-1)
    sign = np.take_along_axis(row, axis[..., None], axis=-1)[..., 0] < 0
    return 2 * axis + sign.astype(np.int64)
