"""One motor's check as the window sees it: what the bench said last, and what may be answered now. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plugins.devices.motors import STEPS, Motor

_TORQUE_STEPS = ("torque", "gain", "current", "silence")
_AT_START = ("first_pin", "rest")  # the joint turns from where these are answered


@dataclass
class Check:
    """A check that was begun and has not been put away yet.

    Args:
        motor: as it was when the check began.
        kind: `all`, `gear` or `zero`, as the bench knows it.
        state: the newest `state` message, empty before the first.
        finished: the `finished` message, None while it runs.
        lost: why it ended without one.
        start_rad: angle at the first answer of the present step.
    """

    motor: Motor
    kind: str
    state: dict[str, Any] = field(default_factory=dict)
    finished: dict[str, Any] | None = None
    lost: str = ""
    start_rad: float = 0.0
    _step: str = ""
    _turning: bool = False

    @property
    def mark(self) -> tuple[Any, ...]:
        """Changes when there is something else to do, not with every number."""
        return self.phase, self.step, self.question, self.state.get("pause"), len(self.passed)

    @property
    def passed_all(self) -> bool:
        return self.finished is not None and bool(self.finished.get("passed"))

    @property
    def over(self) -> bool:
        return self.finished is not None or bool(self.lost)

    @property
    def phase(self) -> str:
        if self.lost:
            return "lost"
        if self.finished is not None:
            return str(self.finished["phase"])
        told = str(self.state.get("phase", "opening"))
        return "closing" if told in ("finished", "aborted") else told  # its result follows

    @property
    def step(self) -> str:
        return str(self.state.get("step", "reply"))

    @property
    def place(self) -> int:
        """Of the present step among all nine, from 1."""
        return STEPS.index(self.step) + 1

    @property
    def question(self) -> dict[str, Any] | None:
        return self.state.get("question") if not self.over else None

    @property
    def gives_torque(self) -> bool:
        """Whether torque flows, or is about to, in the present step."""
        return not self.over and self.step in _TORQUE_STEPS

    @property
    def passed(self) -> Mapping[str, Mapping[str, Any]]:
        """Numbers of every step that has passed, earlier ones too."""
        if self.finished is not None:
            return self.finished["steps"]
        found = self.state.get("passed")
        if found is not None:
            return found
        return self.motor.passed

    @property
    def refused(self) -> dict[str, str]:
        """Reason by step, of this check."""
        told = self.finished if self.finished is not None else self.state
        return {refusal["step"]: refusal["reason"] for refusal in told.get("refusals", [])}

    def take(self, state: dict[str, Any]) -> None:
        """A new `state`. Until the person says that the joint is at its start, it has not turned."""
        question = state["question"]
        if state["step"] != self._step or (question is not None and question["key"] in _AT_START):
            self._turning = False
        elif question is not None:
            self._turning = True  # asked for what comes after the start
        if not self._turning:
            self._step, self.start_rad = state["step"], float(state["sample"]["position_rad"])
        self.state = state

    def words(self) -> str:
        """For the motor's row; a step that was refused is among its findings."""
        if self.over or self.phase == "refused":
            return ""
        return f"Checking, {self.place} of {len(STEPS)}"

    def end_words(self) -> tuple[str, str]:
        """How it ended, and what to do next: a headline and a sentence."""
        return ("This motor is checked" if self.passed_all else "The check has ended"), self._end_sentence()

    def _end_sentence(self) -> str:
        if self.lost:
            return self.lost
        told = self.finished or {}
        if told.get("problem"):
            return f"{told['problem']} What had passed is kept; close this and go on from there."
        if told.get("phase") == "aborted":
            return "Stopped by you. The motor is off, and what had passed is kept."
        if told.get("passed"):
            return "Every step passed."
        names = len(told.get("refusals", []))
        return f"{names} step{'s' if names != 1 else ''} did not pass. What to do is written with each."
