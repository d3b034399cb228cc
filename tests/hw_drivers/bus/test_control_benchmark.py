"""The benchmark of the control cycle measures like with like: same replies, same commands, both through the wire."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from benchmarks import control
from hw_drivers.motors.models import find_range
from studio.core.clock import WallClock
from studio.robot.description import load_robot


def test_both_sides_command_the_same_and_the_result_is_as_promised(tmp_path: Path) -> None:
    path = tmp_path / "control.json"
    assert control.run(["--ticks", "100", "--json", str(path)]) == 0
    result = json.loads(path.read_text())
    assert result["motors"] == 16 and result["largest_difference_codes"] <= 1
    for row in result["workloads"].values():
        assert {"ours", "peer", "peer_name", "ratio", "unit", "runs", "spread"} <= set(row)
        assert row["ours"] > 0.0 and row["peer"] > 0.0 and row["runs"] >= 4


def test_pauses_of_the_machine_and_a_very_fast_one_change_nothing_of_what_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began_ns, now_ns = time.monotonic_ns(), time.monotonic_ns
    monkeypatch.setattr(WallClock, "now_ns", lambda self: began_ns + (now_ns() - began_ns) // 50)
    robot, random = load_robot(), Random(1)
    motor = find_range(robot.motor_model, robot.firmware)
    with control._rings(robot) as (our_ring, peer_ring):
        ours, peer = control.make_ours(robot, motor, our_ring), control.make_peer(robot, motor, peer_ring)
        tick = ours.tick

        def tick_with_pauses() -> None:
            if random.random() < 0.02:
                time.sleep(random.uniform(0.001, 0.1))
            tick()

        try:
            disturbed = replace(ours, tick=tick_with_pauses)
            assert control.largest_difference(disturbed, peer, motor, 256) <= 1
        finally:
            ours.close()
            peer.close()


def test_the_drives_of_the_benchmark_move_and_hear() -> None:
    robot, motor = load_robot(), find_range("AK60-6")
    motion = control._make_motion(robot, motor)
    assert len(motion) == 256 and len(motion[0]) == 16 and motion[0] != motion[100]
    assert {frame[0] for frame in motion[0]} == {1, 2, 3, 4}
