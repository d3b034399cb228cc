"""A fault at full rate: the 2 s before it, what followed, what happened when, and saving it as an episode. No Qt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.errors import StudioError
from studio.core.records import PairState, RecordType
from studio.data.episode import EpisodeWriter
from studio.robot.description import Robot

BEFORE_NS, AFTER_NS = 2_000_000_000, 500_000_000
_SILENT = 1  # fault_code of a motor that stopped answering
_SIDES = ("left", "right")


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One fault.

    Args:
        records: control records [n] from 2 s before to half a second after.
        fault_ns: time of the first record in Fault.
        pair, code, joint: of the first pair in Fault; joint over all pairs, -1 for none.
    """

    records: np.ndarray
    fault_ns: int
    pair: int
    code: int
    joint: int

    @property
    def at_fault(self) -> np.ndarray:
        """The first record in Fault (shape [])."""
        return self.records[int(np.searchsorted(self.records["t_ns"], self.fault_ns))]

    @property
    def side(self) -> str:
        """Leader or follower: whose motor it was, by the older reply or the reported error."""
        at = self.at_fault
        if self.joint < 0:
            return "follower"
        for name in ("reply_age_s", "error_code"):
            leader, follower = float(at[f"leader_{name}"][self.joint]), float(at[f"follower_{name}"][self.joint])
            if leader != follower:
                return "leader" if leader > follower else "follower"
        return "follower"

    @property
    def silent_s(self) -> float:
        """How long the motor had been silent when the fault was latched."""
        return float(self.at_fault[f"{self.side}_reply_age_s"][self.joint]) if self.joint >= 0 else 0.0


class IncidentWatch:
    """Keeps the newest 2 s of control records; at a fault they stay, and half a second after it is added."""

    def __init__(self) -> None:
        self._recent: list[np.ndarray] = []
        self.incident: Incident | None = None
        self.complete = False

    def take(self, records: np.ndarray) -> None:
        """New control records, oldest first."""
        if not len(records):
            return
        if self.incident is None:
            self._recent.append(records)
            newest_ns = int(records["t_ns"][-1])
            while int(self._recent[0]["t_ns"][-1]) < newest_ns - BEFORE_NS - AFTER_NS:
                self._recent.pop(0)
            self._look(records)
        elif not self.complete:
            self._add(records)

    def _look(self, records: np.ndarray) -> None:
        failed = (records["pair_state"] == int(PairState.FAULT)).any(axis=1)
        if not failed.any():
            return
        first = records[int(np.argmax(failed))]
        pair = int(np.argmax(first["pair_state"] == int(PairState.FAULT)))
        block, fault_ns = np.concatenate(self._recent), int(first["t_ns"])
        kept = block[(block["t_ns"] >= fault_ns - BEFORE_NS) & (block["t_ns"] <= fault_ns + AFTER_NS)]
        code, joint = int(first["fault_code"][pair]), int(first["fault_joint"][pair])
        self.incident = Incident(records=kept, fault_ns=fault_ns, pair=pair, code=code, joint=joint)

    def _add(self, records: np.ndarray) -> None:
        incident = self.incident
        assert incident is not None
        fresh = records[records["t_ns"] <= incident.fault_ns + AFTER_NS]
        block = np.concatenate([incident.records, fresh])
        self.incident = Incident(
            records=block, fault_ns=incident.fault_ns, pair=incident.pair, code=incident.code, joint=incident.joint
        )
        self.complete = len(fresh) < len(records)

    def clear(self) -> None:
        """The fault was cleared by hand."""
        if self.incident is not None:
            self.incident, self.complete = None, False
            self._recent.clear()


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened at a time after the start, with its token colour."""

    t_ms: float
    colour: str
    words: str


def find_events(robot: Robot, incident: Incident) -> list[Event]:
    """What the records say happened, in order."""
    side = _SIDES[incident.pair % 2]
    start_ns = incident.fault_ns - round(incident.silent_s * 1e9) if incident.code == _SILENT else incident.fault_ns
    found: list[tuple[int, str, str]] = []
    if incident.code == _SILENT and incident.joint >= 0:
        found.append((start_ns, "text.3", f"last reply from {robot.joint_names[incident.joint]}"))
        late_ns = _first_late(robot, incident)
        if late_ns:
            found.append((late_ns, "state.aligning", f"no reply: {side} pair damping only"))
    found.append((incident.fault_ns, "state.fault", f"fault latched, {side} pair stopped"))
    for pair in range(robot.pairs):
        held_ns = 0 if pair == incident.pair else _first_hold(incident, pair)
        if held_ns:
            found.append((held_ns, "state.holding", f"{_SIDES[pair % 2]} pair holds"))
    found.sort(key=lambda item: item[0])
    return [Event(t_ms=(t_ns - start_ns) / 1e6, colour=colour, words=words) for t_ns, colour, words in found]


def _first_late(robot: Robot, incident: Incident) -> int:
    """First tick at which the reply counted as late, 0 when that is not in the records."""
    limit_s = (robot.timeouts.motor_late_ticks - 0.5) / robot.loop_rate_hz
    block = incident.records[incident.records["t_ns"] < incident.fault_ns]
    late = block[f"{incident.side}_reply_age_s"][:, incident.joint] > limit_s
    since = len(late) - int(np.argmax(~late[::-1])) if len(late) and not late.all() else len(late)
    return int(block["t_ns"][since]) if since < len(late) else 0


def _first_hold(incident: Incident, pair: int) -> int:
    block = incident.records[incident.records["t_ns"] >= incident.fault_ns]
    holds = block["pair_state"][:, pair] == int(PairState.HOLDING)
    return int(block["t_ns"][int(np.argmax(holds))]) if holds.any() else 0


def save_incident(
    incidents: Path, record_type: RecordType, incident: Incident, config: dict[str, Any]
) -> tuple[Path | None, StudioError | None]:
    """Write the records as an episode that Replay opens; runs in a thread. Gives its folder or what went wrong."""
    folder = incidents / time.strftime("%Y-%m-%d") / time.strftime("fault_%H%M%S")
    try:
        writer = EpisodeWriter(folder, [record_type], config)
        try:
            writer.write(record_type.name, incident.records)
        finally:
            writer.close("incident")
    except StudioError as error:
        return None, error
    return folder, None
