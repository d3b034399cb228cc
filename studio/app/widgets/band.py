"""The state band: word, icon and colour 84 high, what is true, what happens next, and the take with its one button."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.app.theme import set_property, theme
from studio.app.widgets.control import KeyButton


class StateBand(QFrame):
    """Read from two metres. A state is never faded in: every call paints at once."""

    record_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(theme().pixels("shell.state_band"))
        self.state = "disabled"
        self._painted = ("", "")
        row = QHBoxLayout(self)
        row.setContentsMargins(38, 0, 14, 0)
        row.setSpacing(24)
        self.icon_label, self.word_label = QLabel(), QLabel("Disabled")
        self.icon_label.setFixedSize(36, 36)
        set_property(self.word_label, "type", "state")
        self.fact_label, self.next_label = QLabel(), QLabel()
        set_property(self.fact_label, "type", "field")
        set_property(self.next_label, "tone", "2")
        for label in (self.fact_label, self.next_label):
            label.setMinimumWidth(1)  # a long sentence never widens the window
        self.fact_label.setStyleSheet("font-size: 18px; font-weight: 600;")
        self.next_label.setStyleSheet("font-size: 14px;")
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addStretch(1)
        words.addWidget(self.fact_label)
        words.addWidget(self.next_label)
        words.addStretch(1)
        row.addWidget(self.icon_label)
        row.addWidget(self.word_label)
        row.addSpacing(8)
        row.addLayout(words, 1)
        self.dead_man = DeadManSign()
        self.dead_man.hide()
        row.addWidget(self.dead_man)
        self.take = TakeCard()
        self.take.hide()
        self.take.button.clicked.connect(self.record_pressed)
        row.addWidget(self.take)
        theme().follow(self, lambda: self.set_state(self.state, self.word_label.text()))
        self.set_state("disabled", "Disabled")

    def set_state(self, state: str, word: str, fact: str | None = None, following: str | None = None) -> None:
        """Show a state: its key (`engaged`), its word, what is true and what happens next."""
        if (state, theme().name) != self._painted:
            self._painted = (state, theme().name)
            pixmap = theme().pixmap(f"state.{state}", 36, f"state.{state}", self.devicePixelRatioF())
            self.icon_label.setPixmap(pixmap)
            self.update()
        self.state = state
        self.word_label.setText(word)
        set_property(self.word_label, "tone", state)
        set_property(self, "soft", state)
        if fact is not None:
            self.fact_label.setText(fact)
        if following is not None:
            self.next_label.setText(following)

    def show_take(self, on: bool, *, can_record: bool) -> None:
        """Show the running take, or the button that begins one, or neither."""
        self.take.set_on(on)
        self.take.setVisible(on or can_record)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme().colour(f"soft.{self.state}"))
        painter.fillRect(QRectF(0, 0, 6, self.height()), theme().colour(f"state.{self.state}"))
        painter.end()


class DeadManSign(QWidget):
    """Whether the dead-man is held, as control sees it; read from two metres."""

    def __init__(self) -> None:
        super().__init__()
        self.word, self.tone = "", ""
        self.setFixedSize(116, 60)

    def set_state(self, word: str, tone: str) -> None:
        """`Held`, `Latched`, `Free` or `–`, with the token colour of its hand."""
        if (word, tone) != (self.word, self.tone):
            self.word, self.tone = word, tone
            self.setAccessibleName(f"Dead-man {word}")
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, active = QPainter(self), theme()
        painter.drawPixmap(0, 14, active.pixmap("teleop", 32, self.tone or "text.3", self.devicePixelRatioF()))
        painter.setPen(active.colour("text.2"))
        painter.setFont(active.font("small"))
        painter.drawText(QRectF(40, 8, 76, 18), Qt.AlignmentFlag.AlignVCenter, "Dead-man")
        painter.setPen(active.colour(self.tone or "text.3"))
        painter.setFont(active.font("title"))
        painter.drawText(QRectF(40, 26, 76, 26), Qt.AlignmentFlag.AlignVCenter, self.word)
        painter.end()


class TakeCard(QFrame):
    """Recording: dot, clock, episode and Stop take."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("take")
        self.setFixedHeight(60)
        row = QHBoxLayout(self)
        row.setContentsMargins(20, 0, 12, 0)
        row.setSpacing(10)
        self.dot, self.clock = QLabel(), QLabel("00:00")
        self.clock.setStyleSheet("font-size: 36px; font-weight: 600;")
        set_property(self.clock, "tone", "recording")
        self.title, self.episode = QLabel("Recording"), QLabel("")
        set_property(self.title, "type", "strong")
        set_property(self.episode, "tone", "2")
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addStretch(1)
        words.addWidget(self.title)
        words.addWidget(self.episode)
        words.addStretch(1)
        self.button = KeyButton("Stop take", "R", kind="primary", size="normal", icon="stop_take")
        self.button.setMinimumWidth(146)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        row.addWidget(self.dot)
        row.addWidget(self.clock)
        row.addSpacing(8)
        row.addLayout(words)
        row.addSpacing(14)
        row.addWidget(self.button)
        self.on = True
        theme().changed.connect(self._recolour)
        self.set_on(False)

    def set_on(self, on: bool) -> None:
        """Recording, or ready to."""
        if on == self.on:
            return
        self.on = on
        for part in (self.dot, self.clock, self.title, self.episode):
            part.setVisible(on)
        self.button.set_words("Stop take" if on else "Record", "stop_take" if on else "record")
        self._recolour()

    def _recolour(self) -> None:
        ground = theme().hex("soft.recording") if self.on else "transparent"
        self.setStyleSheet(f"#take {{ background: {ground}; border-radius: {theme().pixels('radius.card')}px; }}")
        self.dot.setPixmap(theme().pixmap("record", 40, "state.recording", self.devicePixelRatioF()))

    def set_count_down(self, left_s: float | None) -> None:
        """Seconds until the take begins, with Record turned into Cancel; None when nothing counts down."""
        counting = left_s is not None
        if self.on:
            return
        for part in (self.clock, self.title):
            part.setVisible(counting)
        if left_s is not None:
            self.clock.setText(f"{int(left_s + 0.999)}")
        self.title.setText("Take begins" if counting else "Recording")
        self.button.set_words("Cancel" if counting else "Record", "close" if counting else "record")

    def set_take(self, clock: str, episode: str) -> None:
        if self.clock.text() != clock:
            self.clock.setText(clock)
        if self.episode.text() != episode:
            self.episode.setText(episode)
