"""A camera's intrinsics and its place in the world from pictures of one board (Zhang's method, as in OpenCV).

Pictures are taken in one by one; what is wrong with one is said at once. At the end a result is given or refused: too
few pictures, too little of the picture covered, one attitude only, a fit that does not explain its corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from math import cos, sin
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.core.camera_calibration import CameraPlacement, Intrinsics
from studio.core.config import check_range
from studio.core.errors import DataError
from studio.core.geometry import FloatArray
from studio.perception.board import BoardDescription, BoardDetector, BoardView

COVERAGE_COLUMNS, COVERAGE_ROWS = 8, 6
_MOST_FOCAL_DEVIATION = 0.02
_ABOVE_M = 0.02


@dataclass(frozen=True, kw_only=True)
class CalibrationLimits:
    """What is asked of a calibration.

    Args:
        pictures: fewest good pictures.
        coverage: least share of the picture's 8 x 6 fields with a corner in it.
        tilt_rad: least angle between the two most different attitudes of the board.
        error_px: largest root mean square error of the intrinsics and of a placement.
        placement_corners: fewest corners for a placement.
        distortion_terms: 0 (a pinhole), 2 or 3 radial terms with two tangential ones.
    """

    pictures: int = 10
    coverage: float = 0.4
    tilt_rad: float = 0.35
    error_px: float = 1.0
    placement_corners: int = 8
    distortion_terms: int = 2

    def __post_init__(self) -> None:
        check_range("camera", "pictures", self.pictures, 4, 500)
        check_range("camera", "coverage", self.coverage, 0.1, 1.0)
        check_range("camera", "tilt_rad", self.tilt_rad, 0.1, 1.5, " rad")
        check_range("camera", "error_px", self.error_px, 0.05, 5.0, " px")
        check_range("camera", "placement_corners", self.placement_corners, 6, 500)
        check_range("camera", "distortion_terms", self.distortion_terms, 0, 3)


@dataclass(frozen=True, kw_only=True)
class BoardPlace:
    """Where a board lies face up: its upper left corner (m), and where its x edge points (yaw, 0 = world x)."""

    x_m: float = 0.0
    y_m: float = 0.0
    z_m: float = 0.0
    yaw_rad: float = 0.0

    def transform_world_board(self) -> FloatArray:
        """[4, 4]. The board's y runs down the sheet and its z into the table, so it is turned over."""
        c, s = cos(self.yaw_rad), sin(self.yaw_rad)
        transform = np.eye(4)
        transform[:3, :3] = [[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]]
        transform[:3, 3] = self.x_m, self.y_m, self.z_m
        return transform


@dataclass
class CameraCalibrator:
    """Takes pictures of a board and works out the intrinsics.

    Args:
        board: what is shown.
        limits: what is asked.
    """

    board: BoardDescription
    limits: CalibrationLimits = field(default_factory=CalibrationLimits)
    views: list[BoardView] = field(default_factory=list[BoardView])
    refused: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def __post_init__(self) -> None:
        self.detector = BoardDetector(self.board)

    def take(self, name: str, image: NDArray[np.uint8]) -> BoardView | None:
        """Look at a picture; one that is no use is kept in `refused` with the reason.

        Raises:
            DataError: it has another size than the ones before: that is another camera or setting.
        """
        height_px, width_px = image.shape[:2]
        if self.views and (self.views[0].width_px, self.views[0].height_px) != (width_px, height_px):
            first = self.views[0]
            raise DataError(
                f"Picture {name} has {width_px} x {height_px} px, others {first.width_px} x {first.height_px}. "
                "Use pictures of one camera at one setting."
            )
        try:
            view = self.detector.find(image)
        except DataError as error:
            self.refused.append((name, str(error)))
            return None
        self.views.append(view)
        return view

    def coverage(self) -> NDArray[np.bool_]:
        """[6, 8]: the picture's fields in which corners were found."""
        fields = np.zeros((COVERAGE_ROWS, COVERAGE_COLUMNS), dtype=np.bool_)
        for view in self.views:
            columns = (view.points_px[:, 0] / view.width_px * COVERAGE_COLUMNS).astype(int)
            rows = (view.points_px[:, 1] / view.height_px * COVERAGE_ROWS).astype(int)
            fields[rows.clip(0, COVERAGE_ROWS - 1), columns.clip(0, COVERAGE_COLUMNS - 1)] = True
        return fields

    def solve(self) -> Intrinsics:
        """The intrinsics.

        Raises:
            DataError: they cannot be had from these pictures; the text says why and what to do.
        """
        limits, covered = self.limits, float(self.coverage().mean())
        if len(self.views) < limits.pictures:
            raise DataError(
                f"{len(self.views)} good pictures, {limits.pictures} are needed. Take more. {self._refusals()}".strip()
            )
        fit = _fit(self.views, limits.distortion_terms)
        tilt_rad = _largest_tilt_rad(fit.turns)
        if tilt_rad < limits.tilt_rad:
            raise DataError(
                f"All pictures show the board alike (attitudes differ by {tilt_rad:.2f} rad at most, "
                f"{limits.tilt_rad:g} are needed). Tilt it left, right, forwards and backwards."
            )
        if covered < limits.coverage:
            raise DataError(
                f"Corners were found in {100 * covered:.0f} % of the picture, {100 * limits.coverage:.0f} % are needed."
                " Show the board near the edges too."
            )
        self._check_fit(fit)
        return self._result(fit, covered, tilt_rad)

    def _check_fit(self, fit: _Fit) -> None:
        share = max(fit.deviation_px[:2]) / min(fit.matrix[0, 0], fit.matrix[1, 1])
        if not np.isfinite(fit.error_px) or fit.error_px > self.limits.error_px:
            raise DataError(
                f"Corners are {fit.error_px:.2f} px off, at most {self.limits.error_px:g} allowed. Is it a board of "
                f"{self.board.columns} x {self.board.rows} fields, is it flat, is the focus fixed?"
            )
        if not 0 <= share < _MOST_FOCAL_DEVIATION:
            raise DataError(
                f"The focal length is known to {100 * share:.1f} % only, {100 * _MOST_FOCAL_DEVIATION:g} % are needed. "
                "Add pictures with the board tilted and near."
            )

    def _result(self, fit: _Fit, covered: float, tilt_rad: float) -> Intrinsics:
        return Intrinsics(
            date=now_utc(),
            width_px=self.views[0].width_px,
            height_px=self.views[0].height_px,
            matrix=fit.matrix,
            distortion=fit.distortion,
            error_px=fit.error_px,
            deviation_px=fit.deviation_px,
            pictures=len(self.views),
            coverage=covered,
            tilt_rad=tilt_rad,
            board=asdict(self.board),
        )

    def _refusals(self) -> str:
        shown = "; ".join(f"{name}: {reason}" for name, reason in self.refused[:3])
        more = f" and {len(self.refused) - 3} more" if len(self.refused) > 3 else ""
        return f"Refused: {shown}{more}" if shown else ""


@dataclass(frozen=True, kw_only=True)
class _Fit:
    matrix: FloatArray
    distortion: FloatArray
    error_px: float
    deviation_px: tuple[float, float, float, float]
    turns: list[FloatArray]


def _fit(views: list[BoardView], distortion_terms: int) -> _Fit:
    flags = 0 if distortion_terms == 3 else cv2.CALIB_FIX_K3
    if distortion_terms == 0:
        flags |= cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K1 | cv2.CALIB_FIX_K2
    size = views[0].width_px, views[0].height_px
    points_m: Any = [view.points_m.astype(np.float32) for view in views]
    points_px: Any = [view.points_px.astype(np.float32) for view in views]
    none: Any = None
    try:
        error_px, matrix, distortion, turns, _, deviations, _, _ = cv2.calibrateCameraExtended(
            points_m, points_px, size, none, none, flags=flags
        )
    except cv2.error as error:
        raise DataError(
            "No camera explains these pictures. Show the board flat, tilted differently each time.", detail=str(error)
        ) from error
    spread = np.ravel(deviations)[:4].tolist()
    return _Fit(
        matrix=np.asarray(matrix, dtype=np.float64),
        distortion=np.ravel(distortion)[:5].astype(np.float64),
        error_px=float(error_px),
        deviation_px=(spread[0], spread[1], spread[2], spread[3]),
        turns=[np.asarray(cv2.Rodrigues(turn)[0], dtype=np.float64) for turn in turns],
    )


def _largest_tilt_rad(turns: list[FloatArray]) -> float:
    normals = np.stack([turn[:, 2] for turn in turns])
    return float(np.arccos(np.clip(normals @ normals.T, -1.0, 1.0)).max())


@dataclass(frozen=True, kw_only=True)
class LaidBoard:
    """A view of the board, and where it lay."""

    view: BoardView
    place: BoardPlace


def place_camera(
    boards: Sequence[LaidBoard], intrinsics: Intrinsics, limits: CalibrationLimits | None = None
) -> CameraPlacement:
    """Where the camera is, from views of a board that lay at known places. Several places, far apart, tell the
    camera's tilt much better than one.

    Raises:
        DataError: another picture size, too few corners, or no pose that explains them and lies above the board.
    """
    limits = limits or CalibrationLimits()
    _check_views(boards, intrinsics, limits)
    error_px, transform = min(_poses(boards, intrinsics), key=lambda found: found[0], default=(np.inf, np.eye(4)))
    if error_px > limits.error_px:
        raise DataError(
            f"No place of the camera explains the laid board: {error_px:.2f} px off, at most {limits.error_px:g} "
            "allowed. Lay it flat, and give its numbers and places rightly."
        )
    return CameraPlacement(
        date=now_utc(),
        transform_world_camera=transform,
        error_px=float(error_px),
        corners=sum(len(board.view.points_px) for board in boards),
        boards=np.array([[p.x_m, p.y_m, p.z_m, p.yaw_rad] for p in (board.place for board in boards)]),
    )


def _check_views(boards: Sequence[LaidBoard], intrinsics: Intrinsics, limits: CalibrationLimits) -> None:
    for view in (board.view for board in boards):
        if (view.width_px, view.height_px) != (intrinsics.width_px, intrinsics.height_px):
            raise DataError(
                f"The picture has {view.width_px} x {view.height_px} px, the intrinsics are for "
                f"{intrinsics.width_px} x {intrinsics.height_px}. Use the same setting, or calibrate again."
            )
        if len(view.points_px) < limits.placement_corners:
            raise DataError(
                f"{len(view.points_px)} corners of the laid board found, {limits.placement_corners} are needed. "
                "Show more of it, or print a larger one."
            )


def _poses(boards: Sequence[LaidBoard], intrinsics: Intrinsics) -> list[tuple[float, FloatArray]]:
    """Every T_world_camera above the boards with its error in px: one flat board seen from far away has two."""
    world_first = boards[0].place.transform_world_board()
    points_m = np.concatenate([_in_frame(world_first, board) for board in boards])
    points_px = np.concatenate([board.view.points_px for board in boards])
    flat = bool(np.abs(points_m[:, 2]).max() < 1e-9)
    points_m[:, 2] *= not flat
    method = cv2.SOLVEPNP_IPPE if flat else cv2.SOLVEPNP_SQPNP
    matrix, bent = intrinsics.matrix, intrinsics.distortion
    _, turns, shifts, _ = cv2.solvePnPGeneric(points_m, points_px, matrix, bent, flags=method)
    lowest_m, found = max(board.place.z_m for board in boards) + _ABOVE_M, list[tuple[float, FloatArray]]()
    for first_turn, first_shift in zip(turns, shifts, strict=True):
        turn, shift = cv2.solvePnPRefineLM(points_m, points_px, matrix, bent, first_turn, first_shift)
        camera_first = np.eye(4)
        camera_first[:3, :3], camera_first[:3, 3] = cv2.Rodrigues(turn)[0], np.ravel(shift)
        seen = cv2.projectPoints(points_m, turn, shift, matrix, bent)[0].reshape(-1, 2)
        error_px = float(np.sqrt(np.mean(np.sum((seen - points_px) ** 2, axis=1))))
        transform = world_first @ np.linalg.inv(camera_first)
        if np.isfinite(transform).all() and transform[2, 3] > lowest_m:
            found.append((error_px, transform))
    return found


def _in_frame(world_frame: FloatArray, board: LaidBoard) -> FloatArray:
    """The corners that a view has, [n, 3] in a frame."""
    frame_board = np.linalg.inv(world_frame) @ board.place.transform_world_board()
    return board.view.points_m @ frame_board[:3, :3].T + frame_board[:3, 3]


def now_utc() -> str:
    """ISO 8601 to the second, as the motors' calibrations have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
