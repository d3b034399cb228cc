"""The Cameras tab: the live picture with found corners, coverage, progress, result, save."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from plugins.devices.cameras import BOARDS, STREAM, TWIN, CamerasModel, result_lines
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property, theme
from studio.app.widgets.video import VideoView

_SIDE_PX = 380
_RESULT_ROWS = 7


class BoardView(VideoView):
    """The newest picture, and the corners that were found in it."""

    def __init__(self) -> None:
        super().__init__("Camera")
        self._corners = np.zeros((0, 2))
        self.set_note("no picture yet")

    def show_corners(self, corners: np.ndarray) -> None:
        """[n, 2] in px of the picture."""
        self._corners = corners
        self.setAccessibleName(f"Camera, {len(corners)} corners found")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.has_picture or not len(self._corners):
            return
        painter, target = QPainter(self), self._target()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme().colour("state.engaged"), 2))
        scale = target.width() / self._image.width()
        for x, y in self._corners.tolist():
            painter.drawEllipse(QPointF(target.x() + (x + 0.5) * scale, target.y() + (y + 0.5) * scale), 5, 5)
        painter.end()


class CoverageMap(QWidget):
    """The picture's fields: filled where corners were found."""

    def __init__(self) -> None:
        super().__init__()
        self._fields: tuple[tuple[int, ...], ...] = ()
        self.setFixedHeight(132)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def show_fields(self, fields: tuple[tuple[int, ...], ...], share: float) -> None:
        """[6][8] of 0 and 1."""
        if fields != self._fields:
            self._fields = fields
            self.setAccessibleName(f"{100 * share:.0f} % of the picture covered")
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(176, 132)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, rows = QPainter(self), self._fields or ((0,) * 8,) * 6
        edge = min(self.width() / len(rows[0]), self.height() / len(rows))
        for y, row in enumerate(rows):
            for x, found in enumerate(row):
                box = QRectF(x * edge + 1, y * edge + 1, edge - 2, edge - 2)
                painter.fillRect(box, theme().colour("state.engaged" if found else "bg.3"))
        painter.end()


class CamerasPanel(QWidget):
    """Left the picture, right what to do and what was found."""

    def __init__(self, studio: StudioApi, model: CamerasModel) -> None:
        super().__init__()
        self.studio, self.model = studio, model
        self._pictures = studio.streams.follow(STREAM)
        self._picture_pace = Pace(15)
        self.view, self.coverage = BoardView(), CoverageMap()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.view, 1)
        row.addWidget(self._make_side())
        model.changed.connect(self.refresh)
        self.refresh()

    def _make_side(self) -> QFrame:
        side = QFrame()
        set_property(side, "frame", "panel")
        side.setFixedWidth(_SIDE_PX)
        column = QVBoxLayout(side)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        self.sentence = self._words("title")
        self.numbers, self.reason = self._words("strong"), self._words("small")
        for widget in (self.sentence, self.numbers, self.reason):
            column.addWidget(widget)
        column.addWidget(self.coverage)
        column.addLayout(self._make_choices())
        self._add_buttons(column)
        column.addWidget(self._make_place())
        self._add_results(column)
        column.addStretch(1)
        return side

    @staticmethod
    def _words(kind: str) -> QLabel:
        label = QLabel()
        label.setWordWrap(True)
        set_property(label, "type", kind)
        return label

    def _make_choices(self) -> QFormLayout:
        form = QFormLayout()
        self.source, self.board = QComboBox(), QComboBox()
        for source in self.model.sources:
            self.source.addItem("Twin: a rendered board" if source == TWIN else source, source)
        for name, words in BOARDS.items():
            self.board.addItem(words, name)
        self.board.setCurrentIndex(self.board.findData(self.model.board))
        self.source.currentIndexChanged.connect(lambda _: self.model.choose_source(self.source.currentData()))
        self.board.currentIndexChanged.connect(lambda _: self.model.choose_board(self.board.currentData()))
        form.addRow("Camera", self.source)
        form.addRow("Board", self.board)
        return form

    def _add_buttons(self, column: QVBoxLayout) -> None:
        row = QHBoxLayout()
        self.start, self.solve, self.save = QPushButton("Start"), QPushButton("Work it out"), QPushButton("Save")
        self.start.clicked.connect(lambda: self.model.stop() if self.model.running else self.model.start())
        self.solve.clicked.connect(lambda: self.model.ask("solve"))
        self.save.clicked.connect(lambda: self.model.ask("save"))
        for button in (self.start, self.solve, self.save):
            row.addWidget(button)
        column.addLayout(row)

    def _make_place(self) -> QWidget:
        """Where the board lies: only real cameras need to be told."""
        self.place = QWidget()
        row = QHBoxLayout(self.place)
        row.setContentsMargins(0, 0, 0, 0)
        self.numbers_of_place = [QDoubleSpinBox() for _ in range(3)]
        for box, unit, most in zip(self.numbers_of_place, (" mm", " mm", "°"), (2000, 2000, 180), strict=True):
            box.setRange(-most, most)
            box.setDecimals(1)
            box.setSuffix(unit)
            row.addWidget(box)
        names = ("Board’s corner, x in the world", "Board’s corner, y in the world", "Direction of its long edge")
        for box, name in zip(self.numbers_of_place, names, strict=True):
            box.setToolTip(name)
            box.setAccessibleName(name)
        self.lay = QPushButton("It lies here")
        self.lay.clicked.connect(self._lay)
        row.addWidget(self.lay)
        return self.place

    def _lay(self) -> None:
        x_mm, y_mm, yaw_deg = (box.value() for box in self.numbers_of_place)
        self.model.lay(1e-3 * x_mm, 1e-3 * y_mm, math.radians(yaw_deg))

    def _add_results(self, column: QVBoxLayout) -> None:
        self.heading = self._words("strong")
        column.addWidget(self.heading)
        self.rows: list[tuple[QLabel, QLabel]] = []
        for _ in range(_RESULT_ROWS):
            name, value = QLabel(), QLabel()
            set_property(name, "tone", "2")
            row = QHBoxLayout()
            row.addWidget(name)
            row.addStretch(1)
            row.addWidget(value)
            column.addLayout(row)
            self.rows.append((name, value))

    # ---- called by the devices screen ----------------------------------------------------------------------------

    def shown(self) -> None:
        self.model.read_kept()

    def hidden(self) -> None:
        self.model.hidden()
        self.view.clear()
        self.view.set_note("no picture yet")

    def tick(self, now_s: float) -> None:
        if not self._picture_pace.due(now_s):
            return
        records = self._pictures.read()
        if records is not None and len(records):
            self.view.set_frame(records[-1]["image"])

    # ---- showing -------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        model, progress = self.model, self.model.progress
        self.sentence.setText("Saved." if model.saved and not model.running else model.sentence)
        self.numbers.setText(
            f"{progress.pictures} pictures ({progress.pictures_needed} needed), {100 * progress.coverage:.0f} % "
            f"covered ({100 * progress.coverage_needed:.0f} % needed)"
        )
        self.reason.setText(progress.reason)
        self.view.show_corners(progress.corners if model.running else np.zeros((0, 2)))
        self.coverage.show_fields(progress.fields, progress.coverage)
        self._show_buttons()
        self._show_results()

    def _show_buttons(self) -> None:
        model, phase = self.model, self.model.progress.phase
        self.start.setText("Stop" if model.running else "Start")
        primary = {"idle": self.start, "taking": self.solve}.get(phase, self.save)
        for button in (self.start, self.solve, self.save):
            set_property(button, "kind", "primary" if button is primary else "main")
        self.solve.setEnabled(phase in ("taking", "refused"))
        self.save.setEnabled(phase in ("solved", "placed"))
        self.source.setEnabled(not model.running)
        self.board.setEnabled(not model.running)
        self.place.setVisible(model.source != TWIN)
        self.lay.setEnabled(phase in ("solved", "placed"))

    def _show_results(self) -> None:
        model, progress = self.model, self.model.progress
        inside, placed = progress.intrinsics, progress.placement
        heading = "Found now, not saved yet"
        if inside is None:
            kept = model.kept
            heading = model.why_not if kept is None else f"Kept, of {kept.intrinsics.date.partition('T')[0]}"
            values = {} if kept is None else kept.to_json()
            inside, placed = values.get("intrinsics"), values.get("placement")
        if inside is not None and placed is None:
            heading += ". Its place in the world is not known: tags cannot lead real arms."
        self.heading.setText(heading)
        lines = result_lines(inside, placed, model.truth)
        for place, (name, value) in enumerate(self.rows):
            shown = lines[place] if place < len(lines) else ("", "")
            name.setText(shown[0])
            value.setText(shown[1])


def make_cameras(studio: StudioApi) -> CamerasPanel:
    """The page, for the devices screen."""
    return CamerasPanel(studio, CamerasModel(studio))
