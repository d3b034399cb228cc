"""Executing plans: skills one after the other at window boundaries, the policy in between.

Source: methods paper section 1b (asynchronous deployment). The executor knows no clock and no device: it is told the
measured state and its time and says where the joints should go, so the same code runs on a stepped rig and in the
policy worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray
from studio.core.observation import StateReader, object_spans
from studio.planning.skills import Skills, window_ns


@dataclass(frozen=True, kw_only=True)
class SkillPlan:
    """What the planner hands over; the mailbox's content.

    Args:
        plan_id: rises with every plan.
        state_t_ns: time of the measured state that the plan was made from; its age counts from here.
        controls: U* [H, d].
        candidates: [H, K, d], to be weighed again where the window begins; None or K = 0 leaves U* as it is.
    """

    plan_id: int
    goal_id: int
    state_t_ns: int
    controls: Tensor
    candidates: Tensor | None = None


WeighAgain = Callable[[Tensor, SkillPlan], Tensor]  # state [S] and a plan with candidates -> controls [H, d]


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Where the followers should go: `position + velocity * t` during one policy tick."""

    position_rad: FloatArray
    velocity_rad_s: FloatArray
    hold: bool
    plan_id: int = 0
    goal_id: int = 0
    plan_t_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class SkillOutcome:
    """A finished skill: predicted minus executed, the gap of methods 1c trap 5."""

    t_ns: int
    plan_id: int
    stage: int
    position_error_m: float
    orientation_error_rad: float
    moved_m: float


class SkillExecutor:
    """Window boundaries, stale plans, hold.

    At each boundary the newest plan is taken and its first skill started; when none is newer, the current plan's next
    control goes through the flow at the *measured* state; a plan older than `hold_after_windows` means hold. The
    policy state is reset at each boundary.

    Args:
        skills: the trained model.
        hold_after_windows: age of a plan, in windows, beyond which the arms hold.
        serial: every plan is used for one skill, then the arms hold until the next plan comes.
        weigh_again: what to follow of a plan's candidates at the measured state, when the plan is taken.
    """

    def __init__(
        self,
        skills: Skills,
        *,
        hold_after_windows: float = 3.0,
        serial: bool = False,
        weigh_again: WeighAgain | None = None,
    ) -> None:
        joints = StateReader(skills.task).joints
        if joints is None or skills.action_size != 2 * (joints.stop - joints.start):
            raise ConfigError(
                f"The bundle's actions ({skills.action_size} numbers, task {skills.task.name}) are no joint targets "
                "of this robot, so it cannot be deployed. Pick a bundle that was trained on this robot's play."
            )
        self._skills = skills
        self._joints = joints
        self._size = joints.stop - joints.start
        self._serial, self._weigh_again = serial, weigh_again
        self._limit_ns = round(hold_after_windows * window_ns(skills))
        self._object = object_spans(skills.task)
        self.reset()

    def reset(self) -> None:
        """Forget plans, skill and phase, as at the start of an episode. Plan ids may start again."""
        self._newest: SkillPlan | None = None
        self._plan: SkillPlan | None = None
        self._newest_id = 0
        self._stage = self._phase = 0
        self._holding = True
        self._hold_rad: FloatArray | None = None
        self._skill = torch.zeros(self._skills.skill_size)
        self._controls = torch.zeros(0, self._skills.skill_size)
        self._start = self._goal = torch.zeros(self._skills.state_size)
        self.outcome: SkillOutcome | None = None

    @property
    def at_boundary(self) -> bool:
        """The next step starts a window (or the arms hold, and wait for a plan)."""
        return self._phase == 0

    @property
    def plan_id(self) -> int:
        """Id of the plan being executed, 0 before the first."""
        return 0 if self._plan is None else self._plan.plan_id

    @property
    def newest_id(self) -> int:
        """Id of the newest plan that was offered, 0 before the first."""
        return self._newest_id

    @property
    def stage(self) -> int:
        return self._stage

    @property
    def state_goal(self) -> Tensor | None:
        """Where the running skill is predicted to end [S]; None while holding."""
        return None if self._holding else self._goal

    @property
    def controls(self) -> Tensor:
        """What is followed of the plan [H, d]: U*, or what its candidates came to at the measured state."""
        return self._controls

    @property
    def skill(self) -> Tensor | None:
        """The running skill z [d]; None while holding."""
        return None if self._holding else self._skill

    def offer(self, plan: SkillPlan) -> None:
        """Put a plan into the one-slot mailbox; an older id than one seen already is dropped."""
        if plan.plan_id > self._newest_id:
            self._newest, self._newest_id = plan, plan.plan_id

    def forget_plans(self) -> None:
        """The goal has changed: the running skill ends, then the arms hold until a newer plan comes."""
        self._newest = self._plan = None

    def step(self, state: FloatArray, t_ns: int, *, hold: bool = False) -> Motion:
        """One policy tick at the measured `state` [S]. `hold` asks for holding at the next boundary (goal reached)."""
        measured = torch.from_numpy(np.asarray(state, dtype=np.float32))
        if self._phase == 0:
            self._report(measured, t_ns)
            self._begin_window(measured, t_ns, hold)
        if self._holding:
            return self._hold(state)
        with torch.inference_mode():
            action = self._skills.act(measured, self._goal, self._skill, self._phase).numpy().astype(np.float64)
        self._phase = (self._phase + 1) % self._skills.window
        position_rad = state[self._joints] + action[: self._size]
        return self._motion(position_rad, action[self._size :], hold=False)

    def finish(self, state: FloatArray, t_ns: int) -> None:
        """Tell where the last skill ended, when no further step follows; `outcome` then speaks of it."""
        if self._phase == 0:
            self._report(torch.from_numpy(np.asarray(state, dtype=np.float32)), t_ns)

    def _begin_window(self, measured: Tensor, t_ns: int, hold: bool) -> None:
        if self._newest is not None and self._newest is not self._plan:
            self._plan, self._stage, self._controls = self._newest, 0, self._newest.controls
        elif self._serial:
            self._holding = True
            return
        elif not self._holding:
            self._stage += 1
        plan = self._plan
        if hold or plan is None or self._is_stale(plan, t_ns):
            self._holding = True
            return
        self._holding, self._hold_rad = False, None
        if self._stage == 0 and self._weigh_again and plan.candidates is not None and plan.candidates.numel():
            self._controls = self._weigh_again(measured, plan)
        control = self._controls[min(self._stage, len(self._controls) - 1)]
        with torch.inference_mode():
            here = measured[None]
            skill = self._skills.skill(control[None], here)
            self._start, self._skill, self._goal = measured, skill[0], self._skills.predict(here, skill)[0]
            self._skills.start_policy(measured)

    def _is_stale(self, plan: SkillPlan, t_ns: int) -> bool:
        return t_ns - plan.state_t_ns > self._limit_ns or self._stage >= len(plan.controls)

    def _hold(self, state: FloatArray) -> Motion:
        if self._hold_rad is None:
            self._hold_rad = np.array(state[self._joints])
        return self._motion(self._hold_rad, np.zeros(self._size), hold=True)

    def _motion(self, position_rad: FloatArray, velocity_rad_s: FloatArray, *, hold: bool) -> Motion:
        plan = self._plan
        if plan is None:
            return Motion(position_rad=position_rad, velocity_rad_s=velocity_rad_s, hold=hold)
        return Motion(
            position_rad=position_rad,
            velocity_rad_s=velocity_rad_s,
            hold=hold,
            plan_id=plan.plan_id,
            goal_id=plan.goal_id,
            plan_t_ns=plan.state_t_ns,
        )

    def _report(self, measured: Tensor, t_ns: int) -> None:
        """Compare where the skill that ends here was predicted to end with where it did."""
        if self._holding:
            self.outcome = None
            return
        position, rotation = self._object
        trace = float((measured[rotation] * self._goal[rotation]).sum())
        self.outcome = SkillOutcome(
            t_ns=t_ns,
            plan_id=self.plan_id,
            stage=self._stage,
            position_error_m=float((measured[position] - self._goal[position]).norm()),
            orientation_error_rad=float(np.arccos(np.clip((trace - 1) / 2, -1.0, 1.0))),
            moved_m=float((measured[position] - self._start[position]).norm()),
        )
