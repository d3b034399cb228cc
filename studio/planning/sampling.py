"""One iterated weighted-sampling loop over callables: MPPI and CEM in the base space of skills.

Source: methods paper section 1b (MPPI over skills) and traps 1 to 5. The planner knows no robot, box or network: it
gets `decode` (base control and state to skill), `dynamics` (state and skill to the state where the skill ends) and
two scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.planning.config import PlannerConfig

Decode = Callable[[Tensor, Tensor], Tensor]
Dynamics = Callable[[Tensor, Tensor], Tensor]
Score = Callable[[Tensor, Tensor], Tensor]
TerminalScore = Callable[[Tensor], Tensor]


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
        decode: (u [N, d], state [N, S]) -> z [N, d]; called with each rollout's own *predicted* state (trap 1).
        dynamics: (state [N, S], z [N, d]) -> state [N, S].
        score: R(state [N, S], z [N, d]) -> [N], taken before the transition.
        terminal_score: (state [N, S]) -> [N], of the last predicted state (trap 4).
        generator: the source of chance; its device is where samples are drawn.
        skill_size: d.
    """

    def __init__(
        self,
        settings: PlannerConfig,
        decode: Decode,
        dynamics: Dynamics,
        score: Score,
        terminal_score: TerminalScore,
        generator: torch.Generator,
        *,
        skill_size: int,
    ) -> None:
        self.settings = settings
        self.skill_size = skill_size
        self._decode = decode
        self._dynamics = dynamics
        self._score = score
        self._terminal_score = terminal_score
        self._generator = generator

    @torch.inference_mode()
    def plan(self, state: Tensor, previous: Tensor | None = None, *, whole_path: bool = True) -> Plan:
        """Plan from `state` [S].

        Args:
            previous: U* [H, d] of the last plan *after* shifting (see `shift_controls`).
            whole_path: predict all of U*'s path for the screen; otherwise its first skill only, which is quicker.
        """
        centre, spread = previous, None
        controls = path = returns = weights = state  # replaced below; passes >= 1 is checked by the settings
        for number in range(self.settings.passes):
            controls = self._propose(number, centre, spread)
            path, returns = self._roll_out(state, controls)
            weights = self._weigh(returns)
            centre = torch.einsum("n,hnd->hd", weights, controls)
            spread = self._spread(controls, weights, centre)
        assert centre is not None
        return self._finish(state, centre, path, returns, weights, whole_path)

    def random_controls(self) -> Tensor:
        """Base controls [H, d] drawn from the box, for random skills and for unsticking."""
        return self._uniform(1)[:, 0]

    def predict_path(self, state: Tensor, controls: Tensor) -> Tensor:
        """States [H + 1, S] that `controls` [H, d] lead to from `state` [S]."""
        return self._roll_out(state, controls[:, None])[0][:, 0]

    def _propose(self, number: int, centre: Tensor | None, spread: Tensor | None) -> Tensor:
        settings = self.settings
        controls = self._uniform(settings.samples)
        if centre is None:
            return controls
        first = number == 0
        share = settings.base_share if first else settings.refine_base_share
        count = settings.samples - round(share * settings.samples)
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

    def _roll_out(self, state: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        """States [H + 1, N, S] and returns [N] of controls [H, N, d]; each stage starts at its own predicted state."""
        stages, count, _ = controls.shape  # skill models keep the features of the newest tensor they were given
        current = state.expand(count, -1)
        path, returns = [current], state.new_zeros(count)
        for stage in range(stages):
            skill = self._decode(controls[stage], current)
            returns = returns + self._score(current, skill)
            current = self._dynamics(current, skill)
            path.append(current)
        return torch.stack(path), returns + self._terminal_score(current)

    def _weigh(self, returns: Tensor) -> Tensor:
        if self.settings.algorithm == "cem":
            return elite_weights(returns, self.settings.elite_share)
        return soft_weights(returns, self.settings.temperature, standardise=self.settings.standardise)

    def _spread(self, controls: Tensor, weights: Tensor, centre: Tensor) -> Tensor:
        variance = torch.einsum("n,hnd->hd", weights, (controls - centre[:, None]).square())
        return variance.sqrt().clamp_min(0.02)  # never narrower, or the next pass would find nothing new

    def _finish(
        self, state: Tensor, centre: Tensor, path: Tensor, returns: Tensor, weights: Tensor, whole_path: bool
    ) -> Plan:
        best = torch.topk(returns, min(self.settings.fan, returns.numel())).indices
        predicted = self.predict_path(state, centre if whole_path else centre[:1])
        skill = self._decode(centre[:1], state[None])[0]  # again after averaging: z0 belongs to U*, not to a sample
        return Plan(
            controls=centre,
            skill=skill,
            state_goal=predicted[1],
            returns=returns,
            weights=weights,
            effective_samples=float(1.0 / weights.square().sum()),
            path=predicted,
            fan=path[:, best].transpose(0, 1),
            fan_returns=returns[best],
        )


def shift_controls(controls: Tensor, skills: int = 1) -> Tensor:
    """U* [H, d] after `skills` of its skills have run: shifted, the last row repeated (methods 1c)."""
    skills = min(max(skills, 0), len(controls) - 1)
    return torch.cat([controls[skills:], controls[-1:].expand(skills, -1)])
