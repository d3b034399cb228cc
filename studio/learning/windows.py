"""Windows on tensors: which starts to draw, and what to gather for a batch. Nothing is copied but the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.core.errors import DataError
from studio.core.task import Task
from studio.learning.device import placed
from studio.learning.kinematics import ArmGeometry
from studio.learning.symmetry import mirror_map

MOVING_M = 0.002  # an object that moved this far in one window counts as moving,
MOVING_RAD = 0.035  # or turned this far (2 degrees)
_MINIMUM_WINDOWS = 64


@dataclass(frozen=True)
class WindowTensors:
    """States [T, S], actions [T, A] and the starts of windows of W ticks."""

    states: Tensor
    actions: Tensor
    starts: Tensor
    window: int

    def to(self, device: torch.device) -> WindowTensors:
        """The same windows on another device."""
        return WindowTensors(self.states.to(device), self.actions.to(device), self.starts.to(device), self.window)

    def states_at(self, starts: Tensor, ticks: Tensor) -> Tensor:
        """States [B, K, S] at `starts` [B] plus `ticks` [K] or [B, K]."""
        return self.states[starts[:, None] + ticks]

    def actions_at(self, starts: Tensor, ticks: Tensor) -> Tensor:
        return self.actions[starts[:, None] + ticks]


def make_window_tensors(windows: Any, starts: np.ndarray, *, what: str) -> WindowTensors:
    """Tensors over a `studio.data.windows.WindowSet` and one of its lists of starts."""
    if len(starts) < _MINIMUM_WINDOWS:
        raise DataError(
            f"Only {len(starts)} {what} windows of {windows.window} ticks at {windows.rate_hz:g} Hz; at least "
            f"{_MINIMUM_WINDOWS} are needed. Record more play, or shorten the window."
        )
    states = placed(torch.from_numpy(np.array(windows.states, dtype=np.float32)))
    actions = placed(torch.from_numpy(np.array(windows.actions, dtype=np.float32)))
    if not (torch.isfinite(states).all() and torch.isfinite(actions).all()):
        raise DataError(f"The {what} windows hold values that are not numbers. Drop the damaged episode and try again.")
    rows = placed(torch.from_numpy(np.array(starts, dtype=np.int64)))
    return WindowTensors(states, actions, rows, windows.window)


def with_mirror(windows: WindowTensors, task: Task, geometry: ArmGeometry | None) -> WindowTensors:
    """The same windows and their left-right mirror images; unchanged when task or robot have no such mirror."""
    mapping = _mirror_of(task, geometry)
    if mapping is None:
        return windows
    order, signs = placed(torch.from_numpy(mapping[0])), placed(torch.from_numpy(mapping[1]).float())
    states = _mirrored_states(windows.states, task, order, signs)
    joints = len(order)
    halves = windows.actions.unflatten(-1, (-1, joints))
    actions = (halves[..., order] * signs).flatten(-2)
    starts = torch.cat([windows.starts, windows.starts + len(windows.states)])
    return WindowTensors(
        torch.cat([windows.states, states]), torch.cat([windows.actions, actions]), starts, windows.window
    )


def _mirror_of(task: Task, geometry: ArmGeometry | None) -> tuple[np.ndarray, np.ndarray] | None:
    if geometry is None or task.action != "leader_minus_follower" or task.symmetry != "cube":
        return None
    mapping = mirror_map(np.asarray(geometry.arm_bases_m), geometry.joints_per_arm)
    joints = geometry.arms * geometry.joints_per_arm
    sizes_fit = all(b.size == joints for b in task.state if b.kind in ("vector", "velocity"))
    return mapping if sizes_fit else None


def _mirrored_states(states: Tensor, task: Task, order: Tensor, signs: Tensor) -> Tensor:
    mirrored = states.clone()
    flip = torch.tensor([1.0, -1.0, 1.0])
    for block in task.state:
        span = task.span(block.name)
        part = states[:, span]
        if block.kind == "position":
            mirrored[:, span] = part * flip
        elif block.kind == "rotation":  # M R M with M = diag(1, -1, 1) is a rotation again
            mirrored[:, span] = part * torch.outer(flip, flip).flatten()
        else:
            mirrored[:, span] = part[:, order] * signs
    return mirrored


class StartSampler:
    """Draws starts; given shares of each batch from windows in which the object moves, and in which it tilts.

    Args:
        windows: the windows to draw from.
        task: where the object is in the state; a task without one draws evenly.
        moving_share, tilting_share: of a batch, drawn from such windows only; both 0 draw evenly.
        chain: windows in a row that must be unbroken; starts without enough successors are left out.
    """

    def __init__(
        self,
        windows: WindowTensors,
        task: Task,
        *,
        moving_share: float = 0.0,
        tilting_share: float = 0.0,
        chain: int = 1,
    ) -> None:
        self.starts = chained_starts(windows, chain)
        ends = self.starts + chain * windows.window
        self.moving = self.starts[moving_windows(windows.states, self.starts, ends, task)]
        self.tilting = self.starts[tilting_windows(windows.states, self.starts, ends, task)]
        shares = ((moving_share, self.moving), (tilting_share, self.tilting))
        self._parts = [(share, starts) for share, starts in shares if share and len(starts)]

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Starts [count]."""
        counts = [int(count * share + 1e-9) for share, _ in self._parts]  # rounded up, they could be more than all
        picks = [_pick(self.starts, count - sum(counts), generator)]
        picks += [_pick(starts, part, generator) for part, (_, starts) in zip(counts, self._parts, strict=True)]
        return torch.cat(picks)


def chained_starts(windows: WindowTensors, chain: int) -> Tensor:
    """Starts that are followed by `chain` - 1 further windows, each starting where the one before ends."""
    is_start = torch.zeros(len(windows.states) + chain * windows.window + 1, dtype=torch.bool)
    is_start[windows.starts] = True
    whole = windows.starts
    for index in range(1, chain):
        whole = whole[is_start[whole + index * windows.window]]
    return whole


def moving_windows(states: Tensor, starts: Tensor, ends: Tensor, task: Task) -> Tensor:
    """Which windows [n] move the object: farther than 2 mm or 2 degrees. All False without an object."""
    moving = torch.zeros(len(starts), dtype=torch.bool)
    if not task.has_object():
        return moving
    for block in task.state:
        first, last = states[starts, task.span(block.name)], states[ends, task.span(block.name)]
        if block.kind == "position":
            moving |= (last - first).square().sum(-1) > MOVING_M**2
        elif block.kind == "rotation":
            moving |= (first * last).sum(-1) < 1.0 + 2.0 * float(np.cos(MOVING_RAD))
    return moving


def tilting_windows(states: Tensor, starts: Tensor, ends: Tensor, task: Task) -> Tensor:
    """Which windows [n] tilt the object: another direction of it points up, by more than 2 degrees, at their end."""
    tilting = torch.zeros(len(starts), dtype=torch.bool)
    for block in task.state:
        if block.kind == "rotation" and task.has_object():
            up = states[:, task.span(block.name)][:, 6:9]  # third row of R: the world's z axis seen by the object
            tilting |= (up[starts] * up[ends]).sum(-1) < float(np.cos(MOVING_RAD))
    return tilting


def _pick(values: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return values[torch.randint(len(values), (count,), generator=generator)]


def spread(values: Tensor, floor: float = 1e-5) -> Tensor:
    """Standard deviation per column [D] of values [n, D]; columns that do not vary get 1."""
    deviation = values.std(0)
    return torch.where(deviation < floor, torch.ones_like(deviation), deviation)


def even_ticks(window: int, count: int) -> Sequence[int]:
    """`count` ticks spread evenly over 1 .. window, the last one included."""
    return [round((index + 1) * window / count) for index in range(count)]
