"""C of this project: built once per machine with the compiler it has, kept in the cache folder.

No compiler, or one that fails, is no error: every function in C has a reference in Python that does the same, slower.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.core.paths import user_cache_dir

COMPILER_VARIABLE = "CC"
SWITCH_VARIABLE = "HAPTIC_PLAY_NATIVE"  # 0 switches everything in C off
_LONGEST_BUILD_S = 120.0


@dataclass(frozen=True, kw_only=True)
class NativeSource:
    """One library.

    Args:
        name: of the C file that is compiled, without its ending; it includes the others.
        folder: where it lies; every C file and header there counts for whether it must be built again.
        flags: of the compiler.
        load: loads the library at a path and declares its functions.
    """

    name: str
    folder: Path
    flags: tuple[str, ...]
    load: Callable[[str], ctypes.CDLL] = ctypes.CDLL


@dataclass(frozen=True, kw_only=True)
class NativeBuild:
    """What came of building.

    Args:
        library: the loaded library, or None.
        reason: why there is none, in words; empty otherwise.
    """

    library: ctypes.CDLL | None
    reason: str = ""


def build(source: NativeSource, cache: Path) -> NativeBuild:
    """Build `source` into `cache` unless it is there, and load it."""
    compiler = find_compiler()
    try:
        path = cache / f"{source.name}-{fingerprint(source)}.so"
        if not path.exists():
            if compiler is None:
                return NativeBuild(library=None, reason="no C compiler (cc, gcc or clang) is installed")
            _compile(compiler, source, path)
        return NativeBuild(library=source.load(str(path)))
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no message"]
        return NativeBuild(library=None, reason=f"{compiler} failed: {last[0]}")
    except (OSError, subprocess.TimeoutExpired, AttributeError) as error:
        return NativeBuild(library=None, reason=f"the native library could not be made or loaded: {error}")


def build_unless_off(source: NativeSource) -> NativeBuild:
    """From the user's cache, or built now (some seconds), unless C is switched off."""
    if os.environ.get(SWITCH_VARIABLE) == "0":
        return NativeBuild(library=None, reason=f"switched off by {SWITCH_VARIABLE}=0")
    return build(source, user_cache_dir() / "native")


def find_compiler() -> str | None:
    names = [os.environ.get(COMPILER_VARIABLE, ""), "cc", "gcc", "clang"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


def fingerprint(source: NativeSource) -> str:
    """Changes with the sources, the flags and the processor; a library of another processor is never loaded."""
    digest = hashlib.sha256(" ".join(source.flags).encode())
    for path in sorted(source.folder.glob("*.[ch]")):
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


def _compile(compiler: str, source: NativeSource, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")  # several processes may build at once; the last rename wins
    command = [compiler, *source.flags, "-o", str(unfinished), str(source.folder / f"{source.name}.c"), "-lm"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LONGEST_BUILD_S)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
