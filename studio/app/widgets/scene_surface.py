"""Where the 3-D picture is shown: drawn out of sight in a thread, and painted like any other widget.

A QOpenGLWidget inside a window makes Qt compose the whole window with OpenGL, every label and curve included. Where
the processor draws, that costs more than the scene itself (1440x900: 15 ms for every repaint of anything).
"""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from studio.app.theme import theme


class SceneSurface(QWidget):
    """Shows the newest picture; `needed` says that another one is wanted (a new size, shown again)."""

    needed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._picture = QImage()
        self._problem = ""

    def show_picture(self, picture: QImage) -> None:
        self._picture = picture
        self.update()

    def say(self, problem: str) -> None:
        """Words instead of a picture."""
        self._problem = problem
        self.update()

    def picture(self) -> QImage:
        return self._picture

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._picture.isNull():
            painter.fillRect(self.rect(), theme().colour("scene.bottom"))
        else:
            painter.drawImage(self.rect(), self._picture)
        if self._problem:
            painter.setPen(theme().colour("text.2"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._problem)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.needed.emit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.needed.emit()
