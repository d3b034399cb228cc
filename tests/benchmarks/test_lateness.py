"""`bench lateness`: one short session without a window, and how late ticks are put down to their causes."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import lateness
from benchmarks.idle_loop import Floor, IdleLoops, make_floor
from benchmarks.lateness import Options, make_table, put_down, save_model
from benchmarks.lateness_session import Script, Setting, make_robot_folder, run_alone
from benchmarks.mppi_setup import random_model
from benchmarks.process_statistics import ProcessStatistics, policy_words, read_process, stolen_s
from studio.core.errors import ConfigError, SafetyError, WorkerError
from studio.learning.bundle import load_bundle
from studio.robot.description import load_robot
from tests.patience import PATIENCE_S


def test_a_session_is_measured_tick_by_tick(tmp_path: Path) -> None:
    bundle = save_model(tmp_path / "bundle", random_model()[0])
    assert load_bundle(bundle).info["rate_hz"] == 100.0
    robot = make_robot_folder(tmp_path / "robot", 100.0)
    assert load_robot(robot).loop_rate_hz == 100.0
    measured = {"rate_hz": 100.0, "seconds": 1.0, "fifo": False, "window": False, "planner": False}
    setting = Setting(**measured, bundle=str(bundle), folder=str(tmp_path))  # type: ignore[arg-type]
    result = run_alone(setting, tmp_path / "project", robot)
    assert result["ticks"] > 0 and 0.0 <= result["p50_us"] <= result["p99_us"] <= result["p99_9_us"] <= result["max_us"]
    names = set(result["processes"])
    assert {"control", "guard", "recorder", "camera", "operator"} <= names
    assert result["processes"]["control"]["policy"].startswith("nice") and result["late"]["over_0.5_ms"] >= 0
    assert result["processes"]["control"]["page_faults_per_s"] >= 0.0
    row = {"rate_hz": 100.0, **result, **put_down(result, Floor())}
    table = make_table([row])
    assert "100 Hz, nice" in table and "Target" in table and "not run" in table


def test_late_ticks_are_set_against_what_loops_that_do_nothing_met() -> None:
    ms, us = 1_000_000, 1_000
    due = np.arange(0, 1000 * ms, 2 * ms)
    late = np.zeros_like(due)
    late[100], late[200] = 3 * ms, 40 * us  # at 200 and 400 ms
    floor = make_floor([np.stack([due, late]), np.zeros((2, 0), dtype=np.int64)])
    row = {"during_ns": [0, 1000 * ms], "ticks": 1000, "p99_9_us": 900.0, "late_ticks": [
        [201 * ms, 2 * ms, 0],  # the machine was away until 203 ms
        [400 * ms, 900 * us, 0],  # far longer than the idle loop's 40 us
        [700 * ms, 300 * us, 1],
        [100 * ms, 60 * us, 1],
    ]}  # fmt: skip
    found = put_down(dict(row), floor)
    assert found["beyond_target"] == {"ticks": 4, "idle_loops_too": 1, "after_the_report": 2}
    assert found["rest_p99_9_us"] == 900.0 and found["floor"]["max_us"] == 3000.0 and len(found["floor"]["cores"]) == 1
    row["ticks"] = 1004  # one in a thousand is left out
    assert put_down(dict(row), floor)["rest_p99_9_us"] == 300.0
    row["ticks"] = 5000
    assert put_down(dict(row), floor)["rest_p99_9_us"] == 50.0, "no more is known of it than that it is in the target"
    assert put_down(dict(row), Floor())["beyond_target"]["idle_loops_too"] == 0
    early = floor.during(0, 100 * ms)
    assert early.describe()["max_us"] == 0.0 and not early.covers(201 * ms, 2 * ms)


def test_an_idle_loop_wakes_up_until_it_is_ended(tmp_path: Path) -> None:
    loops = IdleLoops(tmp_path / "idle", 200.0, 1000.0, 0)
    began_ns = time.monotonic_ns()
    loops.start()
    time.sleep(0.2)
    floor = loops.stop()
    for due, late in floor.cores:
        assert due[0] > began_ns and (np.diff(due) > 0).all() and (late >= 0).all()


def test_a_session_that_hangs_is_ended_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **given: object) -> None:
        raise subprocess.TimeoutExpired(command, float(str(given["timeout"])), stderr=b"where it stood")

    monkeypatch.setattr(lateness.subprocess, "run", hang)
    options = {"rate_hz": 400.0, "seconds": 2.0, "fifo": False, "window": False, "planner": False}
    setting = Setting(**options, bundle="", folder=str(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(WorkerError, match="a session of 2 s took over 302 s") as caught:
        lateness.measure(setting, idle_loops=False)
    assert "where it stood" in caught.value.detail


def test_without_the_right_to_fifo_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateness, "find_refusal", lambda: "Operation not permitted. Run `grant` and log in again.")
    with pytest.raises(SafetyError, match=r"Operation not permitted.*grant.*--priority none"):
        lateness.run(["--priority", "fifo"])


def test_late_ticks_are_put_down_to_what_happened_around_them() -> None:
    script = Script.__new__(Script)
    ms = 1_000_000
    #                 time, wait of the loop (s), stolen time (s)
    script._samples = [(0, 0.0, 0.0), (20 * ms, 0.0, 0.0), (40 * ms, 0.004, 0.0), (60 * ms, 0.004, 0.0),
                       (80 * ms, 0.004, 0.0), (100 * ms, 0.004, 0.01), (120 * ms, 0.004, 0.01),
                       (140 * ms, 0.004, 0.01), (160 * ms, 0.004, 0.01), (180 * ms, 0.004, 0.01)]  # fmt: skip
    t_ns = np.array([10, 30, 90, 170]) * ms
    found = script._causes(t_ns, np.array([0.0001, 0.005, 0.005, 0.005]))
    assert found == {"over_0.5_ms": 3, "stolen": 1, "waited": 1, "own": 1}


def test_what_the_kernel_says_of_this_process() -> None:
    before = read_process(os.getpid())
    end_s = time.monotonic() + PATIENCE_S
    while (spent := read_process(os.getpid()).since(before)).run_s == 0.0:  # the kernel counts at its own ticks
        assert time.monotonic() < end_s
        sum(range(200_000))
    assert 0.0 < spent.run_s < 10.0 and spent.wait_s >= 0.0 and stolen_s() >= 0.0
    assert policy_words(os.getpid()).startswith(("nice", "fifo"))
    assert read_process(2**22 + 1) == ProcessStatistics()


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="priority 'high'; allowed fifo, none, both"):
        Options(priority="high")
