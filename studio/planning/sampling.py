"""One iterated weighted-sampling loop over callables: MPPI and CEM in the base space of skills.

Source: methods paper section 1b (MPPI over skills) and traps 1 to 5. The planner knows no robot, box or network: it
gets rollouts, which turn base controls into predicted states and returns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from studio.planning.config import PlannerConfig
from studio.planning.rollouts import Rolled, Rollouts


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one call of the planner gives.

    Args:
        controls: U*, averaged base controls [H, d].
        skill: z0 [d], decoded from U*[0] at the state planned from.
        state_goal: where z0 is predicted to end [S].
        returns: of the last pass's samples [N].
        weights: of the last pass's samples [N], summing to 1.
        effective_samples: 1 / sum of squared weights.
        path: predicted states of U* [H + 1, S], or of its first skill only [2, S].
        fan: predicted states of the best samples, best first [F, H + 1, S].
        fan_returns: their returns [F].
        candidates: U* and the best sequences of the last pass [H, K, d], to be weighed again at another state; K may
            be 0.
    """

    controls: Tensor
    skill: Tensor
    state_goal: Tensor
    returns: Tensor
    weights: Tensor
    effective_samples: float
    path: Tensor
    fan: Tensor
    fan_returns: Tensor
    candidates: Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0))

    def is_sound(self, control_limit: float) -> bool:
        """Finite numbers, and controls inside the box: what may be followed."""
        numbers = (self.controls, self.skill, self.state_goal)
        inside = float(self.controls.abs().max()) <= control_limit + 1e-6
        return inside and all(bool(torch.isfinite(part).all()) for part in numbers)


def soft_weights(returns: Tensor, temperature: float, *, standardise: bool) -> Tensor:
    """softmax(G / lambda) [N], of standardised returns when asked; a return that is not finite weighs nothing."""
    finite = torch.isfinite(returns)
    if not bool(finite.any()):
        return torch.full_like(returns, 1.0 / returns.numel())
    centred = torch.where(finite, returns - returns[finite].max(), torch.full_like(returns, -torch.inf))
    if standardise:
        spread = returns[finite].std(correction=0)
        centred = centred / spread.clamp_min(1e-12)
    return torch.softmax(centred / temperature, dim=0)


def elite_weights(returns: Tensor, share: float) -> Tensor:
    """1/k for the k best samples, 0 for the others [N]."""
    count = max(1, round(share * returns.numel()))
    weights = torch.zeros_like(returns)
    weights[torch.topk(returns, count).indices] = 1.0 / count
    return weights


class SamplingPlanner:
    """N samples, H stages, `passes` passes.

    Args:
        settings: sizes and spreads.
        rollouts: from base controls to returns; each stage is decoded at the *predicted* state (trap 1).
        generator: the source of chance; its device is where samples are drawn.
        skill_size: d.
    """

    def __init__(
        self, settings: PlannerConfig, rollouts: Rollouts, generator: torch.Generator, *, skill_size: int
    ) -> None:
        self.settings = settings
        self.skill_size = skill_size
        self._rollouts = rollouts
        self._generator = generator

    @torch.inference_mode()
    def plan(
        self, state: Tensor, previous: Tensor | None = None, *, whole_path: bool = True, samples: int | None = None
    ) -> Plan:
        """Plan from `state` [S].

        Args:
            previous: U* [H, d] of the last plan *after* shifting (see `shift_controls`).
            whole_path: predict all of U*'s path for the screen; otherwise its first skill only, which is quicker.
            samples: N of this plan; None takes that of the settings.
        """
        centre, spread = previous, None
        rolled, weights, controls = None, state, state  # replaced below; passes >= 1 is checked by the settings
        for number in range(self.settings.passes):
            controls = self._propose(number, centre, spread, samples or self.settings.samples)
            rolled = self._rollouts.roll_out(state, controls, paths=number == self.settings.passes - 1)
            weights = self._weigh(rolled.returns)
            centre = torch.einsum("n,hnd->hd", weights, controls)
            spread = self._spread(controls, weights, centre)
        assert centre is not None
        assert rolled is not None
        return self._finish(state, centre, rolled, weights, controls, whole_path)

    @torch.inference_mode()
    def weigh_again(self, state: Tensor, candidates: Tensor) -> Tensor:
        """The mean [H, d] of sequences [H, K, d] and fresh ones around the first, weighed from `state` [S] on."""
        settings, fresh = self.settings, self.settings.fresh
        if fresh:
            around = candidates[:, :1] + settings.refine_noise * self._normal(fresh)
            candidates = torch.cat([candidates, around.clamp(-settings.control_limit, settings.control_limit)], dim=1)
        weights = self._weigh(self._rollouts.roll_out(state, candidates, paths=False).returns)
        return torch.einsum("n,hnd->hd", weights, candidates)

    def random_controls(self) -> Tensor:
        """Base controls [H, d] drawn from the box, for random skills and for unsticking."""
        return self._uniform(1)[:, 0]

    def predict_path(self, state: Tensor, controls: Tensor) -> Tensor:
        """States [H + 1, S] that `controls` [H, d] lead to from `state` [S]."""
        path = self._rollouts.roll_out(state, controls[:, None], exact=True).path
        assert path is not None
        return path[:, 0]

    def _propose(self, number: int, centre: Tensor | None, spread: Tensor | None, samples: int) -> Tensor:
        settings = self.settings
        controls = self._uniform(samples)
        if centre is None:
            return controls
        first = number == 0
        share = settings.base_share if first else settings.refine_base_share
        count = samples - round(share * samples)
        if count:
            noise = self._noise(first, spread)
            around = centre[:, None] + noise * self._normal(count)
            controls[:, :count] = around.clamp(-settings.control_limit, settings.control_limit)
        if settings.inject_previous or not first:
            controls[:, 0] = centre.clamp(-settings.control_limit, settings.control_limit)
        return controls

    def _noise(self, first: bool, spread: Tensor | None) -> Tensor:
        if spread is not None and self.settings.algorithm == "cem":
            return spread[:, None]
        return torch.tensor(self.settings.noise if first else self.settings.refine_noise)

    def _uniform(self, count: int) -> Tensor:
        shape = (self.settings.stages, count, self.skill_size)
        return (torch.rand(shape, generator=self._generator) * 2 - 1) * self.settings.control_limit

    def _normal(self, count: int) -> Tensor:
        return torch.randn((self.settings.stages, count, self.skill_size), generator=self._generator)

    def _weigh(self, returns: Tensor) -> Tensor:
        if self.settings.algorithm == "cem":
            return elite_weights(returns, self.settings.elite_share)
        return soft_weights(returns, self.settings.temperature, standardise=self.settings.standardise)

    def _spread(self, controls: Tensor, weights: Tensor, centre: Tensor) -> Tensor:
        variance = torch.einsum("n,hnd->hd", weights, (controls - centre[:, None]).square())
        return variance.sqrt().clamp_min(0.02)  # never narrower, or the next pass would find nothing new

    def _finish(
        self, state: Tensor, centre: Tensor, rolled: Rolled, weights: Tensor, controls: Tensor, whole_path: bool
    ) -> Plan:
        """z0 and its end are computed again after averaging, exactly: they belong to U*, not to a sample."""
        returns, path = rolled.returns, rolled.path
        best = torch.topk(returns, min(self.settings.fan, returns.numel())).indices
        chosen = centre if whole_path else centre[:1]
        final = self._rollouts.roll_out(state, chosen[:, None], exact=True)
        assert path is not None
        assert final.path is not None
        assert final.skills is not None
        predicted = final.path[:, 0]
        return Plan(
            controls=centre,
            skill=final.skills[0, 0],
            state_goal=predicted[1],
            returns=returns,
            weights=weights,
            effective_samples=float(1.0 / weights.square().sum()),
            path=predicted,
            fan=path[:, best].transpose(0, 1),
            fan_returns=returns[best],
            candidates=self._candidates(centre, controls, returns),
        )

    def _candidates(self, centre: Tensor, controls: Tensor, returns: Tensor) -> Tensor:
        count = self.settings.candidates
        if not count:
            return centre[:, None][:, :0]
        best = torch.topk(returns, min(count - 1, returns.numel())).indices
        return torch.cat([centre[:, None], controls[:, best]], dim=1)


def shift_controls(controls: Tensor, skills: int = 1) -> Tensor:
    """U* [H, d], or several [H, K, d], after `skills` skills have run: shifted, the last row repeated (methods 1c)."""
    skills = min(max(skills, 0), len(controls) - 1)
    return torch.cat([controls[skills:], controls[-1:].expand(skills, *controls.shape[1:])])
