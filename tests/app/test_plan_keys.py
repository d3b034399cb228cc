"""The keys of Train, Skills, Goals and Deploy, pressed in the real window (design: screens, Keys)."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.app.window import StudioWindow
from tests.app.windows import wait_until

Key, Ctrl, Shift = Qt.Key, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier
KEYS: dict[str, list[tuple[Key, Qt.KeyboardModifier, str]]] = {
    "training": [
        (Key.Key_Return, Ctrl, "train"), (Key.Key_P, NONE, "pause"), (Key.Key_Return, NONE, "skills"),
        (Key.Key_Up, NONE, "previous_run"), (Key.Key_Down, NONE, "next_run"), (Key.Key_C, NONE, "compare"),
    ],
    "skills": [
        (Key.Key_S, NONE, "sample"), (Key.Key_Return, NONE, "do"), (Key.Key_H, NONE, "hold"),
        *((Key(Key.Key_0 + n), NONE, f"choose_{n}") for n in range(1, 9)),
    ],
    "goals": [
        (Key.Key_Left, NONE, "left"), (Key.Key_Right, NONE, "right"), (Key.Key_Up, NONE, "away"),
        (Key.Key_Down, NONE, "near"), (Key.Key_Left, Shift, "left_fine"), (Key.Key_Right, Shift, "right_fine"),
        (Key.Key_Up, Shift, "away_fine"), (Key.Key_Down, Shift, "near_fine"), (Key.Key_PageUp, NONE, "higher"),
        (Key.Key_PageDown, NONE, "lower"), (Key.Key_Comma, NONE, "turn_left"), (Key.Key_Period, NONE, "turn_right"),
        *((Key(Key.Key_0 + n), NONE, f"face_{n}") for n in range(1, 7)), (Key.Key_K, NONE, "keep"),
        (Key.Key_G, Ctrl, "camera"), (Key.Key_Return, NONE, "go"), (Key.Key_Return, Shift, "go_all"),
        (Key.Key_H, NONE, "hold"),
    ],
    "deploy": [
        (Key.Key_Return, NONE, "deploy"), (Key.Key_H, NONE, "hold"), (Key.Key_T, NONE, "take_over"),
        (Key.Key_R, NONE, "record"), (Key.Key_Right, Ctrl, "next_goal"), (Key.Key_Y, NONE, "success"),
        (Key.Key_F, NONE, "failure"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("screen", list(KEYS))
def test_every_key_of_the_table_reaches_its_command(
    quiet_window: StudioWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, screen: str
) -> None:
    window = quiet_window
    window.navigate(screen)
    wait_until(qtbot, lambda: screen in window.panels, what="the screen stands there")
    asked: list[str] = []
    monkeypatch.setattr(window.studio.commands, "run", lambda identity, **_: asked.append(identity))
    for key, modifier, _ in KEYS[screen]:
        QTest.keyClick(window, key, modifier)
    assert asked == [f"{screen}.{name}" for _, _, name in KEYS[screen]]


@pytest.mark.parametrize("screen", ["skills", "goals", "deploy"])
def test_space_is_the_dead_man_where_arms_are_planned_for(
    quiet_window: StudioWindow, qtbot: QtBot, screen: str
) -> None:
    window: Any = quiet_window
    window.navigate(screen)
    wait_until(qtbot, lambda: screen in window.panels, what="the screen stands there")
    assert not window.studio.input.dead_man
    QTest.keyPress(window, Key.Key_Space)
    assert window.studio.input.dead_man
    QTest.keyRelease(window, Key.Key_Space)
    window.navigate("library")
    assert not window.studio.input.dead_man  # leaving lets go
