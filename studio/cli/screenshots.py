"""`screenshots`: pictures of every screen in both themes, from the real window on a simulated session."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from studio.cli.display import ensure_display
from studio.cli.output import parse_arguments, write_result
from studio.core.errors import WorkerError
from studio.jobs.queue import start_job, wait_for

_NOT_REHEARSED = ("follower.L3", "follower.R2", "leader.R4")  # their checks are in the pictures, or to come


@dataclass(frozen=True, kw_only=True)
class ScreenshotsArguments:
    """Pictures of every screen in both themes.

    Args:
        out: folder for the pictures.
        minutes: simulated minutes of play that fill the library.
        train_s: seconds of training in each theme.
        theme: one theme only.
        only: `screens` leaves out the states of the teleoperation and devices screens; `teleop`, `devices` take those
            alone.
        seed: of play and training.
        project: use and keep this project; a temporary one otherwise.
        json: write the result as JSON to this path, or to standard output with -.
    """

    out: Path = Path("docs/screenshots")
    minutes: Annotated[float, tyro.conf.arg(metavar="MIN")] = 4.0
    train_s: float = 90.0
    theme: Literal["both", "dark", "light"] = "both"
    only: Literal["all", "screens", "teleop", "devices"] = "all"
    seed: int = 1
    project: Path | None = None
    json: str | None = None


def run(arguments: list[str]) -> int:
    """Returns 0 when every picture was taken."""
    options = parse_arguments(ScreenshotsArguments, arguments, "main.py screenshots")
    ensure_display(["screenshots", *arguments])
    with tempfile.TemporaryDirectory(prefix="studio-pictures-") as folder:
        return _take(options, options.project or Path(folder) / "box-play", Path(folder) / "settings.json")


def _take(options: ScreenshotsArguments, project: Path, settings: Path) -> int:
    from studio.app.screenshot import Album, AlbumOptions
    from studio.app.screenshot_devices import take_devices
    from studio.app.screenshot_teleop import take_teleop

    def say(text: str) -> None:
        if options.json != "-":
            print(text, flush=True)

    began_s = time.monotonic()
    if options.only in ("all", "screens"):
        _play(project, options)
    albums: list[Album] = []
    for theme in ("dark", "light") if options.theme == "both" else (options.theme,):
        kept = AlbumOptions(project=project, out=options.out, settings=settings, train_s=options.train_s,
                            seed=options.seed, say=say)  # fmt: skip
        if options.only in ("all", "screens"):
            albums.append(Album(kept, theme))
            albums[-1].take()
        if options.only in ("all", "devices"):
            _rehearse(settings)
            albums.append(take_devices(kept, theme))
        if options.only in ("all", "teleop"):
            albums.append(take_teleop(replace(kept, out=options.out / "teleop"), theme))
    pictures = [str(path) for album in albums for path in album.pictures]
    failures = [failure for album in albums for failure in album.failures]
    result = {"pictures": pictures, "failures": failures, "wall_s": round(time.monotonic() - began_s, 1)}
    write_result(result, options.json, text=f"{len(pictures)} pictures in {options.out}, {len(failures)} failures")
    return 1 if failures else 0


def _rehearse(settings: Path) -> None:
    """Results of other twins, so that the table of motors shows more than one of them."""
    from hw_drivers.commissioning.twin_bench import rehearse
    from studio.app.screenshot_devices import rehearsals_beside
    from studio.workers.bench import Bench, BenchRequest

    folder = rehearsals_beside(settings)
    shutil.rmtree(folder, ignore_errors=True)
    joints = [f"{side}.{arm}{place}" for side in ("follower", "leader") for arm in "LR" for place in (1, 2, 3, 4)]
    for joint in joints:
        if joint in _NOT_REHEARSED:
            continue
        wrong = "holds_torque" if joint == "leader.L2" else "none"
        request = BenchRequest(joint=joint, drive_id=int(joint[-1]), folder=str(folder), rehearse=wrong)
        with contextlib.closing(Bench(request)) as bench:
            assert bench.operator is not None
            rehearse(bench.machine, bench.operator)
            bench.save()


def _play(project: Path, options: ScreenshotsArguments) -> None:
    """Play by the scripted hand, so that the library, the replay and the training have something to show."""
    from studio.app.project import open_project

    opened = open_project(project)
    if list(opened.dataset_path.glob("*/*/episode.json")):
        return
    spec = {"out": str(opened.dataset_path.resolve()), "minutes": options.minutes, "seed": options.seed, "camera": True}
    run_ = start_job(opened.path, "play", spec)
    status = wait_for(run_, timeout_s=900)
    if status.state != "done":
        raise WorkerError(f"Play for the pictures ended as {status.state}: {status.message}", detail=status.detail)
