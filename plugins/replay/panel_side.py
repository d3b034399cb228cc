"""The right side of the replay: outcome, keys of the labels, the chosen label, history."""

from __future__ import annotations

import time

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from plugins.replay.model import ReplayModel
from plugins.replay.panel_voice import VoiceBox
from studio.app.api import StudioApi
from studio.app.theme import set_property, theme
from studio.app.widgets.control import IconButton, KeyButton, ValueRow
from studio.app.widgets.lane_paint import clock_text
from studio.app.widgets.scroll import PageScroll

_HISTORY_ROWS = 6
_VERDICTS = {"good": "Good", "fair": "Fair", "poor": "Poor"}


class LabelKey(QWidget):
    """One key: its number, hue, name and how often it was used."""

    pressed = Signal(int)
    renamed = Signal(int)

    def __init__(self, key: int) -> None:
        super().__init__()
        self.key, self.name, self.count, self.chosen, self.open = key, "", 0, False, False
        self.setFixedHeight(28)
        self.setToolTip("Press to start or end a label here. Double-click the name to rename it.")

    def sizeHint(self) -> QSize:
        return QSize(240, 28)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and event.position().x() < 64:
            self.pressed.emit(self.key)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.position().x() >= 64:
            self.renamed.emit(self.key)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, area = theme(), QRectF(self.rect())
        painter.setPen(Qt.PenStyle.NoPen)
        if self.chosen or self.open:
            painter.setBrush(colours.colour("accent.soft"))
            painter.drawRoundedRect(area, 5, 5)
        painter.setFont(colours.font("hint"))
        cap = QRectF(8, 5, 18, 18)
        painter.setPen(colours.colour("line.2"))
        painter.setBrush(colours.colour("bg.3"))
        painter.drawRoundedRect(cap, 4, 4)
        painter.setPen(colours.colour("text.2"))
        painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, str(self.key))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colours.colour(f"cat.{self.key}"))
        painter.drawRoundedRect(QRectF(37, 8, 12, 12), 3, 3)
        painter.setFont(colours.font("strong" if self.chosen or self.open else "body"))
        painter.setPen(colours.colour("text.1"))
        painter.drawText(
            area.adjusted(58, 0, -40, 0), Qt.AlignmentFlag.AlignVCenter, self.name + (" …" if self.open else "")
        )
        painter.setPen(colours.colour("text.3"))
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(area.adjusted(0, 0, -8, 0), right, str(self.count))
        painter.end()


class VerdictTag(QWidget):
    """Icon and word of an episode's quality."""

    def __init__(self) -> None:
        super().__init__()
        self._verdict = ""
        self.setFixedSize(74, 22)

    def set_verdict(self, verdict: str, reason: str) -> None:
        self._verdict = verdict
        self.setToolTip(reason)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._verdict not in _VERDICTS:
            return
        painter = QPainter(self)
        key, word = f"verdict.{self._verdict}", _VERDICTS[self._verdict]
        painter.setFont(theme().font("strong"))
        width = painter.fontMetrics().horizontalAdvance(word)
        painter.drawPixmap(
            QPointF(self.width() - width - 20, 4), theme().pixmap(key, 14, key, self.devicePixelRatioF())
        )
        painter.setPen(theme().colour(key))
        painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, word)
        painter.end()


class SidePanel(QFrame):
    """292 wide."""

    def __init__(self, studio: StudioApi, model: ReplayModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        set_property(self, "frame", "panel")
        self.setFixedWidth(292)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 12, 16, 12)
        outer.setSpacing(8)
        outer.addLayout(self._make_head())
        outer.addLayout(self._make_outcome())
        outer.addLayout(self._make_actions())
        self.compared = QLabel()
        set_property(self.compared, "type", "small")
        set_property(self.compared, "tone", "2")
        outer.addWidget(self.compared)
        outer.addWidget(self._make_scroll(), 1)
        model.take_changed.connect(self.refresh)
        model.notes_changed.connect(self.refresh)
        model.lanes_changed.connect(self.refresh)
        self.refresh()

    def _make_head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.title, self.verdict = QLabel(), VerdictTag()
        set_property(self.title, "type", "title")
        row.addWidget(self.title)
        row.addStretch(1)
        row.addWidget(self.verdict)
        return row

    def _make_outcome(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.outcomes: dict[str, KeyButton] = {}
        for name, key in (("success", "Y"), ("failure", "F")):
            button = KeyButton(name.capitalize(), key, icon=name)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, n=name: self._studio.commands.run(f"replay.{n}"))
            self.outcomes[name] = button
            row.addWidget(button, 1)
        return row

    def _make_actions(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(8)
        rows = (("Leave out", "X", "eye_off", "leave_out"), ("Compare", "C", "compare", "compare"),
                ("Feel this take", "", "teleop", "feel"), ("Export", "Ctrl E", "export", "export"))  # fmt: skip
        self.buttons: dict[str, KeyButton] = {}
        for place, (words, key, icon, name) in enumerate(rows):
            button = KeyButton(words, key, icon=icon)
            button.setCheckable(name == "compare")
            button.clicked.connect(lambda _=False, n=name: self._studio.commands.run(f"replay.{n}"))
            self.buttons[name] = button
            grid.addWidget(button, place // 2, place % 2)
            grid.setColumnStretch(place % 2, 1)
        self.leave_out = self.buttons["leave_out"]
        return grid

    def _make_scroll(self) -> PageScroll:
        content = QWidget()
        set_property(content, "ground", "1")
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(2)
        column.addWidget(_line())
        column.addWidget(_heading("Label with a key"))
        self.keys = [LabelKey(number) for number in range(1, 9)]
        for key in self.keys:
            key.pressed.connect(lambda number: self._studio.commands.run(f"replay.label_{number}"))
            key.renamed.connect(self._rename)
            column.addWidget(key)
        self.new_label = QPushButton("+   New label")
        set_property(self.new_label, "kind", "link")
        self.new_label.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.new_label.setToolTip("A word of your own on the next key that is not used yet")
        self.new_label.clicked.connect(self._name_free_key)
        column.addWidget(self.new_label, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self._make_chosen())
        self.voice = VoiceBox(self._studio, self._model)
        column.addWidget(self.voice)
        column.addWidget(_line())
        column.addLayout(self._make_history())
        column.addStretch(1)
        return PageScroll(content)

    def _make_chosen(self) -> QWidget:
        self.chosen = QWidget()
        column = QVBoxLayout(self.chosen)
        column.setContentsMargins(0, 4, 0, 6)
        column.setSpacing(4)
        column.addWidget(_line())
        self.chosen_name = ValueRow("")
        self.chosen_hue = QLabel()
        self.chosen_hue.setFixedSize(12, 12)
        row = self.chosen_name.layout()
        assert isinstance(row, QHBoxLayout)
        row.insertWidget(0, self.chosen_hue)
        set_property(self.chosen_name.name_label, "type", "field")
        set_property(self.chosen_name.name_label, "tone", "1")
        column.addWidget(self.chosen_name)
        self.values = {name: ValueRow(name) for name in ("From – to", "Mean force", "Box raised", "By")}
        for row in self.values.values():
            column.addWidget(row)
        return self.chosen

    def _make_history(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(3)
        row = QHBoxLayout()
        row.addWidget(_heading("History"))
        row.addStretch(1)
        self.undo, self.redo = IconButton("undo", "Undo (Ctrl+Z)"), IconButton("redo", "Redo (Ctrl+Shift+Z)")
        for button, action in ((self.undo, self._model.undo), (self.redo, self._model.redo)):
            set_property(button, "kind", "bare")
            button.setFixedSize(28, 28)
            button.clicked.connect(lambda _=False, run=action: run())
            row.addWidget(button)
        column.addLayout(row)
        self.history = [ValueRow("", strong=False) for _ in range(_HISTORY_ROWS)]
        for line in self.history:
            column.addWidget(line)
        return column

    def _name_free_key(self) -> None:
        free = self._model.free_key()
        if free:
            self._rename(free)
        else:
            self._studio.notices.warn("All eight keys are in use. Double-click a name to change it.")

    def _rename(self, key: int) -> None:
        dialog = QInputDialog(self)
        dialog.setLabelText(f"Name of label {key}")
        dialog.setTextValue(self._model.label_names[key - 1])
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.textValueSelected.connect(lambda name: self._model.rename_label(key, name))
        dialog.open()

    # what is shown

    def refresh(self) -> None:
        model = self._model
        info = model.take.info if model.take is not None else None
        self.title.setText(model.title or "No episode")
        self.verdict.set_verdict(
            str(info.verdict) if info is not None else "", str(info.verdict_reason) if info else ""
        )
        for name, button in self.outcomes.items():
            button.setChecked(model.notes.outcome == name)
            button.setEnabled(model.take is not None)
        for name, button in self.buttons.items():
            button.setEnabled(not self._studio.commands.blocked(f"replay.{name}"))
        other = model.comparison.path is not None
        self.buttons["compare"].setChecked(other)
        self.compared.setVisible(other)
        self.compared.setText(
            f"Grey curves: {model.comparison.title}" if model.comparison.take else "Reading the other take"
        )
        out = model.notes.left_out
        self.leave_out.set_words("Take in again" if out else "Leave out", "eye" if out else "eye_off")
        self._show_keys()
        self._show_chosen()
        self.show_history(time.time())

    def _show_keys(self) -> None:
        model, chosen = self._model, self._model.chosen
        for key, name in zip(self.keys, model.label_names, strict=True):
            key.name = name
            key.count = sum(item.key == key.key for item in model.notes.labels)
            key.chosen = chosen is not None and chosen.key == key.key
            key.open = model.open_label is not None and model.open_label.key == key.key
            key.update()

    def _show_chosen(self) -> None:
        item, model = self._model.chosen, self._model
        self.chosen.setVisible(item is not None)
        if item is None:
            return
        start_s, end_s = model.seconds(item.start_ns), model.seconds(item.end_ns)
        self.chosen_name.name_label.setText(item.text)
        hue = theme().hex(f"cat.{(max(item.key, 1) - 1) % 8 + 1}")
        self.chosen_hue.setStyleSheet(f"background: {hue}; border-radius: 3px;")
        self.chosen_name.set_value(f"{end_s - start_s:.1f} s")
        self.values["From – to"].set_value(f"{clock_text(start_s, 2)} – {clock_text(end_s, 2)}")
        force, raised = span_facts(model, start_s, end_s)
        for name, text in (("Mean force", force), ("Box raised", raised)):
            self.values[name].setVisible(bool(text))
            self.values[name].set_value(text)
        when = time.strftime("%H:%M", time.localtime(item.unix_s)) if item.unix_s else ""
        self.values["By"].set_value(f"{item.author}, {when}".strip(", "))

    def show_history(self, now_unix_s: float) -> None:
        """Newest first, each with its age; called now and then, so that the ages stay true."""
        notes = self._model.notes
        self.undo.setEnabled(notes.can_undo)
        self.redo.setEnabled(notes.can_redo)
        for row, line in enumerate(self.history):
            line.setVisible(row < len(notes.history))
            if row < len(notes.history):
                line.name_label.setText(notes.history[row].text)
                line.set_value(age_text(now_unix_s - notes.history[row].unix_s), "3")


def span_facts(model: ReplayModel, start_s: float, end_s: float) -> tuple[str, str]:
    """Mean force of the stronger hand, and how far the box was lifted, over a span; empty where not recorded."""
    take = model.take
    force = raised = ""
    if take is not None and take.poses is not None:
        inside = (take.poses.t_s >= start_s) & (take.poses.t_s <= end_s)
        if inside.any():
            sizes = np.linalg.norm(take.poses.force_n[inside], axis=-1).max(axis=1)
            force = f"{float(sizes.mean()):.1f} N"
    if take is not None and take.box is not None:
        inside = (take.box.t_s >= start_s) & (take.box.t_s <= end_s)
        if inside.any():
            height = take.box.position_m[inside, 2]
            raised = f"{max(0.0, float(height.max() - height[0])) * 1000:.0f} mm"
    return force, raised


def age_text(seconds: float) -> str:
    """`now`, `12 s`, `4 min`, `3 h`, `2 d`."""
    if seconds < 3:
        return "now"
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // divisor)} {unit}"
    return f"{int(seconds // 86400)} d"


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    set_property(label, "type", "strong")
    label.setContentsMargins(0, 8, 0, 4)
    return label


def _line() -> QFrame:
    line = QFrame()
    set_property(line, "frame", "line")
    return line
