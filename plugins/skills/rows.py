"""The table of the skills screen: number in its colour, name and hand, how far, how much it turns, how likely."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from plugins.skills.skill import Skill
from studio.app.theme import theme
from studio.app.widgets.scene_ghost import BADGE_PX, paint_badge

ROW_PX = 40
_COLUMNS = {"Box moves": (124.0, 66.0), "Turns": (190.0, 42.0), "± mm": (232.0, 44.0)}  # left and width, px
_BAR_PX = (294.0, 24.0)
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_MIDDLE = Qt.AlignmentFlag.AlignVCenter


class TableHead(QWidget):
    """The words over the columns."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(22)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theme().font("small"))
        painter.setPen(theme().colour("text.2"))
        painter.drawText(QRectF(0, 0, 100, self.height()), _MIDDLE, "Skill")
        for words, (left, width) in _COLUMNS.items():
            painter.drawText(QRectF(left, 0, width, self.height()), _RIGHT, words)
        painter.drawText(QRectF(_BAR_PX[0] - 12, 0, _BAR_PX[1] + 12, self.height()), _RIGHT, "Likely")
        painter.end()


class SkillRow(QWidget):
    """One skill; a press chooses it."""

    pressed = Signal(int)

    def __init__(self, index: int) -> None:
        super().__init__()
        self._index = index
        self.skill: Skill | None = None
        self.chosen = False
        self._likeliest = 1.0
        self.setFixedHeight(ROW_PX)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_skill(self, skill: Skill, *, chosen: bool, likeliest: float) -> None:
        self.skill, self.chosen, self._likeliest = skill, chosen, max(likeliest, 1e-6)
        spoken = f"{skill.title}, {self.values()['Box moves']}, {self.values()['Turns']}, {skill.hands}"
        self.setAccessibleName(f"Skill {skill.number}, {spoken}")
        self.setToolTip(
            f"{100 * skill.share:.0f} % of 64 draws end like this one. Noisy rollouts end "
            f"{1000 * skill.spread_m:.0f} mm from it on average."
        )
        self.update()

    def values(self) -> dict[str, str]:
        """What stands in the columns."""
        skill = self.skill
        assert skill is not None
        return {
            "Box moves": f"{1000 * skill.moved_m:.0f} mm",
            "Turns": f"{np.degrees(skill.turn_rad):.0f}°",
            "± mm": f"{1000 * skill.spread_m:.0f}",
        }

    def sizeHint(self) -> QSize:
        return QSize(320, ROW_PX)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.pressed.emit(self._index)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.skill is None:
            return
        active, painter = theme(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if self.chosen:
            painter.setBrush(active.colour("bg.3"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0, 1, 0, -1), 5, 5)
            painter.fillRect(QRectF(0, 6, 3, ROW_PX - 12), active.colour(f"cat.{self.skill.number}"))
        paint_badge(painter, QRectF(6, (ROW_PX - BADGE_PX) / 2, BADGE_PX, BADGE_PX), self.skill.number)
        painter.setFont(active.font("strong" if self.chosen else "body"))
        painter.setPen(active.colour("text.1"))
        name = painter.fontMetrics().elidedText(self.skill.title, Qt.TextElideMode.ElideRight, 104)
        painter.drawText(QRectF(36, 2, 110, 20), _MIDDLE, name)
        painter.setFont(active.font("hint"))
        painter.setPen(active.colour("text.3"))
        painter.drawText(QRectF(36, 20, 110, 16), _MIDDLE, self.skill.hands)
        painter.setFont(active.font("small"))
        painter.setPen(active.colour("text.2"))
        for words, (left, width) in _COLUMNS.items():
            painter.drawText(QRectF(left, 0, width, ROW_PX), _RIGHT, self.values()[words])
        self._paint_bar(painter)
        painter.end()

    def _paint_bar(self, painter: QPainter) -> None:
        assert self.skill is not None
        left, width = _BAR_PX
        place = QRectF(left, ROW_PX / 2 - 3, width, 6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("bg.4" if self.chosen else "bg.3"))
        painter.drawRoundedRect(place, 3, 3)
        painter.setBrush(theme().colour(f"cat.{self.skill.number}"))
        place.setWidth(max(width * self.skill.share / self._likeliest, 4.0))
        painter.drawRoundedRect(place, 3, 3)


class SkillTable(QWidget):
    """Up to eight rows in the order of their numbers."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(TableHead())
        self.rows: list[SkillRow] = []

    def show_skills(self, skills: list[Skill], chosen: int) -> None:
        while len(self.rows) < len(skills):
            row = SkillRow(len(self.rows))
            row.pressed.connect(self.chosen)
            self.rows.append(row)
            self._column.addWidget(row)
        likeliest = max((skill.share for skill in skills), default=1.0)
        for index, row in enumerate(self.rows):
            row.setVisible(index < len(skills))
            if index < len(skills):
                row.show_skill(skills[index], chosen=index == chosen, likeliest=likeliest)
