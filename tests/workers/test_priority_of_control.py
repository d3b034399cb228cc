"""Control where real-time priority is refused: it still comes before planner and policy."""

from __future__ import annotations

import pytest

from studio.workers import control, planner, policy


def test_where_fifo_is_refused_control_asks_for_the_best_niceness(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(control, "lock_memory", lambda: True)
    monkeypatch.setattr(control, "obtain_niceness", lambda level: asked.append(level) or True)
    monkeypatch.setattr(control, "obtain_priority", lambda _: "Not permitted.")
    assert control._enter_realtime() == "Not permitted."
    assert len(asked) == 1 and asked[0] < min(planner._NICENESS, policy._NICENESS)
    monkeypatch.setattr(control, "obtain_priority", lambda _: "")
    assert control._enter_realtime() == "" and len(asked) == 1
