"""A model bundle: a folder with `bundle.json`, one safetensors file per part and a model card. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.core.errors import DataError
from studio.core.task import Task, make_task

FORMAT_VERSION = 1
_NEEDED = ("format_version", "method", "rate_hz", "window", "task", "parts")


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A loaded bundle.

    Args:
        path: its folder.
        info: `bundle.json`: method, rate_hz, window, streams, action, task, robot, geometry, networks, prior, fields,
            metrics, lineage, parts {name: {file, sha256}}.
        parts: tensors by part and name.
    """

    path: Path
    info: dict[str, Any]
    parts: dict[str, dict[str, Tensor]]

    @property
    def task(self) -> Task:
        return make_task(dict(self.info["task"]), where=f"{self.path}/bundle.json task")


def save_bundle(path: Path, info: dict[str, Any], parts: dict[str, dict[str, Tensor]], *, card: str = "") -> Bundle:
    """Write a bundle beside its place and move it there as a whole, replacing an older bundle.

    Raises:
        DataError: the place holds something that is not a bundle, or cannot be written.
    """
    path = Path(path)
    if path.exists() and not (path / "bundle.json").is_file() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"{path} exists and is not a bundle; it is left alone. Choose another place for the bundle.")
    building = path.with_name(f".{path.name}.new")
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir(parents=True)
        listed = {name: _save_part(building, name, tensors) for name, tensors in parts.items()}
        whole = {"format_version": FORMAT_VERSION, **info, "parts": listed}
        (building / "bundle.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
        (building / "card.md").write_text(card, encoding="utf-8")
        _swap(building, path)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(building, ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"Bundle {path} cannot be written: {reason}. Free some space or choose another place."
        ) from error
    return Bundle(path=path, info=whole, parts=parts)


def load_bundle(path: Path) -> Bundle:
    """Read and check a bundle.

    Raises:
        DataError: it is missing, cut short, changed, of another program or of a newer format.
    """
    path = Path(path)
    info = read_bundle_info(path)
    parts = {name: _load_part(path, name, entry) for name, entry in info["parts"].items()}
    return Bundle(path=path, info=info, parts=parts)


def read_bundle_info(path: Path) -> dict[str, Any]:
    """The checked content of `bundle.json`."""
    file = Path(path) / "bundle.json"
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{path} is not a bundle: it has no bundle.json. Give the folder that `train --out` made."
        ) from None
    except (ValueError, OSError) as error:
        raise DataError(f"{file} cannot be read ({error}). The bundle is damaged; train or copy it again.") from error
    missing = [key for key in _NEEDED if not isinstance(info, dict) or key not in info]
    if missing:
        raise DataError(f"{file} has no {missing[0]!r}. It is no bundle of this studio; train one with `train`.")
    if info["format_version"] != FORMAT_VERSION:
        raise DataError(
            f"{file} has format {info['format_version']}; this studio reads {FORMAT_VERSION}. Update the studio."
        )
    return info


def check_fits_robot(info: dict[str, Any], robot_name: str, state_size: int, *, where: str = "Bundle") -> None:
    """Raise DataError unless a bundle was trained for this robot and state."""
    trained_size = _state_size(info["task"])
    if trained_size != state_size:
        raise DataError(
            f"{where}: trained for {trained_size} signals, this robot has {state_size}. "
            "Choose a bundle that was trained on this robot."
        )
    if info["task"].get("robot", "") != robot_name:
        raise DataError(
            f"{where}: trained for robot {info['task'].get('robot') or 'none'!r}, this one is {robot_name!r}. "
            "Choose a bundle that was trained on this robot."
        )


def _state_size(task: dict[str, Any]) -> int:
    return sum(int(block["size"]) for block in task["state"])


def _save_part(folder: Path, name: str, tensors: dict[str, Tensor]) -> dict[str, str]:
    file = folder / f"{name}.safetensors"
    save_file({key: tensor.detach().contiguous().clone() for key, tensor in tensors.items()}, file)
    return {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def _load_part(folder: Path, name: str, entry: dict[str, str]) -> dict[str, Tensor]:
    file = folder / Path(str(entry.get("file", ""))).name
    try:
        content_hash = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        raise DataError(
            f"Bundle {folder}: part {name} ({file.name}) is missing. Copy the whole folder again."
        ) from None
    if content_hash != entry.get("sha256"):
        raise DataError(
            f"Bundle {folder}: part {name} ({file.name}) was changed or cut short: its SHA-256 differs. "
            "Train or copy the bundle again."
        )
    try:
        return load_file(file)
    except SafetensorError as error:
        raise DataError(
            f"Bundle {folder}: part {name} is not safetensors ({error}). Train or copy it again."
        ) from error


def _swap(building: Path, path: Path) -> None:
    if path.exists():
        older = path.with_name(f".{path.name}.old")
        shutil.rmtree(older, ignore_errors=True)
        path.rename(older)
        building.rename(path)
        shutil.rmtree(older)
    else:
        building.rename(path)
