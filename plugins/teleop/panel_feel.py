"""The card of a take that can be felt: what is loaded, how far it is, play and close."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout

from plugins.teleop.model import TeleopModel
from studio.app.theme import set_property
from studio.app.widgets.bars import Meter
from studio.app.widgets.control import KeyButton


class FeelCard(QFrame):
    """Above the side's pages while a take is loaded."""

    def __init__(self, model: TeleopModel) -> None:
        super().__init__()
        self._model = model
        set_property(self, "ground", "2")
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 10, 16, 12)
        column.setSpacing(6)
        self.title, self.fact = QLabel(), QLabel()
        set_property(self.title, "type", "strong")
        set_property(self.fact, "type", "small")
        set_property(self.fact, "tone", "2")
        self.fact.setWordWrap(True)
        self.way = Meter("side.leader")
        self.play = KeyButton("Feel it", icon="play")
        self.play.clicked.connect(lambda: model.studio.commands.run("teleop.feel"))
        self.close_button = KeyButton("Close", icon="close")
        self.close_button.clicked.connect(self._close_take)
        row = QHBoxLayout()
        row.setSpacing(8)
        for button in (self.play, self.close_button):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button)
        for part in (self.title, self.fact, self.way):
            column.addWidget(part)
        column.addLayout(row)
        self.refresh()

    def _close_take(self) -> None:
        self._model.player.unload()
        self.refresh()

    def refresh(self) -> None:
        """Ten times a second while the screen is on top."""
        player = self._model.player
        self.setVisible(player.loading or player.path is not None)
        if player.path is None:
            self.title.setText("Reading the take" if player.loading else "")
            return
        self.title.setText(f"Feel {player.path.title.lower()}, {player.path.duration_s:.0f} s")
        blocked = self._model.studio.commands.blocked("teleop.feel")
        self.play.setEnabled(not blocked or player.playing)
        self.play.set_words("Let go" if player.playing else "Feel it", "pause" if player.playing else "play")
        self.way.set_share(max(0.0, player.t_s) / player.path.duration_s if player.playing else 0.0)
        self.fact.setText(self._words(blocked))

    def _words(self, blocked: str) -> str:
        player = self._model.player
        if player.playing:
            going = player.t_s < 0.0
            return (
                "The hands go to where it begins." if going else f"{player.t_s:.1f} s. Drag a hand or press H to end."
            )
        if blocked:
            return f"{blocked[:1].upper()}{blocked[1:]}."
        return "The hands follow the take; the box stays."
