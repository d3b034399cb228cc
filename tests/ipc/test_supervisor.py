"""The supervisor with real child processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import studio.ipc.supervisor as supervisor_module
from studio.core.errors import WorkerError
from studio.ipc.messages import Message
from studio.ipc.session import SessionFolder
from studio.ipc.supervisor import Supervisor
from tests.patience import PATIENCE_S

ECHO = "tests.ipc.echo_worker"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    session = SessionFolder(tmp_path / "session").create()
    made = Supervisor(session)
    yield made
    for process in made.processes():
        if process.alive:
            os.kill(process.pid, signal.SIGKILL)
    made.stop_all()
    session.remove()


def _collect(supervisor: Supervisor, name: str, wanted: str, timeout_s: float = PATIENCE_S) -> list[Message]:
    """Messages of one worker up to and including the first called `wanted`."""
    found: list[Message] = []
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        found += [message for sender, message in supervisor.poll() if sender == name]
        if any(message.name == wanted for message in found):
            return found
        time.sleep(0.01)
    raise AssertionError(f"no {wanted} from {name}; got {found}")


def test_configuration_messages_and_a_clean_end(supervisor: Supervisor) -> None:
    supervisor.start("echo", ECHO, {"colour": "blue"})
    ready = _collect(supervisor, "echo", "ready")
    assert ready[-1].values == {"config": {"colour": "blue"}}
    assert supervisor.send("echo", Message(name="echo", values={"number": 3}))
    assert _collect(supervisor, "echo", "state")[-1].values == {"number": 3}
    supervisor.stop("echo")
    messages = _collect(supervisor, "echo", "ended")
    assert [m.name for m in messages] == ["state", "ended"]  # last words come before the end
    assert messages[-1].values["returncode"] == 0 and messages[-1].values["asked"] is True
    assert "a library prints this" in messages[-1].values["log"]
    assert not supervisor.alive("echo")


def test_a_killed_worker_is_reported_and_the_other_lives(supervisor: Supervisor) -> None:
    supervisor.start("one", ECHO)
    _collect(supervisor, "one", "ready")
    supervisor.start("two", ECHO)
    _collect(supervisor, "two", "ready")
    os.kill(supervisor.pid("one"), signal.SIGKILL)
    ended = _collect(supervisor, "one", "ended")[-1]
    assert ended.values["returncode"] == -signal.SIGKILL and ended.values["asked"] is False
    assert supervisor.alive("two") and not supervisor.alive("one")
    assert supervisor.send("one", Message(name="echo")) is False
    supervisor.start("one", ECHO)  # and can be started again
    _collect(supervisor, "one", "ready")


@pytest.mark.parametrize(("kind", "code", "text"), [("device", 4, "Bus 3"), ("defect", 1, "defect")])
def test_a_failing_worker_says_why(supervisor: Supervisor, kind: str, code: int, text: str) -> None:
    supervisor.start("bad", ECHO, {"fail": kind})
    messages = _collect(supervisor, "bad", "ended")
    said = [m for m in messages if m.name == "said"]
    assert text in said[0].values["text"] and "Traceback" not in said[0].values["text"]
    assert messages[-1].values["returncode"] == code


def test_a_worker_that_does_not_end_is_killed(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "_ASK_S", 0.2)
    monkeypatch.setattr(supervisor_module, "_TERMINATE_S", 0.2)
    supervisor.start("mule", ECHO, {"stubborn": True})
    _collect(supervisor, "mule", "ready")
    supervisor.request_stop("mule")
    ended = _collect(supervisor, "mule", "ended")[-1]  # poll alone climbs the ladder
    assert ended.values["returncode"] == -signal.SIGKILL and ended.values["asked"] is True


def test_a_worker_whose_supervisor_does_not_listen_is_not_held_up(supervisor: Supervisor) -> None:
    supervisor.start("loud", ECHO, {"flood": 2000})
    _collect(supervisor, "loud", "ready")
    time.sleep(1.0)
    assert supervisor.send("loud", Message(name="echo", values={"number": 9}))
    messages: list[Message] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while not any(m.values.get("number") == 9 for m in messages) and time.monotonic() < deadline_s:
        messages += [m for _, m in supervisor.poll()]
        time.sleep(0.01)
    assert any(m.values.get("number") == 9 for m in messages)


def test_a_worker_ends_when_its_supervisor_is_gone(supervisor: Supervisor) -> None:
    pid = supervisor.start("orphan", ECHO)
    _collect(supervisor, "orphan", "ready")
    child = supervisor._children["orphan"]
    assert child.process.stdin is not None
    child.process.stdin.close()  # what the kernel does when the supervisor dies
    assert child.process.wait(timeout=PATIENCE_S) == 0 and pid == child.process.pid


def test_wrong_use_is_told(supervisor: Supervisor) -> None:
    with pytest.raises(WorkerError, match="no worker 'nobody'"):
        supervisor.send("nobody", Message(name="end"))
    supervisor.start("echo", ECHO)
    with pytest.raises(WorkerError, match="already running"):
        supervisor.start("echo", ECHO)
    rows = supervisor.processes()
    assert [row.name for row in rows] == ["echo"] and rows[0].alive and rows[0].module == ECHO
