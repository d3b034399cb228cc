"""What a skill model is worth on held-out windows: losses, unexplained variance, errors of one and many skills."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from studio.core.task import StateBlock, Task
from studio.learning.cvae import (
    LossWeights,
    encode_windows,
    policy_output,
    posterior_chain,
    stage_1_loss,
    stage_2_loss,
)
from studio.learning.device import make_generator
from studio.learning.distributions import gaussian_kl
from studio.learning.features import JOINT_FIELD
from studio.learning.skill_networks import SkillNetworks
from studio.learning.transition import rotation_vector
from studio.learning.windows import WindowTensors, chained_starts

_SEED = 12345
_CHAIN_SECONDS = (1.0, 2.0, 4.0)


def pick_evenly(starts: Tensor, count: int) -> Tensor:
    """At most `count` of the starts, evenly spaced."""
    if len(starts) <= count:
        return starts
    return starts[torch.linspace(0, len(starts) - 1, count).long()]


@torch.no_grad()
def quick_losses(
    networks: SkillNetworks, windows: WindowTensors, weights: LossWeights, *, policy_ticks: int, count: int = 1024
) -> dict[str, float]:
    """Stage 1's terms on held-out windows, without noise and with the same draws every time."""
    generator = make_generator(_SEED)
    starts = pick_evenly(windows.starts, count)
    sharp = dataclasses.replace(weights, feature_noise=0.0)
    statistics = stage_1_loss(
        networks, windows, starts, sharp, noise=None, goal_noise=0.0, policy_ticks=policy_ticks, generator=generator
    )[1]
    return {name: float(value) for name, value in statistics.items()}


@torch.no_grad()
def quick_likelihood(networks: SkillNetworks, windows: WindowTensors, *, count: int = 2048) -> dict[str, float]:
    """Held-out negative log likelihood in nats of the flow and of the Gaussian prior on the same skills."""
    generator = make_generator(_SEED)
    statistics = stage_2_loss(networks, windows, pick_evenly(windows.starts, count), generator=generator)[1]
    return {name: float(statistics[name]) for name in ("nll_flow", "nll_gaussian")}


@torch.no_grad()
def quick_chain(
    networks: SkillNetworks, windows: WindowTensors, rate_hz: float, *, seconds: float = 2.0, count: int = 256
) -> dict[str, float]:
    """Error after `seconds` of recorded skills in a row."""
    skills = max(1, round(seconds * rate_hz / windows.window))
    starts = pick_evenly(chained_starts(windows, skills), count)
    if not len(starts):
        return {}
    predicted, truth = _rolled(networks, windows, starts, skills), windows.states[starts + skills * windows.window]
    errors = state_errors(networks, predicted, truth)
    wrong = networks.transition.encode(truth, predicted).square() * networks.transition.weight
    errors["error"] = float(wrong.mean())  # in squared spreads of one skill's change, weighted as in training
    return {f"chain_{seconds:g}s_{name}": value for name, value in errors.items()}


@torch.no_grad()
def full_metrics(
    networks: SkillNetworks,
    windows: WindowTensors,
    rate_hz: float,
    weights: LossWeights,
    *,
    policy_ticks: int,
    with_flow: bool,
) -> dict[str, float]:
    """Every held-out number that a bundle carries; names end in their unit."""
    starts = pick_evenly(windows.starts, 4096)
    values = quick_losses(networks, windows, weights, policy_ticks=policy_ticks, count=4096)
    values |= _reconstruction(networks, windows, starts)
    values |= _policy_errors(networks, windows, starts[:: max(1, len(starts) // 1024)])
    for seconds in _CHAIN_SECONDS:
        values |= quick_chain(networks, windows, rate_hz, seconds=seconds, count=1024)
    likelihood = quick_likelihood(networks, windows, count=8192)
    values |= likelihood if with_flow else {"nll_gaussian": likelihood["nll_gaussian"]}
    return values


def _reconstruction(networks: SkillNetworks, windows: WindowTensors, starts: Tensor) -> dict[str, float]:
    """One skill with the posterior's mean: errors, and the share of the change's variance left unexplained."""
    batch = encode_windows(networks, windows, starts)
    mean, log_deviation = networks.posterior(batch.features, batch.ticks)
    predicted = networks.predicted_change(batch.features, mean)
    values = {"kl_nats": float(gaussian_kl(mean, log_deviation, *networks.prior(batch.features)).mean())}
    transition = networks.transition
    for block in networks.task.state:
        columns = transition.columns(block.name)
        truth = batch.change[:, columns] * transition.scale[columns]
        error = predicted[:, columns] * transition.scale[columns] - truth
        values[f"unexplained_{block.name}"] = float(error.square().sum() / truth.square().sum().clamp_min(1e-12))
        values |= {f"one_skill_{name}": value for name, value in _in_units(networks.task, block, error).items()}
    return values


def _policy_errors(networks: SkillNetworks, windows: WindowTensors, starts: Tensor) -> dict[str, float]:
    """The policy at recorded states with the recorded goal and the posterior's mean skill, at every tick."""
    batch = encode_windows(networks, windows, starts)
    z = networks.posterior(batch.features, batch.ticks)[0]
    ticks = torch.arange(windows.window).expand(len(starts), windows.window)
    states, recorded = windows.states_at(starts, ticks), windows.actions_at(starts, ticks)
    output = policy_output(networks, states, windows.states[starts + windows.window], z, batch.frame, ticks)
    actions = networks.actions.decode(output)
    values = {
        "action_rms": float((actions - recorded).square().mean().sqrt()),
        "action_unexplained": float((output - networks.actions.encode(recorded)).square().mean()),
    }
    command_mm = _command_error_mm(networks, states, actions, recorded)
    return values | ({} if command_mm is None else {"policy_command_tip_mm": command_mm})


def _command_error_mm(networks: SkillNetworks, states: Tensor, actions: Tensor, recorded: Tensor) -> float | None:
    """How far the fingertip that the policy commands lies from the one that the leader commanded; None without arms."""
    task, features = networks.task, networks.features
    joints = next((task.span(b.name) for b in task.state if b.field == JOINT_FIELD), None)
    if joints is None or features.geometry is None or task.action != "leader_minus_follower":
        return None
    tips = []
    for action in (actions, recorded):
        commanded = states.clone()
        commanded[..., joints] += action[..., : joints.stop - joints.start]
        tips.append(features.tips(commanded))
    return 1000.0 * float((tips[0] - tips[1]).norm(dim=-1).mean())


def _rolled(networks: SkillNetworks, windows: WindowTensors, starts: Tensor, skills: int) -> Tensor:
    """Predicted states [n, S] after `skills` recorded windows, each with its posterior's mean skill."""
    chain, z = posterior_chain(networks, windows, starts, skills, None)
    state = windows.states[starts]
    for index in range(skills):
        features = networks.features(state, chain.frame[index])
        state = networks.transition.apply(state, networks.predicted_change(features, z[index]))
    return state


def state_errors(networks: SkillNetworks, predicted: Tensor, truth: Tensor) -> dict[str, float]:
    task = networks.task
    values: dict[str, float] = {}
    for block in task.state:
        span = task.span(block.name)
        if block.kind == "rotation":
            matrices = predicted[:, span].unflatten(-1, (3, 3)) @ truth[:, span].unflatten(-1, (3, 3)).mT
            error = rotation_vector(matrices)
        else:
            error = predicted[:, span] - truth[:, span]
        values |= _in_units(task, block, error)
    if networks.features.geometry is not None and task.features:
        apart = (networks.features.tips(predicted) - networks.features.tips(truth)).norm(dim=-1)
        values["tip_mm"] = 1000.0 * float(apart.mean())
    return values


def _in_units(task: Task, block: StateBlock, error: Tensor) -> dict[str, float]:
    """Mean error of a block in millimetres, degrees, or its own unit (root mean square)."""
    if block.kind == "position":
        return {f"{block.name}_mm": 1000.0 * float(error.norm(dim=-1).mean())}
    if block.kind == "rotation":
        return {f"{block.name}_deg": math.degrees(float(error.norm(dim=-1).mean()))}
    return {f"{block.name}_rms": float(error.square().mean().sqrt())}
