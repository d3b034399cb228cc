"""Stability at the right: energy left by the passivity observer, energy in the tank, vibration; each side."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from plugins.teleop.config import TeleopConfig
from plugins.teleop.coupling import FOUR_CHANNEL, POSITION_FORCE
from studio.app.theme import set_property
from studio.app.widgets.bars import MINUS, Meter
from studio.app.widgets.control import make_heading

_SIDES = ("L", "R")


class StabilityMeter(QWidget):
    """One measure of the worse side as a bar with its limit as a tick, and a line with both sides' numbers."""

    def __init__(self, share_of_tick: float) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.bar, self.note = Meter("verdict.good", height_px=10, tick=share_of_tick), QLabel()
        set_property(self.note, "type", "hint")
        set_property(self.note, "tone", "2")
        column.addWidget(self.bar)
        column.addWidget(self.note)

    def show_value(self, share: float, good: bool, words: str) -> None:
        self.bar.set_share(share, "verdict.good" if good else "verdict.fair")
        self.note.setText(words)


class StabilityBox(QWidget):
    """The heading's word is the verdict: Calm, Watch it, Damped, Shakes."""

    def __init__(self, config: TeleopConfig) -> None:
        super().__init__()
        self._config = config
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        heading, self.word = make_heading("Stability", "")
        self.word.setStyleSheet("font-weight: 600;")
        self.observer = StabilityMeter(config.energy_warn_j / config.energy_full_j)
        self.tank = StabilityMeter(config.tank_warn_j / config.tank_full_j)
        self.vibration = StabilityMeter(0.5)
        for part in (heading, self.observer, self.tank, self.vibration):
            column.addWidget(part)

    def show_record(self, record: np.ndarray, stale: bool) -> None:
        """From one control record (shape [])."""
        scheme, config = int(record["coupling_scheme"]), self._config
        observed, tanked = scheme != POSITION_FORCE, scheme in (POSITION_FORCE, FOUR_CHANNEL)
        left_j, tank_j = record["energy_left_j"], record["tank_energy_j"]
        shake_rad_s = float(np.max(record["vibration_rad_s"]))
        self.observer.setVisible(observed)
        self.tank.setVisible(tanked)
        low, empty = float(left_j.min()) < config.energy_warn_j, float(tank_j.min()) < config.tank_warn_j
        shakes = shake_rad_s > config.vibration_warn_rad_s
        self.observer.show_value(
            float(left_j.min()) / config.energy_full_j, not low,
            f"energy {_both(left_j, 3)} J · warns below {config.energy_warn_j:.3f}",
        )  # fmt: skip
        self.tank.show_value(
            float(tank_j.min()) / config.tank_full_j, not empty,
            f"tank {_both(tank_j, 2)} J · fades below {config.tank_warn_j:g}",
        )  # fmt: skip
        self.vibration.show_value(
            0.5 * shake_rad_s / config.vibration_warn_rad_s, not shakes,
            f"vibration {shake_rad_s:.2f} rad/s · warns above {config.vibration_warn_rad_s:g}",
        )  # fmt: skip
        damped = observed and float(left_j.min()) < 0.0
        self._show_word(stale, shakes, damped, (observed and low) or (tanked and empty))

    def _show_word(self, stale: bool, shakes: bool, damped: bool, low: bool) -> None:
        word = "Unknown" if stale else "Shakes" if shakes else "Damped" if damped else "Watch it" if low else "Calm"
        self.word.setText(word)
        set_property(self.word, "tone", "good" if word == "Calm" else "2" if stale else "fair")


def _both(values: np.ndarray, decimals: int) -> str:
    """`L 0.062, R 0.051`."""
    texts = [f"{float(value):.{decimals}f}".replace("-", MINUS) for value in values]
    return ", ".join(f"{side} {text}" for text, side in zip(texts, _SIDES, strict=False))
