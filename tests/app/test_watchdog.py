from __future__ import annotations

import time

import pytest
from pytestqt.qtbot import QtBot

from studio.app.watchdog import Clocks, Turn, Watchdog
from tests.patience import PATIENCE_MS


def test_a_turn_that_blocks_is_found_with_its_place(qtbot: QtBot) -> None:
    """It works for 0.12 s of the thread's own time, and until the watchdog has looked: no wall time is judged."""
    dog, turns = Watchdog(), []
    dog.listener = turns.append
    dog.start()
    try:
        qtbot.wait(50)
        dog.forget()
        began_s = time.thread_time()
        while time.thread_time() - began_s < 0.12 or not dog.looked:
            sum(range(1000))
        qtbot.wait(30)
    finally:
        dog.stop()
    blocked = [turn for turn in dog.long_turns if turn.worked_s >= 0.12]
    assert len(blocked) == 1 and blocked[0].busy_s >= 0.12
    assert "test_a_turn_that_blocks_is_found" in blocked[0].where, dog.report()
    assert blocked[0] in turns
    assert dog.longest_busy_s >= 0.12


@pytest.mark.parametrize(
    ("wall_s", "worked_s", "waited_s", "busy_s"),
    [
        (0.100, 0.010, {"1": 0.0, "2": 0.0}, 0.100),  # it slept: a person waits all the same
        (0.100, 0.010, {"1": 0.080, "2": 0.0}, 0.020),  # another program had the processor
        (0.100, 0.010, {"1": 0.0, "2": 0.070}, 0.030),  # a thread that it waited for was kept waiting
        (0.100, 0.090, {"1": 0.080, "2": 0.0}, 0.090),  # never less than it worked
    ],
)
def test_what_other_programs_took_does_not_count(
    wall_s: float, worked_s: float, waited_s: dict[str, float], busy_s: float
) -> None:
    before = Clocks(10.0, 1.0, {"1": 5.0, "2": 6.0})
    after = Clocks(10.0 + wall_s, 1.0 + worked_s, {"1": 5.0 + waited_s["1"], "2": 6.0 + waited_s["2"]})
    assert after.busy_since(before, "1") == pytest.approx(busy_s)


def test_only_turns_over_the_limit_are_kept(qtbot: QtBot) -> None:
    turns: list[Turn] = []
    dog = Watchdog(limit_s=3600.0)
    dog.listener = turns.append
    dog.start()
    try:
        qtbot.waitUntil(lambda: len(turns) > 5, timeout=PATIENCE_MS)
    finally:
        dog.stop()
    assert not dog.long_turns and dog.report() == ""
