"""One background run: a folder that says everything about it. No torch, no Qt; both sides of the folder are here.

`Run` is the reader's side (window, command line), `RunWriter` the worker's side. The folder is the only interface:

    job.json        kind and specification, written once
    status.json     newest status, replaced as a whole
    metrics.jsonl   one object a line
    request         what the reader asks for: `cancel`, `pause`, `show` (what there is so far) or nothing
    result.json     what the run produced, written when it is done
    log             standard output and error of the worker
    checkpoint/     what a resumed run starts from
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from studio.core.errors import ConfigError, DataError, DeviceError, SafetyError, StudioError, WorkerError

FORMAT_VERSION = 1
ACTIVE_STATES = ("queued", "running", "paused")
STATES = (*ACTIVE_STATES, "done", "failed", "cancelled", "lost")
_START_GRACE_S = 20.0  # a queued run without a process id is only lost after this


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """What a run says about itself.

    Args:
        state: queued, running, paused, done, failed, cancelled or lost (its process is gone without a word).
        pid: process id of the worker, 0 before it has started.
        pid_started: start time of that process in clock ticks since boot, so that a reused id is not mistaken for it.
        time_left_s: lower and upper guess, None while measuring.
        message: one sentence for a person; `detail` is shown one click away.
        exit_code: of a failed run, as in the command line's rules (2 configuration, 3 data, …).
    """

    state: str = "queued"
    pid: int = 0
    pid_started: int = 0
    stage: str = ""
    step: int = 0
    steps: int = 0
    wall_s: float = 0.0
    time_left_s: tuple[float, float] | None = None
    message: str = ""
    detail: str = ""
    checkpoint_step: int = 0
    exit_code: int = 0
    updated_s: float = 0.0
    format_version: int = FORMAT_VERSION

    @property
    def active(self) -> bool:
        return self.state in ACTIVE_STATES


def exit_code_kind(code: int) -> type[StudioError]:
    """The error class that stands for a failed run's exit code."""
    kinds: tuple[type[StudioError], ...] = (ConfigError, DataError, DeviceError, SafetyError)
    return next((kind for kind in kinds if kind.exit_code == code), WorkerError)


def process_started(pid: int) -> int:
    """Start time of a living process in clock ticks since boot; 0 when there is none (a zombie counts as none)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rsplit(")", 1)[1].split()  # the name in brackets may hold blanks
    return 0 if fields[0] in ("Z", "X") else int(fields[19])


def write_json(path: Path, data: Any) -> None:
    """Replace a JSON file as a whole, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.write_text(json.dumps(data, indent=1), encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path, what: str) -> dict[str, Any]:
    """A JSON object; DataError when the file is missing, cut short or something else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{what}: {path} does not exist. Check the path.") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{what}: {path} cannot be read ({error}). It is damaged; remove or replace it.") from error
    if not isinstance(data, dict):
        raise DataError(f"{what}: {path} holds {type(data).__name__}, a JSON object is needed. Replace the file.")
    return data


class Run:
    """The reader's side of a run folder.

    Args:
        path: `runs/<id>`.

    Raises:
        DataError: there is no readable `job.json`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        job = read_json(self.path / "job.json", "Run")
        if "kind" not in job or not isinstance(job.get("spec"), dict):
            raise DataError(f"Run: {self.path / 'job.json'} has no kind and spec. It is no run of this studio.")
        self.kind: str = str(job["kind"])
        self.spec: dict[str, Any] = job["spec"]
        self.created_s = float(job.get("created_s", 0.0))
        self._rows: list[dict[str, Any]] = []
        self._offset = 0

    @property
    def id(self) -> str:
        return self.path.name

    def status(self) -> RunStatus:
        """The newest status; a run whose process is gone is `lost`, with a sentence that says so."""
        status = self._written_status()
        if not status.active or self._process_lives(status):
            return status
        return _lost(status, self.log_tail(20))

    def metrics(self, since: int = 0) -> list[dict[str, Any]]:
        """Metric rows from row number `since` on; only what was appended since the last call is read from disk."""
        self._read_new_rows()
        return self._rows[since:]

    def result(self) -> dict[str, Any]:
        """What the run produced; DataError when it is not done."""
        return read_json(self.path / "result.json", f"Result of run {self.id}")

    def cancel(self) -> None:
        """Ask the worker to stop at the next step and keep what is done."""
        self._request("cancel")

    def pause(self) -> None:
        self._request("pause")

    def show_so_far(self) -> None:
        """Ask the worker to write its result as it is now, and to go on; of a training, the bundle."""
        self._request("show")

    def go_on(self) -> None:
        """Take back a pause."""
        self._request("")

    def log_tail(self, lines: int = 40) -> str:
        try:
            text = (self.path / "log").read_bytes()[-20_000:].decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _request(self, text: str) -> None:
        temporary = self.path / ".request.new"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.path / "request")

    def _written_status(self) -> RunStatus:
        path = self.path / "status.json"
        if not path.exists():
            return RunStatus(updated_s=self.created_s)
        return _parse_status(read_json(path, f"Status of run {self.id}"))

    def _process_lives(self, status: RunStatus) -> bool:
        if status.pid == 0:
            return time.time() - max(self.created_s, status.updated_s) < _START_GRACE_S
        return process_started(status.pid) == status.pid_started != 0

    def _read_new_rows(self) -> None:
        try:
            with (self.path / "metrics.jsonl").open("rb") as file:
                file.seek(self._offset)
                block = file.read()
        except FileNotFoundError:
            return
        whole = block[: block.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._rows += [row for row in map(_parse_row, whole.splitlines()) if row is not None]


def _parse_row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None  # a line cut short by a killed worker, followed by the resumed one's lines
    return row if isinstance(row, dict) else None


def _parse_status(data: dict[str, Any]) -> RunStatus:
    known = {key: value for key, value in data.items() if key in RunStatus.__dataclass_fields__}
    if known.get("time_left_s") is not None:
        low, high = known["time_left_s"]
        known["time_left_s"] = (float(low), float(high))
    return RunStatus(**known)


def _lost(status: RunStatus, detail: str) -> RunStatus:
    where = f" at step {status.step}" if status.step else " before its first step"
    kept = f" Everything up to step {status.checkpoint_step} is kept." if status.checkpoint_step else ""
    message = f"The run was ended from outside{where} (killed, or out of memory).{kept} Resume it to go on."
    return replace(status, state="lost", time_left_s=None, message=message, detail=detail or status.detail)


class RunWriter:
    """The worker's side of a run folder.

    Args:
        path: the run folder; `job.json` must be there.
        minimum_interval_s: statuses are written at most this often unless the state changes.
    """

    def __init__(self, path: Path, *, minimum_interval_s: float = 0.25) -> None:
        self.path = Path(path)
        self.run = Run(self.path)
        self._interval_s = minimum_interval_s
        self._written_s = 0.0
        earlier = self.run._written_status()
        pid = os.getpid()
        self.status = RunStatus(
            pid=pid, pid_started=process_started(pid), wall_s=earlier.wall_s, checkpoint_step=earlier.checkpoint_step
        )
        self._metrics = (self.path / "metrics.jsonl").open("ab")
        self._end_broken_line()

    def update(self, **changes: Any) -> None:
        """Change status fields; a new state is written at once, progress at most every `minimum_interval_s`."""
        before = self.status.state
        self.status = replace(self.status, **changes)
        now_s = time.time()
        if self.status.state != before or now_s - self._written_s >= self._interval_s:
            self._written_s = now_s
            self.status = replace(self.status, updated_s=now_s)
            write_json(self.path / "status.json", asdict(self.status))

    def metric(self, row: dict[str, Any]) -> None:
        """Append one row: `{"step", "t_s", "stage", name: value, …}`."""
        self._metrics.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        self._metrics.flush()

    def answered(self) -> None:
        """What was asked for once has been done."""
        (self.path / "request").unlink(missing_ok=True)

    def asked(self) -> str:
        """`cancel`, `pause`, `show` or an empty text."""
        try:
            return (self.path / "request").read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def finish(self, result: dict[str, Any]) -> None:
        write_json(self.path / "result.json", result)

    def close(self) -> None:
        self._written_s = 0.0
        self.update()
        self._metrics.close()

    def _end_broken_line(self) -> None:
        """A worker killed in the middle of a line leaves it without an end; the next row must not be glued to it."""
        if self._metrics.tell() > 0:
            with (self.path / "metrics.jsonl").open("rb") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    self._metrics.write(b"\n")
