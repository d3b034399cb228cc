"""Devices without Qt: the motors of the robot, who is there, and the check of one motor at a time.

The bench is worker `commission`: questions out, answers in. It moves nothing while the dead-man is not held; the keys
of this screen only answer its questions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psygnal import Signal

from plugins.devices.motors import STEPS, TWIN, Arm, Motor, MotorState, make_arms, make_motors, motor_state
from plugins.devices.wizard import Check
from studio.app.api import Message, StudioApi
from studio.core.calibration import CalibrationSet, calibration_dir, load_calibrations
from studio.core.errors import StudioError
from studio.core.records import PairState

BENCH = "commission"
_REHEARSALS = "rehearsals"
_MOVING = (PairState.ENGAGED, PairState.ALIGNING, PairState.HOLDING)
_MODEL_BY_GEAR = "gear"


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
        self.check: Check | None = None
        self.problems: dict[str, str] = {}  # by bus: why it could not be searched
        self.problem = ""
        self.nothing_can_fall = False
        self.pace = 1.0  # of twins
        self.settings: dict[str, float] = dict(studio.settings.get("devices.bench", {}))
        self._seen: dict[str, dict[str, Any]] = {}  # joint -> what discovery found
        self._looking: list[Arm] = []
        self._freed = False
        self._bind()
        studio.workers.message.connect(self._on_message)
        self.read_motors()

    def _bind(self) -> None:
        bind = self.studio.commands.bind
        bind("devices.look", self.look, blocked=self.blocked_look)
        bind("devices.next", self.go_on, blocked=self.blocked_next)
        bind("devices.back", self.back, blocked=self.blocked_back)
        bind("devices.redo", self.redo, blocked=self._blocked_running)
        bind("devices.leave", lambda: self._tell("leave"), blocked=self.blocked_leave)
        bind("devices.zero", lambda: self.begin("zero"), blocked=self.blocked_zero)
        bind("devices.whole", lambda: self.begin("all", first=""), blocked=self.blocked_begin)
        bind("devices.end", self.end, blocked=lambda: "" if self.check else "no check is open")
        bind("devices.up", lambda: self.choose(self.chosen - 1))
        bind("devices.down", lambda: self.choose(self.chosen + 1))
        bind("devices.free_buses", self.free_buses, blocked=self.blocked_free)
        bind("devices.loop", self.start_loop, blocked=lambda: "" if self._freed else "the loop was not stopped here")

    # ---- motors --------------------------------------------------------------------------------------------------

    @property
    def motor(self) -> Motor:
        return self.motors[self.chosen]

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
        kept, twins = self._load(robot.name), self._load(_REHEARSALS)
        self.arms = make_arms(robot, self.places)
        self.motors = make_motors(robot, self.arms, self.choices, kept.motors, twins.motors, self._seen)
        self.changed.emit()

    def _load(self, name: str) -> CalibrationSet:
        try:
            return load_calibrations(calibration_dir(name))
        except StudioError as error:
            self.problem = str(error)
            return CalibrationSet()

    def folder(self, motor: Motor) -> Path:
        return calibration_dir(_REHEARSALS if motor.bus == TWIN else self.studio.robot.name)

    def choose(self, index: int) -> None:
        """Another row; a check that has ended is put away."""
        index = min(max(index, 0), len(self.motors) - 1)
        if index == self.chosen:
            return
        self.chosen = index
        if self.check is not None and self.check.over:
            self.check = None
        self.changed.emit()

    def set_choice(self, key: str, value: str) -> None:
        """`model`, `firmware` or `rehearse` of the chosen motor."""
        choices = self.choices
        choices[self.motor.joint] = {**choices.get(self.motor.joint, {}), key: value}
        self.studio.settings.set("devices.motors", choices)
        self.read_motors()

    def set_place(self, arm: str, bus: str) -> None:
        """The bus of an arm; what was seen there is forgotten."""
        self.studio.settings.set("devices.places", {**self.places, arm: bus})
        self._seen = {motor.joint: self._seen[motor.joint] for motor in self.motors
                      if motor.joint in self._seen and motor.arm != arm}  # fmt: skip
        self.problems.pop(bus, None)
        self.read_motors()
        self.ask_survey()

    def set_bench(self, key: str, value: float) -> None:
        """A number of the bench, such as `mass_kg`."""
        self.settings[key] = value
        self.studio.settings.set("devices.bench", dict(self.settings))

    @property
    def bench(self) -> dict[str, float]:
        """Numbers of the bench, the person's over the usual ones."""
        return {**self.facts.get("settings", {}), **self.settings}

    def state_of(self, motor: Motor) -> MotorState:
        check = self.check
        mine = check is not None and not check.over and check.motor.joint == motor.joint
        return motor_state(motor, check.words() if mine and check else "")

    def counts(self) -> str:
        """`12 ready · 1 in check · 3 not checked`."""
        words: dict[str, int] = {}
        for motor in self.motors:
            state = self.state_of(motor)
            name = "in check" if state.verdict == "busy" else _count_words(state.words)
            words[name] = words.get(name, 0) + 1
        return " · ".join(f"{count} {name}" for name, count in words.items())

    # ---- looking -------------------------------------------------------------------------------------------------

    def ask_survey(self) -> None:
        """Which buses, models and ports there are, and how full each bus gets."""
        buses: dict[str, list[str]] = {}
        for motor in self.motors:
            arm = self.arm_of(motor)
            buses.setdefault(arm.load_key, []).append(motor.firmware)
        rate_hz = self.studio.robot.loop_rate_hz
        plan = [{"name": name, "firmwares": rows, "rate_hz": rate_hz} for name, rows in buses.items()]
        self._send("survey", buses=plan)

    def arm_of(self, motor: Motor) -> Arm:
        return next(arm for arm in self.arms if arm.name == motor.arm)

    def load(self, arm: Arm) -> dict[str, Any] | None:
        """Worst-case load of an arm's bus, None before it is known."""
        return self.facts.get("loads", {}).get(arm.load_key)

    @property
    def looking(self) -> bool:
        return bool(self._looking)

    def blocked_look(self) -> str:
        if self._looking:
            return "it is looking"
        if self.check is not None and not self.check.over:
            return "a motor is being checked"
        return self._blocked_bus({arm.bus for arm in self.arms})

    def look(self) -> None:
        """Who is there, bus by bus; moves nothing."""
        self.problems = {}
        buses: dict[str, Arm] = {}
        for arm in self.arms:
            buses.setdefault(arm.load_key, arm)
        self._looking = list(buses.values())
        self.ask_survey()
        self._look_next()
        self.changed.emit()

    def _look_next(self) -> None:
        if not self._looking:
            return
        arm = self._looking[0]
        motors = self._on(arm)
        twins = {str(motor.drive_id): motor.rehearse for motor in motors}
        values = {"bus": arm.bus, "model": motors[0].model, "firmware": motors[0].firmware,
                  "nothing_can_fall": self.nothing_can_fall}  # fmt: skip
        self._send("discover", **values, **({"twins": twins} if arm.bus == TWIN else {}))

    def _on(self, arm: Arm) -> list[Motor]:
        """Motors on the bus of an arm."""
        keys = {one.name for one in self.arms if one.load_key == arm.load_key}
        return [motor for motor in self.motors if motor.arm in keys]

    def _take_discovery(self, values: dict[str, Any]) -> None:
        if not self._looking:
            return
        arm = self._looking.pop(0)
        drives = {int(drive["id"]): drive for drive in values["drives"]}
        for motor in self._on(arm):
            self._seen[motor.joint] = drives.pop(motor.drive_id, {})
            self._take_dialect(motor)
        if drives:
            self.problems[arm.load_key] = f"Unexpected ids {', '.join(map(str, drives))}"
        elif values["advice"]:
            self.problems[arm.load_key] = str(values["advice"])
        self.read_motors()
        self._look_next()

    def _take_dialect(self, motor: Motor) -> None:
        """What a drive was heard to speak is believed, unless it was commissioned as something else."""
        spoken = {"legacy": "legacy", "v3_query": "v3"}.get(str(self._seen[motor.joint].get("dialect", "")))
        if spoken is not None and spoken != motor.firmware and motor.rehearse == "none":
            choices = self.choices
            choices[motor.joint] = {**choices.get(motor.joint, {}), "firmware": spoken}
            self.studio.settings.set("devices.motors", choices)

    # ---- the check -----------------------------------------------------------------------------------------------

    @property
    def held(self) -> bool:
        return self.studio.input.dead_man

    def blocked_begin(self) -> str:
        if self.check is not None and not self.check.over:
            return f"{self.check.motor.name} is being checked"
        if self._looking:
            return "it is looking for motors"
        if self.undecided:
            return "two data sets exist: choose one, or let the gear check decide"
        load = self.load(self.arm_of(self.motor))
        if load is not None and load["refused"]:
            return "the bus is too full: put an arm on another one"
        return self._blocked_bus({self.motor.bus})

    def blocked_zero(self) -> str:
        return self.blocked_begin()

    def _blocked_bus(self, buses: set[str]) -> str:
        """Two programs on one bus would speak at once."""
        if self.studio.state.link.worst in (PairState.ENGAGED, PairState.ALIGNING):
            return "the arms are engaged: hold them and switch them off first"
        wired = {bus.name for bus in self.studio.robot.buses}
        if wired & buses and self.studio.workers.alive("control"):
            return "the loop has these buses: stop it first"
        return ""

    @property
    def undecided(self) -> bool:
        """The chosen motor's model is a name with several data sets."""
        return bool(self.model_choices(self.motor.model))

    def model_choices(self, name: str) -> list[str]:
        models = {model["name"]: model for model in self.facts.get("models", [])}
        return list(models.get(name, {}).get("choices", []))

    def begin(self, kind: str = "all", first: str | None = None) -> None:
        """Open the bench on the chosen motor.

        Args:
            first: step to begin with after the reply; None is the first that has not passed.
        """
        motor = self.motor
        if self.studio.state.link.worst in _MOVING:
            self.studio.arms.disable()
        if first is None:
            first = self._first_missing(motor) if kind == "all" else ""
        self.check = Check(motor=motor, kind=kind, settings=self.bench)
        values = {"joint": motor.joint, "model": motor.model, "firmware": motor.firmware, "drive_id": motor.drive_id,
                  "bus": motor.bus, "check": kind, "first": first, "folder": str(self.folder(motor)),
                  "settings": self.settings}  # fmt: skip
        twin = {"rehearse": motor.rehearse, "pace": self.pace} if motor.bus == TWIN else {}
        self._send("begin", **values, **twin)
        self.changed.emit()

    @staticmethod
    def _first_missing(motor: Motor) -> str:
        """Where an unfinished check goes on; from the beginning when nothing or everything has passed."""
        missing = [step for step in motor.missing if step != "reply"]
        return missing[0] if missing and len(missing) < len(STEPS) - 1 else ""

    def begin_gear(self) -> None:
        """The gear check decides between the data sets of an unresolved name."""
        self.begin(_MODEL_BY_GEAR)

    def blocked_next(self) -> str:
        check = self.check
        if check is None or check.over:
            return "" if self.undecided and not self._blocked_bus({self.motor.bus}) else self.blocked_begin()
        if check.phase == "refused":
            return ""
        if check.question is None:
            return "the bench is at work"
        return "hold Space: torque comes next" if check.gives_torque and not self.held else ""

    def go_on(self) -> None:
        """What the one white button does."""
        check = self.check
        if check is None:
            self.begin_gear() if self.undecided else self.begin()
        elif check.over:
            self._put_away(check)
        elif check.phase == "refused":
            self._tell("again")
        elif check.question is not None:
            self.answer(str(check.question["choices"][0]))

    def answer(self, choice: str) -> None:
        """Answer the bench's question; the same key pressed twice answers once."""
        if self.check is None or self.check.question is None:
            return
        self.check.state = {**self.check.state, "question": None, "phase": "running", "pause": ""}
        self._tell("answer", choice=choice)
        self.changed.emit()

    def _put_away(self, check: Check) -> None:
        """After a check that passed the next motor that needs one; else this one stays."""
        self.check = None
        passed = check.finished is not None and bool(check.finished.get("passed"))
        rows = [*range(self.chosen + 1, len(self.motors)), *range(self.chosen)]
        following = next((row for row in rows if self.motors[row].missing), None)
        if passed and not self.motor.missing and following is not None:
            self.chosen = following
        self.changed.emit()

    def _blocked_running(self) -> str:
        return "" if self.check is not None and not self.check.over and self.check.state else "no check is running"

    def blocked_back(self) -> str:
        if self.check is None:
            return "no check is open"
        return "" if self.check.over else self._blocked_running()

    def back(self) -> None:
        """One step back, from the first one out of the check."""
        assert self.check is not None
        if self.check.over:
            self.check = None
            self.changed.emit()
        elif int(self.check.state.get("index", 0)) == 0:
            self._tell("abort")
        else:
            self._tell("back")

    def redo(self) -> None:
        self._tell("again")

    def blocked_leave(self) -> str:
        return "" if self.check is not None and self.check.phase == "refused" else "no step was refused"

    def end(self) -> None:
        """End the check: the motor is let go, what has passed is kept."""
        if self.check is not None and self.check.over:
            self.check = None
            self.changed.emit()
        else:
            self._tell("abort")

    # ---- the loop ------------------------------------------------------------------------------------------------

    def blocked_free(self) -> str:
        if not self.studio.robot.buses or not self.studio.workers.alive("control"):
            return "the loop has no bus"
        moving = self.studio.state.link.worst in (PairState.ENGAGED, PairState.ALIGNING)
        return "the arms are engaged: hold them and switch them off first" if moving else ""

    def free_buses(self) -> None:
        """Stop loop and guard: only one program may speak on a bus."""
        self._freed = True
        self.studio.arms.disable()
        for name in ("guard", "control"):
            self.studio.workers.stop(name)
        self.changed.emit()

    def start_loop(self) -> None:
        self._freed = False
        for name in ("control", "guard"):
            self.studio.workers.start(name)
        self.changed.emit()

    @property
    def freed(self) -> bool:
        return self._freed

    # ---- the bench's worker --------------------------------------------------------------------------------------

    def _send(self, name: str, **values: Any) -> None:
        if not self.studio.workers.alive(BENCH):
            self.studio.workers.start(BENCH)
        self.studio.workers.send(BENCH, Message(name=name, values=values))

    def _tell(self, name: str, **values: Any) -> None:
        """To a bench that is at work; never starts one."""
        if self.studio.workers.alive(BENCH):
            self.studio.workers.send(BENCH, Message(name=name, values=values))

    def _on_message(self, worker: str, message: Message) -> None:
        if worker != BENCH:
            if message.name == "ended":
                self.changed.emit()
            return
        values = message.values
        if message.name == "survey":
            self.facts = dict(values)
            self.changed.emit()
        elif message.name == "discovery":
            self._take_discovery(values)
        elif message.name == "state" and self.check is not None:
            self._take_state(dict(values))
        elif message.name == "finished" and self.check is not None:
            self.check.finished = dict(values)
            self.read_motors()
        elif message.name == "refused":
            self._refused(str(values["text"]))
        elif message.name == "ended":
            self._bench_ended(values)

    def _take_state(self, state: dict[str, Any]) -> None:
        assert self.check is not None
        before = (self.check.phase, self.check.step, self.check.question, self.check.state.get("pause"))
        self.check.take(state)
        if (self.check.phase, self.check.step, self.check.question, state.get("pause")) != before:
            self._keep_up()
        self.measured.emit()

    def _keep_up(self) -> None:
        """Rows show what has passed as soon as it has."""
        self.read_motors()

    def _refused(self, text: str) -> None:
        """The bench could not do what it was asked for."""
        if self._looking:
            arm = self._looking.pop(0)
            self.problems[arm.load_key] = text
            self._look_next()
        elif self.check is not None and not self.check.state and not self.check.over:
            self.check.lost = text
        self.changed.emit()

    def _bench_ended(self, values: dict[str, Any]) -> None:
        """Its process is gone. What had passed lies in the file."""
        self._looking = []
        check = self.check
        if check is not None and not check.over:
            danger = " The motor may still give torque: cut its supply." if check.gives_torque else ""
            check.lost = f"The bench ended at {_step_title(check)}.{danger} What had passed is kept; go on from there."
        self.read_motors()

    def hidden(self) -> None:
        """Leaving the screen lets go."""
        self.studio.input.set_dead_man(False)

    def close(self) -> None:
        self.studio.workers.message.disconnect(self._on_message)


def _step_title(check: Check) -> str:
    return str(check.state.get("title", "the start")).lower()


def _count_words(words: str) -> str:
    known = {"Ready": "ready", "Not checked": "not checked", "Set zero": "to zero", "No answer": "silent",
             "Scale is off": "scale off", "Demo gains only": "demo gains"}  # fmt: skip
    return known.get(words, "refused" if "refused" in words else "unfinished")


def make_model(studio: StudioApi) -> DevicesModel:
    return DevicesModel(studio)
