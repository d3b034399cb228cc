"""`bench lateness`: one short session without a window, and how late ticks are put down to their causes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lateness import Options, make_table, save_model
from benchmarks.lateness_session import Script, Setting, make_robot_folder, run_alone
from benchmarks.mppi_setup import random_model
from benchmarks.process_statistics import ProcessStatistics, policy_words, read_process, stolen_s
from studio.core.errors import ConfigError
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
    table = make_table([{"rate_hz": 100.0, **result}])
    assert "100 Hz, nice" in table and "target" in table


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
