"""The right side of the deploy screen: success, latency, age, samples, error, planner settings and the buttons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from plugins.deploy.config import SHOWN_SETTINGS
from plugins.deploy.model import DeployModel
from studio.app.theme import set_property
from studio.app.widgets.bars import LatencyBars, Meter, OutcomeMarks
from studio.app.widgets.control import KeyButton, ValueRow, make_heading, make_line

WIDTH_PX = 352


class Measure(QWidget):
    """Name, value, bar and a note: plan age, effective samples, predicted minus actual."""

    def __init__(self, name: str, note: str) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.row, self.meter, self.note = ValueRow(name), Meter("cat.1"), QLabel(note)
        set_property(self.note, "type", "hint")
        set_property(self.note, "tone", "2")
        for part in (self.row, self.meter, self.note):
            column.addWidget(part)

    def set_value(self, text: str, share: float, *, wrong: bool = False) -> None:
        self.row.set_value(text, "fair" if wrong else "1")
        self.meter.set_share(share, "verdict.fair" if wrong else "cat.1")


class SidePanel(QFrame):
    def __init__(self, model: DeployModel) -> None:
        super().__init__()
        self.model, self.studio = model, model.studio
        self.setProperty("frame", "panel")
        self.setFixedWidth(WIDTH_PX)
        self._late = self._plans = 0

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 16)
        body = QWidget()
        self.column = QVBoxLayout(body)
        self.column.setContentsMargins(16, 10, 16, 8)
        self.column.setSpacing(8)
        for add in (self._add_success, self._add_latency, self._add_measures, self._add_planner):
            add()
            yield
        self.column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(body)
        body.setAutoFillBackground(False)
        body.setMaximumWidth(WIDTH_PX)
        scroll.viewport().setAutoFillBackground(False)
        outer.addWidget(scroll, 1)
        outer.addLayout(self._make_buttons())
        yield
        self.refresh()

    # ---- construction --------------------------------------------------------------------------------------------

    def _add_success(self) -> None:
        heading, self.attempt_note = make_heading("Success so far", "")
        row = QHBoxLayout()
        row.setSpacing(14)
        self.count, self.rate, self.likely = QLabel("0 of 0"), QLabel(""), QLabel("nothing tried yet")
        set_property(self.count, "type", "headline")
        set_property(self.rate, "type", "title")
        set_property(self.likely, "type", "small")
        set_property(self.likely, "tone", "2")
        facts = QVBoxLayout()
        facts.setSpacing(0)
        facts.addStretch(1)
        facts.addWidget(self.rate)
        facts.addWidget(self.likely)
        facts.addStretch(1)
        row.addWidget(self.count)
        row.addLayout(facts, 1)
        self.marks = OutcomeMarks()
        self.column.addWidget(heading)
        self.column.addLayout(row)
        self.column.addWidget(self.marks)
        self.column.addSpacing(4)
        self.column.addWidget(make_line())

    def _add_latency(self) -> None:
        budget_s = self.model.config.budget_s
        heading, _ = make_heading("Plan latency", f"budget {1000 * budget_s:.0f} ms")
        row = QHBoxLayout()
        self.latency, unit = QLabel("–"), QLabel("ms")
        set_property(self.latency, "type", "number")
        set_property(unit, "tone", "2")
        facts = QVBoxLayout()
        facts.setSpacing(0)
        self.slowest, self.late = QLabel(""), QLabel("")
        for label in (self.slowest, self.late):
            set_property(label, "type", "small")
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
            facts.addWidget(label)
        set_property(self.slowest, "tone", "2")
        row.addWidget(self.latency)
        row.addWidget(unit, 0, Qt.AlignmentFlag.AlignBottom)
        row.addStretch(1)
        row.addLayout(facts)
        self.bars = LatencyBars(budget_s)
        self.column.addWidget(heading)
        self.column.addLayout(row)
        self.column.addWidget(self.bars)
        self.column.addSpacing(4)
        self.column.addWidget(make_line())

    def _add_measures(self) -> None:
        self.age = Measure("Plan age", "")
        self.samples = Measure("Effective samples", f"too few below {self.model.config.few_samples:.0f}")
        self.error = Measure("Predicted – actual", "last skill")
        for measure in (self.age, self.samples, self.error):
            self.column.addWidget(measure)
        self.column.addWidget(make_line())

    def _add_planner(self) -> None:
        heading, self.preset_note = make_heading("Planner", "")
        self.bundle_box, self.preset_box = QComboBox(), QComboBox()
        self.preset_box.addItems(self.model.preset_names())
        self.bundle_box.setAccessibleName("Bundle")
        self.preset_box.setAccessibleName("Preset")
        for box in (self.bundle_box, self.preset_box):
            box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.preset_box.setFixedWidth(98)
        self.bundle_box.activated.connect(self.model.choose_bundle)
        self.preset_box.textActivated.connect(self.model.choose_preset)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.bundle_box, 1)
        row.addWidget(self.preset_box)
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        self.fields: dict[str, QLineEdit] = {}
        for index, (name, words, _, _) in enumerate(SHOWN_SETTINGS):
            label, field = QLabel(words), QLineEdit()
            set_property(label, "type", "hint")
            set_property(label, "tone", "2")
            field.setAccessibleName(words)
            field.editingFinished.connect(lambda name=name: self._edit(name))
            grid.addWidget(label, 2 * (index // 3), index % 3)
            grid.addWidget(field, 2 * (index // 3) + 1, index % 3)
            self.fields[name] = field
        self.problem = QLabel("")
        self.problem.setWordWrap(True)
        set_property(self.problem, "type", "small")
        set_property(self.problem, "tone", "poor")
        self.column.addWidget(heading)
        self.column.addLayout(row)
        self.column.addLayout(grid)
        self.column.addWidget(self.problem)

    def _make_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(16, 0, 16, 0)
        row.setSpacing(8)
        self.main = KeyButton("Deploy", "Enter", kind="primary", icon="deploy")
        self.take_over = KeyButton("Take over", "T", kind="main", icon="teleop")
        for button in (self.main, self.take_over):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button, 1)
        self.main.clicked.connect(
            lambda: self.studio.commands.run(f"deploy.{'hold' if self.model.deployed else 'deploy'}")
        )
        self.take_over.clicked.connect(lambda: self.studio.commands.run("deploy.take_over"))
        return row

    # ---- showing -------------------------------------------------------------------------------------------------

    def _edit(self, name: str) -> None:
        factor = next(row[2] for row in SHOWN_SETTINGS if row[0] == name)
        try:
            value = float(self.fields[name].text().replace(",", ".")) / factor
        except ValueError:
            self.model.problem = f"{self.fields[name].accessibleName()}: {self.fields[name].text()!r} is no number."
            self.refresh()
            return
        if abs(value - getattr(self.model.settings, name)) > 1e-12:
            self.model.set_setting(name, value)

    def refresh(self) -> None:
        """After a choice, a start or an outcome."""
        model = self.model
        titles = [model.bundle_title(bundle) for bundle in model.bundles]
        if [self.bundle_box.itemText(i) for i in range(self.bundle_box.count())] != (
            titles or ["No bundle. Train skills first"]
        ):
            self.bundle_box.clear()
            self.bundle_box.addItems(titles or ["No bundle. Train skills first"])
        if model.bundle in model.bundles:
            self.bundle_box.setCurrentIndex(model.bundles.index(model.bundle))
        self.bundle_box.setEnabled(bool(model.bundles))
        self.preset_box.setCurrentText(model.preset)
        for name, _, factor, decimals in SHOWN_SETTINGS:
            if not self.fields[name].hasFocus():
                self.fields[name].setText(f"{getattr(model.settings, name) * factor:.{decimals}f}")
        self.preset_note.setText("changed" if model.changed_settings() else "")
        blocked = "" if model.deployed else model.blocked_deploy()
        self.problem.setText(model.problem or (f"To deploy: {blocked}." if blocked else ""))
        self.main.set_words(
            "Hold" if model.deployed else "Deploy",
            "pause" if model.deployed else "deploy",
            "H" if model.deployed else "Enter",
        )
        self._show_success()

    def _show_success(self) -> None:
        outcomes = self.model.outcomes
        tried = len(outcomes.reached)
        self.count.setText(f"{outcomes.successes} of {tried}")
        if tried:
            low, high = self.model.interval()
            self.rate.setText(f"{100 * outcomes.successes / tried:.0f} %")
            self.likely.setText(f"{100 * low:.0f} to {100 * high:.0f} % likely")
        else:
            self.rate.setText("")
            self.likely.setText("nothing tried yet")
        self.marks.set_outcomes(outcomes.reached, running=self.model.attempt is not None)

    def begin_attempt(self) -> None:
        self._show_success()

    def add_plan(self, plan: np.ndarray) -> None:
        """One plan record (shape [])."""
        latency_s = float(plan["latency_s"])
        self.bars.add(latency_s)
        self._plans += 1
        self._late += latency_s > self.model.config.budget_s

    def show_numbers(self, plan: np.ndarray | None) -> None:
        """Ten times a second."""
        model, attempt = self.model, self.model.attempt
        which = len(model.outcomes.reached) + (1 if attempt else 0)
        total = f" of {model.queue_length}" if model.queue_length else ""
        clock = f"goal {which}{total} · {attempt.seconds:.1f} of {model.config.attempt_s:.0f} s" if attempt else ""
        self.attempt_note.setText(clock)
        self._set_enabled()
        age_s = model.plan_age_s if model.deployed else float("nan")
        words = f"{age_s:.2f} s" if np.isfinite(age_s) else model.reason or "–"
        self.age.set_value(words, age_s / model.hold_age_s, wrong=bool(age_s > model.hold_age_s))
        self.age.note.setText(f"holds at {model.hold_age_s:.2f} s")
        if plan is None or not len(self.bars.values_s):
            return
        self._show_plan(plan)

    def _show_plan(self, plan: np.ndarray) -> None:
        values_s = np.array(self.bars.values_s)
        self.latency.setText(f"{1000 * float(plan['latency_s']):.0f}")
        self.slowest.setText(f"p99 {1000 * float(np.percentile(values_s, 99)):.0f} ms")
        self.late.setText(f"{self._late} late of {self._plans}")
        set_property(self.late, "tone", "fair" if self._late else "good")
        effective, samples = float(plan["effective_samples"]), int(plan["samples"])
        few = effective < self.model.config.few_samples
        self.samples.set_value(f"{effective:.0f} of {samples}", np.sqrt(effective / max(samples, 1)), wrong=few)
        error_m = float(plan["predicted_error_m"])
        error_m = self.model.policy_error_m if not np.isfinite(error_m) else error_m
        words = f"{1000 * error_m:.0f} mm" if np.isfinite(error_m) else "–"
        self.error.set_value(words, error_m / self.model.config.error_full_m)

    def _set_enabled(self) -> None:
        blocked: Any = self.studio.commands.blocked
        self.main.setEnabled(self.model.deployed or not blocked("deploy.deploy"))
        self.take_over.setEnabled(not blocked("deploy.take_over"))
