"""Where the object is as the camera sees it: `object_pose.tags`, found on rendered or real pictures by its AprilTags.

Camera (sim or hardware) and tracker (perception) meet here, for the camera worker and for evaluation on a stepped rig.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.core.camera_calibration import find_camera, require_placement
from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray
from studio.core.records import make_object_pose_record
from studio.ipc.ring import RingWriter
from studio.ipc.session import SessionFolder
from studio.perception.tags import TagLayout, TagPose, TagTracker
from studio.robot.description import Robot
from studio.sim.camera import SimulatedCamera
from studio.sim.scene import Scene, load_scene
from studio.sim.tags import face_axes

STREAM = "object_pose.tags"


def make_tag_layout(scene: Scene) -> TagLayout:
    """The scene's tags as corners in the object's frame."""
    corners_m: dict[int, FloatArray] = {}
    half, tag = 0.5 * scene.object_edge_m, 0.5 * scene.tag_edge_m
    for face, tag_id in enumerate(scene.tag_ids):
        right, up, normal = face_axes(scene, face)
        signs = ((-1, 1), (1, 1), (1, -1), (-1, -1))
        corners_m[tag_id] = np.array([half * normal + tag * (a * right + b * up) for a, b in signs])
    return TagLayout(corners_m=corners_m, edge_m=scene.object_edge_m, family=scene.tag_family)


def make_tag_tracker(camera: SimulatedCamera) -> TagTracker:
    """A tracker for the simulated camera, whose calibration is known."""
    return TagTracker(make_tag_layout(camera.scene), camera.intrinsics(), camera.transform_world_camera())


def make_real_tracker(robot: Robot, size_px: tuple[int, int] | None = None) -> TagTracker:
    """A tracker for the camera of a real robot, from its calibration; `size_px` is what the camera gives.

    Raises:
        ConfigError: it was never calibrated, or at another size, or nobody knows where in the world it is.
    """
    camera, device = ("top", "") if robot.camera is None else (robot.camera.name, robot.camera.device)
    inside, placed = require_placement(find_camera(robot.name, camera), camera, robot=robot.reference, device=device)
    if size_px not in (None, (inside.width_px, inside.height_px)):
        raise ConfigError(
            f"Camera {camera!r} was calibrated at {inside.width_px} x {inside.height_px} px and now gives "
            f"{size_px[0]} x {size_px[1]}. Choose that size in the robot's file, or calibrate again."
        )
    return TagTracker(
        make_tag_layout(load_scene()), inside.matrix, placed.transform_world_camera, distortion=inside.distortion
    )


class TagPublisher:
    """Owner of the ring `object_pose.tags`: one record per picture in which the object was found.

    A picture without tags publishes nothing; the newest record then grows old, and its time says so.
    """

    def __init__(self, session: SessionFolder, tracker: TagTracker, rate_hz: float) -> None:
        self._tracker = tracker
        self._kind = make_object_pose_record("tags", rate_hz)
        self._ring = RingWriter(session.ring_path(STREAM), self._kind)
        self.pictures = self.found = 0

    def publish(self, t_ns: int, image: NDArray[np.uint8], now_ns: int, reset_count: int) -> None:
        """Look at a picture taken at `t_ns`."""
        self.pictures += 1
        pose = self._tracker.find(image)
        if pose is not None:
            self.found += 1
            record = self._kind.empty()
            fill_pose(record[0], pose, t_ns, now_ns, reset_count)
            self._ring.write(record)

    def close(self) -> None:
        self._ring.close()


def fill_pose(record: np.ndarray, pose: TagPose, t_ns: int, now_ns: int, reset_count: int) -> None:
    """A pose as a record of shape []."""
    record["t_ns"], record["age_s"], record["reset_count"] = t_ns, (now_ns - t_ns) * 1e-9, reset_count
    record["position_m"], record["orientation_xyzw"] = pose.position_m, pose.orientation_xyzw


class TagSight:
    """What the camera says on a stepped clock: a picture at its own rate, the newest found pose in between.

    Args:
        camera: posed from the true records, drawn, looked at; closed with this.
    """

    def __init__(self, camera: SimulatedCamera) -> None:
        self._camera, self._tracker = camera, make_tag_tracker(camera)
        self._period_ns = round(1e9 / camera.rate_hz)
        self._kind = make_object_pose_record("tags", camera.rate_hz)
        self._held: np.ndarray | None = None
        self._due_ns = 0
        self.pictures = self.found = 0

    def reset(self) -> None:
        """A new episode: nothing has been seen yet."""
        self._held, self._due_ns = None, 0

    def see(self, control: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """The object's pose record (shape []) as the camera knows it now, from the true `control` and `pose` records.

        Before the first sight the true pose stands in, as a person would have put the box where it is.
        """
        now_ns = int(control["t_ns"])
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + self._period_ns
            self._look(control, pose, now_ns)
        if self._held is None:
            return pose
        self._held["age_s"] = (now_ns - int(self._held["t_ns"])) * 1e-9
        return self._held

    def close(self) -> None:
        self._camera.close()

    def _look(self, control: np.ndarray, pose: np.ndarray, now_ns: int) -> None:
        place, turn = np.asarray(pose["position_m"]), np.asarray(pose["orientation_xyzw"])
        self._camera.pose(np.asarray(control["follower_position_rad"]), place, turn, now_ns)
        t_ns, image = self._camera.grab()
        found = self._tracker.find(image)
        self.pictures += 1
        if found is not None:
            self.found += 1
            record = self._kind.empty()[0]
            fill_pose(record, found, t_ns, now_ns, int(pose["reset_count"]))
            self._held = record
