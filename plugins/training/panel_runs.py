"""The right side: every run with its state and held-out loss, what follows when one is done, what it reached."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from plugins.training.compare import COLOURS
from plugins.training.model import TrainingModel
from plugins.training.words import when_text
from studio.app.api import RunView, StudioApi
from studio.app.theme import set_property, theme
from studio.app.widgets.bars import Meter
from studio.app.widgets.control import KeyButton, ValueRow
from studio.app.widgets.loss_plot import number_text
from studio.app.widgets.scroll import PageScroll
from studio.app.widgets.switch import Switch

_ROWS = 40
_ICONS = {"done": ("ok", "text.2"), "failed": ("cancelled", "state.fault"), "lost": ("cancelled", "state.fault"),
          "cancelled": ("cancelled", "text.3"), "paused": ("pause", "state.stopped")}  # fmt: skip
_RESULTS = 4


class RunRow(QWidget):
    """One run: ring or icon, name, words, held-out loss."""

    pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.view: RunView | None = None
        self.sub, self.value, self.chosen, self.mark = "", "", False, ""
        self.setFixedHeight(48)

    def show_run(self, view: RunView, sub: str, value: str, *, chosen: bool, mark: str = "") -> None:
        """`mark` is the token colour of its curves in a comparison."""
        self.view, self.sub, self.value, self.chosen, self.mark = view, sub, value, chosen, mark
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
        if self.mark:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme().colour(self.mark))
            painter.drawRoundedRect(QRectF(0, 8, 3, area.height() - 16), 1.5, 1.5)
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

    def _make_scroll(self) -> PageScroll:
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
        return PageScroll(content)

    def _make_foot(self) -> QWidget:
        foot = QWidget()
        column = QVBoxLayout(foot)
        column.setContentsMargins(8, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(_heading("When done"))
        self.try_goals, self.tell = Switch("Try 20 goals in simulation"), Switch("Tell me")
        self.tell.setChecked(self._model.tell)
        self.try_goals.toggled.connect(lambda on: setattr(self._model, "try_goals", on))
        self.tell.toggled.connect(lambda on: setattr(self._model, "tell", on))
        column.addWidget(self.try_goals)
        column.addWidget(self.tell)
        self.results_title = _heading("How much better than none?")
        column.addWidget(self.results_title)
        self.results = [ShareRow() for _ in range(_RESULTS)]
        for row in self.results:
            column.addWidget(row)
        self.results_note = QLabel("Share of held-out change predicted. None: nothing moves, 0 %.")
        self.results_note.setWordWrap(True)
        set_property(self.results_note, "type", "small")
        set_property(self.results_note, "tone", "3")
        column.addWidget(self.results_note)
        column.addLayout(self._make_links())
        column.addSpacing(6)
        self.skills = KeyButton("See these skills", "Enter", kind="main", icon="ghost")
        self.skills.clicked.connect(lambda: self._studio.commands.run("training.skills"))
        column.addWidget(self.skills)
        return foot

    def _make_links(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.card, self.compare = QPushButton("Model card"), QPushButton("Compare")
        self.compare.setToolTip("C: take the chosen run into the comparison, or out of it")
        for link in (self.card, self.compare):
            set_property(link, "kind", "link")
            link.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(link)
        row.addStretch(1)
        self.card.setCheckable(True)
        self.compare.clicked.connect(lambda: self._studio.commands.run("training.compare"))
        return row

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
                sub = run_words(view, str(self._studio.jobs.run(view.id).spec.get("preset", "")))
                others = model.others
                mark = COLOURS[others.index(view.id) % len(COLOURS)] if view.id in others else ""
                mark = mark or ("cat.2" if view.id in model.compared else "")
                row.show_run(view, sub, text, chosen=view.id == model.chosen, mark=mark)
        self.empty.setVisible(not runs)
        blocked = model.blocked_skills()
        self.skills.setEnabled(not blocked)
        self.skills.setToolTip(blocked)
        active = model.run is not None and model.run.active
        self.skills.set_words(
            "Writing the bundle" if model.waiting else f"See {'skills so far' if active else 'these skills'}"
        )
        seen = model.running and not blocked  # one primary button a screen: else it is Train
        set_property(self.skills, "kind", "primary" if seen else "main")
        self.compare.setText("Out of the comparison" if model.chosen in model.compared else "Compare")
        self._show_results()

    def _show_results(self) -> None:
        values = self._model.explained()[:_RESULTS]
        self.results_title.setVisible(bool(values))
        self.results_note.setVisible(bool(values))
        for index, row in enumerate(self.results):
            row.setVisible(index < len(values))
            if index < len(values):
                row.show_share(*values[index])


class ShareRow(QWidget):
    """A name, a percentage and its bar."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 2)
        column.setSpacing(2)
        self.row, self.meter = ValueRow(""), Meter("cat.2")
        column.addWidget(self.row)
        column.addWidget(self.meter)

    def show_share(self, name: str, share: float) -> None:
        self.row.name_label.setText(name)
        self.row.set_value(f"{100 * share:.0f} %")
        self.meter.set_share(share)


def run_words(view: RunView, preset: str = "") -> str:
    """`running, 46 %`, `11:20 · small`, `stopped at step 900`."""
    if view.active:
        return f"{view.state}, {view.share * 100:.0f} %" if view.state == "running" and view.steps else view.state
    if view.state == "done":
        return f"{when_text(view.created_s)} · {preset}" if preset else when_text(view.created_s)
    word = {"failed": "stopped", "lost": "ended from outside", "cancelled": "cancelled"}.get(view.state, view.state)
    return f"{word} at step {view.step}" if view.step else word


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    set_property(label, "type", "strong")
    label.setContentsMargins(0, 8, 0, 2)
    return label
