"""Painting in a later turn of the event loop: laying out and the first painting together make a long one."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid


def paint_later(widget: QWidget, turns: int = 1) -> None:
    """The widget is not painted before so many turns have passed; then all of it is."""
    widget.setUpdatesEnabled(False)
    _wait(widget, turns)


def _wait(widget: QWidget, turns: int) -> None:
    def next_turn() -> None:
        if not isValid(widget):
            return
        if turns > 1:
            _wait(widget, turns - 1)
        else:
            widget.setUpdatesEnabled(True)

    QTimer.singleShot(0, next_turn)
