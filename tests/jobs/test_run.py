"""Runs as folders: states, requests, killed workers, broken files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.core.errors import ConfigError, DataError
from studio.jobs import queue
from studio.jobs.run import Run, RunWriter, process_started, write_json
from tests.patience import PATIENCE_S


def make_run(folder: Path) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "job.json", {"kind": "train", "spec": {"method": "m"}, "created_s": time.time()})
    return Run(folder)


def test_writer_and_reader_agree(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    writer = RunWriter(run.path)
    writer.update(state="running", stage="stage 1", step=3, steps=10, time_left_s=(4.0, 6.0))
    for step in range(3):
        writer.metric({"step": step, "t_s": 0.1 * step, "stage": "stage 1", "loss": 1.0 / (step + 1)})
    status = run.status()
    assert (status.state, status.step, status.time_left_s) == ("running", 3, (4.0, 6.0))
    assert [row["step"] for row in run.metrics()] == [0, 1, 2]
    assert run.metrics(since=3) == []
    writer.metric({"step": 3})
    assert [row["step"] for row in run.metrics(since=3)] == [3]
    run.pause()
    assert writer.asked() == "pause"
    run.go_on()
    assert writer.asked() == ""
    writer.close()


def test_line_cut_short_is_skipped_and_not_glued(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    (run.path / "metrics.jsonl").write_text('{"step": 1}\n{"ste')
    assert [row["step"] for row in run.metrics()] == [1]
    writer = RunWriter(run.path)
    writer.metric({"step": 2})
    assert [row["step"] for row in run.metrics()] == [1, 2]
    writer.close()


def test_killed_worker_is_lost_with_a_sentence(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    code = (
        "import sys, time; from pathlib import Path; from studio.jobs.run import RunWriter\n"
        "w = RunWriter(Path(sys.argv[1])); w.update(state='running', step=900, steps=1000, checkpoint_step=800)\n"
        "print('up', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"up\n"
    assert run.status().state == "running"
    os.kill(child.pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while run.status().state == "running" and time.monotonic() < deadline:  # a zombie counts as dead already
        time.sleep(0.01)
    status = run.status()
    child.wait()
    child.stdout.close()
    assert status.state == "lost"
    assert "step 900" in status.message and "step 800" in status.message and "Resume" in status.message


def test_reused_process_id_is_not_mistaken(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    started = process_started(os.getpid())
    write_json(run.path / "status.json", {"state": "running", "pid": os.getpid(), "pid_started": started})
    assert run.status().state == "running"
    write_json(run.path / "status.json", {"state": "running", "pid": os.getpid(), "pid_started": started - 1})
    assert run.status().state == "lost"


def test_bad_run_folders_say_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        Run(tmp_path)
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        Run(tmp_path)
    (tmp_path / "job.json").write_text(json.dumps({"kind": "train"}))
    with pytest.raises(DataError, match="no run of this studio"):
        Run(tmp_path)


def test_listing_passes_over_broken_folders_and_sorts(tmp_path: Path) -> None:
    (tmp_path / "runs" / "broken").mkdir(parents=True)
    for index, name in enumerate(("a", "b")):
        make_run(tmp_path / "runs" / name)
        write_json(tmp_path / "runs" / name / "job.json", {"kind": "train", "spec": {}, "created_s": index})
    assert [run.id for run in queue.list_runs(tmp_path)] == ["b", "a"]


def test_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train, evaluate, play, import"):
        queue.start_job(tmp_path, "dance", {})


def test_worker_that_cannot_start_does_not_stay_queued(tmp_path: Path) -> None:
    run = queue.start_run(tmp_path / "r", "train", {"method": "no_such_method"})
    status = queue.wait_for(run, timeout_s=PATIENCE_S)
    assert status.state in ("failed", "lost") and status.message
    alive = {"state": "running", "pid": os.getpid(), "pid_started": process_started(os.getpid())}
    write_json(run.path / "status.json", alive)
    with pytest.raises(ConfigError, match="still"):
        queue.resume_run(run)
