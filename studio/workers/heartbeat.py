"""The guard's heartbeat to the independent watchdog: sent only while everything is healthy.

Healthy is: the control loop has spoken lately, and while its motors are on, no drive is out of reach. A drive that no
longer answers may hold its last torque, and then only cutting its supply helps.
"""

from __future__ import annotations

import time
from enum import IntEnum

import numpy as np

from hw_drivers.watchdog.watchdog import PulseWatchdog, SerialWatchdog, Watchdog, WatchdogStatus
from studio.control.states import ACTIVE
from studio.core.errors import DeviceError
from studio.core.records import PairState
from studio.ipc.worker_link import WorkerLink
from studio.robot.description import Robot
from studio.robot.wiring import WatchdogWiring

_RESTING_SILENCE_S = 1.0  # of a loop whose motors are off
_LET_DOWN_S = 1.0  # motors may have torque this long after a pair was active
_AGES = ("leader_reply_age_s", "follower_reply_age_s")


class WatchdogProof(IntEnum):
    """What slot `guard` says of the independent watchdog."""

    NONE = 0  # the robot names none
    MISSING = 1  # one is named, but nothing proves that it is there
    PROVEN = 2


def open_watchdog(wiring: WatchdogWiring) -> Watchdog:
    """The configured one.

    Raises:
        DeviceError: it cannot be opened.
    """
    if wiring.kind == "pulse":
        return PulseWatchdog(wiring.path)
    return SerialWatchdog(wiring.path, timeout_ms=wiring.timeout_ms, delay_ms=wiring.delay_ms)


class Health:
    """Why no heartbeat may leave now, from the newest control record.

    Args:
        robot: its time-outs.
    """

    def __init__(self, robot: Robot) -> None:
        self._silence_s = robot.timeouts.guard_silence_s
        self._dead_s = robot.timeouts.motor_dead_ticks / robot.loop_rate_hz
        self._active_ns = -1
        self.powered = False  # motors are on, or were a moment ago

    def problem(self, record: np.ndarray | None, now_ns: int) -> str:
        """Empty while all is well."""
        if record is None:
            return "the control loop has not spoken yet"
        t_ns = int(record["t_ns"])
        if any(PairState(int(state)) in ACTIVE for state in record["pair_state"]):
            self._active_ns = t_ns
        self.powered = powered = self._active_ns >= 0 and t_ns - self._active_ns < _LET_DOWN_S * 1e9
        age_s = (now_ns - t_ns) * 1e-9
        if age_s > (self._silence_s if powered else _RESTING_SILENCE_S):
            return f"the control loop has been silent for {1e3 * age_s:.0f} ms"
        unreachable = sum(int((record[name] > self._dead_s).sum()) for name in _AGES)
        if powered and unreachable:
            return f"{unreachable} drives are out of reach and may hold their torque"
        return ""


class Heartbeat:
    """One look per turn of the guard.

    Args:
        link: where changes are said.
        watchdog: where heartbeats go; None: it could not be opened, which was said.
        health: who judges.
    """

    def __init__(self, link: WorkerLink, watchdog: Watchdog | None, health: Health) -> None:
        self._link, self._watchdog, self._health = link, watchdog, health
        self._told = ("", "")
        self.proof = WatchdogProof.MISSING

    def look(self, record: np.ndarray | None) -> WatchdogProof:
        """Send what is due, read what came."""
        if self._watchdog is None:
            return self.proof
        now_ns = time.monotonic_ns()
        problem = self._health.problem(record, now_ns)
        status = self._watchdog.beat(not problem, now_ns)
        self.proof = WatchdogProof.PROVEN if status.proven else WatchdogProof.MISSING
        self._tell(problem, status)
        return self.proof

    def _tell(self, problem: str, status: WatchdogStatus) -> None:
        """Changes only; why heartbeats stop, then what the box makes of it."""
        now = problem.partition(" for ")[0], status.trouble
        if now == self._told:
            return
        before, self._told = self._told, now
        if problem and now[0] != before[0] and status.beats:
            self._link.say("error", f"No more heartbeats to the watchdog: {problem}.")
        if status.trouble and now[1] != before[1] and status.beats:
            self._link.say("warning", status.trouble)
        elif status.proven and before[1]:
            self._link.say("info", "The independent watchdog answers.")

    def close(self) -> None:
        """An orderly end while all is well and motors are off; else silence: the box damps first, and trips."""
        if self._watchdog is None:
            return
        if not self._told[0] and not self._health.powered:
            self._watchdog.end()
        self._watchdog.close()


def make_heartbeat(link: WorkerLink, robot: Robot) -> Heartbeat | None:
    """None where the robot names no watchdog; one that cannot be opened is said and stays unproven."""
    if robot.watchdog is None:
        return None
    try:
        watchdog: Watchdog | None = open_watchdog(robot.watchdog)
    except DeviceError as error:
        watchdog = None
        link.say("error", f"{error} Until then a dead computer does not cut the motors' supply.")
    return Heartbeat(link, watchdog, Health(robot))
