"""`camera`: the twin renders our own board, and what is found is what its renderer was given, within stated bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from studio.cli.main import main
from studio.core.camera_calibration import load_camera
from studio.perception.board import PRESETS
from studio.workers.camera_source import TwinSource

# Bounds of the twin, 320 x 240 px without smoothing; `camera calibrate` prints the same numbers.
BOUNDS = {"focal_share": 0.02, "centre_px": 6.0, "place_m": 0.015, "turn_rad": 0.03, "table_m": 0.006}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as a person with a camera would have them: held, and laid twice."""
    folder = tmp_path_factory.mktemp("pictures")
    source = TwinSource(PRESETS["a3"], seed=3, count=36)
    (folder / "held").mkdir()
    (folder / "laid").mkdir()
    try:
        for name, image in source.pictures():
            cv2.imwrite(str(folder / "held" / f"{name.replace(' ', '')}.png"), image[:, :, ::-1])
        for number, place in enumerate(source.places()[1:3]):
            cv2.imwrite(str(folder / "laid" / f"{number}.png"), source.laid(place)[1][:, :, ::-1])
    finally:
        source.close()
    return folder


def places() -> list[str]:
    source = TwinSource(PRESETS["a3"])
    try:
        return [str(v) for place in source.places()[1:3] for v in (place.x_m, place.y_m, place.yaw_rad)]
    finally:
        source.close()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["camera", *words, "--json", "-"])
    return code, json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["camera", *words])
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ") and "\n" not in said
    return code, said


def test_the_twin_is_found_as_it_was_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = run(capsys, "calibrate", "--out", str(tmp_path), "--seed", "1")
    assert code == 0 and set(result["truth"]) == set(BOUNDS)
    assert all(result["truth"][name] < bound for name, bound in BOUNDS.items()), result["truth"]
    assert result["intrinsics"]["error_px"] < 0.5 and result["placement"]["error_px"] < 0.8
    kept = load_camera(tmp_path / "top.toml")
    assert kept.placement is not None and kept.device == "twin"
    assert np.allclose(kept.intrinsics.matrix, result["intrinsics"]["matrix"])
    code, shown = run(capsys, "show", "--out", str(tmp_path))
    assert code == 0 and shown["placement"] == result["placement"]


def test_pictures_from_folders_give_both_halves(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held, laid, out = str(pictures / "held"), str(pictures / "laid"), str(tmp_path)
    words = ("calibrate", "--source", held, "--out", out)
    code, result = run(capsys, *words)
    assert code == 0 and "placement" not in result and result["truth"] == {}
    code, result = run(capsys, "place", "--source", laid, "--out", out, "--height-m", "0.001", "--at", *places())
    x, y, z = (row[3] for row in result["placement"]["transform_world_camera"][:3])
    assert code == 0 and np.hypot(x - 0.02, y) < 0.03 and abs(z - 0.8) < 0.02
    code, again = run(capsys, *words, "--laid", laid, "--height-m", "0.001", "--at", *places())
    assert code == 0 and again["placement"]["corners"] == result["placement"]["corners"]
    assert load_camera(tmp_path / "top.toml").device == result["device"] == held, (
        "of the intrinsics, not of the laid board"
    )


def test_bad_input_is_one_line(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held, out = str(pictures / "held"), str(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cat.png").write_bytes(b"\x89PNG\r\n")
    for words, code, named in (
        (("calibrate", "--source", str(tmp_path / "empty")), 3, "has no pictures"),
        (("calibrate", "--source", str(tmp_path / "broken")), 3, "is no picture"),
        (("calibrate", "--source", "/dev/video99"), 4, "does not exist"),
        (("calibrate", "--source", str(tmp_path / "none.png")), 3, "does not exist"),
        (("calibrate", "--source", held, "--preset", "a4"), 3, "good pictures, 10 are needed"),
        (("calibrate", "--source", held, "--set", "error_px=0.05"), 3, "px off, at most 0.05"),
        (("calibrate", "--source", held, "--set", "pictures=900"), 2, "pictures is 900"),
        (("calibrate", "--source", held, "--at", "0", "0", "0"), 2, "--laid and --at go together"),
        (("place", "--source", "/dev/video7"), 3, "Run `main.py camera calibrate --camera top --source /dev/video7"),
        (("place", "--at", "0", "0"), 2, "--at has 2 numbers"),
        (("show",), 3, "does not exist (the twin's; a real camera's is found with --source)"),
        (
            ("place", "--source", held, "--camera", "side"),
            3,
            f"--camera side --source FOLDER_OR_DEVICE --robot dual_arm_ak60 --out {out}` first",
        ),
        (("turn",), 2, "'turn' is no action"),
    ):
        assert (found := refused(capsys, *words, *(() if words == ("turn",) else ("--out", out))))[0] == code, found
        assert named in found[1], found
    code, said = refused(capsys, "board", "--out", str(tmp_path / "board.txt"))
    assert code == 2 and ".pdf or .png" in said
