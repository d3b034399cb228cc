"""The only door for plugins: `StudioApi`, handed to every plugin's model and panel. No Qt in here.

docs/plugins.md is the contract in words. Everything is called in the window's thread and returns at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studio.app.bundles import BundleChoice, PlanningWorkers, RunLimits
from studio.app.commands import Command, Commands
from studio.app.loader import Loader
from studio.app.outlet import CouplingWish
from studio.app.project import Project
from studio.app.session import Session
from studio.app.settings import Settings
from studio.app.state import (
    DRIVER_WORDS,
    STATE_NAMES,
    STATE_WORDS,
    GoalState,
    LinkState,
    Notice,
    Notices,
    RecordingState,
    RunsModel,
    RunView,
    StudioState,
)
from studio.app.streams import Follower, Streams
from studio.core.errors import DataError
from studio.core.records import Driver, PairState
from studio.core.task import Goal, Task
from studio.ipc.messages import Message
from studio.jobs.queue import list_runs, resume_run, start_job
from studio.jobs.run import Run
from studio.robot.description import Robot

__all__ = [
    "DRIVER_WORDS", "STATE_NAMES", "STATE_WORDS", "Arms", "BundleChoice", "Command", "Commands", "Follower", "Goal",
    "GoalState", "Input", "Jobs", "LinkState", "Loader", "Message", "Notice", "Notices", "PlanningWorkers", "Project",
    "Recording", "RecordingState", "RunLimits", "RunView", "RunsModel", "Settings", "Streams", "StudioApi",
    "StudioState", "Workers",
]  # fmt: skip

API_VERSION = 1


class Input:
    """What the person does with hands and keys; reaches the control process within 20 ms."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def dead_man(self) -> bool:
        return self._session.dead_man

    @property
    def dead_man_name(self) -> str:
        """`Space`, or `the pedal` where the session has one; sentences about the dead-man take it from here."""
        return self._session.state.link.dead_man_name

    def set_dead_man(self, held: bool) -> None:
        """Space down or up. Where the robot latches it, Engage holds it and only Hold, Stop or leaving lets go."""
        self._session.set_dead_man(held)

    def set_hand(self, pair: int, target_m: np.ndarray | tuple[float, float, float], active: bool) -> None:
        """Where a leader's hand is pulled to (world, m); `active` False lets go of it."""
        self._session.set_hand(pair, np.asarray(target_m, dtype=np.float64), active)

    def set_coupling(self, *, stiffness_scale: float, damping_scale: float, leader_share: float, **others: Any) -> None:
        """Gains relative to the robot's own (1 = as described), `others` as in `CouplingWish`; control ramps to it."""
        self._session.set_coupling(
            CouplingWish(
                stiffness_scale=stiffness_scale, damping_scale=damping_scale, leader_share=leader_share, **others
            )
        )

    def press_stop(self) -> None:
        """The red stop: acts in the control process, whatever else the window does."""
        self._session.press_stop()


class Arms:
    """Requests to the control process. Each `blocked_*` is an empty text or the reason in a few words."""

    def __init__(self, session: Session, state: StudioState) -> None:
        self._session = session
        self._state = state

    def engage(self) -> None:
        self._session.engage()

    def hold(self) -> None:
        self._session.hold()

    def disable(self) -> None:
        self._session.request("disable")

    def clear_fault(self) -> None:
        self._session.request("clear_fault")

    def confirm_zero(self) -> None:
        """A person has seen that the arms stand as they are shown, since their motors were powered up."""
        self._session.request("confirm_zero")

    def put_box_back(self) -> None:
        self._session.request("put_box_back")

    def set_driver(self, driver: Driver) -> None:
        """Who moves the followers: OPERATOR (take over), PLANNER, SKILL or HOLD."""
        self._session.request("driver", driver=int(driver))

    def set_policy_limits(self, *, torque_share: float, speed_share: float) -> None:
        """Shares (0..1) of the robot's torque and speed limits that a planner or a skill may use."""
        self._session.request("policy_limits", torque_share=torque_share, speed_share=speed_share)

    def blocked_engage(self) -> str:
        link = self._state.link
        if not link.connected:
            return "the loop is not running"
        if link.worst is PairState.FAULT:
            return "clear the fault first"
        return "already engaged" if link.worst in (PairState.ENGAGED, PairState.ALIGNING) else ""

    def blocked_hold(self) -> str:
        moving = (PairState.ENGAGED, PairState.ALIGNING)
        return "" if self._state.link.worst in moving else "nothing moves"

    def blocked_clear_fault(self) -> str:
        if self._state.link.worst is not PairState.FAULT:
            return "there is no fault"
        return f"let go of {self._state.link.dead_man_name} first" if self._session.dead_man else ""


class Recording:
    """Recording into the project's dataset `play`; the view-model is `studio.state.recording`."""

    def __init__(self, session: Session, state: StudioState) -> None:
        self._session = session
        self._state = state

    def start(self, split_s: float | None = None) -> None:
        """Begin a take: a new episode of this session. Episodes as long as `split_s` are closed and the next begins."""
        self._session.take.start(split_s)

    def stop(self) -> None:
        """End the take; the recorder closes and checks it, and a notice says so."""
        self._session.take.stop()

    def mark(self, label: str = "", key: int = 0) -> None:
        """A mark, or with a text a label (with its key number), at this moment of the take."""
        self._session.take.mark(label, key)

    def discard(self) -> None:
        """End the take and move its episode to the project's trash."""
        self._session.take.discard()

    def again(self) -> None:
        """Discard the take and begin a new one."""
        self._session.take.discard(again=True)

    def blocked_start(self) -> str:
        if self._state.recording.on:
            return "already recording"
        return "" if self._session.alive("recorder") else "the recorder is not running"

    def blocked_stop(self) -> str:
        return "" if self._state.recording.on else "nothing is recorded"


class Workers:
    """The processes of this session by name: control, guard, recorder, camera, planner, policy, operator."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.message = session.message  # psygnal signal (name, Message), emitted in the window's thread

    @property
    def running(self) -> list[str]:
        return self._session.running()

    def alive(self, name: str) -> bool:
        return self._session.alive(name)

    def send(self, name: str, message: Message) -> None:
        """Send a message. A worker that is not running is said in a notice; nothing is raised."""
        self._session.send(name, message)

    def start(self, name: str, **config: Any) -> None:
        """Start a worker, or start a dead one again; `config` is added to its usual configuration."""
        self._session.start_worker(name, **config)

    def stop(self, name: str) -> None:
        """Ask it to end; it is terminated when it does not. Never blocks the window."""
        self._session.stop_worker(name)


class Jobs:
    """Background runs of the project; the view-model is `studio.state.runs`."""

    def __init__(self, project: Project, state: StudioState) -> None:
        self._project = project
        self._state = state
        self._runs: dict[str, Run] = {}

    def start(self, kind: str, spec: dict[str, Any]) -> Run:
        """Start a detached run: `train`, `evaluate` or `play` with the specification of its worker."""
        run = start_job(self._project.path, kind, spec)
        self._runs[run.id] = run
        self.refresh()
        return run

    def export(self, episodes: Sequence[Path]) -> Run | None:
        """Episodes of one dataset as tables in the project's folder `exports`, by a job that says when it is done."""
        if not episodes:
            return None
        dataset = episodes[0].parent.parent
        out = self._project.folder("exports") / time.strftime(f"{dataset.name}_%Y-%m-%d_%H%M%S")
        ids = [f"{path.parent.name}/{path.name}" for path in episodes if path.parent.parent == dataset]
        title = f"Export of {len(ids)} episode{'' if len(ids) == 1 else 's'}"
        return self.start("export", {"title": title, "dataset": str(dataset), "out": str(out), "episodes": ids})

    def resume(self, identity: str) -> None:
        resume_run(self.run(identity))
        self.refresh()

    def run(self, identity: str) -> Run:
        """The run folder's reader: `status()`, `metrics(since)`, `cancel()`, `pause()`, `log_tail()`."""
        if identity not in self._runs:
            self._runs[identity] = Run(self._project.folder("runs") / identity)
        return self._runs[identity]

    def refresh(self) -> None:
        """Read every run's status again; the window calls it once a second."""
        for run in list_runs(self._project.path):
            self._runs.setdefault(run.id, run)
        views = [view for view in map(_view, self._runs.values()) if view is not None]
        self._state.runs.replace(sorted(views, key=lambda view: view.created_s, reverse=True))


def _view(run: Run) -> RunView | None:
    try:
        status = run.status()
    except DataError:
        return None
    title = str(run.spec.get("title") or run.spec.get("name") or run.id)
    return RunView(
        id=run.id, kind=run.kind, title=title, path=str(run.path), created_s=run.created_s, state=status.state,
        stage=status.stage, step=status.step, steps=status.steps, time_left_s=status.time_left_s,
        message=status.message, detail=status.detail,
    )  # fmt: skip


class StudioApi:
    """Everything a plugin may ask for.

    Args:
        session: the running session (workers, rings, slots).
        project: the open project.
        settings: the window's settings.
    """

    version = API_VERSION

    def __init__(self, session: Session, project: Project, settings: Settings) -> None:
        self.robot: Robot = session.robot
        self.task: Task = session.task
        self.project = project
        self.settings = settings
        self.state = session.state
        self.notices: Notices = session.notices
        self.commands = Commands()
        self.streams = Streams(session.ring_path)
        self.workers = Workers(session)
        self.input = Input(session)
        self.arms = Arms(session, self.state)
        self.recording = Recording(session, self.state)
        self.jobs = Jobs(project, self.state)
        self.goal = GoalState(session.set_goal)
        self.bundles = BundleChoice(self)
        self.planning = PlanningWorkers(self)
        self.limits = RunLimits(self)
        self.navigator: Callable[..., None] | None = None
        self.state.runs.ended.connect(self._say_export)
        self._models: dict[str, Any] = {}

    def navigate(self, screen: str, **arguments: Any) -> None:
        """Bring a plugin's screen to the top; its panel's `open(**arguments)` is called when it has one."""
        if self.navigator:
            self.navigator(screen, **arguments)

    def _say_export(self, view: RunView) -> None:
        if view.kind == "export":
            level = "info" if view.state == "done" else "warn" if view.state == "cancelled" else "fault"
            self.notices.add(level, f"{view.title}: {view.message}", detail=view.detail)

    def bundle_paths(self) -> list[Path]:
        return self.project.bundles()

    def close(self) -> None:
        self.streams.close()
