"""The right side of the teleoperation screen: before engaging, and while driving."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from plugins.teleop.gate import HOT_C, WARM_C, make_rows
from plugins.teleop.model import TeleopModel
from plugins.teleop.panel_coupling import CouplingBox
from plugins.teleop.panel_machine import MachineBox
from plugins.teleop.panel_stability import StabilityBox
from studio.app.theme import set_property, theme
from studio.app.widgets.bars import Blocks, TorqueBars
from studio.app.widgets.control import KeyButton, SegmentedControl, ValueRow, make_heading, make_line
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


class IdlePage(Page):
    """Gate, Engage, the session and the coupling."""

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        heading, self.passed = make_heading("Ready to engage", "", role="title")
        self.passed.setStyleSheet("font-weight: 600;")
        self.gate = GateList()
        self.gate.fix_pressed.connect(self._fix)
        self.engage = self.command_button(
            "teleop.engage", "Engage", "E", kind="primary", size="engage", icon="state.engaged"
        )
        latched = self.studio.robot.dead_man_latched
        words = (
            "Engage holds the dead-man. Press H: arms hold."
            if latched
            else f"Hold {self.studio.input.dead_man_name} while you move. Let go: arms hold."
        )
        self.hint = QLabel(words)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_property(self.hint, "tone", "2")
        set_property(self.hint, "type", "small")
        self.column.addWidget(heading)
        self.column.addWidget(self.gate)
        self.column.addSpacing(6)
        self.column.addWidget(self.engage)
        self.column.addWidget(self.hint)
        yield
        self._add_session()
        yield
        self.coupling = CouplingBox(self.model, whole=False)
        self.column.addWidget(self.coupling)
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

    def show_coupling(self, record: np.ndarray, stale: bool) -> None:
        self.coupling.show_in_force(record, stale)

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
        resting = clock.resting and not clock.is_over
        said = "complete" if clock.is_over else f"rest, then block {clock.block}" if resting else ""
        self.block_note.setText(said or f"block {clock.block} of {clock.blocks}")
        self.blocks.set_done(clock.blocks_done)


class RunPage(Page):
    """Torque of every joint, stability, and behind two words the coupling and the machine."""

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        self.column.setSpacing(5)
        self.column.setContentsMargins(16, 10, 16, 4)
        self.take_over = self.command_button("teleop.engage", "Take over", "E", kind="primary", icon="teleop")
        self.take_over.hide()
        self.column.addWidget(self.take_over)
        self.column.addWidget(make_heading("Joint torque", "N·m · apart · temperature", role="title")[0])
        robot, config = self.studio.robot, self.model.config
        self.torque_bars = TorqueBars(
            robot.joint_names, config.soft_limit_nm, float(np.max(robot.torque_limit_nm)), warm_c=WARM_C, hot_c=HOT_C
        )
        self.stability = StabilityBox(config)
        for part in (self.torque_bars, make_line(), self.stability):
            self.column.addWidget(part)
        yield
        self.tabs = SegmentedControl(["Coupling", "Machine"])
        self.tabs.chosen.connect(self._choose_tab)
        row = QHBoxLayout()
        row.addWidget(self.tabs)
        row.addStretch(1)
        self.column.addLayout(row)
        self.coupling = CouplingBox(self.model, whole=True)
        row.addWidget(self.coupling.in_force)
        yield
        self.machine = MachineBox(self.model)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.coupling)
        self.stack.addWidget(self.machine)
        self.column.addWidget(self.stack)
        self.column.addStretch(1)

    def _choose_tab(self, word: str) -> None:
        self.stack.setCurrentIndex(0 if word == "Coupling" else 1)

    def show_numbers(self, record: np.ndarray, apart_m: float) -> None:
        """From one control record (shape [])."""
        situation = self.model.situation
        stale = situation.stale
        silent = situation.silent_motors("leader") | situation.silent_motors("follower") | stale
        apart_deg = np.degrees(np.abs(record["leader_position_rad"] - record["follower_position_rad"]))
        temperature_c = np.maximum(record["follower_temperature_c"], record["leader_temperature_c"])
        self.torque_bars.set_values(
            record["follower_torque_nm"], record["leader_torque_nm"], temperature_c, apart_deg, silent
        )
        self.stability.show_record(record, stale)
        self.coupling.show_in_force(record, stale)
        self.machine.show_record(record, apart_m, stale)
        self.take_over.setVisible(self.model.others_drive())


class RunFoot(Page):
    """Below the run page, never scrolled away: how far ahead, the session, and what can be done with the take."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__(model)
        self.column.setSpacing(6)
        self.column.setContentsMargins(16, 2, 16, 10)
        self.column.addWidget(make_line())
        self.ahead, self.session = ValueRow("Leader ahead of follower"), ValueRow("Session")
        for row in (self.ahead, self.session):
            row.setFixedHeight(18)
            self.column.addWidget(row)
        self._add_buttons()

    def _add_buttons(self) -> None:
        self.take_buttons = [
            self.command_button("teleop.mark", "Mark", "M"),
            self.command_button("teleop.redo", "Redo", "⌫"),
            self.command_button("teleop.drop", "Drop", "Del"),
        ]
        self.clutch = self.command_button("teleop.clutch", "Clutch", "C")
        box = self.command_button("teleop.box_back", "Box", "Home")
        box.setToolTip("Put the box back")
        arm_buttons = [self.command_button("teleop.hold", "Hold", "H"), self.clutch, box]
        for buttons in (self.take_buttons, arm_buttons):
            row = QHBoxLayout()
            row.setSpacing(8)
            for button in buttons:
                row.addWidget(button, 1)
            self.column.addLayout(row)

    def show_numbers(self, apart_m: float) -> None:
        blocked = self.studio.commands.blocked("teleop.clutch")
        opened = self.model.coupling.clutch_open
        self.clutch.set_words("Close" if opened else "Clutch")
        self.clutch.setEnabled(not blocked)
        words = "Couple the arms again as they stand" if opened else "Move the leader without the follower"
        self.clutch.setToolTip(blocked.capitalize() or words)
        clock = self.model.clock
        self.ahead.set_value("unknown" if self.model.situation.stale else f"{apart_m * 1000:.0f} mm")
        self.session.name_label.setText(f"Session, block {clock.block} of {clock.blocks}")
        self.session.set_value(f"{clock.text} left", "stopped" if clock.ends_soon else "1")
        for button in self.take_buttons:
            button.setEnabled(self.studio.state.recording.on)
