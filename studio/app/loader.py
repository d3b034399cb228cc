"""Reading episodes beside the window: one thread, joined at close; results are fetched by the window's timer. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Loader:
    """Runs calls one after the other in a thread of its own and hands the results back to whoever polls.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._waiting: list[tuple[Any, Future[Any]]] = []

    @property
    def busy(self) -> int:
        """How many results are still to come."""
        return len(self._waiting)

    def ask(self, key: Any, call: Callable[..., Any], *arguments: Any) -> None:
        """Queue a call; its result comes back from `poll` with the same key."""
        self._waiting.append((key, self._pool.submit(call, *arguments)))

    def poll(self, limit: int = 8) -> list[tuple[Any, Any]]:
        """Finished results, at most `limit`. An exception of the call is raised here."""
        done = [(key, future) for key, future in self._waiting[:limit] if future.done()]
        for item in done:
            self._waiting.remove(item)
        return [(key, future.result()) for key, future in done]

    def forget(self, kind: str = "") -> None:
        """Drop what has not begun: everything, or what has a key (kind, ...)."""
        keep = [w for w in self._waiting if kind and not (isinstance(w[0], tuple) and w[0][0] == kind)]
        self._waiting = [w for w in self._waiting if w in keep or not w[1].cancel()]

    def close(self) -> None:
        """Drop what waits, let the running call end, join the thread."""
        self._waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)
