"""Where pictures of the calibration board come from: a folder, a camera, or the twin in front of which it is moved.

The twin renders the board itself: our own print, held at places and attitudes that a person would choose, so that the
whole chain is tried, and what comes out can be compared with what the renderer was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from studio.core.clock import WallClock
from studio.core.errors import DataError
from studio.core.geometry import FloatArray
from studio.perception.board import BoardDescription, BoardView
from studio.perception.camera_calibration import BoardPlace
from studio.robot.description import load_robot

TWIN = "twin"
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_SHEET_PIXELS_PER_M, _SHEET_MARGIN_M = 1200.0, 0.02
_NEW_SHARE = 0.08  # of the picture's width that the board must have moved to be another view
_STILL_SHARE = 0.004

Picture = tuple[str, NDArray[np.uint8]]


class PictureSource(Protocol):
    """Pictures with a name each; those of a live one never end."""

    live: bool

    def pictures(self) -> Iterator[Picture]: ...
    def close(self) -> None: ...


class FolderSource:
    """The pictures of a folder, or one picture, by name.

    Raises:
        DataError: there is none.
    """

    live = False

    def __init__(self, path: Path) -> None:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        self.paths = [found for found in inside if found.suffix.lower() in _ENDINGS and found.is_file()]
        if not self.paths:
            raise DataError(f"{path} has no pictures ({', '.join(_ENDINGS)}). Check the path.")

    def pictures(self) -> Iterator[Picture]:
        """RGB.

        Raises:
            DataError: a file that is no picture.
        """
        for path in self.paths:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise DataError(f"{path} is no picture, or a damaged one. Take it out of the folder.")
            yield path.name, np.asarray(image[:, :, ::-1], dtype=np.uint8)

    def close(self) -> None:
        """Nothing is open."""


class CameraSource:
    """A real camera, picture after picture.

    Args:
        name, path, width_px, height_px: as in `VideoCamera`.
    """

    live = True

    def __init__(self, name: str, path: str, width_px: int = 0, height_px: int = 0) -> None:
        from hw_drivers.cameras.video_camera import VideoCamera

        self._camera = VideoCamera(name, path, width_px=width_px, height_px=height_px)

    def pictures(self) -> Iterator[Picture]:
        number = 0
        while True:
            number += 1
            yield f"picture {number}", self._camera.grab()[1]

    def close(self) -> None:
        self._camera.close()


class TwinSource:
    """The simulated camera with a board in front of it.

    Args:
        board: what is held.
        seed: of the places.
    """

    live = False

    def __init__(
        self, board: BoardDescription, *, robot: str = "dual_arm_ak60", seed: int = 0, count: int = 60
    ) -> None:
        from studio.sim.camera import SimulatedCamera

        self._board, self._seed, self._count = board, seed, count
        description = load_robot(robot)
        self.camera = SimulatedCamera(description, WallClock())
        away_m = np.array([0.0, 0.0, -1.0])  # the box would lie on the board
        self.camera.pose(description.home_rad, away_m, np.array([0.0, 0.0, 0.0, 1.0]))
        size_m = (board.size_m[0] + 2 * _SHEET_MARGIN_M, board.size_m[1] + 2 * _SHEET_MARGIN_M)
        self._sheet = self.camera.add_board(board.draw(_SHEET_PIXELS_PER_M, _SHEET_MARGIN_M), size_m, _SHEET_MARGIN_M)

    def pictures(self) -> Iterator[Picture]:
        """The board at places all over the picture, near and farther, tilted up to 35 degrees."""
        for number, camera_board in enumerate(self._poses(), 1):
            self._sheet.hold(self.camera.transform_world_camera() @ camera_board)
            yield f"twin {number}", self.camera.grab()[1]

    def laid(self, place: BoardPlace) -> Picture:
        """The board flat on the table."""
        self._sheet.hold(place.transform_world_board())
        return "twin, board laid", self.camera.grab()[1]

    def places(self) -> list[BoardPlace]:
        """Where it can be laid in full view, each time turned a little: middle, left, right, far."""
        x_m, y_m = self.camera.place.target_m[:2]
        return [
            self._around(x_m + 0.06, y_m, 0.12),
            self._around(x_m + 0.05, y_m + 0.22, -0.10),
            self._around(x_m + 0.05, y_m - 0.22, 0.15),
            self._around(x_m + 0.14, y_m + 0.05, -0.18),
        ]

    def _around(self, x_m: float, y_m: float, turned_rad: float) -> BoardPlace:
        """The board with its middle there."""
        yaw_rad = turned_rad - np.pi / 2
        turn = BoardPlace(yaw_rad=yaw_rad).transform_world_board()[:2, :2]
        corner = np.array([x_m, y_m]) - turn @ (0.5 * np.array(self._board.size_m))
        return BoardPlace(x_m=float(corner[0]), y_m=float(corner[1]), z_m=0.001, yaw_rad=yaw_rad)

    def _poses(self) -> Iterator[FloatArray]:
        """T_camera_board [4, 4]; the board's middle wanders over a grid of places in the picture."""
        rng = np.random.default_rng(self._seed)
        place, inverse = self.camera.place, np.linalg.inv(self.camera.intrinsics())
        middle_m = np.array([*self._board.size_m, 0.0]) / 2
        for number in range(self._count):
            share = np.array([0.25 + 0.5 * (number % 3) / 2, 0.25 + 0.5 * (number // 3 % 3) / 2])
            share += rng.uniform(-0.05, 0.05, 2)
            distance_m = self._board.size_m[0] * rng.uniform(1.25, 1.75)
            pixel = np.array([share[0] * place.width_px, share[1] * place.height_px, 1.0])
            pose = np.eye(4)
            pose[:3, :3] = Rotation.from_euler("xyz", rng.uniform(-0.6, 0.6, 3)).as_matrix()
            pose[:3, 3] = distance_m * (inverse @ pixel) - pose[:3, :3] @ middle_m
            yield pose

    def close(self) -> None:
        self.camera.close()


class Novelty:
    """For live pictures: whether a view is held still, and shows the board where no taken one did."""

    def __init__(self) -> None:
        self._last: BoardView | None = None

    def wants(self, view: BoardView, taken: list[BoardView]) -> bool:
        last, self._last = self._last, view
        still = last is not None and _moved_share(view, last) < _STILL_SHARE
        return still and all(_moved_share(view, other) > _NEW_SHARE for other in taken)


def _moved_share(one: BoardView, other: BoardView) -> float:
    """Mean distance of the corners that both views have, in picture widths; 1 when they share none."""
    places = {tuple(point): pixel for point, pixel in zip(one.points_m.tolist(), one.points_px, strict=True)}
    gaps = [
        float(np.linalg.norm(places[tuple(point)] - pixel))
        for point, pixel in zip(other.points_m.tolist(), other.points_px, strict=True)
        if tuple(point) in places
    ]
    return float(np.mean(gaps)) / one.width_px if gaps else 1.0


def open_source(where: str, board: BoardDescription, *, camera: str, robot: str, seed: int = 0) -> PictureSource:
    """`twin`, a folder or picture, or a camera's device.

    Raises:
        DataError, DeviceError: it is not there.
    """
    if where == TWIN:
        return TwinSource(board, robot=robot, seed=seed)
    path = Path(where).expanduser()
    if path.is_dir() or path.suffix.lower() in _ENDINGS:
        if not path.exists():
            raise DataError(f"{path} does not exist. Check the path.")
        return FolderSource(path)
    wired = load_robot(robot).camera  # the robot's own camera is calibrated at the size that it is used at
    size = (wired.width_px, wired.height_px) if wired is not None and wired.device == where else (0, 0)
    return CameraSource(camera, where, *size)
