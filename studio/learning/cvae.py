"""Losses of the two-stage skill model as pure functions: (loss, statistics). spec/methods-papers.md 1b.

Stage 1:  L = w_a |a - pi(s, s_g, z)|^2 + w_g |s_g - f(s_i, z)|^2 + beta KL(q || p),  z ~ q(z | window)
Chains:   the dynamics alone, rolled over several recorded windows with posterior skills
Stage 2:  -log p_flow(z | s_i), a fresh z ~ q for every batch
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from studio.core.task import Task
from studio.learning.distributions import gaussian_kl, gaussian_log_density, gaussian_sample
from studio.learning.ensemble import member_masks
from studio.learning.features import JOINT_FIELD
from studio.learning.latent_match import Discriminator, adversarial_loss, mmd_squared
from studio.learning.skill_networks import RecurrentPolicy, SkillNetworks
from studio.learning.windows import WindowTensors, even_ticks, spread

Statistics = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights of stage 1; all visible, none hidden in a loss (1c trap 8).

    `feature_noise` blurs what the prior (and later the flow) sees of the state, in spreads: without it both learn
    single recordings by heart when there are few. `latent` says what keeps posterior and prior together: `kl` with
    weight `beta`, or `mmd` or `adversarial` with weight `latent_weight` (see `studio.learning.latent_match`).
    """

    action: float = 1.0
    goal: float = 1.0
    beta: float = 0.001
    reduction: str = "mean"
    feature_noise: float = 0.0
    latent: str = "kl"
    latent_weight: float = 1.0


@dataclass(frozen=True)
class PolicyNoise:
    """Noise on the state that the policy sees, with the action's target corrected.

    The leader does not move when the follower is pushed: with a = leader - follower, noise e on the follower's position
    turns the target into a - e (spec/feasibility.md, first study C).

    Args:
        deviation: [S] in the state's units, zeros where no noise is put.
        state_columns, action_columns: which state entries an action entry was measured from; may be empty.
    """

    deviation: Tensor
    state_columns: Tensor
    action_columns: Tensor

    def add(self, states: Tensor, actions: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Noisy states [..., S] and corrected actions [..., A]."""
        noise = torch.randn(states.shape, generator=generator) * self.deviation
        corrected = actions.clone()
        corrected[..., self.action_columns] -= noise[..., self.state_columns]
        return states + noise, corrected


def make_policy_noise(task: Task, *, position_rad: float, velocity: float, plain: Tensor) -> PolicyNoise:
    """The noise that fits a task.

    Args:
        plain: deviation [S] for the vector and velocity blocks of tasks whose action is not measured from the joints.
    """
    deviation = torch.zeros(task.state_size)
    measured = [b for b in task.state if b.field == JOINT_FIELD] if task.action == "leader_minus_follower" else []
    for block in task.state:
        span = task.span(block.name)
        if block.kind in ("vector", "velocity"):
            deviation[span] = plain[span] if not measured else velocity if block.kind == "velocity" else position_rad
    if not measured:
        return PolicyNoise(deviation, torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    span = task.span(measured[0].name)
    columns = torch.arange(span.start, span.stop)
    return PolicyNoise(deviation, columns, torch.arange(len(columns)))


def fit_scales(networks: SkillNetworks, windows: WindowTensors, starts: Tensor) -> None:
    """Set the normalisers from windows: features and actions by mean and spread, changes by their spread."""
    with torch.no_grad():
        state, later = windows.states[starts], windows.states[starts + windows.window]
        features = networks.features.raw(state, networks.features.frame(state))
        networks.features.mean.copy_(features.mean(0))
        networks.features.deviation.copy_(spread(features))
        networks.transition.scale.copy_(spread(networks.transition.difference(state, later)))
        actions = windows.actions[starts]
        networks.actions.mean.copy_(actions.mean(0))
        networks.actions.deviation.copy_(spread(actions))


@dataclass(frozen=True)
class Encoded:
    """A batch of windows as the posterior sees it: frame [B], features of s_i [B, F], changes and actions per tick."""

    starts: Tensor
    frame: Tensor
    features: Tensor
    ticks: Tensor
    change: Tensor


def encode_windows(networks: SkillNetworks, windows: WindowTensors, starts: Tensor) -> Encoded:
    """Gather the windows at `starts` [B] and bring each into the canonical frame of its first state."""
    sizes, window = networks.sizes, windows.window
    state = windows.states[starts]
    frame = networks.features.frame(state)
    count = window if sizes.posterior == "bigru" else sizes.posterior_ticks
    ends = even_ticks(window, count)
    changes = networks.transition.encode(state[:, None], windows.states_at(starts, torch.tensor(ends)))
    actions = networks.actions.encode(windows.actions_at(starts, torch.arange(window)))
    if count != window:
        actions = _mean_between(actions, ends)
    per_tick = torch.cat([changes, actions], dim=-1).clamp(-10.0, 10.0)
    return Encoded(starts, frame, networks.features(state, frame), per_tick, changes[:, -1])


def _mean_between(actions: Tensor, ends: Sequence[int]) -> Tensor:
    """Mean actions [B, K, A] over the stretches that end at ticks `ends` [K], of actions [B, W, A]."""
    edges = [0, *ends]
    return torch.stack([actions[:, a:b].mean(1) for a, b in pairwise(edges)], dim=1)


def stage_1_loss(
    networks: SkillNetworks,
    windows: WindowTensors,
    starts: Tensor,
    weights: LossWeights,
    *,
    noise: PolicyNoise | None,
    goal_noise: float,
    policy_ticks: int,
    generator: torch.Generator,
    discriminator: Discriminator | None = None,
) -> tuple[Tensor, Statistics]:
    """The conditional autoencoder's loss on the windows at `starts` [B].

    Args:
        discriminator: for `latent` adversarial; without one that part is left out, as on held-out windows.
    """
    batch = encode_windows(networks, windows, starts)
    mean, log_deviation = networks.posterior(batch.features, batch.ticks)
    z = gaussian_sample(mean, log_deviation, generator)
    seen = blurred(batch.features, weights.feature_noise, generator)
    prior = networks.prior(seen)
    kl = gaussian_kl(mean, log_deviation, *prior).mean()
    error = _change_error(networks, batch, z, generator)
    wrong = _policy_error(networks, windows, batch, z, noise, goal_noise, policy_ticks, generator)
    if weights.reduction == "sum":
        goal, action = (
            error.sum(-1).mean(),
            wrong.mean((0, 2)).sum() * wrong.shape[-1] * windows.window / wrong.shape[1],
        )
    else:
        goal, action = error.mean(), wrong.mean()
    apart = weights.beta * kl
    if weights.latent != "kl":
        apart = _latent_loss(weights, batch.features, z, gaussian_sample(prior[0], prior[1], generator), discriminator)
    loss = weights.action * action + weights.goal * goal + apart
    return loss, {"loss": loss.detach(), "action": action.detach(), "goal": goal.detach(), "kl": kl.detach()}


def _latent_loss(
    weights: LossWeights, features: Tensor, z: Tensor, drawn: Tensor, discriminator: Discriminator | None
) -> Tensor:
    """What is put in place of the KL term; `drawn` [B, d] comes from the prior."""
    if weights.latent == "mmd":
        return weights.latent_weight * mmd_squared(features, z, drawn)
    if discriminator is None:
        return features.new_zeros(())
    return weights.latent_weight * adversarial_loss(discriminator, features, z, drawn)


def _change_error(networks: SkillNetworks, batch: Encoded, z: Tensor, generator: torch.Generator) -> Tensor:
    """Weighted squared errors of the dynamics [B, D]; with several members their mean, each over rows of its own."""
    changes = networks.each_change(batch.features, z)
    error = (changes - batch.change).square() * networks.transition.weight
    return (error * member_masks(len(changes), len(z), generator)).mean(0)


def _policy_error(
    networks: SkillNetworks,
    windows: WindowTensors,
    batch: Encoded,
    z: Tensor,
    noise: PolicyNoise | None,
    goal_noise: float,
    policy_ticks: int,
    generator: torch.Generator,
) -> Tensor:
    """Squared normalised action errors [B, K, A]."""
    starts, window = batch.starts, windows.window
    if isinstance(networks.policy, RecurrentPolicy) or policy_ticks >= window:
        ticks = torch.arange(window).expand(len(starts), window)
    else:
        ticks = torch.randint(window, (len(starts), policy_ticks), generator=generator)
    states, actions = windows.states_at(starts, ticks), windows.actions_at(starts, ticks)
    if noise is not None:
        states, actions = noise.add(states, actions, generator)
    goal = windows.states[starts + window]
    output = policy_output(networks, states, goal, z, batch.frame, ticks, goal_noise=goal_noise, generator=generator)
    return (output - networks.actions.encode(actions)).square()


def policy_output(
    networks: SkillNetworks,
    states: Tensor,
    goal: Tensor,
    z: Tensor,
    frame: Tensor,
    ticks: Tensor,
    *,
    goal_noise: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Normalised actions [B, K, A] at states [B, K, S] of windows with goals [B, S] and skills [B, d]."""
    count, per_window = ticks.shape
    wide_frame = frame[:, None].expand(count, per_window)
    features = networks.features(states, wide_frame)
    change = networks.transition.encode(states, goal[:, None])
    if goal_noise > 0.0:
        change = change + goal_noise * torch.randn((count, 1, change.shape[-1]), generator=generator)
    inputs = networks.policy_input(features, change, z[:, None].expand(count, per_window, z.shape[-1]))
    if isinstance(networks.policy, RecurrentPolicy):
        return networks.policy(inputs)[0]
    phase = (ticks / networks.window).flatten()
    return networks.policy(inputs.flatten(0, 1), phase).unflatten(0, (count, per_window))


def chain_loss(
    networks: SkillNetworks, windows: WindowTensors, starts: Tensor, *, skills: int, generator: torch.Generator
) -> tuple[Tensor, Statistics]:
    """Error of the dynamics rolled over `skills` recorded windows in a row; only the dynamics get a gradient.

    Each window's skill is drawn from the posterior and used in that window's own canonical frame, also for the
    predicted state, because the skill belongs to that frame. Several members of the dynamics share the batch out.
    """
    encoded, z = posterior_chain(networks, windows, starts, skills, generator)
    state, total = windows.states[starts], torch.zeros(())
    last = total
    for index in range(skills):
        features = networks.features(state, encoded.frame[index])
        state = networks.transition.apply(state, networks.own_change(features, z[index]))
        truth = windows.states[starts + (index + 1) * windows.window]
        error = networks.transition.encode(truth, state).clamp(-20.0, 20.0)
        last = (error.square() * networks.transition.weight).mean()
        total = total + last / skills
    return total, {"loss": total.detach(), "last": last.detach()}


@dataclass(frozen=True)
class Chain:
    frame: Tensor  # [K, B]


def posterior_chain(
    networks: SkillNetworks, windows: WindowTensors, starts: Tensor, skills: int, generator: torch.Generator | None
) -> tuple[Chain, Tensor]:
    """Frames [K, B] and posterior skills [K, B, d] of `skills` windows in a row; means without a generator."""
    with torch.no_grad():
        all_starts = (starts + windows.window * torch.arange(skills)[:, None]).flatten()
        batch = encode_windows(networks, windows, all_starts)
        mean, log_deviation = networks.posterior(batch.features, batch.ticks)
        z = mean if generator is None else gaussian_sample(mean, log_deviation, generator)
    frames = batch.frame.reshape(skills, len(starts))
    return Chain(frames), z.unflatten(0, (skills, -1))


def blurred(features: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Features [N, F] as priors see them while they are trained: with `noise` spreads of white noise."""
    return features if noise <= 0.0 else features + noise * torch.randn(features.shape, generator=generator)


@torch.no_grad()
def posterior_skills(
    networks: SkillNetworks, windows: WindowTensors, starts: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A fresh skill [B, d] of each window's posterior, and the features [B, F] of its first state."""
    batch = encode_windows(networks, windows, starts)
    mean, log_deviation = networks.posterior(batch.features, batch.ticks)
    return gaussian_sample(mean, log_deviation, generator), batch.features


def stage_2_loss(
    networks: SkillNetworks,
    windows: WindowTensors,
    starts: Tensor,
    *,
    generator: torch.Generator,
    feature_noise: float = 0.0,
) -> tuple[Tensor, Statistics]:
    """Negative log likelihood of the flow, and of the Gaussian prior on the same skills, in nats."""
    z, features = posterior_skills(networks, windows, starts, generator)
    with torch.no_grad():
        gaussian = -gaussian_log_density(z, *networks.prior(features)).mean()
    loss = -networks.flow.log_density(z, blurred(features, feature_noise, generator)).mean()
    return loss, {"loss": loss.detach(), "nll_flow": loss.detach(), "nll_gaussian": gaussian}
