"""Nothing long in one turn: work in slices, code in a thread, pictures in another. Counted, not timed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.app.assembly import SLICE_S, Assembly
from studio.app.shell.card import ErrorCard
from studio.app.window import StudioWindow
from tests.app.test_host import write_plugin
from tests.app.windows import OpenWindow, wait_until

MANIFEST = """
id = "{name}"
title = "{name}"
version = "1.0"
api = 1
role = "review"
model = "model"
"""
MODEL = "def make_model(studio):\n    return []\n"
PANEL = """
import threading
from PySide6.QtWidgets import QWidget
IMPORTED_IN = threading.current_thread().name
class Panel(QWidget):
    def __init__(self, model):
        super().__init__()
        self.calls = model
    def shown(self):
        self.calls.append("shown")
    def open(self, **arguments):
        self.calls.append(arguments)
def make_panel(studio, model):
    panel = Panel(model)
    for part in range(5):
        model.append(part)
        if part == BREAKS:
            raise ValueError("the third part is missing")
        yield
    return panel
"""


@pytest.fixture
def slices(tmp_path: Path, open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch) -> StudioWindow:
    """A window with two plugins that build in five parts; the second breaks in the third part."""
    (tmp_path / "none").mkdir()
    monkeypatch.setattr("studio.app.start.plugins_dir", lambda: tmp_path / "none")
    for name, breaks in (("sound", "-1"), ("torn", "2")):
        text = PANEL.replace("BREAKS", breaks)
        write_plugin(tmp_path / "plugs" / name, MANIFEST.format(name=name), model=MODEL, panel=text)
    return open_window(plugin_folders=(tmp_path / "plugs",))


def calls(window: StudioWindow, name: str) -> list[Any]:
    return window.host.plugins[name].model


# ---- slices -------------------------------------------------------------------------------------------------------


def long_steps(log: list[str], count: int) -> Generator[float, None, str]:
    """Each step fills a slice and asks the event loop for a sign."""
    for index in range(count):
        log.append(f"step {index}")
        QTimer.singleShot(0, lambda index=index: log.append(f"event {index}"))
        end_s = time.monotonic() + SLICE_S
        while time.monotonic() < end_s:
            pass
        yield 0.0
    return "built"


def test_the_event_loop_turns_between_two_slices(qtbot: QtBot) -> None:
    log: list[str] = []
    assembly = Assembly()
    assembly.begin("wall", long_steps(log, 3), log.append)
    wait_until(qtbot, lambda: "built" in log)
    for index in range(2):
        assert log.index(f"event {index}") < log.index(f"step {index + 1}"), log
    assert assembly.slices["wall"] >= 3 and not assembly.names


def test_the_latest_wish_goes_first_and_the_other_is_not_lost(qtbot: QtBot) -> None:
    done: list[str] = []
    assembly = Assembly()
    for name in ("first", "second"):
        assembly.begin(name, long_steps([], 3), lambda _, name=name: done.append(name))
    assert assembly.names == ["second", "first"]
    assembly.hurry("first")
    assert assembly.names == ["first", "second"]
    wait_until(qtbot, lambda: len(done) == 2)
    assert done == ["first", "second"]


def test_finished_at_once_or_dropped_in_the_middle(qtbot: QtBot) -> None:
    log: list[str] = []
    assembly = Assembly()
    assembly.begin("wall", long_steps(log, 3), log.append)
    assembly.finish("wall")
    assert "step 2" in log and log[-1] == "built"
    assembly.begin("roof", long_steps(log, 1000), log.append)
    wait_until(qtbot, lambda: log.count("step 0") == 2)
    assembly.drop("roof")
    assert not assembly.names
    QApplication.processEvents()
    assert log.count("built") == 1


# ---- screens ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("screen", ["teleop", "library", "replay", "training", "skills", "goals", "deploy"])
def test_every_screen_is_built_in_parts(quiet_window: StudioWindow, screen: str) -> None:
    steps = 0
    generator = quiet_window.host.panel_steps(screen)
    while True:
        try:
            wait_s = next(generator)
        except StopIteration as end:
            panel = end.value
            break
        if wait_s:
            time.sleep(wait_s)  # its code is being imported
        else:
            steps += 1
    assert panel is not None and steps >= 4
    panel.deleteLater()


def test_code_of_plugins_is_imported_outside_the_window_thread(slices: StudioWindow, qtbot: QtBot) -> None:
    import sys

    wait_until(qtbot, lambda: "studio_plugin_sound.panel" in sys.modules and "sound" in slices.panels)
    assert threading.main_thread().name != sys.modules["studio_plugin_sound.panel"].IMPORTED_IN  # type: ignore[attr-defined]


def test_arguments_wait_until_the_screen_stands_there(slices: StudioWindow, qtbot: QtBot) -> None:
    slices.screens.assembly.drop("sound")
    slices.navigate("sound", episode="a")
    slices.navigate("sound", episode="b")
    assert "sound" not in slices.panels and slices.stack.currentWidget() is not None
    wait_until(qtbot, lambda: "sound" in slices.panels)
    assert calls(slices, "sound")[-3:] == ["shown", {"episode": "a"}, {"episode": "b"}]
    assert slices.stack.currentWidget() is slices.panels["sound"]


def test_a_screen_that_was_left_meanwhile_does_not_come_to_the_top(slices: StudioWindow, qtbot: QtBot) -> None:
    slices.navigate("sound")
    slices.navigate("torn")
    wait_until(qtbot, lambda: {"sound", "torn"} <= set(slices.panels))
    assert isinstance(slices.stack.currentWidget(), ErrorCard)
    assert "shown" not in calls(slices, "sound") and calls(slices, "torn") == [0, 1, 2]
    assert slices.host.plugins["torn"].failure.what == "The third part is missing."  # type: ignore[union-attr]


def test_a_screen_that_nobody_waits_for_any_more_is_deleted_half_built(slices: StudioWindow) -> None:
    """Qt's connections hold what is half built, with its 3-D view and the view's thread; closing must end them all."""
    steps = slices.host.panel_steps("sound")
    while "sound" not in slices.host._imported or not calls(slices, "sound"):
        next(steps)
    (half,) = [widget for widget in QApplication.topLevelWidgets() if type(widget).__name__ == "Panel"]
    half.customContextMenuRequested.connect(lambda _, held=half: held.show())  # as every real panel does
    gone: list[str] = []
    half.destroyed.connect(lambda: gone.append("gone"))
    del half
    steps.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert gone == ["gone"]


def test_the_heart_beats_while_a_screen_is_built(slices: StudioWindow, qtbot: QtBot) -> None:
    """A beat between the slices of something long: the window's thread lives, and says so."""
    beats: list[int] = []
    write: Callable[[], None] = slices.session.outlet.beat
    log: list[str] = []
    slices.session.outlet.beat = lambda: (beats.append(len(log)), write())  # type: ignore[method-assign,assignment]
    slices.screens.assembly.begin("long", long_steps(log, 40), log.append)
    wait_until(qtbot, lambda: "built" in log)
    assert len({count for count in beats if count < len(log)}) > 1


# ---- pictures -----------------------------------------------------------------------------------------------------


def test_the_scene_is_drawn_in_another_thread_and_changes_of_one_turn_are_one_frame(
    quiet_window: StudioWindow, qtbot: QtBot
) -> None:
    quiet_window.navigate("teleop")
    view: Any = quiet_window.panel("teleop").view  # type: ignore[attr-defined]
    wait_until(qtbot, lambda: view.canvas.frames > 0, what="a first picture")
    wait_until(qtbot, lambda: not view.canvas.waiting, what="it is up to date")
    before = view.canvas.frames
    for angle in range(50):
        view.set_arms([0.01 * angle] * 8)
    wait_until(qtbot, lambda: view.canvas.frames > before and not view.canvas.waiting)
    assert view.canvas.frames - before <= 2
    assert "scene-drawer" in {thread.name for thread in threading.enumerate()}
