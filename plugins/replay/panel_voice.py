"""The voice note in the replay's side: hold to speak, its waveform, play it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from plugins.replay.model import ReplayModel
from plugins.replay.voice import is_voice, waveform
from studio.app.api import StudioApi
from studio.app.theme import theme
from studio.app.widgets.control import KeyButton

_COLUMNS = 50


class NotePicture(QWidget):
    """Play button, waveform and length of the newest voice note near the cursor."""

    def __init__(self, model: ReplayModel) -> None:
        super().__init__()
        self._model = model
        self._identity, self._length_s = "", 0.0
        self._loudness = np.zeros(_COLUMNS)
        self.setFixedHeight(36)
        self.setAccessibleName("Voice note")
        self.setToolTip("Play the note")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme().changed.connect(self.update)

    def set_note(self, identity: str, length_s: float, samples: np.ndarray) -> None:
        self._identity, self._length_s = identity, length_s
        self._loudness = waveform(samples, _COLUMNS)
        self.setVisible(bool(identity))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, 36)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._identity:
            self._model.play_note(self._identity)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, colours = QPainter(self), theme()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colours.colour("line.1"), 1))
        painter.setBrush(colours.colour("bg.2"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        painter.drawPixmap(QPointF(9, 9), colours.pixmap("play_note", 18, "text.1", self.devicePixelRatioF()))
        left, right, middle = 38.0, self.width() - 54.0, self.height() / 2
        pitch = (right - left) / _COLUMNS
        painter.setPen(QPen(colours.colour("text.2"), max(1.4, pitch * 0.5)))
        painter.drawLines([
            QLineF(left + i * pitch, middle - 1 - 9 * v, left + i * pitch, middle + 1 + 9 * v)
            for i, v in enumerate(self._loudness.tolist())
        ])  # fmt: skip
        painter.setFont(colours.font("small"))
        painter.setPen(colours.colour("text.2"))
        side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(self.rect()).adjusted(0, 0, -12, 0), side, f"{self._length_s:.1f} s")
        painter.end()


class VoiceBox(QWidget):
    """The newest note before the cursor (else the first), and the button that is held while speaking."""

    def __init__(self, studio: StudioApi, model: ReplayModel) -> None:
        super().__init__()
        self._model = model
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 6)
        column.setSpacing(8)
        self.picture = NotePicture(model)
        self.button = KeyButton("Hold V and speak", icon="mic", kind="main")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.pressed.connect(lambda: studio.commands.run("replay.speak"))
        self.button.released.connect(lambda: studio.commands.release("replay.speak"))
        column.addWidget(self.picture)
        column.addWidget(self.button)
        model.notes_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        model = self._model
        self.button.setEnabled(model.take is not None)
        listening = model.dictation.listening
        self.button.set_words(
            "Speak, then let go" if listening else "Hold V and speak", "record" if listening else "mic"
        )
        notes = [item for item in model.notes.marks if is_voice(item)]
        if not notes or model.path is None:
            self.picture.set_note("", 0.0, np.empty(0, np.int16))
            return
        model.dictation.want(model.path, tuple(notes))
        now_ns = model.nanoseconds(model.cursor_s)
        item = ([n for n in notes if n.start_ns <= now_ns + 1_000_000] or notes[:1])[-1]
        samples = model.dictation.sounds.get(model.path / item.text, np.empty(0, np.int16))
        self.picture.set_note(item.id, (item.end_ns - item.start_ns) / 1e9, samples)
