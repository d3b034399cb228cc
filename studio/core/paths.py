"""Where things lie: resources in the installation, projects in the user's data folder, sessions in shared memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SESSION_ROOT = Path("/dev/shm") / "haptic-play-studio"


def repository_root() -> Path:
    return Path(__file__).resolve().parents[2]


def shipped_dir() -> Path:
    """Where `plugins`, `benchmarks`, `resources` lie: in a checkout beside `studio`, installed in `studio/shipped`."""
    inside = Path(__file__).resolve().parents[1] / "shipped"
    return inside if inside.is_dir() else repository_root()


def find_shipped_code() -> None:
    """Make `plugins` and `benchmarks` importable in this process; an installation keeps them out of site-packages."""
    place = str(shipped_dir())
    if place not in sys.path:
        sys.path.insert(0, place)


def program() -> list[str]:
    """The words that start the command line again, to be followed by a command and its options."""
    script = repository_root() / "main.py"
    return [sys.executable, str(script)] if script.is_file() else [sys.executable, "-m", "studio"]


def resources_dir() -> Path:
    return shipped_dir() / "resources"


def plugins_dir() -> Path:
    return shipped_dir() / "plugins"


def user_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "haptic-play-studio"


def default_project_dir() -> Path:
    return user_data_dir() / "projects" / "box-play"


def default_dataset() -> Path:
    """Where takes and play go when nobody says otherwise: the default project's dataset, which the window opens too."""
    return default_project_dir() / "datasets" / "play"


def user_cache_dir() -> Path:
    """What can be made again at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "haptic-play-studio"
