"""The right side of the library: what is chosen, what can be done with it, and what is known about it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from plugins.library.entry import Entry, minutes_text
from plugins.library.model import LibraryModel
from studio.app.api import StudioApi
from studio.app.theme import set_property, theme
from studio.app.widgets.control import KeyButton, ValueRow, make_line
from studio.app.widgets.fact_lines import FactLines
from studio.app.widgets.scroll import PageScroll
from studio.data.episode import EpisodeInfo


class BoxMap(QWidget):
    """Where the box was: brighter cells, more time."""

    def __init__(self) -> None:
        super().__init__()
        self._share = np.empty((0, 0))
        self.setFixedHeight(128)
        self.setAccessibleName("Where the box was")
        theme().changed.connect(self.update)

    def set_share(self, share: np.ndarray) -> None:
        self._share = share
        self.setVisible(bool(share.size))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(260, 128)

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._share.size:
            return
        painter = QPainter(self)
        rows, columns = self._share.shape
        top = float(self._share.max()) or 1.0
        width, height = self.width() / columns, self.height() / rows
        for row in range(rows):
            for column in range(columns):
                cell = QRectF(column * width, row * height, width - 1, height - 1)
                painter.fillRect(cell, theme().colour("bg.3"))
                strength = (float(self._share[row, column]) / top) ** 0.5
                painter.fillRect(cell, theme().colour("accent.line", 0.85 * strength))
        painter.end()


class FactsPanel(QFrame):
    """Facts on the selection, 292 wide."""

    def __init__(self, studio: StudioApi, model: LibraryModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        set_property(self, "frame", "panel")
        self.setFixedWidth(292)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 12, 16, 16)
        outer.setSpacing(10)
        outer.addLayout(self._make_head())
        self.replay = KeyButton("Replay", "Enter", kind="primary", icon="play")
        self.replay.clicked.connect(lambda: model.replay())
        outer.addWidget(self.replay)
        outer.addLayout(self._make_buttons())
        outer.addWidget(self._make_question())
        outer.addWidget(self._make_scroll(), 1)
        outer.addLayout(self._make_ends())
        model.selection_changed.connect(self.refresh)
        model.changed.connect(self.refresh)
        model.asking.connect(self._show_question)
        self.refresh()

    def _make_head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.title, self.minutes = QLabel(), QLabel()
        set_property(self.title, "type", "title")
        set_property(self.minutes, "tone", "2")
        row.addWidget(self.title)
        row.addStretch(1)
        row.addWidget(self.minutes)
        return row

    def _make_buttons(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(8)
        commands = self._studio.commands
        rows = (("Success", "Y", "success", "success"), ("Failure", "F", "failure", "failure"),
                ("Leave out", "X", "eye_off", "leave_out"), ("Compare", "C", "compare", "compare"))  # fmt: skip
        self.buttons: dict[str, KeyButton] = {}
        for place, (words, key, icon, name) in enumerate(rows):
            button = KeyButton(words, key, icon=icon)
            button.setCheckable(name in ("success", "failure"))
            button.clicked.connect(lambda _=False, n=name: commands.run(f"library.{n}"))
            self.buttons[name] = button
            grid.addWidget(button, place // 2, place % 2)
        return grid

    def _make_ends(self) -> QGridLayout:
        """What can be done with the whole selection, at the bottom."""
        grid, commands = QGridLayout(), self._studio.commands
        grid.setSpacing(8)
        self.train = KeyButton("Train skills", icon="train")
        self.train.clicked.connect(lambda: self._studio.navigate("training"))
        for place, (words, key, icon, name) in enumerate(
            (("Export", "Ctrl E", "export", "export"), ("Delete", "Del", "discard", "delete"))
        ):
            button = KeyButton(words, key, icon=icon)
            button.clicked.connect(lambda _=False, n=name: commands.run(f"library.{n}"))
            self.buttons[name] = button
            grid.addWidget(button, 0, place)
        grid.addWidget(self.train, 1, 0, 1, 2)
        return grid

    def _make_question(self) -> QFrame:
        self.question = QFrame()
        set_property(self.question, "frame", "card")
        column = QVBoxLayout(self.question)
        column.setContentsMargins(12, 10, 12, 12)
        self.question_text = QLabel()
        self.question_text.setWordWrap(True)
        column.addWidget(self.question_text)
        row = QHBoxLayout()
        self.delete_yes, self.delete_no = QPushButton("Delete"), QPushButton("Keep")
        self.delete_yes.clicked.connect(lambda: self._model.delete())
        self.delete_no.clicked.connect(lambda: self._model.cancel_delete())
        row.addWidget(self.delete_yes)
        row.addWidget(self.delete_no)
        column.addLayout(row)
        self.question.hide()
        return self.question

    def _make_scroll(self) -> PageScroll:
        content = QWidget()
        set_property(content, "ground", "1")
        self._facts = QVBoxLayout(content)
        self._facts.setContentsMargins(0, 6, 0, 0)
        self._facts.setSpacing(4)
        self.heading = QLabel("Together")
        set_property(self.heading, "type", "strong")
        self._facts.addWidget(self.heading)
        names = ("Contact", "Mean force", "Peak force", "Box flips", "Faces up", "Session", "Streams")
        self.values = {name: ValueRow(name) for name in names}
        for row in self.values.values():
            row.setFixedHeight(22)
            self._facts.addWidget(row)
        self.map_title = QLabel("Where the box was")
        set_property(self.map_title, "tone", "2")
        self._facts.addSpacing(6)
        self._facts.addWidget(self.map_title)
        self.map = BoxMap()
        self._facts.addWidget(self.map)
        self._facts.addSpacing(12)
        self.quality_line = make_line()
        self._facts.addWidget(self.quality_line)
        self._facts.addSpacing(6)
        self._add_quality()
        self._facts.addStretch(1)
        return PageScroll(content)

    def _add_quality(self) -> None:
        self.quality_title = QLabel("Quality")
        set_property(self.quality_title, "type", "strong")
        self.quality = FactLines()
        self._facts.addWidget(self.quality_title)
        self._facts.addWidget(self.quality)

    # what is shown

    def refresh(self) -> None:
        chosen = self._model.selected
        some = bool(chosen)
        self.title.setText(f"{len(chosen)} selected" if len(chosen) != 1 else chosen[0].title)
        if not some:
            self.title.setText("Nothing selected")
        self.minutes.setText(minutes_text(sum(e.duration_s for e in chosen)) if some else "")
        self.replay.setEnabled(some)
        for name, button in self.buttons.items():
            button.setEnabled(not self._studio.commands.blocked(f"library.{name}"))
        for name in ("success", "failure"):
            self.buttons[name].setChecked(some and all(e.marks.outcome == name for e in chosen))
        out = some and all(e.marks.left_out for e in chosen)
        self.buttons["leave_out"].set_words("Take in" if out else "Leave out", "eye" if out else "eye_off")
        self.heading.setText("Together" if len(chosen) > 1 else "Facts")
        self._show_values(chosen)
        self._show_quality(chosen)

    def _show_values(self, chosen: list[Entry]) -> None:
        texts = fact_texts(chosen)
        for name, row in self.values.items():
            row.setVisible(name in texts)
            row.set_value(texts.get(name, ""))
        self.heading.setVisible(bool(chosen))
        maps = [e.facts.box_map * e.duration_s for e in chosen if e.facts is not None and e.facts.box_map.size]
        self.map.set_share(sum(maps[1:], maps[0]) if maps else np.empty((0, 0)))
        self.map_title.setVisible(bool(maps))

    def _show_quality(self, chosen: list[Entry]) -> None:
        self.quality_title.setVisible(bool(chosen))
        self.quality.set_lines([(f"verdict.{v}", f"verdict.{v}", words) for v, words in quality_lines(chosen)])
        self.quality_line.setVisible(bool(chosen))

    def _show_question(self) -> None:
        asked = bool(self._model.delete_asked)
        self.question.setVisible(asked)
        if asked:
            self.question_text.setText(self._model.delete_question)
            self.delete_no.setFocus()


def fact_texts(chosen: list[Entry]) -> dict[str, str]:
    """Facts over a selection, weighted by time; what is not known is left out."""
    known = [e for e in chosen if e.facts is not None]
    force = [e for e in known if e.facts is not None and e.facts.has_contact]
    texts: dict[str, str] = {}
    if force:
        weights = [max(e.duration_s, 1e-9) for e in force]
        share = float(np.average([e.facts.contact_share for e in force if e.facts], weights=weights))
        mean = float(np.average([e.facts.mean_force_n for e in force if e.facts], weights=weights))
        peak = max(e.facts.peak_force_n for e in force if e.facts)
        texts |= {"Contact": f"{share * 100:.0f} %", "Mean force": f"{mean:.1f} N", "Peak force": f"{peak:.1f} N"}
    box = [e.facts for e in known if e.facts is not None and e.facts.flips >= 0]
    if box:
        texts |= {"Box flips": str(sum(f.flips for f in box)), "Faces up": f"{max(f.faces for f in box)} of 6"}
    if len(chosen) == 1:
        info = chosen[0].info
        texts |= {"Session": str(info.session), "Streams": f"{len(info.streams)} + {len(info.cameras)} cameras"}
    return texts


def quality_lines(chosen: list[Entry]) -> list[tuple[str, str]]:
    """Rates, lateness, drops, and the verdict's own reason, each with its verdict."""
    lines: list[tuple[str, str]] = []
    for entry in chosen[:4]:
        lead = f"{entry.title}: " if len(chosen) > 1 else ""
        lines.append((entry.quality, lead + (entry.problem or str(entry.info.verdict_reason) or "no verdict")))
    if len(chosen) == 1:
        info = chosen[0].info
        late = info.lateness_us.get("p99_9")
        for name, stream in info.streams.items():
            rate_hz = stream.measured_hz or stream.rate_hz
            near = rate_hz > 0.95 * stream.rate_hz
            lines.append(("good" if near else "fair", f"{name}: {rate_hz:.1f} Hz, {stream.records} records"))
        if late is not None and np.isfinite(late):
            lines.append(("good" if late < 1e6 / info_rate_hz(info) else "fair", f"late p99.9 {late:.0f} µs"))
        lines.append(("fair" if info.dropped else "good", f"{info.dropped} drops"))
    elif len(chosen) > 4:
        worst = max((entry.quality for entry in chosen[4:]), key=("good", "fair", "poor").index)
        lines.append((worst, f"and {len(chosen) - 4} more"))
    return lines


def info_rate_hz(info: EpisodeInfo) -> float:
    """The rate of the control stream; what comes a whole period late is no longer on time."""
    stream = info.streams.get("control")
    return stream.rate_hz if stream is not None and stream.rate_hz > 0 else 400.0
