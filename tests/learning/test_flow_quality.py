"""KL-hat: exact on densities that are known, with an error bar that covers the truth."""

from __future__ import annotations

import torch

from studio.learning.distributions import gaussian_log_density
from studio.learning.flow_quality import REFERENCE, compare_priors, mean_and_error
from tests.learning.test_ensemble import make_networks, make_windows


def test_the_error_of_correlated_values_counts_stretches() -> None:
    chance = torch.Generator().manual_seed(0)
    slow = torch.randn(40, generator=chance).repeat_interleave(50)  # 2000 values, 40 of them independent
    mean, error = mean_and_error(slow)
    assert abs(mean - float(slow.mean())) < 1e-6
    assert 0.5 / 40**0.5 < error < 1.6 / 40**0.5


def test_a_model_is_as_far_from_the_reference_as_it_should_be() -> None:
    """Two Gaussians around the same mean: NLL differences are known in closed form on average."""
    networks = make_networks(1)
    windows = make_windows(networks, 2000)
    size = networks.sizes.skill_size

    def wide(deviation: float):  # type: ignore[no-untyped-def]
        log = torch.log(torch.tensor(deviation))
        return lambda z, features: gaussian_log_density(z, torch.zeros_like(z), log.expand_as(z))

    models = {REFERENCE: wide(1.0), "same": wide(1.0), "wide": wide(100.0)}
    rows = {row["prior"]: row for row in compare_priors(networks, models, {"train": windows})}
    assert rows["same"]["kl_train"] == 0.0 and rows[REFERENCE]["kl_train"] == 0.0
    wide_apart = rows["wide"]["kl_train"]
    assert abs(wide_apart - (rows["wide"]["nll_train"] - rows[REFERENCE]["nll_train"])) < 1e-3
    assert wide_apart < size * torch.log(torch.tensor(100.0))
    assert rows["wide"]["kl_train_error"] > 0.0


def test_without_a_reference_there_is_no_kl() -> None:
    networks = make_networks(1)
    density = lambda z, features: gaussian_log_density(z, *networks.prior(features))  # noqa: E731
    (row,) = compare_priors(networks, {"gaussian": density}, {"held_out": make_windows(networks)})
    assert set(row) == {"prior", "nll_held_out"}
