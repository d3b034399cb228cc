"""Held-out reconstruction of stage 1 dimension by dimension: every part of the next state, every part of the action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from studio.core.task import StateBlock
from studio.learning.cvae import encode_windows, policy_output
from studio.learning.skill_metrics import pick_evenly
from studio.learning.skill_networks import SkillNetworks
from studio.learning.windows import WindowTensors

_AXES = ("x", "y", "z")
_UNITS = (("_rad_s", "rad/s"), ("_rad", "rad"), ("_m_s", "m/s"), ("_m", "m"))


@torch.no_grad()
def reconstruction_by_dimension(
    networks: SkillNetworks, windows: WindowTensors, action_names: Sequence[str], *, count: int = 1024
) -> dict[str, list[dict[str, Any]]]:
    """Errors of one skill with the posterior's mean, at recorded states.

    Returns:
        `state` (the dynamics' change over the skill) and `action` (the policy at every tick), a row a dimension:
        `name`, `unit`, `rms` of the error in that unit, and `unexplained`, its square over that of the change (of the
        action about its mean).
    """
    starts = pick_evenly(windows.starts, count)
    batch = encode_windows(networks, windows, starts)
    z = networks.posterior(batch.features, batch.ticks)[0]
    scale = networks.transition.scale
    truth = batch.change * scale
    state = _rows(_state_names(networks), networks.predicted_change(batch.features, z) * scale - truth, truth)
    ticks = torch.arange(windows.window).expand(len(starts), windows.window)
    seen, goal = windows.states_at(starts, ticks), windows.states[starts + windows.window]
    recorded = windows.actions_at(starts, ticks).flatten(0, 1)
    output = policy_output(networks, seen, goal, z, batch.frame, ticks)
    error = networks.actions.decode(output).flatten(0, 1) - recorded
    names = [(name, unit_of(name)) for name in action_names]
    return {"state": state, "action": _rows(names, error, recorded - recorded.mean(0))}


def unit_of(name: str) -> str:
    """Unit of a field or action by its suffix; 1 without one."""
    plain = name.partition("[")[0]
    return next((unit for suffix, unit in _UNITS if plain.endswith(suffix)), "1")


def _rows(names: Sequence[tuple[str, str]], error: Tensor, truth: Tensor) -> list[dict[str, Any]]:
    rms = error.square().mean(0).sqrt()
    share = error.square().sum(0) / truth.square().sum(0).clamp_min(1e-12)
    return [
        {"name": name, "unit": unit, "rms": float(rms[index]), "unexplained": float(share[index])}
        for index, (name, unit) in enumerate(names)
    ]


def _state_names(networks: SkillNetworks) -> list[tuple[str, str]]:
    """Name and unit of every column of the transition; a rotation has its rotation vector's three."""
    found: list[tuple[str, str]] = []
    for block in networks.task.state:
        span = networks.transition.columns(block.name)
        unit = "rad" if block.kind == "rotation" else unit_of(block.field)
        found += [(f"{block.name} {_part(block, index)}", unit) for index in range(span.stop - span.start)]
    return found


def _part(block: StateBlock, index: int) -> str:
    return _AXES[index] if block.kind in ("position", "rotation") else str(index + 1)
