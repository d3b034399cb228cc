"""The left side of the library: what is shown, with how many there are of each."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from plugins.library.entry import NOT_LABELLED, Filter
from plugins.library.model import LibraryModel
from studio.app.theme import set_property, theme
from studio.app.widgets.range_slider import RangeSlider
from studio.app.widgets.scroll import PageScroll

_WORDS = {"good": "Good", "fair": "Fair", "poor": "Poor", "success": "Success", "failure": "Failure",
          "used": "In training set", "left_out": "Left out", NOT_LABELLED: "Not labelled"}  # fmt: skip


class Dot(QWidget):
    """A small round of one token colour."""

    def __init__(self, key: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._key = key
        self.setFixedSize(10, 10)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour(self._key))
        painter.drawEllipse(QPointF(5, 5), 4.5, 4.5)
        painter.end()


class FilterRow(QWidget):
    """A tick, a colour, a word and a count."""

    def __init__(self, group: str, value: str, colour: str, model: LibraryModel) -> None:
        super().__init__()
        self.group, self.value = group, value
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        word = _WORDS.get(value, value) if group != "datasets" else value
        self.box = QCheckBox("" if colour else word)
        self.box.setAccessibleName(word)
        self.box.clicked.connect(lambda: model.toggle(group, value))
        row.addWidget(self.box)
        if colour:
            self.box.setFixedWidth(16)
            row.addWidget(Dot(colour))
            row.addWidget(QLabel(word))
        self.count = QLabel("0")
        set_property(self.count, "tone", "3")
        row.addStretch(1)
        row.addWidget(self.count)
        self.setFixedHeight(25)


class FilterPanel(QFrame):
    """All filters, 220 wide."""

    def __init__(self, model: LibraryModel) -> None:
        super().__init__()
        self._model = model
        self.rows: dict[tuple[str, str], FilterRow] = {}
        self._built: list[tuple[str, list[tuple[str, str]]]] = []
        set_property(self, "frame", "panel-left")
        self.setFixedWidth(220)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 10, 10, 10)
        outer.setSpacing(6)
        outer.addLayout(self._make_head())
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find an episode  /")
        self.search.setAccessibleName("Find an episode")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._search)
        outer.addWidget(self.search)
        self._content = QVBoxLayout()
        self._content.setSpacing(0)
        self._content.setContentsMargins(0, 0, 6, 0)
        outer.addWidget(self._make_scroll(), 1)
        model.changed.connect(self.refresh)
        model.selection_changed.connect(self.refresh)
        self.refresh()

    def _make_head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        title = QLabel("Filter")
        set_property(title, "type", "title")
        self.clear = QPushButton("Clear")
        set_property(self.clear, "kind", "link")
        self.clear.clicked.connect(self._clear)
        row.addWidget(title)
        row.addStretch(1)
        row.addWidget(self.clear)
        return row

    def _make_scroll(self) -> PageScroll:
        content = QWidget()
        content.setLayout(self._content)
        set_property(content, "ground", "1")
        return PageScroll(content)

    def _clear(self) -> None:
        self.search.clear()
        self._model.clear_filter()

    def _search(self, text: str) -> None:
        self._model.set_filter(replace(self._model.filter, text=text))

    def _groups(self) -> list[tuple[str, str, list[tuple[str, str]]]]:
        """(title, group, [(value, colour)]) as the data ask for it."""
        found = self._model.counts
        hues = {name: number for entry in self._model.entries for name, number in entry.marks.labels}
        labels = sorted((n for n in found["labels"] if n != NOT_LABELLED), key=lambda n: (hues.get(n, 9), n))
        groups = []
        if len(found["datasets"]) > 1:
            groups.append(("Dataset", "datasets", [(name, "") for name in sorted(found["datasets"])]))
        groups.append(("Quality", "qualities", [(q, f"verdict.{q}") for q in ("good", "fair", "poor")]))
        label_rows = [(name, f"cat.{(hues.get(name, 1) - 1) % 8 + 1}") for name in labels]
        groups.append(("Label", "labels", [*label_rows, (NOT_LABELLED, "")]))
        groups.append(("Outcome", "outcomes", [("success", ""), ("failure", "")]))
        groups.append(("Use", "uses", [("used", ""), ("left_out", "")]))
        return groups

    def refresh(self) -> None:
        """Counts, ticks, and new rows where new labels or datasets appeared."""
        groups = self._groups()
        wanted = [(group, values) for _, group, values in groups]
        if wanted != self._built:
            self._build(groups)
            self._built = wanted
        found, chosen = self._model.counts, self._model.filter
        for (group, value), row in self.rows.items():
            row.count.setText(str(found[group][value]))
            row.box.setChecked(value in getattr(chosen, group))
        self.clear.setEnabled(not chosen.is_clear)
        self._show_range(chosen)

    def _build(self, groups: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
        while self._content.count():
            item = self._content.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None:
                widget.deleteLater()
        self.rows.clear()
        for title, group, values in groups:
            self._content.addWidget(_heading(title))
            for value, colour in values:
                self.rows[(group, value)] = row = FilterRow(group, value, colour, self._model)
                self._content.addWidget(row)
        self._add_range()
        self._content.addStretch(1)

    def _add_range(self) -> None:
        self._content.addWidget(_heading("Contact share"))
        self.range = RangeSlider(100)
        self.range.setAccessibleName("Contact share")
        self.range.moved.connect(self._set_range)
        self.range_text = QLabel()
        set_property(self.range_text, "type", "small")
        set_property(self.range_text, "tone", "2")
        self._content.addWidget(self.range)
        self._content.addWidget(self.range_text)

    def _set_range(self, low: int, high: int) -> None:
        self._model.set_filter(replace(self._model.filter, contact=(low / 100, high / 100)))

    def _show_range(self, chosen: Filter) -> None:
        low, high = (round(100 * share) for share in chosen.contact)
        self.range_text.setText(f"{low} %  to  {high} %")
        if self.range.values() != (low, high):
            self.range.set_values(low, high)


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    set_property(label, "type", "small")
    set_property(label, "tone", "2")
    label.setContentsMargins(0, 12, 0, 4)
    return label
