"""The worker behind the commissioning wizard: one motor at a time, questions out, answers in.

In: `begin` (fields of `BenchRequest`), `answer` {choice}, `again`, `back`, `leave`, `abort`, `discover` (the same
fields and `nothing_can_fall`), `survey` {buses}, `end`. Out: `ready`, `state` {phase, step, title, steps, index,
question, pause, needs_dead_man, refusals, sample, command} when it changes and five times a second, `finished` (what
the command prints as JSON), `discovery` {bus, drives, advice}, `survey` (`workers/survey.py`), `said`, `refused` {text}
when a message could not be served.

On a twin nobody stands at the arm: whoever answers has it done for them. Torque needs the dead-man of slot `input`, or
with `pedal` in the configuration that of slot `pedal`, and a fresh heartbeat; stop aborts. Every step that passes is
written at once. The end of the session lets go of the motor.
"""

from __future__ import annotations

import contextlib
import gc
import time
from typing import Any

from hw_drivers.commissioning.machine import STEPS, Commissioning, Phase
from studio.core.calibration import MotorCalibration
from studio.core.config import make_config
from studio.core.errors import DataError, DeviceError, SafetyError, StudioError
from studio.ipc.messages import Message
from studio.ipc.session import SessionFolder
from studio.ipc.slot import SlotReader
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.workers.bench import Bench, BenchRequest, search_bus
from studio.workers.survey import survey

_TELL_S = 0.2
_IDLE_S = 0.2
_HEARTBEAT_LIMIT_NS = 300_000_000  # an older one counts as let go


class DeadMan:
    """The dead-man and the stop of the session, from slots; not held while a slot is missing or silent.

    Args:
        session: whose slots.
        pedal: a pedal is the dead-man; the heartbeat of slot `input` is needed all the same.
    """

    def __init__(self, session: SessionFolder, *, pedal: bool = False) -> None:
        names = ("input", "pedal") if pedal else ("input",)
        self._paths = {name: session.slot_path(name) for name in names}
        self._slots: dict[str, SlotReader] = {}
        self._source, self._stops = names[-1], 0

    def held(self) -> bool:
        """Whether it is held now, by somebody whose heart beats."""
        records = {name: self._read(name) for name in self._paths}
        now_ns = time.monotonic_ns()
        fresh = all(r is not None and now_ns - int(r["t_ns"]) < _HEARTBEAT_LIMIT_NS for r in records.values())
        return fresh and bool(records[self._source]["dead_man"])

    def stopped(self) -> bool:
        """Whether stop was pressed since the last time this was asked."""
        record = self._read("input")
        before, self._stops = self._stops, self._stops if record is None else int(record["stop_count"])
        return self._stops > before

    def _read(self, name: str) -> Any:
        if name not in self._slots:
            try:
                self._slots[name] = SlotReader(self._paths[name])
            except DataError:
                return None
        return self._slots[name].read()

    def close(self) -> None:
        for slot in self._slots.values():
            slot.close()
        self._slots.clear()


class CommissionWorker:
    """Messages in, a machine ticked, its state out."""

    def __init__(self, link: WorkerLink) -> None:
        self._link = link
        self._bench: Bench | None = None
        self._dead_man = DeadMan(link.session, pedal=bool(link.config.get("pedal")))
        self._kept: MotorCalibration | None = None  # what the file holds
        self._told: tuple[Any, ...] = ()
        self._told_s = 0.0

    def run(self) -> None:
        while not self._link.ending:
            idle = self._bench is None
            for message in self._link.wait(_IDLE_S) if idle else self._link.receive():
                self._handle(message)
            if self._bench is not None:
                self._step(self._bench)
        self.close()
        self._dead_man.close()

    def _handle(self, message: Message) -> None:
        try:
            if message.name == "begin":
                self._begin(message.values)
            elif message.name == "discover":
                self._discover(dict(message.values))
            elif message.name == "survey":
                self._link.send(Message(name="survey", values=survey(list(message.values.get("buses", [])))))
            elif self._bench is not None:
                self._tell_machine(self._bench, message)
        except StudioError as error:
            self._link.say("error", str(error), error.detail)
            self._link.send(Message(name="refused", values={"text": str(error)}))

    def _begin(self, values: dict[str, Any]) -> None:
        if self._bench is not None:
            raise SafetyError(f"Joint {self._bench.request.joint} is being commissioned. Finish or abort it first.")
        request = make_config(BenchRequest, {"in_real_time": True, **values}, where="commission")
        self._dead_man.stopped()  # an old press of stop is no new one
        self._bench, self._told = Bench(request, self._dead_man.held), ()
        self._kept = self._bench.machine.calibration

    def _discover(self, values: dict[str, Any]) -> None:
        if self._bench is not None:
            raise SafetyError("A motor is being commissioned on a bus. Finish or abort it before searching.")
        nothing_can_fall = bool(values.pop("nothing_can_fall", False))
        powered_for_s = float(values.pop("powered_for_s", 0.0))
        request = make_config(BenchRequest, values, where="discover")
        found = search_bus(request, nothing_can_fall=nothing_can_fall, powered_for_s=powered_for_s)
        self._link.send(Message(name="discovery", values={"bus": request.bus, **found}))

    def _tell_machine(self, bench: Bench, message: Message) -> None:
        machine = bench.machine
        if message.name == "answer":
            question, choice = machine.question, str(message.values.get("choice", ""))
            if question is not None and bench.operator is not None and choice == question.choices[0]:
                bench.operator.respond(question)
            machine.answer(choice)
        elif message.name == "again":
            machine.again()
        elif message.name == "back":
            machine.back()
        elif message.name == "leave":
            machine.leave()
        elif message.name == "abort":
            machine.abort()

    def _step(self, bench: Bench) -> None:
        """One cycle of the motor; an adapter that fails ends the run."""
        try:
            if self._dead_man.stopped():
                bench.machine.abort()
            if bench.machine.phase not in (Phase.FINISHED, Phase.ABORTED):
                bench.tick()
            self._keep(bench)
        except StudioError as error:
            danger = " The motor may still give torque: cut its supply." if bench.machine.gives_torque else ""
            self._link.say("error", f"{error}{danger}", error.detail)
            self.close(f"{error}{danger}")
            return
        self._tell(bench.machine)
        if bench.machine.phase in (Phase.FINISHED, Phase.ABORTED):
            self.close()

    def _keep(self, bench: Bench) -> None:
        """What has passed is in the file before the next step begins, so that nothing can take it away."""
        if bench.machine.calibration is not self._kept:
            self._kept = bench.machine.calibration
            bench.save()

    def _tell(self, machine: Commissioning) -> None:
        now_s = time.monotonic()
        key = (machine.phase, machine.index, machine.question, machine.pause, len(machine.refusals))
        if key == self._told and now_s - self._told_s < _TELL_S:
            return
        self._told, self._told_s = key, now_s
        self._link.send(Message(name="state", values=_state(machine)))

    def close(self, problem: str = "") -> None:
        """Let go of the motor, keep what has passed, say how it ended; `problem`: why it could not go on."""
        bench, self._bench = self._bench, None
        if bench is None:
            return
        if bench.machine.phase is not Phase.FINISHED:
            with contextlib.suppress(DeviceError):  # said already, or nobody is left to hear it
                bench.machine.abort()
        try:
            bench.save()
        except StudioError as error:  # a full disk must not keep the bus open
            problem = problem or str(error)
            self._link.say("error", str(error), error.detail)
        values = {**bench.result(), "phase": str(bench.machine.phase), "problem": problem}
        bench.close()  # whoever hears that it is over may open the bus
        self._link.send(Message(name="finished", values=values))


def _state(machine: Commissioning) -> dict[str, Any]:
    question, reply = machine.question, machine.sample.reply
    return {
        "phase": str(machine.phase),
        "step": machine.step,
        "title": machine.title,
        "pause": machine.pause,
        "needs_dead_man": machine.needs_dead_man,
        "model": machine.calibration.model,
        "command": list(machine.sample.carried),
        "steps": [{"name": name, "title": STEPS[name][0]} for name in machine.steps],
        "index": machine.index,
        "question": None
        if question is None
        else {"key": question.key, "text": question.text, "choices": list(question.choices)},
        "refusals": [{"step": refusal.step, "reason": refusal.reason} for refusal in machine.refusals],
        "passed": {name: dict(step.numbers) for name, step in machine.calibration.steps.items()},
        "sample": {
            "position_rad": reply.position_rad,
            "velocity_rad_s": reply.velocity_rad_s,
            "torque_nm": reply.torque_nm,
            "temperature_c": reply.temperature_c,
            "error_code": reply.error_code,
            "age_s": min(machine.link.silence_s, 1e6),
        },
    }


def run(link: WorkerLink) -> None:
    worker = CommissionWorker(link)
    link.send(Message(name="ready"))
    gc.freeze()
    try:
        worker.run()
    finally:
        worker.close()


if __name__ == "__main__":
    run_worker(run)
