"""Pose of an object from the AprilTags on its faces, one picture at a time.

Detection is OpenCV's. A small tag seen from far away says little about its tilt: two poses explain its four corners
almost equally well. So every picture is explained twice, freely, and as an object that rests flat on the table (place
and yaw only); the simpler explanation wins unless the free one fits clearly better. Its distance is as uncertain, so a
free pose whose lowest corner is near the table is put onto it, along the line of sight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import FloatArray, cube_rotations, matrix_to_quaternion

_FAMILIES = {"36h11": cv2.aruco.DICT_APRILTAG_36h11}
_CLEARLY_BETTER = 0.5  # the free fit must bring the mean corner error below this share of the resting one's,
_RESTING_ENOUGH_PX = {1: 0.8}  # unless the resting one is about as good as corners can be found (else 0.35 px)
_MOST_ERROR_PX = 1.5
_TOUCHING_M = 0.02
_FLAT_RAD = 0.6  # a face tilted less than this is a candidate for resting; one tag alone is easily 25 degrees wrong


@dataclass(frozen=True, kw_only=True)
class TagLayout:
    """Where the tags are on the object.

    Args:
        corners_m: tag id -> corners [4, 3] in the object's frame, in OpenCV's order: upper left, upper right, lower
            right, lower left of the tag's image.
        edge_m: length of the cube's edge.
        family: AprilTag family.
    """

    corners_m: dict[int, FloatArray]
    edge_m: float
    family: str = "36h11"


@dataclass(frozen=True, kw_only=True)
class TagPose:
    """An estimate: position [3] in m, quaternion xyzw, how many tags it rests on, and the mean corner error."""

    position_m: FloatArray
    orientation_xyzw: FloatArray
    tags: int
    error_px: float
    resting: bool


class TagTracker:
    """Finds the object in pictures of one calibrated camera.

    Args:
        layout: the tags on the object.
        intrinsics: pinhole matrix [3, 3] in px.
        transform_world_camera: [4, 4], camera axes as in OpenCV; its z = 0 is the table.
        distortion: OpenCV's coefficients; none for a simulated camera.
    """

    def __init__(
        self,
        layout: TagLayout,
        intrinsics: FloatArray,
        transform_world_camera: FloatArray,
        distortion: FloatArray | None = None,
    ) -> None:
        self._layout, self._intrinsics = layout, np.asarray(intrinsics, dtype=np.float64)
        self._distortion = np.zeros(5) if distortion is None else np.asarray(distortion, dtype=np.float64)
        self._world_camera = np.asarray(transform_world_camera, dtype=np.float64)
        self._camera_world = np.linalg.inv(self._world_camera)
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        parameters.cornerRefinementWinSize = 3
        parameters.minMarkerPerimeterRate = 0.04
        dictionary = cv2.aruco.getPredefinedDictionary(_FAMILIES[layout.family])
        self._detector: Any = cv2.aruco.ArucoDetector(dictionary, parameters)

    def find(self, image: NDArray[np.uint8]) -> TagPose | None:
        """The object in an RGB [h, w, 3] or grey [h, w] picture; None when no tag of it is seen, or none fits."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
        corners, ids, _ = self._detector.detectMarkers(grey)
        if ids is None:
            return None
        known = [
            (int(i), c[0]) for i, c in zip(ids.flatten(), corners, strict=True) if int(i) in self._layout.corners_m
        ]
        if not known:
            return None
        points_m = np.concatenate([self._layout.corners_m[i] for i, _ in known])
        points_px = np.concatenate([c for _, c in known]).astype(np.float64)
        return self._explain(points_m, points_px, len(known))

    def _explain(self, points_m: FloatArray, points_px: FloatArray, tags: int) -> TagPose | None:
        free = self._fit_freely(points_m, points_px)
        resting = self._fit_resting(points_m, points_px, free)
        candidates = [(self._error_px(points_m, points_px, pose), pose) for pose in free]
        if not candidates:
            return None
        error_px, pose = min(candidates, key=lambda one: one[0])
        rests = False
        if resting is not None:
            resting_px = self._error_px(points_m, points_px, resting)
            enough_px = _RESTING_ENOUGH_PX.get(tags, 0.35)
            rests = resting_px < enough_px or error_px > _CLEARLY_BETTER * resting_px
            error_px, pose = (resting_px, resting) if rests else (error_px, pose)
        if error_px > _MOST_ERROR_PX:
            return None
        position_m = pose[:3, 3] if rests else self._put_on_table(pose)
        return TagPose(
            position_m=position_m,
            orientation_xyzw=matrix_to_quaternion(pose[:3, :3]),
            tags=tags,
            error_px=error_px,
            resting=rests,
        )

    def _put_on_table(self, pose: FloatArray) -> FloatArray:
        """Position [3] moved along the line of sight until the lowest corner touches z = 0, if it is within 2 cm."""
        height_m = 0.5 * self._layout.edge_m * float(np.abs(pose[2, :3]).sum())
        above_m = float(pose[2, 3]) - height_m
        sight = pose[:3, 3] - self._world_camera[:3, 3]
        if abs(above_m) > _TOUCHING_M or abs(sight[2]) < 0.1:
            return pose[:3, 3]
        return pose[:3, 3] - sight * (above_m / sight[2])

    def _fit_freely(self, points_m: FloatArray, points_px: FloatArray) -> list[FloatArray]:
        """T_world_object [4, 4] of every pose that explains the corners; two for a single tag."""
        if len(points_m) == 4:
            return self._fit_one_face(points_m, points_px)
        return self._fit_points(points_m, points_px)

    def _fit_points(self, points_m: FloatArray, points_px: FloatArray) -> list[FloatArray]:
        """One pose for any points."""
        flag = cv2.SOLVEPNP_ITERATIVE if len(points_m) == 4 else cv2.SOLVEPNP_SQPNP
        found, turn, shift = cv2.solvePnP(points_m, points_px, self._intrinsics, self._distortion, flags=flag)
        if not found:
            return []
        turn, shift = cv2.solvePnPRefineLM(points_m, points_px, self._intrinsics, self._distortion, turn, shift)
        return [self._world_pose(turn, shift)]

    def _fit_one_face(self, points_m: FloatArray, points_px: FloatArray) -> list[FloatArray]:
        """IPPE wants its points in the plane z = 0, so the face is turned there and back."""
        centre = points_m.mean(axis=0)
        right = points_m[1] - points_m[0]
        up = points_m[0] - points_m[3]
        face = np.stack([right / np.linalg.norm(right), up / np.linalg.norm(up), np.zeros(3)], axis=1)
        face[:, 2] = np.cross(face[:, 0], face[:, 1])
        flat = (points_m - centre) @ face
        flat[:, 2] = 0.0
        ippe = cv2.SOLVEPNP_IPPE
        _, turns, shifts, _ = cv2.solvePnPGeneric(flat, points_px, self._intrinsics, self._distortion, flags=ippe)
        object_face = np.eye(4)
        object_face[:3, :3], object_face[:3, 3] = face, centre
        back = np.linalg.inv(object_face)
        poses = [self._world_pose(turn, shift) @ back for turn, shift in zip(turns, shifts, strict=True)]
        sound = [pose for pose in poses if self._error_px(points_m, points_px, pose) < 2.0 * _MOST_ERROR_PX]
        return sound or self._fit_points(points_m, points_px)  # a face seen exactly head-on breaks IPPE's formulas

    def _fit_resting(self, points_m: FloatArray, points_px: FloatArray, free: list[FloatArray]) -> FloatArray | None:
        """Least squares over x, y and yaw for the face that the nearest free pose has up; None when none is flat."""
        flat = [found for pose in free if (found := _rest_near(pose)) is not None]
        if not flat:
            return None
        rotation, position = flat[0]
        values: FloatArray = np.array([position[0], position[1], 0.0])
        for _ in range(6):
            residual, slope = self._residual(points_m, points_px, rotation, values)
            step: FloatArray = np.asarray(np.linalg.lstsq(slope, residual, rcond=None)[0], dtype=np.float64)
            np.subtract(values, step, out=values)
            if float(np.abs(step).max()) < 1e-7:
                break
        return self._rest_pose(rotation, values)

    def _residual(
        self, points_m: FloatArray, points_px: FloatArray, rotation: FloatArray, values: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Corner errors [2 n] in px and their numeric slope [2 n, 3]."""
        here = self._project(points_m, self._rest_pose(rotation, values))
        slope = np.empty((here.size, 3))
        for column in range(3):
            moved = values.copy()
            moved[column] += 1e-5
            slope[:, column] = (self._project(points_m, self._rest_pose(rotation, moved)) - here).ravel() / 1e-5
        return (here - points_px).ravel(), slope

    def _rest_pose(self, rotation: FloatArray, values: FloatArray) -> FloatArray:
        c, s = np.cos(values[2]), np.sin(values[2])
        pose = np.eye(4)
        pose[:3, :3] = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ rotation
        pose[:3, 3] = values[0], values[1], 0.5 * self._layout.edge_m
        return pose

    def _error_px(self, points_m: FloatArray, points_px: FloatArray, pose: FloatArray) -> float:
        return float(np.linalg.norm(self._project(points_m, pose) - points_px, axis=1).mean())

    def _project(self, points_m: FloatArray, pose: FloatArray) -> FloatArray:
        """Points [n, 3] of the object at T_world_object to the picture [n, 2] in px."""
        turn, _ = cv2.Rodrigues((self._camera_world @ pose)[:3, :3])
        shift = (self._camera_world @ pose)[:3, 3]
        found = cv2.projectPoints(points_m, turn, shift, self._intrinsics, self._distortion)[0]
        return np.asarray(found[:, 0], dtype=np.float64)

    def _world_pose(self, turn: Any, shift: Any) -> FloatArray:
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(turn)[0], np.asarray(shift).ravel()
        return self._world_camera @ pose


def _rest_near(pose: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """The resting rotation nearest to a pose, and its position; None when the pose is tilted too far."""
    turned = pose[:3, :3]
    best = max((turned @ group for group in cube_rotations()), key=lambda matrix: float(matrix[2, 2]))
    if best[2, 2] < np.cos(_FLAT_RAD):
        return None
    axis = np.cross(best[:, 2], [0.0, 0.0, 1.0])
    sine = float(np.linalg.norm(axis))
    if sine > 1e-9:
        levelling, _ = cv2.Rodrigues(axis / sine * np.arcsin(min(1.0, sine)))
        turned = levelling @ turned
    return turned, pose[:3, 3]
