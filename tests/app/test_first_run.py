"""The screen of the first start in the real window: shown once, three ways in by key, the demo, found again later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.app import demo
from studio.app.demo import demo_dir, prepare_demo, read_demo
from studio.app.shell import first_run
from studio.app.shell.first_run import SCREEN, SEEN, demo_lines
from studio.app.window import StudioWindow
from studio.core.errors import DataError
from studio.jobs.queue import list_runs, wait_for
from tests.app.windows import OpenWindow, wait_until


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def greeted(open_window: OpenWindow, **options: Any) -> StudioWindow:
    window = open_window(greets=True, **options)
    window.panel(SCREEN)
    return window


def press(window: StudioWindow, key: Qt.Key) -> None:
    QTest.keyClick(window.windowHandle(), key)


def test_it_is_shown_on_the_first_start_only(open_window: OpenWindow, qtbot: QtBot) -> None:
    window = greeted(open_window)
    wait_until(qtbot, lambda: window.studio.settings.get(SEEN), what="the screen is shown")
    assert window.studio.state.screen == SCREEN and not window.top.tab_identities()
    press(window, Qt.Key.Key_Return)
    assert window.studio.state.screen == "teleop"
    window.close()
    again = open_window(greets=True)
    assert again.studio.state.screen == "teleop" and SCREEN not in again.panels
    again.run_anywhere("studio.first_run")  # from the palette
    again.panel(SCREEN)
    assert again.studio.state.screen == SCREEN


def test_nobody_is_greeted_who_did_not_ask(quiet_window: StudioWindow) -> None:
    assert quiet_window.studio.state.screen != SCREEN and quiet_window.studio.settings.get(SEEN) is None


def test_a_screen_can_be_asked_for_at_the_start(open_window: OpenWindow) -> None:
    assert open_window(screen="library").studio.state.screen == "library"
    other = open_window(screen="no_such_screen")
    assert other.studio.state.screen and "no_such_screen" in other.studio.notices.items[0].text


def test_motors_open_the_devices_or_say_why_not(open_window: OpenWindow) -> None:
    window = greeted(open_window)
    screen: Any = window.panel(SCREEN)
    assert screen.cards["motors"].button.isEnabled() and screen.cards["motors"].reason.isHidden()
    press(window, Qt.Key.Key_M)
    assert window.studio.state.screen == "devices"
    window.screens.turn_off("devices")
    window.navigate(SCREEN)
    card = screen.cards["motors"]
    assert not card.button.isEnabled() and card.reason.text() == "Devices is turned off; settings turn it on."
    press(window, Qt.Key.Key_M)
    assert window.studio.state.screen == SCREEN


def test_buttons_and_links_do_what_they_say(open_window: OpenWindow, qtbot: QtBot) -> None:
    window = greeted(open_window)
    window.resize(1280, 800)
    screen: Any = window.panel(SCREEN)
    hint, room = screen.minimumSizeHint(), window.stack.size()
    assert hint.width() <= room.width() and hint.height() <= room.height()
    wait_until(qtbot, lambda: not window.screens.assembly.names, what="everything is built")
    links = {link.text(): link for link in screen.findChildren(first_run.QPushButton) if link.isVisible()}
    QTest.mouseClick(links["All keys"], Qt.MouseButton.LeftButton)
    assert window.sheets["keys"].isVisible()
    window.press_escape()
    window.run_command("studio.light")
    wait_until(qtbot, lambda: not window.screens.assembly.names, what="the other theme")
    QTest.mouseClick(screen.cards["play"].button, Qt.MouseButton.LeftButton)
    assert window.studio.state.screen == "teleop"


def test_the_demo_is_made_once_and_opens_beside(
    open_window: OpenWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Path, str]] = []
    monkeypatch.setattr(first_run, "open_beside", lambda path, screen: opened.append((path, screen)))
    monkeypatch.setattr(demo, "PLAY_MINUTES", 0.05)
    window = greeted(open_window)
    screen: Any = window.panel(SCREEN)
    assert screen.cards["demo"].points.lines[0].startswith("6 min of play, made here")
    press(window, Qt.Key.Key_D)
    assert opened == [(demo_dir(), "library")] and "background" in window.studio.notices.items[0].text
    runs = list_runs(demo_dir())
    assert [run.kind for run in runs] == ["play"]
    status = wait_for(runs[0])
    assert status.state == "done", status.message
    facts = read_demo(demo_dir())
    assert facts.episodes == 1 and facts.play_s == pytest.approx(3.0, abs=0.1) and not facts.making
    press(window, Qt.Key.Key_D)
    assert len(opened) == 2 and len(list_runs(demo_dir())) == 1  # what is there is used
    screen.refresh()
    assert screen.cards["demo"].points.lines == demo_lines(facts)
    assert screen.cards["demo"].points.lines[0] == "1 episode, 0 min of play"


def test_a_folder_in_the_way_of_the_demo_is_said(open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    demo_dir().mkdir(parents=True)
    (demo_dir() / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="is not a project"):
        prepare_demo(demo_dir(), "dual_arm_ak60", "move_box")
    monkeypatch.setattr(first_run, "open_beside", lambda *_: pytest.fail("nothing to open"))
    window = greeted(open_window)
    press(window, Qt.Key.Key_D)
    assert window.studio.notices.items[0].level == "fault" and window.studio.state.screen == SCREEN
