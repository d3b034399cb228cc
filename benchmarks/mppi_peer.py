"""pytorch_mppi on our networks, set up as well as we can: masks multiplied in once, features shared, no gradients."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.core.errors import ConfigError
from studio.learning.distributions import BASE_LIMIT, LOGISTIC_HALF_DEVIATION
from studio.learning.flow import MaskedBlock
from studio.learning.skill_model import SkillModel
from studio.learning.value import SCALE, LearnedValue
from studio.planning.config import PlannerConfig
from studio.planning.goal_score import GoalScore

PEER = "pytorch_mppi"


def load_pytorch_mppi() -> Any:
    """The module, or how to get it.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pytorch_mppi  # pyright: ignore[reportMissingImports] - of the extra "bench"
    except ImportError:
        raise ConfigError(
            "bench mppi compares with pytorch_mppi, which is not installed. Type: .venv/bin/pip install -e '.[bench]'"
        ) from None
    return pytorch_mppi


class PeerModel(nn.Module):
    """The skill model as a per-step callable for other planners: (state [K, S], u [K, d]) -> state [K, S], and cost.

    Args:
        model: our model; its weights are copied.
        value: the learned value, or None for a distance.
        score: of predicted states.
        half: networks in bfloat16.
    """

    def __init__(self, model: SkillModel, value: LearnedValue | None, score: GoalScore, *, half: bool = False) -> None:
        super().__init__()
        self.nets = copy.deepcopy(model.networks)
        self.value = copy.deepcopy(value.value) if value is not None else None
        self.uses_flow = model.prior == "flow"
        self._score = score
        self._last: tuple[Tensor, Tensor] | None = None
        for block in self.nets.flow.blocks:
            assert isinstance(block, MaskedBlock)
            block.first.weight.data *= block.mask_in
            block.second.weight.data *= block.mask_hidden
            block.out.weight.data *= block.mask_out
        self._kind = torch.bfloat16 if half else torch.float32
        for part in (self.nets.flow, self.nets.prior, self.nets.dynamics, self.value):
            if part is not None:
                part.to(self._kind)

    def features(self, state: Tensor) -> Tensor:
        """Features [K, F]; kept, because the state a cost was asked for is the next step's state."""
        if self._last is not None and self._last[0] is state:
            return self._last[1]
        found = self.nets.features(state, self.nets.features.frame(state))
        self._last = (state, found)
        return found

    def dynamics(self, state: Tensor, u: Tensor) -> Tensor:
        features = self.features(state)
        inputs = torch.cat([features, self.decode(u, features)], dim=-1)
        return self.nets.transition.apply(state, self.nets.dynamics(inputs.to(self._kind)).float())

    def decode(self, u: Tensor, features: Tensor) -> Tensor:
        known, u = features.to(self._kind), u.clamp(-BASE_LIMIT, BASE_LIMIT)
        head = self.nets.flow.head if self.uses_flow else self.nets.prior
        x = self._flow(u, known) if self.uses_flow else 2**0.5 * torch.erfinv(u)
        mean, log_deviation = head(known)
        return mean.float() + torch.exp(log_deviation.float()) * x

    def _flow(self, u: Tensor, known: Tensor) -> Tensor:
        flow = self.nets.flow
        x = torch.atanh(u) / LOGISTIC_HALF_DEVIATION
        context = flow.context(known)
        for block in flow.blocks:
            assert isinstance(block, MaskedBlock)
            first, second = block.context(context).chunk(2, dim=-1)
            hidden = functional.silu(block.first(x.to(self._kind)) + first)
            shift, free = block.out(functional.silu(block.second(hidden) + second)).float().chunk(2, dim=-1)
            x = (shift + torch.exp(3.0 * torch.tanh(free / 3.0)) * x).flip(-1)
        return x

    def cost(self, state: Tensor, _u: Tensor | None = None) -> Tensor:
        if self.value is None:
            return self._score.cost(state)
        goal = self._score.goal.expand(len(state), -1)
        inputs = self.value.inputs(self.features(state), state, goal).to(self._kind)
        found = torch.stack([member(inputs)[:, 0] for member in self.value.members]).amin(0)
        return -SCALE * found.float() + self._score.area_cost(state)


def make_peer(model: PeerModel, settings: PlannerConfig, *, temperature: float, noise: float) -> Any:
    """Their planner with our sizes; its action cost vanishes at U = 0, where it starts."""
    module = load_pytorch_mppi()
    size = model.nets.sizes.skill_size
    limit = torch.full((size,), settings.control_limit)
    return module.MPPI(
        model.dynamics,
        model.cost,
        model.nets.task.state_size,
        torch.eye(size) * noise**2,
        num_samples=settings.samples,
        horizon=settings.stages,
        lambda_=temperature,
        u_min=-limit,
        u_max=limit,
        U_init=torch.zeros(settings.stages, size),
        u_init=torch.zeros(size),
    )
