"""Planner and policy workers as processes (methods 1h, check 11), with a bundle of random weights.

A thread plays the control loop: it writes the state rings at 200 Hz and lets the joints follow the targets.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.core.geometry import FloatArray
from studio.core.records import Driver, PairState, make_control_record, make_object_pose_record, make_plan_record
from studio.ipc.channels import make_goal_slot
from studio.ipc.messages import Message
from studio.ipc.ring import RingReader, RingWriter
from studio.ipc.session import SessionFolder
from studio.ipc.slot import SlotWriter
from studio.ipc.supervisor import Supervisor
from studio.robot.description import load_robot
from studio.workers.tap import Tap
from tests.patience import PATIENCE_S
from tests.planning.random_model import save_random_bundle

PLANNER, POLICY = "studio.workers.planner", "studio.workers.policy"
SMALL = ["samples=32", "stages=4", "passes=1", "fan=8"]


class Body(threading.Thread):
    """Rings of a robot whose joints go where the policy says; `targets` keeps what was read."""

    def __init__(self, session: SessionFolder) -> None:
        super().__init__(daemon=True)
        robot = load_robot()
        self._control = RingWriter(
            session.ring_path("control"), make_control_record(joints=robot.joints, pairs=2, rate_hz=200.0)
        )
        self._pose = RingWriter(session.ring_path("object_pose.world"), make_object_pose_record("world", 200.0))
        self._target = Tap(session.slot_path("target"))
        self._stop_asked = threading.Event()
        self.joints: FloatArray = np.array(robot.home_rad)
        self.object_m = np.array([0.0, 0.0, 0.05])
        self.engaged = (PairState.DISABLED, Driver.NOBODY)
        self.targets: list[np.ndarray] = []

    def run(self) -> None:
        while not self._stop_asked.wait(0.005):
            target = self._target.read()
            if target is not None and (not self.targets or target["t_ns"] != self.targets[-1]["t_ns"]):
                self.targets.append(target)
                self.joints = self.joints + 0.1 * np.clip(target["position_rad"] - self.joints, -0.05, 0.05)
            self._publish()

    def _publish(self) -> None:
        control, pose = self._control.record_type.empty()[0], self._pose.record_type.empty()[0]
        control["t_ns"] = pose["t_ns"] = time.monotonic_ns()
        control["follower_position_rad"] = self.joints
        control["pair_state"], control["driver"] = int(self.engaged[0]), int(self.engaged[1])
        pose["position_m"], pose["orientation_xyzw"] = self.object_m, [0, 0, 0, 1]
        self._control.write(control)
        self._pose.write(pose)

    def close(self) -> None:
        self._stop_asked.set()
        self.join()
        self._control.close()
        self._pose.close()
        self._target.close()


class Stage:
    """A session with a body, a goal and a supervisor."""

    def __init__(self, root: Path) -> None:
        self.session = SessionFolder(root / "session").create()
        self.supervisor = Supervisor(self.session)
        self.body = Body(self.session)
        self.goal = SlotWriter(self.session.slot_path("goal"), make_goal_slot())
        self.said: list[tuple[str, Message]] = []
        self.body.start()

    def set_goal(self, x_m: float, goal_id: int = 1) -> None:
        record = self.goal.record_type.empty()[0]
        record["t_ns"], record["goal_id"] = time.monotonic_ns(), goal_id
        record["position_m"], record["orientation_xyzw"] = [x_m, 0.05, 0.05], [0, 0, 0, 1]
        self.goal.write(record)

    def deploy(self, bundle: Path, **values: Any) -> None:
        config = {"robot": "dual_arm_ak60", "task": "move_box", "bundle": str(bundle), "set": SMALL, **values}
        self.supervisor.start("policy", POLICY, config)
        self.supervisor.start("planner", PLANNER, config)

    def until(self, happened: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
        end_s = time.monotonic() + timeout_s
        while not happened():
            self.said += self.supervisor.poll()
            assert time.monotonic() < end_s, f"{what} did not happen; said: {self.said[-6:]}"
            time.sleep(0.02)

    def heard(self, worker: str, name: str) -> list[Message]:
        return [message for who, message in self.said if who == worker and message.name == name]

    def driving(self) -> bool:
        return bool(self.body.targets) and not self.body.targets[-1]["hold"]

    def close(self) -> None:
        self.supervisor.stop_all()
        self.supervisor.poll()
        self.body.close()
        self.goal.close()
        self.session.remove()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_bundle(tmp_path_factory.mktemp("bundles") / "random")


def test_a_slow_planner_never_stalls_the_policy_and_ids_rise(stage: Stage, bundle: Path) -> None:
    stage.set_goal(0.08)
    stage.deploy(bundle, delay_s=0.3)
    stage.until(stage.driving, "driving")
    first = len(stage.body.targets)

    def does_not_wait() -> bool:
        targets = stage.body.targets[first:]
        gaps_ms = np.diff([int(target["t_ns"]) for target in targets]) * 1e-6
        plans = len({int(target["plan_id"]) for target in targets})
        return plans > 4 and bool((gaps_ms > 250.0).sum() < plans / 2 and np.median(gaps_ms) < 100.0)

    # A plan takes 300 ms and more. A policy that waited for each would always pause as often; a busy machine may once.
    stage.until(does_not_wait, "more plans than pauses")
    ids = [int(target["plan_id"]) for target in stage.body.targets[first:]]
    assert ids == sorted(ids)
    assert ids[-1] >= ids[0] + 2
    stage.until(lambda: stage.heard("planner", "state")[-1].values["overruns"] > 0, "a plan came too late")
    assert stage.heard("planner", "state")[-1].values["latency_ms"] > 300


def test_without_delay_the_plan_ring_shows_fans_and_ages_stay_small(stage: Stage, bundle: Path) -> None:
    stage.set_goal(0.08)
    stage.deploy(bundle)
    stage.until(stage.driving, "driving")
    reader = RingReader(stage.session.ring_path("plan"))
    plans = reader.read()

    def drives_on() -> bool:
        nonlocal plans
        plans = np.concatenate([plans, reader.read()])
        driven = [target for target in stage.body.targets if not target["hold"]]
        return len(plans) >= 4 and len(driven) > 150 and any(age < 0.65 for age in policy_ages_s(stage))

    stage.until(drives_on, "a second and a half of driving")
    reader.close()
    assert reader.record_type == make_plan_record(skill_size=8, stages=4, fan=8)
    assert len(plans) >= 4
    assert (np.diff(plans["plan_id"]) == 1).all()
    assert (plans["fan_count"] == 8).all() and np.isfinite(plans["fan_path_m"]).all()
    assert (plans["samples"] == 32).all() and (plans["effective_samples"] >= 1).all()
    assert np.allclose(plans["goal_position_error_m"], np.hypot(0.08, 0.05), atol=1e-6)
    t_ns = np.array([int(target["t_ns"]) for target in stage.body.targets])
    longest_window_s = float((t_ns[21:] - t_ns[:-21]).max()) * 1e-9  # 0.2 s and what the machine made of it
    assert max(policy_ages_s(stage)) <= 0.6 + longest_window_s  # at most three windows and the rest of one


def test_the_policy_weighs_candidates_and_the_planner_goes_on_from_there(stage: Stage, bundle: Path) -> None:
    stage.set_goal(0.08)
    stage.deploy(bundle)
    mailbox, running = (Tap(stage.session.slot_path(name)) for name in ("mailbox", "running"))
    seen: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    planned: dict[int, np.ndarray] = {}

    def look() -> bool:
        plan, record = mailbox.read(), running.read()
        if plan is not None and int(plan["candidate_count"]):
            assert int(plan["candidate_count"]) == 32 and plan["candidates"].shape == (4, 32, 8)
            assert (np.abs(plan["candidates"]) <= 0.95 + 1e-6).all()
            planned[int(plan["plan_id"])] = plan["controls"].copy()
        if record is not None:
            seen[int(record["plan_id"])] = (record["controls"].copy(), record["state_goal"].copy())
        return len(seen.keys() & planned.keys()) >= 4

    stage.until(look, "four plans with candidates were taken")
    both = seen.keys() & planned.keys()
    assert any(not np.allclose(seen[number][0], planned[number]) for number in both), "weighed at another state"
    assert all(np.isfinite(part).all() for pair in seen.values() for part in pair)
    assert not stage.heard("policy", "error") and not stage.heard("planner", "error")
    mailbox.close()
    running.close()


def policy_ages_s(stage: Stage) -> list[float]:
    """Of the plans that the policy said it was executing."""
    return [report.values["plan_age_s"] for report in stage.heard("policy", "state") if not report.values["hold"]]


def test_serial_planning_holds_between_skills(stage: Stage, bundle: Path) -> None:
    stage.set_goal(0.08)
    stage.deploy(bundle, set=[*SMALL, "serial=true"], delay_s=0.2)
    runs: list[int] = []
    done: list[int] = []

    def waits_for_plans() -> bool:  # a busy machine may oversleep some waits
        targets = stage.body.targets[1:]
        runs[:] = [int(target["plan_id"]) for target in targets if not target["hold"]]
        held = {int(target["plan_id"]) for target in targets if target["hold"]}
        done[:] = sorted(set(runs))[:-1]
        return len(done) > 3 and 2 * len(held.intersection(done)) >= len(done)

    stage.until(waits_for_plans, "seen waiting after half of the plans")
    assert max(runs.count(plan) for plan in done) <= 20  # ticks of one skill, never of a second


def test_a_plan_that_takes_too_long_makes_the_next_ones_smaller(stage: Stage, bundle: Path) -> None:
    stage.set_goal(0.08)
    sizes = ["samples=300", "stages=4", "passes=1", "fan=8", "budget_s=0.0001", "least_samples=24"]
    stage.deploy(bundle, set=sizes)
    reader = Tap(stage.session.ring_path("plan"))
    seen: list[int] = []

    def few() -> bool:
        plan = reader.read()
        if plan is not None:
            seen.append(int(plan["samples"]))
        return bool(seen) and seen[-1] == 24

    stage.until(few, "a plan of the least samples")
    reader.close()
    assert seen == sorted(seen, reverse=True)
    stage.until(stage.driving, "driving with fewer samples")


def test_killing_the_planner_makes_the_arms_hold_and_a_new_one_goes_on_counting(stage: Stage, bundle: Path) -> None:
    stage.set_goal(0.08)
    stage.deploy(bundle)
    stage.until(stage.driving, "driving")
    os.kill(stage.supervisor.pid("planner"), signal.SIGKILL)
    stage.until(lambda: not stage.driving(), "holding")
    last = stage.body.targets[-1]
    assert last["hold"] == 1 and last["plan_id"] >= 1
    assert stage.supervisor.alive("policy")
    stage.until(lambda: bool(stage.heard("planner", "ended")), "the end of the planner being said")
    config = {"robot": "dual_arm_ak60", "task": "move_box", "bundle": str(bundle), "set": SMALL}
    stage.supervisor.start("planner", PLANNER, config)
    stage.until(stage.driving, "driving again")
    assert stage.body.targets[-1]["plan_id"] > last["plan_id"]


def test_a_reached_goal_and_a_cleared_goal_hold(stage: Stage, bundle: Path) -> None:
    stage.set_goal(0.08)
    stage.deploy(bundle)
    stage.until(stage.driving, "driving")
    stage.body.object_m = np.array([0.08, 0.055, 0.05])
    stage.until(lambda: not stage.driving(), "holding at the goal")
    stage.until(lambda: stage.heard("policy", "state")[-1].values["reason"] == "goal reached", "the reason")

    def rests() -> bool:
        counts = [report.values["plans"] for report in stage.heard("planner", "state")[-6:]]
        return len(counts) == 6 and len(set(counts)) == 1

    stage.until(rests, "nobody needs a plan at the goal")  # a report comes after each plan, and once in 0.2 s
    stage.set_goal(0.02, goal_id=2)
    stage.until(stage.driving, "driving to the next goal")
    assert stage.body.targets[-1]["goal_id"] == 2
    stage.set_goal(0.02, goal_id=0)
    stage.until(lambda: not stage.driving(), "holding without a goal")


def test_wrong_goal_and_wrong_bundle_are_said_in_words(stage: Stage, bundle: Path, tmp_path: Path) -> None:
    other = save_random_bundle(tmp_path / "other", task={**_task(bundle), "robot": "big_arm"})
    stage.set_goal(0.9)
    stage.deploy(bundle)
    stage.until(lambda: bool(stage.heard("planner", "said") and stage.heard("policy", "said")), "a word on the goal")
    assert "x is 0.900 m" in stage.heard("planner", "said")[0].values["text"]
    stage.said.clear()
    for worker in ("planner", "policy"):
        stage.supervisor.send(worker, Message(name="deploy", values={"bundle": str(other)}))
    stage.until(lambda: bool(stage.heard("planner", "said") and stage.heard("policy", "said")), "a word on the bundle")
    for worker in ("planner", "policy"):
        said = stage.heard(worker, "said")[0].values
        assert "big_arm" in said["text"] and "Traceback" not in said["text"] + said["detail"]
        assert stage.supervisor.alive(worker)


def _task(bundle: Path) -> dict[str, Any]:
    from studio.learning.bundle import read_bundle_info

    return read_bundle_info(bundle)["task"]
