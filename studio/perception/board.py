"""The calibration board (ChArUco: a chessboard with a marker in every white field): description, drawing, detection.

Drawn from its description as rectangles, so that print, picture and simulated board are one and the same.
OpenCV's layout since 4.6: the upper left field is black, markers are numbered row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.core.config import check_range
from studio.core.errors import ConfigError, DataError
from studio.core.geometry import FloatArray

DICTIONARIES = {
    name.removeprefix("DICT_"): int(getattr(cv2.aruco, name))
    for name in ("DICT_4X4_50", "DICT_4X4_250", "DICT_5X5_100", "DICT_6X6_250", "DICT_APRILTAG_36h11")
}
_SHARPEST_PX = 1.0
_BLURRED_PX = 5.0  # an edge that takes so many px from black to white; a sharp one takes about 2
_FEWEST_CORNERS = 6


def _dictionary(name: str) -> Any:
    return cv2.aruco.getPredefinedDictionary(DICTIONARIES[name])


@dataclass(frozen=True, kw_only=True)
class BoardDescription:
    """A board.

    Args:
        columns, rows: fields, black and white.
        square_m: edge of a field.
        marker_m: edge of a marker, black border to black border.
        dictionary: the family of its markers; another one than the object's tags.
    """

    columns: int = 7
    rows: int = 5
    square_m: float = 0.036
    marker_m: float = 0.027
    dictionary: str = "4X4_50"

    def __post_init__(self) -> None:
        check_range("board", "columns", self.columns, 3, 30)
        check_range("board", "rows", self.rows, 3, 30)
        check_range("board", "square_m", self.square_m, 0.005, 0.3, " m")
        check_range("board", "marker_m", self.marker_m, 0.4 * self.square_m, 0.9 * self.square_m, " m")
        if self.dictionary not in DICTIONARIES:
            known = ", ".join(DICTIONARIES)
            raise ConfigError(f"board.dictionary is {self.dictionary!r}. Known: {known}. Choose one of them.")
        if self.columns == self.rows:
            raise ConfigError("board: as many columns as rows look the same when turned. Choose different numbers.")
        markers, there = self.columns * self.rows // 2, len(_dictionary(self.dictionary).bytesList)
        if markers > there:
            raise ConfigError(f"board: {markers} markers, but {self.dictionary} has {there}. Choose a larger family.")

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height."""
        return self.columns * self.square_m, self.rows * self.square_m

    @property
    def corners(self) -> int:
        """Inner corners of the chessboard."""
        return (self.columns - 1) * (self.rows - 1)

    def rectangles(self) -> list[tuple[float, float, float, float]]:
        """Everything black as (left, top, width, height) in m from the upper left corner."""
        found: list[tuple[float, float, float, float]] = []
        marker = 0
        for row in range(self.rows):
            for column in range(self.columns):
                left_m, top_m = column * self.square_m, row * self.square_m
                if (row + column) % 2 == 0:
                    found.append((left_m, top_m, self.square_m, self.square_m))
                else:
                    found += self._marker(marker, left_m, top_m)
                    marker += 1
        return found

    def _marker(self, number: int, left_m: float, top_m: float) -> list[tuple[float, float, float, float]]:
        dictionary = _dictionary(self.dictionary)
        modules = int(dictionary.markerSize) + 2
        bits = cv2.aruco.generateImageMarker(dictionary, number, modules, borderBits=1)
        module_m, margin_m = self.marker_m / modules, (self.square_m - self.marker_m) / 2
        left_m, top_m = left_m + margin_m, top_m + margin_m
        return [
            (left_m + module_m * int(x), top_m + module_m * int(y), module_m, module_m)
            for y, x in np.argwhere(bits == 0)
        ]

    def draw(self, pixels_per_m: float, margin_m: float = 0.0) -> NDArray[np.uint8]:
        """The board as a grey picture [h, w], a white margin around it."""
        width_m, height_m = self.size_m
        shape = [max(1, round((edge_m + 2 * margin_m) * pixels_per_m)) for edge_m in (height_m, width_m)]
        image = np.full(shape, 255, dtype=np.uint8)
        for left_m, top_m, wide_m, high_m in self.rectangles():
            x0, x1 = (round((margin_m + edge_m) * pixels_per_m) for edge_m in (left_m, left_m + wide_m))
            y0, y1 = (round((margin_m + edge_m) * pixels_per_m) for edge_m in (top_m, top_m + high_m))
            image[y0:y1, x0:x1] = 0
        return image

    def opencv_board(self) -> Any:
        """The same as OpenCV's `CharucoBoard`."""
        size = (self.columns, self.rows)
        return cv2.aruco.CharucoBoard(size, self.square_m, self.marker_m, _dictionary(self.dictionary))


PRESETS = {  # what fits on a sheet; the larger one for cameras that look from above a table
    "a4": BoardDescription(),
    "a3": BoardDescription(columns=5, rows=4, square_m=0.068, marker_m=0.0476),
}


@dataclass(frozen=True, kw_only=True)
class BoardView:
    """The board in one picture.

    Args:
        points_m: [n, 3] in the board's frame: upper left corner, x right, y down, z into the board.
        points_px: [n, 2], pixel centres at whole numbers.
        width_px, height_px: of the picture.
        edge_px: how many px an edge takes from black to white (median), 1 at best.
    """

    points_m: FloatArray
    points_px: FloatArray
    width_px: int
    height_px: int
    edge_px: float


class BoardDetector:
    """Finds one board in pictures.

    Args:
        board: what is looked for.
    """

    def __init__(self, board: BoardDescription) -> None:
        self.board = board
        self._board: Any = board.opencv_board()
        self._detector: Any = cv2.aruco.CharucoDetector(self._board)

    def find(self, image: NDArray[np.uint8]) -> BoardView:
        """The board in an RGB [h, w, 3] or grey [h, w] picture.

        Raises:
            DataError: no board, another board, too little of it, or a blurred picture. The text says which.
        """
        grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
        corners, ids, _, marker_ids = self._detector.detectBoard(grey)
        if marker_ids is None or len(marker_ids) == 0:
            raise DataError(self._why_nothing(grey))
        strangers = sorted({int(i) for i in np.ravel(marker_ids)} - set(np.ravel(self._board.getIds()).tolist()))
        if strangers:
            raise DataError(f"marker {strangers[0]} is not on this board. Is it another one? Give its numbers.")
        if ids is None or len(ids) < _FEWEST_CORNERS:
            found = 0 if ids is None else len(ids)
            raise DataError(f"{found} corners of {self.board.corners} found, {_FEWEST_CORNERS} are needed. Show more.")
        points_m, points_px = self._board.matchImagePoints(corners, ids)
        points_px = np.asarray(points_px, dtype=np.float64).reshape(-1, 2)
        edge_px = measure_edge_px(grey, points_px)
        if edge_px > _BLURRED_PX:
            raise DataError(f"blurred: edges are {edge_px:.1f} px wide, at most {_BLURRED_PX:g}. Hold still, focus.")
        height_px, width_px = grey.shape
        return BoardView(
            points_m=np.asarray(points_m, dtype=np.float64).reshape(-1, 3),
            points_px=points_px,
            width_px=width_px,
            height_px=height_px,
            edge_px=edge_px,
        )

    def _why_nothing(self, grey: NDArray[np.uint8]) -> str:
        for name in DICTIONARIES:
            if name != self.board.dictionary:
                found = cv2.aruco.ArucoDetector(_dictionary(name)).detectMarkers(grey)[1]
                if found is not None and len(found) >= 4:
                    return f"markers of {name} found, but this board has {self.board.dictionary}. Give its numbers."
        return "no board found. Show all of it, flat, well lit and large enough."


def measure_edge_px(grey: NDArray[np.uint8], points_px: FloatArray, reach_px: int = 6) -> float:
    """How many px the picture takes from black to white beside chessboard corners [n, 2]: the median of contrast over
    steepest slope. 1 at best, NaN where no corner is inside."""
    height_px, width_px = grey.shape
    widths: list[float] = []
    for x, y in np.rint(points_px).astype(int).tolist():
        if not (reach_px <= x < width_px - reach_px and reach_px <= y < height_px - reach_px):
            continue
        patch = grey[y - reach_px : y + reach_px + 1, x - reach_px : x + reach_px + 1].astype(np.float64)
        slope = np.hypot(*(0.5 * (patch[a] - patch[b]) for a, b in _NEIGHBOURS))
        contrast = float(np.ptp(patch))
        widths.append(contrast / max(float(slope.max()), 1e-6))
    return max(_SHARPEST_PX, float(np.median(widths))) if widths else float("nan")


_INNER, _UPPER, _LOWER = slice(1, -1), slice(2, None), slice(None, -2)
_NEIGHBOURS = (((_INNER, _UPPER), (_INNER, _LOWER)), ((_UPPER, _INNER), (_LOWER, _INNER)))
