"""The control loop: read all, estimate, arbitrate, limit, send all, publish. One tick is one call.

The same tick runs in real time (worker `control`) and on the stepped clock (play, evaluation).
"""

from __future__ import annotations

import numpy as np

from studio.control.coupling import Gains, PairCoupling
from studio.control.estimator import ContactEstimator
from studio.control.fault import describe_fault
from studio.control.frame import FOLLOWER, LEADER, Frame
from studio.control.gate import GateRow, first_failure
from studio.control.hand import HandFollower
from studio.control.inputs import Inputs
from studio.control.limiter import Limiter
from studio.control.passivity import PassivityObserver
from studio.control.settings import ControlSettings
from studio.control.states import ACTIVE, DeadMan, HoldReason, PairMachine, Signals, worst
from studio.control.stream import TRUTH_EVERY, ControlRecord, make_streams
from studio.control.target import PolicyTarget
from studio.control.watch import Watch
from studio.core.protocols import STATE_POSITION, Clock, Plant, Sink, World
from studio.core.records import Driver, PairState
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics

_LOST_EVERY = 40  # ticks between looks for a lost object
_STATE_SENTENCES = {
    PairState.DISABLED: "Motors are off.",
    PairState.ALIGNING: "The follower moves slowly to the leader.",
    PairState.ENGAGED: "Arms are coupled.",
    PairState.HOLDING: "Arms hold.",
    PairState.STOPPED: "Stopped. Motors are off.",
}


class ControlLoop:
    """Owns every actuator of a robot, and in simulation the physics.

    Args:
        robot: the robot's description.
        kinematics: of one side.
        plant: all motors behind the codec.
        world: stepped at the end of every tick; None on hardware.
        clock: wall or stepped.
        sink: where records go.
        settings: numbers of the loop.
        realtime: whether real-time priority was obtained; None where it does not matter (stepped clock).
    """

    def __init__(
        self,
        robot: Robot,
        kinematics: Kinematics,
        plant: Plant,
        world: World | None,
        clock: Clock,
        sink: Sink,
        settings: ControlSettings | None = None,
        *,
        realtime: bool | None = None,
    ) -> None:
        self.robot, self.settings = robot, settings or ControlSettings()
        self.period_s = 1.0 / robot.loop_rate_hz
        self._kinematics, self._plant, self._world = kinematics, plant, world
        self._clock, self._sink, self._realtime = clock, sink, realtime
        self.frame = frame = Frame(robot.joints, robot.pairs)
        self._watch = Watch(robot, self.settings, self.period_s, frame)
        self._estimator = ContactEstimator(robot, kinematics, self.settings, self.period_s, frame)
        self._observer = PassivityObserver(self.settings, self.period_s, frame)
        self._limiter = Limiter(robot, self.settings, self.period_s, frame)
        self._gains = Gains(robot, self.settings, self.period_s)
        self._couplings = [PairCoupling(p, robot, self.settings, self._gains, frame) for p in range(robot.pairs)]
        self._machines = [PairMachine() for _ in range(robot.pairs)]
        self._dead_man = DeadMan(latched=robot.dead_man_latched)
        self._signals = Signals()
        self._target = PolicyTarget(robot)
        self._hand = HandFollower(robot, kinematics, self.settings.hand_speed_rad_s, self.period_s)
        self.streams = make_streams(robot, world=world is not None)
        self._record = ControlRecord(self.streams[0], frame)
        self._pose = self.streams[1].empty() if world is not None else None
        self._truth = self.streams[2].empty() if world is not None else None
        self._chosen_driver = Driver.OPERATOR
        self._stop_count: int | None = None
        self._requests: list[str] = []
        self._notices: list[tuple[str, str]] = []
        self._powered = [False] * robot.pairs
        self._gains_ramping = False
        self._align_limited = False
        self._off_ns = int((self.settings.stop_gravity_s + self.settings.stop_fade_s) * 1e9)
        self.tick_count = 0
        self.reset_count = 0

    # Requests: served at the next tick.

    def engage(self) -> None:
        self._requests.append("engage")

    def hold(self) -> None:
        self._requests.append("hold")

    def disable(self) -> None:
        self._requests.append("disable")

    def clear_fault(self) -> None:
        self._requests.append("clear_fault")

    def stop(self) -> None:
        self._requests.append("stop")

    def put_object_back(self) -> None:
        self._requests.append("put_object_back")

    def set_driver(self, driver: Driver) -> None:
        """Operator, planner or skill; takes effect at the next tick, through aligning where the arms are apart."""
        if driver not in (Driver.OPERATOR, Driver.PLANNER, Driver.SKILL) or driver == self._chosen_driver:
            return
        self._chosen_driver = driver
        self._requests.append("realign")

    def mark_reset(self) -> None:
        """The object was placed anew: windows must not cross this moment."""
        self.reset_count += 1

    def restart(self) -> None:
        """Forget estimates and ramps after the arms were placed anew; states stay."""
        self._read(self._clock.now_ns())
        self._estimator.restart()
        self._limiter.restart()
        now_ns = self._clock.now_ns()
        for coupling, machine in zip(self._couplings, self._machines, strict=True):
            coupling.enter(PairState.DISABLED, now_ns)
            coupling.enter(machine.state, now_ns)

    # What it knows.

    @property
    def states(self) -> list[PairState]:
        return [machine.state for machine in self._machines]

    @property
    def worst_state(self) -> PairState:
        return worst(self.states)

    @property
    def driver(self) -> Driver:
        """Who moves the arms now."""
        states = self.states
        if all(state is PairState.ENGAGED for state in states):
            return self._chosen_driver
        return Driver.HOLD if any(state in ACTIVE for state in states) else Driver.NOBODY

    @property
    def record(self) -> np.ndarray:
        """The control record of the last tick, shape [1]; a view that the next tick overwrites."""
        return self._record.array

    @property
    def pose_record(self) -> np.ndarray:
        """The object pose record of the last tick, shape [1]; a view."""
        assert self._pose is not None
        return self._pose

    def take_notices(self) -> list[tuple[str, str]]:
        """(level, sentence) pairs since the last call."""
        taken, self._notices = self._notices, []
        return taken

    def gate(self) -> list[GateRow]:
        """Start-up gate, in order; all rows must be right before *Engage* does anything."""
        needs_priority = self.robot.requires_realtime_priority and self._realtime is False
        codes = [code for code in self._watch.code if code]
        silent = int((~self._watch.answered()).sum())
        pressed = self._dead_man.latched or self._dead_man.raw
        trouble = self._describe_trouble() if codes else "Motors report no trouble."
        apart = max(coupling.apart_rad() for coupling in self._couplings)
        near = apart <= self.settings.align_threshold_rad
        return [
            GateRow(name="priority", ok=not needs_priority, text="Real-time priority is " + ("missing. Run `doctor`." if needs_priority else "there, or not needed.")),
            GateRow(name="motors", ok=silent == 0, text=f"{silent} motors do not answer. Check power and cables." if silent else "All motors answer."),
            GateRow(name="trouble", ok=not codes, text=trouble),
            GateRow(name="heartbeat", ok=not self._signals.heartbeat_late, text="The window is alive." if not self._signals.heartbeat_late else "The window does not answer."),
            GateRow(name="dead_man", ok=pressed, text="Dead-man is ready." if pressed else "Press and hold the dead-man."),
            GateRow(name="aligned", ok=True, text="Arms are aligned." if near else f"Arms are {apart:.2f} rad apart: the follower will move slowly."),
        ]

    # One period.

    def tick(self, inputs: Inputs) -> None:
        """Read all → estimate → arbitrate → limit → send all → publish → step the world."""
        now_ns = self._clock.now_ns()
        self._read(now_ns)
        self._estimator.update()
        self._arbitrate(now_ns, inputs)
        self._command(now_ns)
        self._limiter.apply()
        self._plant.send(self.frame.commands, self.frame.sents)
        self._publish(now_ns, inputs)
        if self._world is not None:
            self._step_world(self._world, inputs)
        self.tick_count += 1

    def _read(self, now_ns: int) -> None:
        frame = self.frame
        self._plant.read(frame.states, frame.t_ns)
        self._watch.update()
        position = frame.measured[STATE_POSITION]
        for side in (LEADER, FOLLOWER):
            np.copyto(frame.gravity_nm[side], self._kinematics.gravity_nm(position[side]))

    def _arbitrate(self, now_ns: int, inputs: Inputs) -> None:
        """Who may move: the dead-man outranks all."""
        signals, timeouts = self._signals, self.robot.timeouts
        signals.now_ns = now_ns
        signals.heartbeat_late = inputs.heartbeat_age_s > timeouts.heartbeat_hold_s
        signals.heartbeat_lost = inputs.heartbeat_age_s > timeouts.heartbeat_stop_s
        signals.dead_man = self._dead_man.update(inputs.dead_man, signals.heartbeat_late)
        signals.stop = self._stop_count is not None and inputs.stop_count != self._stop_count
        self._stop_count = inputs.stop_count
        signals.plan_hold = False
        if self._chosen_driver is not Driver.OPERATOR:
            self._target.update(inputs.target, now_ns)
            signals.plan_hold = self._target.hold
        self._gains.ask(inputs.stiffness_scale, inputs.damping_scale, inputs.leader_share)
        self._gains_ramping = self._gains.ramp()
        if self._requests:
            self._serve_requests(now_ns)
        for pair, machine in enumerate(self._machines):
            self._update_machine(pair, machine)
        self._switch_power(now_ns)

    def _update_machine(self, pair: int, machine: PairMachine) -> None:
        coupling, signals = self._couplings[pair], self._signals
        aligned = machine.state is PairState.ENGAGED or self._is_aligned(pair)
        code = self._watch.code[pair]
        if not machine.update(signals, aligned, code, self._watch.motor[pair]):
            return
        if machine.state is not PairState.DISABLED:
            coupling.enter(machine.state, signals.now_ns)
        if machine.state in (PairState.STOPPED, PairState.FAULT):
            self._dead_man.release()
        if machine.state is PairState.FAULT:
            self._hold_others(pair)
            self._notices.append(("error", self._describe_trouble(pair)))
        else:
            self._notices.append(("info", f"{self._pair_name(pair)}: {self._sentence(machine)}"))

    def _is_aligned(self, pair: int) -> bool:
        coupling = self._couplings[pair]
        if not coupling.align_finished(self._signals.now_ns):
            return False
        return self._chosen_driver is not Driver.OPERATOR and self._machines[pair].state is PairState.HOLDING or (
            coupling.apart_rad() <= self.settings.align_threshold_rad
        )

    def _hold_others(self, pair: int) -> None:
        """A fault of one pair: the other pair holds, because two-handed work cannot go on."""
        for other, machine in enumerate(self._machines):
            if other != pair and machine.hold(self._signals.now_ns):
                self._couplings[other].enter(machine.state, self._signals.now_ns)

    def _serve_requests(self, now_ns: int) -> None:
        requests, self._requests = self._requests, []
        for request in requests:
            if request == "engage":
                self._serve_engage(now_ns)
            elif request == "put_object_back":
                self._put_back()
            elif request == "stop":
                self._signals.stop = True
            else:
                self._serve_pairs(request, now_ns)

    def _serve_engage(self, now_ns: int) -> None:
        failure = first_failure(self.gate())
        faulty = [p for p, machine in enumerate(self._machines) if machine.state is PairState.FAULT]
        letting_down = any(m.off_ns and now_ns - m.off_ns < self._off_ns for m in self._machines if m.state not in ACTIVE)
        if faulty:
            self._notices.append(("warning", f"{self._pair_name(faulty[0])} has a fault. Clear it first."))
        elif failure is not None:
            self._notices.append(("warning", f"Not engaged: {failure.text}"))
        elif letting_down:
            self._notices.append(("warning", "Not engaged: the arms are still being let down. Press again."))
        else:
            self._dead_man.latch()
            self._signals.dead_man = self._signals.dead_man or self._dead_man.latched
            for pair, machine in enumerate(self._machines):
                if machine.engage(now_ns, self._is_aligned(pair)):
                    self._couplings[pair].enter(machine.state, now_ns)

    def _serve_pairs(self, request: str, now_ns: int) -> None:
        if request in ("hold", "disable"):
            self._dead_man.release()
            self._signals.dead_man = False
        for pair, machine in enumerate(self._machines):
            coupling, before = self._couplings[pair], machine.state
            if request == "hold":
                machine.hold(now_ns)
            elif request == "disable":
                machine.disable(now_ns)
            elif request == "realign":
                machine.realign(now_ns, self._is_aligned(pair))
                if machine.state in (PairState.ENGAGED, PairState.ALIGNING):
                    coupling.enter(machine.state, now_ns)
            elif request == "clear_fault" and machine.state is PairState.FAULT:
                self._serve_clear(pair, machine, now_ns)
            if machine.state is not before and machine.state in ACTIVE:
                coupling.enter(machine.state, now_ns)

    def _serve_clear(self, pair: int, machine: PairMachine, now_ns: int) -> None:
        still_wrong = bool(self._watch.code[pair])
        if machine.clear_fault(now_ns, self._dead_man.raw, still_wrong):
            self._notices.append(("info", f"{self._pair_name(pair)}: fault cleared. Motors are off."))
        elif still_wrong:
            self._notices.append(("warning", f"Not cleared: {self._describe_trouble(pair)}"))
        else:
            self._notices.append(("warning", "Not cleared: release the dead-man first."))

    def _switch_power(self, now_ns: int) -> None:
        """Enter frames when a pair becomes active, exit frames when it has been let down."""
        for pair, machine in enumerate(self._machines):
            wanted = machine.state in ACTIVE or (machine.off_ns > 0 and now_ns - machine.off_ns < self._off_ns)
            if wanted is not self._powered[pair]:
                self._powered[pair] = wanted
                mask = np.zeros((2, self.robot.joints), dtype=bool)
                mask[:, self.frame.spans[pair]] = True
                (self._plant.enable if wanted else self._plant.disable)(mask.reshape(-1))

    def _command(self, now_ns: int) -> None:
        observe = [False] * self.robot.pairs
        operator = self._chosen_driver is Driver.OPERATOR
        for pair, machine in enumerate(self._machines):
            coupled = machine.state is PairState.ENGAGED and operator and not self._watch.late[pair]
            observe[pair] = coupled and self._couplings[pair].blend >= 1.0 and not self._gains_ramping
        self._observer.update(observe, self._gains.leader_share)
        self._limit_aligning()
        for pair, machine in enumerate(self._machines):
            coupling = self._couplings[pair]
            coupling.extra_damping = self._observer.damping_nm_s_rad[pair]
            self._write_pair(coupling, machine, self._watch.late[pair], operator, now_ns)

    def _write_pair(
        self, coupling: PairCoupling, machine: PairMachine, late: bool, operator: bool, now_ns: int
    ) -> None:
        state = machine.state
        if state not in ACTIVE:
            self._write_letting_down(coupling, machine, now_ns)
        elif late:
            coupling.write_damping()
        elif state is PairState.HOLDING:
            coupling.write_hold()
        elif state is PairState.ALIGNING:
            coupling.write_align(now_ns)
        elif operator:
            coupling.write_operator(now_ns)
        else:
            coupling.write_target(self._target, now_ns)

    def _write_letting_down(self, coupling: PairCoupling, machine: PairMachine, now_ns: int) -> None:
        """Stop profile: damping at once, gravity kept, then faded, then nothing."""
        since_s = (now_ns - machine.off_ns) * 1e-9
        left_s = self.settings.stop_gravity_s + self.settings.stop_fade_s - since_s
        if machine.off_ns == 0 or left_s <= 0.0:
            coupling.write_off()
        else:
            coupling.write_damping(min(1.0, left_s / max(self.settings.stop_fade_s, 1e-9)))

    def _limit_aligning(self) -> None:
        """Aligning may use only a share of the torque."""
        aligning = any(machine.state is PairState.ALIGNING for machine in self._machines)
        if aligning or self._align_limited:
            for pair, machine in enumerate(self._machines):
                share = self.settings.align_torque_share if machine.state is PairState.ALIGNING else 1.0
                self._limiter.coupling_share[:, self.frame.spans[pair]] = share
        self._align_limited = aligning

    def _publish(self, now_ns: int, inputs: Inputs) -> None:
        record = self._record
        record.fill_motors(now_ns)
        record.t_ns[0], record.tick[0] = now_ns, self.tick_count
        record.contact_force_n[0] = self._estimator.force_n
        machines = self._machines
        record.pair_state[0] = [machine.state for machine in machines]
        record.fault_code[0] = [machine.fault_code for machine in machines]
        record.fault_joint[0] = [machine.fault_joint for machine in machines]
        record.energy_left_j[0] = self._observer.energy_left_j
        driver = self.driver
        record.driver[0] = driver
        planned = driver is Driver.PLANNER or driver is Driver.SKILL
        record.goal_id[0] = self._target.goal_id if planned else 0
        record.plan_id[0] = self._target.plan_id if planned else 0
        record.reset_count[0] = self.reset_count
        record.hand_target_m[0], record.hand_active[0] = inputs.hand_target_m, inputs.hand_active
        record.dead_man[0], record.stop_pressed[0] = self._signals.dead_man, self._signals.stop
        record.lateness_s[0], record.missed_ticks[0] = inputs.lateness_s, inputs.missed_ticks
        self._sink.write("control", record.array)
        if self._world is not None:
            self._publish_world(self._world, now_ns)

    def _publish_world(self, world: World, now_ns: int) -> None:
        pose, truth = self._pose, self._truth
        assert pose is not None and truth is not None
        row = pose[0]
        row["t_ns"] = now_ns
        row["position_m"], row["orientation_xyzw"] = world.object_pose()
        row["reset_count"] = self.reset_count
        self._sink.write("object_pose.world", pose)
        if self.tick_count % TRUTH_EVERY == 0:
            truth[0]["t_ns"] = now_ns
            world.fill_truth(truth[0])
            self._sink.write("truth", truth)

    def _step_world(self, world: World, inputs: Inputs) -> None:
        hand = self._hand
        hand.update(inputs.hand_count, inputs.hand_target_m, inputs.hand_active, self.frame.measured[STATE_POSITION, LEADER])
        world.hold_leader(hand.joint_target_rad, hand.active)
        if self.settings.put_back_lost and self.tick_count % _LOST_EVERY == 0 and world.object_lost():
            self._put_back()
            self._notices.append(("info", "The box had left the table. It was put back."))
        world.step(self.period_s)

    def _put_back(self) -> None:
        if self._world is None:
            self._notices.append(("warning", "Put the box back by hand: this robot is not simulated."))
            return
        self._world.put_object_back()
        self.reset_count += 1

    def _pair_name(self, pair: int) -> str:
        return f"Pair {self.robot.pair_names[pair]}"

    def _sentence(self, machine: PairMachine) -> str:
        if machine.state is PairState.HOLDING and machine.hold_reason is HoldReason.HEARTBEAT:
            return "The window did not answer. Arms hold."
        if machine.state is PairState.HOLDING and machine.hold_reason is HoldReason.PLAN:
            return "No valid plan. Arms hold."
        return _STATE_SENTENCES[machine.state]

    def _describe_trouble(self, pair: int | None = None) -> str:
        """The trouble of one pair, or of the first that has any."""
        watch = self._watch
        pair = next(p for p, code in enumerate(watch.code) if code) if pair is None else pair
        motor = watch.motor[pair]
        side = "leader" if motor < self.robot.joints else "follower"
        name = f"{self.robot.joint_names[motor % self.robot.joints]} ({side})"
        return describe_fault(watch.code[pair], name, watch.value[pair])
