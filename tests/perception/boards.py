"""Pictures of a board as a pinhole camera would take them, for tests that need no simulator."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from studio.core.geometry import FloatArray
from studio.perception.board import BoardDescription

FINE = 2  # drawn so many times larger, then averaged
_PIXELS_PER_M, _MARGIN_M = 2000.0, 0.03


def show(
    board: BoardDescription,
    matrix: FloatArray,
    size_px: tuple[int, int],
    *,
    tilt_rad: Sequence[float] = (0.0, 0.0, 0.05),
    at_px: tuple[float, float] | None = None,
    distance: float = 1.5,
    blur_px: float = 0.0,
) -> NDArray[np.uint8]:
    """A grey picture [h, w] of the board turned by xyz angles, its middle at a pixel, `distance` board widths away."""
    width_px, height_px = size_px
    turn = Rotation.from_euler("xyz", tilt_rad).as_matrix()
    middle_px = np.array([*(at_px or (width_px / 2, height_px / 2)), 1.0])
    shift = distance * board.size_m[0] * (np.linalg.inv(matrix) @ middle_px) - turn @ (
        0.5 * np.array([*board.size_m, 0])
    )
    to_board = np.diag([1 / _PIXELS_PER_M, 1 / _PIXELS_PER_M, 1.0])
    to_board[:2, 2] = 0.5 / _PIXELS_PER_M - _MARGIN_M  # pixel centres at whole numbers, in both pictures
    fine = np.array([[FINE, 0, (FINE - 1) / 2], [0, FINE, (FINE - 1) / 2], [0, 0, 1.0]])
    warp = fine @ matrix @ np.column_stack([turn[:, 0], turn[:, 1], shift]) @ to_board
    large = (FINE * width_px, FINE * height_px)
    drawn = board.draw(_PIXELS_PER_M, _MARGIN_M)
    picture = cv2.resize(cv2.warpPerspective(drawn, warp, large, borderValue=90), size_px, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), blur_px) if blur_px else picture, dtype=np.uint8)


def pinhole(focal_px: float, size_px: tuple[int, int], shift_px: tuple[float, float] = (0.0, 0.0)) -> FloatArray:
    """[3, 3], the centre moved from the middle."""
    centre = np.array(size_px) / 2 + shift_px
    return np.array([[focal_px, 0.0, centre[0]], [0.0, focal_px, centre[1]], [0.0, 0.0, 1.0]])


def many(board: BoardDescription, matrix: FloatArray, size_px: tuple[int, int], count: int, seed: int = 0) -> list:
    """Pictures with the board all over the picture, tilted up to 0.6 rad."""
    rng = np.random.default_rng(seed)
    pictures = []
    for number in range(count):
        share = np.array([0.3 + 0.2 * (number % 3), 0.3 + 0.2 * (number // 3 % 3)]) + rng.uniform(-0.05, 0.05, 2)
        place = (float(share[0] * size_px[0]), float(share[1] * size_px[1]))
        tilt = rng.uniform(-0.6, 0.6, 3).tolist()
        pictures.append(show(board, matrix, size_px, tilt_rad=tilt, at_px=place, distance=rng.uniform(1.2, 1.7)))
    return pictures
