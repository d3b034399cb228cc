"""A worker's end of the line to its supervisor: messages in on stdin, messages out on stdout, nothing ever blocks.

The supervisor may be a window that hangs; a worker in real time must not wait for it. Outgoing lines that do not fit
into the pipe are kept up to a bound and then dropped, oldest first.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from studio.core.errors import ConfigError, DataError, StudioError
from studio.ipc.messages import Message, parse_message
from studio.ipc.session import SessionFolder

_OUTBOX_LINES = 512
_READ_BYTES = 65536


class WorkerLink:
    """Non-blocking messages, the worker's name, its session and its configuration.

    Args:
        session: the session's folder.
        name: this worker's name in the session.
        config: plain values handed over by the supervisor.
        read_fd: where messages arrive; its end means that the supervisor is gone.
        write_fd: where messages go.
    """

    def __init__(
        self, session: SessionFolder, name: str, config: dict[str, Any], *, read_fd: int, write_fd: int
    ) -> None:
        self.session, self.name, self.config = session, name, config
        self.dropped = 0
        self._read_fd, self._write_fd = read_fd, write_fd
        self._buffer = b""
        self._outbox: deque[bytes] = deque()
        self._end_asked = False
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)

    @property
    def ending(self) -> bool:
        """True once the worker is to finish: `end` received, SIGTERM, or the supervisor is gone."""
        return self._end_asked

    def ask_end(self) -> None:
        self._end_asked = True

    def receive(self) -> list[Message]:
        """Messages that have arrived. `end` also sets `ending`; so does the end of the line."""
        self._flush()
        lines = self._read_lines()
        return [message for line in lines if (message := self._parse(line)) is not None] if lines else []

    def wait(self, timeout_s: float) -> list[Message]:
        """Like `receive`, but sleeps up to `timeout_s` for something to arrive. Not for real-time loops."""
        import select

        messages = self.receive()
        if messages or self._end_asked:
            return messages
        select.select([self._read_fd], [], [], timeout_s)
        return self.receive()

    def send(self, message: Message) -> None:
        if len(self._outbox) >= _OUTBOX_LINES:
            self._outbox.popleft()
            self.dropped += 1
        self._outbox.append(message.to_line())
        self._flush()

    def say(self, level: str, text: str, detail: str = "") -> None:
        """A sentence for people. `level` is info, warning or error."""
        self.send(Message(name="said", values={"level": level, "text": text, "detail": detail}))

    def drain(self, timeout_s: float = 0.5) -> None:
        """Give what is still waiting a moment to leave; used once, at the end."""
        deadline_s = time.monotonic() + timeout_s
        while self._outbox and time.monotonic() < deadline_s:
            self._flush()
            time.sleep(0.005)

    def _read_lines(self) -> list[bytes]:
        try:
            chunk = os.read(self._read_fd, _READ_BYTES)
        except BlockingIOError:
            return []
        if not chunk:
            self._end_asked = True
            return []
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return lines

    def _parse(self, line: bytes) -> Message | None:
        try:
            message = parse_message(line)
        except DataError as error:
            self.say("error", str(error))
            return None
        self._end_asked = self._end_asked or message.name == "end"
        return message

    def _flush(self) -> None:
        while self._outbox:
            line = self._outbox[0]
            try:
                written = os.write(self._write_fd, line)
            except BlockingIOError:
                return
            except OSError:  # the supervisor closed its end; stdin says the same
                self._outbox.clear()
                return
            if written < len(line):
                self._outbox[0] = line[written:]
                return
            self._outbox.popleft()


def run_worker(body: Callable[[WorkerLink], None], arguments: Sequence[str] | None = None) -> None:
    """What every worker module calls as its main: link, run, report, exit code. Does not return."""
    link = _open_link(sys.argv[1:] if arguments is None else list(arguments))
    signal.signal(signal.SIGTERM, lambda _number, _frame: link.ask_end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the supervisor, which then asks everybody to end
    code = 0
    try:
        body(link)
    except StudioError as error:
        code = error.exit_code
        link.say("error", str(error), error.detail)
    except Exception as error:  # noqa: BLE001 - worker main: whatever it is must reach a person as a sentence
        code = 1
        link.say("error", f"{link.name} ended because of a defect: {error!r}.", traceback.format_exc())
        traceback.print_exc()
    link.drain()
    sys.stderr.flush()
    sys.exit(code)


def _open_link(arguments: list[str]) -> WorkerLink:
    parser = argparse.ArgumentParser(description="Part of a studio session; started by the studio itself.")
    parser.add_argument("--session", type=Path, required=True)
    parser.add_argument("--name", required=True)
    options = parser.parse_args(arguments)
    session = SessionFolder(options.session)
    # Libraries print to stdout; messages get a line of their own and prints go to the log.
    write_fd = os.dup(1)
    os.dup2(2, 1)
    return WorkerLink(
        session, options.name, _load_config(session.config_path(options.name)), read_fd=0, write_fd=write_fd
    )


def _load_config(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is not a worker's configuration: {error}. This is a defect.") from error
