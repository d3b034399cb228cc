"""Checkpoints: one safetensors file with everything a resumed run needs, replaced as a whole; nothing is pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from studio.core.errors import DataError

_FILE = "newest.safetensors"
_VERSION = "1"


def save_checkpoint(folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write tensors and a JSON state; a crash while writing leaves the older checkpoint whole."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{_FILE}.new"
    metadata = {"format_version": _VERSION, "state": json.dumps(state)}
    try:
        save_file({name: t.detach().contiguous().clone() for name, t in tensors.items()}, temporary, metadata=metadata)
        temporary.replace(folder / _FILE)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"The checkpoint in {folder} cannot be written: {error}. Free some space, then resume."
        ) from error


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest checkpoint, or None when there is none.

    Raises:
        DataError: the file is damaged or of another version.
    """
    file = folder / _FILE
    if not file.exists():
        return None
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in list(opened.keys())}
        state = json.loads(metadata["state"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DataError(f"Checkpoint {file} cannot be read ({error}). Remove it; the run then starts anew.") from error
    if metadata.get("format_version") != _VERSION:
        raise DataError(
            f"Checkpoint {file} is of version {metadata.get('format_version')}; this studio reads {_VERSION}. "
            "Start the run anew."
        )
    return tensors, state


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts as named tensors."""
    state = optimiser.state_dict()["state"]
    return {f"{index}.{key}": torch.as_tensor(value) for index, entry in state.items() for key, value in entry.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimiser_tensors`."""
    entries: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        entries.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": entries, "param_groups": optimiser.state_dict()["param_groups"]})
