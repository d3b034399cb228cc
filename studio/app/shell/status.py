"""The status bar, 28 high: state and driver, loop, lateness, drops, disk, workers, recording; robot, view rate."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from studio.app.shell.painting import draw_icon
from studio.app.state import LinkState, RecordingState
from studio.app.theme import theme


@dataclass(frozen=True)
class Item:
    """One entry: icon, grey label, bright value; `tone` colours all of it. `room` is the widest value it is to hold."""

    icon: str
    label: str
    value: str
    tone: str = ""
    room: str = ""


def disk_words(free_bytes: int, hours: float) -> str:
    gigabytes = free_bytes / 1e9
    size = f"{gigabytes:.0f} GB" if gigabytes >= 10 else f"{gigabytes:.1f} GB"
    return f"{size} · {hours:.0f} h" if hours >= 10 else f"{size} · {hours:.1f} h"


def lateness_words(seconds: float) -> str:
    microseconds = seconds * 1e6
    return f"{microseconds:.0f} µs" if microseconds < 1000 else f"{microseconds / 1000:.1f} ms"


def late_words(link: LinkState) -> str:
    """How late the loop comes, and the periods that it had to leave out."""
    missed = f", {link.missed_ticks} missed" if link.missed_ticks else ""
    return f"{lateness_words(link.lateness_p99_s)}{missed}"


def status_items(link: LinkState, recording: RecordingState) -> list[Item]:
    """What the bar says, in order; a value that is out of bounds takes a warning tone."""
    on = link.connected
    missing = "verdict.fair" if link.workers_alive < link.workers_expected else ""
    items = [
        Item(f"state.{link.state_name}", "", link.text, f"state.{link.state_name}"),
        Item("rate", "Loop", f"{link.rate_hz:.1f} Hz" if on else "–", room="400.0 Hz"),
        Item("time", "Late p99", late_words(link) if on else "–", room="000 µs"),
        Item("drop", "Drops", str(link.drops), "verdict.fair" if link.drops else ""),
        Item("disk", "Disk", disk_words(link.disk_free_bytes, link.disk_hours),
             "verdict.poor" if link.disk_hours < 0.5 else "verdict.fair" if link.disk_hours < 2 else ""),
        Item("workers", "Workers", f"{link.workers_alive} of {link.workers_expected}", missing),
    ]  # fmt: skip
    if recording.on:
        items.append(Item("record", "", f"Recording {recording.clock}", "state.recording"))
    return items


class StatusBar(QWidget):
    """Painted as a whole; four times a second is enough, a state change comes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(theme().pixels("shell.status"))
        self._items: list[Item] = []
        self._right = ("", "")
        theme().changed.connect(self.update)

    @property
    def text(self) -> str:
        """The whole line as words, for tests and screen readers."""
        return " | ".join(" ".join(filter(None, (item.label, item.value))) for item in self._items)

    def show_state(self, link: LinkState, recording: RecordingState, view_hz: float) -> None:
        items = status_items(link, recording)
        right = (link.robot_title, f"{view_hz:.0f} fps")
        if (items, right) != (self._items, self._right):
            self._items, self._right = items, right
            self.setAccessibleName(self.text)
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), theme().colour("bg.1"))
        painter.fillRect(0, 0, self.width(), 1, theme().colour("line.1"))
        x = 13.0
        for number, item in enumerate(self._items):
            if number:
                painter.fillRect(QRectF(x, 9, 1, 11), theme().colour("line.2"))
                x += 15
            x = self._draw_item(painter, item, x) + 14
        self._draw_right(painter)
        painter.end()

    def _draw_item(self, painter: QPainter, item: Item, x: float) -> float:
        draw_icon(painter, item.icon, QRectF(x, 7, 14, 14), item.tone or "text.3")
        x += 20
        if item.label:
            x = self._draw_text(painter, x, item.label, item.tone or "text.3", QFont.Weight.Normal) + 5
        return self._draw_text(painter, x, item.value, item.tone or "text.1", QFont.Weight.DemiBold, item.room)

    def _draw_text(
        self, painter: QPainter, x: float, text: str, ink: str, weight: QFont.Weight, room: str = ""
    ) -> float:
        font = theme().font("small")
        font.setWeight(weight)
        painter.setFont(font)
        painter.setPen(theme().colour(ink))
        painter.drawText(QRectF(x, 1, 400, 27), Qt.AlignmentFlag.AlignVCenter, text)
        metrics = QFontMetricsF(font)
        return x + max(metrics.horizontalAdvance(text), metrics.horizontalAdvance(room))

    def _draw_right(self, painter: QPainter) -> None:
        x = float(self.width() - 14)
        for text, ink, weight in (
            (self._right[1], "text.3", QFont.Weight.Normal), (self._right[0], "text.2", QFont.Weight.DemiBold),
        ):  # fmt: skip
            font = theme().font("small")
            font.setWeight(weight)
            painter.setFont(font)
            painter.setPen(theme().colour(ink))
            width = QFontMetricsF(font).horizontalAdvance(text)
            painter.drawText(QRectF(x - width, 1, width + 2, 27), Qt.AlignmentFlag.AlignVCenter, text)
            x -= width + 18
