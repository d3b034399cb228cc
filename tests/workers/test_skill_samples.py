"""Skills for the skills screen: what is sampled, and one executed by the policy worker as a process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.core.geometry import FloatArray
from studio.core.observation import object_spans
from studio.core.records import Driver, PairState, make_control_record
from studio.ipc.messages import Message
from studio.ipc.ring import RingWriter
from studio.ipc.session import SessionFolder
from studio.robot.description import load_robot
from studio.workers.skill_run import SkillRun
from studio.workers.skill_samples import SampleSettings, SkillSampler, answer_samples, pick_different
from tests.planning.random_model import make_random_model, save_random_bundle
from tests.workers.test_deploy import POLICY, Stage


def make_state() -> FloatArray:
    state = np.zeros(28)
    state[:8] = load_robot().home_rad
    state[16:19], state[19:28] = (0.02, 0.0, 0.05), np.eye(3).reshape(9)
    return state


def test_a_sample_is_what_the_model_predicts_for_its_controls() -> None:
    model = make_random_model()
    skills = SkillSampler(model).sample(make_state(), SampleSettings(count=5, stages=4, seed=3))
    assert len(skills) == 5 and sum(skill["share"] for skill in skills) == pytest.approx(1.0, abs=0.01)
    shares = [skill["share"] for skill in skills]
    assert shares == sorted(shares, reverse=True)
    position, _ = object_spans(model.task)
    for skill in skills:
        controls = torch.tensor(skill["controls"])
        assert controls.shape == (4, 8) and (controls == controls[0]).all() and controls.abs().max() <= 0.7
        state = torch.tensor(make_state(), dtype=torch.float32)[None]
        for stage in range(4):
            state = model.predict(state, model.skill(controls[stage : stage + 1], state))
            np.testing.assert_allclose(skill["position_m"][stage + 1], state[0, position].numpy(), atol=2e-3)
        assert np.shape(skill["tips_m"]) == (5, 2, 3) and np.shape(skill["joints_rad"]) == (5, 8)
        assert skill["middle"]["height_m"][0] == pytest.approx(0.05, abs=1e-4)


def test_bands_come_from_the_held_out_error_and_grow() -> None:
    model = make_random_model()
    model.info = {"metrics": {"one_skill_object_position_mm": 5.0, "one_skill_object_rotation_deg": 2.0}}
    skill = SkillSampler(model).sample(make_state(), SampleSettings(count=1, stages=8))[0]
    low, high = np.array(skill["bands"]["height_m"])
    assert high[0] - low[0] == 0.0 and high[8] - low[8] > high[1] - low[1] > 0.003
    assert 0.005 < skill["spread_m"] < 0.2
    model.info = {}
    sure = SkillSampler(model).sample(make_state(), SampleSettings(count=1, stages=8))[0]
    assert sure["spread_m"] == pytest.approx(0.0, abs=1e-5)


def test_the_chosen_lie_apart_and_every_draw_belongs_to_one() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(c, 0.01, (n, 2)) for c, n in (((0, 0), 30), ((1, 0), 20), ((0, 1), 10))])
    chosen, shares = pick_different(points, 3)
    groups = sorted(0 if i < 30 else 1 if i < 50 else 2 for i in chosen)
    assert groups == [0, 1, 2] and sorted(shares) == pytest.approx([10 / 60, 20 / 60, 30 / 60])


def test_wrong_questions_are_answered_in_words() -> None:
    sampler = SkillSampler(make_random_model())
    answer = answer_samples(sampler, make_state(), {"count": 9, "request": 4})
    assert answer.values["request"] == 4 and "count is 9; allowed 1 to 8" in answer.values["problem"]
    assert "no fresh state" in answer_samples(sampler, None, {}).values["problem"]
    assert answer_samples(sampler, make_state(), {"colour": 1}).values["problem"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def test_a_skill_is_sampled_and_done_once(stage: Stage, tmp_path: Path) -> None:
    """Planner answers, policy waits for the arms to be engaged by a skill, moves, says that it is done, holds."""
    bundle = save_random_bundle(tmp_path / "random")
    stage.deploy(bundle, hold=True)
    stage.until(lambda: bool(stage.heard("planner", "ready") and stage.heard("policy", "ready")), "both ready")
    stage.supervisor.send("planner", Message(name="sample_skills", values={"count": 3, "stages": 4, "request": 7}))
    stage.until(lambda: bool(stage.heard("planner", "skills")), "the answer")
    answer = stage.heard("planner", "skills")[0].values
    assert answer["request"] == 7 and not answer["problem"] and len(answer["skills"]) == 3
    do: dict[str, Any] = {"controls": answer["skills"][0]["controls"], "request": 7}
    stage.supervisor.send("policy", Message(name="do_skill", values=do))
    stage.until(stage.driving, "a target that lets the arms engage")
    waiting = stage.body.targets[-1]
    np.testing.assert_allclose(waiting["velocity_rad_s"], 0.0)
    assert not stage.heard("policy", "skill_done")
    stage.body.engaged = (PairState.ENGAGED, Driver.SKILL)
    done, moved = wait_for_skill(stage)
    while done["outcome"] != "done" or len(moved) <= 20:  # a busy machine was too slow for it, or for this test
        assert done["outcome"] == "done" or "too slow" in done["outcome"]
        assert done["request"] < 20, "never done to its end"
        stage.supervisor.send("policy", Message(name="do_skill", values={**do, "request": done["request"] + 1}))
        done, moved = wait_for_skill(stage)
    assert done["request"] >= 7 and done["end_ns"] - done["start_ns"] > 0.6e9  # four windows of 0.2 s
    assert len(moved) <= 80 and np.abs([t["velocity_rad_s"] for t in moved]).max() > 0
    stage.until(lambda: not stage.driving(), "holding afterwards")


def wait_for_skill(stage: Stage) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What is said of the next skill that ends, and the targets that it moved the arms by."""
    count = len(stage.heard("policy", "skill_done"))
    stage.until(lambda: len(stage.heard("policy", "skill_done")) > count, "its end")
    done = stage.heard("policy", "skill_done")[count].values
    stage.until(lambda: int(stage.body.targets[-1]["t_ns"]) >= done["end_ns"], "its last target")
    return done, [t for t in stage.body.targets if done["start_ns"] <= t["t_ns"] < done["end_ns"]]


def test_a_skill_that_the_machine_was_too_slow_for_is_not_called_done(tmp_path: Path) -> None:
    session = SessionFolder(tmp_path / "session").create()
    kind = make_control_record(joints=8, pairs=2, rate_hz=200.0)
    ring = RingWriter(session.ring_path("control"), kind)
    record = kind.empty()[0]
    record["pair_state"], record["driver"] = PairState.ENGAGED, Driver.SKILL
    ring.write(record)
    for tick_ns, outcome in ((10_000_000, "done"), (100_000_000, "cut short, the computer was too slow")):
        run = SkillRun(make_random_model(), session, np.zeros((4, 8)), 1)
        state, now_ns = make_state(), 1
        while not run.outcome:
            run.step(state, now_ns)
            now_ns += tick_ns
        assert run.outcome == outcome
        run.close()
    ring.close()
    session.remove()


def test_letting_go_ends_a_skill_and_wrong_controls_are_said(stage: Stage, tmp_path: Path) -> None:
    bundle = save_random_bundle(tmp_path / "random")
    stage.supervisor.start("policy", POLICY, {"robot": "dual_arm_ak60", "task": "move_box", "bundle": str(bundle)})
    stage.until(lambda: bool(stage.heard("policy", "ready")), "ready")
    stage.supervisor.send("policy", Message(name="do_skill", values={"controls": [[0.1, 0.2]]}))
    stage.until(lambda: bool(stage.heard("policy", "said")), "a word")
    assert "shape (1, 2)" in stage.heard("policy", "said")[0].values["text"]
    stage.body.engaged = (PairState.ENGAGED, Driver.SKILL)
    stage.supervisor.send("policy", Message(name="do_skill", values={"controls": [[0.1] * 8] * 20, "request": 1}))
    stage.until(stage.driving, "driving")
    time.sleep(0.2)
    stage.body.engaged = (PairState.HOLDING, Driver.HOLD)
    stage.until(lambda: bool(stage.heard("policy", "skill_done")), "its end")
    assert stage.heard("policy", "skill_done")[0].values["outcome"] == "stopped before its end"
    stage.until(lambda: not stage.driving(), "holding")
