"""The commissioning of one motor as a state machine without a window: ticked, asked and answered from outside.

It owns the link. While torque flows it lets go at once when the joint runs away, a state stays away, the drive reports
an error or gets hot, anybody aborts, or the dead-man is let go of; then the step asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from hw_drivers.commissioning import hand_checks, torque_checks, zeroing
from hw_drivers.commissioning.link import IDLE, MotorLink, Sample
from hw_drivers.commissioning.work import Answer, Ask, CommissionSettings, Context, Drive, RefusedError, Steps
from hw_drivers.motors.codec_mit import error_name
from hw_drivers.motors.models import MotorRange
from studio.core.calibration import MotorCalibration, StepResult
from studio.core.errors import ConfigError, SafetyError

MakeStep = Callable[[Context], Steps]
STEPS: dict[str, tuple[str, MakeStep]] = {
    "reply": ("The motor answers", hand_checks.check_reply),
    "position": ("Position scale and gear", hand_checks.check_position),
    "velocity": ("Velocity scale", hand_checks.check_velocity),
    "torque": ("Torque scale", torque_checks.check_torque),
    "gain": ("Gain scale", torque_checks.check_gain),
    "sign": ("Direction", hand_checks.check_sign),
    "current": ("Sign of the current", torque_checks.check_current),
    "silence": ("What it does when commands stop", torque_checks.check_silence),
    "zero": ("Zero", zeroing.set_zero),
}
CHECKS: dict[str, tuple[str, ...]] = {
    "all": tuple(STEPS),
    "gear": ("reply", "position", "velocity"),
    **{name: ("reply", name) for name in STEPS if name != "reply"},
}
_HAND_ONLY = ("reply", "position", "velocity", "sign", "zero")
_BEFORE_TORQUE = ("reply", "position", "velocity")
_HOLD_FIRST = "Nothing was switched on: the dead-man was not held. Hold it, and confirm again."
_LET_GO = "You let go of the dead-man: torque is off. Hold it, and confirm again."


class Phase(StrEnum):
    """Where the machine is."""

    ASKING = "asking"  # waits for a person
    RUNNING = "running"
    REFUSED = "refused"  # the step may be run again, or left
    FINISHED = "finished"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that did not pass, and why."""

    step: str
    reason: str


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Commissioning:
    """Steps for one motor, in order.

    Args:
        link: to the motor; torque flows only in steps that need it.
        settings: the bench and the limits.
        calibration: what is stored of this motor; replaced by a new value with every step that passes.
        steps: names from `STEPS`, `reply` first; before its question is answered nothing is sent.
        candidates: rows of an unresolved model; the velocity step decides among them, and until then only steps
            without torque run.
        date: UTC time of a result.
        dead_man: whether a person holds it; without it torque never flows. The command line has none: Ctrl+C lets go.
    """

    def __init__(
        self,
        link: MotorLink,
        settings: CommissionSettings,
        calibration: MotorCalibration,
        steps: Sequence[str],
        candidates: Sequence[MotorRange] = (),
        date: Callable[[], str] = _utc_now,
        dead_man: Callable[[], bool] = lambda: True,
    ) -> None:
        unknown = [name for name in steps if name not in STEPS]
        if unknown or not steps or steps[0] != "reply":
            raise ConfigError(f"Commissioning steps {list(steps)}: begin with reply, go on with {', '.join(STEPS)}.")
        if len(candidates) > 1 and any(name not in _HAND_ONLY for name in steps):
            raise ConfigError("The model is not decided. Run the gear check first; no torque before that.")
        self.link, self.settings, self.calibration = link, settings, calibration
        self.steps, self.candidates, self._date = tuple(steps), tuple(candidates), date
        self._held, self.pause = dead_man, ""
        self.index, self.refusals = 0, list[Refusal]()
        self.question: Ask | None = None
        self.sample: Sample = link.cycle(silent=True)
        self._torque = self._may_speak = False
        self._work: Steps | None = None
        self._start_step()

    @property
    def step(self) -> str:
        """Name of the present step; the last one when all are done."""
        return self.steps[min(self.index, len(self.steps) - 1)]

    @property
    def title(self) -> str:
        return STEPS[self.step][0]

    @property
    def gives_torque(self) -> bool:
        """Whether the motor was switched on and not let go of since; also when the bus failed meanwhile."""
        return self._torque

    @property
    def needs_dead_man(self) -> bool:
        """Whether torque flows in the present step."""
        return self.step not in _HAND_ONLY

    @property
    def passed(self) -> bool:
        """All steps ran and none was left after a refusal."""
        return self.phase is Phase.FINISHED and not self.refusals

    def tick(self) -> None:
        """One cycle of the motor; returns after one period."""
        if self.phase is not Phase.RUNNING:
            self.sample = self.link.cycle(silent=not self._may_speak)
            return
        request = self._request
        if isinstance(request, Drive):
            if self._torque and not self._held():
                self._pause(_LET_GO)
                return
            self._check(request)
            self.sample = self.link.cycle(request.command, silent=request.silent)
            trouble = self._trouble(request) if self._torque else ""
            if trouble:
                self._refuse(trouble)
                return
            self._send(self.sample)

    def _check(self, request: Drive) -> None:
        """No step may ask for more than the bench allows, or for stiffness without damping, which runs away."""
        _, _, kp, kd, t = request.command or IDLE
        if abs(t) > self.settings.torque_limit or (kp > 0 and kd <= 0):
            self.abort()
            raise SafetyError(f"Step {self.step} asked for torque {t:g}, Kp {kp:g}, Kd {kd:g}. Nothing was sent.")

    def _trouble(self, request: Drive) -> str:
        """Why torque must end now, empty when it may go on."""
        reply, settings = self.sample.reply, self.settings
        pushing = request.command is not None and any(request.command[2:])
        if pushing and abs(reply.velocity_rad_s) > settings.speed_limit_rad_s:
            return f"The joint ran at {reply.velocity_rad_s:.1f} rad/s; allowed {settings.speed_limit_rad_s:g}. Let go."
        if not request.silent and self.link.silence_s > settings.reply_limit_s:
            return (
                f"Drive {self.link.drive_id} was silent for {self.link.silence_s:.2f} s under torque. Check the wiring."
            )
        if reply.error_code:
            return f"The drive reports error {reply.error_code}, {error_name(reply.error_code)}. Clear its cause."
        if reply.temperature_c is not None and reply.temperature_c > settings.temperature_limit_c:
            return (
                f"The drive is at {reply.temperature_c:g} degC; allowed {settings.temperature_limit_c:g}. Let it cool."
            )
        return ""

    def answer(self, choice: str) -> None:
        """Answer the question.

        Raises:
            SafetyError: nothing was asked, or this is none of the choices.
        """
        if self.question is None or choice not in self.question.choices:
            asked = "Nothing is asked" if self.question is None else f"Choose one of {', '.join(self.question.choices)}"
            raise SafetyError(f"Answer {choice!r} was not expected. {asked}.")
        self.question, self.phase, self.pause = None, Phase.RUNNING, ""
        self._may_speak = True  # the first question of all is whether nothing can fall
        self.link.drain()
        self._send(choice)

    def again(self) -> None:
        """Let go, and run the present step once more from its beginning."""
        self._go_to(self.index)

    def back(self) -> None:
        """Let go, and run the step before once more."""
        self._go_to(max(self.index - 1, 0))

    def _go_to(self, index: int) -> None:
        if self.phase in (Phase.FINISHED, Phase.ABORTED):
            return
        self._end_work()
        self.index = index
        self.refusals = [refusal for refusal in self.refusals if self.steps.index(refusal.step) < index]
        self._start_step()

    def leave(self) -> None:
        """Go on without a refused step; it stays among the refusals. Nothing follows when the motor does not answer."""
        if self.phase is Phase.REFUSED:
            self.index = len(self.steps) if self.step == "reply" else self.index + 1
            self._start_step()

    def abort(self) -> None:
        """Let go of the motor and end."""
        self.question, self.phase = None, Phase.ABORTED
        self._end_work()

    def _pause(self, why: str) -> None:
        """The dead-man is not held: let go; the step begins again with its question."""
        self._end_work()
        self._start_step()
        self.pause = why

    def _start_step(self) -> None:
        self.question, self.pause = None, ""
        if self.index >= len(self.steps):
            self.phase = Phase.FINISHED
            return
        self.phase = Phase.RUNNING
        if missing := self._missing():
            self._refuse(f"No torque before {missing} has passed for this motor. Run the gear check first.")
            return
        context = Context(
            motor=self.link.motor,
            settings=self.settings,
            calibration=self.calibration,
            candidates=self.candidates,
            period_s=self.link.period_s,
            facts=self.link.counts,
        )
        self._work = STEPS[self.step][1](context)
        self._send(None)

    def _missing(self) -> str:
        """The check that must have passed before this step, empty when there is none."""
        if self.step in _HAND_ONLY:
            return ""
        return next((name for name in _BEFORE_TORQUE if name not in self.calibration.steps), "")

    def _send(self, answer: Answer) -> None:
        """Move the step on until it wants a cycle or a person."""
        work = self._work
        if work is None:
            return
        try:
            self._request = work.send(answer)
            while not isinstance(self._request, (Ask, Drive)):
                if self._request.what == "enter" and not self._held():
                    self._pause(_HOLD_FIRST)
                    return
                self._switch(self._request.what)
                self._request = work.send(None)
        except StopIteration as end:
            self._let_go()
            self._pass(StepResult(date=self._date(), numbers=torque_checks.numbers_of(end.value)))
            return
        except RefusedError as error:
            self._refuse(str(error))
            return
        if isinstance(self._request, Ask):
            self.question, self.phase = self._request, Phase.ASKING

    def _switch(self, what: str) -> None:
        if what == "enter":
            self._torque = True
            self.link.enter()
        elif what == "zero":
            self.link.zero()
        else:
            self._let_go()

    def _end_work(self) -> None:
        if self._work is not None:
            self._work.close()
            self._work = None
        self._let_go()

    def _let_go(self) -> None:
        if self._may_speak:
            self.link.release()
        self._torque = False

    def _pass(self, result: StepResult) -> None:
        steps = {**self.calibration.steps, self.step: result}
        findings = {name: reason for name, reason in self.calibration.findings.items() if name != self.step}
        self.calibration = replace(self.calibration, steps=steps, findings=findings)
        model = result.numbers.get("model")
        if model is not None:
            self._take_model(str(model))
        self.index += 1
        self._start_step()

    def _take_model(self, model: str) -> None:
        row = next(row for row in self.candidates if row.model == model)
        self.link.motor, self.candidates = row, (row,)
        self.calibration = replace(self.calibration, model=row.model, firmware=row.firmware, source=row.source)

    def _refuse(self, reason: str) -> None:
        """Let go; an older result of this step counts no more."""
        self._end_work()
        kept = {name: result for name, result in self.calibration.steps.items() if name != self.step}
        findings = {**self.calibration.findings, self.step: reason}
        self.calibration = replace(self.calibration, steps=kept, findings=findings)
        self.refusals.append(Refusal(self.step, reason))
        self.question, self.phase = None, Phase.REFUSED
