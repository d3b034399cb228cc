"""The native rollout library; without it rollouts run in torch, slower and with the same results."""

from __future__ import annotations

import ctypes
import functools

from studio.core.native import NativeBuild, NativeSource, build_unless_off
from studio.core.paths import resources_dir

_FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")


def rollout_source() -> NativeSource:
    """Its sources and how they are compiled."""
    return NativeSource(name="skill_rollout", folder=resources_dir() / "native", flags=_FLAGS, load=_load)


@functools.cache
def native_build() -> NativeBuild:
    """The library of this process: from the cache, or built now (some seconds)."""
    return build_unless_off(rollout_source())


def _load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    for name in ("panel_width", "tile_rows", "has_bfloat16"):
        getattr(library, name).restype = ctypes.c_int32
        getattr(library, name).argtypes = []
    library.roll_out.restype = ctypes.c_int32
    library.roll_out.argtypes = [ctypes.c_void_p]
    return library
