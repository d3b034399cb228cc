"""The table of compared runs, in the log's place."""

from __future__ import annotations

from PySide6.QtWidgets import QGridLayout, QLabel, QScrollArea, QWidget

from plugins.training.compare import COLOURS
from studio.app.theme import set_property, theme


class ComparisonTable(QScrollArea):
    """What differs between runs, and what each reached; the chosen run first."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(190)
        self.setWidgetResizable(True)
        self._rows: list[tuple[str, ...]] = []

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return self._rows

    def show_rows(self, titles: list[str], rows: list[tuple[str, list[str]]]) -> None:
        lines = [("", *titles), *((name, *texts) for name, texts in rows)]
        if lines == self._rows:
            return
        self._rows = lines
        body = QWidget()
        set_property(body, "ground", "1")
        grid = QGridLayout(body)
        grid.setContentsMargins(16, 10, 16, 10)
        grid.setHorizontalSpacing(20)
        grid.setVerticalSpacing(4)
        for y, line in enumerate(lines):
            for x, text in enumerate(line):
                grid.addWidget(_cell(text, head=y == 0, column=x), y, x)
        grid.setColumnStretch(len(titles), 1)
        grid.setRowStretch(len(lines), 1)
        self.setWidget(body)


def _cell(text: str, *, head: bool, column: int) -> QLabel:
    label = QLabel(text)
    set_property(label, "type", "strong" if head else "small")
    set_property(label, "tone", "2" if column == 0 else "1")
    if head and column > 0:
        colour = "cat.2" if column == 1 else COLOURS[(column - 2) % len(COLOURS)]
        label.setStyleSheet(f"color: {theme().hex(colour)};")
    return label
