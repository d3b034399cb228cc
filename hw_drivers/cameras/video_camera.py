"""A camera of the kernel (V4L2: USB cameras and capture cards), or a film file that stands in for one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.core.errors import DeviceError


class VideoCamera:
    """A `Camera` behind OpenCV's capture.

    Args:
        name: what its pictures are called.
        path: such as `/dev/video0` or `/dev/v4l/by-id/...`; any other file is read as a film.
        width_px, height_px: asked for; 0: as the camera likes.
        rate_hz: asked for.

    Raises:
        DeviceError: it cannot be opened, or does not take the size.
    """

    def __init__(self, name: str, path: str, *, width_px: int = 0, height_px: int = 0, rate_hz: float = 30.0) -> None:
        self.name, self.path, self.rate_hz = name, path, rate_hz
        if not Path(path).exists():
            raise DeviceError(f"Camera {path} does not exist. Plug it in; cameras are in /dev/v4l/by-id.")
        self._capture: Any = _open(path)
        if not self._capture.isOpened():
            raise DeviceError(f"Camera {path} cannot be opened. Close what uses it, or add yourself to group video.")
        self._ask(width_px, height_px, rate_hz)

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of its pictures."""
        width, height = (self._capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return round(width), round(height)

    def _ask(self, width_px: int, height_px: int, rate_hz: float) -> None:
        if width_px and height_px:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width_px)
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height_px)
            got = self.size_px
            if got != (width_px, height_px):
                self.close()
                raise DeviceError(
                    f"Camera {self.path} gives {got[0]} x {got[1]} px, not {width_px} x {height_px}. Choose its size."
                )
        self._capture.set(cv2.CAP_PROP_FPS, rate_hz)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not a queue of old ones

    def grab(self) -> tuple[int, NDArray[np.uint8]]:
        """Time in ns when the picture was there, and an image [height, width, 3] uint8, RGB.

        Waits for the next picture. The time is that of its arrival: exposure and transfer are before it.

        Raises:
            DeviceError: no picture comes.
        """
        came, image = self._capture.read()
        if not came or image is None:
            raise DeviceError(f"Camera {self.path} gives no more pictures. Check its cable.")
        return time.monotonic_ns(), np.ascontiguousarray(image[:, :, ::-1])

    def close(self) -> None:
        self._capture.release()


def _open(path: str) -> Any:
    if path.startswith("/dev/"):
        return cv2.VideoCapture(path, cv2.CAP_V4L2)
    return cv2.VideoCapture(path)
