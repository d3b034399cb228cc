"""Kernels of the control tick: small functions in C over arrays that were made once (resources/native/tick).

A call of a few microseconds is not worth giving Python's lock away, and a loop that gave it away might wait for it: so
the library is loaded with `PyDLL`.
"""

from __future__ import annotations

import ctypes
import functools
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from studio.core.errors import ConfigError
from studio.core.native import NativeBuild, NativeSource, build_unless_off
from studio.core.paths import resources_dir

# No fused multiply-add, and sin and cos as Python calls them, so that results equal those of the references.
_FLAGS = ("-O2", "-std=gnu11", "-ffp-contract=off", "-fno-builtin-sin", "-fno-builtin-cos", "-shared", "-fPIC")
_MEMBER = re.compile(r"(\w+)\((\w+)(?:,\s*([^)]*))?\)")
_DTYPES = {"doubles": np.float64, "times": np.int64, "words": np.uint64, "bytes": np.uint8}

Value = np.ndarray | float | int


def tick_source() -> NativeSource:
    """Sources of the library and how they are compiled."""
    return NativeSource(name="tick", folder=resources_dir() / "native" / "tick", flags=_FLAGS, load=ctypes.PyDLL)


@functools.cache
def tick_build() -> NativeBuild:
    """The library of this process: from the cache, or built now (a second)."""
    return build_unless_off(tick_source())


class Kernel:
    """A C function bound to its structure; call `run()`. It holds on to every array that the structure points to.

    Args:
        library: built from `tick_source`.
        structure: name in `KERNEL(...)`.
        function: takes the structure, and whatever `run` is called with.
        values: every member by its name: whole numbers, numbers, arrays.
        arguments: how many whole numbers `run` takes.

    Raises:
        ConfigError: a member is missing or unknown, or an array is not of the declared type and length, contiguous,
            aligned and writeable. That is a defect of the caller.
    """

    def __init__(
        self, library: ctypes.CDLL, structure: str, function: str, values: Mapping[str, Value], arguments: int = 0
    ) -> None:
        members = _read_members(library, structure)
        if [name for _, name, _ in members] != list(values):
            raise _defect(structure, f"has members {[name for _, name, _ in members]}, was given {list(values)}")
        words = [_word(structure, kind, count, name, values) for kind, name, count in members]
        memory = np.frombuffer(b"".join(words), dtype=np.uint64).copy()
        call: Any = getattr(library, function)
        call.restype, call.argtypes = ctypes.c_int32, [ctypes.c_void_p] + arguments * [ctypes.c_int64]
        run = functools.partial(call, ctypes.c_void_p(memory.ctypes.data))
        run.__dict__["kept"] = memory, dict(values)  # the memory lives as long as what may be called
        self.run: Callable[..., int] = run


def make_kernel(structure: str, function: str, values: Mapping[str, Value], arguments: int = 0) -> Kernel | None:
    """A kernel of this process's library; None where there is none, and the reference does the work."""
    library = tick_build().library
    return None if library is None else Kernel(library, structure, function, values, arguments)


def _read_members(library: ctypes.CDLL, structure: str) -> list[tuple[str, str, str]]:
    """Kind, name and length of every member, as the C source declares them."""
    text = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(library, f"{structure}_members")))
    return [(kind, name, count) for kind, name, count in _MEMBER.findall(text.decode())]


def _word(structure: str, kind: str, count: str, name: str, values: Mapping[str, Value]) -> bytes:
    """The eight bytes of one member."""
    value = values[name]
    if kind == "whole":
        return struct.pack("=q", value)
    if kind == "number":
        return struct.pack("=d", value)
    wanted = math.prod(int(part) if part.isdecimal() else _whole(values[part]) for part in count.split(" * "))
    if not isinstance(value, np.ndarray) or value.dtype != _DTYPES[kind] or value.size != wanted:
        raise _defect(structure, f"{name} must be {wanted} {kind}, got {_describe(value)}")
    flags = value.flags
    if not (flags.c_contiguous and flags.aligned and flags.writeable):
        raise _defect(structure, f"{name} must be contiguous, aligned and writeable")
    return struct.pack("=Q", value.ctypes.data)


def _whole(value: Value) -> int:
    assert isinstance(value, int)
    return value


def _describe(value: Value) -> str:
    return f"{value.size} of {value.dtype}" if isinstance(value, np.ndarray) else repr(value)


def _defect(structure: str, text: str) -> ConfigError:
    return ConfigError(f"Kernel {structure} {text}. This is a defect.")
