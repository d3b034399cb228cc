"""Play, frame steps, loop, time, speed and the ways to the next event."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QLabel, QSizePolicy, QWidget

from studio.app.theme import set_property, theme
from studio.app.widgets.control import IconButton, KeyButton, SegmentedControl
from studio.app.widgets.lane_paint import clock_text

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_SPEED_NAMES = ("⅛", "¼", "½", "1×", "2×", "4×", "8×")


class PlayButton(QAbstractButton):
    """The round button; shows pause while playing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Play")
        self.setToolTip("Play or pause (Space)")

    def sizeHint(self) -> QSize:
        return QSize(42, 42)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("accent.solid" if self.isEnabled() else "bg.3"))
        painter.drawEllipse(QRectF(self.rect()).adjusted(2, 2, -2, -2))
        name = "pause" if self.isChecked() else "play"
        icon = theme().pixmap(name, 24, "accent.on" if self.isEnabled() else "text.3", self.devicePixelRatioF())
        painter.drawPixmap(QPointF(self.width() / 2 - 12, self.height() / 2 - 12), icon)
        painter.end()


class Transport(QFrame):
    """One row of controls. It says what was asked; the model decides."""

    play_pressed = Signal()
    frame_pressed = Signal(int)
    loop_pressed = Signal()
    speed_chosen = Signal(float)
    next_pressed = Signal(str)
    goal_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._absent: set[str] = set()
        set_property(self, "ground", "1")
        self.setFixedHeight(50)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 2, 12, 2)
        row.setSpacing(4)
        self.play = PlayButton()
        self.play.clicked.connect(lambda: self.play_pressed.emit())
        self.loop = self._tool("loop", "Loop (O)", self.loop_pressed.emit, checkable=True)
        row.addWidget(self._tool("prev", "Frame back (←)", lambda: self.frame_pressed.emit(-1)))
        row.addWidget(self.play)
        row.addWidget(self._tool("next", "Frame forward (→)", lambda: self.frame_pressed.emit(1)))
        row.addWidget(self.loop)
        self._add_time(row)
        row.addWidget(self._make_speeds())
        self._add_nexts(row)

    def _tool(self, icon: str, tip: str, slot: Callable[[], None], *, checkable: bool = False) -> IconButton:
        button = IconButton(icon, tip, checkable=checkable)
        set_property(button, "kind", "bare")
        button.setFixedSize(30, 30)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda: slot())
        return button

    def _add_time(self, row: QHBoxLayout) -> None:
        self.time = QLabel("0:00.000")
        set_property(self.time, "type", "value")
        self.time.setMinimumWidth(110)
        self.total = QLabel("of 0:00")
        set_property(self.total, "type", "body")
        set_property(self.total, "tone", "3")
        row.addSpacing(4)
        row.addWidget(self.time)
        row.addWidget(self.total)
        row.addSpacing(6)

    def _make_speeds(self) -> SegmentedControl:
        self.speeds = SegmentedControl(_SPEED_NAMES)
        self.speeds.choose("1×")
        for button in self.speeds.buttons.values():
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setStyleSheet("padding: 0px 2px; min-width: 26px;")
        self.speeds.chosen.connect(lambda word: self.speed_chosen.emit(SPEEDS[_SPEED_NAMES.index(word)]))
        return self.speeds

    def _add_nexts(self, row: QHBoxLayout) -> None:
        row.addSpacing(6)
        self.next_word = QLabel("Next")
        set_property(self.next_word, "tone", "3")
        row.addWidget(self.next_word)
        self.nexts: dict[str, KeyButton] = {}
        for what, key in (("contact", "N"), ("label", "↓"), ("mark", "B")):
            button = self._key_button(what, key)
            button.clicked.connect(lambda _=False, w=what: self.next_pressed.emit(w))
            self.nexts[what] = button
            row.addWidget(button)
        row.addStretch(1)
        self.goal = self._key_button("Goal here", "G", "plan")
        self.goal.clicked.connect(lambda: self.goal_pressed.emit())
        row.addWidget(self.goal)

    def _key_button(self, words: str, key: str, icon: str = "") -> KeyButton:
        button = KeyButton(words, key, icon=icon)
        button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return button

    def minimumSizeHint(self) -> QSize:
        """Without the buttons that only repeat a key."""
        return QSize(640, 50)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow window the ways to the next event fold away; their keys stay."""
        super().resizeEvent(event)
        self._fold()

    def _needed_width(self) -> int:
        """The width at which everything fits, folded away or not."""
        row = self.layout()
        assert row is not None
        margins = row.contentsMargins()
        width = margins.left() + margins.right() + row.spacing() * (row.count() - 1)
        for index in range(row.count()):
            item = row.itemAt(index)
            widget = item.widget() if item is not None else None
            if widget is not None:
                width += min(widget.maximumWidth(), max(widget.sizeHint().width(), widget.minimumWidth()))
            elif item is not None:
                width += item.sizeHint().width()
        return width

    def _fold(self) -> None:
        roomy = self.width() >= self._needed_width()
        self.next_word.setVisible(roomy)
        for what, button in self.nexts.items():
            button.setVisible(roomy and what not in self._absent)

    def set_absent(self, what: str, absent: bool) -> None:
        """Leave out the way to events that a take cannot have, such as contacts without a force."""
        self._absent = self._absent | {what} if absent else self._absent - {what}
        self._fold()

    def set_time(self, t_s: float, duration_s: float) -> None:
        self.time.setText(clock_text(t_s, 3))
        self.total.setText(f"of {clock_text(duration_s)}")

    def set_playing(self, playing: bool) -> None:
        self.play.setChecked(playing)

    def set_speed(self, speed: float) -> None:
        self.speeds.choose(_SPEED_NAMES[SPEEDS.index(speed)])

    def set_loop(self, loop: bool) -> None:
        self.loop.setChecked(loop)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.accept()  # a press beside a button must not reach what lies below
