"""One episode as the library sees it, and the filters over many of them. No Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plugins.library.facts import Facts

QUALITIES = ("good", "fair", "poor")
OUTCOMES = ("success", "failure")
USES = ("used", "left_out")
NOT_LABELLED = ""
SORTS = ("Newest first", "Oldest first", "Longest first", "Most contact")


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What people said about an episode: its labels (name, key number), outcome and whether training uses it."""

    labels: tuple[tuple[str, int], ...] = ()
    outcome: str = ""
    left_out: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the labels, each once, in order of appearance."""
        return tuple(dict.fromkeys(name for name, _ in self.labels))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One card.

    Args:
        number: counts from 1 in the order of recording, over the whole dataset.
        facts: None while they are being computed.
        problem: what is wrong with the files, in words; empty when they opened.
    """

    path: Path
    dataset: str
    number: int
    info: Any
    marks: Marks = Marks()
    facts: Facts | None = None
    problem: str = ""

    @property
    def key(self) -> str:
        return str(self.path)

    @property
    def title(self) -> str:
        return f"Episode {self.number}"

    @property
    def duration_s(self) -> float:
        return float(self.info.duration_s)

    @property
    def quality(self) -> str:
        verdict = str(self.info.verdict or "good").lower()
        return "poor" if self.problem else (verdict if verdict in QUALITIES else "fair")

    @property
    def contact_share(self) -> float:
        return self.facts.contact_share if self.facts is not None else float("nan")

    @property
    def note(self) -> str:
        """The last line of a card: what is wrong, else how much contact there was."""
        if self.problem:
            return self.problem
        if self.quality != "good" and self.info.verdict_reason:
            return str(self.info.verdict_reason)
        if self.facts is None:
            return "reading"
        return f"contact {self.facts.contact_share:.0%}".replace("%", " %") if self.facts.has_contact else ""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What is shown. An empty group lets everything through; inside a group any match is enough."""

    datasets: frozenset[str] = frozenset()
    qualities: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    contact: tuple[float, float] = (0.0, 1.0)
    text: str = ""

    @property
    def is_clear(self) -> bool:
        return self == Filter()

    def toggled(self, group: str, value: str) -> Filter:
        """This filter with one tick set or taken away."""
        return replace(self, **{group: getattr(self, group) ^ {value}})

    def lets(self, entry: Entry) -> bool:
        labels = entry.marks.names or (NOT_LABELLED,)
        groups = (
            (self.datasets, (entry.dataset,)), (self.qualities, (entry.quality,)), (self.labels, labels),
            (self.outcomes, (entry.marks.outcome,)), (self.uses, (use_of(entry),)),
        )  # fmt: skip
        return (
            all(not wanted or wanted & set(has) for wanted, has in groups)
            and self._in_range(entry)
            and self._named(entry)
        )

    def _in_range(self, entry: Entry) -> bool:
        low, high = self.contact
        share = entry.contact_share
        return (low, high) == (0.0, 1.0) or low <= share <= high  # an unknown share fails a set range

    def _named(self, entry: Entry) -> bool:
        words = self.text.lower().split()
        hay = f"{entry.title} {entry.dataset} {entry.info.id} {' '.join(entry.marks.names)}".lower()
        return all(word in hay for word in words)


def use_of(entry: Entry) -> str:
    return "left_out" if entry.marks.left_out else "used"


def counts(entries: Iterable[Entry]) -> dict[str, Counter[str]]:
    """How many episodes carry each value of each filter group; labels count episodes, not labels."""
    found: dict[str, Counter[str]] = {
        group: Counter() for group in ("datasets", "qualities", "labels", "outcomes", "uses")
    }
    for entry in entries:
        found["datasets"][entry.dataset] += 1
        found["qualities"][entry.quality] += 1
        found["uses"][use_of(entry)] += 1
        found["labels"].update(set(entry.marks.names) or {NOT_LABELLED})
        if entry.marks.outcome:
            found["outcomes"][entry.marks.outcome] += 1
    return found


def sort_entries(entries: Iterable[Entry], order: str) -> list[Entry]:
    if order == "Longest first":
        return sorted(entries, key=lambda e: -e.duration_s)
    if order == "Most contact":
        return sorted(entries, key=lambda e: -e.contact_share if e.facts and e.facts.has_contact else 1.0)
    return sorted(entries, key=lambda e: (e.dataset, e.number), reverse=order == "Newest first")


def minutes_text(seconds: float) -> str:
    """`2:52 min`, or `12 s` below a minute."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} min" if whole >= 60 else f"{whole} s"
