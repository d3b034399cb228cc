"""One process's means to try goals: bundle, rig and pilot; the rig and the planner meet here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.clock import SteppedClock, WallClock
from studio.core.config import apply_settings
from studio.core.errors import ConfigError
from studio.core.protocols import Rig
from studio.core.task import Task, load_task
from studio.evaluation.config import EvaluateConfig
from studio.evaluation.goals import GoalCase
from studio.evaluation.keeper import EpisodeKeeper
from studio.evaluation.reach import GoalResult, ReachEpisode, ReachSettings
from studio.evaluation.trace import SkillTrace
from studio.ipc.session import make_session
from studio.learning.bundle import check_fits_robot, load_bundle
from studio.learning.imagination import LearnedActor, make_learned_actor
from studio.learning.skill_model import SkillModel, make_skill_model
from studio.learning.value import LearnedValue, make_learned_value
from studio.planning.actor import ActorPlanner
from studio.planning.config import PlannerConfig, planner_preset
from studio.planning.pilot import Pilot, SkillPilot, StillPilot
from studio.planning.scripted import ScriptedPilot
from studio.robot.description import Robot, load_robot
from studio.workers.planning_engine import make_goal_planner
from studio.workers.realtime import LOOKS, make_worker_pilot

if TYPE_CHECKING:
    from studio.workers.tag_pose import TagSight

TASK = "move_box"


class Trial:
    """Runs cases one after the other on one rig; closes the rig at the end of a `with`.

    Args:
        looks: how often the pilot is asked in a tick of the policy; more than once where it only passes records on.
    """

    def __init__(
        self,
        rig: Rig,
        model: SkillModel,
        pilot: Pilot,
        config: EvaluateConfig,
        sight: TagSight | None = None,
        keeper: EpisodeKeeper | None = None,
        looks: int = 1,
    ) -> None:
        self.task: Task = model.task
        self._rig, self._pilot, self._sight, self._config, self._keeper = rig, pilot, sight, config, keeper
        self._settings = ReachSettings(limit_s=config.limit_s)
        self._episode = ReachEpisode(
            rig, model.task, policy_rate_hz=looks * model.rate_hz, settings=self._settings, sight=sight
        )

    def run(self, case: GoalCase, stop: Callable[[], bool], kept: SkillTrace | None = None) -> GoalResult:
        """One episode; `StoppedError` when `stop` says so at a boundary."""
        if self._keeper is not None:
            self._keeper.begin()
        result = self._episode.run(case, self._pilot, stop=stop, kept=kept)
        if self._keeper is not None:
            reached_s = self._settings.hold_s if result.success else None
            clock = "wall" if self._config.realtime else "stepped"
            self._keeper.keep(case.index, self._describe(case, result), reached_s=reached_s, clock=clock)
        return result

    def _describe(self, case: GoalCase, result: GoalResult) -> dict[str, Any]:
        """What `episode.json` says of an episode: who tried what, and what came of it."""
        config = self._config
        raw = {key: value for key, value in result.to_json().items() if key not in ("trace", "plan_s")}
        return {
            "source": "evaluate",
            "robot": self.task.robot,
            "task": TASK,
            "bundle": config.bundle,
            "planner": config.planner,
            "settings": list(config.settings),
            "goal": dataclasses.asdict(case.goal),
            "result": raw,
        }

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self._pilot.close()
        if self._sight is not None:
            self._sight.close()
        self._rig.close()


def make_pilot(
    model: SkillModel, config: EvaluateConfig, value: LearnedValue | None = None, actor: LearnedActor | None = None
) -> Pilot:
    """The pilot that a specification names.

    Raises:
        ConfigError: `rl` was asked for, and the bundle has no actor.
    """
    if config.planner == "none":
        return StillPilot(model.task, window=model.window)
    if config.planner == "scripted":
        return ScriptedPilot(model.task, load_robot(model.task.robot), rate_hz=model.rate_hz, window=model.window)
    if config.planner == "rl":
        if actor is None:
            raise ConfigError("--planner rl: this bundle has no actor. Train one on it with `train offline_rl`.")
        return SkillPilot(model, ActorPlanner(model, actor, planner_settings(config), seed=config.seed))
    planner = make_goal_planner(model, planner_settings(config), seed=config.seed, value=value)
    return SkillPilot(model, planner, random=config.planner == "random")


def planner_settings(config: EvaluateConfig) -> PlannerConfig:
    return apply_settings(planner_preset(config.planner_preset), list(config.settings))


def make_trial(config: EvaluateConfig, episodes: Path | None = None) -> Trial:
    """Load the bundle, check that it is for the simulated robot, and put it on a rig of its own.

    Args:
        episodes: dataset in which every episode is kept; None keeps none.
    """
    bundle = load_bundle(Path(config.bundle))
    task = load_task(TASK)
    robot = load_robot(task.robot)
    check_fits_robot(bundle.info, robot.name, task.state_size, where=f"Bundle {Path(config.bundle).name}")
    model = make_skill_model(bundle, prior=config.prior or None)
    value, actor = make_learned_value(bundle, model), make_learned_actor(bundle, model)
    settings = planner_settings(config)
    if settings.cost == "value" and value is None:
        raise ConfigError(f"Bundle {Path(config.bundle).name} has no value. Set cost=distance, or train a value.")
    from studio.workers.rig import make_rig  # late: the simulator is loaded only once the bundle is known to be good

    live = config.realtime and config.planner in ("mppi", "cem")
    every = round(robot.loop_rate_hz / model.rate_hz)
    keeper = None if episodes is None else EpisodeKeeper(episodes, every=every)
    rig = make_rig(robot, task, seed=config.seed, clock=WallClock() if live else SteppedClock(), sink=keeper)
    if keeper is not None:
        keeper.bind(rig.streams)
    if live:
        pilot = _make_live_pilot(rig, model, config, robot.name)
        return Trial(rig, model, pilot, config, keeper=keeper, looks=LOOKS)
    return Trial(rig, model, make_pilot(model, config, value, actor), config, _make_sight(robot, config), keeper)


def _make_sight(robot: Robot, config: EvaluateConfig) -> TagSight | None:
    if config.pose != "tags":
        return None
    from studio.sim.camera import SimulatedCamera
    from studio.workers.tag_pose import TagSight

    return TagSight(SimulatedCamera(robot, SteppedClock()))


def _make_live_pilot(rig: Rig, model: SkillModel, config: EvaluateConfig, robot_name: str) -> Pilot:
    values = {
        "robot": robot_name,
        "task": TASK,
        "bundle": config.bundle,
        "preset": config.planner_preset,
        "set": list(config.settings),
        "prior": config.prior or None,
        "seed": config.seed,
    }
    return make_worker_pilot(
        rig, model.task, values, rate_hz=model.rate_hz, window=model.window, make_session=make_session
    )
