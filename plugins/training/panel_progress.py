"""The middle: time left, bar, four curves, log; a stopped run says why and offers to go on."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from plugins.training.card import card_text
from plugins.training.compare import COLOURS
from plugins.training.curves import PlotData, stage_words
from plugins.training.model import TrainingModel
from plugins.training.panel_compare import ComparisonTable
from plugins.training.words import can_resume, time_left_text, when_text
from studio.app.api import RunView, StudioApi
from studio.app.theme import set_property, theme
from studio.app.widgets.control import KeyButton
from studio.app.widgets.loss_plot import LossCurve, LossPlot

_LOG_ROWS = 4
_TONES = {"failed": "fault", "lost": "fault", "done": "good", "cancelled": "2"}


class StageBar(QWidget):
    """Done, and to do, with a tick where the next stage begins."""

    def __init__(self) -> None:
        super().__init__()
        self._share, self._marks, self._tone = 0.0, [], "accent.line"
        self.setFixedHeight(22)

    def set_state(self, share: float, marks: list[float], tone: str) -> None:
        self._share, self._marks, self._tone = share, marks, tone
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(400, 22)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = QRectF(0, 6, self.width(), 10)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("bg.3"))
        painter.drawRoundedRect(bar, 5, 5)
        if self._share > 0:
            painter.setBrush(theme().colour(self._tone))
            painter.drawRoundedRect(QRectF(0, 6, max(10.0, self.width() * min(1.0, self._share)), 10), 5, 5)
        painter.setPen(QPen(theme().colour("line.3"), 1.5))
        for mark in self._marks:
            x = self.width() * mark
            painter.drawLine(QPointF(x, 1), QPointF(x, 21))
        painter.end()


class LegendMark(QWidget):
    """A piece of line as it is drawn in the plots."""

    def __init__(self, key: str, width: float, dash: bool = False) -> None:
        super().__init__()
        self._key, self._width, self._dash = key, width, dash
        self.setFixedSize(20, 14)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        pen = QPen(theme().colour(self._key), self._width)
        if self._dash:
            pen.setDashPattern([float(n) for n in theme().tokens.value("plot.dash_reference")])
        painter.setPen(pen)
        painter.drawLine(QPointF(0, 7), QPointF(20, 7))
        painter.end()


class ProgressPanel(QWidget):
    """Everything about the chosen run while it goes on and after."""

    def __init__(self, studio: StudioApi, model: TrainingModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._make_head())
        self.card = QTextBrowser()
        self.card.setFrameShape(QFrame.Shape.NoFrame)
        self.card.document().setDocumentMargin(20)
        self.card.hide()
        column.addWidget(self.card, 1)
        self._column = column

    def build(self) -> Generator[None, None, None]:
        """Part by part; between two parts the window takes a turn."""
        self.curves = QWidget()
        inner = QVBoxLayout(self.curves)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addWidget(self._make_plots(), 1)
        yield
        inner.addWidget(self._make_legend())
        self.log = self._make_log()
        self.table = ComparisonTable()
        self.table.hide()
        inner.addWidget(self.log)
        inner.addWidget(self.table)
        yield
        self._column.addWidget(self.curves, 1)
        self.show_run()
        self.show_curves()

    def _make_head(self) -> QFrame:
        head = QFrame()
        set_property(head, "frame", "bar")
        column = QVBoxLayout(head)
        column.setContentsMargins(24, 8, 20, 12)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(12)
        self.big, self.small = QLabel(), QLabel()
        self.small.setContentsMargins(0, 0, 0, 6)  # on the line of the big words
        set_property(self.big, "type", "headline")
        set_property(self.small, "type", "value")
        set_property(self.small, "tone", "2")
        row.addWidget(self.big)
        row.addWidget(self.small, 0, Qt.AlignmentFlag.AlignBottom)
        row.addStretch(1)
        commands = self._studio.commands
        self.pause = KeyButton("Pause", "P", icon="pause")
        self.cancel, self.resume = KeyButton("Cancel"), KeyButton("Resume", kind="main", icon="retry")
        for button, name in ((self.pause, "pause"), (self.cancel, "cancel"), (self.resume, "resume")):
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _=False, n=name: commands.run(f"training.{n}"))
            row.addWidget(button)
        column.addLayout(row)
        line = QHBoxLayout()
        self.where, self.next_stage = QLabel(), QLabel()
        self.where.setWordWrap(True)
        set_property(self.where, "tone", "2")
        set_property(self.next_stage, "tone", "3")
        line.addWidget(self.where, 1)
        line.addWidget(self.next_stage)
        column.addLayout(line)
        self.bar = StageBar()
        column.addWidget(self.bar)
        return head

    def _make_plots(self) -> QWidget:
        ground = QWidget()
        set_property(ground, "ground", "0")
        grid = QGridLayout(ground)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(1)
        self.plots = [LossPlot() for _ in range(4)]
        for index, plot in enumerate(self.plots):
            plot.setMinimumHeight(120)
            grid.addWidget(plot, index // 2, index % 2)
            grid.setRowStretch(index // 2, 1)
            grid.setColumnStretch(index % 2, 1)
        self.waiting = QLabel("Curves appear after the first steps.", ground)
        set_property(self.waiting, "tone", "3")
        grid.addWidget(self.waiting, 0, 0, 2, 2, Qt.AlignmentFlag.AlignCenter)
        return ground

    def _make_legend(self) -> QFrame:
        bar = QFrame()
        set_property(bar, "frame", "bar")
        bar.setFixedHeight(36)
        row = QHBoxLayout(bar)
        row.setContentsMargins(16, 0, 16, 0)
        row.setSpacing(8)
        self.reference = QLabel("last run")
        marks = (LegendMark("cat.1", 1.2), LegendMark("cat.2", 2.4), LegendMark("text.3", 1.4, dash=True))
        labels = (QLabel("training"), QLabel("held-out"), self.reference)
        for mark, label in zip(marks, labels, strict=True):
            set_property(label, "type", "small")
            set_property(label, "tone", "2")
            row.addWidget(mark)
            row.addWidget(label)
            row.addSpacing(10)
        row.addStretch(1)
        self.stage_box = QComboBox()
        self.stage_box.setAccessibleName("Curves of stage")
        self.stage_box.activated.connect(lambda index: self._model.choose_stage(self.stage_box.itemData(index)))
        self.stage_box.hide()
        row.addWidget(self.stage_box)
        return bar

    def _make_log(self) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(16, 10, 16, 12)
        column.setSpacing(4)
        row = QHBoxLayout()
        title = QLabel("Log")
        set_property(title, "type", "strong")
        row.addWidget(title)
        row.addStretch(1)
        self.more = QPushButton("Detail")
        set_property(self.more, "kind", "link")
        self.more.setCheckable(True)
        self.more.clicked.connect(lambda on: self._show_detail(on))
        row.addWidget(self.more)
        column.addLayout(row)
        grid = QGridLayout()
        grid.setHorizontalSpacing(18)
        grid.setColumnStretch(1, 1)
        self.lines = [(QLabel(), QLabel()) for _ in range(_LOG_ROWS)]
        for index, (when, what) in enumerate(self.lines):
            set_property(when, "tone", "3")
            set_property(what, "tone", "1" if index == 0 else "2")
            grid.addWidget(when, index, 0)
            grid.addWidget(what, index, 1)
        column.addLayout(grid)
        self.detail = QPlainTextEdit()
        self.detail.setReadOnly(True)
        self.detail.setFont(theme().font("small", mono=True))
        self.detail.setFixedHeight(150)
        self.detail.hide()
        column.addWidget(self.detail)
        return box

    def show_card(self, on: bool) -> None:
        """The model card of the chosen run's bundle instead of the curves."""
        if on:
            self.card.setMarkdown(card_text(self._model.bundle))
        self.card.setVisible(on)
        self.curves.setVisible(not on)

    def _show_detail(self, on: bool) -> None:
        view = self._model.run
        self.detail.setVisible(on)
        if view is not None and on:
            run = self._studio.jobs.run(view.id)
            self.detail.setPlainText("\n".join(part for part in (view.detail, run.log_tail()) if part))

    # what is shown

    def show_run(self) -> None:
        """State, words, bar and buttons; at the pace the panel chooses."""
        model, view = self._model, self._model.run
        active = view is not None and view.active
        self.show_time_left()
        self.where.setText(where_text(model, view))
        set_property(self.where, "tone", "1" if view is not None and view.state in ("failed", "lost") else "2")
        marks = model.stage_marks() if active else []
        following = next_stage(marks, view) if view is not None else ""
        self.next_stage.setText(f"then {following}" if following else "")
        share = 1.0 if view is not None and view.state == "done" else (view.share if view is not None else 0.0)
        failed = view is not None and view.state in ("failed", "lost")
        self.bar.set_state(share, [m for m, _ in marks], "state.fault" if failed else "accent.line")
        self.pause.setVisible(active)
        self.pause.set_words(
            "Go on" if view is not None and view.state == "paused" else "Pause",
            "play" if view is not None and view.state == "paused" else "pause",
        )
        self.cancel.setVisible(active)
        self.resume.setVisible(can_resume(view))
        self._show_log()

    def show_time_left(self) -> None:
        """The big words; every 5 s while a run goes on, so that they can be read."""
        view = self._model.run
        big, small = time_left_text(view)
        self.big.setText(big)
        self.small.setText(small)
        set_property(self.big, "tone", _TONES.get(view.state, "1") if view is not None else "2")

    def _show_log(self) -> None:
        log = self._model.log
        for index, (when, what) in enumerate(self.lines):
            when.setText(when_text(log[index][0]) if index < len(log) else "")
            text = log[index][1] if index < len(log) else ""
            what.setText(what.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, max(200, self.width() - 130)))
            what.setToolTip(text)

    def show_curves(self) -> None:
        data = self._model.plots
        rows = self._model.rows
        self.waiting.setVisible(not data)
        for index, plot in enumerate(self.plots):
            plot.setVisible(index < len(data))
            if index < len(data):
                fill(plot, data[index])
        last = self._model.last_run
        reference = f"last run, {last.title}" if last is not None else "last run: none yet"
        self.reference.setText(
            reference if not self._model.others else f"compared: {len(self._model.others)} in colour"
        )
        self._show_stages(self._model.stages if rows else [])
        self._show_comparison()

    def _show_comparison(self) -> None:
        """Compared runs: a table in the log's place."""
        on = bool(self._model.others)
        self.log.setVisible(not on)
        self.table.setVisible(on)
        if on:
            self.table.show_rows(*self._model.comparison())

    def _show_stages(self, stages: list[str]) -> None:
        box = self.stage_box
        if [box.itemData(index) for index in range(box.count())] != stages:
            box.clear()
            for stage in stages:
                box.addItem(stage_words(stage), stage)
        box.setCurrentIndex(box.findData(self._model.shown_stage))
        box.setVisible(len(stages) > 1)


def fill(plot: LossPlot, data: PlotData) -> None:
    """Hand a plot its curves."""
    plot.set_title(data.title, data.hint)
    curves = (LossCurve(steps=s.steps, values=s.values) for s in (data.training, data.held_out, data.reference))
    training, held_out, reference = curves
    others = [(LossCurve(steps=s.steps, values=s.values), COLOURS[i % len(COLOURS)]) for i, s in enumerate(data.others)]
    plot.set_curves(training, held_out, LossCurve() if others else reference, data.span, others)


def next_stage(marks: Sequence[tuple[float, str]], view: RunView) -> str:
    """The stage after the one that runs, in words; by its share of the whole where the stage is not one of `marks`."""
    words, now = [stage_words(name) for _, name in marks], stage_words(view.stage)
    if now in words:
        ahead = words[words.index(now) + 1 :]
    else:
        ahead = [word for (share, _), word in zip(marks, words, strict=True) if share > view.share]
    return ahead[0] if ahead else ""


def where_text(model: TrainingModel, view: RunView | None) -> str:
    """The line under the big words."""
    if view is None:
        return "Choose what to learn from and press Train skills."
    if not view.active:
        return view.message
    if not view.steps:
        return view.message or "Starting"
    names = model.stages
    number = (
        f"Stage {names.index(view.stage) + 1}, {stage_words(view.stage)}"
        if view.stage in names
        else stage_words(view.stage)
    )
    rate = f" · {model.rate_steps_s:.0f} steps/s over the last minute" if model.rate_steps_s else ""
    steps = f" · step {view.step:,} of about {view.steps:,}".replace(",", " ")
    return number[:1].upper() + number[1:] + steps + rate
