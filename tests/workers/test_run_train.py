"""A training as a job: to its end, killed and resumed, stopped, and refused; and the command around it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from studio.cli import train as command
from studio.core.errors import DataError
from studio.data.dataset import Dataset
from studio.jobs.queue import resume_run, start_run, wait_for
from studio.jobs.run import Run
from studio.learning.skill_model import load_skill_model
from studio.workers.run_train import check_place
from tests.data.recordings import play_records, write_episode
from tests.learning.toy import pushed_box
from tests.patience import PATIENCE_S

TINY = [
    "execution_windows=2",
    "patience=0",
    "threads=1",
    "window_ticks=10",
    "policy_hidden=[32]",
    "posterior_hidden=[32]",
    "dynamics_hidden=[32]",
    "prior_hidden=[32]",
    "flow_hidden=32",
    "flow_context_hidden=[16]",
    "chain_skills=3",
    "value_hidden=[16]",
    "checkpoint_every_s=0.2",
    "held_out_every_s=1.0",
    "value.steps=0",
]
SHORT = [
    *TINY,
    "stage_1.steps=40",
    "single.steps=8",
    "chains.steps=15",
    "stage_2.steps=20",
    "value.steps=10",
]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two takes of 12 s of toy play at 400 Hz."""
    path = tmp_path_factory.mktemp("play") / "toy"
    dataset = Dataset.create(path)
    session = dataset.new_session()
    for seed in range(2):
        states, actions = pushed_box(seed, 4800, rate_hz=400.0)
        control, pose = play_records(4800)
        control["follower_position_rad"], control["follower_velocity_rad_s"] = states[:, :8], states[:, 8:16]
        control["leader_position_rad"] = states[:, :8] + actions[:, :8]
        control["leader_velocity_rad_s"] = actions[:, 8:]
        pose["position_m"] = states[:, 16:19]
        yaw = np.arctan2(states[:, 22], states[:, 19])
        pose["orientation_xyzw"] = np.stack([0 * yaw, 0 * yaw, np.sin(yaw / 2), np.cos(yaw / 2)], axis=1)
        write_episode(dataset, session, control, pose)
    return path


def spec(play: Path, bundle: Path, settings: list[str]) -> dict[str, object]:
    return {
        "method": "haptic_play",
        "dataset": str(play),
        "bundle": str(bundle),
        "preset": "small",
        "set": settings,
        "seed": 1,
    }


def wait_until(run: Run, ready: object, timeout_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not ready(run.status()):  # type: ignore[operator]
        assert run.status().active, run.status()
        assert time.monotonic() < end_s, run.status()
        time.sleep(0.02)


def test_command_trains_and_writes_its_json(play: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, result_path = tmp_path / "bundle", tmp_path / "result.json"
    words = ["haptic_play", str(play), "--out", str(out), "--json", str(result_path)]
    for setting in SHORT:
        words += ["--set", setting]
    assert command.run(words) == 0
    result = json.loads(result_path.read_text())
    assert result["method"] == "haptic_play" and result["steps"] == 93 and result["bundle"] == str(out)
    assert result["phase_steps"] == {"skills": 40, "single skills": 8, "chains": 15, "flow": 20, "value": 10}
    for name in (
        "action",
        "goal",
        "kl",
        "nll_gaussian",
        "nll_flow",
        "one_skill_object_position_mm",
        "policy_command_tip_mm",
    ):
        assert np.isfinite(result["held_out"][name]), name
    info = json.loads((out / "bundle.json").read_text())
    assert (
        info["prior"]
        == result["prior"]
        == ("flow" if result["held_out"]["nll_flow"] < result["held_out"]["nll_gaussian"] else "gaussian")
    )
    assert info["streams"] == ["control", "object_pose.world"] and info["robot"] == "dual_arm_ak60"
    assert info["lineage"]["held_out_episodes"] and info["fields"][0]["unit"] == "rad"
    assert load_skill_model(out).window == 10
    rows = Run(out.with_name("bundle.run")).metrics()
    assert {row["stage"] for row in rows if "held_out/loss" in row or "held_out/nll_flow" in row} == {"skills", "flow"}
    assert result["prior_reason"] in capsys.readouterr().out


def test_killed_training_is_said_and_resumed(play: Path, tmp_path: Path) -> None:
    settings = [
        *TINY,
        "stage_1.steps=100000",
        "stage_1.seconds=6",
        "single.steps=5",
        "chains.steps=5",
        "stage_2.steps=5",
        "value.steps=5",
    ]
    run = start_run(tmp_path / "run", "train", spec(play, tmp_path / "bundle", settings))
    wait_until(run, lambda status: status.checkpoint_step > 20)
    os.kill(run.status().pid, signal.SIGKILL)
    end_s = time.monotonic() + PATIENCE_S
    while run.status().active and time.monotonic() < end_s:
        time.sleep(0.02)
    status = run.status()
    assert status.state == "lost" and "Resume" in status.message and status.checkpoint_step > 20
    assert not (tmp_path / "bundle").exists()
    kept = status.checkpoint_step
    resumed = resume_run(run)
    assert wait_for(resumed, timeout_s=PATIENCE_S).state == "done", resumed.log_tail()
    steps = [row["step"] for row in Run(run.path).metrics()]
    assert min(step for step in steps[-4:]) >= kept  # it went on, not anew
    assert load_skill_model(tmp_path / "bundle").rate_hz == 100.0


def test_stopped_training_keeps_what_is_done(play: Path, tmp_path: Path) -> None:
    settings = [*TINY, "stage_1.steps=100000", "stage_1.seconds=60"]
    run = start_run(tmp_path / "run", "train", spec(play, tmp_path / "bundle", settings))
    wait_until(run, lambda status: status.step > 20)
    run.pause()
    wait_until(run, lambda status: status.state == "paused")
    assert run.status().message == "Paused"
    run.go_on()
    wait_until(run, lambda status: status.state == "running")
    run.cancel()
    status = wait_for(run, timeout_s=PATIENCE_S)
    assert status.state == "cancelled" and "bundle" in status.message
    result = run.result()
    assert result["stopped"] and result["prior"] == "gaussian" and "not trained" in result["prior_reason"]
    assert load_skill_model(tmp_path / "bundle").prior == "gaussian"


def test_wrong_input_is_a_sentence(play: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        command.run(["haptic_play", str(tmp_path / "nothing"), "--out", str(tmp_path / "b")])
    with pytest.raises(DataError, match="no run to resume"):
        command.run(["haptic_play", str(play), "--out", str(tmp_path / "b"), "--resume"])
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("long")
    with pytest.raises(DataError, match="is not a bundle; it is left alone"):
        command.run(["haptic_play", str(play), "--out", str(tmp_path / "thesis")])
    with pytest.raises(DataError, match="cannot be written"):
        check_place(Path("/proc/nowhere/bundle"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"[Dd]ataset|episode"):
        command.run(["haptic_play", str(tmp_path / "empty"), "--out", str(tmp_path / "b")])
