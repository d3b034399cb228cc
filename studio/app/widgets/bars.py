"""Small painted measures: force cards, torque bars, meters, latency bars, session blocks, success marks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.app.theme import theme

MINUS = "−"


def signed(value: float, decimals: int = 1) -> str:
    """`+1.4` or `−0.3`, with a real minus sign."""
    text = f"{abs(value):.{decimals}f}"
    return (MINUS if value < 0 and float(text) != 0 else "+") + text


def start_painting(widget: QWidget) -> QPainter:
    painter = QPainter(widget)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    return painter


class ForceCard(QWidget):
    """The force of one hand, read from two metres, over the 3-D view."""

    def __init__(self, title: str, pair: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.pair, self.force_n = title, pair, 0.0
        self.setFixedSize(165, 92)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def set_force(self, force_n: float) -> None:
        """Magnitude in N; a NaN says that it is not known."""
        if f"{force_n:.1f}" != f"{self.force_n:.1f}":
            self.force_n = force_n
            words = f"{force_n:.1f} newton" if np.isfinite(force_n) else "unknown"
            self.setAccessibleName(f"{self.title} {words}")
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        active, painter = theme(), start_painting(self)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.colour("bg.0", active.number("fill.view_card")))
        painter.drawRoundedRect(QRectF(self.rect()), active.number("radius.card"), active.number("radius.card"))
        painter.setBrush(active.hand(self.pair))
        painter.drawRoundedRect(QRectF(14, 17, 12, 12), 3, 3)
        painter.setFont(active.font("body"))
        painter.setPen(active.colour("text.1"))
        painter.drawText(QRectF(32, 12, 120, 22), Qt.AlignmentFlag.AlignVCenter, self.title)
        painter.setFont(active.font("force"))
        number = f"{self.force_n:.1f}" if np.isfinite(self.force_n) else "–"
        painter.drawText(QPointF(14, 82), number)
        width = QFontMetricsF(active.font("force")).horizontalAdvance(number)
        painter.setFont(active.font("value"))
        painter.setPen(active.colour("text.2"))
        painter.drawText(QPointF(14 + width + 12, 82), "N")
        painter.end()


class TorqueBars(QWidget):
    """Torque of every joint, follower above leader, with its soft limit as a tick, value and temperature.

    Args:
        names: joint names in order.
        limit_nm: soft limit shown as ticks; the bar ends at 1.33 times it, and a value above it is orange.
        hard_limit_nm: where control cuts, named in the key.
        warm_c, hot_c: temperatures from which a motor's number is orange, and red.

    `apart_deg` [joints], when it is given, is how far leader and follower are apart. Rows in `stale` [joints] are of
    motors that no longer answer: they are grey and have no numbers.
    """

    ROW_PX, GAP_PX = 24, 6
    joint_chosen = Signal(int)  # a row was pressed

    def __init__(
        self,
        names: Sequence[str],
        limit_nm: float,
        hard_limit_nm: float | None = None,
        *,
        warm_c: float = 60.0,
        hot_c: float = 75.0,
    ) -> None:
        super().__init__()
        self.names, self.limit_nm, self.hard_limit_nm = tuple(names), limit_nm, hard_limit_nm
        self.warm_c, self.hot_c = warm_c, hot_c
        self.follower_nm = np.zeros(len(self.names))
        self.leader_nm = np.zeros(len(self.names))
        self.temperature_c = np.zeros(len(self.names))
        self.apart_deg: np.ndarray | None = None
        self.stale = np.zeros(len(self.names), dtype=bool)
        self.setMinimumHeight(self.sizeHint().height())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        groups = max((len(self.names) - 1) // 4, 0)
        return QSize(260, len(self.names) * self.ROW_PX + groups * self.GAP_PX + 26)

    def set_values(
        self,
        follower_nm: np.ndarray,
        leader_nm: np.ndarray,
        temperature_c: np.ndarray,
        apart_deg: np.ndarray | None = None,
        stale: np.ndarray | None = None,
    ) -> None:
        """Torques [joints] in Nm and the warmer motor's temperature [joints] in degC."""
        self.follower_nm, self.leader_nm, self.temperature_c = follower_nm, leader_nm, temperature_c
        self.apart_deg = apart_deg
        self.stale = np.zeros(len(self.names), dtype=bool) if stale is None else stale
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        y = event.position().y()
        for joint in range(len(self.names)):
            top = joint * self.ROW_PX + joint // 4 * self.GAP_PX
            if top <= y < top + self.ROW_PX:
                self.joint_chosen.emit(joint)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = start_painting(self)
        y = 0.0
        for joint, name in enumerate(self.names):
            y += self.GAP_PX if joint and joint % 4 == 0 else 0
            self._paint_row(painter, joint, name, y)
            y += self.ROW_PX
        self._paint_key(painter, y + 8)
        painter.end()

    def _paint_row(self, painter: QPainter, joint: int, name: str, y: float) -> None:
        active = theme()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(active.joint(joint))
        painter.drawRoundedRect(QRectF(0, y + 6, 12, 12), 3, 3)
        painter.setPen(active.colour("text.1"))
        painter.setFont(active.font("strong"))
        painter.drawText(QRectF(17, y, 30, self.ROW_PX), Qt.AlignmentFlag.AlignVCenter, name)
        left, right = 46.0, self.width() - (90.0 if self.apart_deg is None else 126.0)
        stale = bool(self.stale[joint])
        self._paint_bars(painter, joint, left, right, y)
        above = max(abs(float(self.follower_nm[joint])), abs(float(self.leader_nm[joint]))) > self.limit_nm
        painter.setPen(active.colour("text.3" if stale else "state.stopped" if above else "text.1"))
        right_aligned = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        torque = "–" if stale else signed(float(self.follower_nm[joint]))
        painter.drawText(QRectF(right + 8, y, 44, self.ROW_PX), right_aligned, torque)
        painter.setFont(active.font("small"))
        painter.setPen(active.colour("text.2"))
        if self.apart_deg is not None:
            apart = "–" if stale else f"{self.apart_deg[joint]:.1f}°"
            painter.drawText(QRectF(right + 52, y, 42, self.ROW_PX), right_aligned, apart)
        hot = float(self.temperature_c[joint])
        ink = "verdict.poor" if hot >= self.hot_c else "verdict.fair" if hot >= self.warm_c else "text.2"
        painter.setPen(active.colour("text.3" if stale else ink))
        degrees = "–" if stale else f"{hot:.0f}°"
        painter.drawText(QRectF(self.width() - 34, y, 34, self.ROW_PX), right_aligned, degrees)

    def _paint_bars(self, painter: QPainter, joint: int, left: float, right: float, y: float) -> None:
        active = theme()
        middle, reach = (left + right) / 2, (right - left) / 2
        scale = reach / (self.limit_nm * 4 / 3)
        painter.setPen(Qt.PenStyle.NoPen)
        for offset, value, side in ((4.0, self.follower_nm, "side.follower"), (13.0, self.leader_nm, "side.leader")):
            painter.setBrush(active.colour("bg.3"))
            painter.drawRoundedRect(QRectF(left, y + offset, right - left, 7), 2, 2)
            if self.stale[joint]:
                continue
            length = float(np.clip(value[joint] * scale, -reach, reach))
            painter.setBrush(active.colour(side))
            painter.drawRoundedRect(QRectF(min(middle, middle + length), y + offset, abs(length), 7), 2, 2)
        for at, key in ((-self.limit_nm, "line.3"), (0.0, "text.2"), (self.limit_nm, "line.3")):
            x = round(middle + at * scale) + 0.5
            painter.setPen(QPen(active.colour(key), 1))
            painter.drawLine(QPointF(x, y + 3), QPointF(x, y + 21))

    def _paint_key(self, painter: QPainter, y: float) -> None:
        active, x = theme(), 0.0
        painter.setFont(active.font("hint"))
        metrics = QFontMetricsF(active.font("hint"))
        for words, side in (("follower", "side.follower"), ("leader", "side.leader")):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(active.colour(side))
            painter.drawRoundedRect(QRectF(x, y + 5, 14, 6), 2, 2)
            painter.setPen(active.colour("text.2"))
            painter.drawText(QPointF(x + 20, y + 12), words)
            x += 20 + metrics.horizontalAdvance(words) + 20
        painter.setPen(QPen(active.colour("line.3"), 1))
        painter.drawLine(QPointF(x, y + 1), QPointF(x, y + 14))
        painter.setPen(active.colour("text.2"))
        hard = "" if self.hard_limit_nm is None else f", cut at {self.hard_limit_nm:g}"
        painter.drawText(QPointF(x + 6, y + 12), f"soft limit {self.limit_nm:g}{hard}")


class Meter(QWidget):
    """A share of a whole as a bar, with an optional tick."""

    def __init__(self, colour: str, *, height_px: int = 6, tick: float | None = None) -> None:
        super().__init__()
        self.share, self.colour, self.tick = 0.0, colour, tick
        self._bar_px = height_px
        self.setFixedHeight(height_px + 2)

    def set_share(self, share: float, colour: str | None = None) -> None:
        """0 to 1; beyond is cut."""
        share = float(np.clip(share, 0.0, 1.0)) if np.isfinite(share) else 0.0
        if abs(share - self.share) > 1e-3 or (colour and colour != self.colour):
            self.share, self.colour = share, colour or self.colour
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, active = start_painting(self), theme()
        painter.setPen(Qt.PenStyle.NoPen)
        radius = self._bar_px / 2
        painter.setBrush(active.colour("bg.3"))
        painter.drawRoundedRect(QRectF(0, 1, self.width(), self._bar_px), radius, radius)
        painter.setBrush(active.colour(self.colour))
        if self.share > 0:
            painter.drawRoundedRect(QRectF(0, 1, self.width() * self.share, self._bar_px), radius, radius)
        if self.tick is not None:
            painter.fillRect(QRectF(self.width() * self.tick, 0, 1.2, self._bar_px + 2), active.colour("text.2"))
        painter.end()


class LatencyBars(QWidget):
    """The newest plans' latencies as bars under a dashed budget line; a late one is orange."""

    def __init__(self, budget_s: float, *, count: int = 60) -> None:
        super().__init__()
        self.budget_s = budget_s
        self.values_s: deque[float] = deque(maxlen=count)
        self.setFixedHeight(74)

    def add(self, latency_s: float) -> None:
        self.values_s.append(latency_s)
        self.update()

    def clear(self) -> None:
        self.values_s.clear()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, active = start_painting(self), theme()
        top, bottom = 24.0, float(self.height())  # the word stands above whatever is late
        scale = (bottom - top) / self.budget_s
        pitch = self.width() / (self.values_s.maxlen or 60)
        first = (self.values_s.maxlen or 60) - len(self.values_s)
        painter.setPen(Qt.PenStyle.NoPen)
        for index, value in enumerate(self.values_s):
            late = value > self.budget_s
            newest = index == len(self.values_s) - 1
            painter.setBrush(active.colour("state.stopped" if late else "cat.1", 1.0 if newest or late else 0.6))
            height = min(value * scale, bottom - top + 6)
            painter.drawRect(QRectF((first + index) * pitch, bottom - height, max(pitch - 1.5, 1.0), height))
        pen = QPen(active.colour("state.stopped"), 1.4)
        pen.setDashPattern([4, 3])
        painter.setPen(pen)
        painter.drawLine(QPointF(0, top), QPointF(self.width(), top))
        painter.setFont(active.font("small"))
        painter.drawText(QRectF(0, 0, self.width(), 16), Qt.AlignmentFlag.AlignRight, "budget")
        painter.end()


class Blocks(QWidget):
    """A session as equal blocks that fill up."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.done = count, 0.0
        self.setFixedHeight(6)

    def set_done(self, done: float) -> None:
        """Blocks done, such as 1.4."""
        if abs(done - self.done) > 0.005:
            self.done = done
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, active = start_painting(self), theme()
        painter.setPen(Qt.PenStyle.NoPen)
        width = (self.width() - 4 * (self.count - 1)) / self.count
        for index in range(self.count):
            x = index * (width + 4)
            painter.setBrush(active.colour("bg.3"))
            painter.drawRoundedRect(QRectF(x, 0, width, 6), 3, 3)
            share = float(np.clip(self.done - index, 0.0, 1.0))
            if share > 0:
                painter.setBrush(active.colour("state.recording"))
                painter.drawRoundedRect(QRectF(x, 0, width * share, 6), 3, 3)
        painter.end()


class OutcomeMarks(QWidget):
    """Goals in a row: reached, missed, under way, to come."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[bool] = []
        self.running = False
        self.total = 20
        self.setFixedHeight(20)

    def set_outcomes(self, outcomes: Sequence[bool], *, running: bool, total: int = 20) -> None:
        self.outcomes, self.running, self.total = list(outcomes), running, total
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, active = start_painting(self), theme()
        shown = self.outcomes[-(self.total - 1) :] if self.running else self.outcomes[-self.total :]
        pitch = self.width() / self.total
        for index in range(self.total):
            box = QRectF(index * pitch + 0.5, 1, min(pitch - 3, 14), 17)
            if index < len(shown):
                self._paint_outcome(painter, box, shown[index])
            elif index == len(shown) and self.running:
                painter.setPen(QPen(active.colour("text.1"), 1.4))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(box, 3, 3)
            else:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(active.colour("bg.3"))
                painter.drawRoundedRect(box, 3, 3)
        painter.end()

    def _paint_outcome(self, painter: QPainter, box: QRectF, reached: bool) -> None:
        active, middle = theme(), box.center()
        painter.setPen(QPen(active.colour("verdict.good" if reached else "verdict.poor"), 1.2))
        painter.setBrush(active.colour("verdict.good") if reached else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box, 3, 3)
        if reached:
            painter.setPen(QPen(active.colour("bg.0"), 1.6))
            painter.drawPolyline([middle + QPointF(-3, 0), middle + QPointF(-1, 3), middle + QPointF(3.5, -3)])
        else:
            painter.drawLine(middle + QPointF(-2.5, -2.5), middle + QPointF(2.5, 2.5))
            painter.drawLine(middle + QPointF(-2.5, 2.5), middle + QPointF(2.5, -2.5))


class RampBar(QWidget):
    """The colour ramp of the rollouts, far to near."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(90, 8)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        for x in range(self.width()):
            painter.fillRect(QRectF(x, 0, 1, self.height()), theme().ramp(x / (self.width() - 1)))
        painter.end()
