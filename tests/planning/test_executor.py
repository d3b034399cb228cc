"""Window boundaries, stale plans, hold (methods 1b, asynchronous deployment)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.core.errors import ConfigError
from studio.planning.executor import Motion, SkillExecutor, SkillPlan
from studio.planning.skills import window_ns
from tests.planning.toy import ToySkills, toy_state

TICK_NS = 10_000_000


def test_serial_execution_uses_a_plan_for_one_skill_then_holds() -> None:
    skills = ToySkills()
    executor = SkillExecutor(skills, serial=True)
    controls = torch.full((4, 2), 0.5)
    executor.offer(SkillPlan(plan_id=1, goal_id=1, state_t_ns=0, controls=controls))
    holds = [executor.step(toy_state(), 10_000_000 * tick).hold for tick in range(skills.window + 3)]
    assert holds == [False] * skills.window + [True] * 3
    executor.offer(SkillPlan(plan_id=2, goal_id=1, state_t_ns=130_000_000, controls=controls))
    assert not executor.step(toy_state(), 140_000_000).hold
    assert executor.plan_id == 2


def make_plan(plan_id: int, *controls: float, t_ns: int = 0) -> SkillPlan:
    rows = torch.tensor(controls)[:, None].repeat(1, 2)
    return SkillPlan(plan_id=plan_id, goal_id=3, state_t_ns=t_ns, controls=rows)


class Bench:
    """Steps an executor on the toy, moving the state as the motion asks."""

    def __init__(self, hold_after_windows: float = 3.0) -> None:
        self.skills = ToySkills()
        self.executor = SkillExecutor(self.skills, hold_after_windows=hold_after_windows)
        self.state = toy_state()
        self.t_ns = 0

    def run(self, ticks: int, **options: bool) -> list[Motion]:
        motions = []
        for _ in range(ticks):
            motion = self.executor.step(self.state, self.t_ns, **options)
            joints = motion.position_rad + motion.velocity_rad_s * 0.01
            self.state = toy_state(*(joints * 0.1))
            self.t_ns += TICK_NS
            motions.append(motion)
        return motions


def test_candidates_are_weighed_once_where_the_window_begins() -> None:
    skills, seen = ToySkills(), []

    def choose(measured: torch.Tensor, plan: SkillPlan) -> torch.Tensor:
        seen.append((float(measured[2]), plan.plan_id))
        assert plan.candidates is not None
        return plan.candidates[:, 1]

    executor = SkillExecutor(skills, weigh_again=choose)
    planned, other = torch.full((3, 2), 0.5), torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    both = torch.stack([planned, other], dim=1)
    executor.offer(SkillPlan(plan_id=1, goal_id=1, state_t_ns=0, controls=planned, candidates=both))
    for tick in range(skills.window + 1):
        executor.step(toy_state(0.03), TICK_NS * tick)
    assert seen == [(pytest.approx(0.03), 1)]  # once, although two of its skills have begun
    assert torch.equal(executor.controls, other) and executor.stage == 1
    assert torch.allclose(executor.skill, 0.25 * other[1])
    plain = SkillPlan(plan_id=2, goal_id=1, state_t_ns=TICK_NS * 10, controls=planned, candidates=both[:, :0])
    executor.offer(plain)
    for tick in range(skills.window):
        executor.step(toy_state(), TICK_NS * (tick + 11))
    assert len(seen) == 1 and torch.equal(executor.controls, planned)


def test_a_stale_plan_is_not_weighed_again() -> None:
    executor = SkillExecutor(ToySkills(), weigh_again=lambda *_: pytest.fail("it is not followed"))
    controls = torch.zeros(3, 2)
    executor.offer(SkillPlan(plan_id=1, goal_id=1, state_t_ns=0, controls=controls, candidates=controls[:, None]))
    assert executor.step(toy_state(), 10_000_000_000).hold


def test_without_a_plan_the_arms_hold_where_they_are() -> None:
    bench = Bench()
    motions = bench.run(25)
    assert all(motion.hold and motion.plan_id == 0 for motion in motions)
    assert np.allclose(motions[-1].position_rad, 0.0)
    assert bench.skills.starts == 0


def test_one_skill_runs_for_one_window_and_ends_where_predicted() -> None:
    bench = Bench()
    bench.executor.offer(make_plan(1, 1.0))
    motions = bench.run(10)
    assert not any(motion.hold for motion in motions)
    assert bench.skills.phases == list(range(10))
    assert bench.state[:2] == pytest.approx([0.25, 0.25], abs=1e-5)
    assert bench.run(1)[0].hold  # a plan of one skill is used up
    outcome = bench.executor.outcome
    assert outcome is not None and outcome.position_error_m < 1e-5
    assert outcome.moved_m == pytest.approx(0.025 * np.sqrt(2), abs=1e-4)


def test_without_a_newer_plan_the_next_control_is_decoded_at_the_measured_state() -> None:
    bench = Bench()
    bench.executor.offer(make_plan(1, 0.4, -0.4, 0.8))
    bench.run(10)
    bench.state = toy_state(0.07, 0.0)  # pushed from outside
    bench.run(1)
    assert bench.executor.stage == 1
    assert torch.allclose(bench.skills.seen[-1][0, 2:4], torch.tensor([0.07, 0.0]))
    assert bench.executor.state_goal is not None
    assert bench.executor.state_goal[2:4].tolist() == pytest.approx([0.06, -0.01], abs=1e-6)


def test_a_plan_older_than_three_windows_means_hold() -> None:
    bench = Bench()
    bench.executor.offer(make_plan(1, *[0.1] * 8))
    motions = bench.run(60)
    driven = sum(not motion.hold for motion in motions)
    # ages at the boundaries are 0, 1, 2 and 3 windows; only the one after is older than three
    assert driven == 4 * 10
    assert all(motion.hold for motion in motions[40:])
    assert np.allclose(motions[-1].position_rad, motions[41].position_rad)


def test_a_new_plan_ends_the_hold_at_once() -> None:
    bench = Bench()
    bench.run(3)
    bench.executor.offer(make_plan(1, 0.5, t_ns=bench.t_ns))
    assert not bench.run(1)[0].hold


def test_plan_ids_never_go_back() -> None:
    bench = Bench()
    bench.executor.offer(make_plan(5, 0.5, 0.5, t_ns=0))
    bench.run(10)
    bench.executor.offer(make_plan(4, -0.5, -0.5, t_ns=bench.t_ns))
    assert bench.run(1)[0].plan_id == 5
    bench.executor.offer(make_plan(6, -0.5, t_ns=bench.t_ns))
    ids = [motion.plan_id for motion in bench.run(12)]
    assert ids == [5] * 9 + [6] * 3  # taken at the boundary, not in the middle of a skill


def test_the_policy_is_reset_at_every_boundary() -> None:
    bench = Bench()
    bench.executor.offer(make_plan(1, 0.1, 0.1, 0.1))
    bench.run(30)
    assert bench.skills.starts == 3


def test_reaching_the_goal_holds_at_the_next_boundary() -> None:
    bench = Bench()
    bench.executor.offer(make_plan(1, 0.1, 0.1, 0.1))
    bench.run(5)
    motions = bench.run(10, hold=True)
    assert [motion.hold for motion in motions] == [False] * 5 + [True] * 5


def test_forgetting_plans_ends_the_skill_and_then_holds() -> None:
    bench = Bench()
    bench.executor.offer(make_plan(4, 0.1, 0.1, 0.1))
    bench.run(5)
    bench.executor.forget_plans()
    assert [motion.hold for motion in bench.run(10)] == [False] * 5 + [True] * 5
    bench.executor.offer(make_plan(4, 0.1, t_ns=bench.t_ns))
    assert bench.run(1)[0].hold  # ids still never go back
    bench.executor.offer(make_plan(5, 0.1, t_ns=bench.t_ns))
    assert not bench.run(1)[0].hold


def test_window_length() -> None:
    assert window_ns(ToySkills()) == 100_000_000


def test_a_bundle_for_another_robot_is_refused() -> None:
    skills = ToySkills()
    skills.action_size = 26  # type: ignore[misc]
    with pytest.raises(ConfigError, match="no joint targets of this robot"):
        SkillExecutor(skills)
