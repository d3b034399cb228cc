"""Evented view-models of the whole window: what the status bar, the band and the notices show. No Qt.

Each is a dataclass whose fields emit on change: `link.events.worst.connect(callback)`; callbacks run in the window's
thread, because only the window's timer writes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from psygnal import Signal, SignalGroupDescriptor

from studio.core.records import Driver, PairState
from studio.core.task import Goal

# The band shows the worst pair: later is worse.
_SEVERITY = (
    PairState.ENGAGED, PairState.ALIGNING, PairState.HOLDING, PairState.DISABLED, PairState.STOPPED, PairState.FAULT,
)  # fmt: skip
STATE_NAMES = {state: state.name.lower() for state in PairState}  # the key of a state's colour and icon
STATE_WORDS = {state: state.name.capitalize() for state in PairState}
LOST_WORD = "Lost"  # of the link, not of the robot: no control record comes any more
DRIVER_WORDS = {
    Driver.NOBODY: "", Driver.OPERATOR: "you", Driver.PLANNER: "planner", Driver.SKILL: "skill", Driver.HOLD: "",
}  # fmt: skip


def worst_state(states: tuple[PairState, ...]) -> PairState:
    return max(states, key=_SEVERITY.index) if states else PairState.DISABLED


@dataclass
class LinkState:
    """The robot and its loop as the window knows them, from the newest control records.

    Args:
        connected: a control record younger than 0.5 s is there.
        lost: there was one, and nobody has stopped the loop since: what the arms do is not known.
        rate_hz: measured loop rate; lateness over the last 10 s, in s.
        missed_ticks: periods that the loop left out because it came too late, since the window looks.
        drops: records and pictures that the recorder lost because a ring overran, since the session began.
        disk_hours: hours of play that fit on the disk at the measured or declared rate.
        closed_gate: rows of the loop's own start-up gate that do not pass: (name, why) (studio/control/gate.py).
        pedal: empty without one; `pressed`, `released`, or why it counts as released.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    connected: bool = False
    lost: bool = False
    pair_states: tuple[PairState, ...] = (PairState.DISABLED, PairState.DISABLED)
    worst: PairState = PairState.DISABLED
    driver: Driver = Driver.NOBODY
    rate_hz: float = 0.0
    lateness_p50_s: float = 0.0
    lateness_p99_s: float = 0.0
    lateness_max_s: float = 0.0
    missed_ticks: int = 0
    drops: int = 0
    disk_free_bytes: int = 0
    disk_hours: float = 0.0
    workers_alive: int = 0
    workers_expected: int = 0
    robot_title: str = "Simulated robot"
    fault_text: str = ""
    closed_gate: tuple[tuple[str, str], ...] = ()
    dead_man: bool = False
    pedal: str = ""
    hands_hold: bool = False  # every leader is held by a hand
    scripted_hand: bool = False  # the operator's part is played by the scripted hand, not by a person

    @property
    def dead_man_name(self) -> str:
        """What a person holds, as every sentence names it: `hold Space`, `let go of the pedal`."""
        return "the pedal" if self.pedal else "Space"

    @property
    def state_name(self) -> str:
        """Key of colour and icon, such as `engaged`."""
        return STATE_NAMES[PairState.FAULT if self.lost else self.worst]

    @property
    def text(self) -> str:
        """State and driver in words: `Engaged · planner`."""
        if self.lost:
            return LOST_WORD
        scripted = self.scripted_hand and self.driver is Driver.OPERATOR
        driver = "scripted hand" if scripted else DRIVER_WORDS[self.driver]
        moving = self.worst in (PairState.ENGAGED, PairState.ALIGNING)
        return f"{STATE_WORDS[self.worst]} · {driver}" if driver and moving else STATE_WORDS[self.worst]


@dataclass
class RecordingState:
    """The take that is being recorded; `episode` counts from 1 in the project's dataset."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    on: bool = False
    seconds: float = 0.0
    episode: int = 0
    episodes_closed: int = 0
    last_path: str = ""
    verdict: str = ""

    @property
    def clock(self) -> str:
        """`00:47`."""
        return f"{int(self.seconds) // 60:02d}:{int(self.seconds) % 60:02d}"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One sentence for a person; `detail` is one click away.

    Args:
        level: info, warn or fault.
        command: identity of a command that helps, offered as a button with `command_title`.
    """

    level: str
    text: str
    detail: str = ""
    command: str = ""
    command_title: str = ""
    time_s: float = field(default_factory=time.time)


class Notices:
    """What happened, newest first. Nothing pops over the view; the bell counts unread warnings and faults."""

    added = Signal(Notice)
    changed = Signal()

    def __init__(self, limit: int = 200) -> None:
        self.items: list[Notice] = []
        self.unread = 0
        self._limit = limit

    def add(self, level: str, text: str, *, detail: str = "", command: str = "", command_title: str = "") -> Notice:
        """Add a notice; the same sentence within 5 s is not repeated."""
        notice = Notice(level=level, text=text, detail=detail, command=command, command_title=command_title)
        if self.items and self.items[0].text == text and notice.time_s - self.items[0].time_s < 5.0:
            return self.items[0]
        self.items.insert(0, notice)
        del self.items[self._limit :]
        self.unread += level != "info"  # what is only told does not ring
        self.added.emit(notice)
        self.changed.emit()
        return notice

    def info(self, text: str, *, detail: str = "") -> Notice:
        return self.add("info", text, detail=detail)

    def warn(self, text: str, *, detail: str = "") -> Notice:
        return self.add("warn", text, detail=detail)

    def error(self, error: BaseException) -> Notice:
        """An expected error as a notice: its message is the sentence, its detail the detail."""
        return self.add("fault", str(error), detail=str(getattr(error, "detail", "")))

    def mark_read(self) -> None:
        self.unread = 0
        self.changed.emit()

    def clear(self) -> None:
        self.items.clear()
        self.mark_read()


class GoalState:
    """The goal the box should reach; writing it goes to the planner and the policy."""

    changed = Signal()

    def __init__(self, write: Callable[[Goal | None], None]) -> None:
        self.goal: Goal | None = None
        self._write = write
        self._next_id = 1

    def set(
        self,
        position_m: tuple[float, float, float] | np.ndarray,
        orientation_xyzw: tuple[float, float, float, float] | np.ndarray,
        name: str = "",
    ) -> Goal:
        """Make this the goal and hand it to the workers; each call gives a new goal identity."""
        x, y, z = (float(v) for v in position_m)
        qx, qy, qz, qw = (float(v) for v in orientation_xyzw)
        self.goal = Goal(position_m=(x, y, z), orientation_xyzw=(qx, qy, qz, qw), goal_id=self._next_id, name=name)
        self._next_id += 1
        self._write(self.goal)
        self.changed.emit()
        return self.goal

    def clear(self) -> None:
        self.goal = None
        self._write(None)
        self.changed.emit()


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One background run as the window shows it; see `studio.jobs.run.RunStatus` for the fields."""

    id: str
    kind: str
    title: str
    path: str
    created_s: float
    state: str
    stage: str = ""
    step: int = 0
    steps: int = 0
    time_left_s: tuple[float, float] | None = None
    message: str = ""
    detail: str = ""

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running", "paused")

    @property
    def share(self) -> float:
        return min(1.0, self.step / self.steps) if self.steps else 0.0


class RunsModel:
    """Every run of the project, newest first; read again once a second."""

    changed = Signal()
    ended = Signal(RunView)

    def __init__(self) -> None:
        self.runs: list[RunView] = []

    @property
    def active(self) -> list[RunView]:
        return [run for run in self.runs if run.active]

    def replace(self, runs: list[RunView]) -> None:
        if runs == self.runs:
            return
        active = {run.id for run in self.active}
        self.runs = runs
        self.changed.emit()
        for run in runs:
            if run.id in active and not run.active:
                self.ended.emit(run)


@dataclass
class StudioState:
    """All view-models; `screen` is the plugin that is on top."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    link: LinkState = field(default_factory=LinkState)
    recording: RecordingState = field(default_factory=RecordingState)
    runs: RunsModel = field(default_factory=RunsModel)
    screen: str = ""
    role: str = ""
