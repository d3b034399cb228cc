"""Where a training computes: on the processor, or on a GPU where torch has one.

Inside `computing_on` every tensor that is made lies on the device, as torch's default device does it; what comes from
NumPy has to be brought there with `placed`, and random numbers come from a generator of the device's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from studio.core.errors import ConfigError


def choose_device(wanted: str) -> torch.device:
    """`auto` is the GPU where there is one.

    Raises:
        ConfigError: a GPU is asked for, and torch has none.
    """
    able = torch.cuda.is_available()
    if wanted == "cuda" and not able:
        raise ConfigError(
            "device is 'cuda', but torch finds no GPU here. Set device=auto, or install a build of torch with CUDA "
            "(`main.py doctor` tells which build this is)."
        )
    return torch.device("cuda" if able and wanted != "cpu" else "cpu")


@contextmanager
def computing_on(device: torch.device) -> Iterator[None]:
    """New tensors lie on `device`; nothing changes, and nothing gets slower, where that is the default already."""
    if device == torch.get_default_device():
        yield
        return
    with device:
        yield


def placed(tensor: Tensor) -> Tensor:
    """The tensor on the device that is being computed on; itself where it is there."""
    return tensor.to(torch.get_default_device())


def make_generator(seed: int) -> torch.Generator:
    """Random numbers on the device that is being computed on."""
    return torch.Generator(device=torch.get_default_device()).manual_seed(seed)
