"""Skills that were executed in the simulator: the states they went through and the z that drove them.

Gathered in on-policy rounds (spec/feasibility.md, second study, section 4.2). Unlike play, the skill is known, so no
posterior is needed; unlike play, these are the skills that a planner really picks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from studio.core.errors import DataError
from studio.core.task import Task
from studio.learning.cvae import Statistics
from studio.learning.device import placed
from studio.learning.skill_networks import SkillNetworks
from studio.learning.windows import WindowTensors

_NAMES = ("states", "starts", "skills", "goal")


@dataclass(frozen=True)
class ExecutedSkills:
    """States [T, S] of all episodes, and of each executed skill its start row [n] and z [n, d].

    `rows` [m] are the rows from which a whole window follows in the same episode; `goals` [T, 12] what the episode of
    each row was to reach (position, row-major rotation).
    """

    states: Tensor
    starts: Tensor
    skills: Tensor
    rows: Tensor
    goals: Tensor
    window: int

    def chains(self, skills: int) -> Tensor:
        """Indices [c] of skills that are followed by `skills` - 1 more, each beginning where the one before ends."""
        first = torch.arange(max(0, len(self.starts) - skills + 1))
        whole = torch.ones(len(first), dtype=torch.bool)
        for step in range(1, skills):
            whole &= self.starts[first + step] == self.starts[first] + step * self.window
        return first[whole]

    def as_windows(self, actions: int) -> WindowTensors:
        """The same episodes for what needs states only; actions [T, `actions`] are zeros."""
        return WindowTensors(self.states, torch.zeros(len(self.states), actions), self.rows, self.window)

    def at_goals(self, task: Task, actions: int) -> WindowTensors:
        """As `as_windows`, with the object of every row where its episode was to bring it."""
        states = self.states.clone()
        for block in task.state:
            part = {"position": self.goals[:, :3], "rotation": self.goals[:, 3:]}.get(block.kind)
            if part is not None:
                states[:, task.span(block.name)] = part
        return dataclasses.replace(self.as_windows(actions), states=states)


def load_executed(files: Sequence[Path], *, window: int, skill_size: int) -> ExecutedSkills:
    """Join the episodes of `files` (see `studio.evaluation.trace`).

    Raises:
        DataError: a file is damaged, or all of them together hold no whole skill.
    """
    states: list[np.ndarray] = []
    goals: list[np.ndarray] = []
    starts, skills, rows = ([np.zeros(0, dtype=np.int64)] for _ in range(3))
    skills = [np.zeros((0, skill_size), dtype=np.float32)]
    offset = 0
    for path in files:
        episode = _read(path)
        whole = episode["starts"] + window < len(episode["states"])
        if not whole.any():
            continue
        states.append(episode["states"])
        goals.append(np.tile(episode["goal"].astype(np.float32), (len(episode["states"]), 1)))
        starts.append(episode["starts"][whole] + offset)
        skills.append(episode["skills"][whole])
        rows.append(np.arange(len(episode["states"]) - window) + offset)
        offset += len(episode["states"])
    if not states:
        raise DataError(f"No executed skill in {len(files)} episodes. The round made nothing to learn from.")
    tensors = (np.concatenate(parts) for parts in (states, starts, skills, rows, goals))
    return ExecutedSkills(*(placed(torch.from_numpy(array)) for array in tensors), window=window)


def split_executed(files: Sequence[Path], held_out_every: int = 10) -> tuple[list[Path], list[Path]]:
    """Whole episodes for training and, every so many, held out."""
    ordered = sorted(files)
    held_out = ordered[held_out_every - 1 :: held_out_every]
    return [path for path in ordered if path not in held_out], held_out


def executed_chain_loss(
    networks: SkillNetworks, executed: ExecutedSkills, picks: Tensor, *, skills: int
) -> tuple[Tensor, Statistics]:
    """Error of the dynamics rolled over `skills` executed skills in a row from the skills `picks` [B].

    As in `cvae.chain_loss`, each skill is used in the canonical frame of the state that it really began in, and several
    members of the dynamics share the batch out.
    """
    starts = executed.starts[picks]
    state, total = executed.states[starts], torch.zeros(())
    first = total
    for index in range(skills):
        began = executed.states[starts + index * executed.window]
        frame = networks.features.frame(began)
        z = executed.skills[picks + index]
        state = networks.transition.apply(state, networks.own_change(networks.features(state, frame), z))
        truth = executed.states[starts + (index + 1) * executed.window]
        error = networks.transition.encode(truth, state).clamp(-20.0, 20.0)
        part = (error.square() * networks.transition.weight).mean()
        first = part if index == 0 else first
        total = total + part / skills
    return total, {"executed": total.detach(), "executed_first": first.detach()}


@torch.no_grad()
def executed_errors(networks: SkillNetworks, executed: ExecutedSkills) -> dict[str, float]:
    """Mean error in mm and degrees of one executed skill's prediction, over all and over those that move the object."""
    began, ended = executed.states[executed.starts], executed.states[executed.starts + executed.window]
    features = networks.features(began, networks.features.frame(began))
    predicted = networks.transition.apply(began, networks.predicted_change(features, executed.skills))
    position, rotation = (
        next(networks.task.span(block.name) for block in networks.task.state if block.kind == kind)
        for kind in ("position", "rotation")
    )
    gap_mm = 1000.0 * (predicted[:, position] - ended[:, position]).norm(dim=-1)
    moved = (ended[:, position] - began[:, position]).norm(dim=-1) > 0.005
    cosine = ((predicted[:, rotation] * ended[:, rotation]).sum(-1) - 1.0) / 2.0
    values = {
        "executed_mm": float(gap_mm.mean()),
        "executed_deg": float(torch.rad2deg(torch.arccos(cosine.clamp(-1.0, 1.0))).mean()),
    }
    return values | ({"executed_moving_mm": float(gap_mm[moved].mean())} if moved.any() else {})


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in _NAMES}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(f"Executed skills {path} cannot be read ({error}). Remove the file and resume.") from error
