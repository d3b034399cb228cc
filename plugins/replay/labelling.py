"""Labels and marks of the take that is shown: what the keys 1 to 8, the handles and the outcome do. No Qt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from plugins.replay.notes import Notes, split
from plugins.replay.take import Take
from studio.app.api import StudioApi
from studio.data.annotations import Annotation, Journal

LABEL_NAMES = ("Push", "Lift", "Pivot", "Flip", "Squeeze", "Drag", "Regrasp", "Slip")


class OpenLabel:
    """A label whose end has not been set yet."""

    def __init__(self, key: int, name: str, start_s: float) -> None:
        self.key, self.name, self.start_s = key, name, start_s


class Labelling(ABC):
    """The labelling half of the replay's view-model, which gives it the take, the cursor and the journal."""

    _studio: StudioApi
    take: Take | None
    notes: Notes
    open_label: OpenLabel | None
    selected: str
    cursor_s: float
    notes_changed: Any

    @abstractmethod
    def seconds(self, t_ns: int) -> float: ...

    @abstractmethod
    def nanoseconds(self, t_s: float) -> int: ...

    @abstractmethod
    def _edit(self, change: Callable[[Journal], Any]) -> None: ...

    @property
    def label_names(self) -> list[str]:
        """Names of the keys 1 to 8, kept in the settings."""
        kept = self._studio.settings.get("replay.labels") or []
        return [str(kept[i]) if i < len(kept) and kept[i] else LABEL_NAMES[i] for i in range(8)]

    def rename_label(self, key: int, name: str) -> None:
        names = self.label_names
        names[key - 1] = name.strip() or LABEL_NAMES[key - 1]
        self._studio.settings.set("replay.labels", names)
        self.notes_changed.emit()

    def free_key(self) -> int:
        """The first key that still has its first name and no label of this take; 0 when there is none."""
        used = {item.key for item in self.notes.labels}
        names = zip(self.label_names, LABEL_NAMES, strict=True)
        return next((key for key, (now, first) in enumerate(names, 1) if key not in used and now == first), 0)

    @property
    def chosen(self) -> Annotation | None:
        """The selected label."""
        return next((item for item in self.notes.labels if item.id == self.selected), None)

    def select(self, identity: str) -> None:
        if identity != self.selected:
            self.selected = identity
            self.notes_changed.emit()

    def press_label(self, key: int) -> None:
        """Once starts a label here, again ends it; another key ends the one and starts the other."""
        if self.take is None:
            return
        before, self.open_label = self.open_label, None
        if before is not None:
            self._close_label(before)
        if before is None or before.key != key:
            self.open_label = OpenLabel(key, self.label_names[key - 1], self.cursor_s)
            self.notes_changed.emit()

    def _close_label(self, label: OpenLabel) -> None:
        start_s, end_s = sorted((label.start_s, self.cursor_s))
        start_ns, end_ns = self.nanoseconds(start_s), self.nanoseconds(end_s)
        if end_ns > start_ns:
            self._edit(lambda journal: journal.add("label", label.name, start_ns, end_ns, key=label.key))
        self.notes_changed.emit()

    def move_label(self, identity: str, start_s: float, end_s: float) -> None:
        start_ns, end_ns = self.nanoseconds(start_s), self.nanoseconds(end_s)
        self._edit(lambda journal: journal.change(identity, start_ns=start_ns, end_ns=end_ns))

    def set_edge(self, edge: str) -> None:
        """Put the start or the end of the selected label at the cursor."""
        item = self.chosen
        if item is not None:
            other_s = self.seconds(item.end_ns if edge == "start" else item.start_ns)
            self.move_label(item.id, min(other_s, self.cursor_s), max(other_s, self.cursor_s))

    def split_label(self) -> None:
        t_ns = self.nanoseconds(self.cursor_s)
        under = [item for item in self.notes.labels if item.start_ns < t_ns < item.end_ns]
        item = next((item for item in under if item.id == self.selected), under[0] if under else None)
        if item is not None:
            self._edit(lambda journal: split(journal, item, t_ns))

    def remove(self) -> None:
        """The selected label, else the open one, else a mark under the cursor."""
        if self.chosen is not None:
            identity = self.selected
            self._edit(lambda journal: journal.remove(identity))
        elif self.open_label is not None:
            self.open_label = None
            self.notes_changed.emit()
        else:
            t_ns = self.nanoseconds(self.cursor_s)
            near = [m for m in self.notes.marks if abs(m.start_ns - t_ns) < 50_000_000]
            if near:
                self._edit(lambda journal: journal.remove(near[0].id))

    def mark(self) -> None:
        if self.take is not None:
            t_ns = self.nanoseconds(self.cursor_s)
            self._edit(lambda journal: journal.add("mark", "", t_ns))

    def set_outcome(self, outcome: str) -> None:
        wanted: Any = "" if self.notes.outcome == outcome else outcome
        self._edit(lambda journal: journal.set_outcome(wanted))

    def leave_out(self) -> None:
        out = not self.notes.left_out
        self._edit(lambda journal: journal.set_left_out(out))
