"""On-policy rounds in a real training: it plays in the simulator, is killed at that, goes on, and learns from it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from studio.jobs.queue import resume_run, start_run, wait_for
from studio.jobs.run import process_started
from tests.patience import PATIENCE_S
from tests.workers.test_run_train import SHORT, play, spec, wait_until

__all__ = ["play"]  # the fixture
ROUNDS = [
    *SHORT,
    "rounds.count=1",
    "rounds.random_episodes=1",
    "rounds.planar=0",
    "rounds.full=2",
    "rounds.episode_s=2.0",
    'rounds.planner_settings=["samples=16", "stages=3"]',
    "rounds.single.steps=6",
    "rounds.dynamics.steps=12",
    "rounds.value.steps=8",
]


@pytest.mark.slow
def test_a_round_plays_is_killed_goes_on_and_is_learned_from(play: Path, tmp_path: Path) -> None:
    run = start_run(tmp_path / "run", "train", spec(play, tmp_path / "bundle", ROUNDS))
    wait_until(run, lambda status: status.stage.startswith("playing"))
    killed = run.status().pid
    os.kill(killed, signal.SIGKILL)
    end_s = time.monotonic() + PATIENCE_S
    while process_started(killed) and time.monotonic() < end_s:
        time.sleep(0.02)
    assert run.status().state == "lost"
    assert wait_for(resume_run(run), timeout_s=PATIENCE_S).state == "done", run.log_tail()
    assert run.result()["phase_steps"] == {
        "skills": 40,
        "single skills": 8,
        "chains": 15,
        "flow": 20,
        "value": 10,
        "round 1 single skills": 6,
        "round 1 dynamics": 12,
        "round 1 value": 8,
    }
    played = tmp_path / "run" / "rounds" / "1"
    for name, goals in (("random", 1), ("full", 2)):
        assert json.loads((played / name / "result.json").read_text())["episodes"] == goals
    kept = np.load(played / "full" / "skills" / "0.npz", allow_pickle=False)
    assert len(kept["states"]) > 150 and len(kept["starts"]) >= 15 and np.isfinite(kept["skills"]).all()
    before = (played / "bundle" / "dynamics.safetensors").read_bytes()
    assert before != (tmp_path / "bundle" / "dynamics.safetensors").read_bytes()
    same = "policy.safetensors"
    assert (played / "bundle" / same).read_bytes() == (tmp_path / "bundle" / same).read_bytes()


def test_data_without_a_world_refuses_rounds() -> None:
    from studio.core.config import apply_settings
    from studio.core.errors import ConfigError
    from studio.methods.haptic_play.method import HapticPlay
    from tests.learning.toy import vector_windows
    from tests.methods.test_haptic_play import TINY

    with pytest.raises(ConfigError, match=r"rounds\.count is 2, but this data has no simulated world"):
        HapticPlay(apply_settings(TINY, ["rounds.count=2"]), vector_windows(window=10), None, seed=0)
