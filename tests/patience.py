"""How tests wait: on what has to happen, never for a time in which it might.

A slow machine only makes such a test slower. What never happens fails it after `PATIENCE_S`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 300.0
PATIENCE_MS = 300_000  # the same for pytest-qt


def wait_for_it(
    happened: Callable[[], object],
    what: str,
    *,
    turn: Callable[[], object] | None = None,
    timeout_s: float = PATIENCE_S,
) -> None:
    """Return once `happened()` is true; `turn` is done in between (beat, poll, events).

    Args:
        happened: the condition.
        what: it in words, for the failure.
        turn: what keeps things going while waiting.
        timeout_s: after which it counts as never.
    """
    end_s = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end_s, f"not within {timeout_s:g} s: {what}"
        if turn is not None:
            turn()
        time.sleep(0.005)


def kept_waiting_s(*pids: int) -> float:
    """How long processes were ready to run while the machine ran something else, since each began (s).

    A promise in seconds holds for a process that gets its turn: what the machine takes away is added to the limit.
    """
    waited_ns = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            waited_ns += int((task / "schedstat").read_text().split()[1])
    return waited_ns * 1e-9
