"""Devices without Qt: the motors of the robot, who is there, and the check of one motor at a time.

The bench is worker `commission`: questions out, answers in. It moves nothing while the dead-man is not held; the keys
of this screen only answer its questions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psygnal import Signal

from plugins.devices.bench import Bench, is_twin
from plugins.devices.motors import Arm, Motor, MotorState, make_arms, make_motors, motor_state
from plugins.devices.search import Search
from plugins.devices.wizard import Check
from studio.app.api import Message, StudioApi
from studio.core.calibration import CalibrationSet, calibration_dir, load_calibrations
from studio.core.errors import StudioError
from studio.core.records import PairState

WORKER = "commission"
_REHEARSALS = "rehearsals"
_ENGAGED = (PairState.ENGAGED, PairState.ALIGNING)


class DevicesModel:
    """Arms, motors, the chosen one, and its check."""

    changed = Signal()  # anything but the numbers of a running check
    measured = Signal()  # a new state of the check

    def __init__(self, studio: StudioApi) -> None:
        self.studio = studio
        self.arms: list[Arm] = []
        self.motors: list[Motor] = []
        self.chosen = 0
        self.facts: dict[str, Any] = {}  # what the survey said
        self.problem = ""
        self.freed = False  # the loop was stopped here
        self.rehearsals = calibration_dir(_REHEARSALS)  # results of twins, kept apart
        self.search = Search(self._send)
        self.bench = Bench(self._send, self._tell, lambda: self.held, studio.input.dead_man_name)
        self.bench.changed.connect(self.read_motors)
        self.bench.measured.connect(self.measured.emit)
        self._bind()
        studio.workers.message.connect(self._on_message)
        self.read_motors()

    def _bind(self) -> None:
        bind, bench = self.studio.commands.bind, self.bench
        bind("devices.look", self.look, blocked=self.blocked_look)
        bind("devices.next", self.go_on, blocked=self.blocked_next)
        bind("devices.back", bench.back, blocked=bench.blocked_back)
        bind("devices.redo", bench.redo, blocked=bench.blocked_redo)
        bind("devices.leave", bench.leave, blocked=bench.blocked_leave)
        bind("devices.end", bench.end, blocked=lambda: "" if bench.check else "no check is open")
        bind("devices.zero", lambda: self.begin("zero"), blocked=self.blocked_begin)
        bind("devices.whole", lambda: self.begin("all", first=""), blocked=self.blocked_begin)
        bind("devices.up", lambda: self.choose(self.chosen - 1))
        bind("devices.down", lambda: self.choose(self.chosen + 1))
        bind("devices.free_buses", self.free_buses, blocked=self.blocked_free)
        bind("devices.loop", self.start_loop, blocked=self.blocked_loop)

    # ---- motors --------------------------------------------------------------------------------------------------

    @property
    def motor(self) -> Motor:
        return self.motors[self.chosen]

    @property
    def check(self) -> Check | None:
        return self.bench.check

    @property
    def held(self) -> bool:
        """Whether the dead-man is."""
        return self.studio.input.dead_man

    @property
    def places(self) -> dict[str, str]:
        """Bus of an arm, as a person chose it."""
        return dict(self.studio.settings.get("devices.places", {}))

    @property
    def choices(self) -> dict[str, dict[str, str]]:
        """Model, firmware and rehearsal of a joint, as a person chose them."""
        return dict(self.studio.settings.get("devices.motors", {}))

    def read_motors(self) -> None:
        """Rows from the robot, the choices and the files."""
        robot = self.studio.robot
        self.problem = ""
        kept, twins = self._load(calibration_dir(robot.name)), self._load(self.rehearsals)
        self.arms = make_arms(robot, self.places)
        self.motors = make_motors(robot, self.arms, self.choices, kept.motors, twins.motors, self.search.seen)
        self.changed.emit()

    def _load(self, folder: Path) -> CalibrationSet:
        try:
            return load_calibrations(folder)
        except StudioError as error:
            self.problem = str(error)
            return CalibrationSet()

    def folder(self, motor: Motor) -> Path:
        """Where its results lie."""
        return self.rehearsals if is_twin(motor) else calibration_dir(self.studio.robot.name)

    def choose(self, index: int) -> None:
        """Another row; a check that has ended is put away."""
        index = min(max(index, 0), len(self.motors) - 1)
        if index == self.chosen:
            return
        self.chosen = index
        if self.check is not None and self.check.over:
            self.bench.put_away()
        self.changed.emit()

    def set_choice(self, key: str, value: str, joint: str = "") -> None:
        """`model`, `firmware` or `rehearse` of a motor, usually the chosen one."""
        choices, joint = self.choices, joint or self.motor.joint
        choices[joint] = {**choices.get(joint, {}), key: value}
        self.studio.settings.set("devices.motors", choices)
        self.read_motors()

    def set_place(self, arm: Arm, bus: str) -> None:
        """The bus of an arm; what was seen there is forgotten."""
        self.search.forget([motor for motor in self.motors if motor.arm == arm.name], arm.load_key)
        self.studio.settings.set("devices.places", {**self.places, arm.name: bus})
        self.read_motors()
        self.ask_survey()

    @property
    def own_settings(self) -> dict[str, float]:
        """Numbers of the bench that a person has set."""
        return dict(self.studio.settings.get("devices.bench", {}))

    def set_bench(self, key: str, value: float) -> None:
        """A number of the bench, such as `mass_kg`."""
        self.studio.settings.set("devices.bench", {**self.own_settings, key: value})

    @property
    def settings(self) -> dict[str, float]:
        """Numbers of the bench, the person's over the usual ones; empty before the survey."""
        usual = self.facts.get("settings", {})
        return {**usual, **self.own_settings} if usual else {}

    def state_of(self, motor: Motor) -> MotorState:
        check = self.check
        mine = check is not None and not check.over and check.motor.joint == motor.joint
        return motor_state(motor, check.words() if mine and check else "")

    def counts(self) -> str:
        """`12 ready · 1 in check · 3 not checked`."""
        words: dict[str, int] = {}
        for motor in self.motors:
            words[name] = words.get(name := self.state_of(motor).count_words, 0) + 1
        return " · ".join(f"{count} {name}" for name, count in words.items())

    # ---- looking -------------------------------------------------------------------------------------------------

    def ask_survey(self) -> None:
        """Which buses, models and ports there are, and how full each bus gets."""
        buses: dict[str, list[str]] = {}
        for motor in self.motors:
            buses.setdefault(self.arm_of(motor).load_key, []).append(motor.firmware)
        rate_hz = self.studio.robot.loop_rate_hz
        self._send("survey", buses=[{"name": k, "firmwares": v, "rate_hz": rate_hz} for k, v in buses.items()])

    def arm_of(self, motor: Motor) -> Arm:
        return next(arm for arm in self.arms if arm.name == motor.arm)

    def load(self, arm: Arm) -> dict[str, Any] | None:
        """Worst-case load of an arm's bus, None before it is known."""
        return self.facts.get("loads", {}).get(arm.load_key)

    def blocked_look(self) -> str:
        if self.search.running:
            return "it is looking"
        if self.bench.busy:
            return "a motor is being checked"
        return self._blocked_bus({arm.bus for arm in self.arms})

    def look(self) -> None:
        """Who is there, bus by bus; moves nothing."""
        self.ask_survey()
        self.search.begin(self.arms, self.motors)
        self.changed.emit()

    def _take_discovery(self, values: dict[str, Any]) -> None:
        """What a drive was heard to speak is believed, except of a twin that was told to pretend."""
        for joint, firmware in self.search.take(values).items():
            motor = next(motor for motor in self.motors if motor.joint == joint)
            if motor.rehearse == "none":
                self.set_choice("firmware", firmware, joint)
        self.read_motors()

    # ---- the check -----------------------------------------------------------------------------------------------

    def blocked_begin(self) -> str:
        if self.bench.busy:
            assert self.check is not None
            return f"{self.check.motor.name} is being checked"
        if self.undecided:
            return "two data sets exist: choose one, or let the gear check decide"
        return self._blocked_opening()

    def _blocked_opening(self) -> str:
        if self.search.running:
            return "it is looking for motors"
        load = self.load(self.arm_of(self.motor))
        if load is None:
            return "the bench is starting"
        if load["refused"]:
            return "the bus is too full: put an arm on another one"
        return self._blocked_bus({self.motor.bus})

    def _blocked_bus(self, buses: set[str]) -> str:
        """Two programs on one bus would speak at once."""
        if self.studio.state.link.worst in _ENGAGED:
            return "the arms are engaged: hold them and switch them off first"
        wired = {bus.name for bus in self.studio.robot.buses}
        if wired & buses and self.studio.workers.alive("control"):
            return "the loop has these buses: stop it first"
        return ""

    @property
    def undecided(self) -> bool:
        """The chosen motor's model is a name with several data sets."""
        models = {model["name"]: model for model in self.facts.get("models", [])}
        return bool(models.get(self.motor.model, {}).get("choices"))

    def begin(self, kind: str = "all", first: str | None = None) -> None:
        """Check the chosen motor; arms that hold are switched off first, so that the dead-man moves nothing else."""
        if self.studio.state.link.worst is PairState.HOLDING:
            self.studio.arms.disable()
        motor = self.motor
        self.bench.begin(motor, kind, first, self.folder(motor), self.own_settings, is_twin(motor))

    def blocked_next(self) -> str:
        if self.check is not None:
            return self.bench.blocked_next()
        return self._blocked_opening() if self.undecided else self.blocked_begin()

    def go_on(self) -> None:
        """What the one white button does."""
        check = self.check
        if check is None:
            self.begin("gear" if self.undecided else "all")
        elif check.over:
            self._put_away(check)
        else:
            self.bench.go_on()

    def _put_away(self, check: Check) -> None:
        """After a check that passed the next motor that needs one; else this one stays."""
        if check.passed_all and not self.motor.missing:
            rows = [*range(self.chosen + 1, len(self.motors)), *range(self.chosen)]
            self.chosen = next((row for row in rows if self.motors[row].missing), self.chosen)
        self.bench.put_away()

    def _take_end(self, values: dict[str, Any]) -> None:
        """Where the gear has decided, the motor is that model from now on."""
        self.bench.take_end(values)
        check = self.check
        if check is not None and check.kind == "gear" and check.passed_all:
            self.set_choice("model", str(values["model"]), check.motor.joint)

    # ---- the loop ------------------------------------------------------------------------------------------------

    def blocked_free(self) -> str:
        if not self.studio.robot.buses or not self.studio.workers.alive("control"):
            return "the loop has no bus"
        engaged = self.studio.state.link.worst in _ENGAGED
        return "the arms are engaged: hold them and switch them off first" if engaged else ""

    def free_buses(self) -> None:
        """Stop loop and guard: only one program may speak on a bus."""
        self.freed = True
        self.studio.arms.disable()
        for name in ("guard", "control"):
            self.studio.workers.stop(name)
        self.changed.emit()

    def blocked_loop(self) -> str:
        """Two programs must never speak to one motor."""
        if not self.freed:
            return "the loop was not stopped here"
        if self.bench.busy:
            return "a motor is being checked"
        if self.search.running:
            return "motors are being looked for"
        ending = any(self.studio.workers.alive(name) for name in ("control", "guard"))
        return "the loop is still ending" if ending else ""

    def start_loop(self) -> None:
        self.freed = False
        for name in ("control", "guard"):
            self.studio.workers.start(name)
        self.changed.emit()

    # ---- the bench's worker --------------------------------------------------------------------------------------

    def _send(self, name: str, **values: Any) -> None:
        if not self.studio.workers.alive(WORKER):
            self.studio.workers.start(WORKER)
        self.studio.workers.send(WORKER, Message(name=name, values=values))

    def _tell(self, name: str, **values: Any) -> None:
        if self.studio.workers.alive(WORKER):
            self.studio.workers.send(WORKER, Message(name=name, values=values))

    def _on_message(self, worker: str, message: Message) -> None:
        if worker != WORKER:
            return
        values = dict(message.values)
        if message.name == "survey":
            self.facts = values
            self.changed.emit()
        elif message.name == "discovery":
            self._take_discovery(values)
        elif message.name == "state":
            self.bench.take_state(values)
        elif message.name == "finished":
            self._take_end(values)
        elif message.name == "refused":
            self.search.refused(str(values["text"])) if self.search.running else self.bench.refused(str(values["text"]))
            self.changed.emit()
        elif message.name == "ended":
            self.search.stop()
            self.bench.lost()

    def hidden(self) -> None:
        """Leaving the screen lets go."""
        self.studio.input.set_dead_man(False)

    def close(self) -> None:
        self.studio.workers.message.disconnect(self._on_message)


def make_model(studio: StudioApi) -> DevicesModel:
    return DevicesModel(studio)
