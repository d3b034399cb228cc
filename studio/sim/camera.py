"""A simulated camera: its own PyBullet mirror without dynamics, posed from streams and drawn by TinyRenderer.

It needs no window, no GL and no access to the world; joint angles and the object's pose are all it gets.
"""

from __future__ import annotations

from math import degrees, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import FloatArray
from studio.core.protocols import Clock
from studio.robot.description import Robot
from studio.sim.board import SimulatedBoard
from studio.sim.bullet import connect, pybullet
from studio.sim.scene import CameraPlace, Scene, load_scene

_TABLE_COLOUR = [0.56, 0.49, 0.42, 1.0]
_NEAR_M, _FAR_M = 0.1, 3.0


class SimulatedCamera:
    """A `Camera` over a mirror of the scene.

    Args:
        robot: the arms to draw.
        clock: gives the capture time unless `pose` brings one.
        scene: surroundings and the camera's place; the default scene when None.
    """

    def __init__(self, robot: Robot, clock: Clock, scene: Scene | None = None) -> None:
        self.scene = scene or load_scene()
        self.place: CameraPlace = self.scene.camera
        self.name, self.rate_hz = self.place.name, self.place.rate_hz
        self._clock = clock
        self._t_ns: int | None = None
        self._client: Any = connect()
        self._build(robot)
        self._view = self._client.computeViewMatrix(self.place.eye_m, self.place.target_m, self.place.up)
        self._projection = self._client.computeProjectionMatrixFOV(
            degrees(self.place.field_of_view_rad), self.place.width_px / self.place.height_px, _NEAR_M, _FAR_M
        )

    def _build(self, robot: Robot) -> None:
        client = self._client
        top = client.createVisualShape(pybullet.GEOM_BOX, halfExtents=[0.5, 0.5, 0.01], rgbaColor=_TABLE_COLOUR)
        client.createMultiBody(0, -1, top, basePosition=[0.05, 0, -0.01])
        self._object: int = client.loadURDF(str(self.scene.folder / self.scene.object_urdf))
        texture = client.loadTexture(str(self.scene.folder / "tags.png"))
        client.changeVisualShape(self._object, -1, textureUniqueId=texture, rgbaColor=[1, 1, 1, 1])
        flags = pybullet.URDF_USE_INERTIA_FROM_FILE
        self._arms: int = client.loadURDF(str(robot.urdf_path), useFixedBase=True, flags=flags)
        self.pose(robot.home_rad, np.array([0.0, 0.0, self.scene.object_edge_m / 2]), np.array([0.0, 0.0, 0.0, 1.0]))

    def pose(
        self,
        joint_rad: FloatArray,
        object_position_m: FloatArray,
        object_orientation_xyzw: FloatArray,
        t_ns: int | None = None,
    ) -> None:
        """Move the mirror: follower joints [joints], object position [3] and quaternion [4], and the time of both."""
        for joint, angle in enumerate(joint_rad.tolist()):
            self._client.resetJointState(self._arms, joint, angle)
        position, orientation = object_position_m.tolist(), object_orientation_xyzw.tolist()
        self._client.resetBasePositionAndOrientation(self._object, position, orientation)
        self._t_ns = t_ns

    def grab(self) -> tuple[int, NDArray[np.uint8]]:
        """Capture time in ns and an image [height, width, 3] uint8, RGB."""
        width, height = self.place.width_px, self.place.height_px
        t_ns = self._clock.now_ns() if self._t_ns is None else self._t_ns
        pixels = self._client.getCameraImage(
            width, height, self._view, self._projection, shadow=0, lightDirection=[0.3, 0.2, 1.0],
            lightAmbientCoeff=0.75, lightDiffuseCoeff=0.3, lightSpecularCoeff=0.0, renderer=pybullet.ER_TINY_RENDERER,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
        )[2]  # fmt: skip
        return t_ns, np.reshape(np.asarray(pixels, dtype=np.uint8), (height, width, 4))[:, :, :3].copy()

    def intrinsics(self) -> FloatArray:
        """Pinhole matrix [3, 3] in px, pixel centres at whole numbers; no distortion.

        TinyRenderer draws one row too high: tags are found 1.0 px above where the projection puts them, at every place.
        """
        focal = self.place.height_px / 2 / tan(self.place.field_of_view_rad / 2)
        return np.array([[focal, 0, self.place.width_px / 2], [0, focal, self.place.height_px / 2 - 1], [0, 0, 1.0]])

    def transform_world_camera(self) -> FloatArray:
        """T_world_camera [4, 4], camera axes as in OpenCV (x right, y down, z into the scene)."""
        eye, target, up = (np.array(v) for v in (self.place.eye_m, self.place.target_m, self.place.up))
        forward = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        transform = np.eye(4)
        transform[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        transform[:3, 3] = eye
        return transform

    def add_board(self, image: NDArray[np.uint8], size_m: tuple[float, float], margin_m: float = 0.0) -> SimulatedBoard:
        """A printed sheet in front of this camera, for its calibration; the arguments are `SimulatedBoard`'s."""
        return SimulatedBoard(self._client, image, size_m, margin_m)

    def close(self) -> None:
        self._client.disconnect()
