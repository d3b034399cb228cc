"""`record` as a command: a short take with everything running, and wrong use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from studio.cli import main as command_line
from studio.core.paths import repository_root
from studio.data.episode import EpisodeReader

MAIN = str(repository_root() / "main.py")


def test_a_short_take_has_what_the_contract_says(tmp_path: Path) -> None:
    out, result_path = tmp_path / "play", tmp_path / "result.json"
    command = [sys.executable, MAIN, "record", "--out", str(out), "--seconds", "3", "--json", str(result_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(result_path.read_text())
    assert set(result["lateness_us"]) == {"p50", "p99", "p99_9", "max"}
    assert result["dropped"] == 0 and result["verdict"]
    assert result["rate_hz"] == pytest.approx(400.0, rel=0.1)
    reader = EpisodeReader(Path(result["episode"]))
    try:
        control = reader.read("control")
        assert len(control) > 1000 and control["hand_active"].all()
        assert (control["pair_state"] == 2).mean() > 0.95
        assert np.ptp(control["follower_position_rad"], axis=0).max() > 0.02
        assert len(reader.read("object_pose.world")) >= len(control) - 4
    finally:
        reader.close()


def test_ctrl_c_keeps_what_was_recorded(tmp_path: Path) -> None:
    out, result_path = tmp_path / "play", tmp_path / "result.json"
    command = [sys.executable, MAIN, "record", "--out", str(out), "--seconds", "60", "--json", str(result_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    deadline_s = time.monotonic() + 60
    while not list(out.glob("*/*/control.mcap")) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    result = json.loads(result_path.read_text())
    assert 0.5 < result["duration_s"] < 30.0 and "Traceback" not in errors.decode()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--seconds", "5", "--operator", "mouse"], 2, "--window"),
        (["--seconds", "5", "--operator", "hardware"], 4, "pedal"),
        (["--seconds", "0"], 2, "allowed 0.5"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], code: int, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["record", "--out", str(tmp_path / "play"), *arguments]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and text in error and "Traceback" not in error


def test_a_dataset_path_that_is_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "play").write_text("x")
    assert command_line.main(["record", "--out", str(tmp_path / "play"), "--seconds", "5"]) == 3
    assert "error: " in capsys.readouterr().err
