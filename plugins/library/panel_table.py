"""The same episodes as rows, for those who compare numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem, QWidget

from plugins.library.entry import Entry
from studio.app.theme import theme
from studio.app.widgets.lane_paint import clock_text

_COLUMNS = ("Episode", "Dataset", "Time", "Quality", "Contact", "Peak force", "Flips", "Labels", "Outcome", "Note")
_WIDTHS = (92, 120, 54, 66, 68, 84, 50, 100, 78, 100)


class EpisodeTable(QTableWidget):
    """Rows of episodes. Signals as of the grid: `chosen` keys, `opened` key."""

    chosen = Signal(list)
    opened = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_COLUMNS), parent)
        self.setHorizontalHeaderLabels(list(_COLUMNS))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setAccessibleName("Episodes")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme().pixels("space.row_table"))
        self.horizontalHeader().setStretchLastSection(True)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column, width in enumerate(_WIDTHS):
            self.setColumnWidth(column, width)
        self._keys: list[str] = []
        self._quiet = False
        self.itemSelectionChanged.connect(self._say)
        self.cellDoubleClicked.connect(lambda row, _: self.opened.emit(self._keys[row]))

    def set_entries(self, entries: Sequence[Entry], selection: Sequence[str]) -> None:
        self._quiet = True
        self._keys = [entry.key for entry in entries]
        self.setRowCount(len(entries))
        for row, entry in enumerate(entries):
            self._fill(row, entry)
        self._quiet = False
        self.select(selection)

    def update_entry(self, entry: Entry) -> None:
        if entry.key in self._keys:
            self._fill(self._keys.index(entry.key), entry)

    def select(self, keys: Sequence[str]) -> None:
        """Show a selection without telling anybody."""
        if sorted(self._chosen()) == sorted(keys):
            return
        self._quiet = True
        self.clearSelection()
        wanted = set(keys)
        mode = self.selectionMode()
        self.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        for row, key in enumerate(self._keys):
            if key in wanted:
                self.selectRow(row)
        self.setSelectionMode(mode)
        self._quiet = False

    def _fill(self, row: int, entry: Entry) -> None:
        for column, text in enumerate(row_texts(entry)):
            item = QTableWidgetItem(text)
            if _COLUMNS[column] == "Quality":
                item.setForeground(theme().colour(f"verdict.{entry.quality}"))
            self.setItem(row, column, item)

    def _chosen(self) -> list[str]:
        rows = sorted({index.row() for index in self.selectedIndexes()})
        return [self._keys[row] for row in rows]

    def _say(self) -> None:
        if not self._quiet:
            self.chosen.emit(self._chosen())


def row_texts(entry: Entry) -> tuple[str, ...]:
    """The cells of a row; a dash for what is not known."""
    facts = entry.facts
    contact = f"{facts.contact_share * 100:.0f} %" if facts is not None and facts.has_contact else "–"
    peak = f"{facts.peak_force_n:.1f} N" if facts is not None and np.isfinite(facts.peak_force_n) else "–"
    flips = str(facts.flips) if facts is not None and facts.flips >= 0 else "–"
    return (
        entry.title, entry.dataset, clock_text(entry.duration_s), entry.quality.capitalize(), contact, peak, flips,
        ", ".join(entry.marks.names) or "–", entry.marks.outcome.capitalize() or "–", entry.note,
    )  # fmt: skip
