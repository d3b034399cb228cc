"""How well priors explain the skills of play: KL-hat against a reference flow (spec/methods-papers.md 1b, stage 2).

KL-hat = NLL(model) - NLL(reference) on the same skills. The reference stands in for the entropy of the data, so its own
value is 0 by construction. On training windows a low value can also mean learned by heart; both are reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from studio.learning.cvae import posterior_skills
from studio.learning.device import make_generator
from studio.learning.distributions import gaussian_log_density
from studio.learning.skill_metrics import pick_evenly
from studio.learning.skill_networks import SkillNetworks
from studio.learning.windows import WindowTensors

LogDensity = Callable[[Tensor, Tensor], Tensor]  # skills [N, d], features [N, F] -> log p(z | s) [N]
REFERENCE = "reference"
_STRETCHES = 40  # neighbouring windows share most of their ticks: means of whole stretches are nearly independent
_SEED = 54321


@torch.no_grad()
def negative_log_likelihoods(
    networks: SkillNetworks, windows: WindowTensors, models: Mapping[str, LogDensity], *, count: int = 4096
) -> dict[str, Tensor]:
    """NLL [n] in nats of each model on the same posterior skills, in the order of the recording."""
    generator = make_generator(_SEED)
    starts = pick_evenly(windows.starts.sort().values, count)
    found: dict[str, list[Tensor]] = {name: [] for name in models}
    for part in starts.split(1024):
        z, features = posterior_skills(networks, windows, part, generator)
        for name, model in models.items():
            found[name].append(-model(z, features))
    return {name: torch.cat(parts) for name, parts in found.items()}


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """Mean of values [n] in recorded order and its standard error, from the means of whole stretches."""
    if len(values) < 2 * _STRETCHES:
        error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.inf
        return float(values.mean()), error
    means = torch.stack([stretch.mean() for stretch in values.tensor_split(_STRETCHES)])
    return float(values.mean()), float(means.std()) / math.sqrt(_STRETCHES)


def gaussian_density(networks: SkillNetworks) -> LogDensity:
    """The Gaussian prior of stage 1."""
    return lambda z, features: gaussian_log_density(z, *networks.prior(features))


def compare_priors(
    networks: SkillNetworks, models: Mapping[str, LogDensity], windows: Mapping[str, WindowTensors]
) -> list[dict[str, Any]]:
    """One row a model: `nll_<set>` and, where there is a reference, `kl_<set>` with `kl_<set>_error`, all in nats.

    Args:
        models: by name; `reference` is what KL-hat is measured against.
        windows: `train` and `held_out`.
    """
    rows: dict[str, dict[str, Any]] = {name: {"prior": name} for name in models}
    for name_of_set, one in windows.items():
        found = negative_log_likelihoods(networks, one, models)
        for name, values in found.items():
            rows[name][f"nll_{name_of_set}"] = float(values.mean())
            if REFERENCE in found:
                mean, error = mean_and_error(values - found[REFERENCE])
                rows[name] |= {f"kl_{name_of_set}": mean, f"kl_{name_of_set}_error": error}
    return list(rows.values())
