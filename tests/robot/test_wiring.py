"""Which motors are on which bus, as the robot's file says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.clock import WallClock
from studio.core.errors import ConfigError, DeviceError
from studio.core.paths import resources_dir
from studio.robot.description import Robot, load_robot
from studio.robot.wiring import BusWiring
from studio.workers.rig import make_wired

PAIRS = ("L", "R")


def make_robot(folder: Path, buses: str) -> Robot:
    source = resources_dir() / "robots" / "dual_arm_ak60"
    folder.mkdir()
    text = (source / "robot.toml").read_text(encoding="utf-8")
    (folder / "robot.toml").write_text(text + buses, encoding="utf-8")
    (folder / "dual_arm.urdf").symlink_to(source / "dual_arm.urdf")
    return load_robot(str(folder))


def test_rows_and_ids_of_a_bus() -> None:
    bus = BusWiring(interface="slcan", channel="x", arms=("R leader", "L follower"))
    assert bus.motors(PAIRS, 4) == [4, 5, 6, 7, 8, 9, 10, 11] and bus.ids(4) == tuple(range(1, 9))
    own = BusWiring(interface="slcan", channel="x", arms=("L leader",), drive_ids=(11, 12, 13, 14))
    assert own.ids(4) == (11, 12, 13, 14) and own.name == "slcan:x"


@pytest.mark.parametrize("arm", ["M leader", "L", "leader L", "L middle"])
def test_arms_that_do_not_exist_are_refused(arm: str) -> None:
    with pytest.raises(ConfigError, match=r"no arm.*L leader, L follower, R leader"):
        BusWiring(interface="slcan", channel="x", arms=(arm,)).motors(PAIRS, 4)


def test_a_wrong_number_of_ids_is_refused() -> None:
    with pytest.raises(ConfigError, match="3 drive ids for 4 motors"):
        BusWiring(interface="slcan", channel="x", arms=("L leader",), drive_ids=(1, 2, 3)).ids(4)


def test_the_robots_file_names_buses(tmp_path: Path) -> None:
    assert load_robot().buses == ()
    text = '\n[[buses]]\ninterface = "slcan"\nchannel = "/dev/x"\narms = ["L leader"]\noptions = { a = 1 }\n'
    robot = make_robot(tmp_path / "mine", text)
    assert robot.buses[0] == BusWiring(interface="slcan", channel="/dev/x", arms=("L leader",), options={"a": 1})
    with pytest.raises(ConfigError, match="unknown key 'speed'"):
        make_robot(tmp_path / "wrong", "\n[[buses]]\nspeed = 3\n")


class NoSink:
    def write(self, stream: str, record: object) -> None: ...


def test_a_bus_that_is_too_full_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    text = '\n[[buses]]\ninterface = "slcan"\nchannel = "/dev/none"\narms = ["L leader", "R leader"]\n'
    with pytest.raises(ConfigError, match="8 motors at 400 Hz load it 86 %"):
        make_wired(make_robot(tmp_path / "full", text), NoSink(), WallClock())


def test_an_absent_adapter_is_named(tmp_path: Path) -> None:
    text = '\n[[buses]]\ninterface = "slcan"\nchannel = "/dev/none"\narms = ["L leader"]\n'
    with pytest.raises(DeviceError, match="slcan:/dev/none cannot be opened"):
        make_wired(make_robot(tmp_path / "absent", text), NoSink(), WallClock())
