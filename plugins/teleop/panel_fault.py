"""The right side of the teleoperation screen after a fault: three steps, what happened, what is often the cause."""

from __future__ import annotations

import re
import time

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from plugins.teleop.incident import Event, Incident, find_events
from plugins.teleop.model import TeleopModel
from plugins.teleop.pages import Page
from plugins.teleop.words import fault_causes
from studio.app.theme import set_property, theme
from studio.app.widgets.control import KeyButton, make_heading, make_line

_REASONS = {1: "no reply", 2: "drive error", 3: "too fast", 4: "out of range", 5: "too hot", 6: "not a number",
            7: "not following", 8: "overworked", 9: "loop silent"}  # fmt: skip
_SILENT = 1


class Step(QWidget):
    """One step of clearing a fault: number or tick, what, and its present state."""

    def __init__(self, number: int, title: str) -> None:
        super().__init__()
        self._number = number
        self._done = False
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 3, 0, 3)
        row.setSpacing(10)
        self.mark, self.title, self.note = QLabel(str(number)), QLabel(title), QLabel()
        self.mark.setFixedSize(24, 24)
        self.mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_property(self.title, "type", "field")
        set_property(self.note, "type", "small")
        set_property(self.note, "tone", "2")
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self.title)
        words.addWidget(self.note)
        row.addWidget(self.mark)
        row.addLayout(words, 1)
        theme().follow(self, lambda: self.set_done(self._done, self.note.text()))
        self.set_done(False, "")

    def set_done(self, done: bool, note: str) -> None:
        self._done = done
        ground = theme().hex("soft.engaged" if done else "bg.3")
        self.mark.setStyleSheet(f"background: {ground}; border-radius: 12px; font-weight: 600;")
        if done:
            self.mark.setPixmap(theme().pixmap("check", 16, "state.engaged", self.devicePixelRatioF()))
        else:
            self.mark.setText(str(self._number))
        self.note.setText(note)


class Timeline(QWidget):
    """Events under each other: time in ms, a dot on a line, words."""

    ROW_PX = 23

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def set_events(self, events: list[Event]) -> None:
        if events != self.events:
            self.events = events
            self.setAccessibleName("; ".join(f"{e.t_ms:.1f} ms {e.words}" for e in events))
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(260, self.ROW_PX * max(1, len(self.events)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, active = QPainter(self), theme()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x, half = 66.0, self.ROW_PX / 2
        painter.setPen(QPen(active.colour("line.2"), 1.4))
        painter.drawLine(QPointF(x, half), QPointF(x, self.ROW_PX * len(self.events) - half))
        for row, shown in enumerate(self.events):
            area = QRectF(0, row * self.ROW_PX, 48, self.ROW_PX)
            painter.setFont(active.font("strong"))
            painter.setPen(active.colour("text.2"))
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(area, right, f"{shown.t_ms:.1f} ms" if row == 0 else f"{shown.t_ms:.1f}")
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(active.colour(shown.colour))
            painter.drawEllipse(QPointF(x, area.center().y()), 4, 4)
            painter.setFont(active.font("body"))
            painter.setPen(active.colour("text.1"))
            words = QRectF(80, area.top(), self.width() - 80, self.ROW_PX)
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, shown.words)
        painter.end()


class FaultPage(Page):
    """Three steps, Clear, what happened in ms, and what is often the cause."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__(model)
        self.column.addWidget(make_heading("Clear the fault", role="title")[0])
        held = model.studio.input.dead_man_name
        self.steps = [Step(1, f"Let go of {held}"), Step(2, "Check the joint"), Step(3, "Clear")]
        self.steps[2].set_done(False, "only you can do this")
        for step in self.steps:
            self.column.addWidget(step)
        self.clear = self.command_button("teleop.clear_fault", "Clear fault", "Shift C", kind="primary", icon="unlock")
        note = QLabel("After clearing, motors stay off until you engage.")
        note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_property(note, "type", "small")
        set_property(note, "tone", "2")
        heading, self.clock = make_heading("What happened", "")
        self.timeline = Timeline()
        self.causes = QLabel()
        self.causes.setWordWrap(True)
        self.causes.setTextFormat(Qt.TextFormat.RichText)
        self.column.addSpacing(6)
        for part in (self.clear, note, make_line(), heading, self.timeline, make_line(),
                     make_heading("Often the cause")[0], self.causes):  # fmt: skip
            self.column.addWidget(part)
        self._add_buttons()
        self.column.addStretch(1)
        self._name = ""
        self._silent_ms = 0.0

    def _add_buttons(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.see = KeyButton("See the 2 s", icon="chart")
        self.see.setCheckable(True)
        self.see.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.save = self.command_button("teleop.save_incident", "Save incident", "", icon="save")
        row.addWidget(self.see, 1)
        row.addWidget(self.save, 1)
        self.column.addSpacing(4)
        self.column.addLayout(row)

    def begin(self, incident: Incident) -> None:
        """A fault has just been seen."""
        self.clock.setText(time.strftime("%H:%M:%S"))
        joint, code = incident.joint, incident.code
        self._name = self.studio.robot.joint_names[joint] if joint >= 0 else "the pair"
        self.steps[1].title.setText(f"Check the cable of {self._name}" if code == _SILENT else f"Check {self._name}")
        self._silent_ms = 1000 * incident.silent_s
        self.causes.setText("".join(f"<p style='margin:0 0 4px 0'>•&nbsp; {c}</p>" for c in fault_causes(code)))
        set_property(self.causes, "tone", "2")
        self.show_incident(incident)

    def show_incident(self, incident: Incident) -> None:
        """What happened, as far as the records go by now."""
        self.timeline.set_events(find_events(self.studio.robot, incident))
        saved = self.model.incident_path is not None
        self.save.set_words("Open in Replay" if saved else "Save incident", "play_note" if saved else "save")

    def reason(self, code: int) -> str:
        """A few words for the label in the 3-D view, with the same number as the band's sentence."""
        words = _REASONS.get(code, "fault")
        said = re.search(r"for ([0-9.]+) ms", self.studio.state.link.fault_text)
        silent_ms = float(said[1]) if said else self._silent_ms
        return f"{words} for {silent_ms:.1f} ms" if code == _SILENT and silent_ms else words

    def show_steps(self, record: np.ndarray, incident: Incident | None) -> None:
        released = not self.studio.input.dead_man or self.studio.robot.dead_man_latched
        note = "dead-man is released" if released else "the dead-man is still pressed"
        self.steps[0].set_done(released, note)
        answering = self._answering(record)
        whose = f"{incident.side}, motor {incident.joint % 4 + 1}: " if incident and incident.joint >= 0 else ""
        self.steps[1].set_done(answering, whose + ("it answers" if answering else "no answer yet"))
        self.clear.setEnabled(not self.studio.commands.blocked("teleop.clear_fault"))

    def _answering(self, record: np.ndarray) -> bool:
        timeouts = self.studio.robot.timeouts
        limit_s = timeouts.motor_dead_ticks / self.studio.robot.loop_rate_hz
        ages_s = np.concatenate([record["leader_reply_age_s"], record["follower_reply_age_s"]])
        return bool((ages_s <= limit_s).all())
