"""The replay's view-model: one take, one cursor, playing, labels and marks. No Qt.

Reading, decoding and writing run in threads; `tick` (the window's timer) moves the cursor and fetches what is done.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from plugins.replay.binding import bind_commands
from plugins.replay.comparison import Comparison, neighbour
from plugins.replay.dictation import Dictation
from plugins.replay.frames import Frames
from plugins.replay.labelling import Labelling, OpenLabel
from plugins.replay.notes import Notes, NotesResult, edit_notes, read_notes
from plugins.replay.take import Lane, Take, load_take
from plugins.replay.voice import add_voice_note
from studio.app.api import Loader, StudioApi
from studio.core.errors import StudioError
from studio.data.annotations import Journal
from studio.data.episode import EpisodeReader

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_FRAME_S = 1 / 30  # a frame step where there is no camera
_LONGEST_STEP_S = 0.5  # real time down to two pictures a second; a stalled window does not make the take jump


def read_take(folder: Path, joint_names: tuple[str, ...]) -> tuple[Take | None, Notes, StudioError | None]:
    """A take and its notes; runs in the replay's thread."""
    try:
        reader = EpisodeReader(folder)
        try:
            return load_take(reader, joint_names), read_notes(folder), None
        finally:
            reader.close()
    except StudioError as error:
        return None, Notes(), error


class ReplayModel(Labelling):
    """Signals name what changed; each carries nothing, the properties say the rest."""

    take_changed = Signal()
    lanes_changed = Signal()
    cursor_changed = Signal(float)
    playing_changed = Signal()
    span_changed = Signal()
    notes_changed = Signal()
    picture_arrived = Signal(str, object, str)

    def __init__(self, studio: StudioApi) -> None:
        self._studio = studio
        self._loader = Loader("replay")
        self._frames = Frames()
        self.comparison = Comparison(self._read_other, lambda: self.lanes_changed.emit(), studio.notices.error)
        self.dictation = Dictation(self._keep_voice, studio.notices.error, lambda: self.notes_changed.emit())
        self.path: Path | None = None
        self.take: Take | None = None
        self.problem = ""
        self.loading = False
        self.lanes: tuple[Lane, ...] = ()
        self.notes = Notes()
        self.open_label: OpenLabel | None = None
        self.selected = ""
        self.cursor_s, self.span_s = 0.0, (0.0, 1.0)
        self.playing, self.loop, self.speed = False, False, 1.0
        self._last_s: float | None = None

    # the take

    def open(self, path: str | Path) -> None:
        """Read an episode and show it. The one that is open already is left as it is."""
        path = Path(path)
        if path == self.path and (self.take is not None or self.loading):
            return
        self.pause()
        self.path, self.take, self.problem, self.loading = path, None, "", True
        self.lanes, self.notes, self.open_label, self.selected = (), Notes(), None, ""
        self.comparison.end()
        self._frames.open(None)
        self._loader.forget("take")
        self._loader.ask(("take", path), read_take, path, self._joint_names())
        self.take_changed.emit()

    def open_newest(self) -> None:
        """The newest episode of the project, for a first visit."""
        found = [p.parent for d in self._studio.project.datasets() for p in d.glob("*/*/episode.json")]
        if found and self.path is None:
            self.open(max(found, key=lambda folder: (folder / "episode.json").stat().st_mtime))

    def _joint_names(self) -> tuple[str, ...]:
        return tuple(self._studio.robot.joint_names) if self._studio.robot is not None else ()

    @property
    def duration_s(self) -> float:
        return self.take.duration_s if self.take is not None else 0.0

    @property
    def title(self) -> str:
        """`Episode 3`, from the folder's number."""
        number = self.path.name.rpartition("_")[2].lstrip("0") if self.path is not None else ""
        return f"Episode {number}" if number.isdigit() else (self.path.name if self.path is not None else "")

    def tick(self, now_s: float) -> None:
        """Move the cursor while playing; take over what the threads have done."""
        for key, result in self._loader.poll():
            if isinstance(result, NotesResult):
                self._take_notes(result)
            elif key == ("take", self.path):
                self._take_over(*result)
        self.comparison.tick()
        self.dictation.tick()
        self._advance(now_s)
        for camera, picture, problem in self._frames.poll():
            self.picture_arrived.emit(camera, picture, problem)

    def _take_over(self, take: Take | None, notes: Notes, error: StudioError | None) -> None:
        self.loading, self.take, self.notes = False, take, notes
        self.problem = "" if error is None else str(error)
        self.lanes = take.lanes if take is not None else ()
        self.cursor_s, self.span_s = 0.0, (0.0, max(self.duration_s, 1e-3))
        self._frames.open(self.path)
        self.take_changed.emit()
        self.notes_changed.emit()
        self.span_changed.emit()
        self._say_cursor()

    # the cursor

    def seek(self, t_s: float) -> None:
        t_s = float(np.clip(t_s, 0.0, self.duration_s))
        if t_s != self.cursor_s:
            self.cursor_s = t_s
            self._say_cursor()

    def _say_cursor(self) -> None:
        if self.take is not None:
            for track in self.take.cameras:
                if len(track.t_s):
                    self._frames.want(track.name, track.index(self.cursor_s))
        self.cursor_changed.emit(self.cursor_s)

    def repeat_pictures(self) -> None:
        """Send the pictures under the cursor again, to a view that was made after they came."""
        self._frames.repeat()

    def decoding(self, camera: str) -> bool:
        """Whether the picture under the cursor is still being decoded."""
        return self._frames.waiting(camera)

    def _advance(self, now_s: float) -> None:
        step_s = 0.0 if self._last_s is None else min(now_s - self._last_s, _LONGEST_STEP_S)
        self._last_s = now_s
        if not self.playing or self.take is None:
            return
        start_s, end_s = self._played_range()
        t_s = self.cursor_s + step_s * self.speed
        if t_s >= end_s:
            if not self.loop:
                self.seek(end_s)
                self.pause()
                return
            t_s = start_s
        self.seek(t_s)
        self._follow()

    def _played_range(self) -> tuple[float, float]:
        """Looping stays in the span that is zoomed to; playing on goes to the end."""
        return self.span_s if self.loop else (0.0, self.duration_s)

    def _follow(self) -> None:
        start_s, end_s = self.span_s
        if not start_s <= self.cursor_s <= end_s:
            length_s = end_s - start_s
            start_s = min(self.cursor_s, max(0.0, self.duration_s - length_s))
            self.set_span(start_s, start_s + length_s)

    def toggle_play(self) -> None:
        if self.playing:
            self.pause()
        elif self.take is not None:
            if self.cursor_s >= self._played_range()[1] - 1e-6:
                self.seek(self._played_range()[0])
            self.playing = True
            self.playing_changed.emit()

    def pause(self) -> None:
        if self.playing:
            self.playing = False
            self.playing_changed.emit()

    def toggle_loop(self) -> None:
        self.loop = not self.loop
        self.playing_changed.emit()

    def set_speed(self, speed: float) -> None:
        self.speed = speed
        self.playing_changed.emit()

    def change_speed(self, steps: int) -> None:
        self.set_speed(SPEEDS[int(np.clip(SPEEDS.index(self.speed) + steps, 0, len(SPEEDS) - 1))])

    def step_frame(self, frames: int) -> None:
        """To the next or previous picture of the first camera, or a thirtieth of a second."""
        self.pause()
        tracks = self.take.cameras if self.take is not None else ()
        if tracks and len(tracks[0].t_s):
            track = tracks[0]
            index = track.index(self.cursor_s) + frames
            self.seek(float(track.t_s[int(np.clip(index, 0, len(track.t_s) - 1))]))
        else:
            self.seek(self.cursor_s + frames * _FRAME_S)

    def step(self, seconds: float) -> None:
        self.seek(self.cursor_s + seconds)

    def set_span(self, start_s: float, end_s: float) -> None:
        if (start_s, end_s) != self.span_s:
            self.span_s = (start_s, end_s)
            self.span_changed.emit()

    def show_whole(self) -> None:
        self.set_span(0.0, max(self.duration_s, 1e-3))

    def choose_lane(self, key: str, chosen: int) -> None:
        """Another joint or value in a lane that offers several."""
        if self.take is not None:
            shown = {lane.key: lane for lane in self.lanes}
            fresh = {lane.key: lane for lane in self.take.with_choice(key, chosen)}
            self.lanes = tuple(fresh[k] if k == key else shown[k] for k in shown)
            self.comparison.choose(key, chosen)
            self.lanes_changed.emit()

    @property
    def shown_lanes(self) -> tuple[Lane, ...]:
        """The lanes, with the curves of the take that is compared."""
        return self.comparison.merged(self.lanes)

    # another take

    def compare(self, path: str | Path = "") -> None:
        """Show another take's curves behind this one's: the named one, else the neighbour; once more ends it."""
        if not path and self.comparison.path is not None:
            self.comparison.end()
            return
        other = Path(path) if path else (neighbour(self.path) if self.path is not None else None)
        if other is not None and other != self.path:
            self.comparison.open(other)

    def _read_other(self, path: Path) -> tuple[Take | None, StudioError | None]:
        take, _, error = read_take(path, self._joint_names())
        return take, error

    def feel(self) -> None:
        """Open the take in Teleoperate, where it moves nothing before the arms are engaged."""
        if self.path is not None:
            self._studio.navigate("teleop", take=str(self.path))

    def export(self) -> None:
        """This take as tables for other programs, by a job."""
        if self.path is not None:
            self._studio.jobs.export([self.path])

    # voice

    def speak(self) -> None:
        if self.take is not None:
            self.dictation.press(self.nanoseconds(self.cursor_s))

    def _keep_voice(self, samples: np.ndarray, t_ns: int) -> None:
        self._edit(lambda journal: add_voice_note(journal, samples, t_ns))

    def play_note(self, identity: str) -> None:
        item = next((m for m in self.notes.marks if m.id == identity), None)
        if item is not None and self.path is not None:
            self.dictation.play(self.path / item.text)

    # events

    def events_s(self, what: str) -> np.ndarray:
        """Times of `contact`, `label` or `mark`, rising."""
        if self.take is None:
            return np.empty(0)
        if what == "contact":
            return self.take.contacts_s
        items = self.notes.labels if what == "label" else self.notes.marks
        return np.asarray(sorted(self.seconds(item.start_ns) for item in items))

    def go_to(self, what: str, direction: int = 1) -> bool:
        """To the next (or previous) event; False when there is none that way."""
        times = self.events_s(what)
        later = times[times > self.cursor_s + 1e-3] if direction > 0 else times[times < self.cursor_s - 1e-3][::-1]
        if not len(later):
            return False
        self.seek(float(later[0]))
        self._follow()
        if what == "label":
            near = min(self.notes.labels, key=lambda item: abs(self.seconds(item.start_ns) - self.cursor_s))
            self.select(near.id)
        return True

    def seconds(self, t_ns: int) -> float:
        return (t_ns - self.take.start_ns) / 1e9 if self.take is not None else 0.0

    def nanoseconds(self, t_s: float) -> int:
        return (self.take.start_ns if self.take is not None else 0) + round(t_s * 1e9)

    # what people say

    def undo(self) -> None:
        self._edit(lambda journal: journal.undo())

    def redo(self) -> None:
        self._edit(lambda journal: journal.redo())

    def _edit(self, change: Callable[[Journal], Any]) -> None:
        if self.take is not None and self.path is not None:
            self._loader.ask("notes", edit_notes, self.path, change)

    def _take_notes(self, result: NotesResult) -> None:
        if result.folder != self.path:
            return
        if result.error is not None:
            self._studio.notices.error(result.error)
        self.notes = result.notes
        if result.identity and any(item.id == result.identity for item in result.notes.labels):
            self.selected = result.identity
        self.notes_changed.emit()

    # goals

    def make_goal(self) -> None:
        """The box's pose under the cursor becomes the goal."""
        if self.take is None or self.take.box is None:
            return
        position_m, orientation = self.take.box.pose(self.cursor_s)
        self._studio.goal.set(position_m, orientation, name=f"{self.title} at {self.cursor_s:.1f} s")
        self._studio.navigate("goals")

    def close(self) -> None:
        self.dictation.close()
        self.comparison.close()
        self._loader.close()
        self._frames.close()


def make_model(studio: StudioApi) -> ReplayModel:
    model = ReplayModel(studio)
    bind_commands(studio, model)
    return model
