"""The window's session and `record` with a pedal: real workers, a twin on a pseudo-terminal, events through a pipe."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.app.project import Project
from studio.app.session import WORKERS, Session
from studio.cli.main import main
from studio.core.errors import ConfigError, DeviceError
from studio.core.paths import repository_root
from studio.core.records import PairState
from studio.core.task import load_task
from studio.ipc.session import SessionFolder
from studio.robot.description import load_robot
from studio.robot.wiring import PedalWiring, find_pedal
from tests.patience import PATIENCE_S, wait_for_it

_KEY, _SYN = 1, 0


class Foot:
    """A pedal that can be pressed, released and unplugged."""

    path: Path

    def press(self) -> None: ...
    def release(self) -> None: ...
    def unplug(self) -> None: ...
    def close(self) -> None: ...


class SerialFoot(Foot):
    """The twin's process behind a pseudo-terminal."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pedal"
        command = [sys.executable, "-m", "hw_drivers.pedals.pedal_twin", "--link", str(self.path)]
        self._twin = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=repository_root())
        assert self._twin.stdout is not None and json.loads(self._twin.stdout.readline())["ready"]

    def _say(self, word: str) -> None:
        assert self._twin.stdin is not None
        self._twin.stdin.write(word.encode() + b"\n")
        self._twin.stdin.flush()

    def press(self) -> None:
        self._say("press")

    def release(self) -> None:
        self._say("release")

    def unplug(self) -> None:
        self._say("unplug")

    def close(self) -> None:
        for stream in (self._twin.stdin, self._twin.stdout):
            if stream is not None:
                stream.close()
        self._twin.wait(PATIENCE_S)


class PipeFoot(Foot):
    """The same bytes as a joystick's, through a named pipe."""

    def __init__(self, folder: Path) -> None:
        self.path, self._file = folder / "event3", -1
        os.mkfifo(self.path)

    def _send(self, value: int) -> None:
        if self._file < 0:
            wait_for_it(self._open, "the worker reads the pipe")
        for kind, code, number in ((_KEY, 288, value), (_SYN, 0, 0)):
            os.write(self._file, struct.pack("qqHHi", 0, 0, kind, code, number))

    def _open(self) -> bool:
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        return True

    def press(self) -> None:
        self._send(1)

    def release(self) -> None:
        self._send(0)

    def unplug(self) -> None:
        self.path.unlink()  # nobody can open it again
        self.close()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


@pytest.fixture(params=[SerialFoot, PipeFoot])
def foot(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Foot]:
    made: Foot = request.param(tmp_path)
    yield made
    made.close()


@pytest.fixture
def session(foot: Foot, tmp_path: Path) -> Iterator[Session]:
    """Control, guard and pedal of a window's session, without real-time priority."""
    places = tuple(place for place in WORKERS if place.name in ("control", "pedal"))
    project = Project(tmp_path / "project", "pedal")
    folder = SessionFolder(tmp_path / "session")
    pedal = find_pedal(str(foot.path))
    made = Session(load_robot(), load_task("move_box"), project, folder=folder, places=places, pedal=pedal)
    made.start_worker("control", realtime=False)
    made.start()
    yield made
    made.close()


def _wait(session: Session, reached: Callable[[], object], what: str) -> None:
    def turn() -> None:
        session.beat()
        session.poll()
        time.sleep(0.005)

    wait_for_it(reached, what, turn=turn)


def test_only_the_pedal_is_the_dead_man_and_losing_it_holds_the_arms(session: Session, foot: Foot) -> None:
    link = session.state.link
    assert not session.robot.dead_man_latched  # never with a pedal
    assert session.wait_ready("pedal", PATIENCE_S) and session.wait_ready("control", PATIENCE_S)
    _wait(session, lambda: link.connected, "the loop runs")
    session.set_dead_man(True)  # Space
    session.engage()
    _wait(session, lambda: any("dead-man" in notice.text for notice in session.notices.items), "Space is refused")
    assert not link.dead_man and link.worst is PairState.DISABLED and not session.dead_man
    foot.press()
    _wait(session, lambda: link.pedal == "pressed" and link.dead_man, "the foot is seen")
    assert session.dead_man
    _engage(session)
    foot.release()
    _wait(session, lambda: link.worst is PairState.HOLDING and link.pedal == "released", "the arms hold")
    foot.press()
    _engage(session)
    foot.unplug()
    _wait(session, lambda: link.worst is PairState.HOLDING, "the arms hold without a pedal")
    _wait(session, lambda: "gone" in link.pedal or "silent" in link.pedal, "its trouble is shown")
    assert not session.dead_man


def _engage(session: Session) -> None:
    """As a person does: again when it was refused because this test came late."""
    asked_s = [-1.0]

    def engaged() -> bool:
        if session.state.link.worst is PairState.ENGAGED:
            return True
        if time.monotonic() - asked_s[0] > 1.0:
            asked_s[0] = time.monotonic()
            session.engage()
        return False

    _wait(session, engaged, "engaged")


def test_a_take_waits_for_the_foot(tmp_path: Path) -> None:
    foot, result_path = SerialFoot(tmp_path), tmp_path / "result.json"
    words = ["--seconds", "1", "--out", str(tmp_path / "play"), "--pedal", str(foot.path), "--json", str(result_path)]
    try:
        foot.press()
        command = [sys.executable, str(repository_root() / "main.py"), "record", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(result_path.read_text())["duration_s"] > 0.5
    finally:
        foot.close()


def test_wrong_pedals_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["record", "--seconds", "1", "--out", str(tmp_path / "play")]
    assert main([*words, "--pedal", str(tmp_path / "none")]) == 4
    assert "does not exist. Plug it in" in capsys.readouterr().err
    assert main([*words, "--operator", "hardware"]) == 4
    assert "names no buses" in capsys.readouterr().err
    with pytest.raises(DeviceError, match="does not exist"):
        find_pedal("/dev/ttyNONE")
    with pytest.raises(ConfigError, match="kind is 'usb'"):
        PedalWiring(path="/dev/ttyUSB0", kind="usb")
    with pytest.raises(ConfigError, match="a path is missing"):
        PedalWiring(path="")
    assert PedalWiring(path="/dev/input/event4").to_config()["kind"] == "evdev"
    assert PedalWiring(path="/dev/ttyUSB0").to_config()["kind"] == "serial"
