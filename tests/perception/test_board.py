"""The calibration board: drawn as OpenCV draws it, printed to scale, found; and what is wrong is said."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.core.errors import ConfigError, DataError
from studio.perception.board import PRESETS, BoardDescription, BoardDetector
from studio.perception.board_print import choose_sheet, write_board
from tests.perception.boards import pinhole, show

SIZE_PX = (640, 480)
MATRIX = pinhole(520.0, SIZE_PX, (3.0, -4.0))
BOARD = PRESETS["a4"]


@pytest.mark.parametrize("board", [*PRESETS.values(), BoardDescription(columns=6, rows=9, dictionary="5X5_100")])
def test_it_is_drawn_as_opencv_draws_it(board: BoardDescription) -> None:
    drawn = board.draw(8000.0)
    theirs = board.opencv_board().generateImage((drawn.shape[1], drawn.shape[0]))
    assert np.mean(drawn != theirs) < 0.005  # rounding of a marker's edge to whole pixels


def test_corners_are_found_where_the_pinhole_puts_them() -> None:
    view = BoardDetector(BOARD).find(show(BOARD, MATRIX, SIZE_PX, tilt_rad=(0.4, -0.3, 0.2)))
    assert len(view.points_m) == BOARD.corners
    found, turn, shift = cv2.solvePnP(view.points_m, view.points_px, MATRIX, np.zeros(5))
    seen = cv2.projectPoints(view.points_m, turn, shift, MATRIX, np.zeros(5))[0].reshape(-1, 2)
    assert found and np.sqrt(np.mean(np.sum((seen - view.points_px) ** 2, axis=1))) < 0.1
    assert np.linalg.norm(shift) == pytest.approx(1.5 * BOARD.size_m[0], rel=0.25)
    assert view.edge_px < 4.0


def test_what_is_wrong_with_a_picture_is_said() -> None:
    detector = BoardDetector(BOARD)
    with pytest.raises(DataError, match="no board found"):
        detector.find(np.full((480, 640, 3), 120, dtype=np.uint8))
    with pytest.raises(DataError, match=r"blurred: edges are .* px wide"):
        detector.find(show(BOARD, MATRIX, SIZE_PX, blur_px=2.2))
    other = BoardDescription(dictionary="6X6_250")
    with pytest.raises(DataError, match="markers of 6X6_250 found, but this board has 4X4_50"):
        detector.find(show(other, MATRIX, SIZE_PX))
    larger = BoardDescription(columns=9, rows=6)
    with pytest.raises(DataError, match=r"marker (1[7-9]|2[0-6]) is not on this board"):
        detector.find(show(larger, MATRIX, SIZE_PX))
    with pytest.raises(DataError, match="corners of 24 found"):
        detector.find(show(BOARD, MATRIX, SIZE_PX, at_px=(0.0, 0.0)))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"columns": 5, "rows": 5}, "look the same when turned"),
        ({"dictionary": "7X7"}, "dictionary is '7X7'"),
        ({"marker_m": 0.036}, "marker_m is 0.036"),
        ({"columns": 14, "rows": 10}, "70 markers, but 4X4_50 has 50"),
        ({"columns": 1}, "columns is 1"),
    ],
)
def test_impossible_boards_are_refused(values: dict, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        BoardDescription(**values)


def _objects(data: bytes) -> dict[int, bytes]:
    """The PDF's objects, found through its cross-reference table."""
    start = int(re.search(rb"startxref\n(\d+)", data).group(1))  # pyright: ignore[reportOptionalMemberAccess]
    lines = data[start:].split(b"\n")
    assert lines[0] == b"xref"
    count = int(lines[1].split()[1])
    places = [int(line.split()[0]) for line in lines[3 : 2 + count]]
    found = {}
    for number, place in enumerate(places, 1):
        assert data[place:].startswith(b"%d 0 obj" % number)
        found[number] = data[place : data.index(b"endobj", place)]
    return found


def test_the_pdf_draws_the_board_to_scale(tmp_path: Path) -> None:
    """Its rectangles are painted at 10 dots a mm, and the board is looked for in that."""
    assert write_board(BOARD, tmp_path / "board.pdf") == "A4, landscape"
    objects = _objects((tmp_path / "board.pdf").read_bytes())
    width, height = (float(v) for v in re.search(rb"MediaBox\[0 0 (\S+) (\S+)\]", objects[3]).groups())  # type: ignore[union-attr]
    assert width == pytest.approx(297 / 25.4 * 72, abs=0.01) and height == pytest.approx(210 / 25.4 * 72, abs=0.01)
    length = int(re.search(rb"/Length (\d+)", objects[4]).group(1))  # type: ignore[union-attr]
    stream = objects[4].split(b"stream\n", 1)[1][:length].decode()
    assert objects[4].split(b"stream\n", 1)[1][length:].startswith(b"\nendstream")
    scale = 10 * 25.4 / 72  # px of 0.1 mm per point
    page = np.full((2100, 2970), 255, dtype=np.uint8)
    for line in stream.splitlines():
        if line.endswith(" re"):
            x, y, wide, high = (float(v) * scale for v in line.split()[:4])
            page[round(2100 - y - high) : round(2100 - y), round(x) : round(x + wide)] = 0
    turned = cv2.warpAffine(page, cv2.getRotationMatrix2D((1485, 1050), 5, 0.9), (2970, 2100), borderValue=255)
    view = BoardDetector(BOARD).find(np.asarray(turned, dtype=np.uint8))
    apart_m = np.linalg.norm(view.points_m[0] - view.points_m[-1])
    apart_px = np.linalg.norm(view.points_px[0] - view.points_px[-1])
    assert apart_px / 0.9 / 10 == pytest.approx(1e3 * apart_m, abs=0.2)  # mm
    assert "(100 mm" in stream


def test_the_png_says_how_large_a_dot_is(tmp_path: Path) -> None:
    assert write_board(PRESETS["a3"], tmp_path / "board.png") == choose_sheet(PRESETS["a3"])[0] == "A3, landscape"
    data = (tmp_path / "board.png").read_bytes()
    per_m, _, unit = struct.unpack(">IIB", data[data.index(b"pHYs") + 4 :][:9])
    image = cv2.imread(str(tmp_path / "board.png"), cv2.IMREAD_GRAYSCALE)
    assert image is not None and unit == 1 and per_m == 11811
    assert image.shape[1] / per_m == pytest.approx(5 * 0.068 + 2 * 0.012, abs=2e-4)
    with pytest.raises(ConfigError, match=r"\.pdf or \.png"):
        write_board(BOARD, tmp_path / "board.gif")
    with pytest.raises(DataError, match="cannot be written"):
        write_board(BOARD, tmp_path / "board.png" / "x.pdf")
