"""What people said about the take that is open: read from its journal and changed through it. No Qt.

Every change runs in the replay's thread, because each line of the journal is flushed to the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.errors import StudioError
from studio.data.annotations import Annotation, Journal

_VERBS = {"add": "added", "change": "changed", "remove": "removed"}


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the history."""

    text: str
    unix_s: float


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What holds now.

    Args:
        labels: intervals by start; marks: instants and notes by start.
        history: newest first.
    """

    labels: tuple[Annotation, ...] = ()
    marks: tuple[Annotation, ...] = ()
    outcome: str = ""
    left_out: bool = False
    history: tuple[Event, ...] = ()
    can_undo: bool = False
    can_redo: bool = False


@dataclass(frozen=True, kw_only=True)
class NotesResult:
    """Notes after a change; `identity` of the item that was added or changed, or the error that prevented it."""

    folder: Path
    notes: Notes
    identity: str = ""
    error: StudioError | None = None


def read_notes(folder: Path) -> Notes:
    """Notes of an episode."""
    return _notes(Journal(folder))


def edit_notes(folder: Path, change: Callable[[Journal], Any]) -> NotesResult:
    """Apply one change and read again. An error leaves the journal as it was."""
    try:
        journal = Journal(folder)
    except StudioError as error:
        return NotesResult(folder=folder, notes=Notes(), error=error)
    try:
        item = change(journal)
    except StudioError as error:
        return NotesResult(folder=folder, notes=_notes(journal), error=error)
    identity = item.id if isinstance(item, Annotation) else ""
    return NotesResult(folder=folder, notes=_notes(journal), identity=identity)


def _notes(journal: Journal) -> Notes:
    marks = [item for item in journal.items if item.kind != "label"]
    history = tuple(Event(text=_sentence(entry), unix_s=float(entry.get("unix_s", 0.0))) for entry in journal.history)
    return Notes(
        labels=tuple(journal.labels), marks=tuple(marks),
        outcome=journal.outcome, left_out=journal.left_out, history=history[::-1],
        can_undo=journal.can_undo, can_redo=journal.can_redo,
    )  # fmt: skip


def _sentence(entry: dict[str, Any]) -> str:
    kind = entry["do"]
    if kind == "set":
        value = entry["value"]
        if entry["name"] == "outcome":
            return f"Marked as {value}" if value else "Outcome taken back"
        return (
            ("Left out of training" if value else "Taken in again") if entry["name"] == "left_out" else "Note changed"
        )
    if kind == "remove":
        return "Removed"
    item = entry["item"]
    if item["kind"] == "note" and item["text"].endswith(".wav"):
        return f"Voice note {_VERBS[kind]}"
    name = item["text"] or item["kind"].capitalize()
    return f"{name} {_VERBS[kind]}"


def split(journal: Journal, item: Annotation, t_ns: int) -> Annotation:
    """Cut a label in two; gives the second half."""
    journal.change(item.id, end_ns=t_ns)
    return journal.add("label", item.text, t_ns, item.end_ns, key=item.key)
