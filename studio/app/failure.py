"""Why a plugin did not open, in words a person understands: what, where, what to do next. No Qt."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from studio.app.manifest import Manifest
from studio.core.errors import StudioError

_PACKAGES = {"umap": "umap-learn", "cv2": "opencv-python-headless", "sklearn": "scikit-learn", "yaml": "pyyaml"}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a plugin did not open, in words: what, where, next; `command` is something to type, detail is folded."""

    title: str
    what: str
    where: str
    next: str
    command: str = ""
    detail: str = ""
    time_s: float = field(default_factory=time.time)

    def report(self) -> str:
        parts = [f"{self.title} could not open", f"What: {self.what}", f"Where: {self.where}", f"Next: {self.next}"]
        return "\n".join([*parts, self.command, "", self.detail]).strip() + "\n"


def make_failure(manifest: Manifest, error: BaseException) -> Failure:
    """An exception of a plugin in words a person understands."""
    what, following, command = _words(error)
    author = f" by {manifest.author}" if manifest.author else ""
    return Failure(
        title=manifest.title, what=what, where=f"{manifest.title} {manifest.version}{author}, from {manifest.origin}",
        next=following, command=command, detail=_detail(manifest, error),
    )  # fmt: skip


def _words(error: BaseException) -> tuple[str, str, str]:
    """(what, next, command to type)."""
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(("studio", "plugins")):
        package = error.name.partition(".")[0]
        return (
            f"It needs the package {package}, which is not installed.",
            f"Install {package}, then press Try again.",
            f"pip install {_PACKAGES.get(package, package)}",
        )
    if isinstance(error, SyntaxError):
        place = f"{Path(error.filename or '').name} line {error.lineno}"
        return f"Its code cannot be read: {place}.", "Mend the file, then press Try again.", ""
    if isinstance(error, StudioError):
        return str(error), "Then press Try again.", ""
    return sentence(error), "Try again. If it stays, turn it off and send the report to its author.", ""


def sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _detail(manifest: Manifest, error: BaseException) -> str:
    """Time and title, the plugin's own lines of the traceback, the exception; then the whole traceback."""
    lines = [f"{time.strftime('%H:%M:%S')}  {manifest.title}  open"]
    folder = str(manifest.folder.resolve())
    for frame in traceback.extract_tb(error.__traceback__):
        if str(Path(frame.filename).resolve()).startswith(folder):
            lines.append(f"{Path(frame.filename).name} line {frame.lineno}: {frame.line}")
    return "\n".join([*lines, f"{type(error).__name__}: {error}"])
