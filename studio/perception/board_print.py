"""A calibration board as a file to print, to scale: PDF (rectangles, exact on any printer) or PNG (300 dots an inch).

Source of the file format: ISO 32000-1, sections 7.5 (file structure) and 8.5 (path construction); PNG's pHYs chunk.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2

from studio.core.errors import ConfigError, DataError
from studio.perception.board import BoardDescription

_POINTS_PER_M = 72 / 0.0254
_PIXELS_PER_M = 300 / 0.0254
_SHEETS_M = {"A4": (0.297, 0.210), "A3": (0.420, 0.297), "A2": (0.594, 0.420), "A1": (0.841, 0.594)}
_MARGIN_M = 0.012
_RULER_M = 0.1


def write_board(board: BoardDescription, path: Path) -> str:
    """Write the file and return the sheet it is for, such as `A4, landscape`.

    Raises:
        ConfigError: neither .pdf nor .png.
        DataError: it cannot be written.
    """
    name, sheet_m = choose_sheet(board)
    makers = {".pdf": lambda: make_pdf(board, sheet_m), ".png": lambda: make_png(board)}
    if path.suffix.lower() not in makers:
        raise ConfigError(f"--out {path}: a board is written as .pdf or .png. Change the name.")
    data = makers[path.suffix.lower()]()
    temporary = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Check the folder.") from error
    return name


def choose_sheet(board: BoardDescription) -> tuple[str, tuple[float, float]]:
    """Name and size (m) of the smallest sheet with room for the board and a margin."""
    width_m, height_m = (edge_m + 2 * _MARGIN_M for edge_m in board.size_m)
    for name, (long_m, short_m) in _SHEETS_M.items():
        if width_m <= long_m and height_m <= short_m:
            return f"{name}, landscape", (long_m, short_m)
        if width_m <= short_m and height_m <= long_m:
            return f"{name}, portrait", (short_m, long_m)
    return f"{1e3 * width_m:.0f} x {1e3 * height_m:.0f} mm", (width_m, height_m)


def make_pdf(board: BoardDescription, sheet_m: tuple[float, float]) -> bytes:
    """One page with the board in its middle, a ruler of 100 mm to check the scale, and its numbers."""
    content = _page(board, sheet_m).encode("ascii")
    width, height = (f"{edge_m * _POINTS_PER_M:.4f}" for edge_m in sheet_m)
    fonts = "<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/ViewerPreferences<</PrintScaling/None>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Resources{fonts}/Contents 4 0 R>>".encode("ascii"),
        f"<</Length {len(content)}>>\nstream\n".encode("ascii") + content + b"\nendstream",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(data))
    return data + head + table + tail


def _page(board: BoardDescription, sheet_m: tuple[float, float]) -> str:
    """Drawing operators; PDF counts from the lower left."""
    (sheet_width_m, sheet_height_m), (width_m, height_m) = sheet_m, board.size_m
    left_m, top_m = (sheet_width_m - width_m) / 2, (sheet_height_m - height_m) / 2
    lines = ["0 g"]
    for x_m, y_m, wide_m, high_m in board.rectangles():
        lines.append(_rectangle(left_m + x_m, sheet_height_m - top_m - y_m - high_m, wide_m, high_m))
    lines.append("f")
    lines += [_rectangle(left_m, 0.4 * top_m, _RULER_M, 0.0004), "f"]
    lines += [_rectangle(left_m + end_m, 0.4 * top_m - 0.001, 0.0003, 0.002) for end_m in (0.0, _RULER_M - 0.0003)]
    lines.append("f")
    numbers = f"{board.columns} x {board.rows}, {1e3 * board.square_m:g} mm, {1e3 * board.marker_m:g} mm"
    text = f"100 mm  |  {numbers}, {board.dictionary}  |  origin: upper left corner, x along this edge"
    x, y = ((left_m + _RULER_M + 0.004) * _POINTS_PER_M, (0.4 * top_m - 0.001) * _POINTS_PER_M)
    return "\n".join([*lines, f"BT /F1 7 Tf {x:.2f} {y:.2f} Td ({text}) Tj ET"])


def _rectangle(x_m: float, y_m: float, width_m: float, height_m: float) -> str:
    return " ".join(f"{edge_m * _POINTS_PER_M:.4f}" for edge_m in (x_m, y_m, width_m, height_m)) + " re"


def make_png(board: BoardDescription) -> bytes:
    """The board alone with a white margin; the file says how large a dot is."""
    image = board.draw(_PIXELS_PER_M, _MARGIN_M)
    encoded = cv2.imencode(".png", image)[1].tobytes()
    after_header = 8 + 25  # signature, then the chunk IHDR
    body = b"pHYs" + struct.pack(">IIB", round(_PIXELS_PER_M), round(_PIXELS_PER_M), 1)
    chunk = struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    return encoded[:after_header] + chunk + encoded[after_header:]
