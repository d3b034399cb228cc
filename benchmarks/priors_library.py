"""Conditional flows of zuko, a public library, set up to be compared with ours on the same skills."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from studio.core.errors import ConfigError
from studio.learning.networks import GaussianHead

LIBRARY = "zuko"
KINDS = ("maf", "nsf")  # affine steps like ours; rational-quadratic splines (zuko's NSF)
_WIDTHS = range(8, 1025)


def load_zuko() -> Any:
    """The module, or how to get it.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module("zuko")
    except ImportError:
        raise ConfigError(
            "bench priors compares with zuko, which is not installed. Type: .venv/bin/pip install -e '.[bench]'"
        ) from None


def library_name() -> str:
    return f"{LIBRARY} {importlib.metadata.version(LIBRARY)}"


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def closest_width(wanted: int, count: Callable[[int], int]) -> int:
    """The width whose number of parameters lies nearest to `wanted`."""
    return min(_WIDTHS, key=lambda width: abs(count(width) - wanted))


class LibraryFlow(nn.Module):
    """log p(z | features) by zuko, in the units of z itself.

    The library's flows expect values of about spread one. Either z is standardised with fixed numbers, or a Gaussian
    head of our own that goes on learning does it, which is the start that our flow has.

    Args:
        kind: one of `KINDS`.
        feature_size: width of the context.
        mean, deviation: of the training skills [d].
        blocks: autoregressive transforms, each with two hidden layers.
        width: units of each hidden layer.
        head: copied; None standardises.
    """

    mean: Tensor
    log_deviation: Tensor

    def __init__(
        self,
        kind: str,
        *,
        feature_size: int,
        mean: Tensor,
        deviation: Tensor,
        blocks: int,
        width: int,
        head: GaussianHead | None = None,
    ) -> None:
        super().__init__()
        flows = load_zuko().flows
        make = {"maf": flows.MAF, "nsf": flows.NSF}[kind]
        hidden = {"hidden_features": (width, width), "activation": nn.SiLU}
        self.flow = make(len(mean), feature_size, transforms=blocks, **hidden)
        self.register_buffer("mean", mean.clone())
        self.register_buffer("log_deviation", deviation.log())
        self.head = head

    def log_density(self, z: Tensor, features: Tensor) -> Tensor:
        """[N] in nats; the determinant of the standardisation is part of it."""
        mean, log_deviation = (self.mean, self.log_deviation) if self.head is None else self.head(features)
        x = (z - mean) * torch.exp(-log_deviation)
        return self.flow(features).log_prob(x) - log_deviation.expand_as(z).sum(-1)


def make_library_flow(
    kind: str,
    *,
    parameters: int,
    feature_size: int,
    mean: Tensor,
    deviation: Tensor,
    blocks: int,
    head: Callable[[], GaussianHead] | None = None,
) -> LibraryFlow:
    """The flow with about as many parameters in all as asked for."""

    def make(width: int) -> LibraryFlow:
        start = None if head is None else head()
        return LibraryFlow(
            kind, feature_size=feature_size, mean=mean, deviation=deviation, blocks=blocks, width=width, head=start
        )

    return make(closest_width(parameters, _counter(make)))


def _counter(make: Callable[[int], nn.Module]) -> Callable[[int], int]:
    """Parameters by width: exact from three samples, because layers of width w have c0 + c1 w + c2 w² of them."""
    widths = (16, 64, 256)
    table = torch.tensor([[1.0, w, w * w] for w in widths], dtype=torch.float64)
    counts = torch.tensor([float(count_parameters(make(w))) for w in widths], dtype=torch.float64)
    parts = torch.linalg.solve(table, counts).tolist()
    return lambda width: round(parts[0] + parts[1] * width + parts[2] * width * width)
