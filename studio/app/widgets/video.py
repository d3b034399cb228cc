"""A camera picture, painted to fit, with its name on a card; says so while a picture is being decoded."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.app.theme import theme


class VideoView(QWidget):
    """Shows decoded frames; it never decodes anything itself."""

    def __init__(self, caption: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._caption = caption
        self._image = QImage()
        self._pixels: np.ndarray | None = None  # QImage does not own its memory
        self._note = "decoding"
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(caption)
        theme().changed.connect(self.update)

    @property
    def has_picture(self) -> bool:
        return not self._image.isNull()

    def picture(self) -> QImage:
        """A copy of the picture that is shown; null before the first one."""
        return self._image.copy()

    def set_caption(self, caption: str) -> None:
        self._caption = caption
        self.setAccessibleName(caption)
        self.update()

    def set_frame(self, pixels: np.ndarray) -> None:
        """Show a frame [height, width, 3] uint8, RGB."""
        self._pixels = np.ascontiguousarray(pixels)
        height, width = self._pixels.shape[:2]
        self._image = QImage(self._pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        self._note = ""
        self.update()

    def set_note(self, note: str) -> None:
        """A word over the picture, such as `decoding`; empty for none."""
        if note != self._note:
            self._note = note
            self.update()

    def clear(self) -> None:
        self._image, self._pixels, self._note = QImage(), None, "decoding"
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, 240)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 90)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme().colour("bg.0"))
        if not self._image.isNull():
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self._target(), self._image)
        if self._caption:
            self._paint_card(painter, 10, 10, self._caption)
        if self._note:
            width = painter.fontMetrics().horizontalAdvance(self._note) + 40
            self._paint_card(painter, (self.width() - width) / 2, self.height() / 2 - 13, self._note)
        painter.end()

    def _target(self) -> QRectF:
        scale = min(self.width() / self._image.width(), self.height() / self._image.height())
        width, height = self._image.width() * scale, self._image.height() * scale
        return QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)

    def _paint_card(self, painter: QPainter, x: float, y: float, text: str) -> None:
        painter.setFont(theme().font("small"))
        box = QRectF(x, y, painter.fontMetrics().horizontalAdvance(text) + 16, 24)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("bg.0", theme().number("fill.view_card")))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(theme().colour("text.1"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
