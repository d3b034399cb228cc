"""The native rollout library: built once per machine with the C compiler it has, kept in the cache folder.

No compiler, or one that fails, is no error: rollouts then run in torch, slower and with the same results.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from studio.core.paths import resources_dir, user_cache_dir

COMPILER_VARIABLE = "CC"
SWITCH_VARIABLE = "HAPTIC_PLAY_NATIVE"  # 0 switches the native library off
_FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
_LONGEST_BUILD_S = 120.0


@dataclass(frozen=True, kw_only=True)
class NativeBuild:
    """What came of building.

    Args:
        library: the loaded library, or None.
        reason: why there is none, in words; empty otherwise.
    """

    library: ctypes.CDLL | None
    reason: str = ""


@functools.cache
def native_build() -> NativeBuild:
    """The library of this process: from the cache, or built now (some seconds)."""
    if os.environ.get(SWITCH_VARIABLE) == "0":
        return NativeBuild(library=None, reason=f"switched off by {SWITCH_VARIABLE}=0")
    return build(resources_dir() / "native", user_cache_dir() / "native")


def build(sources: Path, cache: Path) -> NativeBuild:
    """Build `sources`/skill_rollout.c into `cache` unless it is there, and load it."""
    compiler = _find_compiler()
    try:
        path = cache / f"skill_rollout-{_fingerprint(sources, compiler)}.so"
        if not path.exists():
            if compiler is None:
                return NativeBuild(library=None, reason="no C compiler (cc, gcc or clang) is installed")
            _compile(compiler, sources / "skill_rollout.c", path)
        return NativeBuild(library=_declare(ctypes.CDLL(str(path))))
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no message"]
        return NativeBuild(library=None, reason=f"{compiler} failed: {last[0]}")
    except (OSError, subprocess.TimeoutExpired, AttributeError) as error:
        return NativeBuild(library=None, reason=f"the native library could not be made or loaded: {error}")


def _find_compiler() -> str | None:
    names = [os.environ.get(COMPILER_VARIABLE, ""), "cc", "gcc", "clang"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


def _fingerprint(sources: Path, compiler: str | None) -> str:
    """Changes with the sources, the flags and the processor; a library of another processor is never loaded."""
    del compiler  # any compiler's library serves
    digest = hashlib.sha256(" ".join(_FLAGS).encode())
    for path in sorted(sources.glob("*.[ch]")):
        digest.update(path.read_bytes())
    digest.update(_processor().encode())
    return digest.hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))})
    return platform.machine() + "".join(told)


def _compile(compiler: str, source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")  # several processes may build at once; the last rename wins
    command = [compiler, *_FLAGS, "-o", str(unfinished), str(source), "-lm"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LONGEST_BUILD_S)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    for name in ("panel_width", "tile_rows", "has_bfloat16"):
        getattr(library, name).restype = ctypes.c_int32
        getattr(library, name).argtypes = []
    library.roll_out.restype = ctypes.c_int32
    library.roll_out.argtypes = [ctypes.c_void_p]
    return library
