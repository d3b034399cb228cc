"""Under the 3-D view: a film of an episode to drag along, or what the camera sees now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QComboBox, QFileDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from plugins.goals.film import Film
from plugins.goals.film_desk import CAMERA, EPISODE, FILE, SOURCES, FilmDesk
from studio.app.theme import set_property, theme
from studio.app.widgets.control import SegmentedControl

HEIGHT_PX = 224
_GAP_PX = 8.0
_CELLS = 6


class FilmStrip(QWidget):
    """Six pictures over the length of an episode; pressing and dragging chooses any frame in between."""

    scrubbed = Signal(float)  # share of the episode, 0..1

    def __init__(self) -> None:
        super().__init__()
        self._images: list[QImage] = []
        self._film: Film | None = None
        self._frame = -1
        self._frame_image: QImage | None = None
        self._live: QImage | None = None
        self._empty = ""  # what stands there without a picture
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        return QSize(600, 140)

    def set_film(self, film: Film | None) -> None:
        self._film, self._frame, self._frame_image, self._live = film, -1, None, None
        self._images = [make_image(picture) for picture in film.pictures] if film else []
        self.update()

    def set_frame(self, frame: int, picture: np.ndarray | None) -> None:
        """The chosen frame; its own picture, when it is decoded, stands in the nearest cell."""
        self._frame = frame
        self._frame_image = None if picture is None else make_image(picture)
        self.update()

    def set_live(self, picture: np.ndarray | None) -> None:
        """What the camera sees instead of a film."""
        self.show_image(None if picture is None else make_image(picture))

    def show_image(self, image: QImage | None, empty: str = "") -> None:
        """One picture instead of a film; without one, the words for that."""
        self._empty = empty
        self._images, self._film, self._frame = [], None, -1
        self._live = None if image is None or image.isNull() else image
        self.update()

    def pictures(self) -> int:
        """How many pictures the strip shows."""
        return len(self._images) + (self._live is not None)

    def cells(self) -> list[QRectF]:
        pitch = (self.width() - 32 + _GAP_PX) / _CELLS
        height = min(self.height() - 24.0, (pitch - _GAP_PX) * 0.75)
        return [QRectF(16 + index * pitch, 2, pitch - _GAP_PX, height) for index in range(_CELLS)]

    def share_at(self, x: float) -> float:
        return float(np.clip((x - 16) / max(self.width() - 32, 1), 0.0, 1.0))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._film is not None and len(self._film.times_s):
            self.scrubbed.emit(self.share_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self._film is not None and len(self._film.times_s):
            self.scrubbed.emit(self.share_at(event.position().x()))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if self._live is not None:
            self._paint_live(painter, self._live)
        elif self._film is not None:
            self._paint_film(painter, self._film)
        elif self._empty:
            self._paint_empty(painter)
        painter.end()

    def _paint_empty(self, painter: QPainter) -> None:
        """Where a picture will be."""
        pen = QPen(theme().colour("line.2"), 1)
        pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        place = QRectF(16.5, 2.5, self.width() - 33, self.height() - 7)
        painter.drawRoundedRect(place, 6, 6)
        painter.setPen(theme().colour("text.3"))
        painter.setFont(theme().font("body"))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, self._empty)

    def _paint_live(self, painter: QPainter, image: QImage) -> None:
        height = self.height() - 6.0
        paint_filling(painter, QRectF(16, 2, height * image.width() / max(image.height(), 1), height), image)

    def _paint_film(self, painter: QPainter, film: Film) -> None:
        active, cells = theme(), self.cells()
        chosen = self._chosen_cell(film, cells)
        for index, (place, image) in enumerate(zip(cells, self._images)):
            own = self._frame_image if index == chosen else None
            paint_filling(painter, place, own or image)
            time_s = film.times_s[self._frame if index == chosen else film.shown[index]]
            painter.setFont(active.font("small"))
            painter.setPen(active.colour("text.1" if index == chosen else "text.2"))
            below = QRectF(place.left(), place.bottom() + 4, place.width(), 18)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, clock_text(float(time_s)))
            if index == chosen:
                self._paint_choice(painter, place)
        if self._frame >= 0 and len(film.times_s) > 1:
            x = 16 + (self.width() - 32) * film.times_s[self._frame] / film.times_s[-1]
            painter.setPen(QPen(active.colour("plot.cursor", 0.9), 1.5))
            painter.drawLine(QPointF(x, 0), QPointF(x, cells[0].bottom() + 2))

    def _chosen_cell(self, film: Film, cells: list[QRectF]) -> int:
        if self._frame < 0:
            return -1
        x = 16 + (self.width() - 32) * film.times_s[self._frame] / max(float(film.times_s[-1]), 1e-9)
        return int(np.argmin([abs(cell.center().x() - x) for cell in cells[: len(self._images)]]))

    def _paint_choice(self, painter: QPainter, place: QRectF) -> None:
        active = theme()
        painter.setPen(QPen(active.colour("accent.line"), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(place.adjusted(-1, -1, 1, 1), 5, 5)
        card = QRectF(place.left() + 8, place.top() + 8, 66, 20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("bg.0", active.number("fill.view_card")))
        painter.drawRoundedRect(card, 4, 4)
        painter.setPen(active.colour("text.1"))
        painter.setFont(active.font("hint"))
        painter.drawText(card, Qt.AlignmentFlag.AlignCenter, "the goal")


class FilmPanel(QFrame):
    """Title, where pictures come from, the strip and a sentence."""

    def __init__(self, desk: FilmDesk) -> None:
        super().__init__()
        self._desk = desk
        set_property(self, "frame", "bar")
        self.setFixedHeight(HEIGHT_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 10, 0, 8)
        column.setSpacing(8)
        column.addLayout(self._make_head())
        self.strip = FilmStrip()
        self.strip.scrubbed.connect(desk.scrub)
        column.addWidget(self.strip, 1)
        self.words = QLabel("")
        self.words.setContentsMargins(16, 0, 16, 0)
        set_property(self.words, "type", "small")
        set_property(self.words, "tone", "2")
        column.addWidget(self.words)
        desk.film_changed.connect(self.show_film)
        desk.frame_changed.connect(self.show_frame)
        self.show_film()

    def _make_head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(16, 0, 16, 0)
        row.setSpacing(8)
        title = QLabel("Or take a goal from a picture")
        set_property(title, "type", "strong")
        self.episodes = QComboBox()
        self.episodes.setAccessibleName("Episode")
        self.episodes.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.episodes.setFixedWidth(200)
        self.episodes.activated.connect(self._desk.choose_film)
        self.sources = SegmentedControl(list(SOURCES))
        self.sources.chosen.connect(self._desk.choose_source)
        self.choose = QPushButton("Choose a picture …")
        self.choose.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.choose.clicked.connect(self.ask_file)
        row.addWidget(title)
        row.addStretch(1)
        row.addWidget(self.episodes)
        row.addWidget(self.choose)
        row.addWidget(self.sources)
        return row

    def show_film(self) -> None:
        """Another film, or the camera instead."""
        desk = self._desk
        titles = [film.title for film in desk.films]
        if [self.episodes.itemText(i) for i in range(self.episodes.count())] != titles:
            self.episodes.clear()
            self.episodes.addItems(titles)
        self.episodes.setCurrentIndex(desk.film_index)
        self.episodes.setVisible(desk.source == EPISODE and bool(titles))
        self.choose.setVisible(desk.source == FILE)
        self.sources.choose(desk.source)
        if desk.source == EPISODE:
            self.strip.set_film(desk.film)
        elif desk.source == FILE:
            shown = None if desk.picture is None else QImage(str(desk.picture))
            self.strip.show_image(shown, "No picture yet")
        self._show_words()

    def ask_file(self) -> None:
        """Choose a file; STOP stays within reach meanwhile."""
        dialog = QFileDialog(self.window(), "A picture of the camera, with the box in it")
        dialog.setNameFilter("Pictures (*.png *.jpg *.jpeg)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setModal(False)
        dialog.fileSelected.connect(lambda text: self._desk.ask_file(Path(text)))
        dialog.show()

    def show_frame(self) -> None:
        if self._desk.source == EPISODE:
            self.strip.set_frame(self._desk.frame, self._desk.frame_picture)
        self._show_words()

    def tick(self) -> None:
        """Ten times a second: the camera's newest picture."""
        if self._desk.source == CAMERA:
            self.strip.set_live(self._desk.camera_picture())
            self._show_words()

    def _show_words(self) -> None:
        self.words.setText(self._desk.film_words())


def make_image(picture: np.ndarray) -> QImage:
    """A copy of [h, w, 3] uint8 as an image."""
    pixels = np.ascontiguousarray(picture)
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def paint_filling(painter: QPainter, place: QRectF, image: QImage) -> None:
    """Fill a place with the middle of an image."""
    scale = max(place.width() / max(image.width(), 1), place.height() / max(image.height(), 1))
    shown = QRectF(0, 0, place.width() / scale, place.height() / scale)
    shown.moveCenter(QRectF(image.rect()).center())
    painter.drawImage(place, image, shown)


def clock_text(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
