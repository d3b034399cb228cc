"""A run in words: time left as a range, when it was, what can be done with it. No Qt."""

from __future__ import annotations

import time

from studio.app.api import RunView

MEASURED_STEPS = 10  # before that, a time left would be a guess

STATE_WORDS = {
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "lost": "Ended from outside",
    "paused": "Paused",
    "queued": "Starting",
}


def time_left_text(view: RunView | None) -> tuple[str, str]:
    """The big words and the small one after them: (`5 to 7 min`, `left`)."""
    if view is None:
        return "No run yet", ""
    if view.state in STATE_WORDS:
        return STATE_WORDS[view.state], ""
    if view.time_left_s is None or view.step < MEASURED_STEPS:
        return "measuring", ""
    low, high = view.time_left_s
    if high < 90:
        return f"{round(low)} to {max(round(high), round(low) + 1)} s", "left"
    return f"{round(low / 60)} to {max(round(high / 60), round(low / 60) + 1)} min", "left"


def when_text(unix_s: float) -> str:
    """`14:52` today, else `18 Nov`."""
    today = time.strftime("%Y%m%d") == time.strftime("%Y%m%d", time.localtime(unix_s))
    return time.strftime("%H:%M" if today else "%-d %b", time.localtime(unix_s))


def can_resume(view: RunView | None) -> bool:
    return view is not None and view.state in ("failed", "lost", "cancelled")
