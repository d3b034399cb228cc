"""The camera of a robot with buses: pictures from a device, and no pose from tags before its place is known."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.core.camera_calibration import CameraCalibration, CameraPlacement, Intrinsics, cameras_dir, save_camera
from studio.core.clock import SteppedClock
from studio.core.errors import ConfigError
from studio.core.paths import resources_dir
from studio.ipc.messages import Message
from studio.robot.description import load_robot
from studio.sim.camera import SimulatedCamera
from studio.workers.deployment import require_sight
from tests.film_robot import FILM_WIRING
from tests.process.station import Station

PLACE_M = np.array([0.06, -0.05, 0.05])


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedCamera]:
    made = SimulatedCamera(load_robot(), SteppedClock())
    yield made
    made.close()


@pytest.fixture
def robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulated: SimulatedCamera) -> Path:
    """A robot on buses whose camera is a film of the rendered scene; calibrations are kept in the test's folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder, film = tmp_path / "robot", tmp_path / "film.avi"
    simulated.pose(load_robot().home_rad, PLACE_M, np.array([0.0, 0.0, 0.0, 1.0]))
    picture = simulated.grab()[1]
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (picture.shape[1], picture.shape[0]))
    for _ in range(900):
        writer.write(np.ascontiguousarray(picture[:, :, ::-1]))
    writer.release()
    shutil.copytree(resources_dir() / "robots" / "dual_arm_ak60", folder)
    with (folder / "robot.toml").open("a") as file:
        file.write(FILM_WIRING.format(film=film))
    return folder


def calibration(simulated: SimulatedCamera, *, placed: bool = True, width_px: int = 320) -> CameraCalibration:
    """What the renderer was given."""
    intrinsics = Intrinsics(
        date="2026-11-21T10:00:00+00:00", width_px=width_px, height_px=240, matrix=simulated.intrinsics(),
        distortion=np.zeros(5), error_px=0.2, deviation_px=(1.0, 1.0, 1.0, 1.0), pictures=30, coverage=0.7,
        tilt_rad=1.0,
    )  # fmt: skip
    placement = CameraPlacement(
        date=intrinsics.date, transform_world_camera=simulated.transform_world_camera(), error_px=0.3, corners=24,
        boards=np.zeros((1, 4)),
    )  # fmt: skip
    return CameraCalibration(
        camera="top", device="film", intrinsics=intrinsics, placement=placement if placed else None
    )


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    made = Station(tmp_path / "session")
    yield made
    made.close()


def test_tags_are_refused_until_the_cameras_place_is_known(
    robot: Path, station: Station, simulated: SimulatedCamera
) -> None:
    folder = cameras_dir(load_robot(str(robot)).name)
    station.supervisor.start("camera", "studio.workers.camera", {"robot": str(robot)})
    station.wait(lambda: station.said("camera", "tags_refused"), "tags are refused at the start")
    assert "is not calibrated" in station.texts("camera")
    station.wait(lambda: any(s["frames"] > 0 for s in station.said("camera", "state")), "pictures come all the same")
    for wrong, reason in (
        (calibration(simulated, placed=False), "T_world_camera of camera 'top' is not known"),
        (calibration(simulated, width_px=640), "was calibrated at 640 x 240 px and now gives 320 x 240"),
    ):
        save_camera(folder, wrong)
        station.supervisor.send("camera", Message(name="tags", values={"on": True}))
        station.wait(lambda reason=reason: reason in station.texts("camera"), f"refused: {reason}")
    assert not station.session.ring_path("object_pose.tags").exists()
    save_camera(folder, calibration(simulated))
    station.supervisor.send("camera", Message(name="tags", values={"on": True}))
    path = station.session.ring_path("object_pose.tags")
    station.wait(path.exists, "the ring of poses")
    poses = station.follow("object_pose.tags")
    station.wait(lambda: poses.latest() is not None, "a pose")
    found = poses.latest()
    assert found is not None and np.linalg.norm(found["position_m"] - PLACE_M) < 0.004


def test_a_goal_on_real_arms_is_refused_without_the_cameras_place(robot: Path, simulated: SimulatedCamera) -> None:
    described = load_robot(str(robot))
    with pytest.raises(ConfigError, match="'top' is not calibrated"):
        require_sight(described)
    save_camera(cameras_dir(described.name), calibration(simulated, placed=False))
    with pytest.raises(ConfigError, match=r"must not move real arms.*camera place"):
        require_sight(described)
    save_camera(cameras_dir(described.name), calibration(simulated))
    require_sight(described)
    require_sight(load_robot())  # the simulated arms know their world
