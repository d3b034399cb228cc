"""The library's view-model: episodes, filters, selection, and what can be done with them. No Qt.

Everything that reads recordings runs in one thread; `tick` (the window's timer) fetches what it has found.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from psygnal import Signal

from plugins.library.entry import SORTS, Entry, Filter, counts, minutes_text, sort_entries
from plugins.library.facts import Area, FactsCache
from plugins.library.scan import EditResult, FactsResult, edit_journals, read_facts, scan, signature
from studio.app.api import Loader, RunView, StudioApi
from studio.core.errors import StudioError
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from studio.data.trash import Trashed, move_to_trash, restore

_LOOK_S = 2.0  # how often the folders are looked at for new episodes


def cache_dir() -> Path:
    """Where facts are kept between starts; safe to delete."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "haptic-play-studio" / "library"


class Deletion:
    """Episodes in the trash; can be brought back and sent there again."""

    def __init__(self, moved: list[Trashed]) -> None:
        self._moved = moved

    def undo(self) -> None:
        for trashed in self._moved:
            restore(trashed)

    def redo(self) -> None:
        self._moved = [
            move_to_trash(Dataset(t.origin.parent.parent), f"{t.origin.parent.name}/{t.origin.name}")
            for t in self._moved
        ]


def visible(folders: list[Path]) -> list[Path]:
    """Datasets without the half-made ones of a running import."""
    return [folder for folder in folders if not folder.name.startswith(".")]


class LibraryModel:
    """Signals: `changed` (the list or its order), `entry_changed` (one card), `selection_changed`, `asking`."""

    changed = Signal()
    entry_changed = Signal(str)
    selection_changed = Signal()
    asking = Signal()

    def __init__(self, studio: StudioApi, cache: Path | None = None) -> None:
        self._studio = studio
        self._cache = FactsCache(cache or cache_dir())
        self._area = Area(x_m=studio.task.table_x_m, y_m=studio.task.table_y_m) if studio.task else Area()
        self._loader = Loader("library")
        self._entries: dict[str, Entry] = {}
        self._signature: Any = None
        self._looked_s = -_LOOK_S
        self._asked: set[str] = set()
        self._undone: list[Deletion | list[Path]] = []
        self._done: list[Deletion | list[Path]] = []
        self.loading = True
        self.filter = Filter()
        self.order = SORTS[0]
        self.shown: list[Entry] = []
        self.selection: tuple[str, ...] = ()
        self.delete_asked: tuple[Entry, ...] = ()
        studio.state.runs.ended.connect(self._on_ended)

    # what is there

    @property
    def entries(self) -> list[Entry]:
        return list(self._entries.values())

    @property
    def counts(self) -> dict[str, Counter[str]]:
        return counts(self._entries.values())

    @property
    def selected(self) -> list[Entry]:
        return [self._entries[key] for key in self.selection if key in self._entries]

    @property
    def headline(self) -> tuple[str, str]:
        """`31 episodes` and `28 min of 43 · 3 selected`."""
        shown_s, all_s = (sum(e.duration_s for e in group) for group in (self.shown, self.entries))
        number = len(self.shown)
        parts = (
            f"{minutes_text(shown_s)}"
            if len(self.shown) == len(self._entries)
            else f"{minutes_text(shown_s)} of {minutes_text(all_s)}"
        )
        chosen = f" · {len(self.selected)} selected" if self.selected else ""
        return f"{number} episode{'s' if number != 1 else ''}", parts + chosen

    def tick(self, now_s: float) -> None:
        """Look for new episodes every 2 s and take over what the thread has read."""
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            project = self._studio.project
            self._loader.ask("look", self._look, visible(project.datasets()) + project.tried())
        for key, result in self._loader.poll():
            if key == "look" and result is not None:
                self._signature, entries = result
                self._take_over(entries)
            elif isinstance(result, FactsResult):
                self._take_facts(result)
            elif isinstance(result, EditResult):
                self._take_marks(result)

    def refresh(self) -> None:
        """Look at the folders at the next tick."""
        self._looked_s, self._signature = -_LOOK_S, None

    def _look(self, datasets: list[Path]) -> tuple[Any, list[Entry]] | None:
        newest = (signature(datasets), self._studio.state.recording.on)
        return None if newest == self._signature else (newest, self._finished(scan(datasets)))

    def _finished(self, entries: list[Entry]) -> list[Entry]:
        """Without the episode that is being recorded right now; it appears when it is closed."""
        if not self._studio.state.recording.on:
            return entries
        return [entry for entry in entries if entry.info.state != "recording"]

    def _take_over(self, entries: list[Entry]) -> None:
        before = self._entries
        self._entries = {e.key: self._with_facts(e, before.get(e.key)) for e in entries}
        self.loading = False
        for entry in reversed(entries):  # the newest first: they are on top
            if self._entries[entry.key].facts is None and entry.key not in self._asked and not entry.problem:
                self._asked.add(entry.key)
                self._loader.ask("facts", read_facts, entry.path, self._cache, self._area)
        self.selection = tuple(key for key in self.selection if key in self._entries)
        self._arrange()
        self.selection_changed.emit()

    def _with_facts(self, entry: Entry, before: Entry | None) -> Entry:
        if before is None or before.info.content != entry.info.content:
            self._asked.discard(entry.key)
            return entry
        return replace(entry, facts=before.facts, problem=entry.problem or before.problem)

    def _take_facts(self, result: FactsResult) -> None:
        entry = self._entries.get(result.key)
        if entry is None:
            return
        self._entries[result.key] = replace(entry, facts=result.facts, problem=entry.problem or result.problem)
        self._arrange(quiet=True)
        self.entry_changed.emit(result.key)
        if result.key in self.selection:
            self.selection_changed.emit()

    def _arrange(self, *, quiet: bool = False) -> None:
        before = [entry.key for entry in self.shown]
        self.shown = sort_entries((e for e in self._entries.values() if self.filter.lets(e)), self.order)
        if not quiet or before != [entry.key for entry in self.shown]:
            self.changed.emit()

    # what is chosen

    def set_filter(self, wanted: Filter) -> None:
        if wanted != self.filter:
            self.filter = wanted
            self._arrange()

    def toggle(self, group: str, value: str) -> None:
        self.set_filter(self.filter.toggled(group, value))

    def clear_filter(self) -> None:
        self.set_filter(Filter())

    def set_order(self, order: str) -> None:
        self.order = order
        self._arrange()

    def select(self, keys: list[str]) -> None:
        kept = tuple(key for key in keys if key in self._entries)
        if kept != self.selection:
            self.selection = kept
            self.cancel_delete()
            self.selection_changed.emit()

    # what can be done

    def replay(self, key: str = "") -> None:
        """Open the chosen (or the named) episode in Replay."""
        path = key or (self.selection[0] if self.selection else "")
        if path:
            self._studio.navigate("replay", episode=path)

    def compare(self) -> None:
        """Open the first chosen episode in Replay with the second one's curves behind its own."""
        if len(self.selection) >= 2:
            self._studio.navigate("replay", episode=self.selection[0], compare=self.selection[1])

    def export(self) -> None:
        """The selection as tables for other programs, by a job."""
        self._studio.jobs.export([entry.path for entry in self.selected])

    def set_outcome(self, outcome: str) -> None:
        """Success or failure onto the selection; the same again takes it away."""
        same = all(e.marks.outcome == outcome for e in self.selected)
        wanted: Any = "" if same else outcome
        self._write(lambda journal: journal.set_outcome(wanted))

    def leave_out(self) -> None:
        """Leave the selection out of training, or take it in again when all of it is out."""
        out = all(e.marks.left_out for e in self.selected)
        self._write(lambda journal: journal.set_left_out(not out))

    def undo(self) -> None:
        self._step(self._done, self._undone, "undo")

    def redo(self) -> None:
        self._step(self._undone, self._done, "redo")

    def _write(self, change: Callable[[Journal], Any]) -> None:
        folders = [entry.path for entry in self.selected]
        if self._each(folders, change):
            self._done.append(folders)
            self._undone.clear()

    def _step(self, source: list[Deletion | list[Path]], target: list[Deletion | list[Path]], what: str) -> None:
        if not source:
            return
        action = source.pop()
        target.append(action)
        if isinstance(action, Deletion):
            try:
                action.undo() if what == "undo" else action.redo()
            except StudioError as error:
                self._studio.notices.error(error)
            self.refresh()
        else:
            self._each(action, lambda journal: getattr(journal, what)())

    def _each(self, folders: list[Path], change: Callable[[Journal], Any]) -> bool:
        """Write to the journals beside the window: every edit is flushed to the disk, which may take its time."""
        if folders:
            self._loader.ask("edited", edit_journals, folders, change)
        return bool(folders)

    def _take_marks(self, result: EditResult) -> None:
        for key, marks in result.marks.items():
            if key in self._entries:
                self._entries[key] = replace(self._entries[key], marks=marks)
        if result.error is not None:
            self._studio.notices.error(result.error)
        self._arrange()
        self.selection_changed.emit()

    def ask_delete(self) -> None:
        """Ask first: what would go, and how many minutes that is."""
        self.delete_asked = tuple(self.selected)
        if self.delete_asked:
            self.asking.emit()

    @property
    def delete_question(self) -> str:
        number, seconds = len(self.delete_asked), sum(e.duration_s for e in self.delete_asked)
        what = self.delete_asked[0].title if number == 1 else f"{number} episodes"
        return f"Delete {what}, {minutes_text(seconds)} of play? It moves to the project's trash."

    def cancel_delete(self) -> None:
        if self.delete_asked:
            self.delete_asked = ()
            self.asking.emit()

    def delete(self) -> None:
        """Move what was asked for into the project's trash."""
        moved: list[Trashed] = []
        for entry in self.delete_asked:
            try:
                moved.append(
                    move_to_trash(Dataset(entry.path.parent.parent), f"{entry.path.parent.name}/{entry.path.name}")
                )
            except StudioError as error:
                self._studio.notices.error(error)
                continue
            self._entries.pop(entry.key, None)
        if moved:
            self._done.append(Deletion(moved))
            self._undone.clear()
            seconds = sum(e.duration_s for e in self.delete_asked)
            self._studio.notices.add(
                "info", f"{minutes_text(seconds)} of play moved to the project's trash. Ctrl+Z brings it back."
            )
        self.delete_asked, self.selection = (), ()
        self.refresh()
        self._arrange()
        self.asking.emit()
        self.selection_changed.emit()

    def import_folder(self, source: Path) -> None:
        """Start a job that makes a dataset of a folder of foreign data."""
        target = self._studio.project.folder("datasets") / source.name
        if target.exists():
            self._studio.notices.add(
                "warn", f"The project already has a dataset {source.name!r}. Rename the folder to import it again."
            )
            return
        spec = {"title": f"Import {source.name}", "source": str(source), "out": str(target)}
        try:
            self._studio.jobs.start("import", spec)
        except StudioError as error:
            self._studio.notices.add("fault", str(error), detail=error.detail)

    def _on_ended(self, view: RunView) -> None:
        """An import came to its end: say what came of it and look for its episodes."""
        if view.kind == "import":
            level = "info" if view.state == "done" else ("warn" if view.state == "cancelled" else "fault")
            self._studio.notices.add(level, f"{view.title}: {view.message}", detail=view.detail)
            self.refresh()

    def close(self) -> None:
        self._loader.close()


def make_model(studio: StudioApi) -> LibraryModel:
    model = LibraryModel(studio)
    need = _blocked_without_selection(model)
    commands = studio.commands
    commands.bind("library.replay", model.replay, blocked=need)
    commands.bind("library.success", lambda: model.set_outcome("success"), blocked=need)
    commands.bind("library.failure", lambda: model.set_outcome("failure"), blocked=need)
    commands.bind("library.leave_out", model.leave_out, blocked=need)
    commands.bind("library.delete", model.ask_delete, blocked=need)
    commands.bind("library.clear_filter", model.clear_filter)
    commands.bind("library.compare", model.compare, blocked=lambda: need() or _blocked_compare(model))
    commands.bind("library.export", model.export, blocked=lambda: need() or _blocked_export(model))
    return model


def _blocked_without_selection(model: LibraryModel) -> Callable[[], str]:
    return lambda: "" if model.selection else "choose an episode first"


def _blocked_compare(model: LibraryModel) -> str:
    return "" if len(model.selection) == 2 else "choose two episodes"


def _blocked_export(model: LibraryModel) -> str:
    return "" if len({entry.dataset for entry in model.selected}) == 1 else "choose episodes of one dataset"
