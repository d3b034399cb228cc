"""What `bundle.json` says of a trained bundle, read without torch, for the window and for planning jobs.

The weights are not touched here; `studio.learning.bundle.load_bundle` checks those.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.core.errors import ConfigError, DataError
from studio.core.task import Task, make_task
from studio.data.episode_info import load_json_object

FILE_NAME = "bundle.json"
FORMAT_VERSION = 1
_NEEDED = ("method", "rate_hz", "window", "task", "parts")


@dataclass(frozen=True, kw_only=True)
class BundleInfo:
    """Facts about one bundle.

    Args:
        rate_hz: policy rate; `window`: policy ticks per skill.
        robot: whose joints it moves.
        pose_stream: which stream stood for `object_pose`; empty without an object.
        metrics: held-out values by name.
        data: the whole `bundle.json`.
    """

    path: Path
    name: str
    method: str
    rate_hz: float
    window: int
    task: Task
    robot: str
    pose_stream: str = ""
    metrics: dict[str, Any] = field(default_factory=dict[str, Any])
    lineage: dict[str, Any] = field(default_factory=dict[str, Any])
    data: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def state_size(self) -> int:
        return self.task.state_size

    @property
    def has_actor(self) -> bool:
        """Whether `train offline_rl` has put a network beside the skills that chooses them without sampling."""
        return "agent" in dict(self.data.get("parts") or {})

    @property
    def priors(self) -> tuple[str, ...]:
        """What can take the place of its own prior, as `evaluate --prior` names it; the flows lie under part names."""
        parts = list(dict(self.data.get("parts") or {}))
        known = {"prior": "gaussian", "flow": "flow", "reference": "reference"}
        names = [known[part] for part in ("prior", "flow") if part in parts]
        names += sorted(part.replace("_", ":") for part in parts if part.startswith("flow_"))
        return (*names, *(known[part] for part in parts if part == "reference"))


def load_bundle_info(path: Path | str) -> BundleInfo:
    """Read the description of a bundle.

    Raises:
        DataError: missing, empty, cut off, foreign, of a newer format, or a part's file is not there.
    """
    folder = Path(path)
    if not folder.is_dir() or not (folder / FILE_NAME).exists():
        raise DataError(f"{folder} is not a bundle: it has no {FILE_NAME}. Give the folder that `train --out` made.")
    data = load_json_object(folder / FILE_NAME, "a bundle")
    missing = [key for key in _NEEDED if key not in data]
    if missing:
        raise DataError(f"{folder / FILE_NAME} has no {missing[0]!r}. It is no bundle of this studio; train one.")
    if data.get("format_version") != FORMAT_VERSION:
        raise DataError(f"{folder / FILE_NAME} has format {data.get('format_version')!r}; this studio reads "
                        f"{FORMAT_VERSION}. Update the studio.")  # fmt: skip
    _check_parts(folder, data["parts"])
    return _make_info(folder, data)


def _check_parts(folder: Path, parts: Any) -> None:
    if not isinstance(parts, dict) or not parts:
        raise DataError(f"{folder / FILE_NAME}: `parts` names no file. Train the bundle again.")
    listed: dict[str, Any] = dict(parts)  # pyright: ignore[reportUnknownArgumentType]
    for name, entry in listed.items():
        file = Path(str(dict(entry).get("file", "")) if isinstance(entry, dict) else "").name  # pyright: ignore
        if not file or not (folder / file).is_file():
            raise DataError(
                f"Bundle {folder}: part {name} ({file or 'no file'}) is missing. Copy the whole folder again."
            )


def _make_info(folder: Path, data: dict[str, Any]) -> BundleInfo:
    lineage = dict(data.get("lineage") or {})
    try:
        task = make_task(dict(data["task"]), where=f"{folder / FILE_NAME}: task")
        return BundleInfo(
            path=folder, name=folder.name, method=str(data["method"]), rate_hz=float(data["rate_hz"]),
            window=int(data["window"]), task=task, robot=task.robot, lineage=lineage,
            pose_stream=str(lineage.get("pose_stream", "")), metrics=dict(data.get("metrics") or {}), data=data,
        )  # fmt: skip
    except (ConfigError, TypeError, ValueError) as error:
        raise DataError(f"{folder / FILE_NAME} does not fit together ({error}). Train the bundle again.") from error


def list_bundles(folder: Path) -> tuple[list[BundleInfo], dict[str, str]]:
    """Bundles of a project's `bundles` folder, newest first, and those that cannot be read with the reason."""
    found: list[BundleInfo] = []
    broken: dict[str, str] = {}
    paths = [path for path in folder.glob("*") if path.is_dir() and not path.name.startswith(".")]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            found.append(load_bundle_info(path))
        except DataError as error:
            broken[path.name] = str(error)
    return found, broken
