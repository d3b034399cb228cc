"""A camera on a bench: pictures in, intrinsics and place out, and the file that keeps them.

Used by the command `camera` and by the worker behind the Cameras page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.core.calibration import calibration_path
from studio.core.camera_calibration import (
    CameraCalibration,
    CameraPlacement,
    Intrinsics,
    cameras_dir,
    load_camera,
    save_camera,
)
from studio.core.errors import ConfigError, DataError
from studio.core.geometry import FloatArray, rotation_angle_rad
from studio.perception.board import PRESETS, BoardDescription, BoardView
from studio.perception.camera_calibration import (
    BoardPlace,
    CalibrationLimits,
    CameraCalibrator,
    LaidBoard,
    place_camera,
)
from studio.robot.description import load_robot
from studio.workers.bench import REHEARSALS_FOLDER
from studio.workers.camera_source import TWIN, Novelty, PictureSource, TwinSource, open_source


@dataclass(frozen=True, kw_only=True)
class CameraRequest:
    """Which camera, what it looks at, what is asked.

    Args:
        camera: its name; the file's name.
        source: `twin`, a folder of pictures, one picture, or a device.
        board: what is shown.
        limits: what is asked of the result.
        robot: whose calibration it is.
        folder: of the results instead of the robot's own.
        seed: of the twin's places.
    """

    camera: str = "top"
    source: str = TWIN
    board: BoardDescription = field(default_factory=lambda: PRESETS["a3"])
    limits: CalibrationLimits = field(default_factory=CalibrationLimits)
    robot: str = "dual_arm_ak60"
    folder: str = ""
    seed: int = 0

    def results_folder(self) -> Path:
        if self.folder:
            return Path(self.folder).expanduser()
        return cameras_dir(REHEARSALS_FOLDER if self.source == TWIN else load_robot(self.robot).name)

    def path(self) -> Path:
        return calibration_path(self.results_folder(), self.camera)

    def stored(self) -> CameraCalibration | None:
        """What is kept of this camera."""
        path = self.path()
        return load_camera(path) if path.is_file() else None


class CameraBench:
    """Opened with the request; takes pictures, solves, places, saves.

    Args:
        request: what is wanted.
    """

    def __init__(self, request: CameraRequest) -> None:
        self.request = request
        self.calibrator = CameraCalibrator(request.board, request.limits)
        self.source: PictureSource = open_source(
            request.source, request.board, camera=request.camera, robot=request.robot, seed=request.seed
        )
        self._novelty = Novelty()

    @property
    def enough(self) -> bool:
        """Whether pictures, coverage and attitudes may do; `solve` decides."""
        limits, calibrator = self.request.limits, self.calibrator
        return len(calibrator.views) >= limits.pictures and float(calibrator.coverage().mean()) >= limits.coverage

    def look(self, name: str, image: NDArray[np.uint8]) -> tuple[BoardView | None, str]:
        """Take a picture in; a live one only when it is held still and new. The view, and what is wrong with it."""
        calibrator = self.calibrator
        if self.source.live:
            try:
                view = calibrator.detector.find(image)
            except DataError as error:
                return None, str(error)
            if not self._novelty.wants(view, calibrator.views):
                return view, ""
        found = calibrator.take(name, image)
        return found, "" if found is not None else calibrator.refused[-1][1]

    def collect(self) -> None:
        """All pictures of a folder or a twin; of a camera as many as are needed."""
        for name, image in self.source.pictures():
            self.look(name, image)
            if self.source.live and self.enough:
                return

    def place(self, intrinsics: Intrinsics, places: Sequence[BoardPlace]) -> CameraPlacement:
        """Where the camera is, from the board laid at known places, one picture each in the order of `places`.

        A twin lays the board itself, also where no place is given.

        Raises:
            DataError: a picture that does not show it well enough, or no place explains them.
            ConfigError: another number of places than of pictures.
        """
        if isinstance(self.source, TwinSource):
            places = places or self.source.places()
            pictures = [self.source.laid(place) for place in places]
        else:
            pictures = list(islice(self.source.pictures(), 1 if self.source.live else None))
        if len(pictures) != len(places):
            raise ConfigError(
                f"camera: {len(pictures)} pictures of the laid board, {len(places)} places. "
                "Give X Y YAW (m, m, rad) with --at for each, in the order of the files' names."
            )
        laid = [LaidBoard(view=self._find(*shown), place=at) for shown, at in zip(pictures, places, strict=True)]
        return place_camera(laid, intrinsics, self.request.limits)

    def _find(self, name: str, image: NDArray[np.uint8]) -> BoardView:
        try:
            return self.calibrator.detector.find(image)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error

    def save(self, intrinsics: Intrinsics, placement: CameraPlacement | None, *, device: str = "") -> CameraCalibration:
        """Keep both; new intrinsics without a new place forget the old one, which was found with other ones.

        Args:
            device: what the intrinsics were found with, where that is not this bench's source.
        """
        request, device = self.request, device or self.request.source
        found = CameraCalibration(camera=request.camera, device=device, intrinsics=intrinsics, placement=placement)
        save_camera(request.results_folder(), found)
        return found

    def truth(self, found: CameraCalibration) -> dict[str, float]:
        """How far a twin's result is from what its renderer was given; empty for a real camera."""
        return compare_with_renderer(found, self.source) if isinstance(self.source, TwinSource) else {}

    def result(self, found: CameraCalibration) -> dict[str, Any]:
        """Plain values for the command's JSON and the Cameras page."""
        refused = [{"picture": name, "reason": reason} for name, reason in self.calibrator.refused]
        return {**found.to_json(), "refused": refused, "file": str(self.request.path()), "truth": self.truth(found)}

    def progress(self) -> dict[str, Any]:
        """What has been gathered so far."""
        calibrator, limits = self.calibrator, self.request.limits
        covered = calibrator.coverage()
        return {
            "pictures": len(calibrator.views),
            "pictures_needed": limits.pictures,
            "coverage": float(covered.mean()),
            "coverage_needed": limits.coverage,
            "fields": covered.astype(int).tolist(),
            "refused": len(calibrator.refused),
            "board": asdict(self.request.board),
        }

    def close(self) -> None:
        self.source.close()


def compare_with_renderer(found: CameraCalibration, source: TwinSource) -> dict[str, float]:
    """Relative error of the focal length, distance of the centres, and where given of the camera's places and turn."""
    true, matrix = source.camera.intrinsics(), found.intrinsics.matrix
    errors = {
        "focal_share": float(np.abs(np.diag(matrix)[:2] / np.diag(true)[:2] - 1).max()),
        "centre_px": float(np.linalg.norm(matrix[:2, 2] - true[:2, 2])),
    }
    if found.placement is not None:
        world_camera: FloatArray = source.camera.transform_world_camera()
        gap = found.placement.transform_world_camera
        errors["place_m"] = float(np.linalg.norm(gap[:3, 3] - world_camera[:3, 3]))
        errors["turn_rad"] = float(rotation_angle_rad(gap[:3, :3], world_camera[:3, :3]))
        errors["table_m"] = _table_gap_m(found.intrinsics, gap, true, world_camera)
    return errors


def _table_gap_m(inside: Intrinsics, found: FloatArray, true: FloatArray, world_camera: FloatArray) -> float:
    """Largest distance on the table between where both say that 9 pixels of the middle three quarters look."""
    shares = (0.125, 0.5, 0.875)
    pixels = np.array([[x * inside.width_px, y * inside.height_px] for x in shares for y in shares])
    plain: Any = cv2.undistortPoints(pixels[:, None], inside.matrix, inside.distortion)[:, 0]
    exact: Any = cv2.undistortPoints(pixels[:, None], true, np.zeros(5))[:, 0]
    gaps = _on_table_m(plain, found) - _on_table_m(exact, world_camera)
    return float(np.linalg.norm(gaps, axis=1).max())


def _on_table_m(rays: FloatArray, world_camera: FloatArray) -> FloatArray:
    """Where rays [n, 2] (at z = 1 of the camera) meet z = 0, [n, 2] in m."""
    directions = np.column_stack([rays, np.ones(len(rays))]) @ world_camera[:3, :3].T
    return (world_camera[:3, 3] - directions * (world_camera[2, 3] / directions[:, 2:]))[:, :2]
