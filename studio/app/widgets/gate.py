"""The start-up gate: a list of checks, each with its icon, its words, its value, and a button when it failed."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from studio.app.theme import set_property, theme


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row: `good` passed, `fair` may go on, `poor` blocks; `fix` is the words of its own button."""

    name: str
    value: str
    verdict: str = "good"
    fix: str = ""


class GateRow(QWidget):
    fix_pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(27)
        self._check: Check | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        self.icon, self.name, self.value = QLabel(), QLabel(), QLabel()
        self.icon.setFixedSize(16, 16)
        set_property(self.value, "type", "small")
        self.button = QPushButton()
        self.button.setProperty("kind", "link")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(lambda: self.fix_pressed.emit(self._check.name if self._check else ""))
        row.addWidget(self.icon)
        row.addWidget(self.name)
        row.addStretch(1)
        row.addWidget(self.value)
        row.addWidget(self.button)
        theme().changed.connect(self._recolour)

    def set_check(self, check: Check) -> None:
        if check == self._check:
            return
        self._check = check
        self.name.setText(check.name)
        self.value.setText(check.value)
        self.button.setText(check.fix)
        self.button.setVisible(bool(check.fix))
        self._recolour()

    def _recolour(self) -> None:
        if self._check is None:
            return
        icon = {"good": "ok", "fair": "warn", "poor": "fault"}[self._check.verdict]
        self.icon.setPixmap(theme().pixmap(icon, 16, f"verdict.{self._check.verdict}", self.devicePixelRatioF()))
        set_property(self.value, "tone", "2" if self._check.verdict == "good" else self._check.verdict)

    def sizeHint(self) -> QSize:
        return QSize(240, 27)


class GateList(QWidget):
    """Rows in a fixed order; `passed` counts those that do not block."""

    fix_pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.rows: list[GateRow] = []
        self.checks: list[Check] = []

    def set_checks(self, checks: list[Check]) -> None:
        self.checks = checks
        while len(self.rows) < len(checks):
            row = GateRow()
            row.fix_pressed.connect(self.fix_pressed)
            self.rows.append(row)
            self._column.addWidget(row)
        for row, check in zip(self.rows, checks):
            row.set_check(check)

    @property
    def passed(self) -> int:
        return sum(check.verdict != "poor" for check in self.checks)
