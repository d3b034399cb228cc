"""Another take under the same cursor. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plugins.replay.take import Lane, Take, with_other
from studio.app.api import Loader
from studio.core.errors import StudioError

ReadTake = Callable[[Path], tuple[Take | None, StudioError | None]]


class Comparison:
    """Reads the other take in a thread and lends its curves.

    Args:
        read: a take of a folder, or what is wrong with it.
        changed: called when the other take has come or gone.
        failed: called with what is wrong.
    """

    def __init__(self, read: ReadTake, changed: Callable[[], object], failed: Callable[[StudioError], object]) -> None:
        self._read, self._changed, self._failed = read, changed, failed
        self._loader = Loader("replay-other")
        self._chosen: dict[str, int] = {}
        self.path: Path | None = None
        self.take: Take | None = None

    @property
    def title(self) -> str:
        """`Episode 3`, from the folder's number."""
        number = self.path.name.rpartition("_")[2].lstrip("0") if self.path is not None else ""
        return f"Episode {number}" if number.isdigit() else (self.path.name if self.path is not None else "")

    def open(self, path: Path) -> None:
        self.path, self.take = path, None
        self._loader.ask(path, self._read, path)
        self._changed()

    def end(self) -> None:
        if self.path is not None:
            self.path, self.take = None, None
            self._changed()

    def tick(self) -> None:
        for path, (take, error) in self._loader.poll():
            if path != self.path:
                continue
            if error is not None:
                self._failed(error)
                self.end()
            else:
                self.take = take
                self._changed()

    def choose(self, key: str, chosen: int) -> None:
        """The lane of the take shows another joint, so this one does too."""
        self._chosen[key] = chosen

    def merged(self, lanes: tuple[Lane, ...]) -> tuple[Lane, ...]:
        """The take's lanes with the other's curves behind them."""
        if self.take is None:
            return lanes
        fresh = {lane.key: lane for lane in self.take.lanes}
        for key, chosen in self._chosen.items():
            if key in self.take.choosers:
                fresh |= {lane.key: lane for lane in self.take.with_choice(key, chosen) if lane.key == key}
        number = self.title.rpartition(" ")[2]
        return with_other(lanes, tuple(fresh.values()), f"ep. {number}" if number.isdigit() else "other")

    def close(self) -> None:
        self._loader.close()


def neighbour(path: Path) -> Path | None:
    """The episode recorded before this one in its dataset, else the one after it."""
    folders = sorted(p.parent for p in path.parent.parent.glob("*/*/episode.json"))
    if path not in folders or len(folders) < 2:
        return None
    place = folders.index(path)
    return folders[place - 1] if place else folders[1]
