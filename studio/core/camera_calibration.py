"""What a camera's calibration found, kept as one TOML file per camera beside the motors' and carried into recordings.

`calibration/<robot>/cameras/<camera>.toml` has the intrinsics, and once the board lay at a known place the camera's
pose in the world. Without that pose nothing the camera sees may move a real arm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from studio.core.calibration import Number, calibration_dir, calibration_path
from studio.core.config import load_toml
from studio.core.errors import ConfigError, DataError
from studio.core.geometry import FloatArray
from studio.core.whole_file import write_whole

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Intrinsics:
    """A pinhole with OpenCV's distortion, and how well it is known.

    Args:
        date: UTC, ISO 8601.
        width_px, height_px: of the pictures; it holds for no other size.
        matrix: [3, 3] in px, pixel centres at whole numbers.
        distortion: [5]: k1, k2, p1, p2, k3.
        error_px: root mean square distance between found and projected corners.
        deviation_px: standard deviations of fx, fy, cx, cy.
        pictures: that were used.
        coverage: share of the picture's fields in which corners were found.
        tilt_rad: largest angle between two of the board's attitudes.
        board: its numbers.
    """

    date: str
    width_px: int
    height_px: int
    matrix: FloatArray
    distortion: FloatArray
    error_px: float
    deviation_px: tuple[float, float, float, float]
    pictures: int
    coverage: float
    tilt_rad: float
    board: Mapping[str, Number] = field(default_factory=dict[str, Number])

    def to_json(self) -> dict[str, Any]:
        return {
            "date": self.date,
            "width_px": self.width_px,
            "height_px": self.height_px,
            "matrix": self.matrix.tolist(),
            "distortion": self.distortion.tolist(),
            "error_px": self.error_px,
            "deviation_px": list(self.deviation_px),
            "pictures": self.pictures,
            "coverage": self.coverage,
            "tilt_rad": self.tilt_rad,
            "board": dict(self.board),
        }


@dataclass(frozen=True, kw_only=True)
class CameraPlacement:
    """Where a camera is.

    Args:
        date: UTC, ISO 8601.
        transform_world_camera: [4, 4], camera axes as in OpenCV (x right, y down, z into the scene), in m.
        error_px: root mean square distance between found and projected corners.
        corners: how many were seen.
        boards: [n, 4], where the board lay: x, y, z (m) of its upper left corner, yaw (rad).
    """

    date: str
    transform_world_camera: FloatArray
    error_px: float
    corners: int
    boards: FloatArray

    def to_json(self) -> dict[str, Any]:
        return {
            "date": self.date,
            "transform_world_camera": self.transform_world_camera.tolist(),
            "error_px": self.error_px,
            "corners": self.corners,
            "boards": self.boards.tolist(),
        }


@dataclass(frozen=True, kw_only=True)
class CameraCalibration:
    """One camera.

    Args:
        camera: its name; the file's name.
        device: what was opened: a path, or `twin`.
        intrinsics: always there.
        placement: None until the board lay at a known place.
    """

    camera: str
    device: str
    intrinsics: Intrinsics
    placement: CameraPlacement | None = None

    def to_json(self) -> dict[str, Any]:
        """As it goes into the file, a command's JSON and `episode.json`."""
        found: dict[str, Any] = {"camera": self.camera, "device": self.device, "intrinsics": self.intrinsics.to_json()}
        if self.placement is not None:
            found["placement"] = self.placement.to_json()
        return found


def cameras_dir(robot: str) -> Path:
    """Where the cameras of a robot are kept."""
    return calibration_dir(robot) / "cameras"


def save_camera(folder: Path, found: CameraCalibration) -> Path:
    """Write a camera's file whole or not at all; returns it.

    Raises:
        DataError: the folder cannot be written, or the name is no file name.
    """
    return write_whole(calibration_path(folder, found.camera), _to_toml(found))


def _to_toml(found: CameraCalibration) -> str:
    data = found.to_json()
    lines = [f"format_version = {FORMAT_VERSION}"]
    tables: list[str] = []
    for name, value in data.items():
        if isinstance(value, dict):
            tables += ["", *_table(name, cast("dict[str, Any]", value))]
        else:
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines + tables) + "\n"


def _table(name: str, values: dict[str, Any]) -> list[str]:
    plain = [f"{key} = {json.dumps(v, ensure_ascii=False)}" for key, v in values.items() if not isinstance(v, dict)]
    inner = [_table(f"{name}.{key}", cast("dict[str, Any]", v)) for key, v in values.items() if isinstance(v, dict)]
    return [f"[{name}]", *plain, *(line for table in inner for line in table)]


def load_camera(path: Path) -> CameraCalibration:
    """Read a camera's file.

    Raises:
        ConfigError: missing or no TOML.
        DataError: of another format, or with something missing or impossible.
    """
    data = load_toml(path)
    if data.get("format_version") != FORMAT_VERSION:
        raise DataError(f"{path} has format {data.get('format_version')!r}; this studio reads {FORMAT_VERSION}.")
    try:
        return CameraCalibration(
            camera=str(data["camera"]),
            device=str(data["device"]),
            intrinsics=_intrinsics(data["intrinsics"]),
            placement=_placement(data["placement"]) if "placement" in data else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error!r}. Run `main.py camera calibrate` again.") from error


def find_camera(robot: str, camera: str) -> CameraCalibration | None:
    """The calibration of a robot's camera; None when it has none."""
    path = calibration_path(cameras_dir(robot), camera)
    return load_camera(path) if path.is_file() else None


def require_placement(
    found: CameraCalibration | None, camera: str, *, robot: str = "", device: str = ""
) -> tuple[Intrinsics, CameraPlacement]:
    """Both halves of a calibration.

    Args:
        robot, device: the robot as it was named, and its camera's device, for the command that helps.

    Raises:
        ConfigError: the camera was never calibrated, or its place in the world is not known.
    """
    words = f"--camera {camera} --source {device or 'DEVICE'}" + (f" --robot {robot}" if robot else "")
    if found is None:
        raise ConfigError(
            f"Camera {camera!r} is not calibrated, so nobody knows where the box is. "
            f"Run `main.py camera calibrate {words}`, or use Devices, Cameras."
        )
    if found.placement is None:
        raise ConfigError(
            f"T_world_camera of camera {camera!r} is not known, so a pose from its tags must not move real arms. "
            f"Lay the board at a known place and run `main.py camera place {words} --at X Y YAW`."
        )
    return found.intrinsics, found.placement


def _intrinsics(data: dict[str, Any]) -> Intrinsics:
    deviations = [float(value) for value in data["deviation_px"]]
    return Intrinsics(
        date=str(data["date"]),
        width_px=int(data["width_px"]),
        height_px=int(data["height_px"]),
        matrix=_array(data["matrix"], (3, 3)),
        distortion=_array(data["distortion"], (5,)),
        error_px=float(data["error_px"]),
        deviation_px=(deviations[0], deviations[1], deviations[2], deviations[3]),
        pictures=int(data["pictures"]),
        coverage=float(data["coverage"]),
        tilt_rad=float(data["tilt_rad"]),
        board=dict(data.get("board", {})),
    )


def _placement(data: dict[str, Any]) -> CameraPlacement:
    transform = _array(data["transform_world_camera"], (4, 4))
    turn = transform[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-6 or np.linalg.det(turn) < 0:
        raise ValueError("transform_world_camera is no rigid motion")
    return CameraPlacement(
        date=str(data["date"]),
        transform_world_camera=transform,
        error_px=float(data["error_px"]),
        corners=int(data["corners"]),
        boards=_array(data["boards"], (len(data["boards"]), 4)),
    )


def _array(values: Any, shape: tuple[int, ...]) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"an array of shape {shape} with finite numbers is needed")
    return array
