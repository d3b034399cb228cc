from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from studio.core.geometry import (
    cube_rotations,
    matrix_to_quaternion,
    quaternion_to_matrix,
    rotation_angle_rad,
    up_face,
)


def test_quaternions_and_matrices_agree_with_scipy() -> None:
    quaternions = Rotation.random(200, rng=np.random.default_rng(1)).as_quat()
    matrices = Rotation.from_quat(quaternions).as_matrix()
    assert np.allclose(quaternion_to_matrix(quaternions), matrices, atol=1e-12)
    back = matrix_to_quaternion(matrices)
    assert np.all(back[:, 3] >= 0)
    assert np.allclose(np.abs(np.sum(back * quaternions, axis=1)), 1.0, atol=1e-12)


def test_half_turns_are_stable() -> None:
    matrices = np.stack([np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])])
    assert np.allclose(quaternion_to_matrix(matrix_to_quaternion(matrices)), matrices, atol=1e-9)


def test_the_cube_group() -> None:
    """methods-papers 1h check 7: 24 distinct matrices, closed, determinant 1, angles 0x1, 90x6, 120x8, 180x9."""
    group = cube_rotations()
    keys = {tuple(np.round(g).astype(int).ravel()) for g in group}
    assert len(keys) == 24
    assert {tuple(np.round(a @ b).astype(int).ravel()) for a in group for b in group} == keys
    assert np.allclose(np.linalg.det(group), 1.0)
    angles = np.round(np.degrees(rotation_angle_rad(group, np.eye(3)))).astype(int)
    assert {int(a): int((angles == a).sum()) for a in np.unique(angles)} == {0: 1, 90: 6, 120: 8, 180: 9}


def test_each_cube_rotation_has_the_face_up_that_it_should() -> None:
    faces = up_face(cube_rotations())
    assert [int((faces == face).sum()) for face in range(6)] == [4] * 6
    assert up_face(np.eye(3)) == 4  # +z up
