"""The middle: every motor as a row, follower above leader."""

from __future__ import annotations

from dataclasses import dataclass
from math import degrees
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from plugins.devices.model import DevicesModel
from plugins.devices.motors import SCALE_HIGH, SCALE_LOW, Motor, MotorState
from studio.app.theme import set_property, theme
from studio.app.widgets.bars import MINUS

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
COLUMNS = ("Motor", "Id", "Model", "Angle", "Temp", "Age", "Scale", "Checked", "State")
_WIDTHS = (74, 34, 164, 62, 54, 54, 56, 84, 152)
_RIGHT = (1, 3, 4, 5, 6)
_ICONS = {"good": ("ok", "state.engaged"), "fair": ("warn", "state.stopped"), "poor": ("fault", "state.fault"),
          "none": ("state.disabled", "text.3"), "busy": ("time", "accent.line")}  # fmt: skip
_TONES = {"good": "text.1", "fair": "state.stopped", "poor": "state.fault", "none": "text.2", "busy": "text.1"}


@dataclass(frozen=True, kw_only=True)
class Live:
    """What the loop reads of a motor now; NaN where it reads nothing."""

    angle_rad: float = float("nan")
    temperature_c: float = float("nan")
    age_s: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A motor's line, or with a group's title that of a group."""

    motor: Motor | None = None
    state: MotorState | None = None
    group: str = ""
    cells: tuple[str, ...] = ()


class MotorRows(QAbstractTableModel):
    """The rows of the table; a group's row cannot be chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []

    def show_motors(self, model: DevicesModel, live: dict[str, Live]) -> None:
        rows: list[Row] = []
        for motor in model.motors:
            if not rows or (rows[-1].motor is not None and rows[-1].motor.side != motor.side):
                rows.append(Row(group=motor.side))
            rows.append(
                Row(motor=motor, state=model.state_of(motor), cells=cells(motor, live.get(motor.joint, Live())))
            )
        if [row.motor and row.motor.joint for row in rows] != [row.motor and row.motor.joint for row in self.rows]:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
        elif rows != self.rows:
            self.rows = rows
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(COLUMNS) - 1))

    def rowCount(self, parent: Index = _ROOT) -> int:
        return len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if section in _RIGHT else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if self.rows[index.row()].motor is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.cells[index.column()] if row.cells else row.group.capitalize() if not index.column() else ""
        if role == Qt.ItemDataRole.ToolTipRole and row.state is not None:
            return row.state.detail
        if role == Qt.ItemDataRole.AccessibleTextRole and row.motor is not None and row.state is not None:
            return f"{row.motor.title}, {row.state.words}"
        return None

    def row_of(self, joint: str) -> int:
        return next((i for i, row in enumerate(self.rows) if row.motor is not None and row.motor.joint == joint), -1)


def cells(motor: Motor, live: Live) -> tuple[str, ...]:
    """Texts of a row, a dash for what is not known; the state has its own."""
    angle = f"{degrees(live.angle_rad):.1f}°".replace("-", MINUS) if np.isfinite(live.angle_rad) else "–"
    age = f"{1000 * live.age_s:.0f} ms" if np.isfinite(live.age_s) and live.age_s < 10 else "–"
    date = motor.calibration.date[:10] if motor.calibration else ""
    return (
        motor.name, str(motor.drive_id), f"{motor.model}, {motor.firmware_words}", angle, _temperature(motor, live),
        age, "–" if motor.scale is None else f"{motor.scale:.3f}", _date_words(date), "",
    )  # fmt: skip


def _temperature(motor: Motor, live: Live) -> str:
    if np.isfinite(live.temperature_c):
        return f"{live.temperature_c:.0f} °C"
    byte = (motor.seen or {}).get("temperature_byte")
    if byte is None:
        return "–"
    offset = (motor.seen or {}).get("temperature_offset_c")
    return f"{byte + (-40.0 if offset is None else offset):.0f} °C"


def _date_words(date: str) -> str:
    """`12 Nov` of an ISO date."""
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{int(date[8:10])} {months[int(date[5:7]) - 1]}" if len(date) == 10 else "–"


class RowPainter(QStyledItemDelegate):
    """Hue of the joint, numbers to the right, the state with its icon."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        rows: Any = index.model()
        row: Row = rows.rows[index.row()]
        area, active = QRectF(option.rect), theme()  # type: ignore[attr-defined]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)  # type: ignore[attr-defined]
        ground = "bg.1" if row.motor is None else "accent.soft" if chosen else "bg.0"
        painter.fillRect(area, active.colour(ground))
        painter.setPen(active.colour("line.1"))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        if row.motor is None:
            self._paint_group(painter, area, row) if index.column() == 0 else None
        elif index.column() == 0:
            self._paint_name(painter, area, row.motor, chosen)
        elif index.column() == len(COLUMNS) - 1:
            self._paint_state(painter, area, row)
        else:
            self._paint_cell(painter, area, row, index.column())
        painter.restore()

    def _paint_group(self, painter: QPainter, area: QRectF, row: Row) -> None:
        active = theme()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour(f"side.{row.group}"))
        painter.drawRoundedRect(QRectF(16, area.center().y() - 6, 12, 12), 3, 3)
        painter.setFont(active.font("strong"))
        painter.setPen(active.colour("text.1"))
        painter.drawText(
            QRectF(36, area.y(), 200, area.height()), Qt.AlignmentFlag.AlignVCenter, row.group.capitalize()
        )

    def _paint_name(self, painter: QPainter, area: QRectF, motor: Motor, chosen: bool) -> None:
        active = theme()
        if chosen:
            painter.fillRect(QRectF(area.x(), area.y(), 3, area.height()), active.colour("accent.line"))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.joint(motor.index))
        painter.drawRoundedRect(QRectF(area.x() + 16, area.center().y() - 6, 12, 12), 3, 3)
        painter.setFont(active.font("title"))
        painter.setPen(active.colour("text.1"))
        painter.drawText(area.adjusted(40, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, motor.name)

    def _paint_cell(self, painter: QPainter, area: QRectF, row: Row, column: int) -> None:
        active, name = theme(), COLUMNS[column]
        strong = name in ("Angle", "Scale")
        painter.setFont(active.font("strong" if strong else "body"))
        scale = row.motor.scale if row.motor is not None and name == "Scale" else None
        off = scale is not None and not SCALE_LOW <= scale <= SCALE_HIGH
        painter.setPen(active.colour("state.stopped" if off else "text.1" if strong else "text.2"))
        side = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
        painter.drawText(area.adjusted(8, 0, -8, 0), side | Qt.AlignmentFlag.AlignVCenter, row.cells[column])

    def _paint_state(self, painter: QPainter, area: QRectF, row: Row) -> None:
        active, state = theme(), row.state
        assert state is not None
        icon, tone = _ICONS[state.verdict]
        middle = area.center().y()
        if state.verdict == "busy":
            painter.setPen(QPen(active.colour("bg.4"), 2.5))
            painter.drawEllipse(QRectF(area.x() + 9, middle - 7, 14, 14))
            painter.setPen(QPen(active.colour(tone), 2.5))
            painter.drawArc(QRectF(area.x() + 9, middle - 7, 14, 14), 90 * 16, -200 * 16)
        else:
            painter.drawPixmap(QPointF(area.x() + 8, middle - 8), active.pixmap(icon, 16, tone))
        painter.setFont(active.font("strong" if state.verdict in ("fair", "poor", "busy") else "body"))
        painter.setPen(active.colour(_TONES[state.verdict]))
        text = painter.fontMetrics().elidedText(state.words, Qt.TextElideMode.ElideRight, int(area.width()) - 36)
        painter.drawText(area.adjusted(32, 0, -2, 0), Qt.AlignmentFlag.AlignVCenter, text)


class MotorTable(QTableView):
    """`chosen` carries the joint."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = MotorRows()
        self.setModel(self.rows)
        self.setItemDelegate(RowPainter(self))
        self.setAccessibleName("Motors")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme().pixels("space.row_table"))
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        for column, width in enumerate(_WIDTHS):
            self.setColumnWidth(column, width)
        self.rows.modelReset.connect(self._span_groups)
        self.selectionModel().currentRowChanged.connect(self._say)
        self._quiet = False
        theme().changed.connect(self.viewport().update)

    def _span_groups(self) -> None:
        self.clearSpans()
        for i, row in enumerate(self.rows.rows):
            if row.motor is None:
                self.setSpan(i, 0, 1, len(COLUMNS))
                self.setRowHeight(i, 28)

    def choose(self, joint: str) -> None:
        """Show a motor as the chosen one without telling anybody."""
        row = self.rows.row_of(joint)
        if row >= 0 and self.currentIndex().row() != row:
            self._quiet = True
            self.selectRow(row)
            self._quiet = False

    def _say(self, now: QModelIndex, before: QModelIndex) -> None:
        motor = self.rows.rows[now.row()].motor if now.isValid() else None
        if motor is not None and not self._quiet:
            self.chosen.emit(motor.joint)


def live_of(record: np.ndarray | None, joints: tuple[str, ...]) -> dict[str, Live]:
    """What the newest control record says of every motor, by joint name such as `leader.L1`."""
    if record is None:
        return {}
    found: dict[str, Live] = {}
    for side in ("leader", "follower"):
        for place, name in enumerate(joints):
            found[f"{side}.{name}"] = Live(
                angle_rad=float(record[f"{side}_position_rad"][place]),
                temperature_c=float(record[f"{side}_temperature_c"][place]),
                age_s=float(record[f"{side}_reply_age_s"][place]),
            )
    return found


def make_note(words: str) -> Any:
    """A line under the table."""
    from PySide6.QtWidgets import QLabel

    label = QLabel(words)
    set_property(label, "type", "small")
    set_property(label, "tone", "3")
    label.setWordWrap(True)
    return label
