"""Episode cards in a grid: picture, name and verdict, force of both hands, label and note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QImage, QKeyEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.app.theme import theme
from studio.app.widgets.card_pictures import CardPictures
from studio.app.widgets.polygon import make_polygon

CARD_HEIGHT_PX = 218
CARD_WIDTH_PX = 189
GAP_PX = 14
_PICTURE_PX = 106
_PAD_PX = 12
VERDICT_WORDS = {"good": "Good", "fair": "Fair", "poor": "Poor"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Card:
    """What one card shows.

    Args:
        picture: [h, w, 3] uint8 or empty; without one the way of the box is drawn from above.
        path_m: [points, 2] in m; `area_m` is ((x low, x high), (y low, y high)) of the table.
        spark: [hands, points], 0 to 1.
        labels: (name, number of its hue); the first is written, the others counted.
    """

    key: str
    title: str
    duration: str
    verdict: str
    note: str = ""
    note_verdict: bool = False
    outcome: str = ""
    left_out: bool = False
    labels: tuple[tuple[str, int], ...] = ()
    picture: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8))
    path_m: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.float32))
    area_m: tuple[tuple[float, float], tuple[float, float]] = ((-0.28, 0.34), (-0.34, 0.34))
    spark: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))


class CardList(QAbstractListModel):
    """Cards by key, so that a change of one repaints one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards: list[Card] = []
        self._rows: dict[str, int] = {}

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.cards)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        card = self.cards[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return card
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{card.title}, {card.duration}, {VERDICT_WORDS.get(card.verdict, '')}, {card.note}"
        return f"{card.title}: {card.note}" if role == Qt.ItemDataRole.ToolTipRole and card.note else None

    def row(self, key: str) -> int:
        return self._rows.get(key, -1)

    def replace(self, cards: Sequence[Card]) -> None:
        self.beginResetModel()
        self.cards = list(cards)
        self._rows = {card.key: row for row, card in enumerate(self.cards)}
        self.endResetModel()

    def update_card(self, card: Card) -> None:
        row = self.row(card.key)
        if row >= 0:
            self.cards[row] = card
            self.dataChanged.emit(self.index(row), self.index(row))


class CardDelegate(QStyledItemDelegate):
    """Paints a card; no widget per episode, so thousands scroll."""

    def __init__(self, grid: EpisodeGrid) -> None:
        super().__init__(grid)
        self._grid = grid
        self.pictures = CardPictures()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return self._grid.gridSize()

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        card: Card = index.data(Qt.ItemDataRole.UserRole)
        box = QRectF(option.rect).adjusted(0, 0, -GAP_PX, -GAP_PX)  # type: ignore[attr-defined]
        state = option.state  # type: ignore[attr-defined]
        selected = bool(state & QStyle.StateFlag.State_Selected)
        focused = bool(state & QStyle.StateFlag.State_HasFocus) and self._grid.hasFocus()
        ratio = painter.device().devicePixelRatioF()
        size, look = (round(box.width()), round(box.height())), (selected, focused, ratio, theme().name)
        picture = self.pictures.get(
            card.key, (card, size, *look), lambda: _make_picture(card, size, ratio, selected, focused)
        )
        if picture is None:
            _paint_frame(painter, box, selected=selected, focused=focused)
        else:
            painter.drawPixmap(box.topLeft(), picture)


def _make_picture(card: Card, size: tuple[int, int], ratio: float, selected: bool, focused: bool) -> QPixmap:
    """A whole card, transparent around its corners."""
    picture = QPixmap(round(size[0] * ratio), round(size[1] * ratio))
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter, box = QPainter(picture), QRectF(0, 0, *size)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if card.left_out:
        painter.setOpacity(0.55)
    _paint_card(painter, box, card, selected=selected, focused=focused)
    painter.end()
    return picture


def _paint_card(painter: QPainter, box: QRectF, card: Card, *, selected: bool, focused: bool) -> None:
    _paint_frame(painter, box, selected=selected, focused=focused)
    _paint_picture(painter, QRectF(box.left() + 1, box.top() + 1, box.width() - 2, _PICTURE_PX), card)
    _paint_words(painter, box, card)
    painter.setOpacity(1.0)
    if selected:
        _paint_tick(painter, QRectF(box.left() + 9, box.top() + 9, 18, 18))


def _paint_frame(painter: QPainter, box: QRectF, *, selected: bool, focused: bool) -> None:
    radius = theme().number("radius.card")
    key, width = ("accent.line", 2.0) if selected or focused else ("line.1", 1.0)
    painter.setPen(
        QPen(theme().colour(key), width, Qt.PenStyle.SolidLine if selected or not focused else Qt.PenStyle.DashLine)
    )
    painter.setBrush(theme().colour("bg.2"))
    painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), radius, radius)


def _paint_picture(painter: QPainter, area: QRectF, card: Card) -> None:
    painter.save()
    clip = QPainterPath()
    clip.addRoundedRect(area.adjusted(1, 1, -1, 8), 7, 7)
    clip.addRect(QRectF(area.left(), area.bottom(), area.width(), 8))
    painter.setClipPath(clip, Qt.ClipOperation.IntersectClip)
    painter.setClipRect(area, Qt.ClipOperation.IntersectClip)
    painter.fillRect(area, theme().colour("scene.bottom"))
    if card.picture.size:
        _paint_image(painter, area, card.picture)
    else:
        _paint_path(painter, area, card)
    painter.restore()
    _paint_chip(painter, area, card.duration)
    if card.outcome:
        good = card.outcome == "success"
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("bg.0", theme().number("fill.view_card")))
        painter.drawRoundedRect(QRectF(area.right() - 29, area.top() + 5, 24, 23), 4, 4)
        icon = theme().pixmap(
            card.outcome, 15, "verdict.good" if good else "verdict.poor", painter.device().devicePixelRatioF()
        )
        painter.drawPixmap(QPointF(area.right() - 24, area.top() + 9), icon)


def _paint_image(painter: QPainter, area: QRectF, pixels: np.ndarray) -> None:
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    scale = max(area.width() / width, area.height() / height)  # fill the card
    shown = QRectF(0, 0, area.width() / scale, area.height() / scale)
    shown.moveCenter(QPointF(width / 2, height / 2))
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(area, image, shown)


def _paint_path(painter: QPainter, area: QRectF, card: Card) -> None:
    """The table from above: far is up, left is left; the way of the box, a dot where it ended."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme().colour("scene.table"))
    (x0, x1), (y0, y1) = card.area_m
    scale = min((area.width() - 24) / (y1 - y0), (area.height() - 16) / (x1 - x0))
    table = QRectF(0, 0, (y1 - y0) * scale, (x1 - x0) * scale)
    table.moveCenter(area.center())
    if not len(card.path_m):
        return
    painter.drawRoundedRect(table, 3, 3)
    points = [QPointF(table.right() - (y - y0) * scale, table.bottom() - (x - x0) * scale) for x, y in card.path_m]
    painter.setPen(QPen(theme().colour("scene.box", 0.9), 1.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(QPolygonF(points))
    painter.setBrush(theme().colour("scene.box"))
    side = 0.1 * scale
    painter.drawRect(QRectF(points[-1].x() - side / 2, points[-1].y() - side / 2, side, side))


def _paint_chip(painter: QPainter, area: QRectF, text: str) -> None:
    painter.setFont(theme().font("strong"))
    width = painter.fontMetrics().horizontalAdvance(text) + 16
    chip = QRectF(area.right() - width - 6, area.bottom() - 26, width, 20)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme().colour("bg.0", theme().number("fill.view_card")))
    painter.drawRoundedRect(chip, 4, 4)
    painter.setPen(theme().colour("text.1"))
    painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, text)


def _paint_words(painter: QPainter, box: QRectF, card: Card) -> None:
    left, right = box.left() + _PAD_PX, box.right() - _PAD_PX
    middle = Qt.AlignmentFlag.AlignVCenter
    row = QRectF(left, box.top() + _PICTURE_PX + 8, right - left, 18)
    word = VERDICT_WORDS.get(card.verdict, "")
    painter.setFont(theme().font("small"))
    width = painter.fontMetrics().horizontalAdvance(word)
    if word:
        painter.setPen(theme().colour(f"verdict.{card.verdict}"))
        painter.drawText(row, middle | Qt.AlignmentFlag.AlignRight, word)
        icon = theme().pixmap(
            f"verdict.{card.verdict}", 13, f"verdict.{card.verdict}", painter.device().devicePixelRatioF()
        )
        painter.drawPixmap(QPointF(row.right() - width - 17, row.center().y() - 6.5), icon)
    painter.setFont(theme().font("strong"))
    painter.setPen(theme().colour("text.1"))
    painter.drawText(row.adjusted(0, 0, -width - 20, 0), middle, card.title)
    _paint_spark(painter, QRectF(left, row.bottom() + 8, right - left, 34), card.spark)
    _paint_footer(painter, QRectF(left, row.bottom() + 48, right - left, 18), card)


def _paint_spark(painter: QPainter, area: QRectF, spark: np.ndarray) -> None:
    painter.setPen(QPen(theme().colour("line.2"), 1))
    painter.drawLine(area.bottomLeft(), area.bottomRight())
    for hand, values in enumerate(spark):
        x = area.left() + np.arange(len(values)) / max(1, len(values) - 1) * area.width()
        y = area.bottom() - values * (area.height() - 1)
        painter.setPen(QPen(theme().hand(hand), 1.3))
        painter.drawPolyline(make_polygon(np.stack([x, y], axis=1)))


def _paint_footer(painter: QPainter, row: QRectF, card: Card) -> None:
    painter.setFont(theme().font("small"))
    metrics = painter.fontMetrics()
    label_width = 0
    if card.labels:
        name, number = card.labels[0]
        more = f" +{len(card.labels) - 1}" if len(card.labels) > 1 else ""
        text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, 80) + more
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour(f"cat.{(number - 1) % 8 + 1}"))
        painter.drawRoundedRect(QRectF(row.left(), row.center().y() - 5, 10, 10), 3, 3)
        painter.setPen(theme().colour("text.2"))
        painter.drawText(row.adjusted(16, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)
        label_width = 24 + metrics.horizontalAdvance(text)
    tone = f"verdict.{card.verdict}" if card.note_verdict and card.verdict else "text.2"
    painter.setPen(theme().colour(tone))
    text = metrics.elidedText(card.note, Qt.TextElideMode.ElideRight, int(row.width()) - label_width)
    painter.drawText(row, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text)


def _paint_tick(painter: QPainter, box: QRectF) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme().colour("accent.line"))
    painter.drawRoundedRect(box, 4, 4)
    painter.drawPixmap(
        box.topLeft() + QPointF(2, 2), theme().pixmap("check", 14, "bg.0", painter.device().devicePixelRatioF())
    )


class EpisodeGrid(QListView):
    """The grid. Signals: `chosen` the selected keys in order, `opened` a card was double-clicked."""

    chosen = Signal(list)
    opened = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._quiet = False
        self.list = CardList(self)
        self.setModel(self.list)
        self.delegate = CardDelegate(self)
        self.setItemDelegate(self.delegate)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setViewportMargins(20, 14, 0, 0)
        self.setAccessibleName("Episodes")
        self.doubleClicked.connect(lambda index: self.opened.emit(index.data(Qt.ItemDataRole.UserRole).key))
        theme().changed.connect(self.viewport().update)

    def set_cards(self, cards: Sequence[Card], selection: Sequence[str]) -> None:
        """Replace the cards; the selection and the place stay."""
        place = self.verticalScrollBar().value()
        current = self.currentIndex().data(Qt.ItemDataRole.UserRole) if self.currentIndex().isValid() else None
        self._silently(lambda: self.list.replace(cards))
        self.select(selection)
        if current is not None and self.list.row(current.key) >= 0:
            index = self.list.index(self.list.row(current.key))
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        self.verticalScrollBar().setValue(place)

    def select(self, keys: Sequence[str]) -> None:
        """Show a selection without telling anybody."""
        selection = QItemSelection()
        for row in (self.list.row(key) for key in keys):
            if row >= 0:
                selection.select(self.list.index(row), self.list.index(row))
        flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
        self._silently(lambda: self.selectionModel().select(selection, flag))

    def _silently(self, work: Callable[[], None]) -> None:
        self._quiet = True
        try:
            work()
        finally:
            self._quiet = False

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        super().selectionChanged(selected, deselected)
        if not self._quiet:
            rows = sorted(index.row() for index in self.selectedIndexes())
            self.chosen.emit([self.list.cards[row].key for row in rows])

    def toggle_current(self) -> None:
        """Add the card under the keyboard to the selection, or take it away."""
        if self.currentIndex().isValid():
            self.selectionModel().select(self.currentIndex(), QItemSelectionModel.SelectionFlag.Toggle)

    def paintEvent(self, event: QPaintEvent) -> None:
        self.delegate.pictures.begin()
        super().paintEvent(event)
        if self.delegate.pictures.owed:
            QTimer.singleShot(0, self.viewport(), self.viewport().update)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cards share the width, so that no column is cut."""
        width = self.width() - 20 - 14
        columns = max(1, (width + GAP_PX) // (CARD_WIDTH_PX - 6 + GAP_PX))
        self.setGridSize(QSize(max(120, width // columns), CARD_HEIGHT_PX + GAP_PX))
        super().resizeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex().data(Qt.ItemDataRole.UserRole).key)
            return
        super().keyPressEvent(event)
