"""The machine at the right: how far apart, how warm, how late, how full the buses, how late the force sound."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QVBoxLayout, QWidget

from plugins.teleop.gate import HOT_C, WARM_C
from plugins.teleop.model import TeleopModel
from plugins.teleop.words import bus_words, farthest_joint, time_words
from studio.app.widgets.control import ValueRow

_ROWS = {
    "farthest": "Farthest joint",
    "warmest": "Warmest motor",
    "rate": "Loop",
    "late": "Late, p99 and most",
    "reply": "Oldest reply",
    "bus": "Bus load, worst case",
    "scale": "Motion scale, clutch",
    "cutoff": "Cut-off of the force",
    "sound": "Force sound",
}


class MachineBox(QWidget):
    """Names at the left, values of the newest record at the right; unknown ones say so."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__()
        self._model = model
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.rows = {key: ValueRow(words) for key, words in _ROWS.items()}
        for row in self.rows.values():
            row.setFixedHeight(18)
            column.addWidget(row)
        column.addStretch(1)

    def show_record(self, record: np.ndarray, apart_m: float, stale: bool) -> None:
        """From one control record (shape []) and the link's lateness over the last 10 s."""
        link, sound, names = self._model.studio.state.link, self._model.sound, self._model.studio.robot.joint_names
        joint, degrees = farthest_joint(names, record)
        warmest, at, tone = _warmest(names, record)
        oldest_s = float(max(record["leader_reply_age_s"].max(), record["follower_reply_age_s"].max()))
        missed = f", {link.missed_ticks} missed" if link.missed_ticks else ""
        clutch = "closed" if float(record["clutch"]) >= 1.0 else "open" if float(record["clutch"]) <= 0.0 else "moving"
        values = {
            "farthest": (f"{joint} {degrees:.1f}°, {1000 * apart_m:.0f} mm", "1"),
            "warmest": (f"{at} {warmest:.0f} °C", tone),
            "rate": (f"{link.rate_hz:.1f} Hz{missed}", "fair" if link.missed_ticks else "1"),
            "late": (f"{time_words(link.lateness_p99_s)}, {time_words(link.lateness_max_s)}", "1"),
            "reply": (time_words(oldest_s), "1"),
            "bus": bus_words(float(record["bus_load"])),
            "scale": (f"× {float(record['motion_scale']):.2f}, {clutch}", "1"),
            "cutoff": (f"{float(record['force_cutoff_hz']):.0f} Hz", "1"),
        }
        for key, (text, tone) in values.items():
            self.rows[key].set_value("unknown" if stale else text, "2" if stale else tone)
        self.rows["sound"].set_value(f"{1000 * sound.latency_s:.0f} ms behind" if sound.on else "off", "1")


def _warmest(names: tuple[str, ...], record: np.ndarray) -> tuple[float, str, str]:
    """Temperature in degC, whose, and its tone."""
    both = np.stack([record["leader_temperature_c"], record["follower_temperature_c"]])
    side, joint = np.unravel_index(int(np.argmax(both)), both.shape)
    warmest = float(both[side, joint])
    tone = "poor" if warmest >= HOT_C else "fair" if warmest >= WARM_C else "1"
    return warmest, f"{names[joint]} {('leader', 'follower')[side]}", tone
