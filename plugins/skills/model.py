"""Skills without Qt: what is sampled here and now, which one is chosen, and doing it once.

Sampling asks the planner worker, doing asks the policy worker; the arms move through the same states as always, with
the driver `skill`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from psygnal import Signal

from plugins.skills.execution import Execution, Witness
from plugins.skills.skill import Skill, make_skill
from studio.app.api import Message, StudioApi
from studio.core.records import Driver, PairState

COUNT_MAX, STAGES_MAX = 8, 20
_KEPT_EXECUTIONS = 5
_HORIZONS_S = (1.0, 2.0, 4.0)  # of the held-out errors in a bundle's metrics


class SkillsModel:
    """The skills on the screen."""

    changed = Signal()  # skills, choice, bundle, what happens now
    executed = Signal()

    def __init__(self, studio: StudioApi) -> None:
        self.studio = studio
        self.count, self.stages = COUNT_MAX, 10
        self.skills: list[Skill] = []
        self.chosen = 0  # index into skills
        self.problem = ""
        self.sampling = False
        self.doing: Skill | None = None
        self.executions: list[Execution] = []
        self._witness = Witness()
        self._request = 0
        self._seed = 0
        self._bind()
        studio.workers.message.connect(self._on_message)
        studio.state.link.events.worst.connect(self._on_state)

    def _bind(self) -> None:
        bind, arms = self.studio.commands.bind, self.studio.arms
        bind("skills.sample", self.sample, blocked=self.blocked_sample)
        bind("skills.do", self.do, blocked=self.blocked_do)
        bind("skills.hold", self.hold, blocked=arms.blocked_hold)
        for number in range(1, COUNT_MAX + 1):
            bind(f"skills.choose_{number}", self._chooser(number - 1), blocked=self._blocked_choice(number - 1))

    def _chooser(self, index: int) -> Any:
        return lambda: self.choose(index)

    def _blocked_choice(self, index: int) -> Any:
        return lambda: "" if index < len(self.skills) else f"there is no skill {index + 1}"

    # ---- choices -------------------------------------------------------------------------------------------------

    @property
    def skill(self) -> Skill | None:
        return self.skills[self.chosen] if self.chosen < len(self.skills) else None

    def choose(self, index: int) -> None:
        if 0 <= index < len(self.skills) and index != self.chosen:
            self.chosen = index
            self.changed.emit()

    def read_bundles(self) -> None:
        self.studio.bundles.read()
        self.changed.emit()

    def choose_bundle(self, index: int) -> None:
        if self.studio.bundles.choose(index):
            self._forget()
            self.sample_when_possible()

    def set_count(self, count: int) -> None:
        self.count = min(max(count, 1), COUNT_MAX)
        self.changed.emit()

    def set_stages(self, stages: int) -> None:
        self.stages = min(max(stages, 1), STAGES_MAX)
        self.changed.emit()

    @property
    def window_s(self) -> float:
        """How long one skill takes."""
        bundle = self.studio.bundles.bundle
        return bundle.window / bundle.rate_hz if bundle else 0.2

    def expected_error(self) -> tuple[float, float, float]:
        """Held-out error of this bundle at the measured time nearest to the shown length: s, mm, degrees; NaN."""
        bundle = self.studio.bundles.bundle
        seconds = min(_HORIZONS_S, key=lambda horizon: abs(horizon - self.stages * self.window_s))
        metrics = bundle.metrics if bundle else {}
        found = [metrics.get(f"chain_{seconds:g}s_object_{name}") for name in ("position_mm", "rotation_deg")]
        position, rotation = (float("nan") if value is None else float(value) for value in found)
        return seconds, position, rotation

    # ---- sampling ------------------------------------------------------------------------------------------------

    def empty_words(self) -> str:
        """What stands in place of skills, with what to do next."""
        bundles = self.studio.bundles
        if bundles.bundle is None:
            return "No bundle. Train, or open the demo."
        problem = bundles.problem()
        if problem:
            return problem[:1].upper() + problem[1:] + "."
        if self.problem:
            return self.problem
        return "Sampling." if self.sampling else ""

    def blocked_sample(self) -> str:
        problem = self.studio.bundles.problem()
        if problem:
            return problem
        if not self.studio.state.link.connected:
            return "the loop is not running"
        link = self.studio.state.link
        if self.doing is not None or (link.worst is PairState.ENGAGED and link.driver is Driver.PLANNER):
            return "the arms are being moved: hold them first"
        return ""

    def sample_when_possible(self) -> None:
        self.changed.emit()
        if not self.blocked_sample():
            self.sample()

    def sample(self) -> None:
        """Ask the planner worker what this bundle's skills would do from here."""
        bundle = self.studio.bundles.bundle
        assert bundle is not None
        self._request += 1
        self._seed += 1
        self.sampling, self.problem = True, ""
        values = {"count": self.count, "stages": self.stages, "seed": self._seed, "request": self._request}
        self.studio.planning.ask("planner", bundle.path, Message(name="sample_skills", values=values))
        self.changed.emit()

    def _take_skills(self, values: dict[str, Any]) -> None:
        if values.get("request") != self._request:
            return
        self.sampling, self.problem = False, str(values.get("problem", ""))
        self.skills = [make_skill(i + 1, entry) for i, entry in enumerate(values.get("skills", []))]
        self.chosen = min(self.chosen, max(len(self.skills) - 1, 0))
        self.executions = []
        self.changed.emit()

    def _forget(self) -> None:
        self.skills, self.executions, self.problem, self.sampling = [], [], "", False

    # ---- doing ---------------------------------------------------------------------------------------------------

    def blocked_do(self) -> str:
        if self.skill is None:
            return "sample skills first"
        if self.doing is not None:
            return f"skill {self.doing.number} is being done"
        link, robot = self.studio.state.link, self.studio.robot
        if not link.connected:
            return "the loop is not running"
        if link.worst is PairState.FAULT:
            return "clear the fault first"
        held = robot.dead_man_latched or self.studio.input.dead_man
        return "" if held else f"hold {self.studio.input.dead_man_name}: a real robot never moves without it"

    def do(self) -> None:
        """The chosen skill once; the arms are engaged for it and hold after it."""
        bundle, skill = self.studio.bundles.bundle, self.skill
        assert bundle is not None and skill is not None
        self.doing = skill
        self._request += 1
        self._witness.begin()
        values = {"controls": skill.controls, "request": self._request}
        self.studio.limits.apply(bundle)
        self.studio.planning.ask("policy", bundle.path, Message(name="do_skill", values=values))
        self.studio.arms.set_driver(Driver.SKILL)
        self.studio.arms.engage()
        self.changed.emit()

    def hold(self) -> None:
        """The arms hold; a skill that is being done ends there."""
        self.studio.arms.hold()
        if self.doing is not None:
            self.studio.planning.rest()

    def see(self, poses: np.ndarray | None, control: np.ndarray | None) -> None:
        """New records of the box and the arms, while a skill is done."""
        if self.doing is not None:
            self._witness.see(poses, control)

    def _conclude(self, values: dict[str, Any]) -> None:
        skill = self.doing
        if skill is None or values.get("request") != self._request:
            return
        self.doing = None
        self.studio.arms.hold()
        outcome = str(values.get("outcome", ""))
        if outcome == "done":
            self._keep(skill, int(values.get("start_ns", 0)), int(values.get("end_ns", 0)))
        else:
            self.studio.notices.warn(f"Skill {skill.number}, {skill.title}: {outcome}. Arms hold.")
        self.changed.emit()

    def _keep(self, skill: Skill, start_ns: int, end_ns: int) -> None:
        end = skill.position_m[-1], skill.orientation_xyzw[-1]
        execution = self._witness.conclude(skill.number, start_ns, end_ns, *end)
        bundle = self.studio.bundles.bundle
        if bundle is not None:
            self.studio.limits.note_run(bundle)
        if execution is not None:
            self.executions = [*self.executions, execution][-_KEPT_EXECUTIONS * COUNT_MAX :]
            self.executed.emit()

    def executions_of(self, skill: Skill | None) -> list[Execution]:
        number = 0 if skill is None else skill.number
        return [execution for execution in self.executions if execution.skill == number][-_KEPT_EXECUTIONS:]

    # ---- workers -------------------------------------------------------------------------------------------------

    def _on_message(self, name: str, message: Message) -> None:
        if name == "planner" and message.name == "skills":
            self._take_skills(message.values)
        elif name == "policy" and message.name == "skill_done":
            self._conclude(message.values)
        elif message.name == "ended" and name in ("planner", "policy"):
            self._worker_ended(name)

    def _worker_ended(self, name: str) -> None:
        if name == "planner" and self.sampling:
            self.sampling, self.problem = False, "Planner ended. Sample again to start it."
        elif name == "policy" and self.doing is not None:
            self.doing, self.problem = None, "Skills ended. Arms hold. Start again."
        else:
            return
        self.changed.emit()

    def _on_state(self, state: PairState) -> None:
        """Stop or a fault ends a skill."""
        if self.doing is not None and state in (PairState.STOPPED, PairState.FAULT):
            self.doing = None
            self.studio.planning.rest()
            self.changed.emit()


def make_model(studio: StudioApi) -> SkillsModel:
    return SkillsModel(studio)
