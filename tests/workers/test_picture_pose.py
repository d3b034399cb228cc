"""The object in picture files: rendered pictures saved as PNG and JPEG, and files that are no such picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.core.clock import SteppedClock
from studio.core.errors import DataError
from studio.core.geometry import quaternion_to_matrix
from studio.ipc.messages import Message
from studio.robot.description import load_robot
from studio.sim.camera import SimulatedCamera
from studio.workers.picture_pose import PictureReader
from studio.workers.tag_pose import make_tag_tracker
from tests.workers.test_recorder import Session

ROBOT = load_robot()
PLACE_M, TURN = np.array([0.03, -0.05, 0.05]), np.array([0.0, 0.0, np.sin(0.3), np.cos(0.3)])


@pytest.fixture(scope="module")
def camera() -> Iterator[SimulatedCamera]:
    made = SimulatedCamera(ROBOT, SteppedClock())
    yield made
    made.close()


@pytest.fixture
def reader(camera: SimulatedCamera) -> PictureReader:
    place = camera.scene.camera
    return PictureReader(
        lambda: make_tag_tracker(camera), width_px=place.width_px, height_px=place.height_px, camera="top"
    )


def save(camera: SimulatedCamera, path: Path, place_m: np.ndarray = PLACE_M) -> Path:
    camera.pose(ROBOT.home_rad, place_m, TURN)
    assert cv2.imwrite(str(path), cv2.cvtColor(camera.grab()[1], cv2.COLOR_RGB2BGR))
    return path


@pytest.mark.parametrize("name", ["box.png", "box.jpg"])
def test_the_box_is_found_in_a_picture_file(
    camera: SimulatedCamera, reader: PictureReader, tmp_path: Path, name: str
) -> None:
    found = reader.find(save(camera, tmp_path / name))
    assert np.linalg.norm(found.position_m - PLACE_M) < 0.003
    turned = quaternion_to_matrix(found.orientation_xyzw).T @ quaternion_to_matrix(TURN)
    assert np.degrees(np.arccos(np.clip((np.trace(turned) - 1) / 2, -1, 1))) < 3.0


def test_files_that_cannot_be_used_are_refused_in_words(
    camera: SimulatedCamera, reader: PictureReader, tmp_path: Path
) -> None:
    good = save(camera, tmp_path / "good.png")
    text, cut, small = tmp_path / "notes.png", tmp_path / "cut.png", tmp_path / "small.png"
    text.write_text("no picture")
    cut.write_bytes(good.read_bytes()[:60])
    cv2.imwrite(str(small), np.zeros((100, 120, 3), dtype=np.uint8))
    cases = {
        tmp_path / "missing.png": "cannot be read",
        tmp_path: "cannot be read",
        text: "is no PNG or JPEG picture",
        cut: "is damaged",
        small: "is 120 × 100 px; camera top takes",
        save(camera, tmp_path / "empty.png", np.array([3.0, 0.0, 0.05])): "no tag of the box is seen",
    }
    for path, words in cases.items():
        with pytest.raises(DataError, match=words):
            reader.find(path)
        answer = reader.answer({"path": str(path)})
        assert answer.name == "picture_refused" and words in answer.values["text"]


def test_the_camera_worker_answers(camera: SimulatedCamera, tmp_path: Path) -> None:
    picture, session = save(camera, tmp_path / "box.png"), Session(tmp_path)
    try:
        session.supervisor.start("camera", "studio.workers.camera", {"rate_hz": 10.0})
        session.wait_for("ready")
        session.supervisor.send("camera", Message(name="read_picture", values={"path": str(picture)}))
        values = session.wait_for("picture_pose").values
        assert np.linalg.norm(np.array(values["position_m"]) - PLACE_M) < 0.003 and values["tags"] >= 1
        session.supervisor.send("camera", Message(name="read_picture", values={"path": str(tmp_path / "no.png")}))
        assert "cannot be read" in session.wait_for("picture_refused").values["text"]
        session.supervisor.stop("camera")
        session.wait_for("ended")
    finally:
        session.close()
