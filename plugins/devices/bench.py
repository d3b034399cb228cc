"""The check of one motor: what is sent to the bench, what it says, and what may be answered now. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from psygnal import Signal

from plugins.devices.motors import STEPS, TWIN, Motor
from plugins.devices.wizard import Check


class Bench:
    """One check at a time.

    Args:
        send: a message to the bench's worker, which is started when it is not there.
        tell: a message to a worker that is at work; never starts one.
        held: whether the dead-man is held.
        dead_man: what it is called: `Space`, or `the pedal`.
    """

    changed = Signal()  # another step, question or end
    measured = Signal()  # new numbers of a running check

    def __init__(
        self, send: Callable[..., None], tell: Callable[..., None], held: Callable[[], bool], dead_man: str
    ) -> None:
        self._send, self._tell, self._held, self._dead_man = send, tell, held, dead_man
        self.check: Check | None = None
        self.pace = 1.0  # of twins

    @property
    def busy(self) -> bool:
        return self.check is not None and not self.check.over

    def begin(
        self, motor: Motor, kind: str, first: str | None, folder: Path, own: dict[str, float], twin: bool
    ) -> None:
        """Open the bench on a motor.

        Args:
            kind: `all`, `gear` or `zero`.
            first: step to begin with after the reply; None is the first that has not passed.
            folder: of the results.
            own: numbers of the bench that a person has set.
            twin: the motor is one.
        """
        if first is None:
            first = first_missing(motor) if kind == "all" else ""
        self.check = Check(motor=motor, kind=kind)
        values: dict[str, Any] = {"rehearse": motor.rehearse, "pace": self.pace} if twin else {}
        self._send(
            "begin", joint=motor.joint, model=motor.model, firmware=motor.firmware, drive_id=motor.drive_id,
            bus=motor.bus, check=kind, first=first, folder=str(folder), settings=own, **values,
        )  # fmt: skip
        self.changed.emit()

    # ---- what may be done now ------------------------------------------------------------------------------------

    def blocked_next(self) -> str:
        check = self.check
        if check is None or check.over or check.phase == "refused":
            return ""
        if check.question is None:
            return "the bench is at work"
        return f"hold {self._dead_man}: torque comes next" if check.gives_torque and not self._held() else ""

    def go_on(self) -> None:
        """Run a refused step again, or give the first answer."""
        check = self.check
        if check is not None and check.phase == "refused":
            self._tell("again")
        elif check is not None and check.question is not None:
            self.answer(str(check.question["choices"][0]))

    def answer(self, choice: str) -> None:
        """Answer the bench's question; the same key pressed twice answers once."""
        if self.check is None or self.check.question is None:
            return
        self.check.state = {**self.check.state, "question": None, "phase": "running", "pause": ""}
        self._tell("answer", choice=choice)
        self.changed.emit()

    def blocked_redo(self) -> str:
        return "" if self.check is not None and self.busy and self.check.state else "no check is running"

    def redo(self) -> None:
        self._tell("again")

    def blocked_back(self) -> str:
        if self.check is None:
            return "no check is open"
        return "" if self.check.over else self.blocked_redo()

    def back(self) -> None:
        """One step back, from the first one out of the check."""
        if self.check is None:
            return
        if self.check.over:
            self.put_away()
        else:
            self._tell("back" if int(self.check.state.get("index", 0)) else "abort")

    def blocked_leave(self) -> str:
        return "" if self.check is not None and self.check.phase == "refused" else "no step was refused"

    def leave(self) -> None:
        self._tell("leave")

    def end(self) -> None:
        """End the check: the motor is let go, what has passed is kept."""
        if self.busy:
            self._tell("abort")
        else:
            self.put_away()

    def put_away(self) -> None:
        self.check = None
        self.changed.emit()

    # ---- what the bench says -------------------------------------------------------------------------------------

    def take_state(self, state: dict[str, Any]) -> None:
        if self.check is None or self.check.over:
            return
        before = self.check.mark
        self.check.take(state)
        if self.check.mark != before:
            self.changed.emit()
        self.measured.emit()

    def take_end(self, finished: dict[str, Any]) -> None:
        if self.check is not None and not self.check.over:
            self.check.finished = finished
            self.changed.emit()

    def refused(self, text: str) -> None:
        """The bench could not be opened, or an answer came at the wrong moment."""
        if self.check is not None and not self.check.state and not self.check.over:
            self.check.lost = text
        self.changed.emit()

    def lost(self) -> None:
        """Its process is gone. What had passed lies in the file."""
        check = self.check
        if check is None or check.over:
            return
        danger = " The motor may still give torque: cut its supply." if check.gives_torque else ""
        title = str(check.state.get("title", "the start"))
        check.lost = f"The bench ended at “{title}”.{danger} What had passed is kept; close this and go on from there."
        self.changed.emit()


def first_missing(motor: Motor) -> str:
    """Where an unfinished check goes on; from the beginning when nothing or everything has passed."""
    missing = [step for step in motor.missing if step != "reply"]
    return missing[0] if missing and len(missing) < len(STEPS) - 1 else ""


def is_twin(motor: Motor) -> bool:
    return motor.bus == TWIN
