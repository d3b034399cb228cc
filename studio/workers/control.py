"""The control worker: the loop in real time. It alone owns the motors and their buses, in simulation the physics too.

Reads slots input, pedal, hands, coupling, target, guard; writes rings control, object_pose.world, truth. Messages:
engage, hold, disable, clear_fault, confirm_zero, stop, put_box_back, driver {driver},
policy_limits {torque_share, speed_share}, end.
Says `state` once a second and at every change.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from studio.control.inputs import Inputs, make_inputs
from studio.control.lateness import Absence, LatenessHistogram
from studio.control.loop import ControlLoop
from studio.control.settings import control_settings
from studio.control.stream import make_streams
from studio.core.clock import NS_PER_S, WallClock
from studio.core.config import make_config
from studio.core.errors import ConfigError, StudioError
from studio.core.records import Driver, PairState, RecordType
from studio.core.task import Task, load_task
from studio.ipc.channels import (
    make_coupling_slot,
    make_guard_slot,
    make_hands_slot,
    make_input_slot,
    make_pedal_slot,
    make_target_slot,
)
from studio.ipc.messages import Message
from studio.ipc.ring import RingWriter
from studio.ipc.session import SessionFolder
from studio.ipc.slot import WaitingSlotReader
from studio.ipc.worker_link import WorkerLink, run_worker
from studio.robot.description import Robot, load_robot
from studio.workers.priority import freeze_garbage, lock_memory, obtain_niceness, obtain_priority
from studio.workers.rig import Simulation, WiredArms, make_simulation, make_wired

_PRIORITY = 50
_NICENESS = -20  # where FIFO is refused: at least before planner and policy
_WARM_UP_TICKS = 40
_NEVER_S = 1e9  # age of a heartbeat that was never seen
_PEDAL_STALE_NS = 150_000_000
_PROVEN, _PROOF_STALE_NS = 2, 500_000_000  # of the independent watchdog, as the guard says in its slot
_END_S = 1.0  # longest that letting the arms down may take at the end
_DRIVERS = {driver.name.lower(): driver for driver in Driver}


@dataclass(frozen=True, kw_only=True)
class ControlConfig:
    """Configuration of the worker.

    Args:
        realtime: ask for real-time priority and locked memory; False only for tests.
        pedal: the dead-man is the pedal in slot `pedal`, not the window's; without news it counts as released.
        settings: numbers of the loop (`ControlSettings`) other than the robot's file has them.
    """

    robot: str = "dual_arm_ak60"
    task: str = "move_box"
    seed: int = 0
    realtime: bool = True
    pedal: bool = False
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


class RingSink:
    """Rings as the loop's sink."""

    def __init__(self, session: SessionFolder, streams: tuple[RecordType, ...]) -> None:
        self._writers = {stream.name: RingWriter(session.ring_path(stream.name), stream) for stream in streams}

    def write(self, stream: str, record: np.ndarray) -> None:
        self._writers[stream].write(record)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class InputSlots:
    """Refills the loop's inputs from the session's slots; unchanged slots cost next to nothing."""

    def __init__(self, session: SessionFolder, robot: Robot, *, pedal: bool = False) -> None:
        def reader(record_type: RecordType) -> WaitingSlotReader:
            return WaitingSlotReader(session.slot_path(record_type.name), record_type)

        self.inputs: Inputs = make_inputs(robot.pairs, robot.leader_share)
        self._input, self._coupling = reader(make_input_slot()), reader(make_coupling_slot())
        self._hands, self._target = reader(make_hands_slot(robot.pairs)), reader(make_target_slot(robot.joints))
        self._guard = reader(make_guard_slot())
        self._pedal = reader(make_pedal_slot()) if pedal else None
        self._pedal_pressed, self._pedal_ns = False, 0
        self._window_pressed = False
        self._heartbeat_ns = 0
        self._first_stop: int | None = None
        self._first_guard: int | None = None
        self._proof_ns = 0

    def update(self, now_ns: int) -> None:
        inputs = self.inputs
        if (record := self._input.read_new()) is not None:
            self._take_input(record)
        inputs.heartbeat_age_s = (now_ns - self._heartbeat_ns) * 1e-9 if self._heartbeat_ns else _NEVER_S
        inputs.dead_man = self._window_pressed if self._pedal is None else self._is_pedal_pressed(self._pedal, now_ns)
        if (record := self._hands.read_new()) is not None:
            np.copyto(inputs.hand_target_m, record["hand_target_m"])
            np.copyto(inputs.hand_active, record["hand_active"])
            inputs.hand_count += 1
        if (record := self._coupling.read_new()) is not None:
            inputs.stiffness_scale, inputs.damping_scale = (
                float(record["stiffness_scale"]),
                float(record["damping_scale"]),
            )
            inputs.leader_share = float(record["leader_share"])
            inputs.scheme, inputs.motion_scale = int(record["scheme"]), float(record["motion_scale"])
            inputs.clutch_open = bool(record["clutch_open"])
            inputs.force_cutoff_hz = float(record["force_cutoff_hz"])
            inputs.disturbance_cutoff_hz = float(record["disturbance_cutoff_hz"])
        if (record := self._target.read_new()) is not None:
            inputs.target = record
        if (record := self._guard.read_new()) is not None:
            count = int(record["acted_count"])
            self._first_guard = count if self._first_guard is None else self._first_guard
            inputs.guard_count = count - self._first_guard
            self._proof_ns = int(record["t_ns"]) if int(record["watchdog"]) == _PROVEN else 0
        inputs.watchdog_proven = now_ns - self._proof_ns < _PROOF_STALE_NS

    def _is_pedal_pressed(self, slot: WaitingSlotReader, now_ns: int) -> bool:
        if (record := slot.read_new()) is not None:
            self._pedal_pressed, self._pedal_ns = bool(record["dead_man"]), int(record["t_ns"])
        return self._pedal_pressed and now_ns - self._pedal_ns < _PEDAL_STALE_NS

    def _take_input(self, record: np.ndarray) -> None:
        """Presses from before this process was started are not presses."""
        self._heartbeat_ns = int(record["t_ns"])
        self._window_pressed = bool(record["dead_man"])
        count = int(record["stop_count"])
        self._first_stop = count if self._first_stop is None else self._first_stop
        self.inputs.stop_count = count - self._first_stop

    def close(self) -> None:
        for reader in (self._input, self._coupling, self._hands, self._target, self._guard, self._pedal):
            if reader is not None:
                reader.close()


class ControlWorker:
    """One blocking loop with absolute deadlines."""

    def __init__(self, link: WorkerLink, arms: Simulation | WiredArms, slots: InputSlots, *, realtime: bool) -> None:
        self._link, self._arms, self._slots = link, arms, slots
        self._loop: ControlLoop = arms.loop
        self._realtime = realtime
        self._refused = ""  # why real-time priority was not obtained
        self._clock = WallClock()
        self._lateness, self._absence = LatenessHistogram(), Absence()
        self._period_ns = arms.period_ns
        self._report_every = max(1, round(self._loop.robot.loop_rate_hz))
        self._last_states: list[PairState] = []
        self._second_ns = 0

    def run(self) -> None:
        """Tick until the end is asked for, then let the arms down and return."""
        deadline_ns = self._warm_up()
        self._announce()
        while not self._link.ending:
            deadline_ns = self._wait(deadline_ns)
            self._obey()
            self._tick()
            self._report()
        self._let_down(deadline_ns)

    def _warm_up(self) -> int:
        """Run everything once before it counts, forbid garbage collection, only then take precedence over others."""
        self._second_ns = deadline_ns = self._clock.now_ns()
        for _ in range(_WARM_UP_TICKS):
            deadline_ns += self._period_ns
            self._clock.sleep_until_ns(deadline_ns)
            self._tick()
        freeze_garbage()
        self._lateness.summary()
        self._refused = _enter_realtime() if self._realtime else "It was not asked for."
        self._loop.set_realtime(not self._refused, self._refused)
        self._absence.measure_s()
        return self._clock.now_ns() + self._period_ns

    def _wait(self, deadline_ns: int) -> int:
        """Sleep to the deadline; returns the next. A deadline that has already passed is skipped and counted."""
        self._clock.sleep_until_ns(deadline_ns)
        late_ns = self._clock.now_ns() - deadline_ns
        skipped = late_ns // self._period_ns
        self._lateness.add(late_ns)
        self._lateness.missed += skipped
        inputs = self._slots.inputs
        inputs.lateness_s, inputs.missed_ticks = late_ns * 1e-9, self._lateness.missed
        inputs.away_s = self._absence.measure_s()
        return deadline_ns + (skipped + 1) * self._period_ns

    def _tick(self) -> None:
        self._slots.update(self._clock.now_ns())
        self._loop.tick(self._slots.inputs)

    def _obey(self) -> None:
        for message in self._link.receive():
            self._obey_one(message)

    def _obey_one(self, message: Message) -> None:
        loop = self._loop
        actions = {
            "engage": loop.engage,
            "hold": loop.hold,
            "disable": loop.disable,
            "clear_fault": loop.clear_fault,
            "confirm_zero": loop.confirm_zero,
            "stop": loop.stop,
            "put_box_back": loop.put_object_back,
        }
        if message.name in actions:
            actions[message.name]()
        elif message.name == "driver":
            self._set_driver(message.values.get("driver"))
        elif message.name == "policy_limits":
            self._limit_policy(message.values)
        elif message.name == "cut_wire":
            self._cut_wire(message.values)
        elif message.name not in ("end", "mark"):
            self._link.say("warning", f"The control loop does not know the request {message.name!r}.")

    def _limit_policy(self, values: dict[str, Any]) -> None:
        """Shares of torque and speed for planners and skills; what is no number from 0 to 1 changes nothing."""
        shares = [values.get(name) for name in ("torque_share", "speed_share")]
        if not all(isinstance(share, (int, float)) and 0.0 <= share <= 1.0 for share in shares):
            self._link.say("warning", f"Limits of the planner are {shares}; allowed 0 to 1. They stay as they were.")
            return
        torque, speed = (float(share) for share in shares if share is not None)
        self._loop.set_policy_limits(torque_share=torque, speed_share=speed)

    def _cut_wire(self, values: dict[str, Any]) -> None:
        motor = values.get("motor")
        try:
            self._arms.cut_wire(motor if isinstance(motor, int) else -1, bool(values.get("cut", True)))
        except StudioError as error:
            self._link.say("warning", str(error))

    def _set_driver(self, value: Any) -> None:
        try:
            self._loop.set_driver(_DRIVERS[value] if isinstance(value, str) else Driver(value))
        except (KeyError, ValueError):
            self._link.say("warning", f"There is no driver {value!r}. Known: {', '.join(_DRIVERS)}.")

    def _announce(self) -> None:
        mode = "reduced" if self._refused else "realtime"
        self._link.send(Message(name="ready", values={"mode": mode, "rate_hz": self._loop.robot.loop_rate_hz}))
        if self._refused:
            self._link.say("warning", f"The loop runs without real-time priority and may be late. {self._refused}")

    def _report(self) -> None:
        loop = self._loop
        for text in self._arms.take_troubles():
            self._link.say("error", text)
        for level, text in loop.take_notices():
            self._link.say(level, text)
        states = loop.states
        if states != self._last_states or loop.tick_count % self._report_every == 0:
            self._last_states = states
            self._link.send(Message(name="state", values=self._state()))

    def _state(self) -> dict[str, Any]:
        loop, lateness = self._loop, self._lateness.summary()
        now_ns = self._clock.now_ns()
        return {
            "states": [state.name.lower() for state in loop.states],
            "worst": loop.worst_state.name.lower(),
            "driver": loop.driver.name.lower(),
            "mode": "reduced" if self._refused else "realtime",
            "lateness_us": {key: lateness[key] for key in ("p50", "p99", "p99_9", "max")},
            "missed": lateness["missed"],
            "ticks": lateness["ticks"],
            "run_s": (now_ns - self._second_ns) / NS_PER_S,
            "reset_count": loop.reset_count,
            "fault_text": loop.fault_text,
            "gate": [asdict(row) for row in loop.gate()],
        }

    def _let_down(self, deadline_ns: int) -> None:
        """A safe end: the stop profile, then exit frames."""
        self._loop.disable()
        end_ns = deadline_ns + int(_END_S * NS_PER_S)
        while deadline_ns < end_ns:
            deadline_ns = self._wait(deadline_ns)
            self._tick()
            if not self._loop.powered:
                break
        self._link.send(Message(name="state", values=self._state()))


def run(link: WorkerLink) -> None:
    config = make_config(ControlConfig, link.config, where="control")
    robot, task = load_robot(config.robot), load_task(config.task)
    if task.robot != robot.name:
        raise ConfigError(f"Task {task.name} is for robot {task.robot!r}, not {robot.name!r}. Choose another task.")
    robot = replace(robot, dead_man_latched=False) if config.pedal else robot  # a foot that can let go is never latched
    rings = RingSink(link.session, make_streams(robot, world=not robot.buses))
    slots = InputSlots(link.session, robot, pedal=config.pedal)
    try:
        arms = _make_arms(config, robot, task, rings)
        try:
            ControlWorker(link, arms, slots, realtime=config.realtime).run()
        finally:
            arms.close()
    finally:
        slots.close()
        rings.close()


def _make_arms(config: ControlConfig, robot: Robot, task: Task, rings: RingSink) -> Simulation | WiredArms:
    """Motors on buses where the robot's file names some, else twins in the simulated world."""
    settings = control_settings(robot, **config.settings)
    if robot.buses:
        return make_wired(robot, rings, WallClock(), settings=settings)
    return make_simulation(robot, task, config.seed, rings, WallClock(), settings=settings)


def _enter_realtime() -> str:
    """Not pinned to a core, and why: docs/decisions/0008-priority-without-a-core.md."""
    lock_memory()
    refused = obtain_priority(_PRIORITY)
    if refused:
        obtain_niceness(_NICENESS)
    return refused


if __name__ == "__main__":
    run_worker(run)
