"""One session of the window: starts and ends its workers, writes their slots, passes their messages on. No Qt.

Everything here returns at once; `poll` is called by the window's timer and says what happened in words.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from studio.app.bench_use import BenchUse
from studio.app.monitor import LinkMonitor
from studio.app.outlet import CouplingWish, Outlet
from studio.app.project import Project
from studio.app.state import Notices, StudioState
from studio.app.streams import Follower
from studio.app.take import Take
from studio.core.errors import StudioError, WorkerError
from studio.core.task import Goal, Task
from studio.ipc.messages import Message
from studio.ipc.session import SessionFolder, make_session
from studio.ipc.supervisor import Supervisor
from studio.robot.description import Robot
from studio.robot.wiring import PedalWiring

_LEVELS = {"info": "info", "warn": "warn", "warning": "warn", "error": "fault", "fault": "fault"}
_START_PATIENCE_S = 20.0
_BENCH = "commission"
_ON_BUSES = ("control", "guard")  # they open the robot's buses


@dataclass(frozen=True, kw_only=True)
class WorkerPlace:
    """A worker of the session.

    Args:
        title: its name for people.
        effect: what its death means, in words.
        always: started with the session and expected to live as long.
        told: which of the session's facts its configuration takes.
    """

    name: str
    module: str
    title: str
    effect: str
    always: bool = True
    told: tuple[str, ...] = ()


WORKERS: tuple[WorkerPlace, ...] = (
    WorkerPlace(name="control", module="studio.workers.control", title="The control loop",
                effect="Motors are damped, then off.", told=("robot", "task", "seed")),
    WorkerPlace(name="guard", module="studio.workers.guard", title="The guard",
                effect="Arms still work, without a second watch.", told=("robot",)),
    WorkerPlace(name="recorder", module="studio.workers.recorder", title="The recorder",
                effect="Arms still work. What was recorded is kept."),
    WorkerPlace(name="camera", module="studio.workers.camera", title="The camera",
                effect="Arms and recording go on without pictures.", told=("robot",)),
    WorkerPlace(name="planner", module="studio.workers.planner", title="Planner", effect="Arms hold.", always=False,
                told=("robot",)),
    WorkerPlace(name="policy", module="studio.workers.policy", title="Skills", effect="Arms hold.", always=False,
                told=("robot",)),
    WorkerPlace(name="commission", module="studio.workers.commission", title="The bench", always=False,
                effect="Steps that passed are kept. A motor that still gives torque: cut its supply."),
    WorkerPlace(name="calibrate", module="studio.workers.calibrate", title="The camera bench", always=False,
                effect="What was saved is kept."),
    WorkerPlace(name="pedal", module="studio.workers.pedal", title="The pedal", always=False,
                effect="Arms hold: a pedal that is gone counts as released."),
    WorkerPlace(name="operator", module="studio.workers.operator", title="The scripted hand",
                effect="The hands are free.", always=False, told=("robot", "task", "seed")),
)  # fmt: skip


class Session:
    """The running studio behind the window.

    Args:
        robot: description of the robot.
        task: what is done with it.
        project: where takes are recorded.
        folder: session folder; None makes a fresh one.
        places: the workers there are.
        seed: of the simulated world.
        robot_title: which robot the workers drive, for the status bar; empty: as the description says.
        pedal: the dead-man pedal instead of the robot's own. With a pedal it alone counts, and is never latched.
    """

    message = Signal(str, Message)

    def __init__(
        self,
        robot: Robot,
        task: Task,
        project: Project,
        *,
        folder: SessionFolder | None = None,
        places: tuple[WorkerPlace, ...] = WORKERS,
        seed: int = 0,
        robot_title: str = "",
        pedal: PedalWiring | None = None,
    ) -> None:
        self.pedal = pedal or robot.pedal
        robot = replace(robot, dead_man_latched=False) if self.pedal else robot
        self.robot, self.task, self.project, self.seed = robot, task, project, seed
        self.state, self.notices = StudioState(), Notices()
        self.folder = (folder or make_session()).create()
        self.places = {place.name: place for place in places}
        self.supervisor = Supervisor(self.folder)
        self.outlet = Outlet(self.folder.slot_path, robot)
        self._control = Follower(self.folder.ring_path("control"))
        self.monitor = LinkMonitor(self.state.link, self._control, project.free_bytes)
        self.take = Take(self)
        self.bench = BenchUse()
        self.state.link.robot_title = robot_title or (robot.title if robot.buses else "Simulated robot")
        self._expected: set[str] = set()
        self._stopped: set[str] = set()  # on purpose, and not ready again since
        self._configs: dict[str, dict[str, Any]] = {}
        self._ready: set[str] = set()
        self._closed = False
        if self.pedal is not None:
            self._configs = {"control": {"pedal": True}, "commission": {"pedal": True}, "pedal": self.pedal.to_config()}
            self.state.link.pedal = "starting"

    # Life cycle

    def start(self) -> None:
        """Start every worker that belongs to the session; one that cannot start is said, the others go on."""
        for place in self.places.values():
            if place.always or (place.name == "pedal" and self.pedal is not None):
                self.start_worker(place.name)

    def start_worker(self, name: str, **config: Any) -> None:
        """Start a worker, or start it again after it ended; `config` is kept for the next start."""
        place = self._place(name)
        self._configs[name] = {**self._configs.get(name, {}), **config}
        if self.alive(name):
            return
        if blocked := self.blocked_start(name):
            self.notices.add("warn", f"{place.title} was not started: {blocked}.")
            return
        try:
            self.supervisor.start(name, place.module, {**self._usual_config(place), **self._configs[name]})
        except StudioError as error:
            self.notices.error(error)
            return
        self._expected.add(name)

    def blocked_start(self, name: str) -> str:
        """Why a worker must not be started now, in a few words: two programs would speak on one bus."""
        return self.bench.blocks({bus.name for bus in self.robot.buses}) if name in _ON_BUSES else ""

    def stop_worker(self, name: str) -> None:
        """Ask a worker to end; `poll` moves up to terminate and kill. Returns at once."""
        self._expected.discard(name)
        self._stopped.add(name)
        self.supervisor.request_stop(name)

    def close(self) -> None:
        """Stop the arms, close the take, end the workers and remove the session's folder. Takes some seconds."""
        if self._closed:
            return
        self._closed = True
        self.take.stop()
        self.outlet.dead_man = False
        self.outlet.release_hands()
        self.outlet.beat()
        self._expected.clear()
        self.supervisor.stop_all()
        for name, message in self.supervisor.poll():
            self._deliver(name, message)
        self.take.close()
        self._control.close()
        self.outlet.close()
        self.folder.remove()

    # What the window asks

    def ring_path(self, stream: str) -> Path:
        return self.folder.ring_path(stream)

    def alive(self, name: str) -> bool:
        return self.supervisor.alive(name)

    def running(self) -> list[str]:
        return [info.name for info in self.supervisor.processes() if info.alive]

    @property
    def dead_man(self) -> bool:
        """Space, or the pedal where there is one."""
        return self.outlet.dead_man if self.pedal is None else self.state.link.pedal == "pressed"

    def send(self, name: str, message: Message) -> None:
        """Send; a worker that is not there is said, nothing is raised."""
        try:
            sent = self.supervisor.send(name, message)
        except WorkerError:
            sent = False
        if not sent:
            self.say_missing(name)
        elif name == _BENCH:
            self.bench.sent(message)

    def say_missing(self, name: str) -> None:
        self.notices.add(
            "warn", f"{self._place(name).title} is not running. Start it again.",
            command=f"worker.start.{name}", command_title="Start again",
        )  # fmt: skip

    def take_config(self) -> dict[str, Any]:
        """What an episode keeps of how it came about."""
        robot = {"robot": self.robot.name, "robot_description": self.robot.reference}
        return {**robot, "task": self.task.name, "seed": self.seed, "operator": "mouse"}

    def request(self, name: str, **values: Any) -> None:
        self.send("control", Message(name=name, values=values))

    def engage(self) -> None:
        """Ask for Engaged; where the robot latches the dead-man, it is held from now on."""
        if self.robot.dead_man_latched:
            self.set_dead_man(True)
        self.request("engage")

    def hold(self) -> None:
        self.set_dead_man(False)
        self.request("hold")

    def press_stop(self) -> None:
        self.outlet.stop_count += 1
        self.outlet.dead_man = False
        self.outlet.release_hands()
        self.outlet.beat()

    def set_dead_man(self, held: bool) -> None:
        self.outlet.dead_man = held
        self.outlet.beat()

    def set_hand(self, pair: int, target_m: np.ndarray, active: bool) -> None:
        self.outlet.write_hand(pair, target_m, active)

    def release(self) -> None:
        """Leaving a screen that moves the robot, or losing the window's focus without a latch."""
        self.outlet.release_hands()
        self.set_dead_man(False)

    def set_coupling(self, wish: CouplingWish) -> None:
        self.outlet.write_coupling(wish)

    def set_goal(self, goal: Goal | None) -> None:
        self.outlet.write_goal(goal)

    # The window's timer

    def beat(self) -> None:
        """50 times a second, from the window's thread only."""
        self.outlet.beat()

    def poll(self) -> None:
        """Messages of the workers and the newest state; at view rate."""
        for name, message in self.supervisor.poll():
            self._deliver(name, message)
        self.monitor.update_state(stopped="control" in self._stopped)
        self.take.tick()

    def update_numbers(self) -> None:
        """Four times a second."""
        alive = sum(self.alive(name) for name in self._expected)
        self.monitor.update_numbers(alive, len(self._expected))

    def wait_ready(self, name: str, timeout_s: float = _START_PATIENCE_S) -> bool:
        """For tests and commands without a window: poll until a worker has said `ready`."""
        end_s = time.monotonic() + timeout_s
        while name not in self._ready and time.monotonic() < end_s:
            self.beat()
            self.poll()
            time.sleep(0.01)
        return name in self._ready

    # Messages

    def _deliver(self, name: str, message: Message) -> None:
        if message.name == "ready":
            self._ready.add(name)
            self._stopped.discard(name)
        elif message.name == "said":
            self._say(message.values)
        elif message.name == "ended":
            self._worker_ended(name, message.values)
        elif message.name == "state" and name == "control":
            self.state.link.fault_text = str(message.values.get("fault_text", ""))
            rows = message.values.get("gate", [])
            self.state.link.closed_gate = tuple((str(row["name"]), str(row["text"])) for row in rows if not row["ok"])
        elif message.name == "state" and name == "pedal":
            pressed = "pressed" if message.values.get("pressed") else "released"
            self.state.link.pedal = str(message.values.get("trouble", "")) or pressed
        if name == _BENCH:
            self.bench.heard(message)
        self.take.on_message(name, message)
        self.message.emit(name, message)

    def _say(self, values: dict[str, Any]) -> None:
        level = _LEVELS.get(str(values.get("level", "info")), "info")
        self.notices.add(level, str(values.get("text", "")), detail=str(values.get("detail", "")))

    def _worker_ended(self, name: str, values: dict[str, Any]) -> None:
        self._ready.discard(name)
        place = self._place(name)
        if self._closed or values.get("asked") or name not in self._expected:
            return
        if name == "operator":
            self.outlet.release_hands()  # a killed hand has not let go by itself
        if name == "pedal":
            self.state.link.pedal = "The pedal is not read any more. Start it again."
        detail = f"{place.module} ended with {values.get('returncode')}.\n{values.get('log', '')}".strip()
        self.notices.add(
            "fault", f"{place.title} ended. {place.effect} Start again.", detail=detail,
            command=f"worker.start.{name}", command_title="Start again",
        )  # fmt: skip

    def _place(self, name: str) -> WorkerPlace:
        if name not in self.places:
            raise WorkerError(f"There is no worker {name!r}. Known: {', '.join(self.places)}.")
        return self.places[name]

    def _usual_config(self, place: WorkerPlace) -> dict[str, Any]:
        facts = {"robot": self.robot.reference, "task": self.task.name, "seed": self.seed}
        return {name: facts[name] for name in place.told}
