"""Runs the steps of `bench skills` as the studio's own jobs, so that each can be interrupted and go on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.skills_matrix import Step
from studio.core.errors import StudioError
from studio.data.dataset import DATASET_FILE
from studio.jobs.queue import resume_run, start_run, wait_for
from studio.jobs.run import Run, RunStatus

_ONE_CORE = ("play", "train")
_STOP_S = 900.0  # a job that was asked to stop may finish writing


@dataclass
class Outcome:
    """What became of a step: `done`, `failed` (with `message`), `stopped` by the budget, or `missing`."""

    state: str = "missing"
    message: str = ""
    result: dict[str, Any] = field(default_factory=dict)


class Runner:
    """Runs the steps in their order, what computes on one core side by side with its like.

    Args:
        folder: `runs/<step>` lies in it.
        end_s: of `time.monotonic`, after which nothing new starts and what runs is asked to stop; None = never.
        say: one line for a person.
        side_by_side: plays and trainings at a time (each computes on one core). An evaluation takes all cores and
            is always alone.
    """

    def __init__(self, folder: Path, *, end_s: float | None, say: Callable[[str], None], side_by_side: int = 1) -> None:
        self._runs, self._end_s, self._say, self._side_by_side = folder / "runs", end_s, say, side_by_side
        self.outcomes: dict[str, Outcome] = {}

    def run_all(self, steps: Iterable[Step], noted: Callable[[], object]) -> None:
        """Every step whose needs are met; `noted` is called after each, for the report."""
        waiting = list(steps)
        while waiting:
            group = self._next(waiting)
            waiting = [step for step in waiting if step not in group]
            begun = [(step, self._begin_safely(step)) for step in group]
            running = [run for _step, run in begun if isinstance(run, Run)]
            for step, run in begun:
                outcome = self._finish(run, running) if isinstance(run, Run) else run
                self.outcomes[step.name] = outcome
                if outcome.state == "failed":
                    self._say(f"{step.name}: {outcome.message}")
                noted()

    def _next(self, waiting: list[Step]) -> list[Step]:
        """The first one, and beside it later ones that can begin already."""
        if not self._computes(waiting[0]):
            return waiting[:1]
        return [step for step in waiting if self._computes(step)][: self._side_by_side]

    def _computes(self, step: Step) -> bool:
        """A play or a training that can begin now and is not done yet."""
        if step.kind not in _ONE_CORE or self._lacking(step):
            return False
        known = _find(self._runs, step)
        return known is None or known.status().state != "done"

    def _lacking(self, step: Step) -> list[str]:
        return [name for name in step.needs if self.outcomes.get(name, Outcome()).state != "done"]

    def _begin_safely(self, step: Step) -> Run | Outcome:
        lacking = self._lacking(step)
        if lacking:
            return Outcome(message=f"needs {', '.join(lacking)}")
        try:
            return self._join(step) if step.kind == "join" else self._begin_job(step)
        except (StudioError, OSError) as error:
            return Outcome(state="failed", message=str(error))

    def _begin_job(self, step: Step) -> Run | Outcome:
        known = _find(self._runs, step)
        if known is not None and known.status().state == "done":
            return Outcome(state="done", result=known.result())
        if self._left_s() == 0.0:
            return Outcome(message="no time was left")
        self._say(f"{step.name} ...")
        return self._begin(step, known)

    def _finish(self, run: Run, running: list[Run]) -> Outcome:
        """Wait for a run; an interruption stops all that are `running` beside it as well."""
        try:
            status = self._wait(run, running)
        except (StudioError, OSError) as error:
            return Outcome(state="failed", message=str(error))
        if status.state == "done":
            return Outcome(state="done", result=run.result())
        if status.state == "cancelled":
            return Outcome(state="stopped", message="the time was over; --resume goes on from here")
        return Outcome(state="failed", message=f"{status.message} (log: {run.path / 'log'})")

    def _begin(self, step: Step, known: Run | None) -> Run:
        """Go on with a run that was cut short, or start one; play starts over, it takes minutes only."""
        folder = self._runs / step.name
        if known is not None and known.status().active:
            return known  # it outlived a killed benchmark
        if known is not None and step.kind != "play":
            return resume_run(known)
        if step.kind == "play":
            shutil.rmtree(step.spec["out"], ignore_errors=True)
        if folder.exists():
            _end(folder)
        return start_run(folder, step.kind, step.spec)

    def _wait(self, run: Run, running: list[Run]) -> RunStatus:
        try:
            status = wait_for(run, timeout_s=None if self._end_s is None else max(0.0, self._left_s()))
        except KeyboardInterrupt:
            active = [one for one in running if one.status().active]
            for one in active:
                one.cancel()
            for one in active:
                wait_for(one, timeout_s=_STOP_S)
            raise
        if not status.active:
            return status
        run.cancel()
        return wait_for(run, timeout_s=_STOP_S)

    def _left_s(self) -> float:
        return float("inf") if self._end_s is None else max(0.0, self._end_s - time.monotonic())

    def _join(self, step: Step) -> Outcome:
        """Recordings side by side as sessions of one dataset; nothing is copied."""
        out, parts = Path(step.spec["out"]), [Path(part) for part in step.spec["parts"]]
        out.mkdir(parents=True, exist_ok=True)
        for number, part in enumerate(parts, start=1):
            (session,) = sorted(part.glob("session_*"))[:1]
            link = out / f"session_{number:04d}"
            link.unlink(missing_ok=True)
            link.symlink_to(session.resolve(), target_is_directory=True)
        facts = json.loads((parts[0] / DATASET_FILE).read_text(encoding="utf-8")) | {"name": out.name}
        (out / DATASET_FILE).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        return Outcome(state="done")


def _find(runs: Path, step: Step) -> Run | None:
    """The run of this very step, or None; one of other settings is not it.

    Rows of two sections may be the same evaluation (the whole recipe is the first row of most): it runs once.
    """
    own = _same(runs / step.name, step)
    if step.kind != "evaluate" or (own is not None and own.status().state == "done"):
        return own
    others = (_same(folder, step) for folder in sorted(runs.glob("evaluate-*")))
    return next((run for run in others if run is not None and run.status().state == "done"), own)


def _same(folder: Path, step: Step) -> Run | None:
    if not (folder / "job.json").exists():
        return None
    run = Run(folder)
    return run if run.spec == json.loads(json.dumps(step.spec)) else None


def _end(folder: Path) -> None:
    """Stop whatever still runs in a folder that is needed again."""
    if not (folder / "job.json").exists():
        return
    run = Run(folder)
    if run.status().active:
        run.cancel()
        wait_for(run, timeout_s=_STOP_S)
