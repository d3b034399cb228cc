"""`offline_rl` on toy play: hindsight, imagination, a bundle whose actor plans, and data it must refuse."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.core.errors import ConfigError, DataError
from studio.core.task import Goal
from studio.learning.bundle import load_bundle
from studio.learning.imagination import Recorded, make_learned_actor, return_from
from studio.learning.skill_model import make_skill_model
from studio.methods.haptic_play.config import PhaseConfig
from studio.methods.haptic_play.method import HapticPlay
from studio.methods.offline_rl.config import PRESETS, OfflineRlConfig
from studio.methods.offline_rl.method import OfflineRl
from studio.planning.actor import ActorPlanner
from studio.planning.config import PlannerConfig
from tests.learning.toy import GEOMETRY, box_windows, vector_windows
from tests.methods.test_haptic_play import TINY, Silent


@pytest.fixture(scope="module")
def windows() -> Any:
    return box_windows(ticks=3000)


@pytest.fixture(scope="module")
def skills(tmp_path_factory: pytest.TempPathFactory, windows: Any) -> Path:
    """A skill model after a short training."""
    path = tmp_path_factory.mktemp("skills") / "skills"
    method = HapticPlay(TINY, windows, GEOMETRY, seed=0)
    method.save(path, method.train(Silent(), None), 0.0)
    return path


def make_config(skills: Path, preset: str) -> OfflineRlConfig:
    updates = PhaseConfig(steps=30, batch=64, learning_rate=1e-3)
    changes = {"imagine_batch": 16, "imagine_every": 5, "imagined_kept": 2000, "hidden": (32,), "threads": 1}
    return dataclasses.replace(PRESETS[preset](), bundle=str(skills), updates=updates, **changes)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_trains_and_its_actor_plans(skills: Path, windows: Any, tmp_path: Path, preset: str) -> None:
    method = OfflineRl(make_config(skills, preset), windows, GEOMETRY, seed=0)
    before = torch.cat([p.flatten() for p in method.agent.actor.parameters()]).clone()
    result = method.train(Silent(), None)
    assert result.phase_steps == {"agent": 30}
    assert not torch.equal(before, torch.cat([p.flatten() for p in method.agent.actor.parameters()]))
    assert set(method.held_out) == {"critic", "value", "divergence", "imagined_reach"}
    assert (len(method._imagined) > 0) == (preset != "model_free")
    statistics = method._loss(torch.Generator().manual_seed(0))[1]
    assert ("optimism" in statistics) == (preset == "conservative")
    method.save(tmp_path / "rl", result, 0.0)
    bundle = load_bundle(tmp_path / "rl")
    assert bundle.info["method"] == "offline_rl" and bundle.info["lineage"]["skills"] == str(skills)
    model = make_skill_model(bundle)
    actor = make_learned_actor(bundle, model)
    assert actor is not None and make_learned_actor(load_bundle(skills), model) is None
    planner = ActorPlanner(model, actor, PlannerConfig(stages=5), seed=0)
    goal = Goal(position_m=(0.05, 0.02, 0.05), orientation_xyzw=(0.0, 0.0, 0.0, 1.0), goal_id=1)
    plan = planner.plan(windows.states[100], goal, t_s=0.0).plan
    assert plan.controls.shape == (5, 4) and float(plan.controls.abs().max()) < 1.0
    assert plan.path.shape == (6, model.state_size) and bool(torch.isfinite(plan.path).all())
    assert torch.allclose(
        plan.state_goal, model.predict(torch.from_numpy(windows.states[100:101]), plan.skill[None])[0]
    )
    planner.reset(0)
    first = planner.plan(windows.states[100], goal, t_s=0.0, whole_path=False).plan
    assert torch.allclose(first.controls[0], plan.controls[0]) and len(first.controls) == 1
    assert float(planner.random_controls().abs().max()) <= planner.settings.control_limit


def test_an_actor_that_is_stuck_does_random_skills_for_a_while(skills: Path, windows: Any) -> None:
    """The actor of this test always answers with the same control; what differs comes from the unsticking rule."""
    model = make_skill_model(load_bundle(skills))
    settings = PlannerConfig(stages=2, unstick_s=1.0, unstick_skills=3)
    planner = ActorPlanner(model, lambda states, *_: torch.full((len(states), 4), 0.25), settings, seed=0)
    goal = Goal(position_m=(0.05, 0.02, 0.05), orientation_xyzw=(0.0, 0.0, 0.0, 1.0), goal_id=1)
    for _ in range(2):
        plans = [planner.plan(windows.states[100], goal, t_s=0.25 * tick).plan for tick in range(10)]
        own = [bool((plan.controls == 0.25).all()) for plan in plans]
        assert own == [True, True, True, True, False, False, False, True, False, False]
        assert not torch.equal(plans[4].controls, plans[5].controls)
        planner.reset(0)


def test_a_goal_that_was_achieved_is_always_rewarded(skills: Path, windows: Any) -> None:
    """Check 10 of methods-papers 1h; and the recorded skill comes back from its base control."""
    method = OfflineRl(make_config(skills, "model_free"), windows, GEOMETRY, seed=0)
    world, play = method.world, method.windows
    starts = play.starts[::37]
    now, after = play.states[starts], play.states[starts + play.window]
    control = torch.zeros(len(starts), 4)
    batch = world.transitions(now, after, control, world.goals.goals_at(after), recorded=True)
    assert bool((batch.reward == 0.0).all()) and bool((batch.done == 1.0).all())
    far = world.goals.goals_at(after) + torch.eye(12)[0]
    batch = world.transitions(now, after, control, far, recorded=True)
    assert bool((batch.reward == -1.0).all()) and bool((batch.done == 0.0).all())
    features = world.networks.features(now, world.networks.features.frame(now))
    u = 1.8 * torch.rand(len(starts), 4) - 0.9
    assert torch.allclose(world.base(world.skill(u, features), features), u, atol=1e-3)
    generator = torch.Generator().manual_seed(0)
    prepared = Recorded(world, play, starts, bounded=False, generator=generator)
    drawn = prepared.draw(500, method._goals, 0.96, generator)
    assert float(drawn.control.abs().max()) < 1.0 and 0.0 < float(drawn.done.mean()) < 1.0
    assert bool(drawn.recorded.all()) and bool(torch.isinf(drawn.least).all())


def test_prepared_windows_are_what_the_networks_would_see(skills: Path, windows: Any) -> None:
    method = OfflineRl(make_config(skills, "model_free"), windows, GEOMETRY, seed=0)
    world, play, starts = method.world, method.windows, method.windows.starts[::41]
    prepared = Recorded(world, play, starts, bounded=True, generator=torch.Generator().manual_seed(0))
    drawn = prepared.draw(300, method._goals, 0.96, torch.Generator().manual_seed(1))
    picks = torch.randint(len(starts), (300,), generator=(again := torch.Generator().manual_seed(1)))
    goals = method._goals.pair(starts[picks], world.goals, again).goals
    now = play.states[starts[picks]]
    assert torch.allclose(drawn.now, world.see(now, goals), atol=1e-5)
    assert torch.allclose(drawn.after, world.see(play.states[starts[picks] + play.window], goals), atol=1e-5)


def test_a_return_is_at_least_what_play_itself_got(skills: Path, windows: Any) -> None:
    """n skills to the goal cost n - 1: the one that arrives is free (1d). Future goals come first in a batch."""
    method = OfflineRl(make_config(skills, "model_free"), windows, GEOMETRY, seed=0)
    play, world = method.windows, method.world
    starts, generator = play.starts[:100], torch.Generator().manual_seed(0)
    drawn = method._goals.pair(starts, world.goals, generator)
    prepared = Recorded(world, play, starts, bounded=True, generator=generator)
    least = prepared.draw(100, method._goals, 0.96, generator).least
    future = round(100 * method.config.future_share)
    assert bool(torch.isfinite(least[:future]).all()) and bool(torch.isinf(least[future:]).all())
    skills_away = torch.log1p(0.04 * drawn.least[:future]) / np.log(0.96)
    costs = [-sum(0.96**k for k in range(round(float(n)) - 1)) for n in skills_away]
    assert torch.allclose(return_from(drawn.least[:future], 0.96), torch.tensor(costs), atol=1e-3)


def test_what_it_cannot_learn_from_is_said(skills: Path) -> None:
    with pytest.raises(ConfigError, match="needs a trained skill model"):
        _ = OfflineRlConfig().rate_hz
    assert OfflineRlConfig(bundle=str(skills)).window_ticks == 10
    with pytest.raises(DataError, match="Take the recordings that the bundle was trained on"):
        OfflineRl(make_config(skills, "model_free"), vector_windows(window=10), None, seed=0)
    with pytest.raises(DataError, match="is not a bundle"):
        _ = OfflineRlConfig(bundle=str(skills / "nothing")).rate_hz


def test_states_of_a_ring_are_overwritten_in_order(skills: Path, windows: Any) -> None:
    method = OfflineRl(make_config(skills, "model_based"), windows, GEOMETRY, seed=0)
    ring, generator = method._imagined, torch.Generator().manual_seed(0)
    goals = method.world.goals.goals_at(method.windows.states[:16])
    for _ in range(15):  # 15 x 16 paths x 5 skills x 2 goals is more than the 2000 places
        ring.imagine(method.agent, method.windows.states[:16], goals, generator)
    assert len(ring) == 2000
    batch = ring.draw(400, generator)
    assert not bool(batch.recorded.any()) and np.isfinite(batch.now.numpy()).all()
    assert 0.1 < float(batch.done.mean()) < 1.0  # the relabelled half ends where it ended
