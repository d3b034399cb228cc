"""Evaluation jobs as processes, on the simulated rig, with a bundle of random weights."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from studio.cli import main as command_line
from studio.core.config import make_config
from studio.core.errors import DataError
from studio.core.records import Driver
from studio.core.task import load_task
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from studio.data.windows import load_windows
from studio.evaluation.config import EvaluateConfig
from studio.jobs.queue import start_run, wait_for
from studio.jobs.run import Run
from tests.patience import PATIENCE_S
from tests.planning.random_model import save_random_bundle

NEEDED = {"planner", "goal_class", "realtime", "episodes", "successes", "rate", "wilson95", "per_goal", "plan_ms"}
NEEDED_PER_GOAL = {
    "goal",
    "success",
    "time_s",
    "position_error_m",
    "orientation_error_rad",
    "predicted_error_m",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_bundle(tmp_path_factory.mktemp("bundles") / "random")


def test_the_command_writes_every_field(bundle: Path, tmp_path: Path) -> None:
    out, run = tmp_path / "result.json", tmp_path / "run"
    words = ["evaluate", str(bundle), "--goals", "2", "--limit-s", "1", "--set", "samples=16", "--set", "stages=3"]
    assert command_line.main([*words, "--json", str(out), "--run", str(run)]) == 0
    result = json.loads(out.read_text())
    assert set(result) >= NEEDED
    assert all(set(row) >= NEEDED_PER_GOAL for row in result["per_goal"])
    assert result["episodes"] == 2 and result["complete"]
    assert result["settings"]["samples"] == 16
    assert result["plan_ms"]["p50"] > 0
    raw = json.loads((run / "goals" / "1.json").read_text())
    assert len(raw["trace"]) == 6 and raw["seed"] == 1001  # boundaries every 0.2 s, both ends included


def test_doing_nothing_leaves_the_box_where_it_is(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    words = ["evaluate", str(bundle), "--planner", "none", "--goals", "1", "--limit-s", "1", "--json", str(out)]
    assert command_line.main(words) == 0
    (row,) = json.loads(out.read_text())["per_goal"]
    assert not row["success"] and row["position_error_m"] == pytest.approx(row["start_distance_m"], abs=0.003)


def test_a_run_keeps_its_episodes_and_goes_on_where_it_was(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, run = tmp_path / "result.json", tmp_path / "run"
    words = ["evaluate", str(bundle), "--planner", "none", "--goals", "3", "--limit-s", "0.4", "--run", str(run)]
    assert command_line.main([*words, "--json", str(out)]) == 0
    dataset = Dataset(run / "episodes")
    found = dataset.episodes()
    assert [episode.id[-1] for episode in found] == ["1", "2", "3"]
    assert all(Journal(episode.path).outcome == "failure" for episode in found)
    assert found[1].config["goal"] and found[1].config["result"]["goal"] == 1
    reader = dataset.open(found[0].id)
    try:
        control, pose = reader.read("control"), reader.read("object_pose.world")
    finally:
        reader.close()
    assert len(control) == len(pose) > 40 and set(control["driver"][-40:].tolist()) == {int(Driver.PLANNER)}
    with pytest.raises(DataError):  # nobody played: there is nothing in it that training could take for play
        load_windows(dataset, load_task("move_box"))
    _cut_short(run, 1)
    before = (run / "goals" / "0.json").stat().st_mtime_ns
    assert command_line.main([*words, "--resume", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["complete"] and (run / "goals" / "1.json").exists()
    assert (run / "goals" / "0.json").stat().st_mtime_ns == before
    assert command_line.main([*words, "--resume", "--seed", "2"]) == 2
    assert "was started with seed=1, not 2" in capsys.readouterr().err


def _cut_short(run: Path, goal: int) -> None:
    """As a run looks whose processes were killed at a goal."""
    (run / "goals" / f"{goal}.json").unlink()
    (run / "result.json").unlink()
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps({**status, "state": "running", "pid": 2**22 + 1}))


def test_what_the_window_asks_for_is_understood(bundle: Path) -> None:
    spec = {"title": "box-play-1: 20 goals", "bundle": str(bundle), "planner": "mppi", "goal_class": "easy",
            "goals": 20, "seed": 1, "keep_episodes": True}  # fmt: skip
    assert make_config(EvaluateConfig, spec, where="evaluate").title == "box-play-1: 20 goals"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["/nowhere/bundle"], 3, "not a bundle"),
        (["BUNDLE", "--planner", "best"], 2, "allowed mppi, cem, rl, scripted, random, none"),
        (["BUNDLE", "--goal-class", "hard"], 2, "allowed easy, planar, full"),
        (["BUNDLE", "--set", "samples=1"], 2, "allowed 2 to 100000"),
        (["BUNDLE", "--set", "sample=1"], 2, "unknown key"),
        (["BUNDLE", "--planner", "rl"], 2, "has no actor"),
        (["BUNDLE", "--pose", "sonar"], 2, "allowed world, tags"),
        (["BUNDLE", "--goals-file", "/nowhere.toml"], 2, "does not exist"),
        (["BUNDLE", "--workers", "many"], 2, "number of processes"),
        (["BUNDLE", "--resume"], 2, "needs --run"),
        (["BUNDLE", "--resume", "--run", "/nowhere/run"], 3, "Run"),
    ],
)
def test_wrong_use_is_one_line(
    bundle: Path, words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(bundle) if word == "BUNDLE" else word for word in words]
    assert command_line.main(["evaluate", *words, "--goals", "1"]) == code
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and said in error


def test_the_camera_may_say_where_the_box_is(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    words = ["evaluate", str(bundle), "--pose", "tags", "--goals", "1", "--limit-s", "0.6", "--set", "samples=16"]
    assert command_line.main([*words, "--json", str(out)]) == 0
    (row,) = json.loads(out.read_text())["per_goal"]
    assert row["skills"] == 3


def test_in_real_time_the_deployed_workers_plan(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    for limit_s in (3.0, 12.0, 48.0):  # of real time: a busy machine does less in it
        began_s = time.monotonic()
        run = tmp_path / f"run-{limit_s:g}"
        words = ["evaluate", str(bundle), "--goals", "1", "--limit-s", str(limit_s), "--realtime", "--run", str(run)]
        assert command_line.main([*words, "--set", "samples=16", "--set", "stages=3", "--json", str(out)]) == 0
        assert time.monotonic() - began_s > limit_s
        result = json.loads(out.read_text())
        if result["per_goal"][0]["skills"] >= 3:
            break
    assert result["realtime"] and result["workers"] == 1
    assert result["plan_ms"]["p50"] > 0 and result["per_goal"][0]["skills"] >= 3
    judged_s = np.array(json.loads((run / "goals" / "0.json").read_text())["trace"])[:, 0]
    np.testing.assert_allclose(np.diff(judged_s), 0.2, atol=1e-6)  # once per skill, however often records are passed on


def test_a_killed_child_loses_only_its_goal_and_cancel_keeps_what_is_done(bundle: Path, tmp_path: Path) -> None:
    spec = {"bundle": str(bundle), "planner": "none", "goals": 40, "limit_s": 2.0, "workers": 1}
    run = start_run(tmp_path / "run", "evaluate", spec)
    _until(lambda: run.status().step >= 1, run)
    os.kill(_child_of(run.status().pid), signal.SIGKILL)
    step = run.status().step
    _until(lambda: run.status().step > step, run)
    run.cancel()
    status = wait_for(run, timeout_s=PATIENCE_S)
    assert status.state == "cancelled"
    result = run.result()
    assert result["episodes"] >= 2 and not result["complete"]
    assert [row["goal"] for row in result["per_goal"]] == list(range(result["episodes"]))


def _child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _until(happened, run: Run, timeout_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end_s and run.status().active, f"{run.status()} {run.log_tail()}"
        time.sleep(0.1)
