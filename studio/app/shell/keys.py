"""Keys of the whole window, filtered before any widget sees them.

Esc always stops the robot. Letters rest while a text field has the focus. Space never presses a focused button; Enter
does. On screens that move the robot Space is the dead-man and nothing else.
"""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QWindow
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)  # fmt: skip
from shiboken6 import isValid

from studio.app.commands import Command, normal_key

_NAMES = {
    Qt.Key.Key_Escape: "Esc", Qt.Key.Key_Return: "Enter", Qt.Key.Key_Enter: "Enter", Qt.Key.Key_Space: "Space",
    Qt.Key.Key_Backspace: "Backspace", Qt.Key.Key_Delete: "Del", Qt.Key.Key_Home: "Home", Qt.Key.Key_End: "End",
    Qt.Key.Key_PageUp: "PgUp", Qt.Key.Key_PageDown: "PgDown", Qt.Key.Key_Left: "Left", Qt.Key.Key_Right: "Right",
    Qt.Key.Key_Up: "Up", Qt.Key.Key_Down: "Down", Qt.Key.Key_Tab: "Tab", Qt.Key.Key_Backtab: "Tab",
}  # fmt: skip
_ALONE = {Qt.Key.Key_Control, Qt.Key.Key_Shift, Qt.Key.Key_Alt, Qt.Key.Key_Meta, Qt.Key.Key_AltGr}
_MOVES = {"Left", "Right", "Up", "Down", "Home", "End", "PgUp", "PgDown"}


class KeyTarget(Protocol):
    """What the filter asks of the window."""

    def press_escape(self) -> None: ...
    def command_at(self, key: str) -> Command | None: ...
    def run_command(self, identity: str) -> None: ...
    def release_command(self, identity: str) -> None: ...
    def space_is_dead_man(self) -> bool: ...
    def space(self, down: bool) -> None: ...


def key_text(event: QKeyEvent) -> str:
    """The key as commands write it: `Ctrl+Shift+Z`, `?`, `[`, `Shift+Enter`; empty for a modifier alone."""
    key = Qt.Key(event.key())
    if key in _ALONE or key == Qt.Key.Key_unknown:
        return ""
    modifiers, name = event.modifiers(), _NAMES.get(key)
    shifted = (
        name is not None
        or (event.text() and event.text().isalpha())
        or bool(modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier))
    )
    if name is None:
        printable = event.text() if event.text().isprintable() and event.text().strip() else ""
        plain = not modifiers & Qt.KeyboardModifier.ControlModifier
        name = printable if printable and plain else QKeySequence(key).toString()
    parts = [text for flag, text in (
        (Qt.KeyboardModifier.ControlModifier, "Ctrl"), (Qt.KeyboardModifier.AltModifier, "Alt"),
        (Qt.KeyboardModifier.ShiftModifier, "Shift"),
    ) if modifiers & flag and (text != "Shift" or shifted or key == Qt.Key.Key_Backtab)]  # fmt: skip
    return normal_key("+".join([*parts, "Plus" if name == "+" else name])) if name else ""


def is_text_field(widget: QWidget | None) -> bool:
    """Whether typing goes into it."""
    if isinstance(widget, (QLineEdit, QPlainTextEdit, QTextEdit)):
        return not widget.isReadOnly()
    return isinstance(widget, QAbstractSpinBox) or (isinstance(widget, QComboBox) and widget.isEditable())


def rests_in_text(key: str) -> bool:
    """Keys that belong to a text field while it has the focus: letters, editing, and its own undo, copy and paste."""
    parts = key.split("+")
    if parts[0] in ("Ctrl",) and parts[-1] in ("A", "C", "V", "X", "Z", "Y", "Left", "Right", "Backspace", "Del"):
        return True
    return parts[0] not in ("Ctrl", "Alt") and not (
        len(parts[-1]) > 1 and parts[-1][0] == "F" and parts[-1][1:].isdigit()
    )


class Keys(QObject):
    """The filter. It sits on the top-level windows, where few events pass: one on the whole application would be asked
    about every event of every widget, in Python."""

    def __init__(self, target: KeyTarget) -> None:
        super().__init__()
        self._target = target
        self._held: dict[int, str] = {}  # key code -> command that acts while held
        self._windows: list[QWindow] = []

    def attach(self, window: QWindow | None) -> None:
        """Filter a window's keys: ours when it is shown, and menus and dialogs when they get the focus."""
        if window is not None and window not in self._windows:
            window.installEventFilter(self)
            self._windows.append(window)

    def detach(self) -> None:
        for window in self._windows:
            if isValid(window):
                window.removeEventFilter(self)
        self._windows.clear()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind not in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease) or not isinstance(event, QKeyEvent):
            return False
        return self.handle(event)

    def handle(self, event: QKeyEvent) -> bool:
        """True when the key was ours; the widget with the focus does not get it then."""
        press = event.type() == QEvent.Type.KeyPress
        return self._press(event) if press else self._release(event)

    def _press(self, event: QKeyEvent) -> bool:
        key, focus = key_text(event), QApplication.focusWidget()
        if not key:
            return False
        if key.split("+")[-1] == "Esc":
            self._target.press_escape()
            return QApplication.activePopupWidget() is None  # an open menu closes as well
        if QApplication.activePopupWidget() is not None or (is_text_field(focus) and rests_in_text(key)):
            return False
        if key == "Space":
            return self._space(event, focus)
        if key == "Enter" and isinstance(focus, QAbstractButton) and focus.isEnabled():
            focus.click()
            return True
        if key in _MOVES and isinstance(focus, (QAbstractItemView, QAbstractSlider, QComboBox)):
            return False
        return self._command(key, event)

    def _space(self, event: QKeyEvent, focus: QWidget | None) -> bool:
        if self._target.space_is_dead_man():
            if not event.isAutoRepeat():
                self._target.space(True)
            return True
        return self._command("Space", event) or isinstance(focus, QAbstractButton)

    def _command(self, key: str, event: QKeyEvent) -> bool:
        command = self._target.command_at(key)
        if command is None:
            return False
        if not event.isAutoRepeat() or command.repeat:
            self._held[event.key()] = command.id
            self._target.run_command(command.id)
        return True

    def _release(self, event: QKeyEvent) -> bool:
        if event.isAutoRepeat():
            return False
        if event.key() == Qt.Key.Key_Space and self._target.space_is_dead_man():
            self._target.space(False)
            return True
        identity = self._held.pop(event.key(), "")
        if identity:
            self._target.release_command(identity)
        return bool(identity)


def rest_buttons(inside: QWidget) -> None:
    """A click on a button leaves the focus where it was, so that keys stay with the screen; Tab still reaches it."""
    for button in inside.findChildren(QAbstractButton):
        if button.focusPolicy() == Qt.FocusPolicy.StrongFocus:
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
