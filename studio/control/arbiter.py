"""Who may move the arms: requests, dead-man, time-outs and faults drive one state machine per pair."""

from __future__ import annotations

import numpy as np

from studio.control.coupling import PairCoupling
from studio.control.drives import DriveChecks, DriveKnowledge, GainRequest
from studio.control.fault import FaultCode, describe_fault
from studio.control.gate import GateRow, first_failure, make_gate, watchdog_row
from studio.control.inputs import Inputs
from studio.control.settings import ControlSettings
from studio.control.states import ACTIVE, DeadMan, HoldReason, PairMachine, Signals
from studio.control.target import PolicyTarget
from studio.control.watch import Watch
from studio.core.records import Driver, PairState
from studio.robot.description import Robot

_UNKNOWN_AFTER_S = 1.0  # of absence: nobody watched the drives' supply
_DRIVERS = (Driver.OPERATOR, Driver.PLANNER, Driver.SKILL)
_SENTENCES = {
    PairState.DISABLED: "Motors are off.",
    PairState.ALIGNING: "The follower moves slowly to the leader.",
    PairState.ENGAGED: "Arms are coupled.",
    PairState.HOLDING: "Arms hold.",
    PairState.STOPPED: "Stopped. Motors are off.",
}
_HOLD_SENTENCES = {
    HoldReason.HEARTBEAT: "The window did not answer. Arms hold.",
    HoldReason.PLAN: "No valid plan. Arms hold.",
    HoldReason.DEAD_MAN: "Dead-man released. Arms hold.",
}


class Arbiter:
    """States of all pairs. The dead-man outranks all.

    Args:
        couplings: one per pair; told when a pair changes its state.
        drives: what is known of them.
    """

    def __init__(
        self,
        robot: Robot,
        settings: ControlSettings,
        watch: Watch,
        couplings: list[PairCoupling],
        drives: DriveKnowledge,
    ) -> None:
        self._robot, self._settings, self._watch, self._couplings = robot, settings, watch, couplings
        self.drives = DriveChecks(robot, settings, drives, self._name)
        self._asked = GainRequest(stiffness=1.0, damping=1.0)
        self._asked_before: tuple[float, float, int, float] = (1.0, 1.0, 0, 0.0)
        self._told: GainRequest | None = None
        self.machines = [PairMachine() for _ in range(robot.pairs)]
        self.signals = Signals()
        self.target = PolicyTarget(robot)
        self.chosen = Driver.OPERATOR
        self.notices: list[tuple[str, str]] = []
        self.fault_text = ""  # the latest fault in words, as long as any pair is in Fault
        self._dead_man = DeadMan(latched=robot.dead_man_latched)
        self._requests: list[str] = []
        self._stop_count: int | None = None
        self._guard_count: int | None = None
        self._watchdog_proven = False
        self._guard_acted = False
        self._away_s = 0.0
        self._off_ns = int((settings.stop_gravity_s + settings.stop_fade_s) * 1e9)

    def request(self, name: str) -> None:
        """engage, hold, disable, clear_fault, confirm_zero or stop; served with the next update."""
        self._requests.append(name)

    def choose(self, driver: Driver) -> None:
        """Who moves the arms from the next update on, through aligning where the arms are apart."""
        if driver in _DRIVERS and driver != self.chosen:
            self.chosen = driver
            self._requests.append("realign")

    @property
    def driver(self) -> Driver:
        """Who moves the arms now."""
        active = 0
        for machine in self.machines:
            if machine.state is PairState.ENGAGED:
                active += 1
            elif machine.state in ACTIVE:
                return Driver.HOLD
        if active == len(self.machines):
            return self.chosen
        return Driver.HOLD if active else Driver.NOBODY

    def is_powered(self, pair: int) -> bool:
        """Motors on: active, or still being let down."""
        machine = self.machines[pair]
        return machine.state in ACTIVE or self._is_let_down(machine)

    def update(self, now_ns: int, inputs: Inputs) -> None:
        """One tick."""
        self._take_signals(now_ns, inputs)
        if inputs.away_s > _UNKNOWN_AFTER_S:  # the supply may have gone and come back meanwhile
            self.drives.forget_zero(np.ones(2 * self._robot.joints, dtype=bool))
        if any(self._watch.code):
            self.drives.forget_zero(self._watch.dead_motors())
        if self.chosen is not Driver.OPERATOR:
            self.target.update(inputs.target, now_ns)
            self.signals.plan_hold = self.target.hold
        if self._requests:
            self._serve_requests()
        for pair, machine in enumerate(self.machines):
            self._update_pair(pair, machine)

    def allowed_gains(self) -> GainRequest:
        """What may be used of what is asked for; less than asked is said once."""
        asked, allowed = self._asked, self.drives.allowed(self._asked)
        refused = allowed is not asked and not self.drives.is_demo(asked)
        if refused and asked != self._told and any(m.state in ACTIVE for m in self.machines):
            self._told = asked
            self.notices.append(("warning", f"Gains stay at the demo preset. {self._gain_trouble()}"))
        return allowed

    def _take_gains(self, inputs: Inputs) -> None:
        asked = (inputs.stiffness_scale, inputs.damping_scale, inputs.scheme, inputs.motion_scale)
        if asked != self._asked_before:
            self._asked_before = asked
            self._asked = GainRequest(stiffness=asked[0], damping=asked[1], scheme=asked[2], motion_scale=asked[3])

    def _gain_trouble(self) -> str:
        checks = self.drives
        return checks.silence_trouble(demo=False) or checks.priority_trouble(always=False, demo=False)

    def warn_of_vibration(self) -> None:
        """A notice for each spell of vibration of a pair that is moved."""
        news, self._watch.vibration.news = self._watch.vibration.news, []
        for pair, motor, sigma_rad_s in news:
            if self.machines[pair].state in ACTIVE:
                self.notices.append(("warning", describe_fault(FaultCode.VIBRATION, self._name(motor), sigma_rad_s)))

    def warn_of_derating(self, news: list[tuple[int, float]]) -> None:
        """A notice for each motor that has begun to get less torque; empties the list."""
        for motor, share in news:
            left = f"its spring and damper get {100 * share:.0f} % of the torque"
            text = f"{self._name(motor)} is warm: {left}. Let it rest."
            self.notices.append(("warning", text))
        news.clear()

    def gate(self) -> list[GateRow]:
        """Start-up gate, in order; all rows must be right before *Engage* does anything."""
        apart_rad = max(coupling.apart_rad() for coupling in self._couplings)
        troubled = next((pair for pair, code in enumerate(self._watch.code) if code), None)
        checks = self.drives
        demo = checks.is_demo(self._asked)
        rows = make_gate(
            priority=checks.priority_trouble(always=self._robot.requires_realtime_priority, demo=demo),
            silent_motors=self._watch.silent_motors(),
            trouble="" if troubled is None else self._describe(troubled, self._watch.code[troubled]),
            silence=checks.silence_trouble(demo=demo),
            zero=checks.zero_trouble(),
            heartbeat_late=self.signals.heartbeat_late,
            dead_man_ready=self._dead_man.latched or self._dead_man.raw,
            apart_rad=apart_rad,
            aligned=apart_rad <= self._settings.align_threshold_rad,
        )
        watchdog = self._robot.watchdog
        path = watchdog.path if watchdog and watchdog.kind != "pulse" else ""  # a pulse line can prove nothing
        return [*rows[:-1], watchdog_row(path, self._watchdog_proven), rows[-1]]

    def _take_signals(self, now_ns: int, inputs: Inputs) -> None:
        signals, timeouts = self.signals, self._robot.timeouts
        signals.now_ns = now_ns
        signals.heartbeat_late = inputs.heartbeat_age_s > timeouts.heartbeat_hold_s
        signals.heartbeat_lost = inputs.heartbeat_age_s > timeouts.heartbeat_stop_s
        signals.dead_man = self._dead_man.update(inputs.dead_man, signals.heartbeat_late)
        signals.stop = self._stop_count is not None and inputs.stop_count != self._stop_count
        self._stop_count = inputs.stop_count
        self._guard_acted = self._guard_count is not None and inputs.guard_count != self._guard_count
        self._guard_count = inputs.guard_count
        self._watchdog_proven = inputs.watchdog_proven
        self._away_s = inputs.away_s
        self._take_gains(inputs)
        signals.plan_hold = False

    def _update_pair(self, pair: int, machine: PairMachine) -> None:
        state = machine.state
        aligned = state is PairState.ENGAGED or (state in ACTIVE and self._is_aligned(pair))
        code, motor = self._find_fault(pair)
        if not machine.update(self.signals, aligned, code, motor):
            return
        self._couplings[pair].enter(machine.state, self.signals.now_ns)
        if machine.state in (PairState.STOPPED, PairState.FAULT):
            self._dead_man.release()
        if machine.state is PairState.FAULT:
            self._hold_others(pair)
            self.fault_text = self._describe(pair, code)
            self.notices.append(("error", self.fault_text))
        else:
            self.notices.append(("info", f"{self._pair_name(pair)}: {_sentence(machine)}"))

    def _find_fault(self, pair: int) -> tuple[int, int]:
        """Code and motor; after a silence of the loop itself, that is the cause, whatever the motors say."""
        if self._guard_acted:
            return int(FaultCode.GUARD), -1
        if self._away_s > self._robot.stall_limit_s:
            return int(FaultCode.STALLED), -1
        return self._watch.code[pair], self._watch.motor[pair]

    def _is_aligned(self, pair: int) -> bool:
        """Near enough to couple, once any alignment has run its course. A leader that follows softly always is."""
        coupling = self._couplings[pair]
        if not coupling.align_finished(self.signals.now_ns):
            return False
        follows = self.chosen is not Driver.OPERATOR and self.machines[pair].state is PairState.HOLDING
        return follows or coupling.apart_rad() <= self._settings.align_threshold_rad

    def _hold_others(self, pair: int) -> None:
        """A fault of one pair: the other pair holds, because two-handed work cannot go on."""
        for other, machine in enumerate(self.machines):
            if other != pair and machine.hold(self.signals.now_ns):
                self._couplings[other].enter(machine.state, self.signals.now_ns)

    def _serve_requests(self) -> None:
        requests, self._requests = self._requests, []
        for request in requests:
            if request == "engage":
                self._engage()
            elif request == "stop":
                self.signals.stop = True
            elif request == "clear_fault":
                self._clear_faults()
            elif request == "realign":
                self._realign()
            elif request == "confirm_zero":
                self.drives.confirm_zero(~self._watch.dead_motors())
            else:
                self._let_go(request)

    def _engage(self) -> None:
        refusal = self._engage_refusal()
        if refusal:
            self.notices.append(("warning", f"Not engaged: {refusal}"))
            return
        now_ns = self.signals.now_ns
        self._dead_man.latch()
        self.signals.dead_man = self.signals.dead_man or self._dead_man.latched
        for pair, machine in enumerate(self.machines):
            if machine.engage(now_ns, self._is_aligned(pair)):
                self._couplings[pair].enter(machine.state, now_ns)

    def _engage_refusal(self) -> str:
        for pair, machine in enumerate(self.machines):
            if machine.state is PairState.FAULT:
                return f"{self._pair_name(pair)} has a fault. Clear it first."
            if machine.state not in ACTIVE and self._is_let_down(machine):
                return "the arms are still being let down. Press again."
        failure = first_failure(self.gate())
        return failure.text if failure else ""

    def _is_let_down(self, machine: PairMachine) -> bool:
        return machine.off_ns > 0 and self.signals.now_ns - machine.off_ns < self._off_ns

    def _let_go(self, request: str) -> None:
        """hold or disable: both count as releasing the dead-man."""
        now_ns = self.signals.now_ns
        self._dead_man.release()
        self.signals.dead_man = False
        for pair, machine in enumerate(self.machines):
            changed = machine.hold(now_ns) if request == "hold" else machine.disable(now_ns)
            if changed:
                self._couplings[pair].enter(machine.state, now_ns)

    def _realign(self) -> None:
        for pair, machine in enumerate(self.machines):
            if machine.realign(self.signals.now_ns, self._is_aligned(pair)):
                self._couplings[pair].enter(machine.state, self.signals.now_ns)

    def _clear_faults(self) -> None:
        for pair, machine in enumerate(self.machines):
            if machine.state is not PairState.FAULT:
                continue
            wrong = self._watch.code[pair]
            if machine.clear_fault(self.signals.now_ns, self._dead_man.raw, bool(wrong)):
                self.notices.append(("info", f"{self._pair_name(pair)}: fault cleared. Motors are off."))
                self._forget_fault()
            elif wrong:
                self.notices.append(("warning", f"Not cleared: {self._describe(pair, wrong)}"))
            else:
                self.notices.append(("warning", "Not cleared: release the dead-man first."))

    def _forget_fault(self) -> None:
        if all(machine.state is not PairState.FAULT for machine in self.machines):
            self.fault_text = ""

    def _pair_name(self, pair: int) -> str:
        return f"Pair {self._robot.pair_names[pair]}"

    def _describe(self, pair: int, code: int) -> str:
        value = 1e3 * self._away_s if code == FaultCode.STALLED else self._watch.value[pair]
        return describe_fault(code, self._name(self._watch.motor[pair]), value)

    def _name(self, motor: int) -> str:
        joints = self._robot.joints
        return f"{self._robot.joint_names[motor % joints]} ({'leader' if motor < joints else 'follower'})"


def _sentence(machine: PairMachine) -> str:
    if machine.state is PairState.HOLDING:
        return _HOLD_SENTENCES.get(machine.hold_reason, _SENTENCES[PairState.HOLDING])
    return _SENTENCES[machine.state]
