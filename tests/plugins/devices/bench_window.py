"""A person at the devices screen of a real window: real keys and clicks, the real bench process, real twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QWidget
from pytestqt.qtbot import QtBot

from plugins.devices.model import DevicesModel
from studio.app.window import StudioWindow
from tests.app.windows import wait_until

_K = Qt.Key
HURRY = 40.0  # twins live this many times faster than the wall clock while a step runs
_TRIES = 40  # how often a person begins a step again that this busy machine has disturbed


class Person:
    """Presses keys until what is to happen has happened."""

    def __init__(self, window: StudioWindow, qtbot: QtBot) -> None:
        self.window, self._qtbot = window, qtbot
        window.navigate("devices")
        self.panel: Any = window.panel("devices")
        self.model: DevicesModel = window.host.plugins["devices"].model
        self.model.bench.pace = HURRY
        self.wait(lambda: bool(self.model.facts), "the bench has said what there is")

    def wait(self, reached: Callable[[], bool], what: str) -> None:
        wait_until(self._qtbot, reached, what=what)

    def key(self, key: Qt.Key) -> None:
        QTest.keyClick(self.window, key)
        self._qtbot.wait(10)

    def click(self, words: str) -> None:
        """The visible button that begins with these words."""
        self.panel.refresh()
        found = [b for b in self.panel.findChildren(QAbstractButton) if b.isVisible() and b.text().startswith(words)]
        assert found, f"there is no button {words!r}: {self.buttons()}"
        assert found[0].isEnabled(), f"{words!r} cannot be pressed: {found[0].toolTip()}"
        QTest.mouseClick(found[0], Qt.MouseButton.LeftButton)
        self._qtbot.wait(10)

    def buttons(self) -> list[str]:
        return [b.text() for b in self.panel.findChildren(QAbstractButton) if b.isVisible()]

    def choose(self, joint: str) -> None:
        row = next(i for i, motor in enumerate(self.model.motors) if motor.joint == joint)
        while self.model.chosen < row:
            self.key(_K.Key_Down)
        while self.model.chosen > row:
            self.key(_K.Key_Up)

    def hold(self, down: bool = True) -> None:
        (QTest.keyPress if down else QTest.keyRelease)(self.window, _K.Key_Space)

    def begin(self, key: Qt.Key = _K.Key_Return) -> None:
        self.key(key)
        self.wait(lambda: self.model.check is not None and self.asked("free"), "the first question")

    def asked(self, key: str, step: str = "") -> bool:
        check = self.model.check
        question = check.question if check is not None else None
        return question is not None and question["key"] == key and step in ("", check.step if check else "")

    def go_on(self, until: Callable[[], bool], what: str) -> None:
        """Answer every question with Enter, holding Space; a stall of the machine that paused a step is no matter."""

        def reached() -> bool:
            check = self.model.check
            if until():
                return True
            assert check is not None and check.phase not in ("refused", "lost", "aborted", "finished"), self.told()
            if check.question is not None:
                if check.gives_torque and not self.model.held:
                    self.hold()
                self.key(_K.Key_Return)
            return False

        self.wait(reached, what)

    def refused_at(self, step: str) -> bool:
        check = self.model.check
        return check is not None and check.phase == "refused" and check.step == step

    def over(self) -> bool:
        return self.model.check is not None and self.model.check.over

    def told(self) -> str:
        """What stands on the screen at the right."""
        self.panel.refresh()
        wizard = self.panel.wizard
        labels = (wizard.headline, wizard.sentence, wizard.pause, wizard.after, wizard.problem)
        return " | ".join(label.text() for label in labels if is_shown(label))

    def row(self, joint: str) -> tuple[str, ...]:
        """Cells of a motor's row, its state at the end."""
        self.panel.refresh()
        found = next(row for row in self.panel.table.rows.rows if row.motor and row.motor.joint == joint)
        assert found.state is not None
        return (*found.cells[:-1], found.state.words)


def is_shown(widget: QWidget) -> bool:
    return widget.isVisible() and bool(getattr(widget, "text", str)())
