"""One skill executed once by the policy worker, for the skills screen; the arms must be engaged for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from studio.core.errors import ConfigError
from studio.core.geometry import FloatArray
from studio.core.observation import StateReader
from studio.core.records import Driver, PairState
from studio.ipc.messages import Message
from studio.ipc.session import SessionFolder
from studio.learning.skill_model import SkillModel
from studio.planning.executor import Motion, SkillExecutor, SkillPlan
from studio.workers.skill_samples import STAGES_MAX
from studio.workers.tap import Tap

_PATIENCE_NS = 10_000_000_000  # for the arms to be engaged before the skill begins


class SkillRun:
    """One skill executed once by the policy worker: waits until the arms are engaged, moves, then holds.

    Args:
        model: executes it.
        session: its control ring says whether the arms are engaged and driven by a skill.
        controls: base controls [H, d].
        request: told back when it has ended.
    """

    def __init__(self, model: SkillModel, session: SessionFolder, controls: Any, request: int) -> None:
        array = np.asarray(controls, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != model.skill_size or not np.isfinite(array).all():
            raise ConfigError(
                f"do_skill: controls have shape {array.shape}; needed [1 to {STAGES_MAX}, {model.skill_size}]."
            )
        if not 1 <= len(array) <= STAGES_MAX or np.abs(array).max() > 1.0:
            raise ConfigError(f"do_skill: {len(array)} skills in a row within ±1; allowed 1 to {STAGES_MAX}.")
        self.request, self.outcome = request, ""
        self._controls = torch.from_numpy(array)
        self._executor = SkillExecutor(model, hold_after_windows=len(array) + 2.0)
        self._control = Tap(session.ring_path("control"))
        joints = StateReader(model.task).joints
        assert joints is not None  # the executor has refused such a task
        self._joints = joints
        self._asked_ns = 0
        self._start_ns = self.end_ns = 0

    @property
    def start_ns(self) -> int:
        """When the first skill began; 0 before."""
        return self._start_ns

    def step(self, state: FloatArray, now_ns: int) -> Motion:
        """One policy tick; `outcome` is filled when it was the last one."""
        self._asked_ns = self._asked_ns or now_ns
        engaged = self._is_engaged()
        if self._start_ns == 0:
            if not engaged:
                return self._wait(state, now_ns)
            self._start_ns = now_ns
            self._executor.offer(SkillPlan(plan_id=1, goal_id=0, state_t_ns=now_ns, controls=self._controls))
        elif not engaged:
            return self._end(state, now_ns, "stopped before its end")
        motion = self._executor.step(state, now_ns)
        if motion.hold:
            all_done = self._executor.stage >= len(self._controls)
            return self._end(state, now_ns, "done" if all_done else "cut short, the computer was too slow")
        return motion

    def close(self) -> None:
        self._control.close()

    def _is_engaged(self) -> bool:
        record = self._control.read()
        if record is None:
            return False
        driven = int(record["driver"]) == Driver.SKILL
        return driven and bool((record["pair_state"] == PairState.ENGAGED).all())

    def _wait(self, state: FloatArray, now_ns: int) -> Motion:
        """Stay here with a valid target, so that the arms can be engaged."""
        if now_ns - self._asked_ns > _PATIENCE_NS:
            return self._end(state, now_ns, "the arms were not engaged within 10 s")
        return self._stay(state, hold=False)

    def _end(self, state: FloatArray, now_ns: int, outcome: str) -> Motion:
        self.outcome, self.end_ns = outcome, now_ns
        return self._stay(state, hold=True)

    def _stay(self, state: FloatArray, *, hold: bool) -> Motion:
        here = np.array(state[self._joints])
        return Motion(position_rad=here, velocity_rad_s=np.zeros_like(here), hold=hold)

    def report(self) -> Message:
        """`skill_done` {request, outcome, start_ns, end_ns}."""
        values = {"request": self.request, "outcome": self.outcome, "start_ns": self._start_ns, "end_ns": self.end_ns}
        return Message(name="skill_done", values=values)
