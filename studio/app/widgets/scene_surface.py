"""Where the 3-D picture is shown: OpenGL draws it out of sight, and it is painted like any other widget.

A QOpenGLWidget inside a window makes Qt compose the whole window with OpenGL, every label and curve included. Where
the processor draws, that costs more than the scene itself (1440x900: 15 ms for every repaint of anything).
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QWidget


class SceneSurface(QWidget):
    """Shows the newest picture of a QOpenGLWidget that itself is never shown.

    Args:
        native: the OpenGL widget; without a parent.
    """

    def __init__(self, native: Any) -> None:
        super().__init__()
        self._native = native
        self._picture = QImage()
        self._stale = True

    def redraw(self) -> None:
        """The scene has changed; it is drawn with the next paint, and not at all while nobody sees it."""
        self._stale = True
        self.update()

    def picture(self) -> QImage:
        """The newest picture, drawn now when the scene has changed."""
        self._follow_size()
        if self._stale:
            self._stale = False
            self._picture = self._native.grabFramebuffer()
        return self._picture

    def paintEvent(self, _event: QPaintEvent) -> None:
        picture = self.picture()
        painter = QPainter(self)
        painter.drawImage(self.rect(), picture)
        painter.end()

    def _follow_size(self) -> None:
        """A hidden widget gets no resize event by itself."""
        size, before = self.size().expandedTo(QSize(1, 1)), self._native.size()
        if size != before:
            self._native.resize(size)
            QApplication.sendEvent(self._native, QResizeEvent(size, before))
            self._stale = True
