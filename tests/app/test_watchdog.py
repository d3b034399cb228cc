from __future__ import annotations

import time

from pytestqt.qtbot import QtBot

from studio.app.watchdog import Watchdog


def test_a_turn_that_sleeps_or_works_too_long_is_found(qtbot: QtBot) -> None:
    dog = Watchdog()
    dog.start()
    try:
        qtbot.wait(50)
        dog.forget()
        time.sleep(0.12)  # blocked, without using the processor
        qtbot.wait(30)
        assert any(turn.wall_s > 0.10 and turn.busy_s > 0.055 for turn in dog.long_turns), dog.report()
        assert any("test_a_turn_that_sleeps" in turn.where for turn in dog.long_turns), dog.report()
        dog.forget()
        began_s = time.thread_time()
        while time.thread_time() - began_s < 0.12:
            sum(range(1000))
        qtbot.wait(30)
        assert any(turn.busy_s >= 0.12 for turn in dog.long_turns)
    finally:
        dog.stop()


def test_short_turns_are_not_counted(qtbot: QtBot) -> None:
    dog = Watchdog()
    dog.start()
    try:
        qtbot.wait(50)
        dog.forget()
        qtbot.wait(300)
    finally:
        dog.stop()
    assert dog.turns > 5 and not dog.long_turns, dog.report()
