from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from studio.core.errors import ConfigError
from studio.core.geometry import matrix_to_quaternion
from studio.core.task import Goal
from studio.evaluation.goals import yaw_matrix
from studio.planning.config import PRESETS, PlannerConfig, planner_preset
from studio.planning.goal_score import GoalScore
from studio.planning.planner import GoalPlanner, Stillness
from tests.planning.toy import ToySkills, toy_goal, toy_state, toy_task

SMALL = dataclasses.replace(PRESETS["default"], samples=64, stages=6)


def cost_at(settings: PlannerConfig, state: np.ndarray, goal: Goal) -> float:
    score = GoalScore(toy_task(), settings, tips=ToySkills().tips)
    score.set_goal(goal)
    return float(score.cost(torch.from_numpy(state.astype(np.float32))[None])[0])


def test_plans_lead_to_the_goal() -> None:
    planner = GoalPlanner(ToySkills(), SMALL, seed=0)
    timed = planner.plan(toy_state(), toy_goal(0.05, -0.03), t_s=0.0)
    assert timed.plan.path[-1, 2:4].tolist() == pytest.approx([0.05, -0.03], abs=0.01)
    assert timed.latency_s > 0


def test_cost_is_in_tolerances_and_zero_in_the_deadband() -> None:
    plain = dataclasses.replace(PRESETS["paper"], rotation_weight=2.0)
    assert cost_at(plain, toy_state(0.03, 0.0), toy_goal(0.0, 0.0)) == pytest.approx(2.0, abs=1e-4)
    turned = Goal(position_m=(0.0, 0.0, 0.05), orientation_xyzw=tuple(matrix_to_quaternion(yaw_matrix(0.7))))
    assert cost_at(plain, toy_state(), turned) == pytest.approx(2.0 * 0.7 / 0.35, abs=1e-3)
    settings = PlannerConfig(position_deadband_m=0.006)
    assert cost_at(settings, toy_state(0.005, 0.0), toy_goal(0.0, 0.0)) == 0.0
    assert cost_at(settings, toy_state(0.021, 0.0), toy_goal(0.0, 0.0)) == pytest.approx(1.0, abs=1e-4)


def test_leaving_the_area_costs() -> None:
    free = dataclasses.replace(PRESETS["paper"])
    fenced = dataclasses.replace(free, area_weight=100.0, area_margin_m=0.04)
    far, goal = toy_state(0.2, 0.0), toy_goal(0.1, 0.0)
    assert cost_at(fenced, far, goal) - cost_at(free, far, goal) == pytest.approx(100 * (0.2 - 0.14), rel=1e-3)


def test_an_object_that_does_not_move_asks_for_random_skills() -> None:
    still = Stillness(slice(2, 5), dataclasses.replace(SMALL, unstick_s=1.0, unstick_skills=2))
    asked = [still.is_stuck(toy_state(), 0.1 * tick) for tick in range(14)]
    assert asked == [False] * 10 + [True] * 2 + [False] * 2
    still.reset()
    assert not any(still.is_stuck(toy_state(0.011 * tick), 0.1 * tick) for tick in range(30))


def test_an_unsticking_plan_is_consistent() -> None:
    planner = GoalPlanner(ToySkills(), dataclasses.replace(SMALL, unstick_s=0.1, unstick_skills=1), seed=0)
    planner.plan(toy_state(), toy_goal(0.05, 0.0), t_s=0.0)
    plan = planner.plan(toy_state(), toy_goal(0.05, 0.0), t_s=0.2).plan
    assert torch.allclose(plan.skill, plan.controls[0] * 0.25)
    assert torch.allclose(plan.state_goal, plan.path[1])
    assert plan.candidates.numel() == 0  # chance is to stay chance


def test_candidates_are_the_plan_and_its_best_samples_and_are_weighed_at_another_state() -> None:
    settings = dataclasses.replace(SMALL, candidates=9, fresh=0, temperature=1e-6)
    planner = GoalPlanner(ToySkills(), settings, seed=0)
    plan = planner.plan(toy_state(), toy_goal(0.05, 0.0), t_s=0.0).plan
    assert plan.candidates.shape == (6, 9, 2) and torch.equal(plan.candidates[:, 0], plan.controls)
    back, on = torch.full((6, 2), 0.0), torch.full((6, 2), 0.0)
    back[0, 0], on[0, 0] = -0.8, 0.8  # 2 cm to one side or the other, and stay
    both = torch.stack([back, on], dim=1)
    goal = toy_goal(0.05, 0.0)
    for x_m, wanted in ((0.03, on), (0.07, back)):
        state = torch.from_numpy(toy_state(x_m)).float()
        torch.testing.assert_close(planner.weigh_again(state, goal, both), wanted)
    none = GoalPlanner(ToySkills(), dataclasses.replace(SMALL, candidates=0), seed=0)
    assert none.plan(toy_state(), goal, t_s=0.0).plan.candidates.numel() == 0


def test_the_second_look_can_leave_the_candidates() -> None:
    """Both stand still; only sequences drawn around the first one come closer to the goal."""
    state, goal, still = torch.from_numpy(toy_state(0.03)).float(), toy_goal(0.05, 0.0), torch.zeros(6, 2, 2)
    settings = dataclasses.replace(SMALL, candidates=2, fresh=64, refine_noise=0.2, temperature=1e-6)
    planner = GoalPlanner(ToySkills(), settings, seed=0)
    found = planner.weigh_again(state, goal, still)
    assert float(found[:, 0].sum()) > 0.2
    assert float(found.abs().max()) <= settings.control_limit
    stays = GoalPlanner(ToySkills(), dataclasses.replace(settings, fresh=0), seed=0)
    assert not stays.weigh_again(state, goal, still).any()


def test_the_warm_start_is_what_was_followed() -> None:
    settings = dataclasses.replace(SMALL, passes=1, temperature=1e-9, base_share=1.0, samples=8)
    planner = GoalPlanner(ToySkills(), settings, seed=0)
    planner.plan(toy_state(), toy_goal(0.1, 0.1), t_s=0.0)
    followed = torch.zeros(6, 2)
    followed[1] = 0.8  # after one skill has run: 2 cm along each axis, exactly to the goal
    planner.follow(followed)
    plan = planner.plan(toy_state(), toy_goal(0.02, 0.02), t_s=0.2).plan
    torch.testing.assert_close(plan.controls, torch.cat([followed[1:], followed[-1:]]))


def test_the_number_of_samples_may_change_from_plan_to_plan() -> None:
    planner = GoalPlanner(ToySkills(), SMALL, seed=0)
    for samples in (64, 10, 30):
        plan = planner.plan(toy_state(), toy_goal(0.05, 0.0), t_s=0.0, samples=samples).plan
        assert plan.returns.shape == (samples,)
        assert plan.is_sound(SMALL.control_limit)


def test_a_plan_with_numbers_that_are_none_is_not_sound() -> None:
    plan = GoalPlanner(ToySkills(), SMALL, seed=0).plan(toy_state(), toy_goal(0.05, 0.0), t_s=0.0).plan
    broken = torch.full_like(plan.state_goal, torch.nan)
    assert not dataclasses.replace(plan, state_goal=broken).is_sound(SMALL.control_limit)
    assert not dataclasses.replace(plan, controls=plan.controls + 1.0).is_sound(SMALL.control_limit)


def test_the_same_seed_plans_the_same() -> None:
    planner = GoalPlanner(ToySkills(), SMALL, seed=0)
    plans = []
    for _ in range(2):
        planner.reset(seed=7)
        plans.append(planner.plan(toy_state(), toy_goal(0.05, 0.0), t_s=0.0).plan.controls)
    assert torch.equal(*plans)


def test_value_cost_needs_a_value() -> None:
    with pytest.raises(ConfigError, match="no value"):
        GoalPlanner(ToySkills(), PlannerConfig(cost="value"), seed=0)


@pytest.mark.parametrize(
    "change", [{"samples": 1}, {"control_limit": 1.5}, {"algorithm": "best"}, {"temperature": 0.0}, {"cost": "x"}]
)
def test_settings_out_of_range_are_refused(change: dict) -> None:
    with pytest.raises(ConfigError, match=str(next(iter(change)))):
        PlannerConfig(**change)


def test_presets() -> None:
    paper = planner_preset("paper")
    assert (paper.samples, paper.stages, paper.passes, paper.control_limit, paper.base_share) == (2000, 40, 1, 1.0, 1.0)
    with pytest.raises(ConfigError, match="allowed default, paper"):
        planner_preset("quick")
