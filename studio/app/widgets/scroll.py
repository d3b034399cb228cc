"""A page that scrolls up and down."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollArea, QScrollBar, QWidget


class _WheelRest(QObject):
    """Lets the wheel through to the page."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return False


_wheel_rest = _WheelRest()


def rest_wheel(inside: QWidget) -> None:
    """On a page the wheel scrolls: choices, sliders and numbers under the mouse keep what Qt would change."""
    kinds = (QComboBox, QAbstractSlider, QAbstractSpinBox)
    for widget in (found for kind in kinds for found in inside.findChildren(kind)):
        if not isinstance(widget, QScrollBar):
            widget.installEventFilter(_wheel_rest)


class PageScroll(QScrollArea):
    """As wide as its page; the page is measured when it is first shown.

    `QScrollArea.setWidget` measures at once, for which Qt styles everything inside, and does that again whenever the
    area gets another parent: three times until a new screen stands. Here a page belongs to the area from the start and
    is measured once it is styled (docs/decisions/0006).

    Args:
        page: what scrolls.
        clear: the ground behind it shines through.
    """

    def __init__(self, page: QWidget, *, clear: bool = False) -> None:
        super().__init__()
        self._page, self._clear = page, clear
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        page.setParent(self.viewport())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.measure()

    def measure(self) -> None:
        """Measure the page now; for whoever has styled it and shows it later."""
        if self.widget() is None:
            self.setWidget(self._page)
            rest_wheel(self._page)
            if self._clear:
                self.viewport().setAutoFillBackground(False)
                self._page.setAutoFillBackground(False)
