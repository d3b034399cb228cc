"""Starting, resuming and listing runs of a project. Workers are detached: they outlive the window that started them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from studio.core.errors import ConfigError, DataError
from studio.core.paths import repository_root
from studio.jobs.run import FORMAT_VERSION, Run, RunStatus, write_json

KINDS = ("train", "evaluate", "play", "import", "export")
_children: list[subprocess.Popen[bytes]] = []  # kept only to collect their exit, so that none stays a zombie


def start_job(project: Path, kind: str, spec: dict[str, Any]) -> Run:
    """Make `runs/<id>` in the project and start its worker.

    Args:
        project: project folder.
        kind: one of KINDS; the worker is `studio.workers.run_<kind>`.
        spec: plain JSON values; relative paths in it are the worker's business (it runs in the current folder).
    """
    return start_run(_new_folder(Path(project) / "runs", kind), kind, spec)


def start_run(folder: Path, kind: str, spec: dict[str, Any]) -> Run:
    """Make one run folder (it must not hold an active run) and start its worker."""
    if kind not in KINDS:
        raise ConfigError(f"Job kind {kind!r} is unknown. Known kinds: {', '.join(KINDS)}.")
    if (folder / "job.json").exists():
        if Run(folder).status().active:
            raise ConfigError(f"Run {folder} is still active. Cancel it first, or choose another folder.")
        shutil.rmtree(folder)
    job = {"format_version": FORMAT_VERSION, "kind": kind, "spec": spec, "created_s": time.time()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "job.json", job)
    except OSError as error:
        raise DataError(f"Run folder {folder} cannot be written ({error.strerror}). Choose another place.") from error
    return _launch(Run(folder))


def resume_run(run: Run) -> Run:
    """Start the worker again on an ended run; it goes on from the checkpoint."""
    status = run.status()
    if status.active:
        raise ConfigError(f"Run {run.id} is still {status.state}. Wait for it, or cancel it first.")
    if status.state == "done":
        raise ConfigError(f"Run {run.id} is done; there is nothing to resume. Start a new run.")
    run.go_on()
    return _launch(Run(run.path))


def list_runs(project: Path) -> list[Run]:
    """Every readable run of the project, newest first; a broken folder is passed over."""
    runs = []
    for folder in (Path(project) / "runs").glob("*/"):
        try:
            runs.append(Run(folder))
        except DataError:
            continue
    return sorted(runs, key=lambda run: run.created_s, reverse=True)


def collect_ended() -> None:
    """Collect the exit of workers that this process started; called by everything here, never blocks."""
    _children[:] = [child for child in _children if child.poll() is None]


def wait_for(run: Run, timeout_s: float | None = None, interval_s: float = 0.2) -> RunStatus:
    """Block until a run is over or the time is up; returns the newest status. For scripts, never for the window."""
    end_s = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        collect_ended()
        status = run.status()
        if not status.active:
            _collect(status.pid)
            return status
        if end_s is not None and time.monotonic() >= end_s:
            return status
        time.sleep(interval_s)


def _collect(pid: int) -> None:
    """The last words are written before the interpreter is gone; wait for that as well, but not for ever."""
    for child in _children:
        if child.pid == pid:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=30)


def _launch(run: Run) -> Run:
    collect_ended()
    command = [sys.executable, "-m", f"studio.workers.run_{run.kind}", str(run.path.resolve())]
    environment = {**os.environ, "PYTHONPATH": _python_path(), "PYTHONUNBUFFERED": "1"}
    (run.path / "status.json").unlink(missing_ok=True) if not _has_checkpoint(run) else None
    with (run.path / "log").open("ab") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
        )
    _children.append(child)
    _mark_queued(run, child.pid)
    return run


def _mark_queued(run: Run, pid: int) -> None:
    """The process id is known before the worker has imported anything, so a crash at start is seen at once."""
    from dataclasses import asdict, replace

    from studio.jobs.run import process_started

    status = run._written_status()
    if status.pid == pid:  # the worker was quicker
        return
    status = replace(
        status,
        state="queued",
        pid=pid,
        pid_started=process_started(pid),
        message="Starting",
        detail="",
        updated_s=time.time(),
    )
    write_json(run.path / "status.json", asdict(status))


def _has_checkpoint(run: Run) -> bool:
    return (run.path / "checkpoint").is_dir()


def _python_path() -> str:
    root = str(repository_root())
    earlier = os.environ.get("PYTHONPATH", "")
    return f"{root}{os.pathsep}{earlier}" if earlier else root


def _new_folder(runs: Path, kind: str) -> Path:
    runs.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(100):
        folder = runs / (f"{stamp}-{kind}" if number == 0 else f"{stamp}-{kind}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise DataError(f"{runs} already holds 100 runs of this second. Wait a moment and start again.")
