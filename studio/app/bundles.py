"""What the planning screens share: the bundle, the workers that hold it, the share of the limits it may use. No Qt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.errors import StudioError
from studio.data.bundle_info import BundleInfo, load_bundle_info
from studio.ipc.messages import Message

if TYPE_CHECKING:
    from studio.app.api import StudioApi

PLANNING_WORKERS = ("planner", "policy")
_KEPT_RUNS = 200


class BundleChoice:
    """The project's bundles, newest first, and the one that is chosen."""

    def __init__(self, studio: StudioApi) -> None:
        self._studio = studio
        self.bundles: list[BundleInfo] = []
        self.bundle: BundleInfo | None = None

    def read(self) -> None:
        """Look again; a damaged bundle is said and left out."""
        found: list[BundleInfo] = []
        for path in self._studio.bundle_paths():
            try:
                found.append(load_bundle_info(path))
            except StudioError as error:
                self._studio.notices.error(error)
        self.bundles = found
        chosen = self.bundle.path if self.bundle else None
        self.bundle = next((b for b in found if b.path == chosen), found[0] if found else None)

    def choose(self, index: int) -> bool:
        """Choose by place in the list; True when that is another one."""
        if not 0 <= index < len(self.bundles) or self.bundles[index] is self.bundle:
            return False
        self.bundle = self.bundles[index]
        return True

    def choose_path(self, path: str) -> bool:
        """Choose by folder; True when it is there."""
        names = [str(known.path) for known in self.bundles]
        if path in names:
            self.choose(names.index(path))
        return path in names

    def problem(self) -> str:
        """Why the chosen bundle cannot run on this robot; empty when it can."""
        bundle, robot = self.bundle, self._studio.robot
        if bundle is None:
            return "train skills first: there is no bundle"
        wanted = self._studio.task.state_size
        if bundle.state_size != wanted:
            return f"trained for {bundle.state_size} signals, this robot has {wanted}"
        if bundle.robot != robot.name:
            return f"trained for {bundle.robot or 'no robot'}, this robot is {robot.name}"
        return ""


class PlanningWorkers:
    """Planner and policy: started when first needed, then told; what each has loaded is known from what it says."""

    def __init__(self, studio: StudioApi) -> None:
        self._workers = studio.workers
        self.loaded: dict[str, str] = {}
        self._waiting: dict[str, list[Message]] = {}
        studio.workers.message.connect(self._on_message)

    def deploy(self, values: dict[str, Any]) -> None:
        """Hand both a bundle and its settings; they begin at once."""
        for name in PLANNING_WORKERS:
            self._give(name, {**values, "hold": False})

    def ask(self, name: str, bundle: Path, message: Message) -> None:
        """A message for a worker that has `bundle`; it is loaded first, without moving anything."""
        if self._workers.alive(name) and self.loaded.get(name) == str(bundle):
            self._workers.send(name, message)
            return
        self._waiting[name] = [message]
        self._give(name, {"bundle": str(bundle), "hold": True})

    def rest(self) -> None:
        """Both stop planning and moving; the bundle stays loaded."""
        self._waiting.clear()
        for name in PLANNING_WORKERS:
            if self._workers.alive(name):
                self._workers.send(name, Message(name="hold"))

    def _give(self, name: str, values: dict[str, Any]) -> None:
        self.loaded.pop(name, None)
        if self._workers.alive(name):
            self._workers.send(name, Message(name="deploy", values=values))
        else:
            self._workers.start(name, **values)

    def _on_message(self, name: str, message: Message) -> None:
        if name not in PLANNING_WORKERS:
            return
        if message.name == "ended":
            self.loaded.pop(name, None)
            self._waiting.pop(name, None)
        elif message.name == "ready":
            self.loaded[name] = str(message.values.get("bundle", ""))
            for waiting in self._waiting.pop(name, []):
                self._workers.send(name, waiting)


class RunLimits:
    """How much of the robot's speed and torque a bundle may use.

    At first what the robot's description allows (30 % unless it says otherwise; the simulated arms allow all), then
    what the person chose.
    """

    def __init__(self, studio: StudioApi) -> None:
        self._studio = studio
        self._chosen: dict[str, float] = {}

    def has_run(self, bundle: BundleInfo) -> bool:
        return self._name(bundle) in self._runs()

    def share(self, bundle: BundleInfo | None) -> float:
        if bundle is None:
            return self._studio.robot.first_run_share
        usual = 1.0 if self.has_run(bundle) else self._studio.robot.first_run_share
        return self._chosen.get(self._name(bundle), usual)

    def choose(self, bundle: BundleInfo, share: float) -> None:
        self._chosen[self._name(bundle)] = min(max(share, 0.1), 1.0)

    def apply(self, bundle: BundleInfo) -> float:
        """Tell the control process; returns the share."""
        share = self.share(bundle)
        self._studio.arms.set_policy_limits(torque_share=share, speed_share=share)
        return share

    def note_run(self, bundle: BundleInfo) -> None:
        """It has driven this robot; from the next time on it starts with all of the limits."""
        if not self.has_run(bundle):
            self._chosen.setdefault(self._name(bundle), self.share(bundle))  # this session stays as it is
            self._studio.settings.set(self._key, [*self._runs(), self._name(bundle)][-_KEPT_RUNS:])

    @property
    def _key(self) -> str:
        return f"ran_on.{self._studio.robot.name}"

    def _runs(self) -> list[str]:
        found = self._studio.settings.get(self._key, [])
        return [str(item) for item in found] if isinstance(found, list) else []

    @staticmethod
    def _name(bundle: BundleInfo) -> str:
        return f"{bundle.name}@{bundle.data.get('created_s', 0)}"
