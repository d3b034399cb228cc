"""A field whose unit stands inside it, at the right."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QLineEdit

from studio.app.theme import theme

_GAP_PX = 9


class UnitLine(QLineEdit):
    """A line to type into; the unit is not part of its text."""

    def __init__(self, text: str = "", unit: str = "") -> None:
        super().__init__(text)
        self._unit = ""
        self.set_unit(unit)

    @property
    def unit(self) -> str:
        return self._unit

    def set_unit(self, unit: str) -> None:
        """Words after the value, such as `mm` or `ticks = 0.2 s`."""
        self._unit = unit
        width = QFontMetricsF(theme().font("small")).horizontalAdvance(unit)
        self.setTextMargins(0, 0, round(width) + 4 if unit else 0, 0)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._unit:
            painter = QPainter(self)
            painter.setFont(theme().font("small"))
            painter.setPen(theme().colour("text.3"))
            place = QRectF(0, 0, self.width() - _GAP_PX, self.height())
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._unit)
            painter.end()
