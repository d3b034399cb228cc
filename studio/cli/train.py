"""`train METHOD DATASET --out BUNDLE`: one training in a worker, with a bar and a range for the time left."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from studio.cli.output import format_range, parse_arguments, write_result
from studio.core.errors import DataError, StudioError
from studio.jobs.queue import resume_run, start_run, wait_for
from studio.jobs.run import Run, RunStatus

_BAR = 24


@dataclass(frozen=True, kw_only=True)
class TrainArguments:
    """Train a method on a dataset; the bundle is a folder."""

    method: tyro.conf.Positional[str]
    """name of the method, see `methods`"""
    dataset: tyro.conf.Positional[Path]
    """dataset folder"""
    out: Path
    """bundle folder to make; the run is kept beside it as BUNDLE.run"""
    preset: str = ""
    """one of the method's presets, see `methods`; haptic_play has small, paper and strong"""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default_factory=tuple)
    """key=value, for example stage_1.seconds=60; may be repeated"""
    seed: int = 0
    """of weights and batches"""
    resume: bool = False
    """go on from the checkpoint of an ended run"""
    json: str | None = None
    """write the result as JSON to this path, - for standard output"""


def run(arguments: list[str]) -> int:
    """Train; Ctrl+C stops at the next step and keeps what is done."""
    options = parse_arguments(TrainArguments, arguments, "main.py train")
    folder = options.out.with_name(options.out.name + ".run")
    started = _resume(folder) if options.resume else _start(folder, options)
    quiet = not sys.stderr.isatty()
    status = _follow(started, quiet=quiet)
    if not quiet:
        print(file=sys.stderr)
    if status.state in ("failed", "lost"):
        raise _as_error(status, folder)
    result = started.result()
    write_result(result, options.json, text=_summary(result))
    return 0


def _start(folder: Path, options: TrainArguments) -> Run:
    """Check what can be checked without torch, then start the worker."""
    from studio.core.config import apply_settings
    from studio.methods.table import find_method

    apply_settings(find_method(options.method).make_config(options.preset), list(options.set))
    if not options.dataset.exists():
        raise DataError(f"Dataset {options.dataset} does not exist. Give the folder of a dataset; `play` makes one.")
    spec: dict[str, Any] = {
        "method": options.method,
        "dataset": str(options.dataset.resolve()),
        "bundle": str(options.out.resolve()),
        "preset": options.preset,
        "set": list(options.set),
        "seed": options.seed,
    }
    return start_run(folder, "train", spec)


def _resume(folder: Path) -> Run:
    if not (folder / "job.json").exists():
        raise DataError(f"{folder} does not exist: there is no run to resume. Start without --resume.")
    return resume_run(Run(folder))


def _follow(started: Run, *, quiet: bool) -> RunStatus:
    """Wait for the end and draw the bar; a first Ctrl+C asks the worker to stop, a second leaves it running."""
    asked = False
    while True:
        try:
            status = started.status()
            if not quiet:
                print(f"\r{_line(status):<110.110}", end="", file=sys.stderr, flush=True)
            if not status.active:
                return wait_for(started)
            time.sleep(0.3)
        except KeyboardInterrupt:
            if asked:
                raise
            asked = True
            started.cancel()
            print("\nstopping: the bundle is written with what is trained so far", file=sys.stderr)


def _line(status: RunStatus) -> str:
    share = status.step / status.steps if status.steps else 0.0
    bar = "#" * round(_BAR * min(1.0, share))
    left = "measuring" if status.time_left_s is None else f"{format_range(*status.time_left_s)} left"
    stage = status.stage or status.state
    return f"train [{bar:<{_BAR}}] {100 * share:3.0f} %  {left}  {stage}, step {status.step}"


def _as_error(status: RunStatus, folder: Path) -> StudioError:
    from studio.jobs.run import exit_code_kind

    kind = exit_code_kind(status.exit_code)
    return kind(f"{status.message} (log: {folder / 'log'})", detail=status.detail)


def _summary(result: dict[str, Any]) -> str:
    held_out = result["held_out"]
    names = [name for name in held_out if name.startswith("unexplained_")]
    names += [
        n
        for n in (
            "one_skill_object_position_mm",
            "chain_4s_object_position_mm",
            "chain_4s_object_rotation_deg",
            "policy_command_tip_mm",
            "action_unexplained",
            "nll_gaussian",
            "nll_flow",
        )
        if n in held_out
    ]
    names = names or list(held_out)
    rows = "\n".join(f"  {name:<34} {held_out[name]:.4g}" for name in names)
    return (
        f"{result['steps']} updates in {result['wall_s']:.0f} s -> {result['bundle']}\nheld out:\n{rows}\n"
        f"{result['prior_reason']}"
    )
