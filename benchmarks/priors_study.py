"""Priors of one skill model, each taught on the same skills in the same order, for `bench priors`."""

from __future__ import annotations

import copy
import dataclasses
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.priors_library import count_parameters, library_name, make_library_flow
from studio.core.config import apply_settings, make_config
from studio.core.errors import ConfigError
from studio.learning.bundle import load_bundle
from studio.learning.cvae import blurred, posterior_skills
from studio.learning.distributions import gaussian_log_density
from studio.learning.flow_quality import mean_and_error, negative_log_likelihoods
from studio.learning.networks import GaussianHead
from studio.learning.skill_metrics import pick_evenly
from studio.learning.skill_model import make_skill_model
from studio.learning.skill_networks import make_flow
from studio.learning.training import Phase, Training, TrainingSettings
from studio.learning.windows import StartSampler, WindowTensors
from studio.methods.haptic_play.config import PRESETS, HapticPlayConfig, PhaseConfig
from studio.methods.haptic_play.method import HapticPlay

OURS = "our flow"
_LEFT_OUT = ("stage_2", "value", "reference")  # the bench teaches the flows itself; the others play no part here
_SCALE_SKILLS = 8192
_CHOOSING_SKILLS = 2048
_REPORTED_SKILLS = 8192


class Teller:
    """A reporter for the terminal: one line per part of a training."""

    def __init__(self, title: str) -> None:
        self._title, self._stage = title, ""

    def progress(
        self, stage: str, step: int, steps: int, wall_s: float, time_left_s: tuple[float, float] | None
    ) -> None:
        if stage != self._stage:
            self._stage = stage
            print(f"{self._title}: {stage}", file=sys.stderr, flush=True)

    def metric(self, row: dict[str, Any]) -> None: ...

    def checkpointed(self, step: int) -> None: ...

    def asked(self) -> str:
        return ""


class GaussianDensity(nn.Module):
    """A Gaussian prior as something to be taught alone."""

    def __init__(self, head: GaussianHead) -> None:
        super().__init__()
        self.head = head

    def log_density(self, z: Tensor, features: Tensor) -> Tensor:
        """log p(z | features) [N]."""
        return gaussian_log_density(z, *self.head(features))


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long everything is taught, alike for all sides.

    Args:
        limits: batch and learning rates, those of the preset's stage 2.
        updates: of every prior.
        measured_every: updates between two looks at the held-out windows that choose the weights.
    """

    limits: PhaseConfig
    updates: int
    measured_every: int


def make_settings(preset: str, changes: tuple[str, ...]) -> HapticPlayConfig:
    """A preset with changes.

    Raises:
        ConfigError: no such preset, or a setting that is wrong.
    """
    if preset not in PRESETS:
        raise ConfigError(f"bench priors: there is no preset {preset!r}. Presets: {', '.join(PRESETS)}.")
    return apply_settings(PRESETS[preset](), list(changes))


def stage_1_only(config: HapticPlayConfig, skill_updates: int) -> HapticPlayConfig:
    """Without what the bench teaches itself or has no use for.

    Args:
        skill_updates: in place of the preset's limits of updates and time; 0 keeps those.
    """
    none = {name: PhaseConfig(steps=0) for name in _LEFT_OUT}
    rounds = dataclasses.replace(config.rounds, count=0)
    config = dataclasses.replace(config, flow_checkpoints=0, rounds=rounds, **none)
    if not skill_updates:
        return config
    stage_1 = dataclasses.replace(config.stage_1, steps=skill_updates, seconds=0.0)
    single = dataclasses.replace(config.single, steps=min(config.single.steps, skill_updates), seconds=0.0)
    chains = dataclasses.replace(config.chains, steps=min(config.chains.steps, skill_updates // 4), seconds=0.0)
    return dataclasses.replace(config, stage_1=stage_1, single=single, chains=chains)


def bundle_config(bundle: str) -> HapticPlayConfig:
    """The settings that a bundle was trained with."""
    info = load_bundle(Path(bundle)).info
    if info.get("method") != HapticPlay.name:
        raise ConfigError(f"bench priors: {bundle} holds {info.get('method')!r}. Give a bundle of haptic_play.")
    return make_config(HapticPlayConfig, dict(info["settings"]), where=f"{bundle}/bundle.json settings")


def take_bundle(method: HapticPlay, windows: Any, bundle: str) -> int:
    """The bundle's networks into a method that was made with its settings; returns the updates of its stage 1.

    Raises:
        ConfigError: its windows are not those of the dataset as it is now; held-out ones may have been learned from.
    """
    loaded = load_bundle(Path(bundle))
    then, now = loaded.info["lineage"].get("cache_key"), windows.lineage.get("cache_key")
    if then != now:
        raise ConfigError(
            f"bench priors: {bundle} was not trained on this dataset as it is now (windows {then}, here {now}), so its "
            "held-out windows may not be held out. Give its own dataset, or leave --bundle out."
        )
    trained = make_skill_model(loaded).networks.parts()
    for name, part in method.networks.parts().items():
        part.load_state_dict(trained[name].state_dict())
    return int(loaded.info["phase_steps"]["skills"])


@dataclass(frozen=True, kw_only=True)
class Taught:
    """One prior, taught.

    Args:
        density: has `log_density(z [N, d], features [N, F]) -> [N]`.
        steps: updates it had; 0 as it came.
        processor_s: that its teaching took.
    """

    density: Any
    steps: int = 0
    processor_s: float = 0.0


def teach_priors(method: HapticPlay, effort: Effort, kinds: tuple[str, ...], *, seed: int) -> dict[str, Taught]:
    """Every prior of the table, on the skills of the frozen stage 1."""
    method.networks.eval().requires_grad_(False)
    found = {"Gaussian prior": Taught(density=GaussianDensity(method.networks.prior))}
    for name, make in _contenders(method, kinds).items():
        torch.manual_seed(seed)
        found[name] = _teach(name, make(), method, effort, seed)
    return found


def _contenders(method: HapticPlay, kinds: tuple[str, ...]) -> dict[str, Callable[[], nn.Module]]:
    networks = method.networks
    mean, deviation = _skill_scale(method)

    def own_head() -> GaussianHead:
        return copy.deepcopy(networks.prior).requires_grad_(True)

    def ours() -> nn.Module:
        flow = make_flow(networks.features.size, networks.sizes)
        flow.start_from(networks.prior)
        return flow

    def library(kind: str, head: Callable[[], GaussianHead] | None) -> nn.Module:
        return make_library_flow(
            kind,
            parameters=count_parameters(ours()),
            feature_size=networks.features.size,
            mean=mean,
            deviation=deviation,
            blocks=networks.sizes.flow_blocks,
            head=head,
        )

    found: dict[str, Callable[[], nn.Module]] = {
        "Gaussian, taught on": lambda: GaussianDensity(own_head()),
        OURS: ours,
    }
    for kind in kinds:
        found[f"{library_name()} {kind.upper()}"] = lambda kind=kind: library(kind, None)
        found[f"{library_name()} {kind.upper()}, our start"] = lambda kind=kind: library(kind, own_head)
    return found


def _skill_scale(method: HapticPlay) -> tuple[Tensor, Tensor]:
    """Mean and spread [d] of the training skills."""
    windows = method.train_windows
    starts = pick_evenly(windows.starts, _SCALE_SKILLS)
    z, _ = posterior_skills(method.networks, windows, starts, torch.Generator().manual_seed(0))
    return z.mean(0), z.std(0).clamp_min(1e-3)


def _teach(name: str, density: nn.Module, method: HapticPlay, effort: Effort, seed: int) -> Taught:
    """Stage 2 for any density: same optimiser, learning rates, batches, blur, averages and choice of weights."""
    config, networks, windows, limits = method.config, method.networks, method.train_windows, effort.limits
    sampler = StartSampler(windows, method.task, moving_share=0.0)

    def loss(generator: torch.Generator) -> Any:
        starts = sampler.draw(limits.batch, generator)
        z, features = posterior_skills(networks, windows, starts, generator)
        value = -density.log_density(z, blurred(features, config.feature_noise, generator)).mean()  # type: ignore[operator]
        return value, {"loss": value.detach()}

    def held_out() -> dict[str, float]:
        models = {name: density.log_density}
        found = negative_log_likelihoods(networks, method.choosing_windows, models, count=_CHOOSING_SKILLS)  # type: ignore[arg-type]
        return {"nll": float(found[name].mean())}

    phase = Phase(
        name=name,
        module=density,
        loss=loss,
        held_out=held_out,
        steps=effort.updates,
        seconds=0.0,
        learning_rate=limits.learning_rate,
        final_learning_rate=limits.final_learning_rate,
        average_decay=config.average_decay,
        choose_by="nll",
    )
    return Taught(density=density, **run_phase(phase, config.clip, effort.measured_every, seed))


def run_phase(phase: Phase, clip: float, measured_every: int, seed: int) -> dict[str, Any]:
    """{steps, processor_s} of one phase that is limited and measured by updates alone."""
    settings = TrainingSettings(clip=clip, held_out_every_s=math.inf, held_out_every_steps=measured_every)
    training = Training(
        phase.module,
        [phase],
        settings=settings,
        reporter=Teller("  teaching"),
        generator=torch.Generator().manual_seed(seed),
        folder=None,
    )
    began_s = time.process_time()
    steps = training.run().steps
    return {"steps": steps, "processor_s": round(time.process_time() - began_s, 1)}


def prior_rows(method: HapticPlay, priors: dict[str, Taught], row_recording: Tensor) -> list[dict[str, Any]]:
    """Rows of the table on the windows that chose nothing.

    Bits are nats of z in its own units over ln 2 and d. Errors count stretches of the recordings, not windows; the
    difference to our flow is paired, skill by skill.

    Args:
        row_recording: recording [T] of each row of the dataset.
    """
    windows, size = method.held_out_windows, method.networks.sizes.skill_size
    models = {name: taught.density.log_density for name, taught in priors.items()}
    found = negative_log_likelihoods(method.networks, windows, models, count=_REPORTED_SKILLS)
    recordings = row_recording[pick_evenly(windows.starts.sort().values, _REPORTED_SKILLS)]
    bits = {name: values / (math.log(2.0) * size) for name, values in found.items()}
    return [_row(name, priors[name], bits, recordings) for name in models]


def _row(name: str, taught: Taught, bits: dict[str, Tensor], recordings: Tensor) -> dict[str, Any]:
    mean, error = mean_and_error(bits[name])
    apart, apart_error = mean_and_error(bits[name] - bits[OURS])
    means = {int(one): bits[name][recordings == one].mean() for one in recordings.unique()}
    ours = {one: bits[OURS][recordings == one].mean() for one in means}
    return {
        "prior": name,
        "bits_per_dimension": mean,
        "standard_error": error,
        "above_ours": apart,
        "above_ours_error": apart_error,
        "recordings": len(means),
        "recordings_where_ours_is_lower": sum(bool(ours[one] < means[one]) for one in means),
        "parameters": count_parameters(taught.density),
        "updates": taught.steps,
        "processor_s": taught.processor_s,
    }


def windows_used(method: HapticPlay) -> dict[str, int]:
    """How many windows taught, chose and reported."""
    parts: dict[str, WindowTensors] = {
        "train": method.train_windows,
        "choosing": method.choosing_windows,
        "reporting": method.held_out_windows,
    }
    return {name: len(part.starts) for name, part in parts.items()}
