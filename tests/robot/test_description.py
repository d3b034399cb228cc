from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.core.config import load_toml
from studio.core.errors import ConfigError
from studio.robot.description import load_robot, make_robot


def test_the_shipped_robot() -> None:
    robot = load_robot()
    assert robot.joint_names == ("L1", "L2", "L3", "L4", "R1", "R2", "R3", "R4")
    assert (robot.pairs, robot.joints_per_arm, robot.joints) == (2, 4, 8)
    assert robot.stiffness_nm_rad.tolist() == [60, 60, 60, 25] * 2
    assert ((robot.position_lower_rad < robot.home_rad) & (robot.home_rad < robot.position_upper_rad)).all()
    assert robot.rms_torque_limit_nm is None and robot.dead_man_latched
    assert robot.timeouts.motor_dead_ticks == 5
    assert robot.urdf_path.is_file()


def test_arrays_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        load_robot().home_rad[0] = 1.0


def test_an_unknown_robot_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="dual_arm_ak60"):
        load_robot("no_such_robot")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 9}, "format_version is 9"),
        ({"torque_limit_nm": -1.0}, "allowed 0.1 to 200"),
        ({"position_lower_rad": [3.0, 3.0, 3.0, 3.0]}, "below its position_upper_rad"),
        ({"position_lower_rad": [0.0]}, "4 joints"),
        ({"arm_bases_m": [[0.0, 0.0, 0.0]]}, "arm_bases_m"),
        ({"timeouts": {"motor_late_tics": 2}}, "unknown key"),
    ],
)
def test_bad_files_are_refused(change: dict[str, object], message: str) -> None:
    folder = load_robot().urdf_path.parent
    data = load_toml(folder / "robot.toml") | change
    with pytest.raises(ConfigError, match=message):
        make_robot(data, folder)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    data = load_toml(load_robot().urdf_path.parent / "robot.toml")
    del data["coupling"]
    with pytest.raises(ConfigError, match="'coupling' is missing"):
        make_robot(data, tmp_path)


def test_home_is_symmetric() -> None:
    home = load_robot().home_rad
    assert np.allclose(home[[1, 2, 3]], home[[5, 6, 7]]) and home[0] == pytest.approx(-home[4])
