"""What is on the screen, told to another process: where a widget stands, what it says, what state the studio is in.

For whoever clicks through the real window from outside (`tour --clicks`, tests), as a person's eyes do. It answers
questions on a socket, one JSON object a line, and can press nothing: hands are the display's own mouse and keys.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, QPoint, QSocketNotifier
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QLineEdit, QScrollArea, QWidget

from studio.app.widgets.scene3d import RobotView
from studio.core.errors import ConfigError, StudioError

if TYPE_CHECKING:
    from studio.app.window import StudioWindow

KINDS: dict[str, type[QWidget]] = {
    "button": QAbstractButton, "label": QLabel, "field": QLineEdit, "choice": QComboBox, "any": QWidget,
}  # fmt: skip


class Eyes(QObject):
    """Answers on a socket as long as the window lives.

    Args:
        window: what is looked at.
        path: of the socket; it must not exist.

    Raises:
        ConfigError: the socket cannot be made there.
    """

    def __init__(self, window: StudioWindow, path: Path) -> None:
        super().__init__(window)
        self._window = window
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._server.bind(str(path))
            path.chmod(0o600)
        except OSError as error:
            self._server.close()
            why = error.strerror or error
            raise ConfigError(f"--eyes {path} cannot be made ({why}). Give a new, short path.") from error
        self._server.listen(1)
        self._server.setblocking(False)
        self._path, self._asker, self._text = path, None, b""
        self._questions: dict[str, Callable[..., Any]] = {
            "find": self._find, "place": self._place, "hand": self._hand, "state": self._state,
        }  # fmt: skip
        self._arrivals = QSocketNotifier(self._server.fileno(), QSocketNotifier.Type.Read, self)
        self._arrivals.activated.connect(self._welcome)
        self._lines: QSocketNotifier | None = None

    def close(self) -> None:
        """No more answers."""
        self._arrivals.setEnabled(False)
        self._part()
        self._server.close()
        self._path.unlink(missing_ok=True)

    # ---- the socket ----------------------------------------------------------------------------------------------

    def _welcome(self) -> None:
        """The newest asker takes the place of the one before."""
        self._part()
        try:
            asker, _ = self._server.accept()
        except OSError:
            return
        asker.setblocking(False)
        self._asker, self._text = asker, b""
        self._lines = QSocketNotifier(asker.fileno(), QSocketNotifier.Type.Read, self)
        self._lines.activated.connect(self._hear)

    def _part(self) -> None:
        if self._lines is not None:
            self._lines.setEnabled(False)
            self._lines.deleteLater()
            self._lines = None
        if self._asker is not None:
            self._asker.close()
            self._asker = None

    def _hear(self) -> None:
        assert self._asker is not None
        try:
            heard = self._asker.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            self._part()
            return
        self._text += heard
        while b"\n" in self._text and self._asker is not None:
            line, self._text = self._text.split(b"\n", 1)
            self._say(self._answer(line))

    def _say(self, answer: dict[str, Any]) -> None:
        assert self._asker is not None
        try:
            self._asker.setblocking(True)
            self._asker.settimeout(1.0)
            self._asker.sendall(json.dumps(answer).encode() + b"\n")
            self._asker.setblocking(False)
        except OSError:
            self._part()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            question = dict(json.loads(line))
            ask = self._questions[str(question.pop("ask"))]
            return {"answer": ask(**question)}
        except (ValueError, LookupError, TypeError, AttributeError, StudioError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    # ---- answers -------------------------------------------------------------------------------------------------

    def _find(self, text: str, kind: str = "button") -> list[dict[str, Any]]:
        """Widgets that are shown and whose words begin with `text`, best first: those one can see before the rest."""
        wanted = text.casefold()
        found = [
            describe(widget)
            for top in QApplication.topLevelWidgets()
            for widget in _shown(top, KINDS[kind])
            if any(words.casefold().startswith(wanted) for words in words_of(widget))
        ]
        return sorted(found, key=lambda one: (not one["seen"], len(one["text"])))

    def _place(self, x: float, y: float, z: float) -> list[int]:
        """Where a place in the world (m) appears on the display (px)."""
        return self._on_display(np.array([x, y, z]))

    def _hand(self, pair: int) -> list[int]:
        """Where the ring of a hand appears on the display (px)."""
        return self._on_display(self._view().hand_position_m(pair))

    def _on_display(self, place_m: np.ndarray) -> list[int]:
        view = self._view()
        return _pixels(view, view.to_pixel(place_m).toPoint())

    def _view(self) -> RobotView:
        panel = self._window.panels.get(self._window.studio.state.screen)
        view = panel.findChild(RobotView) if panel is not None else None
        if not isinstance(view, RobotView) or not view.works:
            raise ConfigError("There is no 3-D view on this screen. Open one that has it.")
        return view

    def _state(self) -> dict[str, Any]:
        """What the window shows of robot, take, runs, goal and notices, and every word in sight on the screen."""
        studio = self._window.studio
        link, take, goal = studio.state.link, studio.state.recording, studio.goal.goal
        box = studio.streams.latest("object_pose.world")
        panel = self._window.panels.get(studio.state.screen)
        return {
            "screen": studio.state.screen if panel is not None else "",
            "active": self._window.isActiveWindow(),
            "connected": link.connected, "robot": link.state_name, "driver": link.driver.name.lower(),
            "workers": self._window.session.running(),
            "take": {"on": take.on, "seconds": take.seconds, "closed": take.episodes_closed, "path": take.last_path},
            "runs": [
                {"id": run.id, "kind": run.kind, "title": run.title, "state": run.state, "stage": run.stage,
                 "step": run.step, "steps": run.steps, "message": run.message} for run in studio.state.runs.runs
            ],
            "goal": None if goal is None else {"name": goal.name, "position_m": list(goal.position_m)},
            "box": None if box is None else [float(value) for value in box["position_m"]],
            "notices": [{"level": notice.level, "text": notice.text} for notice in studio.notices.items],
            "words": [] if panel is None else [label.text() for label in _shown(panel, QLabel) if label.text()],
        }  # fmt: skip


def words_of(widget: QWidget) -> list[str]:
    """What a person would call it: its words, its name, the hint of an icon; and its name in the program."""
    text = widget.text() if isinstance(widget, (QAbstractButton, QLabel)) else ""
    hint = widget.toolTip() if isinstance(widget, QAbstractButton) else ""
    hint = widget.placeholderText() if isinstance(widget, QLineEdit) else hint
    names = (text, widget.accessibleName(), hint, widget.objectName())
    return [name.replace("&", "").strip() for name in names if name]


def describe(widget: QWidget) -> dict[str, Any]:
    """Words, place on the display (px: left, top, width, height) and state of a widget; `page` is where to scroll it.

    `seen`: its middle is neither scrolled away nor covered.
    """
    middle = widget.rect().center()
    on_top = QApplication.widgetAt(widget.mapToGlobal(middle))
    seen = on_top is not None and (on_top is widget or widget.isAncestorOf(on_top))
    page = _page(widget)
    return {
        "text": next(iter(words_of(widget)), ""),
        "value": _value(widget),
        "rect": _rect(widget),
        "enabled": widget.isEnabled(),
        "checked": isinstance(widget, QAbstractButton) and widget.isChecked(),
        "tip": widget.toolTip(),
        "seen": seen,
        "page": None if page is None else _rect(page),
    }


def _value(widget: QWidget) -> str:
    if isinstance(widget, QComboBox):
        return widget.currentText()
    return widget.text() if isinstance(widget, (QLineEdit, QLabel)) else ""


def _shown(inside: QWidget, kind: type) -> Iterator[Any]:
    yield from (widget for widget in inside.findChildren(kind) if widget.isVisible())


def _page(widget: QWidget) -> QWidget | None:
    """The scrolling page it stands on."""
    above = widget.parentWidget()
    while above is not None and not isinstance(above, QScrollArea):
        above = above.parentWidget()
    return above.viewport() if isinstance(above, QScrollArea) else None


def _rect(widget: QWidget) -> list[int]:
    left, top = _pixels(widget, QPoint(0, 0))
    scale = widget.devicePixelRatioF()
    return [left, top, round(scale * widget.width()), round(scale * widget.height())]


def _pixels(widget: QWidget, place: QPoint) -> list[int]:
    """A place in a widget in pixels of the display."""
    at, scale = widget.mapToGlobal(place), widget.devicePixelRatioF()
    return [round(scale * at.x()), round(scale * at.y())]
