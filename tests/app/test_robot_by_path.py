"""A robot of one's own, given as a folder, reaches every worker of the session."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from studio.app.project import open_project
from studio.app.session import WORKERS, Session
from studio.core.errors import DataError
from studio.core.paths import resources_dir
from studio.core.task import load_task
from studio.robot.description import load_robot
from studio.workers.calibration import describe_calibration
from studio.workers.deployment import load_deployment
from tests.patience import wait_for_it
from tests.planning.random_model import save_random_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped robot with another rate and a bus, under its own name as a task needs it."""
    source, made = resources_dir() / "robots" / "dual_arm_ak60", tmp_path / "my robot"
    made.mkdir()
    text = (source / "robot.toml").read_text(encoding="utf-8")
    text = re.sub(r"^loop_rate_hz = .*$", "loop_rate_hz = 123.0", text, flags=re.M)
    (made / "robot.toml").write_text(text, encoding="utf-8")
    for name in ("dual_arm.urdf", "meshes"):
        (made / name).symlink_to(source / name)
    return made


def test_a_description_says_how_it_is_found_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_robot().reference == "dual_arm_ak60"
    assert load_robot(str(folder)).reference == str(folder)
    monkeypatch.chdir(folder.parent)
    again = load_robot("./my robot").reference
    monkeypatch.chdir("/")
    assert load_robot(again).loop_rate_hz == 123.0


def test_every_worker_that_is_told_of_the_robot_gets_the_folder(folder: Path, tmp_path: Path) -> None:
    told = tuple(place for place in WORKERS if place.name == "control")
    session = Session(load_robot(str(folder)), load_task("move_box"), open_project(tmp_path / "project"), places=told)
    try:
        session.start()
        wait_for_it(lambda: session.wait_ready("control"), "control is ready")
        config = json.loads(session.folder.config_path("control").read_text())
        assert config["robot"] == str(folder)
        heard: list[dict[str, Any]] = []
        session.message.connect(lambda _, message: heard.append(message.values) if "ticks" in message.values else None)
        wait_for_it(lambda: heard, "control says its state", turn=session.poll)
        usual = {place.name: session._usual_config(place) for place in WORKERS if "robot" in place.told}
        assert set(usual) >= {"control", "guard", "camera", "planner", "policy", "operator"}
        assert {config["robot"] for config in usual.values()} == {str(folder)}
        take = session.take_config()
        assert take["robot"] == "dual_arm_ak60" and take["robot_description"] == str(folder)
    finally:
        session.close()


def test_the_recorder_reads_the_calibration_of_the_folder(folder: Path) -> None:
    with (folder / "robot.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[buses]]\ninterface = "slcan"\nchannel = "/dev/x"\narms = ["L leader"]\n')
    text = (folder / "robot.toml").read_text(encoding="utf-8")
    (folder / "robot.toml").write_text(text.replace('model = "AK60-6"', 'model = "AK80-9"'), encoding="utf-8")
    load_robot.cache_clear()
    assert describe_calibration(str(folder))["usual_row"]["model"] == "AK80-9"


def test_planner_and_policy_judge_a_bundle_by_the_robots_name(folder: Path, tmp_path: Path) -> None:
    bundle = save_random_bundle(tmp_path / "bundle")
    values, config = {"bundle": str(bundle)}, {"robot": str(folder), "task": "move_box"}
    assert load_deployment(values, config).path == bundle
    text = (folder / "robot.toml").read_text(encoding="utf-8")
    (folder / "robot.toml").write_text(text.replace('name = "dual_arm_ak60"', 'name = "other"'), encoding="utf-8")
    load_robot.cache_clear()
    with pytest.raises(DataError, match="this one is 'other'"):
        load_deployment(values, config)
