"""What the bench found of a robot's motors is in every recording: bench, file, recorder process, episode."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hw_drivers.commissioning.twin_bench import rehearse
from studio.core.calibration import calibration_dir, load_calibrations
from studio.robot.description import load_robot
from studio.workers.bench import Bench, BenchRequest
from tests.process.arm_twins import make_robot_folder
from tests.workers.test_recorder import Session


def test_a_recording_says_what_was_found_of_each_motor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    wires: Any = [SimpleNamespace(side="leader", link=tmp_path / "a"), SimpleNamespace(side="follower", link="b")]
    robot = load_robot(str(make_robot_folder(tmp_path / "robot", wires)))
    folder = calibration_dir(robot.name)
    request = BenchRequest(joint="follower.L3", drive_id=3, check="gear", folder=str(folder), rehearse="wrong_gear")
    with contextlib.closing(Bench(request)) as bench:
        assert bench.operator is not None
        rehearse(bench.machine, bench.operator)
        bench.save()
    session = Session(tmp_path)
    try:
        session.start_recorder()
        episode = session.dataset.new_episode(session.take)
        config = {"robot": robot.name, "robot_description": robot.reference, "task": "move_box"}
        session.send("start", folder=str(episode), config=config)
        session.wait_for("state")
        session.feed(0.05)
        session.send("stop")
        session.wait_for("episode")
    finally:
        session.close()
    told = json.loads((episode / "episode.json").read_text(encoding="utf-8"))["config"]["calibration"]
    assert told["identity"] == load_calibrations(folder).identity
    motor = told["motors"]["follower.L3"]
    assert set(motor["steps"]) == {"reply", "velocity"} and motor["steps"]["velocity"]["date"] == motor["date"]
    assert "9:1 gear" in motor["findings"]["position"]
