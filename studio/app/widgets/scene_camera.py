"""The camera of the 3-D view: a point looked at, a distance and two angles, with a 38 degree field of view."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import FloatArray

FIELD_OF_VIEW_RAD = np.radians(38.0)
NEAR_M, FAR_M = 0.05, 12.0
_HIGHEST_RAD = np.radians(89.0)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Orbit camera; z is up.

    Args:
        target_m: the point in the middle of the picture.
        distance_m: from eye to target.
        azimuth_rad: 0 looks along +x (the operator behind the robot: the left arm is left).
        elevation_rad: 0 is level, pi/2 looks straight down.
    """

    target_m: tuple[float, float, float]
    distance_m: float
    azimuth_rad: float
    elevation_rad: float

    def forward(self) -> FloatArray:
        c = np.cos(self.elevation_rad)
        return np.array([c * np.cos(self.azimuth_rad), c * np.sin(self.azimuth_rad), -np.sin(self.elevation_rad)])

    def right(self) -> FloatArray:
        return np.array([np.sin(self.azimuth_rad), -np.cos(self.azimuth_rad), 0.0])

    def up(self) -> FloatArray:
        return np.cross(self.right(), self.forward())

    def eye_m(self) -> FloatArray:
        return np.asarray(self.target_m) - self.distance_m * self.forward()

    def orbited(self, azimuth_rad: float, elevation_rad: float) -> Camera:
        elevation = float(np.clip(self.elevation_rad + elevation_rad, np.radians(2.0), _HIGHEST_RAD))
        return replace(self, azimuth_rad=self.azimuth_rad + azimuth_rad, elevation_rad=elevation)

    def zoomed(self, factor: float) -> Camera:
        return replace(self, distance_m=float(np.clip(self.distance_m * factor, 0.35, 5.0)))

    def panned(self, right_m: float, up_m: float) -> Camera:
        moved = np.asarray(self.target_m) + right_m * self.right() + up_m * self.up()
        return replace(self, target_m=(float(moved[0]), float(moved[1]), float(moved[2])))

    def view_matrix(self) -> FloatArray:
        matrix = np.eye(4)
        matrix[:3, :3] = np.stack([self.right(), self.up(), -self.forward()])
        matrix[:3, 3] = -matrix[:3, :3] @ self.eye_m()
        return matrix

    def matrix(self, width_px: float, height_px: float) -> FloatArray:
        """World to clip space, 4x4, column vectors."""
        f = 1.0 / np.tan(FIELD_OF_VIEW_RAD / 2)
        projection = np.zeros((4, 4))
        projection[0, 0] = f * height_px / max(width_px, 1.0)
        projection[1, 1] = f
        projection[2, 2] = (FAR_M + NEAR_M) / (NEAR_M - FAR_M)
        projection[2, 3] = 2 * FAR_M * NEAR_M / (NEAR_M - FAR_M)
        projection[3, 2] = -1.0
        return projection @ self.view_matrix()

    def project(self, points_m: NDArray[np.floating], width_px: float, height_px: float) -> FloatArray:
        """Pixel x, y (from the top left) and depth in m of points [..., 3] -> [..., 3]."""
        points = np.asarray(points_m, dtype=np.float64)
        homogeneous = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)
        clip = homogeneous @ self.matrix(width_px, height_px).T
        depth_m = clip[..., 3]
        safe = np.where(np.abs(depth_m) < 1e-9, 1e-9, depth_m)
        x = (clip[..., 0] / safe * 0.5 + 0.5) * width_px
        y = (0.5 - clip[..., 1] / safe * 0.5) * height_px
        return np.stack([x, y, depth_m], axis=-1)

    def ray(self, x_px: float, y_px: float, width_px: float, height_px: float) -> tuple[FloatArray, FloatArray]:
        """Origin [3] and unit direction [3] of the sight line through a pixel."""
        scale = 2 * np.tan(FIELD_OF_VIEW_RAD / 2) / max(height_px, 1.0)
        across = (x_px - width_px / 2) * scale
        above = (height_px / 2 - y_px) * scale
        direction = self.forward() + across * self.right() + above * self.up()
        return self.eye_m(), direction / np.linalg.norm(direction)

    def metres_per_pixel(self, depth_m: float, height_px: float) -> float:
        return 2 * depth_m * float(np.tan(FIELD_OF_VIEW_RAD / 2)) / max(height_px, 1.0)


# Seen from where the operator sits, so that left is left and a hand goes where the mouse goes; high enough that the
# elbows do not hide the hands and the box.
VIEWS = {
    "Front": Camera(target_m=(-0.03, 0.0, 0.11), distance_m=1.2, azimuth_rad=0.0, elevation_rad=np.radians(49.0)),
    "Top": Camera(target_m=(-0.06, 0.0, 0.0), distance_m=1.45, azimuth_rad=0.0, elevation_rad=np.radians(89.0)),
    "Left": Camera(
        target_m=(-0.04, 0.0, 0.15), distance_m=1.35, azimuth_rad=-np.pi / 2, elevation_rad=np.radians(20.0)
    ),
    "Free": Camera(  # from across the table, where nothing stands before the box
        target_m=(-0.07, 0.03, 0.18), distance_m=1.34, azimuth_rad=np.pi - 0.5, elevation_rad=np.radians(36.0)
    ),
}


def on_plane(origin_m: FloatArray, direction: FloatArray, point_m: FloatArray, normal: FloatArray) -> FloatArray | None:
    """Where a sight line meets a plane in front of the eye, or None."""
    slope = float(direction @ normal)
    if abs(slope) < 1e-6:
        return None
    distance = float((point_m - origin_m) @ normal) / slope
    return origin_m + distance * direction if distance > 0 else None
