"""One run of the fault campaign: bring a pair into a state, inject, watch, and judge what came of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.fault_cases import DEAD_HOST, STALL, UNGUARDED, FaultCase, Outcome
from benchmarks.fault_rig import FaultRig
from studio.control.fault import FaultCode
from studio.control.states import ACTIVE
from studio.control.stream import make_streams
from studio.core.records import PairState
from studio.data.episode import EpisodeReader, EpisodeWriter
from studio.workers.guard import GUARD_PERIOD_S, SilenceWatch

_DAMPING_TICKS, _STOP_TICKS = 2, 5
_AFTER_TICKS, _LATCH_TICKS = 60, 12
_ANSWER_TICKS = 400  # a starved twin may take a while until it answers every tick
_LATE_PERIODS = 2.5  # older replies on a bus without a fault
_NEVER_S = 60.0  # older: nothing has been heard yet
_APART_RAD = 0.4  # far enough that aligning takes longer than a run
_PULL_RAD, _PULL_TICKS = 0.15, 40
_TORQUE_SLACK_NM = 0.01
_STALLS = (STALL, UNGUARDED, DEAD_HOST)
_KEPT_TORQUE_NM = 0.05  # more than this in a winding is torque that was not let go


@dataclass(slots=True)
class RunResult:
    """What one run showed. Times in ms; None where nothing stopped, or where it was not to be judged."""

    case: FaultCase
    state: PairState
    transport: str
    outcome: Outcome | None = None
    damping_ms: float | None = None
    stop_ms: float | None = None
    stall_ms: float | None = None
    peak_torque_nm: float = 0.0
    peak_speed_rad_s: float = 0.0
    latched: bool | None = None  # still in Fault once the wire was well again
    cause_named: bool | None = None  # the sentence has the joint (the loop, for a stall), the record a code
    recording_intact: bool | None = None  # no tick missing, and what was written is read back byte for byte
    said: str = ""
    disturbed: str = ""  # what the machine did to this run, besides the fault; empty on one that was left alone
    discarded: list[str] = field(default_factory=list[str])  # earlier attempts: what was wrong, and the machine's part
    wrong: list[str] = field(default_factory=list[str])

    @property
    def name(self) -> str:
        return f"{self.case.name}, {self.state.name.lower()}, {self.transport}"


class FaultRun:
    """Runs one case on a rig that is fresh or was reset.

    Args:
        rig: motors off, arms at home.
        bus: 0 to 3, where the fault is.
        drive_id: of the drive that has it (all when the case says so).
    """

    def __init__(self, rig: FaultRig, bus: int, drive_id: int) -> None:
        self.rig, self.bus, self.drive_id = rig, bus, drive_id
        self.robot, self.period_s = rig.robot, rig.loop.period_s
        self.pair = bus % rig.robot.pairs

    def run(self, case: FaultCase, state: PairState, transport: str) -> RunResult:
        result = RunResult(case, state, transport)
        self.rig.forget_trouble()
        if not self._reach(state):
            result.wrong.append(f"state {state.name.lower()} was not reached: {self.rig.loop.take_notices()[-2:]}")
            found = self._find_disturbance(0, healthy=range(2 * self.robot.pairs))
            result.disturbed = found or "no fault had been injected yet"
            return result
        self.rig.forget_trouble()
        self.rig.forget_peaks()
        start = len(self.rig.sink.records)
        self._inject(case, result)
        self._watch(state)
        result.peak_torque_nm, result.peak_speed_rad_s = self.rig.peaks()
        result.said = self.rig.loop.fault_text
        records = np.concatenate(self.rig.sink.records[start:])
        if state in ACTIVE:
            self._judge_active(result, records)
        else:
            self._judge_idle(result, records)
        self._judge_always(result, start)
        others = [bus for bus in range(2 * self.robot.pairs) if bus != self.bus]
        stalled = case.kind in _STALLS
        result.disturbed = self._find_disturbance(max(0, start - 5), healthy=() if stalled else others)
        return result

    def _find_disturbance(self, start: int, *, healthy: Iterable[int]) -> str:
        """What the machine did: processes of the run that were kept from running, or replies missing on healthy buses.

        The kernel carries what goes through a serial line too, and nobody tells when that was kept waiting.
        """
        trouble, parts = self.rig.machine_trouble(), self.rig.sink.records[start:]
        if trouble or len(parts) < 2:
            return trouble
        records, per_arm, pairs = np.concatenate(parts), self.robot.joints_per_arm, self.robot.pairs
        for bus in healthy:
            side, first = ("leader", "follower")[bus // pairs], bus % pairs * per_arm
            ages_s = records[f"{side}_reply_age_s"][:, first : first + per_arm]
            age_ms = 1e3 * float(ages_s[ages_s < _NEVER_S].max(initial=0.0))
            if age_ms > _LATE_PERIODS * 1e3 * self.period_s:
                return f"a healthy drive's reply was {age_ms:.0f} ms old"
        return ""

    # Into the state.

    def _reach(self, state: PairState) -> bool:
        rig, home = self.rig, self.robot.home_rad
        if state is PairState.ALIGNING:
            apart = home.copy()
            apart[self.pair * self.robot.joints_per_arm] += _APART_RAD
            rig.place(1, apart)
        rig.plant.open()
        self._ticks(3)
        for _ in range(_ANSWER_TICKS):
            if next(row.ok for row in rig.loop.gate() if row.name == "motors"):
                break
            self._ticks(1)
        if state is PairState.DISABLED:
            return self._state() is state
        rig.loop.engage()
        self._ticks(3)
        if state is PairState.ALIGNING:
            return self._state() is state
        self._pull()
        self._ticks(_PULL_TICKS)
        if state is PairState.FAULT:
            other = (self.bus + self.robot.pairs) % (2 * self.robot.pairs)  # the other arm of the same pair
            rig.inject(other, "error_code", 1, 3.0)
            self._until(state)
            rig.clear()
        elif state is not PairState.ENGAGED:
            (rig.loop.hold if state is PairState.HOLDING else rig.loop.stop)()
        return self._until(state)

    def _state(self) -> PairState:
        return self.rig.loop.states[self.pair]

    def _until(self, state: PairState) -> bool:
        for _ in range(40):
            if self._state() is state:
                return True
            self._ticks(1)
        return False

    def _pull(self) -> None:
        target = self.robot.home_rad.copy()
        target[:: self.robot.joints_per_arm] += _PULL_RAD
        self.rig.pull(target, held=True)

    def _ticks(self, count: int) -> None:
        for _ in range(count):
            self.rig.tick()

    # The fault.

    def _inject(self, case: FaultCase, result: RunResult) -> None:
        drive = 0 if case.whole_bus else self.drive_id
        if case.also:
            self.rig.inject(self.bus, case.also, 0, None)
        if case.kind == STALL:
            self._stall(case.value or 0.0, result)
        elif case.kind == UNGUARDED:
            self.rig.stall(case.value or 0.0)
        elif case.kind == DEAD_HOST:
            self._die(case.value or 0.0, result)
        else:
            self.rig.inject(self.bus, case.kind, drive, case.value)

    def _stall(self, duration_s: float, result: RunResult) -> None:
        """The loop does nothing; the guard looks on as it does in its own process, and its count reaches the loop."""
        watch, spent_s = SilenceWatch(self.robot.timeouts.guard_silence_s), 0.0
        newest = self.rig.sink.records[-1][0]
        phase_s = np.random.default_rng(hash(result.name) & 0xFFFF).uniform(0.0, GUARD_PERIOD_S)
        watch.update(newest, int(newest["t_ns"]))
        while spent_s < duration_s:
            self.rig.stall(self.period_s)
            spent_s += self.period_s
            looked_s = phase_s + GUARD_PERIOD_S * np.floor((spent_s - phase_s) / GUARD_PERIOD_S)
            if looked_s > 0.0 and watch.update(newest, int(newest["t_ns"]) + int(looked_s * 1e9)) and watch.silent:
                result.stall_ms = 1e3 * float(looked_s)
                self.rig.inputs.guard_count += 1

    def _die(self, duration_s: float, result: RunResult) -> None:
        """Nobody reaches the drives any more; only they can let go. A loop that comes back finds the guard's count."""
        self.rig.stall(duration_s)
        self.rig.inputs.guard_count += 1
        per_arm = self.robot.joints_per_arm
        kept = np.abs(self.rig.drive_torque_nm()[self.bus * per_arm : (self.bus + 1) * per_arm])
        result.outcome = Outcome.NEEDS_LAYER_4 if kept.max() > _KEPT_TORQUE_NM else Outcome.TOLERATED

    def _watch(self, state: PairState) -> None:
        self._ticks(_AFTER_TICKS)
        if state is PairState.DISABLED:
            self.rig.loop.engage()
            self._ticks(3)

    # The judgement.

    def _judge_active(self, result: RunResult, records: np.ndarray) -> None:
        states, case = records["pair_state"][:, self.pair], result.case
        stopped = np.flatnonzero(states == PairState.FAULT)
        if result.outcome is None:
            result.outcome = Outcome.STOPPED if len(stopped) else Outcome.TOLERATED
        if result.outcome not in case.expected:
            result.wrong.append(f"{result.outcome}, expected {' or '.join(case.expected)}; {result.said or 'no fault'}")
        if case.kind in _STALLS:
            self._judge_stall(result, records, stopped)
            return
        if not len(stopped):
            return
        known = self._first_sign(records)
        stiff = self._stiffness(records)
        soft = known + int(np.flatnonzero(stiff[known:] == 0.0)[0]) if (stiff[known:] == 0.0).any() else len(stiff)
        times_s = (records["t_ns"] - records["t_ns"][known]) * 1e-9
        result.stop_ms = 1e3 * float(times_s[stopped[0]])
        result.damping_ms = 1e3 * float(times_s[min(soft, len(stiff) - 1)])
        if soft - known >= _DAMPING_TICKS:
            result.wrong.append(f"damping only after {soft - known + 1} ticks; {_DAMPING_TICKS} are allowed")
        if stopped[0] - known >= _STOP_TICKS:
            result.wrong.append(f"stopped after {stopped[0] - known + 1} ticks; {_STOP_TICKS} are allowed")
        self._judge_latch(result)
        self._judge_cause(result, records[stopped[0]])

    def _judge_stall(self, result: RunResult, records: np.ndarray, stopped: np.ndarray) -> None:
        """A loop that comes back too late is in Fault in its first tick, gives no stiffness, and names itself."""
        if result.outcome is not Outcome.STOPPED:
            return
        if stopped[0] > 0:
            result.wrong.append(f"{stopped[0]} ticks after the stall were not in Fault")
        if any(self._stiffness(records)[stopped[0] :] > 0.0):
            result.wrong.append("stiffness after the stall")
        result.cause_named = any(words in result.said for words in ("loop was silent", "loop stood still"))
        if not result.cause_named:
            result.wrong.append(f"the cause does not name the loop: {result.said!r}")
        self._judge_latch(result)

    def _stiffness(self, records: np.ndarray) -> np.ndarray:
        """Largest of the pair's motors per record."""
        span = slice(self.pair * self.robot.joints_per_arm, (self.pair + 1) * self.robot.joints_per_arm)
        return np.maximum(
            records["leader_sent_kp_nm_rad"][:, span].max(axis=1),
            records["follower_sent_kp_nm_rad"][:, span].max(axis=1),
        )

    def _first_sign(self, records: np.ndarray) -> int:
        """Index of the first record that could know: a reply missing, an error, heat, or a joint out of range.

        One missing reply alone is borne, and no sign of anything: of missing ones, two in a row count, from the first.
        """
        span = slice(self.pair * self.robot.joints_per_arm, (self.pair + 1) * self.robot.joints_per_arm)
        signs = np.zeros(len(records), dtype=bool)
        for side in ("leader", "follower"):
            replied_ns = records["t_ns"][:, None] - (records[f"{side}_reply_age_s"][:, span] * 1e9).astype(np.int64)
            missing = np.abs(np.diff(replied_ns, axis=0)) < 0.2 * self.period_s * 1e9
            signs[1:-1] |= (missing[:-1] & missing[1:]).any(axis=1)
            signs |= (records[f"{side}_error_code"][:, span] > 0).any(axis=1)
            signs |= (records[f"{side}_temperature_c"][:, span] > 80.0).any(axis=1)
            position = records[f"{side}_position_rad"][:, span]
            signs |= (position < self.robot.position_lower_rad[span] - 0.15).any(axis=1)
            signs |= (position > self.robot.position_upper_rad[span] + 0.15).any(axis=1)
        return int(np.flatnonzero(signs)[0]) if signs.any() else 0

    def _judge_latch(self, result: RunResult) -> None:
        """Well again, dead-man pressed: it must stay in Fault."""
        self.rig.clear()
        self._ticks(_LATCH_TICKS)
        result.latched = self._state() is PairState.FAULT
        if not result.latched:
            result.wrong.append(f"not latched: {self._state().name.lower()} once the wire was well again")

    def _judge_cause(self, result: RunResult, record: np.ndarray) -> None:
        side = "leader" if self.bus < self.robot.pairs else "follower"
        first = self.pair * self.robot.joints_per_arm
        names = self.robot.joint_names[first : first + self.robot.joints_per_arm]
        wanted = names if result.case.whole_bus else (names[self.drive_id - 1],)
        coded = int(record["fault_code"][self.pair]) != FaultCode.NONE
        named = any(f"{name} ({side})" in result.said for name in wanted)
        result.cause_named = named and coded
        if not named:
            result.wrong.append(
                f"the cause names the wrong joint: {result.said!r}, expected {side} {' or '.join(wanted)}"
            )
        if not coded:
            result.wrong.append("the record names no cause")

    def _judge_idle(self, result: RunResult, records: np.ndarray) -> None:
        """Motors off stay off, whatever the wire says."""
        states = {PairState(int(s)) for s in records["pair_state"][:, self.pair]}
        refused = result.case.gate and result.case.expected == (Outcome.STOPPED,)
        allowed = {result.state} if refused else {result.state, *ACTIVE}
        if result.state is PairState.DISABLED and not states <= allowed:
            result.wrong.append(f"engaged in spite of the fault: {[s.name.lower() for s in states - allowed]}")
        elif result.state is not PairState.DISABLED and states != {result.state}:
            result.wrong.append(f"left its state for {[s.name.lower() for s in states - {result.state}]}")

    def _judge_always(self, result: RunResult, start: int) -> None:
        if result.peak_torque_nm > self.robot.torque_limit_nm + _TORQUE_SLACK_NM:
            result.wrong.append(f"torque of {result.peak_torque_nm:.2f} N*m, limit {self.robot.torque_limit_nm:g}")
        trouble = self._recording_trouble(self.rig.sink.records[start:])
        result.recording_intact = not trouble
        if trouble:
            result.wrong.append(trouble)

    def _recording_trouble(self, parts: list[np.ndarray]) -> str:
        """Write the run as an episode, read it back, compare every byte."""
        records = np.concatenate(parts)
        if (np.diff(records["tick"]) != 1).any():
            return "the recording misses ticks"
        stream = make_streams(self.robot, world=False)[0]
        with tempfile.TemporaryDirectory() as folder:
            writer = EpisodeWriter(
                Path(folder) / "session" / "episode", [stream], {"robot": self.robot.name}, clock="stepped"
            )
            writer.write("control", records)
            reader = EpisodeReader(writer.close("stopped").path)
            same = reader.read("control").tobytes() == records.tobytes()
            reader.close()
        return "" if same else "the recording differs from what was published"


def reset(rig: FaultRig) -> None:
    """Motors off, faults gone, arms at home, for the next run on the same rig."""
    rig.clear()
    rig.inputs.dead_man = False
    rig.pull(rig.robot.home_rad, held=False)
    rig.loop.stop()
    for _ in range(30):
        rig.tick()
    end_s = time.monotonic() + 20.0
    while rig.loop.powered and time.monotonic() < end_s:
        rig.tick()
    for side in (0, 1):
        rig.place(side, rig.robot.home_rad)
    rig.tick()
    rig.plant.open()  # the arms were placed anew, which no motor can turn so fast
    for _ in range(10):
        rig.tick()
    rig.loop.clear_fault()
    rig.tick()
    rig.loop.disable()
    rig.tick()
    rig.loop.restart()
    rig.inputs.dead_man = True
    rig.sink.records.clear()
