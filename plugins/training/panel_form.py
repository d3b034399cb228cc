"""The left side: what to learn from, the method's own settings as a form, where it runs, where it comes from."""

from __future__ import annotations

from collections.abc import Generator

from PySide6.QtCore import Qt
from PySide6.QtGui import QIntValidator
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from plugins.training.entries import CUSTOM
from plugins.training.form import FIRST_FIELDS, FormField
from plugins.training.model import TrainingModel
from plugins.training.sources import Source, cores, day_text, memory_text
from plugins.training.words import when_text
from studio.app.api import StudioApi
from studio.app.theme import set_property
from studio.app.widgets.control import KeyButton, SegmentedControl, ValueRow
from studio.app.widgets.fact_lines import FactLines
from studio.app.widgets.scroll import PageScroll, rest_wheel
from studio.app.widgets.unit_line import UnitLine
from studio.methods.table import METHODS

_ROWS_A_TURN = 3
_ENTRY_PX = 126


class FieldRow(QWidget):
    """Name, entry and unit of one setting. What is wrong is said under it, with what is allowed."""

    def __init__(self, field: FormField, model: TrainingModel) -> None:
        super().__init__()
        self.path, self._model = field.path, model
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 2)
        column.setSpacing(2)
        row = QHBoxLayout()
        name = QLabel(field.title)
        set_property(name, "tone", "2")
        row.addWidget(name)
        row.addStretch(1)
        self.entry = self._make_entry(field)
        self.entry.setAccessibleName(f"{field.group}, {field.title.lower()}" if field.group else field.title)
        row.addWidget(self.entry)
        column.addLayout(row)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        set_property(self.problem, "type", "hint")
        set_property(self.problem, "tone", "fault")
        self.problem.hide()
        column.addWidget(self.problem)
        self.setToolTip(field.help)
        rest_wheel(self)
        self.show_field(field, "")

    def _make_entry(self, field: FormField) -> QWidget:
        model, path = self._model, field.path
        if field.kind == "bool":
            box = QCheckBox()
            box.clicked.connect(lambda on: model.entries.enter(path, "true" if on else "false"))
            return box
        if field.choices:
            combo = QComboBox()
            combo.addItems(list(field.choices))
            combo.textActivated.connect(lambda text: model.entries.enter(path, text))
            return combo
        line = UnitLine("", field.unit)
        line.setFixedWidth(_ENTRY_PX)
        line.setAlignment(Qt.AlignmentFlag.AlignLeft)
        line.textEdited.connect(lambda text: model.entries.enter(path, text.strip()))
        return line

    @property
    def unit(self) -> str:
        """The unit that is shown; empty where there is none."""
        return self.entry.unit if isinstance(self.entry, UnitLine) else ""

    def set_unit(self, unit: str) -> None:
        if isinstance(self.entry, UnitLine):
            self.entry.set_unit(unit)

    def show_field(self, field: FormField, problem: str) -> None:
        if isinstance(self.entry, QCheckBox):
            self.entry.setChecked(field.text == "true")
        elif isinstance(self.entry, QComboBox):
            self.entry.setCurrentText(field.text)
        elif isinstance(self.entry, QLineEdit) and self.entry.text() != field.text:
            self.entry.setText(field.text)
        if isinstance(self.entry, QLineEdit):
            set_property(self.entry, "wrong", "true" if problem else "false")
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))


class FormPanel(QFrame):
    """304 wide; the button at its foot does not scroll."""

    def __init__(self, studio: StudioApi, model: TrainingModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        self._waiting: list[FormField] = []
        self._group = ""
        set_property(self, "frame", "panel-left")
        self.setFixedWidth(304)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 12, 12, 16)
        outer.setSpacing(10)
        title = QLabel("What to learn from")
        set_property(title, "type", "title")
        outer.addWidget(title)
        self._outer = outer

    def build(self) -> Generator[None, None, None]:
        """Part by part; between two parts the window takes a turn."""
        studio, model, outer = self._studio, self._model, self._outer
        outer.addWidget((yield from self._make_scroll()), 1)
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        set_property(self.reason, "type", "small")
        set_property(self.reason, "tone", "stopped")
        outer.addWidget(self.reason)
        self.train = KeyButton("Train skills", "Ctrl Enter", kind="primary", icon="train")
        self.train.clicked.connect(lambda: studio.commands.run("training.train"))
        foot = QVBoxLayout()
        foot.setContentsMargins(0, 0, 4, 0)  # as wide as what scrolls
        foot.addWidget(self.train)
        outer.addLayout(foot)
        model.entries.changed.connect(self.show_form)
        model.sources_changed.connect(self.show_sources)
        model.runs_changed.connect(self.show_button)
        yield
        self.show_sources()
        yield
        self.show_form()

    def _make_scroll(self) -> Generator[None, None, PageScroll]:
        content = QWidget()
        set_property(content, "ground", "1")
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(6)
        column.addWidget(self._make_card())
        yield
        self._add_method(column)
        yield
        self._add_fields(column)
        yield
        self._add_where(column)
        column.addStretch(1)
        return PageScroll(content)

    def _make_card(self) -> QFrame:
        card = QFrame()
        set_property(card, "frame", "card")
        column = QVBoxLayout(card)
        column.setContentsMargins(12, 10, 12, 10)
        row = QHBoxLayout()
        self.datasets = QComboBox()
        self.datasets.setAccessibleName("Dataset")
        self.datasets.activated.connect(self._choose_dataset)
        self.episodes = QLabel()
        set_property(self.episodes, "type", "small")
        set_property(self.episodes, "tone", "2")
        row.addWidget(self.datasets, 1)
        row.addWidget(self.episodes)
        column.addLayout(row)
        self.amount, self.marks = QLabel(), QLabel()
        for label in (self.amount, self.marks):
            set_property(label, "type", "small")
            set_property(label, "tone", "2")
            column.addWidget(label)
        return card

    def _add_method(self, column: QVBoxLayout) -> None:
        column.addWidget(_caption("Method"))
        self.methods = QComboBox()
        self.methods.setAccessibleName("Method")
        for name, entry in METHODS.items():
            self.methods.addItem(entry.title, name)
        self.methods.activated.connect(lambda index: self._model.entries.choose_method(self.methods.itemData(index)))
        column.addWidget(self.methods)
        column.addWidget(_caption("Size"))
        presets = [*self._model.entries.method.presets(), CUSTOM]
        self.sizes = SegmentedControl([name.capitalize() for name in presets])
        self.sizes.chosen.connect(lambda word: self._model.entries.choose_preset(word.lower()))
        column.addWidget(self.sizes)

    def _add_fields(self, column: QVBoxLayout) -> None:
        self.rows: dict[str, FieldRow] = {}
        fields = self._model.entries.fields
        column.addSpacing(6)
        for field in fields:
            if field.path in FIRST_FIELDS:
                column.addWidget(self._make_row(field))
        column.addWidget(self._make_seed())
        self.all = QPushButton(f"All {len(fields)} settings  ›")
        set_property(self.all, "kind", "link")
        self.all.setCheckable(True)
        self.all.clicked.connect(self._fold)
        column.addWidget(self.all, 0, Qt.AlignmentFlag.AlignLeft)
        self.more = QWidget()
        self._inner = QVBoxLayout(self.more)
        self._inner.setContentsMargins(0, 0, 0, 0)
        self._inner.setSpacing(0)
        self.more.hide()
        column.addWidget(self.more)

    def build_some(self) -> None:
        """A few of the other settings; they are many, and the window must not wait for all of them at once."""
        for field in self._waiting[:_ROWS_A_TURN]:
            if field.group != self._group:
                self._group = field.group
                self._inner.addWidget(_caption(field.group))
            self._inner.addWidget(self._make_row(field))
            self.rows[field.path].show_field(field, self._model.entries.problems.get(field.path, ""))
        del self._waiting[:_ROWS_A_TURN]

    def _make_row(self, field: FormField) -> FieldRow:
        self.rows[field.path] = row = FieldRow(field, self._model)
        return row

    def _make_seed(self) -> QWidget:
        widget = QWidget()
        row = QHBoxLayout(widget)
        row.setContentsMargins(0, 2, 0, 2)
        name = QLabel("Seed")
        set_property(name, "tone", "2")
        self.seed = QLineEdit(str(self._model.seed))
        self.seed.setFixedWidth(_ENTRY_PX)
        self.seed.setValidator(QIntValidator(0, 2_147_483_647))
        self.seed.setAccessibleName("Seed")
        self.seed.textEdited.connect(lambda text: self._model.set_seed(int(text or 0)))
        row.addWidget(name)
        row.addStretch(1)
        row.addWidget(self.seed)
        return widget

    def _add_where(self, column: QVBoxLayout) -> None:
        column.addWidget(_line())
        column.addWidget(_heading("Where it runs"))
        self.memory = ValueRow("Memory", memory_text())
        for row in (
            ValueRow("Device", f"CPU, {cores()} cores"),
            self.memory,
            ValueRow("If the window closes", "keeps running"),
        ):
            column.addWidget(row)
        column.addSpacing(6)
        column.addWidget(_line())
        column.addWidget(_heading("Comes from"))
        self.lineage = FactLines()
        column.addWidget(self.lineage)

    def _fold(self, on: bool) -> None:
        if on and not self._inner.count():
            self._waiting = [field for field in self._model.entries.fields if field.path not in FIRST_FIELDS]
        self.more.setVisible(on)
        self.all.setText(f"All {len(self._model.entries.texts)} settings  {'⌄' if on else '›'}")

    def _choose_dataset(self, index: int) -> None:
        self._model.choose_dataset(self._model.sources[index].path)

    # what is shown

    def show_form(self) -> None:
        model = self._model
        for field in model.entries.fields:
            if field.path in self.rows:
                self.rows[field.path].show_field(field, model.entries.problems.get(field.path, ""))
        self.sizes.choose(model.entries.preset.capitalize())
        ticks, rate = self.rows.get("window_ticks"), getattr(model.entries.config, "rate_hz", 0.0)
        if ticks is not None and rate:
            ticks.set_unit(f"ticks = {model.entries.config.window_ticks / rate:g} s")
        self._show_lineage()
        self.show_button()

    def show_sources(self) -> None:
        model = self._model
        self.datasets.clear()
        self.datasets.addItems([source.name for source in model.sources])
        source = model.source
        if source is None:
            self.episodes.setText("")
            self.amount.setText("No play yet. Record a minute.")
            self.marks.setText("")
        else:
            self.datasets.setCurrentIndex(model.sources.index(source))
            self.episodes.setText(f"{source.episodes} episode{'s' if source.episodes != 1 else ''}")
            self.amount.setText(amount_text(source))
            self.marks.setText(f"{labels_text(source)} · {source.left_out} left out")
        self._show_lineage()
        self.show_button()

    def _show_lineage(self) -> None:
        model, source = self._model, self._model.source
        changed = len(model.entries.settings)
        words = "nothing changed" if not changed else f"{changed} changed"
        lines = [("settings", "text.3", f"settings: {model.entries.base}, {words}")]
        if source is not None and source.episodes:
            first, last = day_text(source.first_unix_s), day_text(source.last_unix_s)
            days = first + (f" – {last}" if last != first else "")
            by = f"{source.labels} labels by {source.authors} reviewer{'s' if source.authors != 1 else ''}"
            lines.insert(0, ("dataset", "text.3", f"{source.episodes} episodes, {days}"))
            lines.insert(1, ("tag", "text.3", by))
        self.lineage.set_lines(lines)

    def show_button(self) -> None:
        """One primary button a screen: this one while nothing runs."""
        running = self._model.running
        blocked = self._model.blocked_train()
        set_property(self.train, "kind", "main" if running else "primary")
        self.train.set_words("Train another" if running else "Train skills")
        self.train.setEnabled(not blocked)
        shown = any(path in self.rows for path in self._model.entries.problems)  # then it stands under its field
        self.reason.setText("" if shown else blocked)
        self.reason.setVisible(bool(self.reason.text()))
        self.memory.set_value(memory_text())


def amount_text(source: Source) -> str:
    """`40:12 min · 965 000 ticks`."""
    minutes = f"{int(source.seconds) // 60}:{int(source.seconds) % 60:02d} min"
    return f"{minutes} · {source.ticks:,} ticks".replace(",", " ")


def labels_text(source: Source) -> str:
    """Which version of the labels training will see: `Labels as of 14:41`."""
    return f"{source.labels} labels as of {when_text(source.labels_unix_s)}" if source.labels else "no labels"


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    set_property(label, "tone", "2")
    label.setContentsMargins(0, 6, 0, 0)
    return label


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    set_property(label, "type", "strong")
    label.setContentsMargins(0, 4, 0, 2)
    return label


def _line() -> QFrame:
    line = QFrame()
    set_property(line, "frame", "line")
    return line
