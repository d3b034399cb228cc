"""A calibration board in a simulated camera's scene: a textured sheet that can be held anywhere."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.core.geometry import FloatArray, matrix_to_quaternion
from studio.sim.bullet import pybullet


class SimulatedBoard:
    """A sheet whose frame is the board's: upper left corner of the print, x right, y down, z into the sheet.

    Args:
        client: the camera's mirror of the scene.
        image: what is printed, [h, w] uint8, the white margin included.
        size_m: width and height of the sheet.
        margin_m: width of the white margin, so that the frame starts at the print.
    """

    def __init__(
        self, client: Any, image: NDArray[np.uint8], size_m: tuple[float, float], margin_m: float = 0.0
    ) -> None:
        self._client = client
        (width_m, height_m), near = size_m, -margin_m
        right, low = width_m - margin_m, height_m - margin_m
        shape = client.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=[[near, near, 0], [right, near, 0], [right, low, 0], [near, low, 0]],
            indices=[0, 2, 1, 0, 3, 2],  # seen from where z comes from
            uvs=[[0, 1], [1, 1], [1, 0], [0, 0]],
            normals=[[0, 0, -1]] * 4,
        )
        self._body: int = client.createMultiBody(0, -1, shape)
        with tempfile.TemporaryDirectory(prefix="board-") as folder:
            path = Path(folder) / "board.png"
            cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
            texture = client.loadTexture(str(path))
            client.changeVisualShape(self._body, -1, textureUniqueId=texture, rgbaColor=[1, 1, 1, 1])

    def hold(self, transform_world_board: FloatArray) -> None:
        """Put it there: T_world_board [4, 4]."""
        place = transform_world_board[:3, 3].tolist()
        turn = matrix_to_quaternion(transform_world_board[:3, :3]).tolist()
        self._client.resetBasePositionAndOrientation(self._body, place, turn)

    def take_away(self) -> None:
        self._client.removeBody(self._body)
