"""A camera's file: what is written is read again; what is damaged or missing is said."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from studio.core.calibration import load_calibrations
from studio.core.camera_calibration import (
    CameraCalibration,
    CameraPlacement,
    Intrinsics,
    load_camera,
    require_placement,
    save_camera,
)
from studio.core.errors import ConfigError, DataError


def make_camera(camera: str = "top", placed: bool = True) -> CameraCalibration:
    """A camera straight above the table."""
    intrinsics = Intrinsics(
        date="2026-11-21T10:00:00+00:00", width_px=320, height_px=240,
        matrix=np.array([[258.0, 0.0, 160.0], [0.0, 258.0, 119.0], [0.0, 0.0, 1.0]]),
        distortion=np.array([0.01, -0.02, 0.0, 0.001, 0.0]), error_px=0.2, deviation_px=(1.0, 1.1, 1.2, 1.3),
        pictures=34, coverage=0.73, tilt_rad=1.2, board={"columns": 5, "dictionary": "4X4_50"},
    )  # fmt: skip
    down = np.array([[0.0, -1.0, 0.0, 0.02], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.8], [0.0, 0.0, 0.0, 1.0]])
    placement = CameraPlacement(
        date="2026-11-21T10:05:00+00:00", transform_world_camera=down, error_px=0.3, corners=24,
        boards=np.array([[0.1, 0.2, 0.0, -1.4], [0.1, -0.2, 0.0, -1.5]]),
    )  # fmt: skip
    return CameraCalibration(
        camera=camera, device="twin", intrinsics=intrinsics, placement=placement if placed else None
    )


@pytest.mark.parametrize("placed", [True, False])
def test_what_is_kept_is_read_again(tmp_path: Path, placed: bool) -> None:
    made = make_camera(placed=placed)
    path = save_camera(tmp_path / "cameras", made)
    assert load_camera(path).to_json() == made.to_json()
    assert path == tmp_path / "cameras" / "top.toml" and not list(path.parent.glob("*.new"))
    assert load_calibrations(tmp_path).motors == {}  # motors beside it are read without the cameras


def test_damage_is_said(tmp_path: Path) -> None:
    path = save_camera(tmp_path, make_camera())
    text = path.read_text()
    for wrong in (
        text.replace("error_px", "error"),
        text.replace("format_version = 1", "format_version = 7"),
        text.replace("[[258.0, 0.0, 160.0], ", "["),
        text.replace("0.8]", "nan]"),
        text.replace("-1.0, 0.0, 0.02]", "-1.1, 0.0, 0.02]"),
    ):
        assert wrong != text
        path.write_text(wrong)
        with pytest.raises(DataError, match=r"is damaged|has format 7"):
            load_camera(path)
    with pytest.raises(DataError, match="cannot be a file's name"):
        save_camera(tmp_path, dataclasses.replace(make_camera(), camera="../top"))


def test_a_pose_without_a_place_is_refused() -> None:
    made = make_camera()
    assert require_placement(made, "top") == (made.intrinsics, made.placement)
    with pytest.raises(ConfigError, match="T_world_camera of camera 'top' is not known"):
        require_placement(make_camera(placed=False), "top")
    with pytest.raises(ConfigError, match="'side' is not calibrated"):
        require_placement(None, "side")
    hint = "camera calibrate --camera side --source /dev/video2 --robot ./my_robot`"
    with pytest.raises(ConfigError, match=re.escape(hint)):
        require_placement(None, "side", robot="./my_robot", device="/dev/video2")
