"""Short facts, one below the other, each with a small icon before it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from studio.app.theme import set_property, theme

_ICON_PX = 14


class FactLines(QWidget):
    """Rows of icon and words; the words wrap."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[tuple[str, str, str]] = []
        self._rows: list[tuple[QLabel, QLabel]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        theme().changed.connect(self._show)

    @property
    def texts(self) -> list[str]:
        """The words of every line."""
        return [words for _, _, words in self._lines]

    def set_lines(self, lines: Sequence[tuple[str, str, str]]) -> None:
        """Icon name, token colour and words of each line."""
        if list(lines) == self._lines:
            return
        self._lines = list(lines)
        while len(self._rows) < len(self._lines):
            self._rows.append(self._make_row(len(self._rows)))
        self._show()

    def _make_row(self, index: int) -> tuple[QLabel, QLabel]:
        icon, words = QLabel(), QLabel()
        icon.setFixedSize(_ICON_PX, 18)
        words.setWordWrap(True)
        words.setTextFormat(Qt.TextFormat.PlainText)
        set_property(words, "tone", "2")
        self._grid.addWidget(icon, index, 0, Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(words, index, 1)
        return icon, words

    def _show(self) -> None:
        for index, (icon, words) in enumerate(self._rows):
            used = index < len(self._lines)
            icon.setVisible(used)
            words.setVisible(used)
            if used:
                name, colour, text = self._lines[index]
                icon.setPixmap(theme().pixmap(name, _ICON_PX, colour, self.devicePixelRatioF()))
                words.setText(text)
