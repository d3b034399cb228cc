"""The activity bar, 74 wide: one button a role, help and settings below."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QFrame, QVBoxLayout

from studio.app.manifest import ROLE_TITLES
from studio.app.shell.painting import draw_icon
from studio.app.shell.topbar import Painted
from studio.app.theme import theme

_ROLE_ICONS = {"teleoperate": "teleop", "review": "review", "train": "train", "plan": "plan", "devices": "devices"}


class RoleButton(Painted):
    def __init__(self, role: str) -> None:
        super().__init__(ROLE_TITLES[role])
        self.role = role
        self.setCheckable(True)
        self.setFixedSize(74, 56)
        self.setToolTip("")

    def draw(self, painter: QPainter) -> None:
        chosen = self.isChecked()
        if chosen or self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme().colour("bg.3" if chosen else "bg.2"))
            painter.drawRoundedRect(QRectF(6, 0, 61, 56), 6, 6)
        if chosen:
            painter.setBrush(theme().colour("accent.line"))
            painter.drawRoundedRect(QRectF(0, 12, 3, 32), 1.5, 1.5)
        ink = "text.1" if chosen else "text.2"
        draw_icon(painter, _ROLE_ICONS[self.role], QRectF(26, 10, 22, 22), ink)
        font = theme().font("tiny")
        if chosen:
            font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(theme().colour(ink))
        painter.drawText(QRectF(0, 34, 74, 18), Qt.AlignmentFlag.AlignCenter, ROLE_TITLES[self.role])


class FootButton(Painted):
    def __init__(self, name: str, icon: str) -> None:
        super().__init__(name)
        self._icon = icon
        self.setFixedSize(74, 40)

    def sizeHint(self) -> QSize:
        return QSize(74, 40)

    def draw(self, painter: QPainter) -> None:
        draw_icon(painter, self._icon, QRectF(28, 11, 18, 18), "text.1" if self.underMouse() else "text.2")


class ActivityBar(QFrame):
    role_chosen = Signal(str)
    help_wanted = Signal()
    settings_wanted = Signal()

    def __init__(self, roles: list[str]) -> None:
        super().__init__()
        self.setProperty("frame", "panel-left")
        self.setFixedWidth(theme().pixels("shell.activity"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 6)
        column.setSpacing(6)
        self.buttons = {role: RoleButton(role) for role in roles}
        for role, button in self.buttons.items():
            column.addWidget(button)
            button.clicked.connect(lambda _checked=False, role=role: self.role_chosen.emit(role))
        column.addStretch(1)
        column.setSpacing(6)
        self._foot(column)

    def _foot(self, column: QVBoxLayout) -> None:
        help_button, settings_button = FootButton("Keys (?)", "help"), FootButton("Settings (Ctrl+,)", "settings")
        help_button.clicked.connect(self.help_wanted)
        settings_button.clicked.connect(self.settings_wanted)
        foot = QVBoxLayout()
        foot.setSpacing(0)
        foot.addWidget(help_button)
        foot.addWidget(settings_button)
        column.addLayout(foot)

    def choose(self, role: str) -> None:
        for name, button in self.buttons.items():
            button.setChecked(name == role)
