"""`tour`: the whole job once, unattended: play, the real window from Engage to Deploy, training, goals, and a report.

Shorter than the defaults on purpose, and the report says so. A step that fails is reported and the next one is tried.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from studio.cli.display import ensure_display
from studio.cli.output import parse_arguments, write_result
from studio.core.config import check_range
from studio.core.errors import ConfigError, StudioError, WorkerError
from studio.jobs.queue import collect_ended, start_run
from studio.jobs.run import Run

if TYPE_CHECKING:
    from studio.cli.tour_clicks import Walk

LIMIT_S = 15 * 60.0


@dataclass(frozen=True, kw_only=True)
class TourArguments:
    """The whole job, unattended, with a report: play, train, plan.

    Args:
        out: folder for report.html, the pictures and the project.
        seed: of play, training and goals.
        minutes: simulated minutes of play to learn from.
        train_s: seconds of training.
        goals: easy goals to try at the end.
        clicks: a newcomer's walk instead, by mouse and keys of a display of its own: ten minutes of play in the
            window, preset small, three goals; about 25 minutes.
        share: of that walk's full length.
        json: write the result as JSON to this path, or to standard output with -.
    """

    out: Path
    seed: int = 1
    minutes: Annotated[float, tyro.conf.arg(metavar="MIN")] = 20.0
    train_s: float = 400.0
    goals: int = 6
    clicks: bool = False
    share: Annotated[float, tyro.conf.arg(metavar="0..1")] = 1.0
    json: str | None = None


@dataclass
class Tour:
    """What the tour knows so far; the report is made from it.

    Args:
        options: the command's own.
        say: one line to the person at the terminal.
    """

    options: TourArguments
    say: Callable[[str], None]
    began_s: float = field(default_factory=time.monotonic)
    results: dict[str, Any] = field(default_factory=dict)
    pictures: list[tuple[Path, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def project(self) -> Path:
        return self.options.out / "project"

    @property
    def dataset(self) -> Path:
        return self.project / "datasets" / "play"

    @property
    def bundle(self) -> Path:
        return self.project / "bundles" / "tour"

    def left_s(self) -> float:
        """Seconds of the fifteen minutes that are left."""
        return LIMIT_S - (time.monotonic() - self.began_s)

    def step(self, title: str, work: Callable[[], None]) -> bool:
        """Run one step; what it could not do is kept for the report. True when it went well."""
        self.say(f"{time.monotonic() - self.began_s:5.0f} s  {title}")
        try:
            work()
        except StudioError as error:
            self.failures.append(f"{title}: {error}")
            self.say(f"         failed: {error}")
            return False
        return True

    def take(self, walked: Walk) -> None:
        """Keep what a walk through the window brought."""
        self.results["clicks"], self.pictures = walked.seen, walked.pictures

    def run_job(self, kind: str, spec: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """One background run of the project, to its end.

        Raises:
            WorkerError: it failed or took longer than `limit_s`.
        """
        return self.finish_job(start_run(self.project / "runs" / f"tour-{kind}", kind, spec), limit_s)

    def finish_job(self, run: Run, limit_s: float, pause: Callable[[float], None] = time.sleep) -> dict[str, Any]:
        """Wait for a run with `pause`; its result. Past `limit_s` it is asked to stop and keeps what is done."""
        deadline_s = time.monotonic() + limit_s
        while (status := run.status()).active:
            if time.monotonic() > deadline_s:
                run.cancel()
                self.notes.append(f"{run.kind} was stopped after {limit_s:.0f} s; what was done by then is used.")
                deadline_s = time.monotonic() + 60.0
            pause(0.2)
        collect_ended()
        if status.state in ("done", "cancelled") and (run.path / "result.json").exists():
            return run.result()
        raise WorkerError(status.message or f"{run.kind} ended without a result.", detail=status.detail)


def run(arguments: list[str]) -> int:
    """The command; returns its exit code."""
    options = parse_arguments(TourArguments, arguments, "main.py tour")
    check_range("tour", "share", options.share, 0.01, 1.0)
    ensure_display(["tour", *arguments], own=options.clicks)
    _make_folder(options.out)
    quiet = options.json == "-"
    tour = Tour(options, (lambda _text: None) if quiet else (lambda text: print(text, flush=True)))
    if options.clicks:
        return _click(tour)
    from studio.cli.tour_report import write_report
    from studio.cli.tour_window import visit

    tour.step("Play: a scripted hand plays with the box", lambda: play(tour))
    tour.step("The window: engage, drag, record, replay, train, goal, deploy, stop", lambda: visit(tour))
    if tour.bundle.exists():
        tour.step("Goals: the planner alone, without the window", lambda: evaluate(tour))
    report = write_report(tour)
    return _tell(tour, report, ("play", "train", "evaluate"))


def _click(tour: Tour) -> int:
    """The walk by mouse and keys, and its report."""
    from studio.cli.tour_clicks import HOME, WalkOptions, walk
    from studio.cli.tour_report import write_clicks

    options = tour.options
    shutil.rmtree(options.out / HOME, ignore_errors=True)
    step = WalkOptions(out=options.out, share=options.share, say=tour.say)
    tour.step("A person in front of the window", lambda: tour.take(walk(step)))
    report = write_clicks(tour)
    return _tell(tour, report, ("clicks",))


def _tell(tour: Tour, report: Path, parts: tuple[str, ...]) -> int:
    """Write the result with what these parts gave; the exit code."""
    result = {
        **{name: tour.results.get(name) for name in parts},
        "pictures": [str(path) for path, _ in tour.pictures],
        "failures": tour.failures,
        "wall_s": time.monotonic() - tour.began_s,
        "report": str(report),
    }
    write_result(result, tour.options.json, text=_summary(tour, report))
    return 1 if tour.failures else 0


def play(tour: Tour) -> None:
    """Play to learn from, as fast as the machine allows."""
    from studio.app.project import open_project

    open_project(tour.project)
    spec = {"out": str(tour.dataset.resolve()), "minutes": tour.options.minutes, "seed": tour.options.seed}
    tour.results["play"] = tour.run_job("play", spec, limit_s=240.0)


def evaluate(tour: Tour) -> None:
    """Easy goals, stepped: the world waits for the planner."""
    spec = {
        "bundle": str(tour.bundle.resolve()),
        "goal_class": "easy",
        "goals": tour.options.goals,
        "seed": tour.options.seed,
        "limit_s": 30.0,
    }
    tour.results["evaluate"] = tour.run_job("evaluate", spec, limit_s=max(45.0, tour.left_s() - 20.0))


def _make_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out} is a file. Give a folder for the report.")
    if (out / "project").exists():
        if not (out / "report.html").exists() and not (out / ".tour").exists():
            raise ConfigError(f"--out {out} holds a project that no tour made. Give another folder.")
        shutil.rmtree(out / "project")
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".tour").touch()
    except OSError as error:
        raise ConfigError(f"--out {out} cannot be written ({error.strerror}). Give another folder.") from error


def _summary(tour: Tour, report: Path) -> str:
    went = "Every step ended as planned." if not tour.failures else f"{len(tour.failures)} of the steps failed:"
    lines = [went, *(f"  {line}" for line in tour.failures)]
    reached = tour.results.get("evaluate")
    if reached:
        lines.append(f"goals reached: {reached['successes']} of {reached['episodes']}")
    return "\n".join([*lines, f"report: {report}"])
