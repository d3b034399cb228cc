"""Parts of the wizard: the row of steps, expected against measured, a line of results."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from plugins.devices.motors import STEP_WORDS, STEPS
from plugins.devices.words import Measure, result_words
from studio.app.theme import set_property, theme


class StepRow(QWidget):
    """Nine circles: passed, refused, the one that runs, and those to come."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        self._now = ""
        self.setFixedHeight(50)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def show_steps(self, passed: frozenset[str], refused: frozenset[str], now: str) -> None:
        """Names of steps; `now` is empty when none runs."""
        if (passed, refused, now) != (self._passed, self._refused, self._now):
            self._passed, self._refused, self._now = passed, refused, now
            self.setAccessibleName(f"Step {STEP_WORDS.get(now, 'none')}, {len(passed)} of {len(STEPS)} passed")
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(340, 50)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        each = self.width() / len(STEPS)
        for place, step in enumerate(STEPS):
            centre = QPointF((place + 0.5) * each, 13)
            if place:
                tone = "state.engaged" if step in self._passed and STEPS[place - 1] in self._passed else "line.2"
                painter.setPen(QPen(theme().colour(tone), 1.5))
                painter.drawLine(centre - QPointF(each - 13, 0), centre - QPointF(13, 0))
            self._paint_circle(painter, centre, place, step)
            painter.setFont(theme().font("tiny"))
            painter.setPen(theme().colour("text.1" if step == self._now else "text.2"))
            words = QRectF(centre.x() - each / 2 - 4, 30, each + 8, 16)
            painter.drawText(words, Qt.AlignmentFlag.AlignCenter, STEP_WORDS[step])
        painter.end()

    def _paint_circle(self, painter: QPainter, centre: QPointF, place: int, step: str) -> None:
        active = theme()
        fill, icon, tone = "bg.3", "", ""
        if step in self._refused:
            fill, icon, tone = "soft.fault", "close", "state.fault"
        elif step in self._passed:
            fill, icon, tone = "soft.engaged", "check", "state.engaged"
        painter.setPen(QPen(active.colour("accent.line"), 2) if step == self._now else Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("accent.soft" if step == self._now and not icon else fill))
        painter.drawEllipse(centre, 11, 11)
        if icon:
            pixmap = active.pixmap(icon, 14, tone, self.devicePixelRatioF())
            painter.drawPixmap(centre - QPointF(7, 7), pixmap)
            return
        painter.setFont(active.font("small"))
        painter.setPen(active.colour("text.1" if step == self._now else "text.2"))
        painter.drawText(QRectF(centre.x() - 11, 2, 22, 22), Qt.AlignmentFlag.AlignCenter, str(place + 1))


class MeasureBar(QWidget):
    """Expected against measured: a name with its value, a bar with the expected place marked, words below."""

    def __init__(self) -> None:
        super().__init__()
        self.measure = Measure(name="", value="", share=0.0)
        self.setFixedHeight(62)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def show_measure(self, measure: Measure) -> None:
        if measure != self.measure:
            self.measure = measure
            self.setAccessibleName(f"{measure.name} {measure.value}, {measure.expected}")
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, active, m = QPainter(self), theme(), self.measure
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width, middle = float(self.width()), Qt.AlignmentFlag.AlignVCenter
        painter.setFont(active.font("strong"))
        painter.setPen(active.colour("text.1"))
        painter.drawText(QRectF(0, 0, width - 90, 24), middle, m.name)
        painter.setFont(active.font("title"))
        painter.drawText(QRectF(width - 120, 0, 120, 24), middle | Qt.AlignmentFlag.AlignRight, m.value)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("bg.3"))
        painter.drawRoundedRect(QRectF(0, 29, width, 10), 5, 5)
        fill = {True: "state.engaged", False: "state.stopped", None: "accent.line"}[m.good]
        painter.setBrush(active.colour(fill))
        share = min(max(m.share, 0.0), 1.0)
        if share > 0:
            painter.drawRoundedRect(QRectF(0, 29, max(width * share, 10), 10), 5, 5)
        if m.tick is not None:
            painter.fillRect(QRectF(width * m.tick - 1, 24, 2, 20), active.colour("text.1"))
        self._paint_words(painter, width)
        painter.end()

    def _paint_words(self, painter: QPainter, width: float) -> None:
        active, m, middle = theme(), self.measure, Qt.AlignmentFlag.AlignVCenter
        painter.setFont(active.font("hint"))
        painter.setPen(active.colour("text.2"))
        painter.drawText(QRectF(width - 110, 44, 110, 16), middle | Qt.AlignmentFlag.AlignRight, m.limit)
        painter.setPen(active.colour("text.1"))
        long = painter.fontMetrics().horizontalAdvance(m.expected)
        end = width - 8 - (painter.fontMetrics().horizontalAdvance(m.limit) if m.limit else 0)
        start = 0.0 if m.tick is None else min(max(width * m.tick - long / 2, 0.0), max(end - long, 0.0))
        painter.drawText(QRectF(start, 44, long + 4, 16), middle, m.expected)


class ResultRow(QWidget):
    """A step that passed or was refused, with what it found."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        self._icon, self._name, self._value = QLabel(), QLabel(), QLabel()
        self._icon.setFixedSize(16, 16)
        self._value.setWordWrap(True)
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        set_property(self._name, "type", "strong")
        set_property(self._value, "type", "small")
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._name, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._value, 1)
        self._tone = "good"
        theme().changed.connect(self._recolour)

    def show_result(self, name: str, words: str, verdict: str) -> None:
        self._name.setText(name)
        self._value.setText(words)
        left = verdict == "poor"  # a reason is a sentence, not a number
        side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
        self._value.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self._tone = verdict
        self._recolour()

    def words(self) -> str:
        return self._value.text()

    def _recolour(self) -> None:
        icon = {"good": "ok", "poor": "fault"}[self._tone]
        self._icon.setPixmap(theme().pixmap(icon, 16, f"verdict.{self._tone}", self.devicePixelRatioF()))
        set_property(self._value, "tone", "2" if self._tone == "good" else "1")


class ResultList(QWidget):
    """Steps in their order; only those that something is known of."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.rows = {step: ResultRow() for step in STEPS}
        for row in self.rows.values():
            row.hide()
            column.addWidget(row)

    def show_results(self, passed: Mapping[str, Mapping[str, object]], refused: Mapping[str, str]) -> None:
        for step, row in self.rows.items():
            if step in refused:
                row.show_result(STEP_WORDS[step], refused[step], "poor")
            elif step in passed:
                row.show_result(STEP_WORDS[step], result_words(step, passed[step]), "good")
            row.setVisible(step in refused or step in passed)
