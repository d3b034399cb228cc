"""The right side of the teleoperation screen: before engaging and while driving."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from plugins.teleop.gate import make_rows
from plugins.teleop.model import TeleopModel
from plugins.teleop.words import bus_words, dead_man_words, farthest_joint
from studio.app.theme import set_property, theme
from studio.app.widgets.bars import Blocks, Meter, TorqueBars
from studio.app.widgets.control import KeyButton, ValueRow, ValueSlider, make_heading, make_line
from studio.app.widgets.gate import Check, GateList


class Page(QWidget):
    """A column with the panel's padding."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__()
        self.model = model
        self.studio = model.studio
        self.column = QVBoxLayout(self)
        padding = theme().pixels("space.panel_padding")
        self.column.setContentsMargins(padding, 12, padding, padding)
        self.column.setSpacing(8)

    def command_button(self, identity: str, text: str, key: str, **look: Any) -> KeyButton:
        button = KeyButton(text, key, **look)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.studio.commands.run(identity))
        return button


class CouplingBox(QWidget):
    """Stiffness, damping and leader share as sliders; several boxes show the same model."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__()
        self._model = model
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(make_heading("Coupling", "Position–position")[0])
        low, high = model.config.stiffness_range_nm_rad
        self.stiffness = ValueSlider("Stiffness", low, high, 1.0, unit="N·m/rad")
        low, high = model.config.damping_range_nm_s_rad
        self.damping = ValueSlider("Damping", low, high, 0.1, unit="N·m·s/rad", decimals=1)
        self.share = ValueSlider("Leader share", 0.0, 1.0, 0.01, decimals=2)
        for slider in (self.stiffness, self.damping, self.share):
            column.addWidget(slider)
        self.stiffness.changed.connect(lambda value: model.set_coupling(stiffness_nm_rad=value))
        self.damping.changed.connect(lambda value: model.set_coupling(damping_nm_s_rad=value))
        self.share.changed.connect(lambda value: model.set_coupling(leader_share=value))
        model.coupling_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        self.stiffness.set_value(self._model.stiffness_nm_rad)
        self.damping.set_value(self._model.damping_nm_s_rad)
        self.share.set_value(self._model.leader_share)


class IdlePage(Page):
    """Gate, Engage, the session and the coupling."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__(model)
        heading, self.passed = make_heading("Ready to engage", "", role="title")
        self.passed.setStyleSheet("font-weight: 600;")
        self.gate = GateList()
        self.gate.fix_pressed.connect(self._fix)
        self.engage = self.command_button(
            "teleop.engage", "Engage", "E", kind="primary", size="engage", icon="state.engaged"
        )
        self.hint = QLabel("Hold Space while you move. Let go: arms hold.")
        if self.studio.robot.dead_man_latched:
            self.hint.setText("Engage holds the dead-man. Press H: arms hold.")
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_property(self.hint, "tone", "2")
        set_property(self.hint, "type", "small")
        self.column.addWidget(heading)
        self.column.addWidget(self.gate)
        self.column.addSpacing(6)
        self.column.addWidget(self.engage)
        self.column.addWidget(self.hint)
        self._add_session()
        self.column.addWidget(CouplingBox(model))
        self.column.addSpacing(8)
        self.column.addWidget(self.command_button("teleop.box_back", "Put the box back", "Home", icon="box"))
        self.column.addStretch(1)
        self._commands: dict[str, str] = {}

    def _add_session(self) -> None:
        heading, self.block_note = make_heading("Session", "")
        row = QHBoxLayout()
        self.left, unit = QLabel("30:00"), QLabel("min left")
        set_property(self.left, "type", "number")
        set_property(unit, "tone", "2")
        facts = QVBoxLayout()
        facts.setSpacing(2)
        self.episodes, note = QLabel("0 episodes"), QLabel(f"split every {self.model.config.split_s:.0f} s")
        note.setToolTip("Putting the box back begins the next episode too.")
        for label in (self.episodes, note):
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
            facts.addWidget(label)
        set_property(note, "type", "small")
        set_property(note, "tone", "2")
        row.addWidget(self.left)
        row.addWidget(unit, 1, Qt.AlignmentFlag.AlignBottom)
        row.addLayout(facts)
        self.blocks = Blocks(self.model.config.blocks)
        for part in (make_line(), heading):
            self.column.addSpacing(4)
            self.column.addWidget(part)
        self.column.addLayout(row)
        self.column.addWidget(self.blocks)
        self.column.addSpacing(10)
        self.column.addWidget(make_line())
        self.column.addSpacing(4)

    def _fix(self, name: str) -> None:
        if self._commands.get(name):
            self.studio.commands.run(self._commands[name])

    def show_gate(self, record: np.ndarray | None, apart_m: float) -> None:
        rows = make_rows(self.studio, record, apart_m, self.model.config.apart_good_m)
        self._commands = {row.name: row.command for row in rows}
        self.gate.set_checks([Check(name=r.name, value=r.value, verdict=r.verdict, fix=r.fix) for r in rows])
        passed = self.gate.passed
        self.passed.setText(f"{passed} of {len(rows)}")
        set_property(self.passed, "tone", "good" if passed == len(rows) else "poor")

    def show_engage(self) -> None:
        """Enabled when control takes it; the words follow the state."""
        blocked = self.model.blocked_engage()
        self.engage.setEnabled(not blocked)
        self.engage.setToolTip(blocked.capitalize())

    def show_session(self) -> None:
        clock = self.model.clock
        self.left.setText(clock.text)
        set_property(self.left, "tone", "stopped" if clock.ends_soon else "1")
        closed = self.studio.state.recording.episodes_closed
        self.episodes.setText(f"{closed} episode{'' if closed == 1 else 's'}")
        self.block_note.setText("complete" if clock.is_over else f"block {clock.block} of {clock.blocks}")
        self.blocks.set_done(clock.blocks_done)


class RunPage(Page):
    """Torque of every joint, stability, coupling, and what can be done with the take."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__(model)
        self.column.setSpacing(6)
        self.take_over = self.command_button("teleop.engage", "Take over", "E", kind="primary", icon="teleop")
        self.take_over.hide()
        self.column.addWidget(self.take_over)
        self.column.addWidget(make_heading("Joint torque", "N·m · temperature", role="title")[0])
        robot = self.studio.robot
        hard_limit_nm = float(np.max(robot.torque_limit_nm))
        self.torque_bars = TorqueBars(robot.joint_names, model.config.soft_limit_nm, hard_limit_nm)
        self.column.addWidget(self.torque_bars)
        self.column.addWidget(make_line())
        heading, self.calm = make_heading("Stability", "")
        self.calm.setStyleSheet("font-weight: 600;")
        config = model.config
        self.energy = Meter("verdict.good", height_px=10, tick=config.energy_warn_j / config.energy_full_j)
        self.energy_note = QLabel()
        set_property(self.energy_note, "type", "hint")
        set_property(self.energy_note, "tone", "2")
        for part in (heading, self.energy, self.energy_note, make_line(), CouplingBox(model), make_line()):
            self.column.addWidget(part)
        self.ahead, self.session = ValueRow("Leader ahead of follower"), ValueRow("Session")
        self.farthest, self.loop = ValueRow("Farthest joint"), ValueRow("Loop late p99")
        self.bus, self.dead_man = ValueRow("Bus load, worst case"), ValueRow("Dead-man")
        for row in (self.dead_man, self.ahead, self.farthest, self.loop, self.bus, self.session):
            row.setFixedHeight(18)
            self.column.addWidget(row)
        self._add_buttons()
        self.column.addStretch(1)

    def _add_buttons(self) -> None:
        self.take_buttons = [
            self.command_button("teleop.mark", "Mark", "M"),
            self.command_button("teleop.redo", "Redo", "⌫"),
            self.command_button("teleop.drop", "Drop", "Del"),
        ]
        arm_buttons = [
            self.command_button("teleop.hold", "Hold", "H"),
            self.command_button("teleop.box_back", "Box back", "Home"),
        ]
        for buttons in (self.take_buttons, arm_buttons):
            row = QHBoxLayout()
            row.setSpacing(8)
            for button in buttons:
                row.addWidget(button, 1)
            self.column.addLayout(row)

    def show_numbers(self, record: np.ndarray, apart_m: float) -> None:
        """From one control record (shape [])."""
        temperature = np.maximum(record["follower_temperature_c"], record["leader_temperature_c"])
        self.torque_bars.set_values(record["follower_torque_nm"], record["leader_torque_nm"], temperature)
        config, energy_j = self.model.config, float(np.min(record["energy_left_j"]))
        calm = energy_j >= config.energy_warn_j
        self.energy.set_share(energy_j / config.energy_full_j, "verdict.good" if calm else "verdict.fair")
        self.calm.setText("Calm" if calm else "Watch it")
        set_property(self.calm, "tone", "good" if calm else "fair")
        self.energy_note.setText(f"energy left in the tank {energy_j:.3f} J · warns below {config.energy_warn_j:.3f}")
        self.dead_man.set_value(*dead_man_words(bool(record["dead_man"]), self.studio.robot.dead_man_latched))
        self.ahead.set_value(f"{apart_m * 1000:.0f} mm")
        self.farthest.set_value(farthest_joint(self.studio.robot.joint_names, record))
        link, clock = self.studio.state.link, self.model.clock
        self.loop.set_value(f"{1e6 * link.lateness_p99_s:.0f} µs")
        self.bus.set_value(*bus_words(self.model.bus_loads))
        self.session.name_label.setText(f"Session, block {clock.block} of {clock.blocks}")
        self.session.set_value(f"{clock.text} left", "stopped" if clock.ends_soon else "1")
        self.take_over.setVisible(self.model.others_drive())
        for button in self.take_buttons:
            button.setEnabled(self.studio.state.recording.on)
