"""What planning needs of a trained skill model, as a protocol, so that toys and tests can stand in its place."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from studio.core.task import Task


class Skills(Protocol):
    """See `studio.learning.skill_model.SkillModel`. Raw SI states, float32, batch first."""

    @property
    def skill_size(self) -> int: ...
    @property
    def state_size(self) -> int: ...
    @property
    def action_size(self) -> int: ...
    @property
    def window(self) -> int: ...
    @property
    def rate_hz(self) -> float: ...
    @property
    def task(self) -> Task: ...

    def skill(self, u: Tensor, state: Tensor, /) -> Tensor:
        """Base controls [N, d] in (-1, 1) and states [N, S] to skills [N, d]."""
        ...

    def predict(self, state: Tensor, z: Tensor, /) -> Tensor:
        """Where skills [N, d] lead from states [N, S]: states [N, S]."""
        ...

    def start_policy(self, state: Tensor, /) -> None:
        """Forget the recurrent state; called at every window boundary with the state [S] that z was decoded at."""
        ...

    def act(self, state: Tensor, state_goal: Tensor, z: Tensor, phase: int, /) -> Tensor:
        """Action [A] at a policy tick; `phase` counts ticks since the boundary."""
        ...

    def tips(self, state: Tensor, /) -> Tensor:
        """Fingertips [N, pairs, 3] in m of states [N, S]."""
        ...


@runtime_checkable
class UncertainSkills(Protocol):
    """Skills that know how sure their predictions are."""

    def disagreement(self, state: Tensor, z: Tensor, /) -> Tensor:
        """How far the members of the dynamics differ on skills [N, d] from states [N, S]: [N]."""
        ...


def window_ns(skills: Skills) -> int:
    """Length of one skill in ns."""
    return round(skills.window / skills.rate_hz * 1e9)
