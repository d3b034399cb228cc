"""What people say about an episode: an append-only journal, so that nothing is ever lost and everything undoes.

`annotations.jsonl` holds one JSON object a line. An edit is `add`, `change` or `remove` of an item, or `set` of a fact
of the whole episode (`outcome`, `left_out`); `undo` and `redo` are lines too. What holds now is found by reading from
the top.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from studio.core.errors import ConfigError, DataError

FILE_NAME = "annotations.jsonl"
FORMAT_VERSION = 1
Kind = Literal["label", "mark", "note"]
Outcome = Literal["", "success", "failure"]
KINDS = ("label", "mark", "note")
OUTCOMES = ("", "success", "failure")


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A label (interval), mark (instant) or note.

    Args:
        end_ns: equals `start_ns` for a mark.
        key: number key of a label (1 to 8), 0 for none; gives its colour.
    """

    id: str
    kind: str
    text: str
    start_ns: int
    end_ns: int
    key: int = 0
    author: str = ""
    unix_s: float = 0.0


@dataclass(frozen=True)
class _Contents:
    items: dict[str, Annotation] = field(default_factory=dict[str, Annotation])
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


class Journal:
    """The journal of one episode's folder. Every edit is on the disk when the call returns.

    Raises:
        DataError: a line that is not a journal entry (an unfinished last line is dropped: its writer died).
    """

    def __init__(self, folder: Path, *, author: str | None = None) -> None:
        self.path = folder / FILE_NAME
        self.author = author if author is not None else _user_name()
        self._done: list[dict[str, Any]] = []
        self._undone: list[dict[str, Any]] = []
        self._bytes = 0
        self._contents = _Contents()
        self.reload()

    def reload(self) -> None:
        """Read the file again (another window may have written)."""
        try:
            raw = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}. Check its rights.") from error
        whole = raw[: raw.rfind(b"\n") + 1]
        self._done, self._undone, self._bytes = [], [], len(whole)
        for number, line in enumerate(whole.splitlines(), start=1):
            self._replay(_parse(line, self.path, number))
        self._refresh()

    @property
    def items(self) -> list[Annotation]:
        """Labels, marks and notes that hold now, by start time."""
        return sorted(self._contents.items.values(), key=lambda item: (item.start_ns, item.end_ns, item.id))

    @property
    def labels(self) -> list[Annotation]:
        return [item for item in self.items if item.kind == "label"]

    @property
    def outcome(self) -> str:
        """`success`, `failure` or empty."""
        return str(self._contents.facts.get("outcome", ""))

    @property
    def left_out(self) -> bool:
        """Not to be trained on."""
        return bool(self._contents.facts.get("left_out", False))

    @property
    def version(self) -> str:
        """Hash of what holds now; part of the training cache's key. Undoing gives the old one back."""
        facts = {key: value for key, value in self._contents.facts.items() if value not in ("", False)}
        state = [[item.kind, item.text, item.start_ns, item.end_ns, item.key] for item in self.items]
        return hashlib.sha256(json.dumps([facts, state], sort_keys=True).encode()).hexdigest()[:16]

    @property
    def history(self) -> list[dict[str, Any]]:
        """The edits that hold, oldest first."""
        return [dict(entry) for entry in self._done]

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    def add(self, kind: Kind, text: str, start_ns: int, end_ns: int | None = None, *, key: int = 0) -> Annotation:
        """Add a label, mark or note; returns it."""
        item = Annotation(
            id=uuid.uuid4().hex[:12],
            kind=kind,
            text=text,
            start_ns=start_ns,
            end_ns=start_ns if end_ns is None else end_ns,
            key=key,
            author=self.author,
            unix_s=time.time(),
        )
        _check(item)
        self._append({"do": "add", "item": _to_json(item)})
        return item

    def change(self, identity: str, **values: Any) -> Annotation:
        """Change `text`, `start_ns`, `end_ns` or `key` of an item."""
        unknown = set(values) - {"text", "start_ns", "end_ns", "key"}
        if unknown:
            raise ConfigError(
                f"An annotation has no {sorted(unknown)[0]!r} to change; allowed text, start_ns, end_ns, key."
            )
        item = replace(self._item(identity), **values)
        _check(item)
        self._append({"do": "change", "item": _to_json(item)})
        return item

    def remove(self, identity: str) -> None:
        self._append({"do": "remove", "id": self._item(identity).id})

    def set_outcome(self, outcome: Outcome) -> None:
        if outcome not in OUTCOMES:
            raise ConfigError(f"Outcome is {outcome!r}; allowed success, failure or empty.")
        self._append({"do": "set", "name": "outcome", "value": outcome})

    def set_left_out(self, left_out: bool) -> None:
        self._append({"do": "set", "name": "left_out", "value": bool(left_out)})

    def undo(self) -> bool:
        """Take the last edit back; False when there is none."""
        if self.can_undo:
            self._append({"do": "undo"})
            return True
        return False

    def redo(self) -> bool:
        if self.can_redo:
            self._append({"do": "redo"})
            return True
        return False

    def _item(self, identity: str) -> Annotation:
        item = self._contents.items.get(identity)
        if item is None:
            raise DataError(f"{self.path}: there is no annotation {identity!r}; it may have been removed. Reload.")
        return item

    def _append(self, entry: dict[str, Any]) -> None:
        entry = {"format_version": FORMAT_VERSION, **entry, "author": self.author, "unix_s": round(time.time(), 3)}
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        try:
            with self.path.open("ab") as file:
                file.truncate(max(self._bytes, _whole_bytes(self.path)))
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be written: {error.strerror}. The edit was not kept; free some space."
            ) from error
        self.reload()

    def _replay(self, entry: dict[str, Any]) -> None:
        if entry["do"] == "undo":
            if self._done:
                self._undone.append(self._done.pop())
        elif entry["do"] == "redo":
            if self._undone:
                self._done.append(self._undone.pop())
        else:
            self._done.append(entry)
            self._undone.clear()

    def _refresh(self) -> None:
        contents = _Contents()
        for entry in self._done:
            if entry["do"] == "set":
                contents.facts[entry["name"]] = entry["value"]
            elif entry["do"] == "remove":
                contents.items.pop(entry["id"], None)
            else:
                item = Annotation(**entry["item"])
                contents.items[item.id] = item
        self._contents = contents


def _whole_bytes(path: Path) -> int:
    """Up to the end of the last whole line."""
    raw = path.read_bytes()
    return raw.rfind(b"\n") + 1


def _parse(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(line)
        kind = entry["do"]
        needed = {"add": "item", "change": "item", "remove": "id", "set": "value"}.get(kind)
        if kind not in ("add", "change", "remove", "set", "undo", "redo") or (needed and needed not in entry):
            raise ValueError(f"unknown edit {kind!r}")
        if needed == "item":
            Annotation(**entry["item"])
        return entry
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}, line {number}: not a journal entry ({error}). Move the file away to start a new journal; "
            "the recording itself is untouched."
        ) from error


def _check(item: Annotation) -> None:
    if item.kind not in KINDS:
        raise ConfigError(f"Annotation kind is {item.kind!r}; allowed {', '.join(KINDS)}.")
    if item.end_ns < item.start_ns:
        raise ConfigError(
            f"Label {item.text!r} ends at {item.end_ns} ns, before its start at {item.start_ns} ns. Swap the two edges."
        )
    if not 0 <= item.key <= 8:
        raise ConfigError(f"Label key is {item.key}; allowed 0 (none) to 8.")


def _to_json(item: Annotation) -> dict[str, Any]:
    return dict(item.__dict__)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
