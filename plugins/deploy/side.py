"""The right side of the deploy screen: success, limits, latency, age, samples, error, planner settings, buttons."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from plugins.deploy.attempt import Attempt
from plugins.deploy.config import POSE_SOURCES, SAMPLED_SETTINGS, SHOWN_SETTINGS
from plugins.deploy.model import DeployModel
from plugins.deploy.samples import judge_samples
from studio.app.theme import set_property
from studio.app.widgets.bars import LatencyBars, Meter, OutcomeMarks
from studio.app.widgets.control import KeyButton, ValueRow, ValueSlider, make_heading, make_line
from studio.app.widgets.scene_screen import BundleBox, ScrollPanel, command_button, sync_button


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


class SidePanel(ScrollPanel):
    """Success, what the planner does, its settings and limits; the buttons do not scroll."""

    def __init__(self, model: DeployModel) -> None:
        super().__init__()
        self.model, self.studio = model, model.studio
        self._late = self._plans = 0

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        self._add_success()
        self._add_limits()
        yield
        self.measures = QWidget()
        self.measures.setContentsMargins(0, 0, 0, 0)
        column = QVBoxLayout(self.measures)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self._add_latency(column)
        yield
        self._add_measures(column)
        self.column.addWidget(self.measures)
        yield
        self._add_planner()
        yield
        self.column.addStretch(1)
        self._add_buttons()
        yield
        self.refresh()

    # ---- construction --------------------------------------------------------------------------------------------

    def _add_success(self) -> None:
        heading, self.attempt_note = make_heading("Success so far", "")
        row = QHBoxLayout()
        row.setSpacing(14)
        self.count, self.rate, self.likely = QLabel("0 of 0"), QLabel(""), QLabel("nothing tried yet")
        self.count.setObjectName("successes")
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

    def _add_limits(self) -> None:
        """What the planner may do on this robot: shown before Deploy, and while it drives with the share in force."""
        self.limits = QWidget()
        column = QVBoxLayout(self.limits)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        heading, self.limits_note = make_heading("Limits in force", "")
        self.share = ValueSlider("Speed and torque", 10, 100, 5, unit="%")
        self.share.changed.connect(lambda percent: self.model.set_limit_share(percent / 100))
        self.torque, self.speed, self.place_x, self.place_y, self.hold = self._limit_rows = tuple(
            ValueRow(name)
            for name in ("Joint torque up to", "Joint speed up to", "Goal in x", "Goal in y", "Arms hold when")
        )
        for part in (heading, self.share, *self._limit_rows):
            column.addWidget(part)
        column.addSpacing(6)
        column.addWidget(make_line())
        self.column.addWidget(self.limits)

    def _add_latency(self, column: QVBoxLayout) -> None:
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
        column.addWidget(heading)
        column.addLayout(row)
        column.addWidget(self.bars)
        column.addSpacing(4)
        column.addWidget(make_line())

    def _add_measures(self, column: QVBoxLayout) -> None:
        self.age = Measure("Plan age", "")
        self.samples = Measure("Effective samples", "how many rollouts decide")
        self.error = Measure("Predicted – actual", "last skill")
        self.dropped = ValueRow("Dropped plans")
        self.dropped.setToolTip("Plans that came after the skill they were made for had begun")
        for measure in (self.age, self.samples, self.error, self.dropped):
            column.addWidget(measure)
        column.addWidget(make_line())

    def _add_planner(self) -> None:
        heading, self.preset_note = make_heading("Planner", "")
        self.bundle_box = BundleBox(self.studio.bundles, self.model.choose_bundle)
        self.preset_box = QComboBox()
        self.preset_box.setModel(QStandardItemModel(self.preset_box))
        self.preset_box.addItems(self.model.preset_names())
        self.preset_box.view().setMinimumWidth(150)
        self.preset_box.setAccessibleName("Preset")
        self.preset_box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.preset_box.setFixedWidth(98)
        self.preset_box.activated.connect(lambda index: self.model.choose_preset(self.model.preset_names()[index]))
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
        self.pose_box, self.pose_row = _make_choice("Box pose from")
        self.pose_box.addItems([words for _, words in POSE_SOURCES])
        self.pose_box.activated.connect(lambda index: self.model.choose_pose(POSE_SOURCES[index][0]))
        self.prior_box, self.prior_row = _make_choice("Prior")
        self.prior_box.setToolTip("Which density of skills the planner draws from")
        self.prior_box.activated.connect(lambda index: self.model.choose_prior(self.prior_box.itemData(index)))
        self.column.addWidget(heading)
        self.column.addLayout(row)
        self.column.addWidget(self.pose_row)
        self.column.addWidget(self.prior_row)
        self.column.addLayout(grid)

    def _add_buttons(self) -> None:
        self.main = KeyButton("Deploy", "Enter", kind="primary", icon="deploy")
        self.take_over = command_button(self.studio, "deploy.take_over", "Take over", "T", kind="main", icon="teleop")
        self.main.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for button in (self.main, self.take_over):
            self.foot.addWidget(button, 1)
        self.main.clicked.connect(
            lambda: self.studio.commands.run(f"deploy.{'hold' if self.model.deployed else 'deploy'}")
        )

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
        self.bundle_box.refresh([model.bundle_title(bundle) for bundle in model.bundles])
        self._show_presets()
        for name, _, factor, decimals in SHOWN_SETTINGS:
            field = self.fields[name]
            field.setEnabled(model.samples_plans or name not in SAMPLED_SETTINGS)
            if not field.hasFocus():
                field.setText(f"{getattr(model.settings, name) * factor:.{decimals}f}" if field.isEnabled() else "–")
        self.pose_row.setVisible(model.may_choose_pose)
        self.pose_box.setEnabled(not model.deployed)
        self.pose_box.setCurrentIndex([value for value, _ in POSE_SOURCES].index(model.pose))
        self._show_priors()
        self.preset_note.setText("changed" if model.changed_settings() else "")
        blocked = "" if model.deployed else model.blocked_deploy()
        if model.problem:
            self.show_problem(model.problem)
        else:
            self.show_problem(f"To deploy: {blocked}." if blocked else "", tone="2")
        self.main.set_words(
            "Hold" if model.deployed else "Deploy",
            "pause" if model.deployed else "deploy",
            "H" if model.deployed else "Enter",
        )
        self._show_limits()
        self._show_success()

    def _show_presets(self) -> None:
        """One that the chosen bundle cannot do is grey and says why."""
        rows = self.preset_box.model()
        assert isinstance(rows, QStandardItemModel)
        for index, name in enumerate(self.model.preset_names()):
            problem, item = self.model.preset_problem(name), rows.item(index)
            item.setEnabled(not problem)
            item.setToolTip(problem)
            item.setText(f"{name} (no actor)" if problem else name)
        self.preset_box.setCurrentIndex(self.model.preset_names().index(self.model.preset))

    def _show_priors(self) -> None:
        """Only where the bundle has more than one."""
        bundle, box = self.model.bundle, self.prior_box
        names = bundle.priors if bundle is not None else ()
        own = str(bundle.data.get("prior") or "") if bundle is not None else ""
        rows = [("", f"as trained ({own})" if own else "as trained"), *((name, name) for name in names if name != own)]
        if [box.itemData(index) for index in range(box.count())] != [name for name, _ in rows]:
            box.clear()
            for name, words in rows:
                box.addItem(words, name)
        box.setItemText(0, rows[0][1])
        box.setCurrentIndex(max(0, box.findData(self.model.prior)))
        box.setEnabled(not self.model.deployed)
        self.prior_row.setVisible(len(names) > 1 and self.model.samples_plans)

    def _show_limits(self) -> None:
        model, robot, task = self.model, self.studio.robot, self.studio.task
        share = model.limit_share
        self.share.set_value(100 * share)
        self.share.setEnabled(model.bundle is not None)
        self.limits_note.setText("first run of this bundle on this robot" if model.first_run() else "")
        self.torque.set_value(f"{share * robot.torque_limit_nm:.1f} of {robot.torque_limit_nm:g} N·m")
        self.speed.set_value(f"{share * robot.velocity_limit_rad_s:.1f} of {robot.velocity_limit_rad_s:g} rad/s")
        for row, (low_m, high_m) in ((self.place_x, task.area_x_m), (self.place_y, task.area_y_m)):
            row.set_value(f"{1000 * low_m:.0f} to {1000 * high_m:.0f} mm".replace("-", "−"))
        self.hold.set_value(f"a plan is {model.hold_age_s:.2f} s old")
        for row in self._limit_rows:
            row.setVisible(not model.deployed)
        self.measures.setVisible(model.deployed or self._plans > 0)

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
        total = max(self.model.row.length, 20)
        self.marks.set_outcomes(outcomes.reached, running=self.model.attempt is not None, total=min(total, 40))

    def begin_attempt(self) -> None:
        self._show_success()

    def begin_deployment(self) -> None:
        """Counts of plans begin anew."""
        self._late = self._plans = 0
        self.bars.clear()

    def add_plan(self, plan: np.ndarray) -> None:
        """One plan record (shape [])."""
        latency_s = float(plan["latency_s"])
        self.bars.add(latency_s)
        self._plans += 1
        self._late += latency_s > self.model.config.budget_s

    def show_numbers(self, plan: np.ndarray | None) -> None:
        """Ten times a second."""
        model, attempt = self.model, self.model.attempt
        row = model.row
        which = f"{row.number} of {row.length}" if row.length else f"{len(model.outcomes.reached) + 1}"
        clock = self._clock(attempt) if attempt else "waits for Deploy" if row.length else ""
        self.attempt_note.setText(f"goal {which} · {clock}" if clock else "")
        self._set_enabled()
        age_s = model.plan_age_s if model.deployed else float("nan")
        words = f"{age_s:.2f} s" if np.isfinite(age_s) else model.reason or "–"
        if model.deployed and model.reason not in ("running", "plan too old"):
            words, age_s = model.reason or "–", float("nan")  # the arms hold for another reason than age
        self.age.set_value(words, age_s / model.hold_age_s, wrong=bool(age_s > model.hold_age_s))
        self.age.note.setText(f"holds at {model.hold_age_s:.2f} s")
        self.dropped.set_value(f"{model.dropped_plans} of {self._plans}", "fair" if model.dropped_plans else "1")
        if plan is None or not len(self.bars.values_s):
            return
        self._show_plan(plan)

    def _clock(self, attempt: Attempt) -> str:
        if attempt.started_s is None:
            return "waiting for the first plan"
        return f"{attempt.seconds:.1f} of {self.model.config.attempt_s:.0f} s"

    def _show_plan(self, plan: np.ndarray) -> None:
        values_s = np.array(self.bars.values_s)
        self.latency.setText(f"{1000 * float(plan['latency_s']):.0f}")
        self.slowest.setText(f"p99 {1000 * float(np.percentile(values_s, 99)):.0f} ms")
        self.late.setText(f"{self._late} late of {self._plans}")
        set_property(self.late, "tone", "fair" if self._late else "good")
        self._show_samples(float(plan["effective_samples"]), int(plan["samples"]))
        error_m = float(plan["predicted_error_m"])
        error_m = self.model.policy_error_m if not np.isfinite(error_m) else error_m
        words = f"{1000 * error_m:.0f} mm" if np.isfinite(error_m) else "–"
        self.error.set_value(words, error_m / self.model.config.error_full_m)

    def _show_samples(self, effective: float, samples: int) -> None:
        note = judge_samples(effective, samples, self.model.settings)
        self.samples.note.setText(note.words)
        if not self.model.samples_plans:
            self.samples.set_value("–", 0.0)
            return
        share = np.sqrt(effective / max(samples, 1))
        self.samples.set_value(f"{effective:.0f} of {samples}", share, wrong=note.wrong)

    def _set_enabled(self) -> None:
        sync_button(self.studio, self.main, f"deploy.{'hold' if self.model.deployed else 'deploy'}")
        sync_button(self.studio, self.take_over, "deploy.take_over")


def _make_choice(words: str) -> tuple[QComboBox, QWidget]:
    """A named box to choose from, and the row with both."""
    box, row, label = QComboBox(), QWidget(), QLabel(words)
    box.setAccessibleName(words)
    box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    set_property(label, "type", "hint")
    set_property(label, "tone", "2")
    label.setMinimumWidth(78)  # boxes under each other begin in one line
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(label)
    layout.addWidget(box, 1)
    return box, row
