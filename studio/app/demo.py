"""The demo project: play of a scripted hand to look at, made on this machine when it is first opened. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.app.project import open_project
from studio.core.errors import DataError
from studio.core.paths import user_data_dir
from studio.data.dataset import Dataset
from studio.jobs.queue import list_runs, start_job

PLAY_MINUTES = 6.0
SEED = 1


@dataclass(frozen=True, kw_only=True)
class DemoFacts:
    """What lies in the demo project now.

    Args:
        episodes, play_s: recorded play.
        bundles: trained skills.
        making: the play is being made.
    """

    episodes: int = 0
    play_s: float = 0.0
    bundles: int = 0
    making: bool = False


def demo_dir() -> Path:
    return user_data_dir() / "projects" / "demo"


def read_demo(folder: Path) -> DemoFacts:
    """What is there; a folder that is not there, or holds something else, is empty."""
    if not (folder / "project.toml").exists():
        return DemoFacts()
    try:
        project = open_project(folder)
        episodes = Dataset(project.dataset_path).episodes() if any(project.dataset_path.iterdir()) else []
    except (DataError, OSError):
        return DemoFacts()
    making = any(run.kind == "play" and run.status().active for run in list_runs(folder))
    play_s = sum(episode.duration_s for episode in episodes)
    return DemoFacts(episodes=len(episodes), play_s=play_s, bundles=len(project.bundles()), making=making)


def prepare_demo(folder: Path, robot: str, task: str) -> DemoFacts:
    """Make the project, and begin the play in the background where there is none.

    Raises:
        StudioError: the folder holds something else or cannot be written, or the job cannot start.
    """
    project, facts = open_project(folder), read_demo(folder)
    if facts.episodes or facts.making:
        return facts
    spec = {
        "out": str(project.dataset_path.resolve()), "minutes": PLAY_MINUTES,
        "seed": SEED, "robot": robot, "task": task,
    }  # fmt: skip
    start_job(folder, "play", spec)
    return DemoFacts(making=True)
