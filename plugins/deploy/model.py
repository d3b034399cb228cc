"""Deploying without Qt: which bundle, which planner settings, goals one after the other, and what came of them."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from plugins.deploy.attempt import Attempt, Outcomes
from plugins.deploy.config import DeployConfig
from studio.app.api import Message, StudioApi
from studio.core.config import make_config
from studio.core.errors import StudioError
from studio.core.records import Driver, PairState
from studio.core.task import Goal
from studio.data.bundle_info import BundleInfo, load_bundle_info
from studio.data.goal_file import KeptGoal, goal_path, load_kept_goal, save_kept_goal
from studio.evaluation.wilson import wilson_interval
from studio.planning.config import PRESETS, PlannerConfig, planner_preset

_ASK_AGAIN_S = 1.5
WORKERS = ("planner", "policy")


class DeployModel:
    """The deployment as the person asked for it; the workers do it."""

    changed = Signal()  # deployed or not, bundle, settings, outcomes
    attempt_began = Signal()

    def __init__(self, studio: StudioApi, config: DeployConfig | None = None) -> None:
        self.studio = studio
        self.config = config or DeployConfig()
        self.bundles: list[BundleInfo] = []
        self.bundle: BundleInfo | None = None
        self.preset = "default"
        self.settings: PlannerConfig = planner_preset("default")
        self.deployed = False
        self.problem = ""
        self.attempt: Attempt | None = None
        self.outcomes = Outcomes()
        self.queue: list[KeptGoal] = []
        self.queue_length = 0
        self.plan_age_s = float("nan")
        self.policy_error_m = float("nan")
        self.reason = ""
        self._asked_s = 0.0
        self._bind()
        studio.workers.message.connect(self._on_message)
        studio.goal.changed.connect(self._on_goal)
        studio.state.link.events.worst.connect(self._on_state)

    def _bind(self) -> None:
        bind, studio = self.studio.commands.bind, self.studio
        bind("deploy.deploy", self.deploy, blocked=self.blocked_deploy)
        bind("deploy.hold", self.hold, blocked=lambda: "" if self.deployed else "nothing is deployed")
        bind("deploy.take_over", self.take_over, blocked=self._blocked_take_over)
        bind("deploy.record", self.record, blocked=self._blocked_record)
        bind("deploy.next_goal", self.next_goal, blocked=lambda: "" if self.queue else "there is no next goal")
        bind("deploy.success", lambda: self.correct(True), blocked=self._blocked_correct)
        bind("deploy.failure", lambda: self.correct(False), blocked=self._blocked_correct)
        self._recording = studio.recording

    # ---- choices -------------------------------------------------------------------------------------------------

    def read_bundles(self) -> None:
        """The project's bundles, newest first; a damaged one is said and left out."""
        found = []
        for path in self.studio.bundle_paths():
            try:
                found.append(load_bundle_info(path))
            except StudioError as error:
                self.studio.notices.error(error)
        self.bundles = found
        chosen = self.bundle.path if self.bundle else None
        self.bundle = next((b for b in found if b.path == chosen), found[0] if found else None)
        self.changed.emit()

    def choose_bundle(self, index: int) -> None:
        if 0 <= index < len(self.bundles) and self.bundles[index] is not self.bundle:
            self.bundle = self.bundles[index]
            self.changed.emit()

    def choose_preset(self, name: str) -> None:
        self.preset, self.settings = name, planner_preset(name)
        self.changed.emit()

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
        if self.bundle is None:
            return "train skills first: there is no bundle"
        if self.studio.goal.goal is None:
            return "set a goal first"
        fits = self._fits(self.bundle)
        if fits:
            return fits
        state = self.studio.state.link.worst
        if not self.studio.state.link.connected:
            return "the loop is not running"
        return "clear the fault first" if state is PairState.FAULT else ""

    def _fits(self, bundle: BundleInfo) -> str:
        if bundle.robot != self.studio.robot.name:
            return f"trained for {bundle.robot or 'no robot'}, this robot is {self.studio.robot.name}"
        wanted = self.studio.task.state_size
        return (
            "" if bundle.state_size == wanted else f"trained for {bundle.state_size} signals, this robot has {wanted}"
        )

    def deploy(self) -> None:
        """Hand bundle and settings to planner and policy, let the planner drive, engage."""
        assert self.bundle is not None
        values: dict[str, Any] = {
            "bundle": str(self.bundle.path), "preset": self.preset, "set": self.changed_settings(),
            "hold_after_windows": self.settings.hold_after_windows,
        }  # fmt: skip
        for name in WORKERS:
            if self.studio.workers.alive(name):
                self.studio.workers.send(name, Message(name="deploy", values=values))
            else:
                self.studio.workers.start(name, **values)
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
        """The arms hold, the planner rests; an attempt that runs is given up without being counted."""
        self.studio.arms.hold()
        self._rest()

    def take_over(self) -> None:
        """You drive, with the arms coupled as they are."""
        self.studio.arms.set_driver(Driver.OPERATOR)
        self._rest()
        self.studio.navigate("teleop")

    def _rest(self) -> None:
        for name in WORKERS:
            if self.studio.workers.alive(name):
                self.studio.workers.send(name, Message(name="hold"))
        self.deployed, self.attempt = False, None
        self.queue, self.queue_length = [], 0
        self.changed.emit()

    def record(self) -> None:
        if self.studio.state.recording.on:
            self._recording.stop()
        else:
            self._recording.start()

    def _blocked_record(self) -> str:
        return "" if self.studio.state.recording.on else self._recording.blocked_start()

    def _blocked_take_over(self) -> str:
        return "" if self.studio.state.link.worst in (PairState.ENGAGED, PairState.HOLDING) else "the arms are off"

    # ---- goals ---------------------------------------------------------------------------------------------------

    def run_goals(self, names: list[str]) -> None:
        """Kept goals by name, one after the other."""
        folder = self.studio.project.folder("goals")
        self.queue = []
        for name in names:
            try:
                self.queue.append(load_kept_goal(goal_path(folder, name)))
            except StudioError as error:
                self.studio.notices.error(error)
        self.queue_length = len(self.queue)
        self.outcomes = Outcomes()
        self.next_goal()

    def next_goal(self) -> None:
        """The next goal of the row becomes the goal."""
        if not self.queue:
            return
        kept = self.queue.pop(0)
        self.studio.goal.set(kept.position_m, kept.orientation_xyzw, kept.name)
        if not self.deployed and not self.blocked_deploy():
            self.deploy()

    def _on_goal(self) -> None:
        if self.deployed and self.studio.goal.goal is not None:
            self._begin_attempt()
        self.changed.emit()

    def _on_state(self, state: PairState) -> None:
        """Stop or a fault ends the deployment; the planner rests until it is deployed again."""
        if self.deployed and state in (PairState.STOPPED, PairState.FAULT):
            self._rest()

    def _begin_attempt(self) -> None:
        goal = self.studio.goal.goal
        if goal is not None:
            config = self.config
            self.attempt = Attempt(goal, self.studio.task, time.monotonic(), config.attempt_s, config.rest_s)
            self.attempt_began.emit()

    def watch(self, pose: np.ndarray) -> None:
        """The newest pose of the box: is the goal reached, or is its time up?"""
        attempt = self.attempt
        if attempt is None or not self.deployed:
            return
        self._engage_again()
        reached = attempt.add(float(pose["t_ns"]) * 1e-9, pose["position_m"], pose["orientation_xyzw"])
        if reached is not None:
            self._count(attempt.goal, reached)

    def _count(self, goal: Goal, reached: bool) -> None:
        self.attempt = None
        self.outcomes.add(goal.name, reached)
        self._note_history(goal.name, reached)
        if self.queue:
            self.next_goal()
        elif self.queue_length:
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
        if name not in WORKERS:
            return
        if message.name == "state" and name == "policy":
            age, error = message.values.get("plan_age_s"), message.values.get("predicted_error_m")
            self.plan_age_s = float("nan") if age is None else float(age)
            self.policy_error_m = float("nan") if error is None else float(error)
            self.reason = str(message.values.get("reason", ""))
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
        return f"{self.settings.algorithm.upper()} over skills · {Path(bundle.name).name}"


def make_model(studio: StudioApi) -> DeployModel:
    return DeployModel(studio)
