"""The top bar: project, tabs of the role, find field, state pill, jobs ring, bell. STOP lies above it (`stop.py`)."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QWidget

from studio.app.shell.painting import Logo, draw_icon, draw_key, draw_ring
from studio.app.state import LinkState, RunsModel, RunView
from studio.app.theme import theme

_ROOM_FOR_STOP_PX = 174


class Painted(QAbstractButton):
    """A button that paints itself and draws its own focus ring."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        theme().changed.connect(self.update)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.draw(painter)
        if self.hasFocus():
            painter.setPen(theme().colour("accent.line"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 5, 5)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        raise NotImplementedError


class ProjectButton(Painted):
    """The project's name; opens the list of projects."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Project {name}")
        self._text = name

    def sizeHint(self) -> QSize:
        width = QFontMetricsF(theme().font("field")).horizontalAdvance(self._text) * 1.05
        return QSize(round(min(width, 220)) + 34, 32)

    def draw(self, painter: QPainter) -> None:
        font = theme().font("field")
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(theme().colour("text.1"))
        room = self.width() - 28
        text = QFontMetricsF(font).elidedText(self._text, Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(QRectF(6, 0, room + 4, self.height()), Qt.AlignmentFlag.AlignVCenter, text)
        end = 6 + QFontMetricsF(font).horizontalAdvance(text)
        draw_icon(painter, "collapse", QRectF(end + 6, self.height() / 2 - 7, 16, 16), "text.3")


class Tab(Painted):
    """One screen of the role."""

    def __init__(self, identity: str, title: str) -> None:
        super().__init__(title)
        self.identity = identity
        self.setText(title)
        self.setCheckable(True)
        self.setToolTip("")

    def sizeHint(self) -> QSize:
        font = theme().font("field")
        font.setWeight(font.Weight.DemiBold)
        return QSize(round(QFontMetricsF(font).horizontalAdvance(self.text())) + 25, 32)

    def draw(self, painter: QPainter) -> None:
        font = theme().font("field")
        if self.isChecked():
            font.setWeight(font.Weight.DemiBold)
        if self.isChecked() or self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme().colour("bg.3" if self.isChecked() else "bg.2"))
            painter.drawRoundedRect(self.rect(), 6, 6)
        painter.setFont(font)
        painter.setPen(theme().colour("text.1" if self.isChecked() else "text.2"))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.text())


class FindField(Painted):
    """Looks like a field, opens the palette."""

    def __init__(self) -> None:
        super().__init__("Find or do anything")
        self.setFixedSize(280, 30)
        self.setToolTip("")

    def draw(self, painter: QPainter) -> None:
        painter.setPen(theme().colour("line.3" if self.underMouse() else "line.2"))
        painter.setBrush(theme().colour("bg.0"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        draw_icon(painter, "palette", QRectF(10, 8, 15, 15), "text.2")
        painter.setFont(theme().font("body"))
        painter.setPen(theme().colour("text.3"))
        painter.drawText(QRectF(34, 0, 180, 30), Qt.AlignmentFlag.AlignVCenter, "Find or do anything")
        draw_key(painter, self.width() - 8, 15, "Ctrl K")


class StatePill(QWidget):
    """State and driver in the same place on every screen that has no band."""

    def __init__(self) -> None:
        super().__init__()
        self._name, self._text = "disabled", "Disabled"
        self.setFixedHeight(26)
        theme().changed.connect(self.update)

    def show_link(self, link: LinkState) -> None:
        if (link.state_name, link.text) != (self._name, self._text):
            self._name, self._text = link.state_name, link.text
            self.setAccessibleName(f"State: {self._text}")
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(round(QFontMetricsF(theme().font("strong")).horizontalAdvance(self._text)) + 40, 26)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour(f"soft.{self._name}"))
        painter.drawRoundedRect(self.rect(), 13, 13)
        draw_icon(painter, f"state.{self._name}", QRectF(10, 6, 14, 14), f"state.{self._name}")
        painter.setFont(theme().font("strong"))
        painter.setPen(theme().colour(f"state.{self._name}"))
        painter.drawText(QRectF(29, 0, self.width(), 26), Qt.AlignmentFlag.AlignVCenter, self._text)
        painter.end()


def time_left_words(run: RunView) -> str:
    """`5 to 7 min`, or the state in a word."""
    if run.state == "paused":
        return "paused"
    if run.time_left_s is None:
        return "measuring"
    low, high = run.time_left_s
    if high < 90:
        return f"{round(low)} to {max(round(high), round(low) + 1)} s"
    return f"{round(low / 60)} to {max(round(high / 60), round(low / 60) + 1)} min"


class JobsRing(Painted):
    """The running jobs: ring and time left of the newest; hidden when none runs."""

    _WORDS = {"train": "Training", "evaluate": "Trying goals", "play": "Playing", "convert": "Converting"}

    def __init__(self) -> None:
        super().__init__("Jobs (Ctrl+J)")
        self._run: RunView | None = None
        self._more = 0
        self.setVisible(False)

    def show_runs(self, runs: RunsModel) -> None:
        active = runs.active
        self._run, self._more = (active[0], len(active) - 1) if active else (None, 0)
        self.setVisible(self._run is not None)
        self.updateGeometry()
        self.update()

    def _words(self) -> str:
        if self._run is None:
            return ""
        more = f" +{self._more}" if self._more else ""
        return f"{self._WORDS.get(self._run.kind, 'Running')} · {time_left_words(self._run)}{more}"

    def sizeHint(self) -> QSize:
        return QSize(round(QFontMetricsF(theme().font("body")).horizontalAdvance(self._words()) * 1.04) + 34, 32)

    def draw(self, painter: QPainter) -> None:
        if self._run is None:
            return
        share = self._run.share if self._run.steps else None
        draw_ring(painter, QRectF(6, 9, 14, 14), share, theme().colour("accent.line"), theme().colour("bg.4"))
        font = theme().font("body")
        font.setWeight(font.Weight.Medium)
        painter.setFont(font)
        painter.setPen(theme().colour("text.2"))
        painter.drawText(QRectF(28, 0, self.width(), 32), Qt.AlignmentFlag.AlignVCenter, self._words())


class Bell(Painted):
    """Notices; counts the unread ones."""

    def __init__(self) -> None:
        super().__init__("Notices (Ctrl+N)")
        self.unread = 0
        self.setFixedSize(36, 36)

    def show_unread(self, unread: int) -> None:
        self.unread = unread
        self.setAccessibleName(f"Notices, {unread} unread")
        self.update()

    def draw(self, painter: QPainter) -> None:
        draw_icon(painter, "bell", QRectF(9, 9, 18, 18), "text.2")
        if not self.unread:
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("accent.line"))
        painter.drawEllipse(QRectF(19, 4, 14, 14))
        font = theme().font("tiny")
        font.setWeight(font.Weight.Bold)
        painter.setFont(font)
        painter.setPen(theme().colour("bg.0"))
        text = str(self.unread) if self.unread < 10 else "9+"
        painter.drawText(QRectF(19, 4, 14, 14), Qt.AlignmentFlag.AlignCenter, text)


class TopBar(QFrame):
    """48 high. Signals say what the person wants; the window does it."""

    tab_chosen = Signal(str)
    find_wanted = Signal()
    jobs_wanted = Signal()
    notices_wanted = Signal()

    def __init__(self, project_name: str) -> None:
        super().__init__()
        self.setProperty("frame", "bar")
        self.setFixedHeight(theme().pixels("shell.top"))
        self.project = ProjectButton(project_name)
        self.find_field, self.pill, self.jobs, self.bell = FindField(), StatePill(), JobsRing(), Bell()
        self.find_field.setParent(self)
        self._tabs: list[Tab] = []
        self._tab_row = QHBoxLayout()
        self._tab_row.setSpacing(4)
        self._divider = QFrame()
        self._divider.setFixedSize(1, 20)
        self._divider.setProperty("ground", "4")
        self._lay_out()
        self.find_field.clicked.connect(self.find_wanted)
        self.jobs.clicked.connect(self.jobs_wanted)
        self.bell.clicked.connect(self.notices_wanted)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(20, 0, _ROOM_FOR_STOP_PX, 1)
        row.setSpacing(8)
        row.addWidget(Logo())
        row.addSpacing(28)
        row.addWidget(self.project)
        row.addWidget(self._divider)
        row.addLayout(self._tab_row)
        row.addStretch(1)
        for widget in (self.pill, self.jobs, self.bell):
            row.addWidget(widget)

    def show_tabs(self, tabs: list[tuple[str, str]], chosen: str) -> None:
        """Tabs (identity, title) of the role; one alone needs no tab."""
        for tab in self._tabs:
            self._tab_row.removeWidget(tab)
            tab.hide()
            tab.deleteLater()
        self._tabs = [Tab(identity, title) for identity, title in tabs] if len(tabs) > 1 else []
        self._divider.setVisible(bool(self._tabs))
        for tab in self._tabs:
            self._tab_row.addWidget(tab)
            tab.setChecked(tab.identity == chosen)
            tab.clicked.connect(lambda _checked=False, identity=tab.identity: self.tab_chosen.emit(identity))

    def tab_identities(self) -> list[str]:
        return [tab.identity for tab in self._tabs]

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.find_field.move((self.width() - self.find_field.width()) // 2 + 20, 9)
        self.find_field.raise_()
