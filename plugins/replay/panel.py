"""The replay's screen: views, transport and lanes under one cursor; labels at the right."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from plugins.replay.model import ReplayModel
from plugins.replay.panel_side import SidePanel
from plugins.replay.panel_views import TakeViews
from plugins.replay.voice import is_voice
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property
from studio.app.widgets.lane_paint import LabelBox
from studio.app.widgets.lane_rows import NoteChip, SkillSpan
from studio.app.widgets.lanes import LanesView
from studio.app.widgets.transport import Transport
from studio.app.widgets.turns import paint_later
from studio.data.annotations import Annotation

_VIEWS = ("Front", "Top", "Left", "Free")
_OPEN = "open"


class ReplayPanel(QWidget):
    """Shows what the model says, sends back what the person does."""

    def __init__(self, studio: StudioApi, model: ReplayModel) -> None:
        super().__init__()
        self._studio, self._model = studio, model
        self._view_pace, self._slow_pace = Pace(60), Pace(1)
        set_property(self, "ground", "0")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        studio, model = self._studio, self._model
        self.views = TakeViews(studio, model)
        yield
        self.transport = Transport()
        yield
        self.lanes = LanesView()
        yield
        self.side = SidePanel(studio, model)
        yield
        self.stack = QStackedWidget()
        self.stack.addWidget(self._make_body())
        yield
        self.stack.addWidget(self._make_empty())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.stack, 1)
        yield
        row.addWidget(self.side)
        yield
        self._connect_model()
        self._connect_widgets()
        self._show_take()

    def _make_body(self) -> QWidget:
        below = QWidget()
        column = QVBoxLayout(below)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.transport)
        column.addWidget(self.lanes, 1)
        self.hint = QLabel("Keys 1–8 label  ·  hold V to speak  ·  wheel zooms  ·  Ctrl Z undo  ·  ? all keys")
        set_property(self.hint, "type", "small")
        set_property(self.hint, "tone", "3")
        self.hint.setContentsMargins(132, 2, 0, 8)
        column.addWidget(self.hint)
        self.body = QSplitter(Qt.Orientation.Vertical)
        self.body.setHandleWidth(1)
        self.body.setChildrenCollapsible(False)
        self.body.addWidget(self.views)
        self.body.addWidget(below)
        self.body.setStretchFactor(0, 46)
        self.body.setStretchFactor(1, 54)
        return self.body

    def _make_empty(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        self.empty_text = QLabel()
        self.empty_text.setWordWrap(True)
        self.empty_text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_property(self.empty_text, "type", "title")
        self.empty_button = QPushButton("Choose one in the library")
        set_property(self.empty_button, "kind", "link")
        self.empty_button.clicked.connect(lambda: self._studio.navigate("library"))
        column.addStretch(1)
        column.addWidget(self.empty_text)
        column.addWidget(self.empty_button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(2)
        return page

    def _connect_model(self) -> None:
        model = self._model
        model.take_changed.connect(self._show_take)
        model.lanes_changed.connect(self._show_lanes)
        model.cursor_changed.connect(self._show_cursor)
        model.span_changed.connect(lambda: self.lanes.set_span(*model.span_s))
        model.playing_changed.connect(self._show_playing)
        model.notes_changed.connect(self._show_notes)

    def _connect_widgets(self) -> None:
        model, transport, lanes = self._model, self.transport, self.lanes
        transport.play_pressed.connect(model.toggle_play)
        transport.frame_pressed.connect(model.step_frame)
        transport.loop_pressed.connect(model.toggle_loop)
        transport.speed_chosen.connect(model.set_speed)
        transport.next_pressed.connect(lambda what: model.go_to(what))
        transport.goal_pressed.connect(model.make_goal)
        lanes.cursor_moved.connect(model.seek)
        lanes.span_moved.connect(model.set_span)
        lanes.choice_made.connect(model.choose_lane)
        lanes.label_selected.connect(model.select)
        lanes.label_moved.connect(model.move_label)
        lanes.note_pressed.connect(model.play_note)

    # called by the window

    def open(self, episode: str = "", t_s: float | None = None, compare: str = "") -> None:
        """Show the episode of a folder, at a time when one is given, with the curves of another behind its own."""
        if episode:
            self._model.open(episode)
        if compare:
            self._model.compare(compare)
        if t_s is not None:
            self._model.seek(t_s)

    def shown(self) -> None:
        self._model.open_newest()
        self.lanes.setFocus()

    def hidden(self) -> None:
        self._model.pause()

    def tick(self, now_s: float) -> None:
        self._model.tick(now_s)
        if self._view_pace.due(now_s):
            self.views.draw()
        if self._slow_pace.due(now_s):
            self.side.show_history(time.time())

    def set_view(self, index: int) -> None:
        self.views.robot_view.set_view(_VIEWS[index])

    def toggle_panels(self) -> None:
        self.side.setVisible(not self.side.isVisible())

    # what is shown

    def _show_take(self) -> None:
        model = self._model
        if model.take is None:
            self.stack.setCurrentIndex(1)
            words = "Reading the episode" if model.loading else (model.problem or "No episode is open.")
            self.empty_text.setText(words)
            self.empty_button.setVisible(not model.loading)
            return
        self.stack.setCurrentIndex(0)
        paint_later(self.body)
        paint_later(self.lanes, turns=2)
        self.transport.set_time(model.cursor_s, model.duration_s)
        self.transport.goal.setEnabled(model.take.box is not None)
        self.transport.set_absent("contact", model.take.poses is None)
        self.views.setVisible(self.views.seen)
        self._show_lanes()
        self.lanes.set_span(*model.span_s)
        self._show_notes()
        height = max(self.body.height(), 100)
        self.body.setSizes([round(height * 0.46), round(height * 0.54)])

    def _show_lanes(self) -> None:
        model = self._model
        if model.take is not None:
            self.lanes.set_lanes(model.shown_lanes, model.take.overview, model.duration_s)
            spans = [SkillSpan(number=r.number, start_s=r.start_s, end_s=r.end_s) for r in model.take.skills]
            self.lanes.set_found(spans, None)

    def _show_cursor(self, t_s: float) -> None:
        self.lanes.set_cursor(t_s)
        self.transport.set_time(t_s, self._model.duration_s)

    def _show_playing(self) -> None:
        self.transport.set_playing(self._model.playing)
        self.transport.set_loop(self._model.loop)
        self.transport.set_speed(self._model.speed)

    def _show_notes(self) -> None:
        model = self._model
        boxes = [
            LabelBox(
                identity=item.id,
                name=item.text,
                number=item.key or 1,
                start_s=model.seconds(item.start_ns),
                end_s=model.seconds(item.end_ns),
            )
            for item in model.notes.labels
        ]
        if model.open_label is not None:
            label = model.open_label
            boxes.append(LabelBox(identity=_OPEN, name=label.name, number=label.key, start_s=label.start_s, end_s=None))
        marks_s = [model.seconds(item.start_ns) for item in model.notes.marks if item.kind == "mark"]
        self.lanes.set_labels(boxes, marks_s, model.selected)
        self.lanes.set_notes([self._make_chip(item) for item in model.notes.marks if item.kind == "note"])

    def _make_chip(self, item: Annotation) -> NoteChip:
        spoken = is_voice(item)
        text = f"{(item.end_ns - item.start_ns) / 1e9:.1f} s" if spoken else item.text[:24]
        return NoteChip(identity=item.id, text=text, start_s=self._model.seconds(item.start_ns), spoken=spoken)


def make_panel(studio: StudioApi, model: ReplayModel) -> Generator[None, None, ReplayPanel]:
    panel = ReplayPanel(studio, model)
    yield from panel.build()
    return panel
