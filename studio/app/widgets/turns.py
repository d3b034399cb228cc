"""Painting in a later turn of the event loop: laying out and the first painting together make a long one."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

_TURN_MS = 1  # with 0 Qt posts an event, which comes before the timers, so in the same turn


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

    QTimer.singleShot(_TURN_MS, next_turn)
