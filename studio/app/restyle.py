"""A new style sheet for every widget of the application, widget by widget.

`QApplication.setStyleSheet` over an older sheet styles 1100 widgets in one go, each several times because palettes are
handed down: 0.5 s in which the window answers nothing. Here widgets are taken out of the old style and put into the
new one one after the other, and the sheet itself changes while none of them is in it (docs/decisions/0006).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QApplication, QStyle, QWidget
from shiboken6 import isValid

_POLISHED = Qt.WidgetAttribute.WA_WState_Polished


class _Deaf(QObject):
    """Keeps the news of a new style from widgets that are in none; they hear it when they are put into it."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.StyleChange or not isinstance(watched, QWidget):
            return False
        return not watched.testAttribute(_POLISHED)


_DEAF = _Deaf()


def restyle_steps(
    app: QApplication, enter: Callable[[], str], changed: Callable[[], None]
) -> Generator[float, None, None]:
    """Change the style; between two steps the event loop may turn.

    Args:
        app: what can be seen of it does not paint while it is between two styles.
        enter: makes the new colours count and returns the new style sheet.
        changed: called when everything that can be seen is in the new style; hidden widgets follow.
    """
    hidden = [widget for widget in app.allWidgets() if not widget.isVisible()]
    yield from _each(hidden, _take_out)
    seen = [widget for widget in app.allWidgets() if widget.isVisible()]
    windows = [widget for widget in seen if widget.isWindow()]
    for window in windows:
        window.setUpdatesEnabled(False)
    try:
        yield from _each(seen, _take_out)
        sheet = enter()
        for text in ("", sheet):
            app.installEventFilter(_DEAF)
            app.setStyleSheet(text)
            app.removeEventFilter(_DEAF)
            yield 0.0
        yield from _each(seen, _put_in)
        changed()
        yield 0.0
    finally:
        for window in windows:
            if isValid(window):
                window.setUpdatesEnabled(True)
    yield 0.0
    yield from _each(hidden, _put_in)


def _each(widgets: Iterable[QWidget], work: Callable[[QWidget, QStyle], None]) -> Generator[float, None, None]:
    for widget in widgets:
        if isValid(widget):
            work(widget, widget.style())
            yield 0.0


def _take_out(widget: QWidget, style: QStyle) -> None:
    if widget.testAttribute(_POLISHED):
        style.unpolish(widget)
        widget.setAttribute(_POLISHED, False)  # Qt passes over it when the sheet changes


def _put_in(widget: QWidget, style: QStyle) -> None:
    if widget.testAttribute(_POLISHED):
        return
    widget.setAttribute(_POLISHED, True)
    if widget.styleSheet():
        widget.setStyleSheet(widget.styleSheet())  # its own sheet lies over the new one
    else:
        style.polish(widget)
        QApplication.sendEvent(widget, QEvent(QEvent.Type.StyleChange))  # layouts and scroll areas measure again
    widget.update()
