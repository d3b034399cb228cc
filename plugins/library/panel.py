"""The library's screen: filters, cards or table, facts."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from plugins.library.entry import SORTS, Entry
from plugins.library.model import LibraryModel
from plugins.library.panel_facts import FactsPanel
from plugins.library.panel_filter import FilterPanel
from plugins.library.panel_table import EpisodeTable
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property, theme
from studio.app.widgets.control import IconButton, KeyButton
from studio.app.widgets.episode_grid import Card, EpisodeGrid
from studio.app.widgets.lane_paint import clock_text


def make_card(entry: Entry) -> Card:
    """What the grid shows of an episode."""
    facts = entry.facts
    extra: dict[str, Any] = (
        {"picture": facts.picture, "path_m": facts.box_path_m, "spark": facts.spark} if facts is not None else {}
    )
    return Card(
        key=entry.key, title=entry.title, duration=clock_text(entry.duration_s), verdict=entry.quality,
        note=entry.note, note_verdict=entry.quality != "good" and bool(entry.problem or entry.info.verdict_reason),
        outcome=entry.marks.outcome, left_out=entry.marks.left_out,
        labels=tuple(dict.fromkeys(entry.marks.labels)), **extra,
    )  # fmt: skip


class LibraryPanel(QWidget):
    """Filters left, episodes in the middle, facts right."""

    def __init__(self, studio: StudioApi, model: LibraryModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        self._pace = Pace(10)
        set_property(self, "ground", "0")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        studio, model = self._studio, self._model
        self.filters = FilterPanel(model)
        yield
        self.facts = FactsPanel(studio, model)
        yield
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.filters)
        row.addLayout((yield from self._make_middle()), 1)
        yield
        row.addWidget(self.facts)
        yield
        model.changed.connect(self._show_all)
        model.entry_changed.connect(self._show_one)
        model.selection_changed.connect(self._show_selection)
        studio.commands.bind("library.import", self.ask_import)
        studio.commands.bind("library.find", self.filters.search.setFocus)
        self._show_all()

    def _make_middle(self) -> Generator[None, None, QVBoxLayout]:
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._make_bar())
        yield
        self.grid, self.table = EpisodeGrid(), EpisodeTable()
        yield
        self.empty = self._make_empty()
        self.stack = QStackedWidget()
        for page in (self.grid, self.table, self.empty):
            self.stack.addWidget(page)
        for view in (self.grid, self.table):
            view.chosen.connect(self._model.select)
            view.opened.connect(self._model.replay)
        column.addWidget(self.stack, 1)
        return column

    def _make_bar(self) -> QFrame:
        bar = QFrame()
        set_property(bar, "frame", "bar")
        bar.setFixedHeight(52)
        row = QHBoxLayout(bar)
        row.setContentsMargins(20, 0, 16, 0)
        row.setSpacing(10)
        self.headline, self.subline = QLabel(), QLabel()
        set_property(self.headline, "type", "title")
        set_property(self.subline, "tone", "2")
        row.addWidget(self.headline)
        row.addWidget(self.subline)
        row.addStretch(1)
        self.importer = KeyButton("Import", icon="import")
        self.importer.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.importer.clicked.connect(lambda: self._studio.commands.run("library.import"))
        self.order = QComboBox()
        self.order.addItems(list(SORTS))
        self.order.setAccessibleName("Order")
        self.order.textActivated.connect(self._model.set_order)
        self.as_grid = IconButton("grid", "Cards", checkable=True)
        self.as_table = IconButton("table", "Table", checkable=True)
        self.as_grid.setChecked(True)
        self.as_grid.clicked.connect(lambda: self.set_table(False))
        self.as_table.clicked.connect(lambda: self.set_table(True))
        for widget in (self.importer, self.order, self.as_grid, self.as_table):
            row.addWidget(widget)
        return bar

    def _make_empty(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.addStretch(1)
        self.empty_text = QLabel()
        set_property(self.empty_text, "type", "title")
        self.empty_button = QPushButton()
        set_property(self.empty_button, "kind", "link")
        self.empty_button.clicked.connect(self._empty_pressed)
        column.addWidget(self.empty_text, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.empty_button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(2)
        return page

    # called by the window

    def tick(self, now_s: float) -> None:
        if self._pace.due(now_s):
            self._model.tick(now_s)

    def shown(self) -> None:
        self._model.refresh()
        self._focus_view()

    def _focus_view(self) -> None:
        """Arrows and keys go to the cards at once, unless something is being typed."""
        view = self.table if self.as_table.isChecked() else self.grid
        if self.stack.currentWidget() is view and not self.filters.search.hasFocus():
            view.setFocus()

    def toggle_panels(self) -> None:
        folded = self.filters.isVisible()
        self.filters.setVisible(not folded)
        self.facts.setVisible(not folded)

    def resizeEvent(self, event: object) -> None:
        narrow = self.width() < 1280 - theme().pixels("shell.activity")
        if narrow != getattr(self, "_narrow", None):
            self._narrow = narrow
            self.filters.setVisible(not narrow)

    # what the person does

    def set_table(self, table: bool) -> None:
        self.as_grid.setChecked(not table)
        self.as_table.setChecked(table)
        self._show_all()

    def ask_import(self) -> None:
        """Choose a folder; the import itself is a job."""
        dialog = QFileDialog(self, "Folder of a LeRobot dataset")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self._model.import_folder(Path(path)))
        dialog.open()

    def _empty_pressed(self) -> None:
        if self._model.entries:
            self.filters.clear.click()
        else:
            self._studio.navigate("teleop")

    # what is shown

    def _show_all(self) -> None:
        model = self._model
        self._show_headline()
        if model.shown:
            came = self.stack.currentWidget() is self.empty
            self._fill()
            if came and self.isVisible():
                self._focus_view()
            return
        self.stack.setCurrentWidget(self.empty)
        nothing = not model.entries
        words = (
            "Reading the library"
            if model.loading
            else ("No play yet. Record a minute." if nothing else "Nothing fits.")
        )
        self.empty_text.setText(words)
        self.empty_button.setText("Go to Teleoperate" if nothing else "Clear filter")
        self.empty_button.setVisible(not model.loading)

    def _fill(self) -> None:
        """The view that is on top; the other is filled when it comes there."""
        if self.as_table.isChecked():
            self.table.set_entries(self._model.shown, self._model.selection)
            self.stack.setCurrentWidget(self.table)
        else:
            self.grid.set_cards([make_card(entry) for entry in self._model.shown], self._model.selection)
            self.stack.setCurrentWidget(self.grid)

    def _show_one(self, key: str) -> None:
        entry = next((e for e in self._model.shown if e.key == key), None)
        if entry is not None:
            self.grid.list.update_card(make_card(entry))
            self.table.update_entry(entry)

    def _show_selection(self) -> None:
        for view in (self.grid, self.table):
            view.select(self._model.selection)
        self._show_headline()

    def _show_headline(self) -> None:
        head, sub = self._model.headline
        self.headline.setText(head)
        self.subline.setText(sub)


def make_panel(studio: StudioApi, model: LibraryModel) -> Generator[None, None, LibraryPanel]:
    panel = LibraryPanel(studio, model)
    yield from panel.build()
    return panel
