"""Starts, watches and ends worker processes. No worker's death takes another down, and nothing here blocks a window.

Closing escalates: ask → terminate → kill. Each rung is logged.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.core.errors import DataError, WorkerError
from studio.core.paths import repository_root
from studio.ipc.messages import Message, parse_message
from studio.ipc.session import SessionFolder

_log = logging.getLogger(__name__)
_ASK_S = 4.0
_TERMINATE_S = 1.5
_LOG_TAIL_BYTES = 4000
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class ProcessInfo:
    """One line of the process table."""

    name: str
    module: str
    pid: int
    alive: bool
    returncode: int | None
    runtime_s: float


@dataclass(kw_only=True)
class _Child:
    name: str
    module: str
    process: subprocess.Popen[bytes]
    log_path: Path
    started_s: float
    buffer: bytes = b""
    outbox: bytes = b""
    reported: bool = False
    rung: int = 0  # 0 running, 1 asked, 2 terminated, 3 killed
    rung_s: float = 0.0
    ended_s: float = 0.0
    waiting: list[Message] = field(default_factory=list[Message])


class Supervisor:
    """Owner of the worker processes of one session.

    Args:
        session: a created session folder.
    """

    def __init__(self, session: SessionFolder) -> None:
        self.session = session
        self._children: dict[str, _Child] = {}

    def start(self, name: str, module: str, config: dict[str, Any] | None = None) -> int:
        """Start `python -m module` as a fresh interpreter; returns its process id.

        Raises:
            WorkerError: a worker of that name is still running, or the process cannot be started.
        """
        if self.alive(name):
            raise WorkerError(f"{name} is already running. Stop it before starting it again.")
        self.session.config_path(name).write_text(json.dumps(config or {}), encoding="utf-8")
        log_path = self.session.log_path(name)
        process = self._spawn(name, module, log_path)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        earlier = self._children.get(name)
        waiting = self._collect(earlier) if earlier else []
        self._children[name] = _Child(
            name=name, module=module, process=process, log_path=log_path, started_s=time.monotonic(), waiting=waiting
        )
        _log.info("%s started as process %d", name, process.pid)
        return process.pid

    def send(self, name: str, message: Message) -> bool:
        """Hand a message over. False when the worker has ended; `poll` says how.

        Raises:
            WorkerError: no worker of that name was ever started.
        """
        child = self._child(name)
        if child.process.poll() is not None:
            return False
        child.outbox += message.to_line()
        return _flush(child)

    def poll(self) -> list[tuple[str, Message]]:
        """What the workers have said since the last call; moves pending stops up their ladder. Never blocks.

        A worker that has ended yields one last message `ended` {returncode, asked, log}.
        """
        found: list[tuple[str, Message]] = []
        for child in list(self._children.values()):
            _flush(child)
            found += [(child.name, message) for message in self._collect(child)]
            self._climb(child)
        return found

    def alive(self, name: str) -> bool:
        child = self._children.get(name)
        return child is not None and child.process.poll() is None

    def pid(self, name: str) -> int:
        return self._child(name).process.pid

    def processes(self) -> list[ProcessInfo]:
        """The process table, in the order of starting."""
        return [_info(child) for child in self._children.values()]

    def request_stop(self, name: str) -> None:
        """Ask a worker to end and return at once; `poll` terminates and then kills it when it does not."""
        child = self._children.get(name)
        if child is None or child.rung > 0 or child.process.poll() is not None:
            return
        _log.info("%s asked to end", name)
        self.send(name, Message(name="end"))
        child.rung, child.rung_s = 1, time.monotonic()

    def stop(self, name: str) -> None:
        """End one worker and wait for it (some seconds at most). What it still says is kept for `poll`."""
        self._stop([name])

    def stop_all(self) -> None:
        """End every worker, last started first, and wait for them."""
        self._stop(list(reversed(self._children)))

    def _stop(self, names: list[str]) -> None:
        for name in names:
            self.request_stop(name)
        while any(self.alive(name) for name in names):
            for name in names:
                child = self._child(name)
                child.waiting = self._collect(child)
                self._climb(child)
            time.sleep(0.01)
        for name in names:
            child = self._child(name)
            child.waiting = self._collect(child)

    def _child(self, name: str) -> _Child:
        try:
            return self._children[name]
        except KeyError:
            known = ", ".join(self._children) or "none"
            raise WorkerError(f"There is no worker {name!r}. Started so far: {known}.") from None

    def _spawn(self, name: str, module: str, log_path: Path) -> subprocess.Popen[bytes]:
        root = str(repository_root())
        environment = {**dict.fromkeys(_ONE_THREAD, "1"), **os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        command = [sys.executable, "-m", module, "--session", str(self.session.path), "--name", name]
        try:
            with log_path.open("ab") as log:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    bufsize=0,
                    start_new_session=True,  # Ctrl+C reaches the supervisor alone, which ends the others in order
                )
        except OSError as error:
            raise WorkerError(f"{name} could not be started: {error.strerror}. Close other programs first.") from error

    def _collect(self, child: _Child) -> list[Message]:
        ended = child.process.poll() is not None  # asked before reading, so that the last words are not missed
        messages, child.waiting = child.waiting + _read(child), []
        if ended and not child.reported:
            child.reported, child.ended_s = True, time.monotonic()
            values = {"returncode": child.process.returncode, "asked": child.rung > 0, "log": _tail(child.log_path)}
            _close_pipes(child)
            _log.info("%s ended with %s", child.name, child.process.returncode)
            messages.append(Message(name="ended", values=values))
        return messages

    def _climb(self, child: _Child) -> None:
        if child.rung not in (1, 2) or child.process.poll() is not None:
            return
        patience_s = _ASK_S if child.rung == 1 else _TERMINATE_S
        if time.monotonic() - child.rung_s < patience_s:
            return
        child.rung, child.rung_s = child.rung + 1, time.monotonic()
        if child.rung == 2:
            _log.warning("%s did not end when asked for %.1f s; terminating it", child.name, patience_s)
            child.process.terminate()
        else:
            _log.error("%s did not end when terminated for %.1f s; killing it", child.name, patience_s)
            child.process.kill()


def _flush(child: _Child) -> bool:
    while child.outbox:
        assert child.process.stdin is not None
        try:
            written = os.write(child.process.stdin.fileno(), child.outbox)
        except BlockingIOError:
            return True  # the worker is slow; the rest goes out with the next poll
        except (OSError, ValueError):
            child.outbox = b""
            return False
        child.outbox = child.outbox[written:]
    return True


def _read(child: _Child) -> list[Message]:
    if child.reported:
        return []
    assert child.process.stdout is not None
    while True:
        try:
            chunk = os.read(child.process.stdout.fileno(), 65536)
        except BlockingIOError:
            break
        if not chunk:
            break
        child.buffer += chunk
    *lines, child.buffer = child.buffer.split(b"\n")
    return [_parse(child.name, line) for line in lines]


def _parse(name: str, line: bytes) -> Message:
    try:
        return parse_message(line)
    except DataError as error:
        return Message(name="said", values={"level": "error", "text": str(error), "detail": name})


def _close_pipes(child: _Child) -> None:
    for pipe in (child.process.stdin, child.process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                _log.debug("%s closed its end first", child.name)


def _tail(path: Path) -> str:
    try:
        return path.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return ""


def _info(child: _Child) -> ProcessInfo:
    code = child.process.poll()
    end_s = child.ended_s or time.monotonic()
    return ProcessInfo(
        name=child.name,
        module=child.module,
        pid=child.process.pid,
        alive=code is None,
        returncode=code,
        runtime_s=end_s - child.started_s,
    )
