"""How commands speak: one JSON object when asked, one line for an error, a bar with a range for the time left."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from studio.core.errors import ConfigError, StudioError


def write_result(result: dict[str, Any], json_path: str | None, *, text: str = "") -> None:
    """Write the result: `-` prints JSON alone on standard output, a path writes it there, None prints `text`."""
    if json_path == "-":
        print(json.dumps(result, indent=2))
        return
    if json_path:
        path = Path(json_path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(path.name + ".new")
            temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            os.replace(temporary, path)
        except OSError as error:
            raise ConfigError(f"--json {path}: cannot be written ({error.strerror}). Choose another place.") from error
    print(text or "\n".join(f"{key}: {_short(value)}" for key, value in result.items()))


def report_error(error: StudioError) -> None:
    message = " ".join(str(error).split())
    print(f"error: {message}", file=sys.stderr)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, dict)) and len(json.dumps(value)) > 160:
        return f"({len(value)} entries; use --json)"
    return json.dumps(value) if isinstance(value, (list, dict)) else str(value)


def parse_arguments(kind: Any, arguments: list[str], prog: str) -> Any:
    """Command-line words into a frozen dataclass by tyro; what is wrong becomes one line.

    Raises:
        ConfigError: with the parser's own words.
        SystemExit: after `--help` was printed.
    """
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, args=arguments, prog=prog)
    except SystemExit as error:
        if error.code in (0, None):
            raise
        raise ConfigError(_plain(said.getvalue(), prog)) from None


def _plain(boxed: str, prog: str) -> str:
    """The parser's framed message as one sentence."""
    words = [line.strip("│╭╮╰╯─ ") for line in boxed.splitlines()]
    kept = [line for line in words if line.strip("-") and "helptext" not in line and not line.endswith(" --help")]
    said = " ".join(kept[1:]) or "wrong options"
    known = not kept or "error" in kept[0].lower() or said.lower().startswith(kept[0].lower())
    return f"{'' if known else kept[0] + ': '}{said.rstrip('.')}. See `{prog} --help`."


class ProgressBar:
    """A bar on stderr with a range for the time left, from the pace of the first and the latest half of the work."""

    def __init__(self, title: str, total: float, *, quiet: bool = False) -> None:
        self._title, self._total = title, max(total, 1e-9)
        self._quiet = quiet or not sys.stderr.isatty()
        self._started_s = time.monotonic()
        self._marks: list[tuple[float, float]] = [(self._started_s, 0.0)]

    def update(self, done: float, note: str = "") -> None:
        now_s = time.monotonic()
        if now_s - self._marks[-1][0] < 0.5 and done < self._total:
            return
        self._marks.append((now_s, done))
        if self._quiet:
            return
        share = min(1.0, done / self._total)
        bar = "#" * round(24 * share)
        line = f"\r{self._title} [{bar:<24}] {100 * share:3.0f} %  {self.time_left()}  {note}"
        print(f"{line:<110.110}", end="", file=sys.stderr, flush=True)

    def time_left(self) -> str:
        """`2 to 3 min left`, or `measuring` before two readings."""
        low_high = time_left_range_s(self._marks, self._total)
        return "measuring" if low_high is None else f"{format_range(*low_high)} left"

    def close(self) -> None:
        if not self._quiet:
            print(file=sys.stderr)


def time_left_range_s(marks: list[tuple[float, float]], total: float) -> tuple[float, float] | None:
    """Range of the time left in s from (time, done) marks: whole pace and pace of the latest half."""
    if len(marks) < 3 or marks[-1][1] <= 0:
        return None
    (t0, d0), (tm, dm), (t1, d1) = marks[0], marks[len(marks) // 2], marks[-1]
    rates = [(d1 - d0) / max(t1 - t0, 1e-9), (d1 - dm) / max(t1 - tm, 1e-9)]
    if min(rates) <= 0:
        return None
    left = [(total - d1) / rate for rate in rates]
    return 0.9 * min(left), 1.1 * max(left)


def format_range(low_s: float, high_s: float) -> str:
    """`20 to 30 s` or `5 to 7 min`."""
    if high_s < 90:
        return f"{low_s:.0f} to {max(high_s, low_s + 1):.0f} s"
    low, high = low_s / 60, high_s / 60
    return f"{low:.0f} to {max(round(high), round(low) + 1)} min"
