"""What the operator asks of the coupling, and what of it is in force by the newest control record. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from psygnal import Signal

from studio.app.api import StudioApi
from studio.core.records import PairState

POSITION_POSITION, POSITION_FORCE, FOUR_CHANNEL = 1, 2, 3
SCHEMES = {POSITION_POSITION: "Position–position", POSITION_FORCE: "Position–force", FOUR_CHANNEL: "4-channel"}
SHORT = {POSITION_POSITION: "Position", POSITION_FORCE: "Force", FOUR_CHANNEL: "4-channel"}
HINTS = {
    POSITION_POSITION: "Springs in the drives of both arms. The calmest.",
    POSITION_FORCE: "The leader feels only the follower’s force: light in the air.",
    FOUR_CHANNEL: "Both angles and both forces. Gains of its own.",
}
_IN_FORCE = ("coupling_scheme", "coupling_share", "motion_scale", "clutch", "force_cutoff_hz", "disturbance_cutoff_hz")
_SETTLED_NS = 1_000_000_000  # nothing has moved for so long: twice the longest ramp
_STRONG = 1.5  # share x scale: docs/control.md says that 2 may no longer be stable


class Progress(Enum):
    """Of what was asked: control has it, is on its way, or keeps something else (the gate says why)."""

    THERE = "there"
    MOVING = "moving"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Range:
    """Of one slider, in its unit."""

    low: float
    high: float

    def cut(self, value: float) -> float:
        return float(np.clip(value, self.low, self.high))


class CouplingDesk:
    """Wanted values of the first joint (all joints scale with it); `changed` when one was changed.

    Every change goes to control at once, which ramps to it. `scheme`, `motion_scale` and both cut-offs begin as the
    first control record has them, so that what is shown before anybody has touched it is what is in force.
    """

    changed = Signal()

    def __init__(self, studio: StudioApi, shares: tuple[Range, Range]) -> None:
        self._studio = studio
        robot = studio.robot
        self._own_nm_rad, self._own_nm_s_rad = float(robot.stiffness_nm_rad[0]), float(robot.damping_nm_s_rad[0])
        stiffness, damping = shares
        self.ranges = {
            "stiffness_nm_rad": Range(low=stiffness.low * self._own_nm_rad, high=stiffness.high * self._own_nm_rad),
            "damping_nm_s_rad": Range(low=damping.low * self._own_nm_s_rad, high=damping.high * self._own_nm_s_rad),
            "leader_share": Range(low=0.0, high=1.0),
            "motion_scale": Range(low=0.25, high=4.0),
            "force_cutoff_hz": Range(low=1.0, high=100.0),
            "disturbance_cutoff_hz": Range(low=0.1, high=30.0),
        }
        self.values = {
            "stiffness_nm_rad": self._own_nm_rad, "damping_nm_s_rad": self._own_nm_s_rad,
            "leader_share": float(robot.leader_share), "motion_scale": 1.0,
            "force_cutoff_hz": 20.0, "disturbance_cutoff_hz": 5.0,
        }  # fmt: skip
        self.scheme, self.clutch_open = POSITION_POSITION, False
        self._touched = self._adopted = False
        self._asked_anew, self._in_force_before, self._moved_ns = True, (), 0

    def set(self, **values: float) -> None:
        """Ask for other values, by their names in `ranges`; each is cut to its range."""
        self.values.update({name: self.ranges[name].cut(value) for name, value in values.items()})
        self._send()

    def set_scheme(self, scheme: int) -> None:
        """1 position-position, 2 position-force, 3 4-channel."""
        self.scheme = scheme
        self._send()

    def toggle_clutch(self) -> None:
        """Open: the leader moves alone. Closed: the arms are coupled as they stand, with the offset that is there."""
        self.clutch_open = not self.clutch_open
        self._send()

    def close_clutch(self) -> None:
        """After a hold or a stop the arms are coupled anew: an open clutch of before would surprise."""
        if self.clutch_open:
            self.toggle_clutch()

    def _send(self) -> None:
        values, self._touched, self._asked_anew = self.values, True, True
        self._studio.input.set_coupling(
            stiffness_scale=values["stiffness_nm_rad"] / self._own_nm_rad,
            damping_scale=values["damping_nm_s_rad"] / self._own_nm_s_rad,
            leader_share=values["leader_share"],
            scheme=self.scheme,
            motion_scale=values["motion_scale"],
            clutch_open=self.clutch_open,
            force_cutoff_hz=values["force_cutoff_hz"],
            disturbance_cutoff_hz=values["disturbance_cutoff_hz"],
        )
        self.changed.emit()

    def adopt(self, record: np.ndarray) -> None:
        """Begin with what the loop was configured with (record of shape []); nothing after the first change."""
        if self._touched or self._adopted or not int(record["coupling_scheme"]):
            return
        self._adopted = True
        self.scheme = int(record["coupling_scheme"])
        for name in ("motion_scale", "force_cutoff_hz", "disturbance_cutoff_hz"):
            self.values[name] = float(record[name])
        self.changed.emit()

    def progress(self, record: np.ndarray) -> Progress:
        """Whether control has what was asked, by a record (shape []); called with newer and newer ones."""
        now_ns, in_force = int(record["t_ns"]), self._in_force(record)
        if self._asked_anew or in_force != self._in_force_before:
            self._asked_anew, self._in_force_before, self._moved_ns = False, in_force, now_ns
        if not self._is_apart(record):
            return Progress.THERE
        return Progress.KEPT if now_ns - self._moved_ns > _SETTLED_NS else Progress.MOVING

    def is_there(self, record: np.ndarray) -> bool:
        """Whether control has what was asked."""
        return self.progress(record) is Progress.THERE

    @staticmethod
    def _in_force(record: np.ndarray) -> tuple[float, ...]:
        return (*(float(record[name]) for name in _IN_FORCE), float(record["follower_requested_kp_nm_rad"][0]))

    def _is_apart(self, record: np.ndarray) -> bool:
        wanted = {
            "coupling_share": self.values["leader_share"],
            "motion_scale": self.values["motion_scale"],
            "clutch": 0.0 if self.clutch_open else 1.0,
            "force_cutoff_hz": self.values["force_cutoff_hz"],
            "disturbance_cutoff_hz": self.values["disturbance_cutoff_hz"],
        }
        apart = [abs(float(record[name]) - value) > 1e-3 * max(1.0, value) for name, value in wanted.items()]
        coupled = self.scheme != FOUR_CHANNEL and (record["pair_state"] == int(PairState.ENGAGED)).all()
        asked = (("kp_nm_rad", "stiffness_nm_rad", self._own_nm_rad),
                 ("kd_nm_s_rad", "damping_nm_s_rad", self._own_nm_s_rad))  # fmt: skip
        gains = [abs(float(record[f"follower_requested_{field}"][0]) - self.values[name]) > 0.02 * own
                 for field, name, own in asked]  # fmt: skip
        other = int(record["coupling_scheme"]) != self.scheme
        return other or any(apart) or (coupled and any(gains))

    @property
    def leader_force(self) -> float:
        """What the leader feels of the follower's force: share x scale, so that a share of 1 keeps the power."""
        return self.values["leader_share"] * self.values["motion_scale"]

    @property
    def power_words(self) -> tuple[str, str]:
        """How the leader's force follows from share and scale, and the tone of it."""
        share = self.values["leader_share"]
        kept = "power kept" if share > 0.995 else f"{100 * share:.0f} % of the power"
        words = f"Leader feels {self.leader_force:.2f} × the force: {kept}."
        strong = self.leader_force > _STRONG
        return (words + " Watch stability." if strong else words), "fair" if strong else "2"
