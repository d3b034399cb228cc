"""The networks of a two-stage skill model: policy, posterior, dynamics, Gaussian prior and flow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from studio.core.config import make_config
from studio.core.errors import ConfigError
from studio.core.task import Task
from studio.learning.ensemble import DynamicsEnsemble, make_dynamics
from studio.learning.features import FeatureMap
from studio.learning.flow import ConditionalFlow
from studio.learning.kinematics import ArmGeometry
from studio.learning.networks import GaussianHead, mlp, split_gaussian
from studio.learning.transition import Transition


@dataclass(frozen=True, kw_only=True)
class NetworkSizes:
    """Shapes that a bundle needs to rebuild its networks.

    Args:
        policy: `gru`, or `mlp` with the phase as input.
        posterior: `bigru` over every tick, or `mlp` on `posterior_ticks` sub-sampled ticks.
        dynamics_members: networks whose mean is the dynamics.
    """

    skill_size: int = 8
    policy: str = "mlp"
    policy_hidden: tuple[int, ...] = (256, 256)
    posterior: str = "mlp"
    posterior_hidden: tuple[int, ...] = (256, 256)
    posterior_ticks: int = 5
    dynamics_hidden: tuple[int, ...] = (256, 256)
    dynamics_members: int = 1
    prior_hidden: tuple[int, ...] = (256, 256)
    flow_blocks: int = 2
    flow_hidden: int = 256
    flow_context_hidden: tuple[int, ...] = (128, 128)

    def __post_init__(self) -> None:
        if self.policy not in ("mlp", "gru") or self.posterior not in ("mlp", "bigru"):
            raise ConfigError(
                f"policy is {self.policy!r} (allowed mlp, gru), posterior {self.posterior!r} (mlp, bigru)."
            )

    def to_json(self) -> dict[str, Any]:
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @staticmethod
    def from_json(data: dict[str, Any]) -> NetworkSizes:
        return make_config(NetworkSizes, data, where="bundle networks")


class PhasePolicy(nn.Module):
    """Memoryless policy with the phase k/W as input; [N, X], phase [N] -> action [N, A] (normalised)."""

    def __init__(self, input_size: int, hidden: tuple[int, ...], action_size: int) -> None:
        super().__init__()
        self.net = mlp([input_size + 2, *hidden, action_size])

    def forward(self, inputs: Tensor, phase: Tensor) -> Tensor:
        columns = torch.stack([2.0 * phase - 1.0, (2.0 * phase - 1.0).square()], dim=-1)
        return self.net(torch.cat([inputs, columns], dim=-1))


class RecurrentPolicy(nn.Module):
    """GRU policy, reset at each window's start; [N, T, X] -> actions [N, T, A] (normalised) and memory."""

    def __init__(self, input_size: int, hidden: int, action_size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(input_size, hidden, batch_first=True)
        self.out = nn.Linear(hidden, action_size)

    def forward(self, inputs: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        hidden, later = self.gru(inputs, memory)
        return self.out(hidden), later


class SampledPosterior(nn.Module):
    """q(z | window) from features of s_i and sub-sampled changes and mean actions, flattened."""

    def __init__(self, feature_size: int, tick_size: int, ticks: int, hidden: tuple[int, ...], skill_size: int) -> None:
        super().__init__()
        self.net = mlp([feature_size + ticks * tick_size, *hidden, 2 * skill_size])

    def forward(self, features: Tensor, ticks: Tensor) -> tuple[Tensor, Tensor]:
        return split_gaussian(self.net(torch.cat([features, ticks.flatten(1)], dim=-1)))


class RecurrentPosterior(nn.Module):
    """q(z | window) from a bidirectional GRU over every tick."""

    def __init__(self, feature_size: int, tick_size: int, hidden: int, skill_size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(tick_size, hidden, batch_first=True, bidirectional=True)
        self.out = mlp([feature_size + 2 * hidden, hidden, 2 * skill_size])

    def forward(self, features: Tensor, ticks: Tensor) -> tuple[Tensor, Tensor]:
        last = self.gru(ticks)[1]  # [2, N, H]: the end of each direction
        return split_gaussian(self.out(torch.cat([features, last[0], last[1]], dim=-1)))


class SkillNetworks(nn.Module):
    """Everything that a bundle stores, as named parts: `features`, `transition`, `actions`, and the five networks.

    Inputs are raw SI states [N, S] with the index of the canonical frame [N].
    """

    def __init__(
        self, task: Task, geometry: ArmGeometry | None, action_size: int, window: int, sizes: NetworkSizes
    ) -> None:
        super().__init__()
        self.task, self.sizes, self.window, self.action_size = task, sizes, window, action_size
        self.features = FeatureMap(task, geometry)
        self.transition = Transition(task)
        self.actions = ActionScale(action_size)
        width, change, skill = self.features.size, self.transition.size, sizes.skill_size
        policy_input = width + change + skill
        if sizes.policy == "mlp":
            self.policy: nn.Module = PhasePolicy(policy_input, sizes.policy_hidden, action_size)
        else:
            self.policy = RecurrentPolicy(policy_input, sizes.policy_hidden[-1], action_size)
        tick = change + action_size
        if sizes.posterior == "mlp":
            self.posterior: nn.Module = SampledPosterior(
                width, tick, sizes.posterior_ticks, sizes.posterior_hidden, skill
            )
        else:
            self.posterior = RecurrentPosterior(width, tick, sizes.posterior_hidden[-1], skill)
        self.dynamics = make_dynamics([width + skill, *sizes.dynamics_hidden, change], sizes.dynamics_members)
        self.prior = GaussianHead(width, sizes.prior_hidden, skill)
        self.flow = make_flow(width, sizes)

    def predicted_change(self, features: Tensor, z: Tensor) -> Tensor:
        """Normalised change over one window [N, D]: the mean of the dynamics' members."""
        return self.dynamics(torch.cat([features, z], dim=-1))

    def each_change(self, features: Tensor, z: Tensor) -> Tensor:
        """What every member of the dynamics says [M, N, D]."""
        inputs = torch.cat([features, z], dim=-1)
        return (
            self.dynamics.each(inputs) if isinstance(self.dynamics, DynamicsEnsemble) else self.dynamics(inputs)[None]
        )

    def own_change(self, features: Tensor, z: Tensor) -> Tensor:
        """[N, D], each row from one member only; for training members apart from each other."""
        inputs = torch.cat([features, z], dim=-1)
        return self.dynamics.own(inputs) if isinstance(self.dynamics, DynamicsEnsemble) else self.dynamics(inputs)

    def policy_input(self, features: Tensor, change_to_goal: Tensor, z: Tensor) -> Tensor:
        """What the policy sees: features of the state now, the normalised change to the window's goal, the skill."""
        return torch.cat([features, change_to_goal.clamp(-8.0, 8.0), z], dim=-1)

    def parts(self) -> dict[str, nn.Module]:
        return dict(self.named_children())


def make_flow(feature_size: int, sizes: NetworkSizes) -> ConditionalFlow:
    """The flow that sizes describe."""
    return ConditionalFlow(
        feature_size=feature_size,
        size=sizes.skill_size,
        blocks=sizes.flow_blocks,
        hidden=sizes.flow_hidden,
        context_hidden=sizes.flow_context_hidden,
        head_hidden=sizes.prior_hidden,
    )


class ActionScale(nn.Module):
    """Normalises actions: (a - mean) / deviation."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    def encode(self, action: Tensor) -> Tensor:
        return (action - self.mean) / self.deviation

    def decode(self, normalised: Tensor) -> Tensor:
        return normalised * self.deviation + self.mean
