"""Reconstruction for `bench priors`: the skill policy against behaviour cloning by a GRU of the same size.

Everybody is judged on the same ticks: the second of two windows in a row, so that a GRU has a past to remember.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.priors_library import closest_width, count_parameters
from benchmarks.priors_study import run_phase
from studio.learning.cvae import PolicyNoise, encode_windows, make_policy_noise, policy_output
from studio.learning.flow_quality import mean_and_error
from studio.learning.skill_metrics import pick_evenly
from studio.learning.skill_networks import RecurrentPolicy, SkillNetworks
from studio.learning.training import Phase
from studio.learning.windows import StartSampler, WindowTensors, chained_starts
from studio.methods.haptic_play.method import HapticPlay

CLONING, CLONING_WITH_GOAL = "GRU", "GRU that is told the goal"
_JUDGED, _CHOOSING = 2048, 512  # pairs of windows

Policy = Callable[[Tensor], Tensor]  # starts [B] of pairs -> normalised actions [B, W, A] of each second window


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs of windows in a row at `starts` [B]: inputs [B, 2W, X] and normalised actions [B, 2W, A]."""

    inputs: Tensor
    actions: Tensor


class Cloning:
    """Behaviour cloning: what the skill policy sees of each state, a memory, and no skill.

    Args:
        networks: their features and scales are used, nothing of them is taught.
        windows: to learn from.
        with_goal: it also sees the change to the state at its window's end, as the skill policy does.
        noise: on what it sees, with corrected actions, as in stage 1.
    """

    def __init__(
        self, networks: SkillNetworks, windows: WindowTensors, *, with_goal: bool, noise: PolicyNoise | None
    ) -> None:
        self._networks, self._windows, self._with_goal, self._noise = networks, windows, with_goal, noise
        inputs = networks.features.size + (networks.transition.size if with_goal else 0)
        action, wanted = networks.action_size, count_parameters(networks.policy)
        hidden = closest_width(wanted, lambda h: 3 * h * (inputs + h + 2) + (h + 1) * action)
        self.policy = RecurrentPolicy(inputs, hidden, action)

    def loss(self, starts: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared normalised action error over both windows of each pair."""
        pairs = self._pairs(self._windows, starts, generator)
        return (self.policy(pairs.inputs)[0] - pairs.actions).square().mean()

    @torch.no_grad()
    def act(self, windows: WindowTensors, starts: Tensor) -> Tensor:
        """Normalised actions [B, W, A] of the second windows."""
        return self.policy(self._pairs(windows, starts, None).inputs)[0][:, windows.window :]

    def _pairs(self, windows: WindowTensors, starts: Tensor, generator: torch.Generator | None) -> Pairs:
        networks, window = self._networks, windows.window
        ticks = torch.arange(2 * window)
        states, actions = windows.states_at(starts, ticks), windows.actions_at(starts, ticks)
        if generator is not None and self._noise is not None:
            states, actions = self._noise.add(states, actions, generator)
        frame = networks.features.frame(windows.states[starts])
        inputs = networks.features(states, frame[:, None].expand(states.shape[:2]))
        if self._with_goal:
            goals = windows.states_at(starts, window * (1 + ticks // window))
            inputs = torch.cat([inputs, networks.transition.encode(states, goals).clamp(-8.0, 8.0)], dim=-1)
        return Pairs(inputs=inputs, actions=networks.actions.encode(actions))


def teach_cloning(method: HapticPlay, *, with_goal: bool, updates: int, batch: int, seed: int) -> Cloning:
    """As stage 1: its learning rates, noise, averages and choice of weights by held-out windows."""
    torch.manual_seed(seed)
    config, windows = method.config, method.train_windows
    cloning = Cloning(method.networks, windows, with_goal=with_goal, noise=_policy_noise(method))
    sampler = StartSampler(windows, method.task, moving_share=config.moving_share, chain=2)
    chosen_by = pick_evenly(chained_starts(method.choosing_windows, 2), _CHOOSING)

    def loss(generator: torch.Generator) -> Any:
        value = cloning.loss(sampler.draw(batch, generator), generator)
        return value, {"loss": value.detach()}

    def held_out() -> dict[str, float]:
        wrong = cloning.act(method.choosing_windows, chosen_by) - _recorded(method, method.choosing_windows, chosen_by)
        return {"error": float(wrong.square().mean())}

    phase = Phase(
        name=CLONING_WITH_GOAL if with_goal else CLONING,
        module=cloning.policy,
        loss=loss,
        held_out=held_out,
        steps=updates,
        seconds=0.0,
        learning_rate=config.stage_1.learning_rate,
        final_learning_rate=config.stage_1.final_learning_rate,
        average_decay=config.average_decay,
        choose_by="error",
    )
    run_phase(phase, config.clip, max(1, updates // 20), seed)
    return cloning


def _policy_noise(method: HapticPlay) -> PolicyNoise:
    config, windows = method.config, method.train_windows
    plain = config.plain_noise * windows.states[windows.starts].std(0)
    return make_policy_noise(
        method.task, position_rad=config.position_noise_rad, velocity=config.velocity_noise, plain=plain
    )


def _recorded(method: HapticPlay, windows: WindowTensors, starts: Tensor) -> Tensor:
    """Normalised recorded actions [B, W, A] of the second windows."""
    ticks = torch.arange(windows.window, 2 * windows.window)
    return method.networks.actions.encode(windows.actions_at(starts, ticks))


def skill_policies(method: HapticPlay) -> dict[str, Policy]:
    """The skill policy with three kinds of skill and goal, from most to least told."""
    networks, windows = method.networks, method.held_out_windows

    @torch.no_grad()
    def act(starts: Tensor, *, own_skill: bool, own_goal: bool) -> Tensor:
        second = starts + windows.window
        batch = encode_windows(networks, windows, second)
        z = networks.posterior(batch.features, batch.ticks)[0] if own_skill else networks.prior(batch.features)[0]
        state, goal = windows.states[second], windows.states[second + windows.window]
        if not own_goal:
            goal = networks.transition.apply(state, networks.predicted_change(batch.features, z))
        ticks = torch.arange(windows.window).expand(len(second), -1)
        return policy_output(networks, windows.states_at(second, ticks), goal, z, batch.frame, ticks)

    return {
        "skill of the window itself, its goal": lambda starts: act(starts, own_skill=True, own_goal=True),
        "prior's mean skill, the window's goal": lambda starts: act(starts, own_skill=False, own_goal=True),
        "prior's mean skill, predicted goal": lambda starts: act(starts, own_skill=False, own_goal=False),
    }


def reconstruction_rows(method: HapticPlay, clones: dict[str, Cloning]) -> list[dict[str, Any]]:
    """Rows of the table: share of the actions' variance left unexplained, and errors in the data's own units."""
    windows = method.held_out_windows
    starts = pick_evenly(chained_starts(windows, 2).sort().values, _JUDGED)
    policies = skill_policies(method)
    policies |= {name: lambda one, clone=clone: clone.act(windows, one) for name, clone in clones.items()}
    sizes = {name: count_parameters(clone.policy) for name, clone in clones.items()}
    recorded = _recorded(method, windows, starts)
    wrong = {
        name: torch.cat([policy(part) for part in starts.split(256)]) - recorded for name, policy in policies.items()
    }
    reference = wrong[CLONING].square().mean((1, 2))
    rows = []
    for name, error in wrong.items():
        share, share_error = mean_and_error(error.square().mean((1, 2)))
        apart, apart_error = mean_and_error(error.square().mean((1, 2)) - reference)
        rows.append({
            "policy": name,
            "unexplained": share,
            "standard_error": share_error,
            "above_gru": apart,
            "above_gru_error": apart_error,
            "action_rms": math.sqrt(float((error * method.networks.actions.deviation).square().mean())),
            "parameters": sizes.get(name, count_parameters(method.networks.policy)),
        })  # fmt: skip
    return rows
