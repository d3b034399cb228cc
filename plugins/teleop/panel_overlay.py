"""Over the 3-D view: the force of each hand, and one large card for what is waited for (aligning, count-down, rest)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from plugins.teleop.model import TeleopModel
from plugins.teleop.words import farthest_joint
from studio.app.theme import theme
from studio.app.widgets.bars import ForceCard
from studio.app.widgets.scene3d import RobotView
from studio.core.records import PairState

_EDGE_PX = 16


@dataclass(frozen=True, kw_only=True)
class Wait:
    """What the large card says: a number with its unit, what it is, what ends it; `share` of the way, or none."""

    title: str
    number: str
    unit: str = ""
    note: str = ""
    colour: str = "text.1"
    share: float | None = None


class WaitCard(QWidget):
    """Read from two metres."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.wait: Wait | None = None
        self.setFixedSize(330, 132)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def show_wait(self, wait: Wait | None) -> None:
        if wait != self.wait:
            self.wait = wait
            self.setVisible(wait is not None)
            if wait is not None:
                self.setAccessibleName(f"{wait.title} {wait.number} {wait.unit}. {wait.note}")
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.wait is None:
            return
        wait, active, painter = self.wait, theme(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("bg.0", active.number("fill.view_card")))
        radius = active.number("radius.card")
        painter.drawRoundedRect(QRectF(self.rect()), radius, radius)
        painter.setFont(active.font("title"))
        painter.setPen(active.colour("text.1"))
        painter.drawText(QRectF(18, 10, 300, 22), Qt.AlignmentFlag.AlignVCenter, wait.title)
        painter.setFont(active.font("force"))
        painter.setPen(active.colour(wait.colour))
        painter.drawText(QPointF(18, 82), wait.number)
        width = QFontMetricsF(active.font("force")).horizontalAdvance(wait.number)
        painter.setFont(active.font("value"))
        painter.setPen(active.colour("text.2"))
        painter.drawText(QPointF(18 + width + 10, 82), wait.unit)
        painter.setFont(active.font("body"))
        painter.drawText(QRectF(18, 94, 300, 20), Qt.AlignmentFlag.AlignVCenter, wait.note)
        if wait.share is not None:
            self._paint_way(painter, wait.share)
        painter.end()

    def _paint_way(self, painter: QPainter, share: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        for width, key in ((294.0, "bg.3"), (294.0 * share, "state.aligning")):
            painter.setBrush(theme().colour(key))
            painter.drawRoundedRect(QRectF(18, 118, width, 6), 3, 3)


def find_wait(model: TeleopModel, now_s: float) -> Wait | None:
    """What is waited for now: the take, both arms to meet, or a rest to end."""
    if model.count_down.running:
        left = int(model.count_down.left_s(now_s) + 0.999)
        return Wait(title="The take begins in", number=str(left), unit="s", note="Press R: not now.",
                    colour="state.recording")  # fmt: skip
    link, record = model.studio.state.link, model.situation.record
    if link.connected and link.worst is PairState.ALIGNING and record is not None:
        joint, degrees = farthest_joint(model.studio.robot.joint_names, record)
        return Wait(title="Follower and leader are apart", number=f"{degrees:.0f}°", unit=f"at {joint}",
                    note="They move together slowly.", colour="state.aligning",
                    share=model.situation.align_share)  # fmt: skip
    rest_s = model.clock.rest_s(model.studio.state.recording.on, now_s)
    if rest_s is None or not link.connected:
        return None
    clock = model.clock
    after = "The session is complete." if clock.is_over else "Record begins the next block."
    done = int(clock.played_s / clock.block_s)
    return Wait(title=f"Rest: block {min(done, clock.blocks)} of {clock.blocks} is played",
                number=f"{int(rest_s) // 60:02d}:{int(rest_s) % 60:02d}", unit="rested", note=after)  # fmt: skip


class Overlay:
    """Owns the cards of a view and keeps them in their places."""

    def __init__(self, view: RobotView, model: TeleopModel) -> None:
        self._view, self._model = view, model
        self.cards = [ForceCard(words, pair, view) for pair, words in enumerate(("Left hand", "Right hand"))]
        self.wait = WaitCard(view)
        for card in self.cards:
            card.hide()

    def show_forces(self, forces_n: np.ndarray) -> None:
        """Magnitudes [pairs] in N; NaN is unknown."""
        for card, force in zip(self.cards, forces_n, strict=False):
            card.set_force(float(force))

    def show_cards(self, shown: bool) -> None:
        for card in self.cards:
            card.setVisible(shown and self._view.works)

    def show_wait(self, now_s: float) -> None:
        self.wait.show_wait(find_wait(self._model, now_s) if self._view.works else None)

    def place(self) -> None:
        """Each force lies on the side on which its arm appears, the large card in the middle above."""
        if not self._view.works:
            return
        bases = self._model.studio.robot.arm_bases_m
        left_first = self._view.to_pixel(bases[0]).x() <= self._view.to_pixel(bases[-1]).x()
        y = self._view.height() - self.cards[0].height() - _EDGE_PX
        places = (_EDGE_PX, self._view.width() - self.cards[0].width() - _EDGE_PX)
        for card, x in zip(self.cards, places if left_first else places[::-1], strict=False):
            card.move(x, y)
        self.wait.move((self._view.width() - self.wait.width()) // 2, 44)
