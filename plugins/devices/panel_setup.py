"""Before a check: what this motor is taken for, and what the bench has."""

from __future__ import annotations

from functools import partial
from math import degrees, radians

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from plugins.devices.model import DevicesModel
from plugins.devices.motors import TWIN
from plugins.devices.panel_parts import ResultList
from studio.app.api import StudioApi
from studio.app.theme import set_property
from studio.app.widgets.control import KeyButton, make_heading
from studio.app.widgets.scene_screen import command_button, sync_button

_FIRMWARE = {"legacy": "older (V1, V2)", "v3": "V3"}
_WRONG = {
    "none": "nothing is wrong", "no_reply": "it does not answer", "wrong_dialect": "it speaks the other dialect",
    "wrong_gear": "it has another gear", "wrong_table": "its speed scale is another",
    "wrong_direction": "it turns the other way", "weak_torque": "its torque is weak",
    "unreliable_current": "its current has no sign",
    "holds_torque": "it holds torque when commands stop", "error": "it reports an error",
    "runaway": "it would run away",
}  # fmt: skip
# key, name, factor from the bench's unit to the shown one, unit, low, high, step
_FIELDS = (
    ("mass_kg", "Weight", 1.0, " kg", 0.05, 20.0, 0.05),
    ("lever_m", "Lever", 1000.0, " mm", 20.0, 1000.0, 10.0),
    ("pins_rad", "Second pin", degrees(1.0), "°", 12.0, 340.0, 1.0),
)


class SetupPage(QWidget):
    """Model, firmware, and for a twin what is wrong with it; the bench's numbers; what is known so far."""

    def __init__(self, studio: StudioApi, model: DevicesModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 0)
        column.setSpacing(10)
        self.state = QLabel()
        self.state.setWordWrap(True)
        set_property(self.state, "tone", "2")
        column.addWidget(self.state)
        column.addLayout(self._make_motor())
        column.addWidget(self._make_choice())
        column.addWidget(make_heading("Bench", "what is at hand")[0])
        column.addLayout(self._make_bench())
        self.results_head = make_heading("Found so far")[0]
        self.results = ResultList()
        column.addWidget(self.results_head)
        column.addWidget(self.results)
        self.zero = command_button(studio, "devices.zero", "Set zero only", "Z", icon="gizmo")
        self.whole = command_button(studio, "devices.whole", "Check everything again", icon="retry")
        column.addWidget(self.zero)
        column.addWidget(self.whole)
        column.addStretch(1)

    def _make_motor(self) -> QFormLayout:
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.model_box, self.firmware_box, self.twin_box = QComboBox(), QComboBox(), QComboBox()
        for box, name in ((self.model_box, "Model"), (self.firmware_box, "Firmware"), (self.twin_box, "This twin")):
            box.setAccessibleName(name)
            box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            form.addRow(_soft(name), box)
        self.model_box.textActivated.connect(partial(self._model.set_choice, "model"))
        self.firmware_box.activated.connect(self._set_firmware)
        self.twin_box.activated.connect(self._set_twin)
        self._form = form
        return form

    def _make_choice(self) -> QWidget:
        """AK60-9: two data sets, one choice."""
        self.choice = QWidget()
        column = QVBoxLayout(self.choice)
        column.setContentsMargins(0, 0, 0, 0)
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        set_property(self.reason, "tone", "stopped")
        column.addWidget(self.reason)
        self.choice_row = QHBoxLayout()
        column.addLayout(self.choice_row)
        return self.choice

    def _make_bench(self) -> QFormLayout:
        form = QFormLayout()
        self.fields: dict[str, QDoubleSpinBox] = {}
        for key, name, factor, unit, low, high, step in _FIELDS:
            field = QDoubleSpinBox()
            field.setRange(low, high)
            field.setSingleStep(step)
            field.setDecimals(2 if factor == 1.0 else 0)
            field.setSuffix(unit)
            field.setAccessibleName(name)
            field.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
            field.valueChanged.connect(partial(self._set_bench, key, factor))
            form.addRow(_soft(name), field)
            self.fields[key] = field
        self.direction = QComboBox()
        self.direction.setAccessibleName("Positive")
        self.direction.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.direction.addItems(["counts up", "counts down"])
        self.direction.activated.connect(lambda index: self._model.set_bench("direction", -1 if index else 1))
        form.addRow(_soft("Positive"), self.direction)
        return form

    def _set_bench(self, key: str, factor: float, shown: float) -> None:
        self._model.set_bench(key, radians(shown) if key == "pins_rad" else shown / factor)

    def _set_firmware(self, index: int) -> None:
        self._model.set_choice("firmware", str(self.firmware_box.itemData(index)))

    def _set_twin(self, index: int) -> None:
        self._model.set_choice("rehearse", str(self.twin_box.itemData(index)))

    # ---- showing -------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        model, motor = self._model, self._model.motor
        state = model.state_of(motor)
        seen = str((motor.seen or {}).get("sentence", ""))
        self.state.setText(" ".join(filter(None, (f"{state.words}.", state.detail, seen))))
        models = {entry["name"]: entry for entry in model.facts.get("models", [])}
        _fill(self.model_box, [(name, name) for name in models] or [(motor.model, motor.model)], motor.model)
        firmwares = models.get(motor.model, {}).get("firmwares", [motor.firmware])
        _fill(self.firmware_box, [(_FIRMWARE.get(name, str(name)), str(name)) for name in firmwares], motor.firmware)
        wrong = model.facts.get("rehearsals", ["none"])
        _fill(self.twin_box, [(_WRONG.get(name, str(name)), str(name)) for name in wrong], motor.rehearse)
        self._form.setRowVisible(self.twin_box, motor.bus == TWIN)
        self._show_choice(models.get(motor.model, {}))
        self._show_bench()
        passed = motor.passed
        self.results.show_results(passed, motor.findings)
        self.results_head.setVisible(bool(passed or motor.findings))
        for button, name in ((self.zero, "zero"), (self.whole, "whole")):
            sync_button(self._studio, button, f"devices.{name}")
            button.setVisible(bool(passed))

    def _show_choice(self, entry: dict[str, object]) -> None:
        choices = [str(name) for name in entry.get("choices", [])]  # type: ignore[union-attr]
        self.choice.setVisible(bool(choices))
        self.reason.setText(str(entry.get("reason", "")))
        shown = [self.choice_row.itemAt(i).widget().text() for i in range(self.choice_row.count())]  # type: ignore[union-attr]
        if shown == choices:
            return
        while self.choice_row.count():
            self.choice_row.takeAt(0).widget().deleteLater()  # type: ignore[union-attr]
        for name in choices:
            self.choice_row.addWidget(self._choice_button(name))

    def _choice_button(self, name: str) -> QWidget:
        button = KeyButton(name)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(partial(self._model.set_choice, "model", name))
        return button

    def _show_bench(self) -> None:
        bench = self._model.settings
        for key, _, factor, *_ in _FIELDS:
            field = self.fields[key]
            if key in bench and not field.hasFocus():
                field.blockSignals(True)
                field.setValue(bench[key] * factor)
                field.blockSignals(False)
        self.direction.setCurrentIndex(1 if bench.get("direction", 1) < 0 else 0)


def _fill(box: QComboBox, items: list[tuple[str, str]], chosen: str) -> None:
    if [box.itemData(i) for i in range(box.count())] != [data for _, data in items]:
        box.clear()
        for words, data in items:
            box.addItem(words, data)
    box.setCurrentIndex(box.findData(chosen))


def _soft(words: str) -> QLabel:
    label = QLabel(words)
    set_property(label, "tone", "2")
    return label
