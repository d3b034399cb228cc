"""The coupling at the right: scheme, gains, leader's share, motion scale, clutch, cut-offs; asked and in force."""

from __future__ import annotations

from functools import partial

import numpy as np
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from plugins.teleop.coupling import FOUR_CHANNEL, HINTS, POSITION_FORCE, SCHEMES, SHORT, CouplingDesk, Progress
from plugins.teleop.model import TeleopModel
from studio.app.theme import set_property
from studio.app.widgets.control import SegmentedControl, ValueSlider, make_heading

_SLIDERS = {
    "stiffness_nm_rad": ("Stiffness", 1.0, "N·m/rad", 0),
    "damping_nm_s_rad": ("Damping", 0.05, "N·m·s/rad", 2),
    "leader_share": ("Leader share", 0.01, "", 2),
    "motion_scale": ("Motion scale", 0.05, "×", 2),
    "force_cutoff_hz": ("Force up to", 1.0, "Hz", 0),
    "disturbance_cutoff_hz": ("Disturb. up to", 0.1, "Hz", 1),
}
_ALWAYS = ("stiffness_nm_rad", "damping_nm_s_rad", "leader_share")
_LIMITED = "Control keeps less than was asked. The notices and the list beside Engage say why."
_GAINS = ("stiffness_nm_rad", "damping_nm_s_rad")


class CouplingBox(QWidget):
    """Several boxes show the same desk; `whole` adds what is changed while driving."""

    def __init__(self, model: TeleopModel, *, whole: bool) -> None:
        super().__init__()
        self._desk: CouplingDesk = model.coupling
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4 if whole else 6)
        self._whole = whole
        heading, self.in_force = make_heading("Coupling", "")
        heading.setVisible(not whole)  # the tab says it
        column.addWidget(heading)
        self.schemes = self._make_schemes()
        column.addWidget(self.schemes)
        self.hint = self._make_hint(column)
        self.sliders: dict[str, ValueSlider] = {}
        for name in _SLIDERS if whole else _ALWAYS:
            self._add_slider(column, name)
        self.power = self._make_hint(column)
        self._desk.changed.connect(self.refresh)
        self.refresh()

    def _make_schemes(self) -> SegmentedControl:
        schemes = SegmentedControl(list(SHORT.values()))
        schemes.chosen.connect(self._choose)
        for scheme, word in SHORT.items():
            schemes.buttons[word].setToolTip(f"{SCHEMES[scheme]}. {HINTS[scheme]}")
        return schemes

    @staticmethod
    def _make_hint(column: QVBoxLayout) -> QLabel:
        label = QLabel()
        label.setWordWrap(True)
        set_property(label, "type", "hint")
        set_property(label, "tone", "2")
        column.addWidget(label)
        return label

    def _add_slider(self, column: QVBoxLayout, name: str) -> None:
        words, step, unit, decimals = _SLIDERS[name]
        span = self._desk.ranges[name]
        slider = ValueSlider(words, span.low, span.high, step, unit=unit, decimals=decimals, inline=self._whole)
        slider.changed.connect(partial(self._slide, name))
        self.sliders[name] = slider
        column.addWidget(slider)

    def _slide(self, name: str, value: float) -> None:
        self._desk.set(**{name: value})

    def _choose(self, word: str) -> None:
        self._desk.set_scheme(next(scheme for scheme, short in SHORT.items() if short == word))

    def refresh(self) -> None:
        """What is asked."""
        desk = self._desk
        self.schemes.choose(SHORT[desk.scheme])
        self.hint.setText(HINTS[desk.scheme])
        self.hint.setVisible(not self._whole)
        for name, slider in self.sliders.items():
            slider.set_value(desk.values[name])
        own = desk.scheme == FOUR_CHANNEL
        for name in _GAINS:
            self.sliders[name].setEnabled(not own)
            self.sliders[name].setToolTip("The 4-channel law has gains of its own." if own else "")
        if "disturbance_cutoff_hz" in self.sliders:
            self.sliders["disturbance_cutoff_hz"].setVisible(own)
            self.sliders["force_cutoff_hz"].setToolTip(_cutoff_words(desk.scheme))
            self.sliders["disturbance_cutoff_hz"].setToolTip("Disturbances up to here are compensated.")
        words, tone = desk.power_words
        self.power.setText(words)
        self.power.setVisible(self._whole or tone == "fair")
        set_property(self.power, "tone", tone)

    def show_in_force(self, record: np.ndarray, stale: bool) -> None:
        """From the newest control record (shape []): the scheme in use, or that it is on its way, or less."""
        progress = self._desk.progress(record)
        known = SCHEMES.get(int(record["coupling_scheme"]), "")
        words = {Progress.THERE: known, Progress.MOVING: "on its way", Progress.KEPT: f"{known}, limited"}[progress]
        self.in_force.setText("unknown" if stale else words)
        self.in_force.setToolTip("" if stale or progress is not Progress.KEPT else _LIMITED)
        set_property(self.in_force, "tone", "2" if progress is Progress.THERE and not stale else "fair")


def _cutoff_words(scheme: int) -> str:
    if scheme == POSITION_FORCE:
        return "Higher: contact is felt sooner and harsher. Lower: softer and later."
    return "Of the force that is shown, heard and recorded."
