"""Deploying without Qt: which bundle, which planner settings, goals one after the other, and what came of them."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from plugins.deploy.attempt import Attempt, GoalRow, Outcomes
from plugins.deploy.config import DeployConfig
from studio.app.api import Message, StudioApi
from studio.core.config import make_config
from studio.core.errors import StudioError
from studio.core.records import Driver, PairState
from studio.core.task import Goal
from studio.data.bundle_info import BundleInfo
from studio.data.goal_file import goal_path, load_kept_goal, save_kept_goal
from studio.evaluation.wilson import wilson_interval
from studio.planning.config import PRESETS, PlannerConfig, planner_preset

_ASK_AGAIN_S = 1.5
PLANNING_WORKERS = ("planner", "policy")
TAKE_OVER = "take over"  # the label at the moment in which a person took over


class DeployModel:
    """The deployment as the person asked for it; the workers do it."""

    changed = Signal()  # deployed or not, bundle, settings, limits, outcomes
    attempt_began = Signal()

    def __init__(self, studio: StudioApi, config: DeployConfig | None = None) -> None:
        self.studio = studio
        self.config = config or DeployConfig()
        self.preset = "default"
        self.settings: PlannerConfig = planner_preset("default")
        self.pose = ""  # of `POSE_SOURCES`
        self.prior = ""  # of the bundle's `priors`; empty: its own choice
        self.deployed = False
        self.problem = ""
        self.attempt: Attempt | None = None
        self.outcomes = Outcomes()
        self.row = GoalRow()
        self.plan_age_s = float("nan")
        self.policy_error_m = float("nan")
        self.dropped_plans = 0
        self.reason = ""
        self._asked_s = self._tags_asked_s = 0.0
        self._keep_take = False  # a take that began with taking over is kept until it is stopped by hand
        self._bind()
        studio.workers.message.connect(self._on_message)
        studio.goal.changed.connect(self._on_goal)
        studio.state.link.events.worst.connect(self._on_state)
        studio.state.recording.events.on.connect(self._on_recording)

    def _bind(self) -> None:
        bind = self.studio.commands.bind
        bind("deploy.deploy", self.deploy, blocked=self.blocked_deploy)
        bind("deploy.hold", self.hold, blocked=lambda: "" if self.deployed else "nothing is deployed")
        bind("deploy.take_over", self.take_over, blocked=self._blocked_take_over)
        bind("deploy.record", self.record, blocked=self._blocked_record)
        bind("deploy.next_goal", self.next_goal, blocked=lambda: "" if self.row.waiting else "there is no next goal")
        bind("deploy.success", lambda: self.correct(True), blocked=self._blocked_correct)
        bind("deploy.failure", lambda: self.correct(False), blocked=self._blocked_correct)

    # ---- choices -------------------------------------------------------------------------------------------------

    @property
    def bundles(self) -> list[BundleInfo]:
        return self.studio.bundles.bundles

    @property
    def bundle(self) -> BundleInfo | None:
        return self.studio.bundles.bundle

    def read_bundles(self) -> None:
        self.studio.bundles.read()
        self._keep_possible()
        self.changed.emit()

    def choose_bundle(self, index: int) -> None:
        if self.studio.bundles.choose(index):
            self._keep_possible()
            self.changed.emit()

    @property
    def limit_share(self) -> float:
        """Share of the robot's speed and torque limits that the planner may use."""
        return self.studio.limits.share(self.bundle)

    def set_limit_share(self, share: float) -> None:
        """In force at once, also while the planner drives."""
        if self.bundle is not None:
            self.studio.limits.choose(self.bundle, share)
            if self.deployed:
                self.studio.limits.apply(self.bundle)
            self.changed.emit()

    def first_run(self) -> bool:
        return self.bundle is not None and not self.studio.limits.has_run(self.bundle)

    def preset_problem(self, name: str) -> str:
        """Why a preset cannot plan with the chosen bundle; empty when it can."""
        if planner_preset(name).algorithm != "rl" or (self.bundle is not None and self.bundle.has_actor):
            return ""
        if self.bundle is None:
            return "rl needs a bundle with an actor: train skills, then offline_rl on them."
        return f"{self.bundle.name} has no actor. Train one on it with offline_rl, or choose a bundle that has one."

    def choose_preset(self, name: str) -> None:
        """Take a preset; one that the bundle cannot do is said and not taken."""
        self.problem = self.preset_problem(name)
        if not self.problem:
            self.preset, self.settings = name, planner_preset(name)
        self.changed.emit()

    @property
    def may_choose_pose(self) -> bool:
        """Real arms see the object through the camera alone."""
        return not self.studio.robot.buses

    def choose_pose(self, pose: str) -> None:
        """Where planner and policy get the object's pose from, from the next *Deploy* on."""
        self.pose = pose
        self.changed.emit()

    def choose_prior(self, prior: str) -> None:
        """Which prior's skills are sampled, from the next *Deploy* on; empty is the bundle's own choice."""
        self.prior = prior
        self.changed.emit()

    def _look_for_tags(self) -> None:
        """The camera reads tags only while it is asked; another screen may have told it to rest."""
        now_s = time.monotonic()
        if self.pose == "tags" and now_s - self._tags_asked_s > _ASK_AGAIN_S and self.studio.workers.alive("camera"):
            self._tags_asked_s = now_s
            self.studio.workers.send("camera", Message(name="tags", values={"on": True}))

    def _keep_possible(self) -> None:
        """Another bundle may have no actor; then sampling plans again. It may not have the chosen prior either."""
        if self.bundle is None or self.prior not in self.bundle.priors:
            self.prior = ""
        reason = self.preset_problem(self.preset)
        if reason:
            self.preset, self.settings, self.problem = "default", planner_preset("default"), reason

    @property
    def samples_plans(self) -> bool:
        """False where an actor answers at once."""
        return self.settings.algorithm != "rl"

    def set_setting(self, name: str, value: float) -> None:
        """Change one planner setting; a value outside its range is said and not taken."""
        kind = type(getattr(PlannerConfig(), name))
        values = {**dataclasses.asdict(self.settings), name: kind(round(value) if kind is int else value)}
        try:
            self.settings = make_config(PlannerConfig, values, where="planner")
            self.problem = ""
        except StudioError as error:
            self.problem = str(error)
        self.changed.emit()

    def changed_settings(self) -> list[str]:
        """What differs from the preset, as `key=value`."""
        preset = dataclasses.asdict(planner_preset(self.preset))
        return [f"{k}={v}" for k, v in dataclasses.asdict(self.settings).items() if v != preset[k]]

    # ---- actions -------------------------------------------------------------------------------------------------

    def blocked_deploy(self) -> str:
        problem = self.studio.bundles.problem()
        if problem:
            return problem
        if self.studio.goal.goal is None:
            return "set a goal first"
        link = self.studio.state.link
        if not link.connected:
            return "the loop is not running"
        if link.worst is PairState.FAULT:
            return "clear the fault first"
        held = self.studio.robot.dead_man_latched or self.studio.input.dead_man
        return "" if held else f"hold {self.studio.input.dead_man_name}: a real robot never moves without it"

    def deploy(self) -> None:
        """Hand bundle and settings to planner and policy, let the planner drive within its limits, engage."""
        bundle = self.bundle
        assert bundle is not None
        values: dict[str, Any] = {
            "bundle": str(bundle.path), "preset": self.preset, "set": self.changed_settings(),
            "hold_after_windows": self.settings.hold_after_windows,
        }  # fmt: skip
        if self.pose and self.may_choose_pose:
            values["pose"] = self.pose
            self._look_for_tags()
        if self.prior:
            values["prior"] = self.prior
        self.problem, self.dropped_plans = "", 0
        self.plan_age_s, self.reason = float("nan"), "loading the bundle"
        self.studio.planning.deploy(values)
        self.studio.limits.apply(bundle)
        self.studio.arms.set_driver(Driver.PLANNER)
        self._engage()
        self.deployed = True
        self._begin_attempt()
        self.changed.emit()

    def _engage(self) -> None:
        self.studio.arms.engage()
        self._asked_s = time.monotonic()

    def _engage_again(self) -> None:
        """Ask once more when Deploy came while a stop was still letting the arms down; only where *Engage* latches."""
        off = self.studio.state.link.worst in (PairState.STOPPED, PairState.DISABLED)
        if off and self.studio.robot.dead_man_latched and time.monotonic() - self._asked_s > _ASK_AGAIN_S:
            self._engage()

    def hold(self) -> None:
        """The arms hold, the planner rests; an attempt that runs is given up uncounted, and its row waits."""
        self.studio.arms.hold()
        self._rest()

    def take_over(self) -> None:
        """You drive, with the arms coupled as they are. What you do is recorded, so that training can use it."""
        self.studio.arms.set_driver(Driver.OPERATOR)
        recording = self.studio.recording
        if self.studio.state.recording.on:
            recording.mark(TAKE_OVER)
        elif not recording.blocked_start():
            self._keep_take = True
            recording.start()
            self.studio.notices.info("You drive, and it is recorded. Training can use it.")
        self._rest()
        self.studio.navigate("teleop")

    def _on_recording(self, on: bool) -> None:
        """A take that taking over began is marked as soon as it runs."""
        if on and self._keep_take:
            self._keep_take = False
            self.studio.recording.mark(TAKE_OVER)

    def _rest(self) -> None:
        self.studio.planning.rest()
        self.deployed, self.attempt = False, None
        self.changed.emit()

    def record(self) -> None:
        if self.studio.state.recording.on:
            self.studio.recording.stop()
        else:
            self.studio.recording.start()

    def _blocked_record(self) -> str:
        return "" if self.studio.state.recording.on else self.studio.recording.blocked_start()

    def _blocked_take_over(self) -> str:
        return "" if self.studio.state.link.worst in (PairState.ENGAGED, PairState.HOLDING) else "the arms are off"

    # ---- goals ---------------------------------------------------------------------------------------------------

    def run_goals(self, names: list[str], *, start: bool = True) -> None:
        """Kept goals by name, one after the other; without `start` the first one waits for Deploy."""
        folder, goals = self.studio.project.folder("goals"), []
        for name in names:
            try:
                goals.append(load_kept_goal(goal_path(folder, name)))
            except StudioError as error:
                self.studio.notices.error(error)
        self.row.begin(goals)
        self.outcomes = Outcomes()
        self.next_goal()
        if start and self.row.now is not None and not self.deployed and not self.blocked_deploy():
            self.deploy()

    def next_goal(self) -> None:
        """The next goal of the row becomes the goal. While nothing drives it waits for Deploy: only that moves arms."""
        kept = self.row.take()
        if kept is not None:
            self.studio.goal.set(kept.position_m, kept.orientation_xyzw, kept.name)

    def _on_goal(self) -> None:
        """Another goal while nothing drives: the row was given up for it."""
        goal = self.studio.goal.goal
        if goal is not None and self.deployed:
            self._begin_attempt()
        elif goal is not None and not self.row.is_at(goal):
            self.row.end()
        self.changed.emit()

    def _on_state(self, state: PairState) -> None:
        """Stop or a fault ends the deployment; the planner rests until it is deployed again."""
        if self.deployed and state in (PairState.STOPPED, PairState.FAULT):
            self._rest()

    def _begin_attempt(self) -> None:
        """The attempt waits for its first plan; only then does its clock run."""
        goal = self.studio.goal.goal
        if goal is not None:
            self.attempt = Attempt(goal, self.studio.task, limit_s=self.config.attempt_s, rest_s=self.config.rest_s)
            self.attempt_began.emit()

    def see_plan(self, plan: np.ndarray) -> None:
        """A new plan (shape []): the first one for the goal starts the clock."""
        attempt = self.attempt
        if self.deployed and attempt is not None and int(plan["goal_id"]) == attempt.goal.goal_id:
            attempt.start(float(plan["t_ns"]) * 1e-9)

    def watch(self, pose: np.ndarray) -> None:
        """The newest pose of the box: is the goal reached, or is its time up?"""
        attempt = self.attempt
        if attempt is None or not self.deployed:
            return
        self._engage_again()
        self._look_for_tags()
        reached = attempt.add(float(pose["t_ns"]) * 1e-9, pose["position_m"], pose["orientation_xyzw"])
        if reached is not None:
            self._count(attempt.goal, reached)

    def _count(self, goal: Goal, reached: bool) -> None:
        self.attempt = None
        self.outcomes.add(goal.name, reached)
        self._note_history(goal.name, reached)
        if self.bundle is not None:
            self.studio.limits.note_run(self.bundle)
        if self.row.waiting:
            self.next_goal()
        elif self.row.length:
            self.row.end()
            self.hold()
        self.changed.emit()

    def _note_history(self, name: str, reached: bool) -> None:
        folder = self.studio.project.folder("goals")
        path = goal_path(folder, name)
        if not name or not path.exists():
            return
        try:
            save_kept_goal(folder, load_kept_goal(path).tried(reached=reached))
        except (StudioError, OSError) as error:
            self.studio.notices.add("warn", f"The history of {name} was not kept.", detail=str(error))

    def correct(self, reached: bool) -> None:
        """The person knows better about the last goal."""
        self.outcomes.correct_last(reached)
        self.changed.emit()

    def _blocked_correct(self) -> str:
        return "" if self.outcomes.reached else "no goal was tried yet"

    def interval(self) -> tuple[float, float]:
        """Wilson 95 % interval of the success rate."""
        return wilson_interval(self.outcomes.successes, len(self.outcomes.reached))

    # ---- workers -------------------------------------------------------------------------------------------------

    def _on_message(self, name: str, message: Message) -> None:
        if name not in PLANNING_WORKERS:
            return
        if message.name == "state" and name == "policy":
            age, error = message.values.get("plan_age_s"), message.values.get("predicted_error_m")
            self.plan_age_s = float("nan") if age is None else float(age)
            self.policy_error_m = float("nan") if error is None else float(error)
            self.reason = str(message.values.get("reason", ""))
        elif message.name == "state":
            self.dropped_plans = int(message.values.get("overruns", 0))
        elif message.name == "ended" and self.deployed:
            self.problem = f"{'Planner' if name == 'planner' else 'Skills'} ended. Arms hold. Start again."
            self.deployed, self.attempt = False, None
            self.changed.emit()
        elif message.name == "ready":
            self.problem = ""
            self.changed.emit()

    @property
    def window_s(self) -> float:
        """How long a skill of the bundle takes."""
        return self.bundle.window / self.bundle.rate_hz if self.bundle else 0.2

    @property
    def hold_age_s(self) -> float:
        """A plan older than this makes the arms hold."""
        return self.settings.hold_after_windows * self.window_s

    def preset_names(self) -> list[str]:
        return list(PRESETS)

    def bundle_title(self, bundle: BundleInfo) -> str:
        return f"{self.settings.algorithm.upper()} · {Path(bundle.name).name}"


def make_model(studio: StudioApi) -> DeployModel:
    return DeployModel(studio)
