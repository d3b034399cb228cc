"""Where things lie: resources in the installation, projects in the user's data folder, sessions in shared memory."""

from __future__ import annotations

import os
from pathlib import Path

SESSION_ROOT = Path("/dev/shm") / "haptic-play-studio"


def repository_root() -> Path:
    return Path(__file__).resolve().parents[2]


def resources_dir() -> Path:
    """The resources folder, in a checkout beside `studio`, in an installed wheel inside it."""
    inside = Path(__file__).resolve().parents[1] / "resources"
    return inside if inside.is_dir() else repository_root() / "resources"


def plugins_dir() -> Path:
    inside = Path(__file__).resolve().parents[1] / "plugins"
    return inside if inside.is_dir() else repository_root() / "plugins"


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
