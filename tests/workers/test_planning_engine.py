"""Native rollouts against the plain torch reference, on random weights that are nowhere zero."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from studio.core.errors import ConfigError
from studio.core.task import Goal, load_task
from studio.learning.kinematics import arm_geometry
from studio.learning.native_build import NativeBuild, native_build
from studio.learning.skill_model import SkillModel
from studio.learning.skill_networks import NetworkSizes, SkillNetworks
from studio.learning.value import GoalValue, LearnedValue
from studio.planning.config import PlannerConfig, planner_preset
from studio.planning.goal_score import GoalScore
from studio.planning.rollouts import TorchRolled, TorchRollouts
from studio.robot.description import load_robot
from studio.workers import planning_engine
from studio.workers.planning_engine import make_goal_planner, make_rollouts

GOAL = Goal(position_m=(0.05, -0.03, 0.05), orientation_xyzw=(0.0, 0.0, 0.3826834, 0.9238795))
needs_library = pytest.mark.skipif(native_build().library is None, reason=native_build().reason)


def make_model(prior: str = "flow", seed: int = 0, **sizes: object) -> tuple[SkillModel, LearnedValue]:
    """Random weights, also where training starts from zero, and scales of a trained model's size."""
    torch.manual_seed(seed)
    robot = load_robot()
    shape = NetworkSizes(**{"flow_hidden": 72, "flow_context_hidden": (40, 24), **sizes})  # not whole vectors
    networks = SkillNetworks(load_task("move_box"), arm_geometry(robot), 2 * robot.joints, 20, shape)
    with torch.no_grad():
        for block in networks.flow.blocks:
            block.out.weight.normal_(0.0, 0.05)  # type: ignore[union-attr]
        networks.features.mean.normal_(0.0, 0.1)
        networks.features.deviation.uniform_(0.5, 1.5)
        networks.transition.scale.uniform_(0.05, 0.4)
    model = SkillModel(networks, rate_hz=100.0, prior=prior)
    return model, LearnedValue(GoalValue(model.task, networks.features.size, (64, 48)), model)


def make_state(seed: int) -> np.ndarray:
    """Arms near home, the box turned anyhow."""
    chance = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(chance.normal(size=(3, 3)))
    turn *= np.linalg.det(turn)
    joints = load_robot().home_rad + chance.normal(size=8) * 0.2
    return np.concatenate([joints, chance.normal(size=8), [0.02, 0.03, 0.06], turn.reshape(9)])


def roll_both(
    settings: PlannerConfig, prior: str, count: int, seed: int, first_guess: float | None = None, **sizes: object
) -> tuple:
    model, value = make_model(prior, seed, **sizes)
    if first_guess is not None:
        for member in value.value.members:
            torch.nn.init.constant_(member[-1].bias, first_guess)  # type: ignore[index]
    score = GoalScore(model.task, settings, tips=model.tips, value=value, disagreement=model.disagreement)
    score.set_goal(GOAL)
    reference = TorchRollouts(model.skill, model.predict, score.running, score.terminal)
    native, reason = make_rollouts(model, settings, value)
    assert native is not None, reason
    native.set_goal(score.goal)
    state = torch.from_numpy(make_state(seed).astype(np.float32))
    controls = (torch.rand(settings.stages, count, 8) * 2 - 1) * settings.control_limit
    return native.roll_out(state, controls), reference.roll_out(state, controls)


@needs_library
@pytest.mark.parametrize("first_guess", [0.0, 5.0])
def test_native_equals_torch_where_the_value_is_hopeful(first_guess: float) -> None:
    """Values around zero, and all far above it: none counts as better than being there."""
    settings = PlannerConfig(stages=4, precision="float32", cost="value", area_weight=0.0)
    native, reference = roll_both(settings, "flow", 130, 3, first_guess=first_guess)
    torch.testing.assert_close(native.returns, reference.returns, rtol=2e-3, atol=2e-3)
    assert bool((native.returns == 0.0).all()) == (first_guess > 0.0)


@needs_library
@pytest.mark.parametrize("prior", ["flow", "gaussian"])
@pytest.mark.parametrize(
    "changes",
    [
        {"cost": "value"},
        {"cost": "distance"},
        {"cost": "distance", "approach_weight": 3.0, "area_margin_m": 0.0, "terminal_weight": 4.0},
    ],
)
def test_native_equals_torch(prior: str, changes: dict) -> None:
    settings = PlannerConfig(stages=4, precision="float32", **changes)
    for seed, count in enumerate((1, 17, 130)):
        native, reference = roll_both(settings, prior, count, seed)
        assert torch.allclose(native.skills, reference.skills, atol=2e-4, rtol=2e-4)
        assert torch.allclose(native.path, reference.path, atol=2e-4, rtol=2e-4)
        # arccos is steep near 0 and pi: a last bit of the trace may turn an angle by 5e-4 rad
        assert torch.allclose(native.returns, reference.returns, atol=2e-2, rtol=2e-4)
        assert float((native.returns - reference.returns).abs().median()) < 2e-3


@needs_library
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_native_equals_torch_on_an_ensemble(weight: float) -> None:
    settings = PlannerConfig(stages=4, precision="float32", cost="distance", disagreement_weight=weight)
    for seed, members in enumerate((2, 3)):
        native, reference = roll_both(settings, "flow", 130, seed, dynamics_members=members)
        assert torch.allclose(native.path, reference.path, atol=2e-4, rtol=2e-4)
        assert torch.allclose(native.returns, reference.returns, atol=2e-2, rtol=2e-4)
        assert float((native.returns - reference.returns).abs().median()) < 2e-3


@needs_library
def test_disagreement_costs_what_the_setting_says() -> None:
    """Nothing else changes between the two, so the returns differ by the weighted sum over the path."""
    model, value = make_model(dynamics_members=3)
    controls, state = torch.rand(3, 40, 8) - 0.5, torch.from_numpy(make_state(1).astype(np.float32))
    found = []
    for weight in (0.0, 2.0):
        native, reason = make_rollouts(model, PlannerConfig(cost="distance", disagreement_weight=weight), value)
        assert native is not None, reason
        native.set_goal(torch.tensor([0.05, 0.0, 0.05, 1, 0, 0, 0, 1, 0, 0, 0, 1]))
        found.append(native.roll_out(state, controls))
    paid = sum(model.disagreement(s, z) for s, z in zip(found[0].path[:-1], found[0].skills, strict=True))
    assert bool((paid > 0).all())
    assert torch.allclose(found[0].returns - found[1].returns, 2.0 * paid, atol=2e-3, rtol=2e-3)


def test_the_planner_minds_disagreement_in_torch_too() -> None:
    model, value = make_model(dynamics_members=2)
    settings = PlannerConfig(samples=8, stages=2, passes=1, engine="torch", cost="distance")
    plans = []
    for weight in (0.0, 5.0):
        weighted = dataclasses.replace(settings, disagreement_weight=weight)
        plans.append(make_goal_planner(model, weighted, seed=1, value=value).plan(make_state(0), GOAL, t_s=0.0).plan)
    assert bool((plans[0].returns > plans[1].returns).all())


@needs_library
@pytest.mark.parametrize("sizes", [{}, {"skill_size": 5, "flow_blocks": 3, "dynamics_hidden": (50,)}])
def test_other_sizes(sizes: dict) -> None:
    settings = PlannerConfig(stages=2, precision="float32", cost="distance")
    model, value = make_model(**sizes)
    native, _ = make_rollouts(model, settings, value)
    assert native is not None
    state = torch.from_numpy(make_state(3).astype(np.float32))
    controls = torch.rand(2, 30, model.skill_size) - 0.5
    rolled = native.roll_out(state, controls)
    first = state.expand(30, -1)
    skill = model.skill(controls[0], first)
    assert torch.allclose(rolled.skills[0], skill, atol=1e-4)
    assert torch.allclose(rolled.path[1], model.predict(first, skill), atol=1e-4)


@needs_library
def test_threads_change_nothing() -> None:
    model, value = make_model()
    controls, state = torch.rand(3, 500, 8) - 0.5, torch.from_numpy(make_state(1).astype(np.float32))
    found = []
    for threads in (1, 3):
        native, _ = make_rollouts(model, PlannerConfig(threads=threads), value)
        assert native is not None
        native.set_goal(torch.tensor([0.05, 0.0, 0.05, 1, 0, 0, 0, 1, 0, 0, 0, 1]))
        found.append(native.roll_out(state, controls))
    assert torch.equal(found[0].returns, found[1].returns)
    assert torch.equal(found[0].path, found[1].path)


@needs_library
def test_bfloat16_keeps_the_order_of_samples_and_an_exact_plan() -> None:
    build = native_build()
    assert build.library is not None
    if not build.library.has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    settings = PlannerConfig(stages=4, precision="bfloat16", cost="value")
    native, reference = roll_both(settings, "flow", 200, 5)
    assert np.corrcoef(native.returns, reference.returns)[0, 1] > 0.99
    model, value = make_model()
    plan = make_goal_planner(model, settings, seed=0, value=value).plan(make_state(0), GOAL, t_s=0.0).plan
    start = torch.from_numpy(make_state(0).astype(np.float32))[None]
    skill = model.skill(plan.controls[:1], start)
    assert torch.allclose(plan.skill, skill[0], atol=1e-4)
    assert torch.allclose(plan.state_goal, model.predict(start, skill)[0], atol=1e-4)


@needs_library
@pytest.mark.parametrize("algorithm", ["mppi", "cem"])
def test_a_whole_plan_equals_that_of_torch(algorithm: str) -> None:
    """One pass: the same samples, nearly the same returns, so nearly the same average."""
    model, value = make_model()
    settings = PlannerConfig(
        algorithm=algorithm, samples=96, stages=5, passes=1, precision="float32", temperature=1.0, cost="distance"
    )
    plans = []
    for engine in ("native", "torch"):
        planner = make_goal_planner(model, dataclasses.replace(settings, engine=engine), seed=4, value=value)
        plans.append(planner.plan(make_state(2), GOAL, t_s=0.0).plan)
    native, reference = plans
    assert torch.allclose(native.controls, reference.controls, atol=2e-3)
    assert native.effective_samples == pytest.approx(reference.effective_samples, rel=0.02)
    assert torch.allclose(native.path, reference.path, atol=1e-2)
    assert native.fan.shape == reference.fan.shape


def test_without_a_library_torch_plans_and_native_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning_engine, "native_build", lambda: NativeBuild(library=None, reason="no C compiler"))
    model, value = make_model()
    settings = dataclasses.replace(planner_preset("default"), samples=16, stages=2)
    rollouts, reason = make_rollouts(model, settings, value)
    assert rollouts is None
    assert reason == "no C compiler"
    planner = make_goal_planner(model, settings, seed=0, value=value)
    assert planner.engine == "torch: no C compiler"
    plan = planner.plan(make_state(0), GOAL, t_s=0.0).plan
    assert bool(torch.isfinite(plan.controls).all())
    with pytest.raises(ConfigError, match="engine is native, but no C compiler"):
        make_goal_planner(model, dataclasses.replace(settings, engine="native"), seed=0, value=value)


@needs_library
def test_a_model_of_another_kind_falls_back_to_torch() -> None:
    model, value = make_model()
    model.networks.dynamics = torch.nn.Identity()
    rollouts, reason = make_rollouts(model, planner_preset("default"), value)
    assert rollouts is None
    assert "Identity" in reason


def test_an_actor_plans_where_the_bundle_has_one() -> None:
    model, _ = make_model()
    settings = dataclasses.replace(planner_preset("rl"), stages=3, fan=0)
    with pytest.raises(ConfigError, match="train offline_rl"):
        make_goal_planner(model, settings, seed=0)
    actor = lambda states, goal, chance: goal[:1].expand(len(states), 8) * 2.0  # noqa: E731
    plan = make_goal_planner(model, settings, seed=0, actor=actor).plan(make_state(0), GOAL, t_s=0.0, samples=9).plan  # type: ignore[arg-type]
    assert torch.allclose(plan.controls, torch.full((3, 8), 0.1))
    assert plan.fan.shape == (0, 4, model.state_size)
    assert plan.is_sound(settings.control_limit)
    start = torch.from_numpy(make_state(0).astype(np.float32))[None]
    skill = model.skill(plan.controls[:1], start)
    assert torch.allclose(plan.state_goal, model.predict(start, skill)[0])


def test_torch_rollouts_skip_paths_when_asked() -> None:
    rollouts = TorchRollouts(lambda u, s: u, lambda s, z: s + z, lambda s, z: s[:, 0], lambda s: s[:, 0])
    rolled = rollouts.roll_out(torch.zeros(2), torch.ones(3, 4, 2), paths=False)
    assert isinstance(rolled, TorchRolled)
    assert rolled.path is None
    assert rolled.skills is None
    assert rolled.returns.tolist() == [0 + 1 + 2 + 3.0] * 4
