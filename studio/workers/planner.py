"""The planner worker: state and goal in, plans out, as fast as it can and never in anybody's way.

It owns the `mailbox` slot and the `plan` ring. With `from_prediction` it waits until the policy has taken its newest
plan and then plans from where the skill now running is predicted to end, so that a plan has a whole window of time.
Source: methods paper section 1b (asynchronous deployment, latency option).
"""

from __future__ import annotations

import gc
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.core.errors import StudioError
from studio.core.geometry import FloatArray
from studio.core.observation import object_spans
from studio.core.task import Goal
from studio.ipc.messages import Message
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.planning.arrival import Arrival
from studio.planning.budget import SampleBudget
from studio.planning.config import PlannerConfig
from studio.planning.planner import TimedPlan
from studio.planning.sampling import shift_controls
from studio.planning.skills import window_ns
from studio.workers.deployment import Deployment, Surroundings, load_deployment, make_settings, newest_deploy
from studio.workers.plan_publisher import PlanPublisher, Start
from studio.workers.planning_engine import make_goal_planner
from studio.workers.priority import keep_memory, obtain_niceness
from studio.workers.skill_samples import SkillSampler, answer_samples
from studio.workers.tap import Tap

_IDLE_S = 0.05
_POLL_S = 0.004
_SHORTEST_PERIOD_S = 0.05  # 20 plans a second at most
_SAY_PERIOD_S = 0.2
_NICENESS = -5  # before the window's drawing, behind the policy; the loop and the guard are real-time


class DeployedPlanner:
    """One bundle, planning until it is replaced.

    Args:
        link: line to the supervisor, for the session's paths.
        deployment: the loaded bundle.
        settings: planner settings.
        delay_s: an extra wait in each plan; for tests of a slow planner.
    """

    def __init__(
        self, link: WorkerLink, deployment: Deployment, settings: PlannerConfig, *, delay_s: float = 0.0
    ) -> None:
        self.skills, self._robot = deployment.model, deployment.robot
        self.settings = settings
        seed = int(deployment.values.get("seed", 0))
        self._planner = make_goal_planner(
            deployment.model, settings, seed=seed, value=deployment.value, actor=deployment.actor
        )
        self.engine = self._planner.engine
        self._publisher = PlanPublisher(link, deployment.model, settings)
        self._surroundings = Surroundings(link.session, deployment)
        self._target = Tap(link.session.slot_path("target"))
        self._running = Tap(link.session.slot_path("running"))
        self._delay_s = delay_s
        self._window_ns = window_ns(deployment.model)
        self._goal_id = 0
        self._budget = SampleBudget(settings)
        self._arrival = Arrival(deployment.model.task)
        self._controls: Tensor | None = None  # of the newest published plan, as published
        self._expected: FloatArray | None = None  # where the object should be when that plan is taken
        self.plans = self.overruns = self.refused = 0
        self.latency_s = self.effective_samples = 0.0

    def read_goal(self) -> Goal | None:
        """The goal, after forgetting everything about an earlier one."""
        goal = self._surroundings.goal()
        goal_id = 0 if goal is None else goal.goal_id
        if goal_id != self._goal_id:
            self._goal_id = goal_id
            self._controls = self._expected = None
            self._planner.reset()
            self._arrival.reset()
        return goal

    def make_start(self, now_ns: int, goal: Goal) -> Start | None:
        """What to plan from now; None when it is too early, there is no fresh state, or the arms rest at the goal."""
        found = self._surroundings.state(now_ns)
        if found is None:
            return None
        measured, t_ns = found
        if self._arrival.look(measured, goal) and self._policy_rests():
            return None
        if self.settings.serial and not self._policy_waits(now_ns):
            return None
        if self._controls is None or not self.settings.from_prediction or self._policy_holds(now_ns):
            skills = 0 if self._controls is None else 1
            return Start(state=measured, measured=measured, state_t_ns=t_ns, skills=skills)
        if self._running_id() != self._publisher.plan_id:
            return None  # the policy takes the newest plan at the next boundary; wait for that
        return self._start_at_next_boundary(measured, t_ns)

    def plan(self, start: Start, goal: Goal) -> None:
        """Plan and publish. A plan that comes after its boundary is shifted by the windows it missed."""
        timed: TimedPlan = self._planner.plan(
            start.state,
            goal,
            t_s=start.state_t_ns * 1e-9,
            skills_since_last=start.skills,
            samples=self._budget.samples,
        )
        self._budget.note(timed.latency_s)
        if not timed.plan.is_sound(self.settings.control_limit):
            self._refuse()
            return
        if self._delay_s:
            time.sleep(self._delay_s)
        now_ns = time.monotonic_ns()
        missed = (now_ns - start.boundary_ns) // self._window_ns if start.boundary_ns else 0
        self.overruns += missed > 0
        self.latency_s, self.effective_samples = (now_ns - start.state_t_ns) * 1e-9, timed.plan.effective_samples
        self._publisher.write(timed.plan, int(missed), start, goal, self.latency_s)
        self._controls, self.plans = shift_controls(timed.plan.controls, int(missed)), self.plans + 1

    def _refuse(self) -> None:
        """A plan with numbers that are none is not published; the policy goes on with the last one, then holds."""
        self.refused += 1
        self._planner.reset()

    def sample_skills(self, values: dict[str, Any]) -> Message:
        """The answer to `sample_skills`: what skills would do from the newest measured state."""
        found = self._surroundings.state(time.monotonic_ns())
        return answer_samples(SkillSampler(self.skills, self._robot), None if found is None else found[0], values)

    def report(self) -> dict[str, Any]:
        return {
            "plan_id": self._publisher.plan_id,
            "plans": self.plans,
            "overruns": self.overruns,
            "latency_ms": 1e3 * self.latency_s,
            "effective_samples": self.effective_samples,
            "samples": self._budget.samples,
            "refused": self.refused,
        }

    def close(self) -> None:
        self._publisher.close()
        self._surroundings.close()
        self._target.close()
        self._running.close()

    def _start_at_next_boundary(self, measured: FloatArray, t_ns: int) -> Start:
        """From where the running skill is predicted to end: by the policy, which began it, or by its plan."""
        assert self._controls is not None
        running, skills = self._running.read(), 1
        gap_m = self._gap_m(measured)
        if running is not None and int(running["plan_id"]) == self._publisher.plan_id:
            self._expected = running["state_goal"].astype(np.float64)
            self._planner.follow(torch.from_numpy(running["controls"].copy()))
            skills = 1 + int(running["stage"])
        else:
            here = torch.from_numpy(measured.astype(np.float32))[None]
            with torch.inference_mode():
                ahead = self.skills.predict(here, self.skills.skill(self._controls[:1], here))[0].numpy()
            self._expected = ahead.astype(np.float64)
        return Start(
            state=self._expected,
            measured=measured,
            state_t_ns=t_ns,
            skills=skills,
            boundary_ns=t_ns,
            predicted_error_m=gap_m,
        )

    def _gap_m(self, measured: FloatArray) -> float:
        if self._expected is None:
            return float("nan")
        position, _ = object_spans(self.skills.task)
        return float(np.linalg.norm(measured[position] - self._expected[position]))

    def _policy_holds(self, now_ns: int) -> bool:
        target = self._target.read()
        return target is None or bool(target["hold"]) or now_ns - int(target["t_ns"]) > self._window_ns

    def _policy_rests(self) -> bool:
        """The policy holds for this goal's sake, not because it waits for a plan."""
        target = self._target.read()
        return target is not None and bool(target["hold"])

    def _policy_waits(self, now_ns: int) -> bool:
        """Serial mode: the policy has done what the newest plan says, and holds."""
        done = self._controls is None or self._running_id() == self._publisher.plan_id
        return done and self._policy_holds(now_ns)

    def _running_id(self) -> int:
        target = self._target.read()
        return 0 if target is None else int(target["plan_id"])


class PlannerWorker:
    """Messages, pace and reports around a deployed planner."""

    def __init__(self, link: WorkerLink) -> None:
        self._link = link
        self._deployed: DeployedPlanner | None = None
        self._held = False
        self._said: str = ""
        self._said_s = 0.0
        self._began_s = 0.0

    def run(self) -> None:
        """Until asked to end."""
        self._deploy(self._link.config)
        while not self._link.ending:
            self._listen()
            try:
                wait_s = self._plan_once()
            except StudioError as error:
                wait_s = _IDLE_S
                self._say_once(str(error), error.detail)
            self._report()
            time.sleep(wait_s)
        self._close()

    def _listen(self) -> None:
        messages = self._link.receive()
        for message in messages:
            if message.name == "hold":
                self._held = True
        deploy = newest_deploy(messages)
        if deploy is not None:
            self._deploy(deploy.values)
        for message in messages:
            if message.name == "sample_skills" and self._deployed is not None:
                self._link.send(self._deployed.sample_skills(message.values))

    def _deploy(self, values: dict[str, Any]) -> None:
        if not values.get("bundle"):
            return
        self._held = bool(values.get("hold", False))
        try:
            deployment = load_deployment(values, self._link.config)
            settings = make_settings(values)
            self._close()
            self._deployed = DeployedPlanner(
                self._link, deployment, settings, delay_s=float(values.get("delay_s", 0.0))
            )
        except StudioError as error:
            self._link.say("error", str(error), error.detail)
            return
        gc.collect()
        gc.freeze()
        ready = {
            "bundle": str(deployment.path),
            "settings": asdict(settings),
            "window_s": deployment.model.window_s,
            "engine": self._deployed.engine,
        }
        self._link.send(Message(name="ready", values=ready))

    def _plan_once(self) -> float:
        """One plan when it is time; returns how long to sleep."""
        deployed = self._deployed
        if deployed is None or self._held:
            return _IDLE_S
        goal = deployed.read_goal()
        if goal is None:
            return _IDLE_S
        if time.monotonic() - self._began_s < _SHORTEST_PERIOD_S:
            return _POLL_S
        start = deployed.make_start(time.monotonic_ns(), goal)
        if start is None:
            return _POLL_S
        self._began_s = time.monotonic()
        deployed.plan(start, goal)
        return 0.0

    def _report(self) -> None:
        now_s = time.monotonic()
        if self._deployed is not None and now_s - self._said_s > _SAY_PERIOD_S:
            self._said_s = now_s
            self._link.send(Message(name="state", values=self._deployed.report()))

    def _say_once(self, text: str, detail: str) -> None:
        if text != self._said:
            self._said = text
            self._link.say("error", text, detail)

    def _close(self) -> None:
        if self._deployed is not None:
            self._deployed.close()
            self._deployed = None


def main(link: WorkerLink) -> None:
    torch.set_num_threads(1)
    keep_memory()
    obtain_niceness(_NICENESS)
    PlannerWorker(link).run()


if __name__ == "__main__":
    run_worker(main)
