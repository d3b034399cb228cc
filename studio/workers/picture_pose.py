"""The object in a picture file of the camera: what the goals screen asks the camera worker.

Message in: `read_picture` {path}. Answers: `picture_pose` {path, position_m [3], orientation_xyzw [4], tags, error_px},
or `picture_refused` {path, text}. The window has no OpenCV and must not wait for a file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.core.errors import DataError, StudioError
from studio.ipc.messages import Message
from studio.perception.tags import TagPose, TagTracker

_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # of PNG and JPEG files
_LARGEST_BYTES = 32_000_000


def load_picture(path: Path, *, width_px: int, height_px: int, camera: str) -> NDArray[np.uint8]:
    """A PNG or JPEG file as RGB [h, w, 3], which must have the size that the camera takes.

    Raises:
        DataError: missing, foreign, damaged, or of another size.
    """
    data = _read_bytes(path)
    if not data.startswith(_STARTS):
        raise DataError(f"{path.name} is no PNG or JPEG picture. Choose a picture that camera {camera} took.")
    found = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if found is None:
        raise DataError(f"{path.name} is damaged: it begins as a picture and cannot be decoded. Copy it again.")
    height, width = found.shape[:2]
    if (width, height) != (width_px, height_px):
        raise DataError(
            f"{path.name} is {width} × {height} px; camera {camera} takes {width_px} × {height_px}. A picture that was "
            "cut or scaled says nothing about places. Choose one as the camera took it."
        )
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            size = path.stat().st_size / 1e6
            raise DataError(f"{path.name} has {size:.0f} MB; a picture has at most {_LARGEST_BYTES / 1e6:.0f} MB.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). Choose another picture.") from error


class PictureReader:
    """Finds the object in picture files of one camera.

    Args:
        make_tracker: called at the first picture.
        width_px, height_px: of the camera's own pictures.
        camera: its name, for people.
    """

    def __init__(self, make_tracker: Callable[[], TagTracker], *, width_px: int, height_px: int, camera: str) -> None:
        self._make_tracker, self._camera = make_tracker, camera
        self._size = (width_px, height_px)
        self._tracker: TagTracker | None = None

    def find(self, path: Path) -> TagPose:
        """The object's pose in the world.

        Raises:
            DataError: see `load_picture`; or no tag of the object is seen.
        """
        image = load_picture(path, width_px=self._size[0], height_px=self._size[1], camera=self._camera)
        self._tracker = self._tracker or self._make_tracker()
        pose = self._tracker.find(image)
        if pose is None:
            raise DataError(
                f"{path.name}: no tag of the box is seen well enough. Choose a picture of camera {self._camera} in "
                "which a face of the box is free."
            )
        return pose

    def answer(self, values: dict[str, Any]) -> Message:
        """The answer to a `read_picture` message."""
        path = Path(str(values.get("path", "")))
        try:
            pose = self.find(path)
        except StudioError as error:
            return Message(name="picture_refused", values={"path": str(path), "text": str(error)})
        return Message(name="picture_pose", values={
            "path": str(path), "position_m": pose.position_m.tolist(),
            "orientation_xyzw": pose.orientation_xyzw.tolist(), "tags": pose.tags, "error_px": round(pose.error_px, 3),
        })  # fmt: skip
