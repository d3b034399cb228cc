"""The control loop: read all, estimate, arbitrate, limit, send all, publish. One tick is one call.

The same tick runs in real time (worker `control`) and on the stepped clock (play, evaluation).
"""

from __future__ import annotations

import numpy as np

from studio.control.arbiter import Arbiter
from studio.control.coupling import Gains, PairCoupling
from studio.control.cutoff import CutoffRamp
from studio.control.derating import Derating
from studio.control.drives import DriveKnowledge
from studio.control.estimator import ContactEstimator
from studio.control.frame import FOLLOWER, LEADER, Frame
from studio.control.friction import FrictionCompensation
from studio.control.gate import GateRow
from studio.control.hand import HandFollower
from studio.control.inputs import Inputs
from studio.control.limiter import Limiter
from studio.control.passivity import PassivityObserver
from studio.control.scheme_coupling import Schemes
from studio.control.settings import ControlSettings, control_settings
from studio.control.states import ACTIVE, HoldReason, PairMachine, worst
from studio.control.stream import TRUTH_EVERY, ControlRecord, make_streams
from studio.control.watch import Watch
from studio.core.protocols import (
    POSITION,
    STATE_POSITION,
    STATE_VELOCITY,
    TORQUE,
    VELOCITY,
    Clock,
    Plant,
    Sink,
    World,
)
from studio.core.records import Driver, PairState
from studio.robot.description import Robot
from studio.robot.kinematics import Kinematics

_LOST_EVERY = 40  # ticks between looks for a lost object


class ControlLoop:
    """Owns every actuator of a robot, and in simulation the physics.

    Args:
        robot: the robot's description.
        kinematics: of one side.
        plant: all motors behind the codec.
        world: stepped at the end of every tick; None on hardware.
        clock: wall or stepped.
        sink: where records go.
        settings: numbers of the loop; the robot's file has them where nothing is given.
        drives: what is known of real drives; nothing is unknown of twins.
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
        drives: DriveKnowledge | None = None,
    ) -> None:
        self.robot, self.settings = robot, settings or control_settings(robot)
        self.period_s = period_s = 1.0 / robot.loop_rate_hz
        self._kinematics, self._plant, self._world = kinematics, plant, world
        self._clock, self._sink = clock, sink
        self.frame = frame = Frame(robot.joints, robot.pairs)
        self._sides = [(frame.measured[STATE_POSITION, side], frame.gravity_nm[side]) for side in (LEADER, FOLLOWER)]
        self._other_side = frame.measured[STATE_POSITION : STATE_VELOCITY + 1, ::-1]
        self._set_points, self._feed_forward = frame.requested[POSITION : VELOCITY + 1], frame.requested[TORQUE]
        self._watch = Watch(robot, self.settings, period_s, frame)
        self._estimator = ContactEstimator(robot, kinematics, self.settings, period_s, frame)
        self._observer = PassivityObserver(self.settings, period_s, frame)
        self._limiter = Limiter(robot, self.settings, period_s, frame)
        self._derating = Derating(robot, self.settings, self._limiter, frame)
        self._gains = Gains(robot, self.settings, period_s)
        self._couplings = [PairCoupling(p, robot, self.settings, self._gains, frame) for p in range(robot.pairs)]
        self._schemes = Schemes(robot, self.settings, self._gains, self._estimator, period_s, frame)
        self._friction = FrictionCompensation(robot, self.settings, frame)
        self._cutoffs = CutoffRamp(self.settings, self._estimator, self._schemes.torques, period_s)
        self._arbiter = Arbiter(robot, self.settings, self._watch, self._couplings, drives or DriveKnowledge())
        self._hand = HandFollower(robot, kinematics, self.settings.hand_speed_rad_s, period_s)
        self.streams = make_streams(robot, world=world is not None)
        self._record = ControlRecord(self.streams[0], frame, {"contact_force_n": self._estimator.force_n})
        self._pose, self._truth = (stream.empty() for stream in make_streams(robot)[1:])
        self._pose_columns = [self._pose[n] for n in ("t_ns", "position_m", "orientation_xyzw", "reset_count")]
        self._powered = [False] * robot.pairs
        self._stall_ns = int(robot.stall_limit_s * 1e9)
        self._policy_shares = (1.0, 1.0)
        self._shares = [(1.0, 1.0)] * robot.pairs  # of torque and speed, as the limiter has them
        self._steady = False
        self._published: list[tuple[PairState, HoldReason]] = []
        self._coupling_published: tuple[object, ...] = ()
        self.bus_load = 0.0  # worst case of the fullest bus, for the record
        self._put_back_asked = False
        self.tick_count = 0
        self.reset_count = 0

    # Requests, served at the next tick. What became of them is in the states and in `take_notices`.

    def engage(self) -> None:
        self._arbiter.request("engage")

    def hold(self) -> None:
        self._arbiter.request("hold")

    def disable(self) -> None:
        self._arbiter.request("disable")

    def clear_fault(self) -> None:
        self._arbiter.request("clear_fault")

    def stop(self) -> None:
        self._arbiter.request("stop")

    def put_object_back(self) -> None:
        self._put_back_asked = True

    def set_driver(self, driver: Driver) -> None:
        """Operator, planner or skill; other values change nothing."""
        self._arbiter.choose(driver)

    def set_policy_limits(self, *, torque_share: float, speed_share: float) -> None:
        """Shares of the robot's torque and speed limits that a planner or skill may use; 1 is all of them."""
        self._policy_shares = (min(max(torque_share, 0.0), 1.0), min(max(speed_share, 0.0), 1.0))

    def confirm_zero(self) -> None:
        """A person has seen that the arms stand where their angles say, since their motors were powered up."""
        self._arbiter.request("confirm_zero")

    def set_realtime(self, obtained: bool, refusal: str = "") -> None:
        """Whether real-time priority was obtained, and if not, why and what grants it."""
        self._arbiter.drives.realtime, self._arbiter.drives.refusal = obtained, refusal
        allowed = self._arbiter.allowed_gains()
        self._gains.ask(allowed.stiffness, allowed.damping, self.robot.leader_share)
        while not self.powered and self._gains.ramp():
            pass  # motors are off: there is nothing that could jump

    def mark_reset(self) -> None:
        """The object was placed anew: windows must not cross this moment."""
        self.reset_count += 1

    def restart(self) -> None:
        """Forget estimates, ramps and set-points after the arms were placed anew; states stay."""
        now_ns = self._clock.now_ns()
        self._read()
        self._estimator.restart()
        self._limiter.restart()
        self._schemes.restart()
        for coupling, machine in zip(self._couplings, self._arbiter.machines, strict=True):
            coupling.enter(PairState.DISABLED, now_ns)
            coupling.enter(machine.state, now_ns)

    # What it knows.

    @property
    def states(self) -> list[PairState]:
        return [machine.state for machine in self._arbiter.machines]

    @property
    def worst_state(self) -> PairState:
        """What the band shows."""
        return worst(self.states)

    @property
    def driver(self) -> Driver:
        """Who moves the arms now."""
        return self._arbiter.driver

    @property
    def fault_text(self) -> str:
        """The latest fault in words, empty without one."""
        return self._arbiter.fault_text

    @property
    def powered(self) -> bool:
        """Some motor is on, or is still being let down."""
        return any(self._powered)

    @property
    def record(self) -> np.ndarray:
        """The control record of the last tick, shape [1]; a view that the next tick overwrites."""
        return self._record.array

    @property
    def pose_record(self) -> np.ndarray:
        """The object pose record of the last tick, shape [1]; a view that the next tick overwrites."""
        return self._pose

    @property
    def truth_record(self) -> np.ndarray:
        """The truth record, shape [1], of the last tick whose number is a multiple of `TRUTH_EVERY`; a view."""
        return self._truth

    def take_notices(self) -> list[tuple[str, str]]:
        """(level, sentence) pairs since the last call."""
        taken, self._arbiter.notices = self._arbiter.notices, []
        return taken

    def gate(self) -> list[GateRow]:
        """Start-up gate, in order."""
        return self._arbiter.gate()

    # One period.

    def tick(self, inputs: Inputs) -> None:
        """Read all → estimate → arbitrate → limit → send all → publish → step the world."""
        now_ns = self._clock.now_ns()
        self._read()
        self._estimator.update()
        self._arbiter.update(now_ns, inputs)
        if self._watch.vibration.news:
            self._arbiter.warn_of_vibration()
        self._derating.update()
        if self._derating.news:
            self._arbiter.warn_of_derating(self._derating.news)
        self._switch_power()
        self._write_requests(now_ns, inputs)
        self._limiter.apply()
        if self._clock.now_ns() - now_ns <= self._stall_ns:  # else it is of before a stall, and the next tick faults
            self._plant.send(self.frame.commands, self.frame.sents)
        self._publish(now_ns, inputs)
        if self._world is not None:
            self._step_world(self._world, inputs)
        self.tick_count += 1

    def _read(self) -> None:
        frame = self.frame
        self._plant.read(frame.states, frame.t_ns)
        self._watch.update()
        for position_rad, gravity_nm in self._sides:
            gravity_nm[...] = self._kinematics.gravity_nm(position_rad)

    def _switch_power(self) -> None:
        """Enter frames when a pair becomes active, exit frames when it has been let down."""
        for pair, powered in enumerate(self._powered):
            wanted = self._arbiter.is_powered(pair)
            if wanted is not powered:
                self._powered[pair] = wanted
                mask = np.zeros((2, self.robot.joints), dtype=bool)
                mask[:, self.frame.spans[pair]] = True
                (self._plant.enable if wanted else self._plant.disable)(mask.reshape(-1))

    def _write_requests(self, now_ns: int, inputs: Inputs) -> None:
        """What each pair's state asks of its motors, before the limiter."""
        gains, observer, late = self._gains, self._observer, self._watch.late
        allowed = self._arbiter.allowed_gains()
        gains.ask(allowed.stiffness, allowed.damping, inputs.leader_share)
        plain = self._schemes.update(allowed.scheme, allowed.motion_scale, inputs.clutch_open)
        ramping = gains.ramp() or not self._schemes.ramp.observable
        self._cutoffs.update(inputs.force_cutoff_hz, inputs.disturbance_cutoff_hz)
        operator = self._arbiter.chosen is Driver.OPERATOR
        machines, couplings = self._arbiter.machines, self._couplings
        coupled = [
            operator and not ramping and m.state is PairState.ENGAGED and c.blend >= 1.0 and not late[p]
            for p, (m, c) in enumerate(zip(machines, couplings, strict=True))
        ]
        if not plain:
            observer.set_lever(self._schemes.ramp.scale, self._schemes.offset_rad)
        observer.update(coupled, gains.leader_share)
        steady = plain and not self._friction.on and False not in coupled and not any(observer.damping_nm_s_rad)
        if steady and self._steady:
            self._follow_each_other()
            return
        self._steady = steady
        self._limit_shares(machines)
        for pair, machine in enumerate(machines):
            couplings[pair].extra_damping = observer.damping_nm_s_rad[pair]
            self._write_pair(pair, couplings[pair], machine, late[pair], now_ns)
        if plain:
            observer.set_lever(1.0, None)

    def _follow_each_other(self) -> None:
        """Steady coupling of all pairs: gains are as in the last tick, only set-points and gravity change."""
        self._set_points[...] = self._other_side
        self._feed_forward[...] = self.frame.gravity_nm

    def _write_pair(self, pair: int, coupling: PairCoupling, machine: PairMachine, late: bool, now_ns: int) -> None:
        state = machine.state
        if state not in ACTIVE:
            coupling.write_letting_down(machine.off_ns, now_ns)
        elif late:
            coupling.write_damping()
        elif state is PairState.HOLDING:
            coupling.write_hold()
        elif state is PairState.ALIGNING:
            coupling.write_align(now_ns)
        elif self._arbiter.chosen is Driver.OPERATOR:
            coupling.write_operator(now_ns)
            if not self._schemes.plain:
                self._schemes.mix(pair, coupling)
            if self._friction.on:
                self._friction.add(pair, coupling.blend)
        else:
            coupling.write_target(self._arbiter.target, now_ns)

    def _limit_shares(self, machines: list[PairMachine]) -> None:
        """Aligning, and a planner or skill that drives, may use only a share of the limits."""
        driven = self._arbiter.chosen is not Driver.OPERATOR
        aligning = (self.settings.align_torque_share, 1.0)
        for pair, machine in enumerate(machines):
            if machine.state is PairState.ALIGNING:
                shares = aligning
            else:
                shares = self._policy_shares if driven and machine.state is PairState.ENGAGED else (1.0, 1.0)
            if shares != self._shares[pair]:
                self._shares[pair] = shares
                self._limiter.share_torque(self.frame.spans[pair], shares[0])
                self._limiter.share_speed(self.frame.spans[pair], shares[1])

    def _publish(self, now_ns: int, inputs: Inputs) -> None:
        record, arbiter = self._record, self._arbiter
        record.fill_motors(now_ns)
        record.t_ns[0], record.tick[0] = now_ns, self.tick_count
        record.fill_pairs(self._observer.energy_left_j, self._watch.vibration.strongest_rad_s)
        if not self._schemes.plain:
            record.tank_energy_j[0] = self._schemes.tanks_j
        self._publish_coupling()
        states = [(machine.state, machine.hold_reason) for machine in arbiter.machines]
        if states != self._published:
            self._published = states
            record.pair_state[0] = [state for state, _ in states]
            record.hold_reason[0] = [reason for _, reason in states]
            record.fault_code[0] = [machine.fault_code for machine in arbiter.machines]
            motors = [machine.fault_motor for machine in arbiter.machines]
            record.fault_joint[0] = [motor % self.robot.joints if motor >= 0 else -1 for motor in motors]
        record.hand_target_m[0], record.hand_active[0] = inputs.hand_target_m, inputs.hand_active
        driver, signals, target = arbiter.driver, arbiter.signals, arbiter.target
        planned = driver is Driver.PLANNER or driver is Driver.SKILL
        goal_id, plan_id = (target.goal_id, target.plan_id) if planned else (0, 0)
        marks = signals.dead_man, signals.stop
        record.fill_slow((driver, goal_id, plan_id, self.reset_count, *marks, inputs.lateness_s, inputs.missed_ticks))
        self._sink.write("control", record.array)
        if self._world is not None:
            self._publish_world(self._world, now_ns)

    def _publish_coupling(self) -> None:
        """What is in force of the operator's settings; written only when something has changed."""
        ramp, record = self._schemes.ramp, self._record
        values = (ramp.scheme, ramp.scale, ramp.clutch, self._gains.leader_share, self._cutoffs.now_hz, self.bus_load)
        if values == self._coupling_published:
            return
        self._coupling_published = values
        record.coupling_scheme[0], record.motion_scale[0], record.clutch[0], record.coupling_share[0] = values[:4]
        record.force_cutoff_hz[0], record.disturbance_cutoff_hz[0] = self._cutoffs.now_hz
        record.bus_load[0] = self.bus_load

    def _publish_world(self, world: World, now_ns: int) -> None:
        t_ns, position_m, orientation_xyzw, reset_count = self._pose_columns
        t_ns[0], reset_count[0] = now_ns, self.reset_count
        position_m[0], orientation_xyzw[0] = world.object_pose()
        self._sink.write("object_pose.world", self._pose)
        if self.tick_count % TRUTH_EVERY == 0:
            truth = self._truth[0]
            truth["t_ns"] = now_ns
            world.fill_truth(truth)
            self._sink.write("truth", self._truth)

    def _step_world(self, world: World, inputs: Inputs) -> None:
        hand = self._hand
        leader_rad = self.frame.measured[STATE_POSITION, LEADER]
        hand.update(inputs.hand_count, inputs.hand_target_m, inputs.hand_active, leader_rad)
        world.hold_leader(hand.joint_target_rad, hand.active)
        if self.settings.put_back_lost and self.tick_count % _LOST_EVERY == 0 and world.object_lost():
            self._put_back_asked = True
            self._arbiter.notices.append(("info", "The box had left the table. It was put back."))
        if self._put_back_asked:
            self._put_back_asked = False
            world.put_object_back()
            self.mark_reset()
        world.step(self.period_s)
