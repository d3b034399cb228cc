"""The planner for a bundle: a trained actor, or sampling with the quickest rollouts this machine and model allow."""

from __future__ import annotations

from dataclasses import fields

from studio.core.errors import ConfigError
from studio.learning.imagination import LearnedActor
from studio.learning.native_build import native_build
from studio.learning.native_rollout import NativeRollouts, RolloutScore, native_rollouts
from studio.learning.skill_model import SkillModel
from studio.learning.value import LearnedValue
from studio.planning.actor import ActorPlanner
from studio.planning.config import PlannerConfig
from studio.planning.planner import GoalPlanner, Planner


def make_goal_planner(
    model: SkillModel,
    settings: PlannerConfig,
    *,
    seed: int,
    value: LearnedValue | None = None,
    actor: LearnedActor | None = None,
) -> Planner:
    """The planner that `settings` ask for; see `PlannerConfig.algorithm` and `.engine`.

    Raises:
        ConfigError: `native` was asked for and there is none here, or `rl` and the bundle has no actor.
    """
    if settings.algorithm == "rl":
        if actor is None:
            raise ConfigError(
                "planner.algorithm is rl, but this bundle has no actor. Train one on it with `train offline_rl`."
            )
        return ActorPlanner(model, actor, settings, seed=seed)
    rollouts, reason = make_rollouts(model, settings, value)
    engine = f"torch: {reason}" if rollouts is None else f"native, {'bfloat16' if rollouts.half else 'float32'}"
    return GoalPlanner(model, settings, seed=seed, value=value, rollouts=rollouts, engine=engine)


def make_rollouts(
    model: SkillModel, settings: PlannerConfig, value: LearnedValue | None
) -> tuple[NativeRollouts | None, str]:
    """Native rollouts, or None and in words why not."""
    if settings.engine == "torch":
        return None, "planner.engine is torch"
    found = native_rollouts(
        model,
        value,
        make_score(settings, with_value=value is not None),
        native_build(),
        precision=settings.precision,
        threads=settings.threads,
    )
    if isinstance(found, NativeRollouts):
        return found, ""
    if settings.engine == "native":
        raise ConfigError(f"planner.engine is native, but {found}. Set engine=auto, or install a C compiler.")
    return None, found


def make_score(settings: PlannerConfig, *, with_value: bool) -> RolloutScore:
    """The weights of a score, and whether the learned value is the cost (as `GoalScore` decides)."""
    names = [field.name for field in fields(RolloutScore) if field.name != "use_value"]
    weights = {name: getattr(settings, name) for name in names}
    return RolloutScore(use_value=with_value and settings.cost != "distance", **weights)
