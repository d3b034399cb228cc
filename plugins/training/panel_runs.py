"""The right side: every run with its state and held-out loss, what follows when one is done, what it reached."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from plugins.training.curves import words
from plugins.training.model import TrainingModel
from plugins.training.words import when_text
from studio.app.api import RunView, StudioApi
from studio.app.theme import set_property, theme
from studio.app.widgets.control import KeyButton, ValueRow
from studio.app.widgets.loss_plot import number_text
from studio.core.errors import DataError

_ROWS = 40
_ICONS = {"done": ("ok", "text.2"), "failed": ("cancelled", "state.fault"), "lost": ("cancelled", "state.fault"),
          "cancelled": ("cancelled", "text.3"), "paused": ("pause", "state.stopped")}  # fmt: skip
_RESULTS = 6


class RunRow(QWidget):
    """One run: ring or icon, name, words, held-out loss."""

    pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.view: RunView | None = None
        self.sub, self.value, self.chosen = "", "", False
        self.setFixedHeight(48)

    def show_run(self, view: RunView, sub: str, value: str, *, chosen: bool) -> None:
        self.view, self.sub, self.value, self.chosen = view, sub, value, chosen
        self.setAccessibleName(f"{view.title}, {sub}, {value}")
        self.setToolTip(view.message)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(260, 48)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self.view is not None:
            self.pressed.emit(self.view.id)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.view is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect())
        if self.chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme().colour("bg.3"))
            painter.drawRoundedRect(area.adjusted(0, 1, 0, -1), 5, 5)
        self._paint_state(painter, QRectF(10, 15, 18, 18))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setFont(theme().font("strong"))
        painter.setPen(theme().colour("text.1"))
        painter.drawText(QRectF(40, 5, area.width() - 96, 20), middle, self.view.title)
        painter.drawText(
            QRectF(area.width() - 70, 0, 60, area.height()), middle | Qt.AlignmentFlag.AlignRight, self.value
        )
        painter.setFont(theme().font("small"))
        painter.setPen(theme().colour("text.2"))
        sub = painter.fontMetrics().elidedText(self.sub, Qt.TextElideMode.ElideRight, int(area.width()) - 100)
        painter.drawText(QRectF(40, 24, area.width() - 96, 18), middle, sub)
        painter.end()

    def _paint_state(self, painter: QPainter, box: QRectF) -> None:
        assert self.view is not None
        if self.view.state in _ICONS:
            icon, tone = _ICONS[self.view.state]
            painter.drawPixmap(QPointF(box.x(), box.y()), theme().pixmap(icon, 18, tone, self.devicePixelRatioF()))
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme().colour("bg.4"), 3))
        painter.drawEllipse(box.adjusted(2, 2, -2, -2))
        painter.setPen(QPen(theme().colour("accent.line"), 3))
        painter.drawArc(box.adjusted(2, 2, -2, -2), 90 * 16, round(-360 * 16 * self.view.share))


class RunsPanel(QFrame):
    """292 wide."""

    def __init__(self, studio: StudioApi, model: TrainingModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        set_property(self, "frame", "panel")
        self.setFixedWidth(292)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(8, 12, 16, 16)
        outer.setSpacing(8)
        head = QHBoxLayout()
        title, note = QLabel("Runs"), QLabel("held-out loss")
        title.setContentsMargins(8, 0, 0, 0)
        set_property(title, "type", "title")
        set_property(note, "type", "small")
        set_property(note, "tone", "3")
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(note)
        outer.addLayout(head)
        outer.addWidget(self._make_scroll(), 1)
        outer.addWidget(self._make_foot())
        model.runs_changed.connect(self.refresh)
        model.curves_changed.connect(self.refresh)
        self.refresh()

    def _make_scroll(self) -> QScrollArea:
        content = QWidget()
        set_property(content, "ground", "1")
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.rows: list[RunRow] = []
        self._list = QVBoxLayout()
        self._list.setSpacing(2)
        column.addLayout(self._list)
        self.empty = QLabel("No run yet.")
        self.empty.setContentsMargins(8, 8, 0, 0)
        set_property(self.empty, "tone", "3")
        column.addWidget(self.empty)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(content)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return area

    def _make_foot(self) -> QWidget:
        foot = QWidget()
        column = QVBoxLayout(foot)
        column.setContentsMargins(8, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(_heading("When done"))
        self.try_goals, self.tell = QCheckBox("Try 20 goals in simulation"), QCheckBox("Tell me")
        self.tell.setChecked(self._model.tell)
        self.try_goals.toggled.connect(lambda on: setattr(self._model, "try_goals", on))
        self.tell.toggled.connect(lambda on: setattr(self._model, "tell", on))
        column.addWidget(self.try_goals)
        column.addWidget(self.tell)
        self.results_title = _heading("Held-out results")
        column.addWidget(self.results_title)
        self.results = [ValueRow("") for _ in range(_RESULTS)]
        for row in self.results:
            column.addWidget(row)
        column.addSpacing(10)
        self.skills = KeyButton("Use these skills", "Enter", kind="main", icon="ghost")
        self.skills.clicked.connect(lambda: self._studio.commands.run("training.skills"))
        column.addWidget(self.skills)
        return foot

    def _add_row(self) -> None:
        row = RunRow()
        row.pressed.connect(self._model.choose_run)
        self._list.addWidget(row)
        self.rows.append(row)

    # what is shown

    def refresh(self) -> None:
        model = self._model
        runs = model.runs[:_ROWS]
        while len(self.rows) < len(runs):
            self._add_row()
        for index, row in enumerate(self.rows):
            row.setVisible(index < len(runs))
            if index < len(runs):
                view = runs[index]
                value = model.held_out(view.id)
                text = "–" if math.isnan(value) else number_text(value)
                row.show_run(view, run_words(view), text, chosen=view.id == model.chosen)
        self.empty.setVisible(not runs)
        blocked = model.blocked_skills()
        self.skills.setEnabled(not blocked)
        self.skills.setToolTip(blocked)
        set_property(self.skills, "kind", "main")
        self._show_results()

    def _show_results(self) -> None:
        values = held_out_results(self._studio, self._model.run)
        self.results_title.setVisible(bool(values))
        for index, row in enumerate(self.results):
            row.setVisible(index < len(values))
            if index < len(values):
                row.name_label.setText(values[index][0])
                row.set_value(values[index][1])


def held_out_results(studio: StudioApi, view: RunView | None) -> list[tuple[str, str]]:
    """What the finished run's `result.json` says of held-out data, the telling numbers first."""
    if view is None or view.state not in ("done", "cancelled"):
        return []
    try:
        found = studio.jobs.run(view.id).result().get("held_out", {})
    except DataError:
        return []
    numbers = {k: v for k, v in found.items() if isinstance(v, (int, float))} if isinstance(found, dict) else {}
    names = sorted(numbers, key=lambda name: (not name.endswith(("_mm", "_deg")), not name.startswith("nll"), name))
    return [_result(name, float(numbers[name])) for name in names[:_RESULTS]]


def _result(name: str, value: float) -> tuple[str, str]:
    """`Where the box goes, after 2 s` and `31.2 mm`."""
    title, hint = words(name)
    unit, _, when = hint.partition("after ")
    unit = unit.strip() if unit.strip() in ("mm", "°", "nats", "m", "rad") else ""
    when = when.removesuffix(" of skills")
    return f"{title}, {when}" if when else title, f"{number_text(value)} {unit}".strip()


def run_words(view: RunView) -> str:
    """`running, 46 %`, `today 11:20`, `stopped at step 900`."""
    if view.active:
        return f"{view.state}, {view.share * 100:.0f} %" if view.state == "running" and view.steps else view.state
    if view.state == "done":
        return when_text(view.created_s)
    word = {"failed": "failed", "lost": "ended from outside", "cancelled": "cancelled"}.get(view.state, view.state)
    return f"{word} at step {view.step}" if view.step else word


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    set_property(label, "type", "strong")
    label.setContentsMargins(0, 8, 0, 2)
    return label
