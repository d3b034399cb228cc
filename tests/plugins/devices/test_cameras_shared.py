"""A camera that the session has open: the page takes it and gives it back. Real processes; a film stands in for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from plugins.devices.cameras import CamerasModel
from studio.app.api import StudioApi
from studio.app.project import open_project
from studio.app.session import WORKERS, Session
from studio.app.settings import Settings
from studio.core.paths import resources_dir
from studio.core.task import load_task
from studio.robot.description import load_robot
from tests.film_robot import FILM_WIRING
from tests.patience import wait_for_it

PLACES = tuple(place for place in WORKERS if place.name in ("camera", "calibrate", "recorder"))


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder, film = tmp_path / "robot", tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (320, 240))
    for _ in range(600):
        writer.write(np.full((240, 320, 3), 90, dtype=np.uint8))
    writer.release()
    shutil.copytree(resources_dir() / "robots" / "dual_arm_ak60", folder)
    with (folder / "robot.toml").open("a") as file:
        file.write(FILM_WIRING.format(film=film))
    project = open_project(tmp_path / "project")
    made = Session(load_robot(str(folder)), load_task("move_box"), project, places=PLACES)
    yield made
    made.close()


def test_the_page_takes_the_sessions_camera_and_gives_it_back(session: Session) -> None:
    studio = StudioApi(session, session.project, Settings(None))
    model = CamerasModel(studio)

    def turn() -> None:
        session.beat()
        session.poll()

    def wait(happened: object, what: str) -> None:
        assert callable(happened)
        wait_for_it(happened, what, turn=turn)

    session.start()
    wait(lambda: "camera" in session._ready, "the session's camera")  # pyright: ignore[reportPrivateUsage]
    assert "it gets it back at the end" in model.sentence
    session.state.recording.on = True
    model.start()
    assert not model.running and "Stop the recording" in session.notices.items[0].text
    session.state.recording.on = False
    model.start()
    assert model.running and "lets go" in model.progress.reason
    wait(lambda: not session.alive("camera") and session.alive("calibrate"), "the bench has it")
    wait(lambda: "lets go" not in model.progress.reason and model.progress.pictures_needed > 0, "it looks")
    assert not any("The camera ended" in notice.text for notice in session.notices.items)
    assert not any("without pictures" in notice.text for notice in session.notices.items)
    studio.recording.start()
    wait(lambda: session.state.recording.on, "the take begins all the same")
    assert any("without pictures" in notice.text for notice in session.notices.items)
    studio.recording.stop()
    wait(lambda: not session.state.recording.on, "the take is closed")
    model.stop()
    wait(lambda: session.alive("camera") and not model.running, "the session has it again")
    model.start()
    model.hidden()  # before the session's camera has ended
    wait(lambda: session.alive("camera") and not model.borrowed, "it comes back all the same")
    studio.close()
