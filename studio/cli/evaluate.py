"""`evaluate BUNDLE`: goal-reaching episodes in simulation."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from studio.cli.output import ProgressBar, format_range, parse_arguments, write_result
from studio.core.config import make_config
from studio.core.errors import ConfigError, StudioError, WorkerError
from studio.data.bundle_info import load_bundle_info
from studio.evaluation.config import EvaluateConfig
from studio.evaluation.report import summary_line
from studio.jobs.queue import collect_ended, resume_run, start_run
from studio.jobs.run import Run
from studio.workers.ray_evaluation import check_ray

_POLL_S = 0.2
_MAY_CHANGE = ("workers", "cluster", "keep_episodes", "title")  # of a run that goes on; its own are kept


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments:
    """Goal-reaching episodes in simulation, and how often they succeed.

    Args:
        bundle: folder of the trained bundle.
        planner: mppi, cem, rl (a trained actor), scripted (written by hand), random or none.
        goal_class: easy (same face up, yaw within 45 degrees), planar (same face up, any yaw) or full (any face up).
        goals: how many goals of the class.
        seed: which published list of goals; 1 is reported, 100 to 119 are for tuning.
        goals_file: goals from this TOML file instead.
        preset: planner preset: default, paper or cem.
        set: planner settings, key=value.
        prior: flow or gaussian instead of the bundle's own choice.
        realtime: the world does not wait for the planner.
        pose: world (the simulator's truth) or tags (what the camera finds at 30 Hz).
        workers: processes; 0 takes one per core (with --realtime one per two cores); ray or ray=ADDRESS takes a Ray
            cluster.
        limit_s: simulated time per goal.
        run: keep the run's folder here, with the raw result and the recorded episode of every goal; a folder in a
            project's `runs` is shown in the window, where its episodes are in the library.
        resume: go on with the run in that folder: goals that are answered are not tried again. It keeps its
            workers.
        json: write the result as JSON to this path, or to standard output with -.
    """

    bundle: Annotated[str, tyro.conf.Positional]
    planner: str = "mppi"
    goal_class: str = "easy"
    goals: int = 20
    seed: int = 1
    goals_file: str = ""
    preset: str = ""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    prior: str = ""
    realtime: bool = False
    pose: str = "world"
    workers: str = "0"
    limit_s: float = 50.0
    run: str = ""
    resume: bool = False
    json: str | None = None


def run(arguments: list[str]) -> int:
    """The command; returns its exit code."""
    options = parse_arguments(EvaluateArguments, arguments, "main.py evaluate")
    spec = make_spec(options)
    if options.resume and not options.run:
        raise ConfigError("--resume needs --run DIR: the folder of the run that goes on.")
    load_bundle_info(spec["bundle"])  # what is wrong with it is said at once, before anything starts
    if options.run:
        result = evaluate(spec, Path(options.run), quiet=options.json == "-", resume=options.resume)
    else:
        with tempfile.TemporaryDirectory(prefix="evaluate-") as folder:
            result = evaluate(spec, Path(folder) / "run", quiet=options.json == "-")
    write_result(result, options.json, text=summary_line(result))
    return 0


def make_spec(options: EvaluateArguments) -> dict[str, Any]:
    """The job's specification, checked."""
    on_cluster = options.workers.partition("=")[0] == "ray"
    if on_cluster:
        check_ray()
    elif not options.workers.isdigit():
        raise ConfigError(
            f"--workers is {options.workers!r}; give a number of processes, 0 for one per core, or ray for a cluster."
        )
    values = {
        "bundle": str(Path(options.bundle).resolve()),
        "goals_file": str(Path(options.goals_file).resolve()) if options.goals_file else "",
        "workers": 0 if on_cluster else int(options.workers),
        "cluster": options.workers if on_cluster else "",
        "settings": tuple(part for text in options.set for part in text.split(",") if part),
        "keep_episodes": bool(options.run) and not on_cluster,
    }
    same = ("planner", "goal_class", "goals", "seed", "preset", "prior", "realtime", "pose", "limit_s")
    config = make_config(
        EvaluateConfig, {**values, **{name: getattr(options, name) for name in same}}, where="evaluate"
    )
    return dataclasses.asdict(config)


def evaluate(spec: dict[str, Any], folder: Path, *, quiet: bool = False, resume: bool = False) -> dict[str, Any]:
    """Run the job in its own process and wait. Ctrl+C stops it cleanly and keeps what is done.

    Raises:
        ConfigError: the run to resume was asked for something else, or a new one would replace recordings.
    """
    if not resume and (folder / "episodes").exists():
        raise ConfigError(f"--run {folder} holds recordings of an evaluation. Add --resume, or choose another folder.")
    job = _go_on(spec, folder) if resume else start_run(folder, "evaluate", spec)
    bar = ProgressBar("evaluate", 1.0, quiet=quiet)
    try:
        _follow(job, bar)
    except KeyboardInterrupt:
        job.cancel()
        _follow(job, bar)
    bar.close()
    return _outcome(job)


def _go_on(spec: dict[str, Any], folder: Path) -> Run:
    """The run in a folder, started again where it was; one that is done is left as it is."""
    job = Run(folder)
    if job.kind != "evaluate":
        raise ConfigError(f"--resume: the run in {folder} is of kind {job.kind!r}, not 'evaluate'. Give its folder.")
    asked = dataclasses.asdict(make_config(EvaluateConfig, job.spec, where="evaluate"))
    changed = [name for name, value in asked.items() if name not in _MAY_CHANGE and value != spec[name]]
    if changed:
        name = changed[0]
        raise ConfigError(
            f"--resume: the run in {folder} was started with {name}={asked[name]!r}, not "
            f"{spec[name]!r}. Give the same options, or another folder."
        )
    return job if job.status().state == "done" else resume_run(job)


def _follow(job: Run, bar: ProgressBar) -> None:
    while (status := job.status()).active:
        left = f"{format_range(*status.time_left_s)} left" if status.time_left_s else ""
        bar.update(status.step / max(status.steps, 1), f"{status.message} {left}".strip())
        time.sleep(_POLL_S)
    collect_ended()


def _outcome(job: Run) -> dict[str, Any]:
    status = job.status()
    if status.state in ("done", "cancelled") and (job.path / "result.json").exists():
        return job.result()
    path = job.path / "error.json"
    if not path.exists():
        raise WorkerError(status.message or "The evaluation ended without a result.", detail=status.detail)
    said = json.loads(path.read_text(encoding="utf-8"))
    error = StudioError(said["message"], detail=said["detail"])
    error.exit_code = int(said["exit_code"])
    raise error
