"""The policy worker: executes skills at the bundle's rate and owns the `target` slot. It never waits for the planner.

Source: methods paper section 1b (asynchronous deployment).
"""

from __future__ import annotations

import gc
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.core.clock import WallClock
from studio.core.errors import ConfigError, StudioError
from studio.core.geometry import FloatArray
from studio.core.observation import StateReader
from studio.core.task import Goal
from studio.ipc.channels import make_running_slot, make_target_slot
from studio.ipc.messages import Message
from studio.ipc.slot import SlotWriter
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.planning.arrival import Arrival
from studio.planning.config import PlannerConfig
from studio.planning.executor import Motion, SkillExecutor, SkillPlan
from studio.planning.planner import GoalPlanner
from studio.planning.skills import window_ns
from studio.workers.deployment import Deployment, Surroundings, load_deployment, make_settings, newest_deploy
from studio.workers.planning_engine import make_goal_planner
from studio.workers.priority import keep_memory, obtain_niceness
from studio.workers.skill_run import SkillRun
from studio.workers.tap import Tap

_SAY_PERIOD_S = 0.2
_IDLE_S = 0.02
_NICENESS = -10  # it wakes a hundred times a second for a millisecond or two


class DeployedPolicy:
    """One bundle, executing plans until it is replaced."""

    def __init__(self, link: WorkerLink, deployment: Deployment) -> None:
        self._deployment, self.skills = deployment, deployment.model
        task = deployment.model.task
        joints = StateReader(task).joints
        if joints is None:
            raise ConfigError(f"Bundle {deployment.path.name}: task {task.name} has no joints. Pick another bundle.")
        settings = make_settings(deployment.values)
        self._planner = _make_second_look(deployment, settings)
        self.executor = SkillExecutor(
            deployment.model,
            hold_after_windows=settings.hold_after_windows,
            serial=settings.serial,
            weigh_again=None if self._planner is None else self._weigh_again,
        )
        self._goal: Goal | None = None
        self._link = link
        self._skill_run: SkillRun | None = None
        self.tick_ns = round(1e9 / deployment.model.rate_hz)
        self._window_ns = window_ns(deployment.model)
        self._surroundings = Surroundings(link.session, deployment)
        self._mailbox = Tap(link.session.slot_path("mailbox"))
        self._type = make_target_slot(joints.stop - joints.start)
        self._target = SlotWriter(link.session.slot_path("target"), self._type)
        self._record = self._type.empty()[0]
        sizes = {"stages": settings.stages, "skill_size": self.skills.skill_size, "state_size": self.skills.state_size}
        self._running_type = make_running_slot(**sizes)
        self._running = SlotWriter(link.session.slot_path("running"), self._running_type)
        self._arrival = Arrival(task)
        self._goal_id = 0
        self._outcomes: list[float] = []
        self.reason = "waiting for a state"
        self.plan_age_s = float("nan")
        self.skill_count = 0
        self.longest_tick_s = 0.0

    def tick(self, now_ns: int, *, held: bool) -> None:
        """One policy tick: observe, act, publish. Nothing is published without a fresh state."""
        began_s = time.perf_counter()
        found = self._surroundings.state(now_ns)
        if found is None:
            self.reason = "waiting for a state"
            return
        state, _ = found
        if self._skill_run is not None:
            self._step_skill(self._skill_run, state, now_ns)
            return
        goal = self._goal = self._surroundings.goal()
        self._take_plan(goal)
        hold = held or goal is None or self._arrival.look(state, goal)
        boundary = self.executor.at_boundary
        motion = self.executor.step(state, now_ns, hold=hold)
        if boundary:
            self._note_boundary(motion)
            self._tell_planner(now_ns)
        self._explain(motion, now_ns, held=held, goal=goal)
        self._write(motion, now_ns)
        self.longest_tick_s = max(self.longest_tick_s, time.perf_counter() - began_s)

    def warm_up(self) -> None:
        """First calls allocate and load kernels; better now than in the first window."""
        _warm_up(self.skills)
        if self._planner is not None:
            settings, skills = self._planner.settings, self.skills
            candidates = torch.zeros(settings.stages, settings.candidates, skills.skill_size)
            here = Goal(position_m=(0.0, 0.0, 0.0), orientation_xyzw=(0.0, 0.0, 0.0, 1.0))
            for _ in range(3):
                self._planner.weigh_again(torch.zeros(skills.state_size), here, candidates)

    def do_skill(self, values: dict[str, Any]) -> None:
        """Execute one skill once, as soon as the arms are engaged; another one that runs is ended."""
        self.end_skill()
        request = int(values.get("request", 0))
        self._skill_run = SkillRun(self._deployment.model, self._link.session, values.get("controls", []), request)

    def end_skill(self) -> None:
        if self._skill_run is not None:
            self._skill_run.outcome = self._skill_run.outcome or "held"
            self._link.send(self._skill_run.report())
            self._skill_run.close()
            self._skill_run = None

    def _step_skill(self, run: SkillRun, state: FloatArray, now_ns: int) -> None:
        self.reason = "doing a skill"
        self._write(run.step(state, now_ns), now_ns)
        if run.outcome:
            self.end_skill()

    def report(self) -> dict[str, Any]:
        error_m = float(np.mean(self._outcomes[-10:])) if self._outcomes else None
        values = {
            "plan_id": self.executor.plan_id,
            "plan_age_s": None if np.isnan(self.plan_age_s) else self.plan_age_s,
            "hold": self.executor.state_goal is None,
            "reason": self.reason,
            "skills": self.skill_count,
            "predicted_error_m": error_m,
            "longest_tick_ms": 1e3 * self.longest_tick_s,
        }
        self.longest_tick_s = 0.0
        return values

    def close(self) -> None:
        self.end_skill()
        self._target.close()
        self._running.close()
        self._mailbox.close()
        self._surroundings.close()

    def _take_plan(self, goal: Goal | None) -> None:
        goal_id = 0 if goal is None else goal.goal_id
        if goal_id != self._goal_id:
            self._goal_id = goal_id
            self._arrival.reset()
            self.executor.forget_plans()
        record = self._mailbox.read()
        if record is None or goal is None or int(record["goal_id"]) != goal.goal_id:
            return  # a plan for an earlier goal is no plan
        if int(record["plan_id"]) <= self.executor.newest_id or int(record["state_t_ns"]) == 0:
            return
        if record["controls"].shape[-1] != self.skills.skill_size:
            return  # from a planner with another bundle; it will be replaced
        controls = torch.from_numpy(record["controls"].copy())
        plan = SkillPlan(
            plan_id=int(record["plan_id"]),
            goal_id=int(record["goal_id"]),
            state_t_ns=int(record["state_t_ns"]),
            controls=controls,
            candidates=torch.from_numpy(record["candidates"][:, : int(record["candidate_count"])].copy()),
        )
        self.executor.offer(plan)

    def _weigh_again(self, measured: Tensor, plan: SkillPlan) -> Tensor:
        """The plan was made for a predicted state; this is the state that came."""
        assert self._planner is not None and self._goal is not None and plan.candidates is not None
        return self._planner.weigh_again(measured, self._goal, plan.candidates)

    def _tell_planner(self, now_ns: int) -> None:
        """Which controls are followed, and where the skill that begins now should end; before the target says so."""
        state_goal, controls = self.executor.state_goal, self.executor.controls
        record = self._running_type.empty()[0]
        if state_goal is None or controls.shape != record["controls"].shape:
            return
        record["t_ns"], record["plan_id"], record["stage"] = now_ns, self.executor.plan_id, self.executor.stage
        record["controls"], record["state_goal"] = controls.numpy(), state_goal.numpy()
        self._running.write(record)

    def _note_boundary(self, motion: Motion) -> None:
        if self.executor.outcome is not None:
            self._outcomes = [*self._outcomes[-9:], self.executor.outcome.position_error_m]
        self.skill_count += not motion.hold

    def _explain(self, motion: Motion, now_ns: int, *, held: bool, goal: Goal | None) -> None:
        self.plan_age_s = (now_ns - motion.plan_t_ns) * 1e-9 if motion.plan_t_ns else float("nan")
        if not motion.hold:
            self.reason = "running"
        elif held:
            self.reason = "held"
        elif goal is None:
            self.reason = "no goal"
        elif self._arrival.arrived:
            self.reason = "goal reached"
        else:
            self.reason = "plan too old" if motion.plan_t_ns else "no plan yet"

    def _write(self, motion: Motion, now_ns: int) -> None:
        record = self._record
        record["t_ns"] = now_ns
        record["position_rad"], record["velocity_rad_s"] = motion.position_rad, motion.velocity_rad_s
        record["ramp_end_ns"] = now_ns + self.tick_ns
        record["valid_until_ns"] = now_ns + self._window_ns  # a policy silent for a whole skill means hold
        record["plan_id"], record["goal_id"] = motion.plan_id, motion.goal_id
        record["plan_t_ns"], record["hold"] = motion.plan_t_ns, motion.hold
        self._target.write(record)


class PolicyWorker:
    """Messages, pace and reports around a deployed policy."""

    def __init__(self, link: WorkerLink) -> None:
        self._link = link
        self._clock = WallClock()
        self._deployed: DeployedPolicy | None = None
        self._held = False
        self._said = ""
        self._said_s = 0.0

    def run(self) -> None:
        """Until asked to end; absolute deadlines, and a tick that comes too late is skipped, not made up for."""
        self._deploy(self._link.config)
        deadline_ns = self._clock.now_ns()
        while not self._link.ending:
            self._listen()
            deployed = self._deployed
            if deployed is None:
                time.sleep(_IDLE_S)
                deadline_ns = self._clock.now_ns()
                continue
            deadline_ns = max(deadline_ns + deployed.tick_ns, self._clock.now_ns() - deployed.tick_ns)
            self._clock.sleep_until_ns(deadline_ns)
            self._tick(deployed)
        self._close()

    def _tick(self, deployed: DeployedPolicy) -> None:
        try:
            deployed.tick(self._clock.now_ns(), held=self._held)
        except StudioError as error:
            if str(error) != self._said:
                self._said = str(error)
                self._link.say("error", str(error), error.detail)
        now_s = time.monotonic()
        if now_s - self._said_s > _SAY_PERIOD_S:
            self._said_s = now_s
            self._link.send(Message(name="state", values=deployed.report()))

    def _listen(self) -> None:
        messages = self._link.receive()
        if any(message.name == "hold" for message in messages):
            self._held = True
            if self._deployed is not None:
                self._deployed.end_skill()
        deploy = newest_deploy(messages)
        if deploy is not None:
            self._deploy(deploy.values)
        for message in messages:
            if message.name == "do_skill" and self._deployed is not None:
                self._do_skill(self._deployed, message.values)

    def _do_skill(self, deployed: DeployedPolicy, values: dict[str, Any]) -> None:
        try:
            deployed.do_skill(values)
        except ConfigError as error:
            self._link.say("error", str(error), error.detail)

    def _deploy(self, values: dict[str, Any]) -> None:
        if not values.get("bundle"):
            return
        self._held = bool(values.get("hold", False))
        try:
            deployment = load_deployment(values, self._link.config)
            self._close()
            self._deployed = DeployedPolicy(self._link, deployment)
        except StudioError as error:
            self._link.say("error", str(error), error.detail)
            return
        self._deployed.warm_up()
        ready = {"bundle": str(deployment.path), "rate_hz": deployment.model.rate_hz, "window": deployment.model.window}
        self._link.send(Message(name="ready", values=ready))

    def _close(self) -> None:
        if self._deployed is not None:
            self._deployed.close()
            self._deployed = None


def _make_second_look(deployment: Deployment, settings: PlannerConfig) -> GoalPlanner | None:
    """What weighs a plan's candidates again; None where there are none."""
    if not settings.candidates or settings.algorithm == "rl" or settings.serial:
        return None
    planner = make_goal_planner(deployment.model, settings, seed=0, value=deployment.value)
    return planner if isinstance(planner, GoalPlanner) else None


def _warm_up(skills: Any) -> None:
    state = torch.zeros(skills.state_size)
    skill = skills.skill(torch.zeros(1, skills.skill_size), state[None])[0]
    skills.start_policy(state)
    for phase in range(5):
        skills.act(state, state, skill, phase)
    gc.collect()
    gc.freeze()


def main(link: WorkerLink) -> None:
    torch.set_num_threads(1)
    keep_memory()
    obtain_niceness(_NICENESS)
    PolicyWorker(link).run()


if __name__ == "__main__":
    run_worker(main)
