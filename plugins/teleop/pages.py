"""The right side of the teleoperation screen: before engaging, while driving, after a fault."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from plugins.teleop.gate import make_rows
from plugins.teleop.model import TeleopModel
from plugins.teleop.words import fault_causes
from studio.app.theme import set_property, theme
from studio.app.widgets.bars import Blocks, Meter, TorqueBars
from studio.app.widgets.control import KeyButton, ValueRow, ValueSlider, make_heading, make_line
from studio.app.widgets.gate import Check, GateList

_REASONS = {1: "no reply", 2: "drive error", 3: "too fast", 4: "out of range", 5: "too hot", 6: "not a number",
            7: "not following", 8: "overworked"}  # fmt: skip


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
            self.hint.setText("Engage keeps the dead-man pressed. H: arms hold.")
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
        self.episodes, note = QLabel("0 episodes"), QLabel("box back: next episode")
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
        seconds = int(self.model.session_left_s)
        self.left.setText(f"{seconds // 60:02d}:{seconds % 60:02d}")
        closed = self.studio.state.recording.episodes_closed
        self.episodes.setText(f"{closed} episode{'' if closed == 1 else 's'}")
        block = min(int(self.model.blocks_done) + 1, self.model.config.blocks)
        self.block_note.setText(f"block {block} of {self.model.config.blocks}")
        self.blocks.set_done(self.model.blocks_done)


class RunPage(Page):
    """Torque of every joint, stability, coupling, and what can be done with the take."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__(model)
        self.take_over = self.command_button("teleop.engage", "Take over", "E", kind="primary", icon="teleop")
        self.take_over.hide()
        self.column.addWidget(self.take_over)
        self.column.addWidget(make_heading("Joint torque", "N·m · temperature", role="title")[0])
        self.torque_bars = TorqueBars(self.studio.robot.joint_names, model.config.soft_limit_nm)
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
        self.column.addWidget(self.ahead)
        self.column.addWidget(self.session)
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
        self.ahead.set_value(f"{apart_m * 1000:.0f} mm")
        seconds = int(self.model.session_left_s)
        block = min(int(self.model.blocks_done) + 1, config.blocks)
        self.session.name_label.setText(f"Session, block {block} of {config.blocks}")
        self.session.set_value(f"{seconds // 60:02d}:{seconds % 60:02d} left")
        self.take_over.setVisible(self.model.others_drive())
        for button in self.take_buttons:
            button.setEnabled(self.studio.state.recording.on)


class Step(QWidget):
    """One step of clearing a fault: number or tick, what, and its present state."""

    def __init__(self, number: int, title: str) -> None:
        super().__init__()
        self._number = number
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 2, 0, 2)
        row.setSpacing(12)
        self.mark, self.title, self.note = QLabel(str(number)), QLabel(title), QLabel()
        self.mark.setFixedSize(24, 24)
        self.mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_property(self.title, "type", "field")
        set_property(self.note, "type", "small")
        set_property(self.note, "tone", "2")
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.title)
        words.addWidget(self.note)
        row.addWidget(self.mark)
        row.addLayout(words, 1)
        self.set_done(False, "")

    def set_done(self, done: bool, note: str) -> None:
        ground = theme().hex("soft.engaged" if done else "bg.3")
        self.mark.setStyleSheet(f"background: {ground}; border-radius: 12px; font-weight: 600;")
        if done:
            self.mark.setPixmap(theme().pixmap("check", 16, "state.engaged", self.devicePixelRatioF()))
        else:
            self.mark.setText(str(self._number))
        self.note.setText(note)


class FaultPage(Page):
    """Three steps, Clear, what happened in ms, and what is often the cause."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__(model)
        self.column.addWidget(make_heading("Clear the fault", role="title")[0])
        self.steps = [Step(1, "Let go of Space"), Step(2, "Check the joint"), Step(3, "Clear")]
        self.steps[2].set_done(False, "only you can do this")
        for step in self.steps:
            self.column.addWidget(step)
        self.clear = self.command_button("teleop.clear_fault", "Clear fault", "Shift C", kind="primary", icon="unlock")
        note = QLabel("After clearing, motors stay off until you engage.")
        note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_property(note, "type", "small")
        set_property(note, "tone", "2")
        heading, self.clock = make_heading("What happened", "")
        self.events = QLabel()
        self.events.setTextFormat(Qt.TextFormat.RichText)
        self.causes = QLabel()
        self.causes.setWordWrap(True)
        set_property(self.causes, "tone", "2")
        self.column.addSpacing(6)
        for part in (self.clear, note, make_line(), heading, self.events, make_line(),
                     make_heading("Often the cause")[0], self.causes):  # fmt: skip
            self.column.addWidget(part)
        self.column.addStretch(1)
        self._silent_ms = 0.0

    def begin(self, record: np.ndarray, code: int, joint: int) -> None:
        """A fault has just been seen in this record."""
        self.clock.setText(time.strftime("%H:%M:%S"))
        name = self.studio.robot.joint_names[joint] if joint >= 0 else "the pair"
        self.steps[1].title.setText(f"Check {name}" if code != 1 else f"Check the cable of {name}")
        self._silent_ms = 1000 * float(record["follower_reply_age_s"][joint]) if joint >= 0 else 0.0
        self._show_events(code, name)
        self.causes.setText("\n".join(f"•  {cause}" for cause in fault_causes(code)))

    def reason(self, code: int) -> str:
        words = _REASONS.get(code, "fault")
        return f"{words} for {self._silent_ms:.1f} ms" if code == 1 and self._silent_ms else words

    def show_steps(self, record: np.ndarray) -> None:
        released = not self.studio.input.dead_man or self.studio.robot.dead_man_latched
        note = "dead-man is released" if released else "the dead-man is still pressed"
        self.steps[0].set_done(released, note)
        answering = self._answering(record)
        self.steps[1].set_done(answering, "it answers" if answering else "it does not answer yet")
        self.clear.setEnabled(not self.studio.commands.blocked("teleop.clear_fault"))

    def _answering(self, record: np.ndarray) -> bool:
        timeouts = self.studio.robot.timeouts
        limit_s = timeouts.motor_dead_ticks / self.studio.robot.loop_rate_hz
        ages_s = np.concatenate([record["leader_reply_age_s"], record["follower_reply_age_s"]])
        return bool((ages_s <= limit_s).all())

    def _show_events(self, code: int, name: str) -> None:
        robot = self.studio.robot
        late_ms, dead_ms = (
            1000 * t / robot.loop_rate_hz for t in (robot.timeouts.motor_late_ticks, robot.timeouts.motor_dead_ticks)
        )
        silent = [
            (0.0, "text.3", f"last reply from {name}"),
            (late_ms, "state.aligning", "no reply: its pair damps only"),
            (dead_ms, "state.fault", "fault latched, its pair stopped"),
        ]
        events = silent if code == 1 else [(0.0, "state.fault", "fault latched, its pair stopped")]
        events.append((events[-1][0] + 1000 / robot.loop_rate_hz, "state.holding", "the other pair holds"))
        rows = [
            f"<tr><td align='right'><b>{at:.1f} ms</b></td>"
            f"<td style='color:{theme().hex(hue)}'>&nbsp;●&nbsp;</td><td>{words}</td></tr>"
            for at, hue, words in events
        ]
        self.events.setText(f"<table cellspacing='4'>{''.join(rows)}</table>")
