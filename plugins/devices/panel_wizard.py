"""The right side: one motor, one step at a time, with its own sentence, drawing, and expected against measured."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from plugins.devices.bench import is_twin
from plugins.devices.model import DevicesModel
from plugins.devices.panel_drawing import BenchDrawing
from plugins.devices.panel_parts import MeasureBar, ResultList, StepRow
from plugins.devices.panel_setup import SetupPage
from plugins.devices.wizard import Check
from plugins.devices.words import answer_words, headline, measure
from studio.app.api import StudioApi
from studio.app.theme import set_property, theme
from studio.app.widgets.control import KeyButton, make_line
from studio.app.widgets.scene_screen import ScrollPanel, command_button, sync_button

WIDTH_PX = 384
_HOLD = "Hold {} during this step. Let go: torque is off."
_AFTER = "The results go into every recording from now on."
_AFTER_TWIN = "A rehearsal on a twin: its results are kept apart from those of motors."
_TWIN = "This is a twin: the bench does what is asked when you confirm."
_HELD = "You hold {}. Let go: torque is off."


class WizardPanel(ScrollPanel):
    """Setup of the chosen motor, or its check."""

    def __init__(self, studio: StudioApi, model: DevicesModel) -> None:
        super().__init__(WIDTH_PX)
        self._studio, self._model = studio, model

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        self.title, self.patch = QLabel(), QLabel()
        set_property(self.title, "type", "title")
        self.patch.setFixedSize(14, 14)
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 2, 0, 4)
        line.setSpacing(10)
        line.addWidget(self.patch)
        line.addWidget(self.title, 1)
        self.steps = StepRow()
        self.add(row, self.steps, make_line())
        self.pages = QStackedWidget()
        yield
        self.setup = SetupPage(self._studio, self._model)
        yield
        self.run = self._make_run()
        yield
        for page in (self.setup, self.run):
            self.pages.addWidget(page)
        self.add(self.pages)
        self.column.addStretch(1)
        self._make_foot()

    def _make_run(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 6, 0, 0)
        column.setSpacing(10)
        self.headline, self.sentence, self.pause = QLabel(), QLabel(), QLabel()
        for label in (self.headline, self.sentence, self.pause):
            label.setWordWrap(True)
        set_property(self.headline, "type", "value")
        set_property(self.sentence, "tone", "2")
        set_property(self.pause, "tone", "stopped")
        self.drawing, self.bar, self.results = BenchDrawing(), MeasureBar(), ResultList()
        self.after = QLabel()
        self.after.setWordWrap(True)
        set_property(self.after, "type", "small")
        set_property(self.after, "tone", "3")
        parts = (self.headline, self.sentence, self.pause, self.drawing, self.bar, make_line(), self.results)
        for part in (*parts, self.after):
            column.addWidget(part)
        column.addStretch(1)
        return page

    def _make_foot(self) -> None:
        studio = self._studio
        self.hold = QLabel(_HOLD.format(studio.input.dead_man_name))
        set_property(self.hold, "type", "small")
        self.hold.setContentsMargins(16, 0, 16, 0)
        self.links = QHBoxLayout()
        self.links.setContentsMargins(12, 0, 16, 0)
        self.redo = _link(studio, "devices.redo", "Run again")
        self.leave = _link(studio, "devices.leave", "Leave this step")
        self.end = _link(studio, "devices.end", "End the check")
        self.no = KeyButton("No")
        self.no.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.no.clicked.connect(self._answer_no)
        for button in (self.redo, self.leave, self.end):
            self.links.addWidget(button)
        outer = self.layout()
        assert isinstance(outer, QVBoxLayout)
        outer.insertWidget(outer.count() - 1, self.hold)
        outer.insertLayout(outer.count() - 1, self.links)
        self.back = command_button(studio, "devices.back", "Back", kind="main")
        self.back.setMaximumWidth(110)
        self.next = command_button(studio, "devices.next", "Check", "Enter", kind="primary", icon="check")
        self.foot.addWidget(self.back)
        self.foot.addWidget(self.no)
        self.foot.addWidget(self.next, 1)

    def _answer_no(self) -> None:
        check = self._model.check
        if check is not None and check.question is not None and len(check.question["choices"]) > 1:
            self._model.bench.answer(str(check.question["choices"][1]))

    # ---- showing -------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Everything, after something has changed."""
        model, check = self._model, self._model.check
        motor = check.motor if check is not None else model.motor
        self.title.setText(f"Check {motor.title}")
        self.patch.setStyleSheet(f"background: {theme().joint(motor.index).name()}; border-radius: 3px;")
        passed = check.passed if check is not None else motor.passed
        refused = {**motor.findings, **(check.refused if check is not None else {})}
        refused = {step: why for step, why in refused.items() if step not in passed}
        now = check.step if check is not None and not check.over else ""
        self.steps.show_steps(frozenset(passed), frozenset(refused), now)
        self.pages.setCurrentWidget(self.run if check is not None else self.setup)
        if check is None:
            self.setup.refresh()
        else:
            self._show_check(check, refused)
        self._show_buttons(check)

    def _show_check(self, check: Check, refused: dict[str, str]) -> None:
        head, sentence = check.end_words() if check.over else headline(check.state)
        self.headline.setText(head)
        self.sentence.setText(sentence)
        trouble = check.phase in ("refused", "lost")
        set_property(self.headline, "tone", "fault" if trouble else "1")
        pause = str(check.state.get("pause", "")) if not check.over else ""
        self.pause.setText(pause)
        self.pause.setVisible(bool(pause))
        for part in (self.drawing, self.bar):
            part.setVisible(not check.over and bool(check.state))
        if check.phase == "refused":  # its reason is the sentence above
            refused = {step: why for step, why in refused.items() if step != check.step}
        self.results.show_results(check.passed, refused)
        twin = is_twin(check.motor)
        after = _AFTER_TWIN if twin else _AFTER
        self.after.setText(after if check.over else _TWIN if twin else "")
        self.after.setVisible(bool(self.after.text()))
        self.show_numbers()

    def show_numbers(self) -> None:
        """What the motor says now, ten times a second at most."""
        check = self._model.check
        if check is None or check.over or not check.state:
            return
        bench, state = self._model.settings, check.state
        self.drawing.set_bench(pins_rad=bench["pins_rad"], mass_kg=bench["mass_kg"], lever_m=bench["lever_m"])
        asked = bench["clamp_torque"]
        turned = state["sample"]["position_rad"] - check.start_rad
        push = state["command"][4] / asked if asked else 0.0
        angle = state["sample"]["position_rad"] if check.step == "zero" else turned
        self.drawing.show_step(check.step, check.motor.index, angle, push)
        self.bar.show_measure(measure(check.step, state, bench, check.start_rad))

    def _show_buttons(self, check: Check | None) -> None:
        running = check is not None and not check.over
        for button, name in ((self.back, "back"), (self.next, "next"), (self.redo, "redo"), (self.leave, "leave")):
            sync_button(self._studio, button, f"devices.{name}")
        self.back.setVisible(check is not None)
        for button in (self.redo, self.end):
            button.setVisible(running)
        self.leave.setVisible(check is not None and check.phase == "refused")
        two = check is not None and check.question is not None and len(check.question["choices"]) > 1
        self.no.setVisible(two)
        self.hold.setVisible(check is not None and check.gives_torque)
        words = _HELD if self._model.held else _HOLD
        self.hold.setText(words.format(self._studio.input.dead_man_name))
        set_property(self.hold, "tone", "engaged" if self._model.held else "2")
        self.next.set_words(self._next_words(check))
        problem = self._model.problem if check is None else ""
        blocked = self._studio.commands.blocked("devices.next") if check is None else ""
        self.show_problem(problem or (f"{blocked[:1].upper()}{blocked[1:]}." if blocked else ""), tone="stopped")

    def _next_words(self, check: Check | None) -> str:
        model = self._model
        if check is None:
            motor = model.motor
            if model.undecided:
                return "Let the gear decide"
            begun = motor.calibration is not None and 0 < len(motor.missing) < 9
            return f"Go on with {motor.name}" if begun else f"Check {motor.name}"
        if check.over:
            return "Next motor" if check.phase == "finished" and not check.refused else "Close"
        if check.phase == "refused":
            return "Run it again"
        return answer_words(check.question) if check.question is not None else "At work"


def _link(studio: StudioApi, identity: str, words: str) -> KeyButton:
    return command_button(studio, identity, words, kind="link")
