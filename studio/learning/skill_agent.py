"""Offline reinforcement learning in the base space of a skill model: soft actor-critic on (s, g, u). methods-papers 1b.

The actor answers with base controls u in (-u_max, u_max)^d, which the flow turns into skills, so whatever it answers
is a skill that play contains. p0 is uniform, hence the entropy term is a divergence from the learned skill prior: it
enters as -alpha KL(pi || p0) <= 0, which keeps the sparse return at most 0 (trap 14), where a plain entropy bonus would
reward staying away from the goal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from studio.learning.cvae import Statistics
from studio.learning.networks import mlp

_LOG_DEVIATION = (-5.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """Numbers of the soft actor-critic.

    Args:
        discount: per skill [paper].
        control_limit: u_max [paper: 1].
        target_rate: the slow critics follow by this share with every update [O].
        divergence: KL of the actor from the skill prior, in nats, that alpha is steered to; 0 keeps alpha as it is.
        first_alpha: weight of the divergence at the start.
        scale: the critics' networks put out Q / scale, so that what they learn is about 1.
        conservative: c of c * (logsumexp_u Q(s, u) - Q(s, u_data)); 0 leaves it out (1f).
        conservative_samples: controls drawn for that logsumexp.
    """

    discount: float = 0.96
    control_limit: float = 1.0
    target_rate: float = 0.005
    divergence: float = 4.0
    first_alpha: float = 0.05
    scale: float = 10.0
    conservative: float = 0.0
    conservative_samples: int = 10


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """A batch: what the networks see now and after the skill [N, X], controls [N, d], reward and done [N].

    `recorded` [N] marks transitions that play shows; imagined ones are no data for the conservative term. `least` [N]
    is what the return is at least, because play went on from there to the goal; -inf where that is not known.
    """

    now: Tensor
    after: Tensor
    control: Tensor
    reward: Tensor
    done: Tensor
    recorded: Tensor
    least: Tensor


class SkillAgent(nn.Module):
    """Actor, two critics with slow copies, and the weight alpha.

    Args:
        input_size: X, features of the state and of the goal seen from it.
        size: d.
        hidden: layers of each network.
    """

    def __init__(self, input_size: int, size: int, hidden: tuple[int, ...], settings: AgentSettings) -> None:
        super().__init__()
        self.size, self.settings = size, settings
        self.actor = mlp([input_size, *hidden, 2 * size])
        self.critics = nn.ModuleList(mlp([input_size + size, *hidden, 1]) for _ in range(2))
        self.slow = nn.ModuleList(mlp([input_size + size, *hidden, 1]) for _ in range(2))
        self.slow.load_state_dict(self.critics.state_dict())
        self.slow.requires_grad_(False)
        self.log_alpha = nn.Parameter(torch.tensor(math.log(settings.first_alpha)))

    def act(self, inputs: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Controls [N, d] and log pi(u) - log p0(u) [N], a sample of the divergence; the mode without a generator."""
        mean, free = self.actor(inputs).chunk(2, dim=-1)
        low, high = _LOG_DEVIATION
        log_deviation = low + 0.5 * (high - low) * (torch.tanh(free) + 1.0)
        noise = torch.zeros_like(mean) if generator is None else torch.randn(mean.shape, generator=generator)
        x = mean + log_deviation.exp() * noise
        density = -0.5 * (noise.square() + math.log(2.0 * math.pi)) - log_deviation
        log_slope = 2.0 * (math.log(2.0) - x - nn.functional.softplus(-2.0 * x))  # log (1 - tanh^2 x)
        # u = u_max tanh x under p0 = (2 u_max)^-d: the two factors u_max cancel
        return self.settings.control_limit * torch.tanh(x), (density - log_slope + math.log(2.0)).sum(-1)

    def values(self, inputs: Tensor, control: Tensor, *, slow: bool = False) -> Tensor:
        """Q of both critics [2, N]."""
        seen = torch.cat([inputs, control], dim=-1)
        critics = self.slow if slow else self.critics
        return self.settings.scale * torch.stack([critic(seen)[:, 0] for critic in critics])

    @torch.no_grad()
    def follow(self) -> None:
        """Move the slow critics a little towards the critics."""
        for slow, quick in zip(self.slow.parameters(), self.critics.parameters(), strict=True):
            slow.lerp_(quick, self.settings.target_rate)


def agent_loss(agent: SkillAgent, batch: Transitions, generator: torch.Generator) -> tuple[Tensor, Statistics]:
    """Critic, actor and alpha losses in one sum; each has gradients for its own parameters only."""
    settings = agent.settings
    alpha = agent.log_alpha.exp().detach()
    with torch.no_grad():
        later, divergence_later = agent.act(batch.after, generator)
        ahead = agent.values(batch.after, later, slow=True).amin(0) - alpha * divergence_later
        target = batch.reward + settings.discount * (1.0 - batch.done) * ahead
        target = torch.maximum(target, batch.least)
    found = agent.values(batch.now, batch.control)
    critic = (found - target).square().mean()
    control, divergence = agent.act(batch.now, generator)
    actor = (alpha * divergence - _frozen_values(agent, batch.now, control).amin(0)).mean()
    steered = (settings.divergence - divergence.mean()).detach() if settings.divergence > 0.0 else torch.zeros(())
    loss = critic + actor + agent.log_alpha * steered
    statistics = {"critic": critic, "value": found.mean(), "divergence": divergence.mean(), "alpha": alpha}
    if settings.conservative > 0.0:
        gap = _optimism(agent, batch, generator)
        loss = loss + settings.conservative * gap
        statistics["optimism"] = gap
    return loss, {name: value.detach() for name, value in statistics.items()}


def _frozen_values(agent: SkillAgent, inputs: Tensor, control: Tensor) -> Tensor:
    """Q [2, N] with a gradient for the control alone."""
    seen = torch.cat([inputs, control], dim=-1)
    frozen = ({name: p.detach() for name, p in critic.named_parameters()} for critic in agent.critics)
    found = [functional_call(c, f, (seen,))[:, 0] for c, f in zip(agent.critics, frozen, strict=True)]
    return agent.settings.scale * torch.stack(found)


def _optimism(agent: SkillAgent, batch: Transitions, generator: torch.Generator) -> Tensor:
    """E_s[log mean_u exp Q(s, u) - Q(s, u_data)] over recorded transitions; u uniform in the box."""
    rows = batch.recorded.nonzero().flatten()
    inputs, count = batch.now[rows], agent.settings.conservative_samples
    uniform = 2.0 * torch.rand((len(rows) * count, agent.size), generator=generator) - 1.0
    wide = agent.values(inputs.repeat_interleave(count, 0), agent.settings.control_limit * uniform)
    level = torch.logsumexp(wide.unflatten(1, (len(rows), count)), dim=-1) - math.log(count)
    return (level - agent.values(inputs, batch.control[rows])).mean()
