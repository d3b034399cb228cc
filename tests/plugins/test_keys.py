"""Every key of the table for Teleoperate, Library and Replay: a real key event runs its command, or says why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtTest import QTest

from plugins.replay.voice import Microphone
from studio.app.start import StudioOptions, open_studio
from studio.app.window import StudioWindow
from tests.patience import PATIENCE_S
from tests.plugins.recording import write_dataset

_NONE, _SHIFT, _CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)
_K = Qt.Key
_DIGITS = [(getattr(_K, f"Key_{n}"), _NONE, f"label_{n}") for n in range(1, 9)]
TELEOP = [
    (_K.Key_E, _NONE, "engage"), (_K.Key_H, _NONE, "hold"), (_K.Key_R, _NONE, "record"), (_K.Key_M, _NONE, "mark"),
    (_K.Key_Backspace, _NONE, "redo"), (_K.Key_Delete, _NONE, "drop"), (_K.Key_C, _SHIFT, "clear_fault"),
    (_K.Key_BracketLeft, _NONE, "softer"), (_K.Key_BracketRight, _NONE, "stiffer"), (_K.Key_Home, _NONE, "box_back"),
    (_K.Key_C, _NONE, "clutch"), *_DIGITS,
]  # fmt: skip
LIBRARY = [
    (_K.Key_Y, _NONE, "success"), (_K.Key_F, _NONE, "failure"), (_K.Key_X, _NONE, "leave_out"),
    (_K.Key_C, _NONE, "compare"), (_K.Key_Delete, _NONE, "delete"), (_K.Key_E, _CTRL, "export"),
    (_K.Key_Slash, _NONE, "find"),
]  # fmt: skip
REPLAY = [
    (_K.Key_Space, _NONE, "play"), (_K.Key_Right, _NONE, "frame_on"), (_K.Key_Left, _NONE, "frame_back"),
    (_K.Key_Right, _SHIFT, "second_on"), (_K.Key_Left, _SHIFT, "second_back"), (_K.Key_End, _NONE, "end"),
    (_K.Key_Home, _NONE, "start"), (_K.Key_Minus, _NONE, "slower"), (_K.Key_Equal, _NONE, "faster"),
    (_K.Key_O, _NONE, "loop"), (_K.Key_N, _NONE, "next_contact"), (_K.Key_N, _SHIFT, "previous_contact"),
    (_K.Key_Down, _NONE, "next_label"), (_K.Key_Up, _NONE, "previous_label"), (_K.Key_B, _NONE, "next_mark"),
    (_K.Key_B, _SHIFT, "previous_mark"), *_DIGITS, (_K.Key_S, _NONE, "split"), (_K.Key_Delete, _NONE, "remove"),
    (_K.Key_M, _NONE, "mark"), (_K.Key_Y, _NONE, "success"), (_K.Key_F, _NONE, "failure"),
    (_K.Key_X, _NONE, "leave_out"), (_K.Key_BracketLeft, _NONE, "edge_start"),
    (_K.Key_BracketRight, _NONE, "edge_end"), (_K.Key_C, _NONE, "compare"), (_K.Key_E, _CTRL, "export"),
    (_K.Key_G, _NONE, "goal"),
]  # fmt: skip


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: object) -> Iterator[StudioWindow]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = StudioOptions(project=tmp_path / "project", settings=tmp_path / "settings.json", workers=())
    window = open_studio(options)
    write_dataset(window.studio.project.dataset_path, 2, seconds=3.0, contacts_s=((1.0, 2.0),), cameras=())
    window.show()
    yield window
    window.close()
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def wait(until: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end_s, f"this did not come: {what}"
        QCoreApplication.processEvents()
        time.sleep(0.005)


def press_all(window: StudioWindow, screen: str, keys: list[tuple[Qt.Key, Qt.KeyboardModifier, str]]) -> list[str]:
    """Press each key on the screen; the commands that ran. Each other one is blocked with a reason."""
    commands, ran = window.studio.commands, []
    commands.ran.connect(ran.append)
    for key, modifier, name in keys:
        identity, before = f"{screen}.{name}", len(ran)
        blocked = commands.blocked(identity)
        QTest.keyClick(window.windowHandle(), key, modifier)
        QCoreApplication.processEvents()
        if blocked:
            assert identity not in ran[before:] and len(blocked) > 5
        else:
            assert identity in ran[before:], f"{key} did not run {identity}; {ran[before:]} ran"
        if name == "find":
            window.panels[screen].filters.search.clearFocus()
    commands.ran.disconnect(ran.append)
    return ran


def open_screen(window: StudioWindow, screen: str, **arguments: object) -> None:
    window.navigate(screen, **arguments)
    wait(lambda: screen in window.panels and window.studio.state.screen == screen, screen)


def test_teleoperate(window: StudioWindow) -> None:
    open_screen(window, "teleop")
    asked: list[str] = []
    window.session.request = lambda name, **_: asked.append(name)  # type: ignore[method-assign]
    ran = press_all(window, "teleop", TELEOP)
    assert {"teleop.softer", "teleop.stiffer"} <= set(ran) and asked == ["put_box_back"]
    window.session.send = lambda *_: None  # type: ignore[method-assign]  # no recorder runs here
    window.studio.state.recording.on = True
    ran = press_all(window, "teleop", [key for key in TELEOP if key[2] in ("mark", "label_1", "label_8")])
    assert ran == ["teleop.mark", "teleop.label_1", "teleop.label_8"]
    window.studio.state.recording.on = False


def test_space_is_the_dead_man_there(window: StudioWindow) -> None:
    open_screen(window, "teleop")
    QTest.keyPress(window.windowHandle(), Qt.Key.Key_Space)
    assert window.studio.input.dead_man
    QTest.keyRelease(window.windowHandle(), Qt.Key.Key_Space)
    assert window.studio.input.dead_man == window.studio.robot.dead_man_latched


def test_library(window: StudioWindow) -> None:
    open_screen(window, "library")
    model = window.host.load("library")
    wait(lambda: len(model.shown) == 2, "the episodes")
    assert press_all(window, "library", [key for key in LIBRARY if key[2] != "find"]) == [], "nothing is chosen yet"
    model.select([entry.key for entry in model.shown])
    ran = press_all(window, "library", [key for key in LIBRARY if key[2] not in ("compare", "export")])
    assert {"library.success", "library.leave_out", "library.delete", "library.find"} <= set(ran)
    model.cancel_delete()
    assert press_all(window, "library", [(Qt.Key.Key_C, _NONE, "compare")]) == ["library.compare"]
    wait(lambda: window.studio.state.screen == "replay", "both episodes in the replay")
    replay = window.host.load("replay")
    wait(lambda: replay.take is not None and replay.comparison.take is not None, "both takes")
    assert [str(replay.path), str(replay.comparison.path)] == list(model.selection)


def test_space_selects_a_card(window: StudioWindow) -> None:
    open_screen(window, "library")
    model = window.host.load("library")
    wait(lambda: len(model.shown) == 2, "the episodes")
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Down)
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Right)
    wait(lambda: len(model.selection) == 1, "a chosen card")
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Space, _CTRL)
    chosen = len(model.selection)
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Space)
    wait(lambda: len(model.selection) != chosen, "Space chooses or takes back")


def test_replay(window: StudioWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    open_screen(window, "replay", episode=str(next(window.studio.project.dataset_path.glob("session*/*_000001"))))
    model = window.host.load("replay")
    wait(lambda: model.take is not None, "the take")
    ran = press_all(window, "replay", [key for key in REPLAY if key[2] not in ("export", "goal")])
    second_on = (Qt.Key.Key_Right, _SHIFT, "second_on")
    model.seek(0.5)
    press_all(window, "replay", [_DIGITS[1], second_on, _DIGITS[1]])
    wait(lambda: model.notes.labels, "the label that the digit made")
    blocked = {"replay.edge_start", "replay.edge_end"}  # nothing was chosen then
    assert {f"replay.{name}" for _, _, name in REPLAY if name not in ("export", "goal")} - blocked <= set(ran)
    model.select(model.notes.labels[0].id)
    edges = [key for key in REPLAY if key[2].startswith("edge")]
    assert press_all(window, "replay", edges) == ["replay.edge_start", "replay.edge_end"]
    monkeypatch.setattr(Microphone, "start", lambda _: None)
    QTest.keyPress(window.windowHandle(), Qt.Key.Key_V)
    assert model.dictation.listening, "V listens while it is held"
    QTest.keyRelease(window.windowHandle(), Qt.Key.Key_V)
    assert not model.dictation.listening
