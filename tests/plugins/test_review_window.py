"""Library and replay in the whole window: keys go through the window's own filter, as a person's do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtTest import QTest

from studio.app.start import StudioOptions, open_studio
from studio.app.window import StudioWindow
from studio.data.annotations import Journal
from tests.patience import PATIENCE_S
from tests.plugins.recording import START_NS, write_dataset


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: object) -> Iterator[StudioWindow]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = StudioOptions(project=tmp_path / "project", settings=tmp_path / "settings.json", workers=())
    window = open_studio(options)
    write_dataset(window.studio.project.dataset_path, 2, seconds=3.0, contacts_s=((1.0, 2.0),))
    window.show()
    yield window
    window.close()
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def wait(until: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end_s, f"this did not come: {what}"
        QCoreApplication.processEvents()
        time.sleep(0.005)


def press(window: StudioWindow, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """To the native window, where a real key arrives."""
    QTest.keyClick(window.windowHandle(), key, modifier)


def test_from_a_card_to_a_label_by_keyboard_alone(window: StudioWindow) -> None:
    window.navigate("library")
    library = window.host.load("library")
    wait(lambda: len(library.shown) == 2 and all(e.facts for e in library.shown), "the episodes")
    assert window.studio.state.screen == "library"
    press(window, Qt.Key.Key_Down)
    press(window, Qt.Key.Key_Right)
    wait(lambda: library.selection, "a selected card")
    press(window, Qt.Key.Key_X)
    wait(lambda: library.counts["uses"]["left_out"] == 1, "left out")
    press(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: library.counts["uses"]["left_out"] == 0, "undone")
    chosen = Path(library.selection[0])
    press(window, Qt.Key.Key_Return)
    wait(lambda: window.studio.state.screen == "replay", "the replay")
    replay = window.host.load("replay")
    wait(lambda: replay.take is not None and replay.path == chosen, "the take")
    press(window, Qt.Key.Key_N)
    assert replay.cursor_s == pytest.approx(1.0, abs=0.01)
    press(window, Qt.Key.Key_2)
    press(window, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    press(window, Qt.Key.Key_2)
    wait(lambda: replay.notes.labels, "the label")
    label = Journal(chosen).labels[0]
    assert label.text == "Lift" and label.end_ns - label.start_ns == pytest.approx(1e9, abs=1e6)
    assert label.start_ns == pytest.approx(START_NS + 1e9, abs=1e7)
    press(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: not replay.notes.labels, "undone")


def test_space_plays_and_leaving_pauses(window: StudioWindow) -> None:
    folder = next(window.studio.project.dataset_path.glob("session*/*"))
    window.navigate("replay", episode=str(folder))
    replay = window.host.load("replay")
    wait(lambda: replay.take is not None, "the take")
    press(window, Qt.Key.Key_Space)
    assert replay.playing
    from_s = replay.cursor_s
    wait(lambda: replay.cursor_s - from_s > 0.5, "half a second of play")
    window.navigate("library")
    assert not replay.playing
