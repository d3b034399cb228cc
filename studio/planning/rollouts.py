"""How samples become returns: one rollout of all stages for all samples, in torch, or by whatever does it quicker.

Everything that samples (MPPI, CEM) goes through `Rollouts`; a planner that does not sample has no use for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Decode = Callable[[Tensor, Tensor], Tensor]
Dynamics = Callable[[Tensor, Tensor], Tensor]
Score = Callable[[Tensor, Tensor], Tensor]
TerminalScore = Callable[[Tensor], Tensor]


class Rolled(Protocol):
    """What became of samples."""

    @property
    def path(self) -> Tensor | None:
        """States [H + 1, N, S]; None when not asked for."""
        ...

    @property
    def skills(self) -> Tensor | None:
        """Decoded skills [H, N, d]; None when not asked for."""
        ...

    @property
    def returns(self) -> Tensor:
        """[N]."""
        ...


class Rollouts(Protocol):
    """Rolls base controls out from one state; see `TorchRollouts`."""

    def roll_out(self, state: Tensor, controls: Tensor, *, exact: bool = False, paths: bool = True) -> Rolled:
        """From `state` [S] with `controls` [H, N, d].

        Args:
            exact: float32, whatever the samples are rolled out with.
            paths: states and skills are wanted, not only returns.
        """
        ...


class GoalRollouts(Rollouts, Protocol):
    """Rollouts that score by themselves towards a goal [12] (position in m, row-major rotation)."""

    def set_goal(self, goal: Tensor, /) -> None: ...


@dataclass(frozen=True, kw_only=True)
class TorchRolled:
    path: Tensor | None
    skills: Tensor | None
    returns: Tensor


class TorchRollouts:
    """Rollouts over callables: the reference, and what there is without a native library.

    Args:
        decode: (u [N, d], state [N, S]) -> z [N, d]; called with each rollout's own *predicted* state (trap 1).
        dynamics: (state [N, S], z [N, d]) -> state [N, S].
        score: R(state [N, S], z [N, d]) -> [N], taken before the transition.
        terminal_score: (state [N, S]) -> [N], of the last predicted state (trap 4).
    """

    def __init__(self, decode: Decode, dynamics: Dynamics, score: Score, terminal_score: TerminalScore) -> None:
        self._decode, self._dynamics = decode, dynamics
        self._score, self._terminal_score = score, terminal_score

    @torch.inference_mode()
    def roll_out(self, state: Tensor, controls: Tensor, *, exact: bool = False, paths: bool = True) -> TorchRolled:
        """See `Rollouts`; each stage starts at its own predicted state."""
        del exact  # it always is
        current = state.expand(controls.shape[1], -1)  # skill models keep the features of the newest tensor they saw
        path, skills, returns = [current], [], state.new_zeros(controls.shape[1])
        for control in controls:
            skill = self._decode(control, current)
            returns = returns + self._score(current, skill)
            current = self._dynamics(current, skill)
            if paths:
                path.append(current)
                skills.append(skill)
        returns = returns + self._terminal_score(current)
        if not paths:
            return TorchRolled(path=None, skills=None, returns=returns)
        return TorchRolled(path=torch.stack(path), skills=torch.stack(skills), returns=returns)
