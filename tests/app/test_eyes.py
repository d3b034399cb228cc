"""What the window tells on its socket: places, words and state; wrong questions are answered too."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint
from pytestqt.qtbot import QtBot

from studio.app.eyes import Eyes
from studio.app.window import StudioWindow
from studio.core.errors import ConfigError
from tests.app.windows import wait_until

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def eyes(quiet_window: StudioWindow, tmp_path: Path) -> Iterator[Eyes]:
    opened = Eyes(quiet_window, tmp_path / "eyes")
    yield opened
    opened.close()
    assert not (tmp_path / "eyes").exists()


@pytest.fixture
def ask(eyes: Eyes, tmp_path: Path, qtbot: QtBot) -> Iterator[Ask]:
    asker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asker.connect(str(tmp_path / "eyes"))
    asker.setblocking(False)

    def ask_(line: str = "", **question: Any) -> dict[str, Any]:
        asker.sendall((line or json.dumps(question)).encode() + b"\n")
        heard = bytearray()

        def whole() -> bool:
            try:
                heard.extend(asker.recv(1 << 20))
            except BlockingIOError:
                return False
            return heard.endswith(b"\n")

        wait_until(qtbot, whole, what="an answer")
        return json.loads(heard)

    yield ask_
    asker.close()


def test_a_button_is_found_where_it_stands(ask: Ask, quiet_window: StudioWindow) -> None:
    train = quiet_window.activity.buttons["train"]
    (found,) = [one for one in ask(ask="find", text="train")["answer"] if one["text"] == "Train"]
    corner = train.mapToGlobal(QPoint(0, 0))
    assert found["rect"] == [corner.x(), corner.y(), train.width(), train.height()]
    assert found["enabled"] and found["seen"] and found["page"] is None


def test_what_is_covered_is_not_seen(ask: Ask, quiet_window: StudioWindow, qtbot: QtBot) -> None:
    quiet_window.navigate("training")
    wait_until(qtbot, lambda: "training" in quiet_window.panels, what="Train is built")
    assert ask(ask="find", text="Train skills")["answer"][0]["seen"]
    quiet_window.open_palette()
    quiet_window.palette_layer.field.setText("goal")
    assert not ask(ask="find", text="Train skills")["answer"][0]["seen"]
    (field,) = ask(ask="find", text="Find or do", kind="field")["answer"]
    assert field["value"] == "goal"


def test_a_place_of_the_table_is_a_place_on_the_display(ask: Ask, quiet_window: StudioWindow, qtbot: QtBot) -> None:
    quiet_window.navigate("goals")
    wait_until(qtbot, lambda: "goals" in quiet_window.panels, what="Goals is built")
    panel: Any = quiet_window.panels["goals"]
    x, y = ask(ask="place", x=0.05, y=0.02, z=0.0)["answer"]
    expected = panel.view.mapToGlobal(panel.view.to_pixel([0.05, 0.02, 0.0]).toPoint())
    assert (x, y) == (expected.x(), expected.y())


def test_the_state_is_told_in_words(ask: Ask, quiet_window: StudioWindow) -> None:
    quiet_window.studio.notices.warn("The disk is nearly full.")
    state = ask(ask="state")["answer"]
    assert state["robot"] == "disabled" and not state["connected"] and state["take"]["on"] is False
    assert state["notices"][0] == {"level": "warn", "text": "The disk is nearly full."}


@pytest.mark.parametrize(
    "line", ["not json", "[]", "{}", '{"ask": "press"}', '{"ask": "find"}', '{"ask": "find", "text": "x", "kind": "y"}']
)
def test_a_wrong_question_gets_an_answer_and_the_next_one_too(ask: Ask, line: str) -> None:
    assert ask(line)["error"]
    assert "answer" in ask(ask="state")


def test_a_socket_that_cannot_be_made_is_refused(quiet_window: StudioWindow, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--eyes"):
        Eyes(quiet_window, tmp_path / "no" / "folder")
    with pytest.raises(ConfigError, match="short path"):
        Eyes(quiet_window, tmp_path / ("long" * 40))
