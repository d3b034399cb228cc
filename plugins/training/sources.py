"""What there is to learn from, and where it will run; counted beside the window. No Qt."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import StudioError
from studio.data.annotations import Journal
from studio.data.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset in numbers; left-out episodes are not counted in episodes, seconds and ticks."""

    path: Path
    episodes: int = 0
    seconds: float = 0.0
    ticks: int = 0
    left_out: int = 0
    labels: int = 0
    authors: int = 0
    first_unix_s: float = 0.0
    last_unix_s: float = 0.0
    labels_unix_s: float = 0.0

    @property
    def name(self) -> str:
        return self.path.name


def read_source(path: Path) -> Source:
    """Count a dataset; one that cannot be read counts nothing."""
    try:
        infos = Dataset(path).episodes()
    except StudioError:
        return Source(path=path)
    seconds, ticks, left_out, labels, episodes = 0.0, 0, 0, 0, 0
    authors: set[str] = set()
    times: list[float] = []
    labels_s = 0.0
    for info in infos:
        try:
            journal = Journal(info.path)
        except (StudioError, OSError):
            journal = None
        if journal is not None:
            labels += len(journal.labels)
            authors |= {item.author for item in journal.labels if item.author}
            labels_s = max([labels_s, *(item.unix_s for item in journal.items)])
            if journal.left_out:
                left_out += 1
                continue
        episodes += 1
        seconds += info.duration_s
        ticks += max((stream.records for stream in info.streams.values()), default=0)
        times.append((info.path / "episode.json").stat().st_mtime)
    return Source(
        path=path, episodes=episodes, seconds=seconds, ticks=ticks, left_out=left_out, labels=labels,
        authors=len(authors), first_unix_s=min(times, default=0.0), last_unix_s=max(times, default=0.0),
        labels_unix_s=labels_s,
    )  # fmt: skip


def read_sources(paths: list[Path]) -> list[Source]:
    """All datasets with at least one episode, most play first."""
    found = [source for source in map(read_source, paths) if source.episodes or source.left_out]
    return sorted(found, key=lambda source: -source.seconds)


def cores() -> int:
    return len(os.sched_getaffinity(0))


def memory_text() -> str:
    """`1.4 of 8 GB`, empty where it cannot be read."""
    try:
        rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(rows[key].split()[0]) / 1e6 for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return ""
    return f"{total - free:.1f} of {total:.0f} GB"


def day_text(unix_s: float) -> str:
    """`today`, `yesterday` or `18 Nov`."""
    days = (time.mktime(time.strptime(time.strftime("%Y-%m-%d"), "%Y-%m-%d")) - unix_s) / 86400
    if days <= 0:
        return "today"
    return "yesterday" if days <= 1 else time.strftime("%-d %b", time.localtime(unix_s))
