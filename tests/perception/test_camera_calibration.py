"""Intrinsics and place of a camera from pictures of a board, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from studio.core.camera_calibration import Intrinsics
from studio.core.errors import DataError
from studio.core.geometry import FloatArray, rotation_angle_rad
from studio.perception.board import PRESETS, BoardDescription, BoardView
from studio.perception.camera_calibration import (
    BoardPlace,
    CalibrationLimits,
    CameraCalibrator,
    LaidBoard,
    place_camera,
)
from tests.perception.boards import many, pinhole, show

SIZE_PX = (480, 360)
MATRIX = pinhole(400.0, SIZE_PX, (5.0, -6.0))
BOARD = PRESETS["a3"]


@pytest.fixture(scope="module")
def pictures() -> list:
    return many(BOARD, MATRIX, SIZE_PX, 18)


@pytest.fixture(scope="module")
def full(pictures: list) -> CameraCalibrator:
    return calibrator(pictures)


@pytest.fixture(scope="module")
def found(full: CameraCalibrator) -> Intrinsics:
    return full.solve()


@pytest.fixture(scope="module")
def exact(found: Intrinsics) -> Intrinsics:
    """What the pictures were made with."""
    return dataclasses.replace(found, matrix=MATRIX, distortion=np.zeros(5))


def calibrator(pictures: list, board: BoardDescription = BOARD, **limits: float) -> CameraCalibrator:
    made = CameraCalibrator(board, CalibrationLimits(**limits))  # type: ignore[arg-type]
    for number, picture in enumerate(pictures):
        made.take(f"picture {number}", picture)
    return made


def test_intrinsics_are_those_of_the_camera(found: Intrinsics) -> None:
    assert np.abs(found.matrix - MATRIX).max() < 3.0
    assert np.abs(found.matrix - MATRIX)[:2].max() < 4 * max(found.deviation_px) + 0.5
    assert found.error_px < 0.2 and found.coverage > 0.5 and found.tilt_rad > 0.8
    assert (found.width_px, found.height_px) == SIZE_PX and found.pictures == 18
    assert found.board["square_m"] == 0.068 and found.date.endswith("+00:00")


def test_too_few_or_useless_pictures_are_refused_with_their_reasons(pictures: list) -> None:
    blank = np.full((360, 480), 120, dtype=np.uint8)
    with pytest.raises(DataError, match=r"3 good pictures, 10 are needed.*picture 3: no board"):
        calibrator([*pictures[:3], blank]).solve()
    with pytest.raises(DataError, match="0 good pictures"):
        calibrator([]).solve()


def test_the_same_attitude_again_and_again_is_refused() -> None:
    same = show(BOARD, MATRIX, SIZE_PX, tilt_rad=(0.1, 0.1, 0.1))
    with pytest.raises(DataError, match="show the board alike"):
        calibrator([same] * 12).solve()


def test_a_corner_of_the_picture_only_is_refused() -> None:
    tilts = np.random.default_rng(3).uniform(-0.5, 0.5, (12, 3))
    small = [show(BOARD, MATRIX, SIZE_PX, tilt_rad=tilt, at_px=(150, 130), distance=3.2) for tilt in tilts]
    with pytest.raises(DataError, match=r"found in .* % of the picture, 40 % are needed"):
        calibrator(small).solve()


def test_another_size_is_refused_at_once(pictures: list) -> None:
    made = calibrator(pictures[:2])
    other = show(BOARD, pinhole(500.0, (640, 480)), (640, 480))
    with pytest.raises(DataError, match="640 x 480 px, others 480 x 360"):
        made.take("large", other)


def test_a_bent_board_is_refused(full: CameraCalibrator) -> None:
    made = calibrator([])
    rng = np.random.default_rng(1)
    made.views = [
        dataclasses.replace(view, points_px=view.points_px + rng.normal(0.0, 2.0, view.points_px.shape))
        for view in full.views
    ]
    with pytest.raises(DataError, match="px off, at most 1 allowed"):
        made.solve()


def _looking_down() -> FloatArray:
    """T_world_camera 0.9 m above the table, tilted."""
    c, s = np.cos(0.2), np.sin(0.2)
    transform = np.eye(4)
    transform[:3, :3] = np.array([[1, 0, 0], [0, -c, -s], [0, s, -c]]).T
    transform[:3, 3] = 0.1, -0.2, 0.9
    return transform


def _view(place: BoardPlace, world_camera: FloatArray, noise_px: float = 0.05) -> BoardView:
    corners = np.array([[x * 0.07, y * 0.07, 0.0] for y in range(1, 4) for x in range(1, 5)])
    camera_board = np.linalg.inv(world_camera) @ place.transform_world_board()
    seen = (corners @ camera_board[:3, :3].T + camera_board[:3, 3]) @ MATRIX.T
    noise = np.random.default_rng(0).normal(0.0, noise_px, (len(corners), 2))
    return BoardView(
        points_m=corners, points_px=seen[:, :2] / seen[:, 2:] + noise, width_px=480, height_px=360, edge_px=2.0
    )


@pytest.mark.parametrize("heights_m", [(0.0, 0.0, 0.0), (0.0, 0.05, 0.1)])
def test_the_place_of_the_camera(exact: Intrinsics, heights_m: tuple[float, ...]) -> None:
    true, xs = _looking_down(), (-0.2, 0.1, 0.15)
    places = [BoardPlace(x_m=x, y_m=0.1 + x, z_m=z, yaw_rad=0.3 + x) for x, z in zip(xs, heights_m, strict=True)]
    placed = place_camera([LaidBoard(view=_view(place, true), place=place) for place in places], exact)
    assert np.linalg.norm(placed.transform_world_camera[:3, 3] - true[:3, 3]) < 0.003
    assert rotation_angle_rad(placed.transform_world_camera[:3, :3], true[:3, :3]) < 0.004
    assert placed.corners == 36 and placed.error_px < 0.2 and placed.boards.shape == (3, 4)


def test_places_that_cannot_be_are_refused(exact: Intrinsics) -> None:
    true = _looking_down()
    right, wrong = BoardPlace(x_m=-0.2), BoardPlace(x_m=0.15, yaw_rad=0.3)
    moved = LaidBoard(view=_view(BoardPlace(x_m=0.1, yaw_rad=0.3), true), place=wrong)
    with pytest.raises(DataError, match="No place of the camera explains"):
        place_camera([LaidBoard(view=_view(right, true), place=right), moved], exact)
    few = dataclasses.replace(moved.view, points_m=moved.view.points_m[:6], points_px=moved.view.points_px[:6])
    with pytest.raises(DataError, match="6 corners of the laid board found, 8 are needed"):
        place_camera([LaidBoard(view=few, place=right)], exact)
    with pytest.raises(DataError, match="intrinsics are for"):
        place_camera([moved], dataclasses.replace(exact, width_px=640))
