"""`record --out DATASET --seconds T`: real-time teleoperation, recorded, with or without the window."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from studio.cli.display import ensure_display
from studio.cli.output import ProgressBar, parse_arguments, write_result
from studio.core.config import check_range
from studio.core.errors import ConfigError, DeviceError, SafetyError, StudioError, WorkerError
from studio.core.paths import default_dataset
from studio.core.records import PairState
from studio.ipc.messages import Message
from studio.robot.description import load_robot
from studio.robot.wiring import find_pedal

if TYPE_CHECKING:
    from studio.app.session import Session
    from studio.data.dataset import Dataset

_BEAT_S = 0.02
_START_S = 30.0
_CAMERA_S = 10.0
_ENGAGE_S = 20.0
_CLOSE_S = 20.0
_PEDAL_S = 60.0
_BAD_STATES = (PairState.STOPPED, PairState.FAULT, PairState.DISABLED)


@dataclass(frozen=True, kw_only=True)
class RecordArguments:
    """Teleoperate in real time and record it."""

    seconds: float
    """how long to record"""
    out: Path = field(default_factory=default_dataset)
    """dataset folder; made when missing, a new session is added to it"""
    operator: Literal["scripted", "mouse", "gamepad", "hardware"] = "scripted"
    """who holds the leader; mouse needs --window, hardware needs a pedal"""
    pad: Path | None = None
    """input events of the gamepad; the first one that is plugged in otherwise"""
    window: bool = False
    """open the window on this session"""
    robot: str = "dual_arm_ak60"
    """robot description; a name with a slash is a folder of your own"""
    pedal: str = ""
    """dead-man pedal: serial port, input events or a named pipe; otherwise the robot's own, if it has one"""
    seed: int = 0
    """of the scripted hand and of where the box is put back"""
    json: str | None = None
    """write the result as JSON to this path, - for standard output"""

    def __post_init__(self) -> None:
        check_range("record", "seconds", self.seconds, 0.5, 24 * 3600.0, " s")


def run(arguments: list[str]) -> int:
    """Record; Ctrl+C ends the take and keeps it."""
    options = parse_arguments(RecordArguments, arguments, "main.py record")
    _check_operator(options)
    if options.window and options.operator != "mouse":
        ensure_display(["record", *arguments])
    from studio.data.dataset import Dataset

    script = RecordScript(options, Dataset.create(options.out.expanduser()))
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        (_record_in_window if options.window else _record_alone)(options, script)
    finally:
        signal.signal(signal.SIGTERM, before)
    result = make_result(script.episodes)
    write_result(result, options.json, text=_summary(result))
    return 0


def _check_operator(options: RecordArguments) -> None:
    if options.operator == "mouse" and not options.window:
        raise ConfigError("record: the mouse is a hand in the window only. Add --window, or use --operator scripted.")
    _pad(options)
    find_pedal(options.pedal)
    if options.operator == "hardware":
        _check_hardware(options)


def _check_hardware(options: RecordArguments) -> None:
    """Leader arms in a person's hands: real ones, and a pedal for the foot."""
    robot = load_robot(options.robot)
    if not robot.buses:
        raise DeviceError(
            f"record: robot {robot.name} names no buses, so there are no leader arms and no pedal here. "
            "Use --operator scripted or mouse; both drive the simulated arms."
        )
    if not options.pedal and robot.pedal is None:
        raise SafetyError(
            "record: leader arms need a dead-man pedal. Give its port with --pedal, or in the robot's file."
        )


@dataclass
class RecordScript:
    """What happens in a recording, step by step; whoever has the event loop calls `advance`.

    `episodes` are the recorder's reports of what it closed; `note` says what is going on.
    """

    options: RecordArguments
    dataset: Dataset
    episodes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    note: str = "starting"
    done_s: float = 0.0
    _steps: Iterator[None] | None = None
    _ready: set[str] = field(default_factory=set[str])
    _recording: bool = False
    _ending: bool = False
    _said: str = ""

    def attach(self, session: Session) -> None:
        """Begin with a session whose workers are starting."""
        session.message.connect(lambda name, message: self._on_message(session, name, message))
        self._steps = self._walk(session)

    def end(self) -> None:
        """End the take early and keep it."""
        self._ending = True

    def advance(self) -> bool:
        """Go as far as possible now; False when everything is done.

        Raises:
            StudioError: a worker is missing, or the arms could not be engaged.
        """
        assert self._steps is not None
        return next(self._steps, _DONE) is not _DONE

    def _walk(self, session: Session) -> Iterator[None]:
        for name in ("control", "recorder"):
            yield from self._wait(lambda name=name: name in self._ready, _START_S, f"{name} did not start")
        yield from self._wait_for_camera(session)
        if self.options.operator in ("scripted", "gamepad"):
            session.start_worker("operator", seed=self.options.seed, pad=_pad(self.options))
            yield from self._wait(lambda: "operator" in self._ready, _START_S, "the hands did not start")
        if session.pedal is not None:
            self.note = "press the pedal"
            pressed = self._wait(lambda: session.state.link.dead_man, _PEDAL_S, "the pedal was not pressed")
            yield from pressed
        self.note = "engaging"
        session.engage()
        engaged = self._wait(lambda: session.state.link.worst is PairState.ENGAGED, _ENGAGE_S, "")
        try:
            yield from engaged
        except WorkerError:
            raise SafetyError(f"The arms could not be engaged: {self._said or 'the loop gave no reason'}") from None
        if self.options.operator in ("scripted", "gamepad"):  # a take begins with the leaders in hand
            yield from self._wait(lambda: session.state.link.hands_hold, _START_S, "the hands did not take hold")
        yield from self._take(session)
        session.hold()

    def _wait_for_camera(self, session: Session) -> Iterator[None]:
        """Pictures from the first moment where possible; a camera that does not come is no reason to wait on."""
        ring = session.folder.path
        end_s = time.monotonic() + _CAMERA_S
        while not any(ring.glob("camera.*.packets.ring")) and session.alive("camera") and time.monotonic() < end_s:
            yield

    def _take(self, session: Session) -> Iterator[None]:
        options = self.options
        folder = self.dataset.new_episode(self.dataset.new_session())
        config = session.take_config() | {"seed": options.seed, "operator": options.operator}
        session.send("recorder", Message(name="start", values={"folder": str(folder), "config": config}))
        yield from self._wait(lambda: self._recording, _START_S, "the recorder did not begin")
        self.note = "recording"
        began_s = time.monotonic()
        while self.done_s < options.seconds and not self._ending:
            self.done_s = time.monotonic() - began_s
            if not self._recording or not session.alive("control") or session.state.link.worst in _BAD_STATES:
                self.note = f"ended early: {self._said}"
                break
            yield
        session.send("recorder", Message(name="stop"))
        yield from self._wait(lambda: not self._recording, _CLOSE_S, "the recorder did not close the take")
        if not self.episodes:
            raise WorkerError(f"Nothing was recorded. {self._said}".strip())

    def _wait(self, reached: Callable[[], bool], timeout_s: float, what: str) -> Iterator[None]:
        end_s = time.monotonic() + timeout_s
        while not reached():
            if time.monotonic() > end_s:
                raise WorkerError(f"Waited {timeout_s:.0f} s: {what}. {self._said}".strip())
            yield

    def _on_message(self, session: Session, name: str, message: Message) -> None:
        values = message.values
        if message.name == "ready":
            self._ready.add(name)
        elif message.name == "said" and values.get("level") in ("warning", "error"):
            self._said = str(values.get("text", ""))
        elif name == "recorder" and message.name == "state":
            self._recording = bool(values.get("recording"))
        elif name == "recorder" and message.name == "episode":
            self.episodes.append(values)
        elif name == "recorder" and message.name == "ended":
            self._recording = False
        elif name == "operator" and message.name == "put_box_back":
            session.request("put_box_back")


def _pad(options: RecordArguments) -> str:
    """The gamepad's path, empty for the scripted hand."""
    if options.operator != "gamepad":
        return ""
    found = [options.pad] if options.pad else sorted(Path("/dev/input/by-id").glob("*-event-joystick"))
    if not found:
        raise DeviceError("record: no gamepad is plugged in. Plug one in, or give its events with --pad.")
    if not found[0].exists():
        raise DeviceError(f"record: --pad {found[0]} does not exist. Input events lie in /dev/input/by-id.")
    return str(found[0])


_DONE = object()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _record_alone(options: RecordArguments, script: RecordScript) -> None:
    """This process writes the heartbeat."""
    from studio.app.project import Project
    from studio.app.session import Session
    from studio.core.task import load_task

    task = load_task("move_box")
    project = Project(options.out.expanduser().resolve().parent, "record")
    session = Session(load_robot(options.robot), task, project, pedal=find_pedal(options.pedal))
    bar = ProgressBar("recording", options.seconds)
    try:
        session.start()
        script.attach(session)
        _beat_until_done(session, script, bar)
    finally:
        bar.close()
        session.close()


def _beat_until_done(session: Session, script: RecordScript, bar: ProgressBar) -> None:
    due_s = time.monotonic()
    while True:
        try:
            session.beat()
            session.poll()
            if not script.advance():
                return
            bar.update(script.done_s, script.note)
            due_s = max(due_s + _BEAT_S, time.monotonic())
            time.sleep(max(0.0, due_s - time.monotonic()))
        except KeyboardInterrupt:
            print("\nending the take", file=sys.stderr)
            script.end()


def _record_in_window(options: RecordArguments, script: RecordScript) -> None:
    """The window writes the heartbeat; a timer walks the script and closes the window when it is done."""
    from studio.app.graphics import check_display

    check_display()
    from PySide6.QtCore import QTimer

    from studio.app.start import StudioOptions, install_hook, make_application, open_studio

    app = make_application()
    window = open_studio(StudioOptions(project=_project_of(options.out), robot=options.robot, pedal=options.pedal))
    undo, timer = install_hook(window), QTimer()
    failures: list[StudioError] = []

    def on_tick() -> None:
        try:
            going = script.advance()
        except StudioError as error:
            failures.append(error)
            going = False
        if not going:
            timer.stop()
            window.close()

    script.attach(window.session)
    timer.timeout.connect(on_tick)
    window.closing.connect(script.end)
    signal.signal(signal.SIGINT, lambda _number, _frame: script.end())
    try:
        window.show()
        timer.start(50)
        app.exec()
    finally:
        undo()
        window.close()
    if failures:
        raise failures[0]


def _project_of(dataset: Path) -> Path | None:
    """The project that a dataset lies in; None stands for the user's own."""
    candidate = dataset.expanduser().resolve().parent.parent
    return candidate if (candidate / "project.toml").is_file() else None


def make_result(episodes: list[dict[str, Any]]) -> dict[str, Any]:
    """The command's JSON from the recorder's reports of the episodes of one take (one, unless the box was put back).

    `dropped` counts records and pictures that were lost; `missed_ticks` deadlines of the loop that were skipped.
    """
    if not episodes:
        raise WorkerError("Nothing was recorded: the window was closed before the take began.")
    import numpy as np

    from studio.data.episode import EpisodeReader

    late_us, missed, ticks, span_s = [], 0, 0, 0.0
    for episode in episodes:
        reader = EpisodeReader(Path(episode["folder"]))
        try:
            control = reader.read("control")
        finally:
            reader.close()
        if len(control) > 1:
            late_us.append(control["lateness_s"] * 1e6)
            missed += int(control["missed_ticks"][-1] - control["missed_ticks"][0])
            ticks += len(control) - 1
            span_s += float(control["t_ns"][-1] - control["t_ns"][0]) * 1e-9
    late = np.concatenate(late_us) if late_us else np.zeros(1)
    p50, p99, p99_9, highest = np.percentile(late, (50, 99, 99.9, 100))
    longest = max(episodes, key=lambda episode: float(episode.get("duration_s", 0.0)))
    return {
        "episode": longest["folder"],
        "episodes": [episode["folder"] for episode in episodes],
        "duration_s": sum(float(episode.get("duration_s", 0.0)) for episode in episodes),
        "rate_hz": ticks / span_s if span_s else 0.0,
        "lateness_us": {"p50": float(p50), "p99": float(p99), "p99_9": float(p99_9), "max": float(highest)},
        "missed_ticks": missed,
        "dropped": sum(int(episode.get("dropped", 0)) for episode in episodes),
        "streams": longest.get("streams", {}),
        "verdict": longest.get("verdict", ""),
        "verdict_reason": longest.get("verdict_reason", ""),
    }


def _summary(result: dict[str, Any]) -> str:
    late = result["lateness_us"]
    return (
        f"{result['episode']}: {result['duration_s']:.1f} s at {result['rate_hz']:.1f} Hz, "
        f"{result['dropped']} dropped, {result['missed_ticks']} ticks missed, "
        f"late by {late['p50']:.0f} µs (median), {late['p99']:.0f} (99 %), {late['max']:.0f} (worst). "
        f"Verdict: {result['verdict']}. {result['verdict_reason']}"
    ).strip()
