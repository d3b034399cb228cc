from __future__ import annotations

import cv2
import numpy as np
import pytest

from studio.core.clock import SteppedClock
from studio.core.geometry import FloatArray, quaternion_to_matrix
from studio.robot.description import load_robot
from studio.sim.camera import SimulatedCamera
from studio.sim.scene import load_scene
from studio.sim.tags import face_axes, make_object_mesh, make_object_urdf, make_texture

ROBOT, SCENE = load_robot(), load_scene()
_HALF = np.sqrt(0.5)
UPS = {  # quaternions that bring each face up
    4: (0.0, 0.0, 0.0, 1.0), 5: (1.0, 0.0, 0.0, 0.0), 2: (_HALF, 0.0, 0.0, _HALF), 3: (-_HALF, 0.0, 0.0, _HALF),
    1: (0.0, _HALF, 0.0, _HALF), 0: (0.0, -_HALF, 0.0, _HALF),
}  # fmt: skip


def corners_m(face: int, centre_m: FloatArray, rotation: FloatArray) -> FloatArray:
    """Tag corners in the order of OpenCV: top left, top right, bottom right, bottom left."""
    right, up, normal = face_axes(SCENE, face)
    edge, tag = SCENE.object_edge_m / 2, SCENE.tag_edge_m / 2
    local = np.array([edge * normal + tag * (sx * right + sy * up) for sx, sy in ((-1, 1), (1, 1), (1, -1), (-1, -1))])
    return centre_m + local @ rotation.T


@pytest.fixture(scope="module")
def camera() -> SimulatedCamera:
    return SimulatedCamera(ROBOT, SteppedClock(7))


def test_every_face_is_seen_where_the_pinhole_model_says(camera: SimulatedCamera) -> None:
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11))
    centre_m = np.array([0.03, 0.05, 0.05])
    to_camera = np.linalg.inv(camera.transform_world_camera())
    for face, quaternion in UPS.items():
        camera.pose(ROBOT.home_rad, centre_m, np.array(quaternion), t_ns=face)
        t_ns, image = camera.grab()
        assert t_ns == face and image.shape == (240, 320, 3) and image.dtype == np.uint8
        corners, ids, _ = detector.detectMarkers(image)
        assert ids is not None and ids.ravel().tolist() == [SCENE.tag_ids[face]]
        points = corners_m(face, centre_m, quaternion_to_matrix(np.array(quaternion)))
        pixels = camera.intrinsics() @ (to_camera[:3, :3] @ points.T + to_camera[:3, 3:])
        assert np.abs((pixels[:2] / pixels[2]).T - corners[0][0]).max() < 2.5


def test_arms_are_drawn_where_they_are(camera: SimulatedCamera) -> None:
    box, flat = np.array([0.0, 0.0, 0.05]), np.array([0.0, 0.0, 0.0, 1.0])
    camera.pose(ROBOT.home_rad, box, flat)
    home = camera.grab()[1].astype(int)
    moved = ROBOT.home_rad.copy()
    moved[0] -= 0.6
    camera.pose(moved, box, flat)
    t_ns, other = camera.grab()
    changed = np.abs(other.astype(int) - home).sum(axis=2) > 60
    assert t_ns == 7  # the clock's time when the pose brings none
    assert changed[:, :160].sum() > 150 and changed[:, 160:].sum() < 0.2 * changed.sum()  # left arm, image left


def test_committed_scene_files_are_up_to_date() -> None:
    assert (SCENE.folder / "box.obj").read_text(encoding="utf-8") == make_object_mesh(SCENE)
    assert (SCENE.folder / SCENE.object_urdf).read_text(encoding="utf-8") == make_object_urdf(SCENE)
    assert (cv2.imread(str(SCENE.folder / "tags.png"), cv2.IMREAD_GRAYSCALE) == make_texture(SCENE)).all()


def test_a_closed_camera_gives_no_more_pictures(camera: SimulatedCamera) -> None:
    client = camera._client
    assert client.isConnected()
    camera.close()
    assert not client.isConnected()
