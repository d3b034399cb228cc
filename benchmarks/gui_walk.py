"""One walk through the real window in a process of its own: `python -m benchmarks.gui_walk PROJECT OUT.json`.

Every turn of the event loop is noted with the situation in which it happened.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QApplication

from studio.app.start import StudioOptions, open_studio
from studio.app.watchdog import Turn
from studio.app.window import StudioWindow
from studio.core.records import PairState

_SCREENS = ("library", "replay", "training", "goals", "deploy", "teleop")
_PATIENCE_S = 60.0


class Walk:
    """Drives the window as a person would and keeps the turns by situation."""

    def __init__(self, window: StudioWindow) -> None:
        assert window.watchdog is not None
        self.window, self.studio, self._dog = window, window.studio, window.watchdog
        self.turns: dict[str, list[Turn]] = {}
        self._situation = ""
        self._dog.listener = self._note

    def _note(self, turn: Turn) -> None:
        if self._situation:
            self.turns.setdefault(self._situation, []).append(turn)

    def begin(self, situation: str) -> None:
        self._situation = ""
        self._dog.forget()
        self._situation = situation

    def rest(self, seconds: float) -> None:
        self.until(lambda: False, seconds)

    def until(self, reached: Callable[[], bool], patience_s: float = _PATIENCE_S) -> bool:
        end_s = time.monotonic() + patience_s
        while not reached() and time.monotonic() < end_s:
            QApplication.processEvents()
            time.sleep(0.001)
        return reached()

    def _built(self, screen: str) -> bool:
        return screen in self.window.panels

    def run(self) -> None:
        """All situations, each until it is over."""
        self.begin("start: from the visible window to the running loop")
        self.until(lambda: self.studio.state.link.connected and self._built(self.studio.state.screen))
        self.rest(2.0)
        for screen in _SCREENS:
            self.begin(f"first opening: {screen}")
            self.window.navigate(screen)
            self.until(lambda screen=screen: self._built(screen))
            self.rest(1.0)
        self.begin("opening again: every screen")
        for screen in _SCREENS:
            self.window.navigate(screen)
            self.rest(0.4)
        self._layers()
        self._play()
        self._review()
        self._death()

    def _layers(self) -> None:
        self.begin("palette and sheets")
        self.window.open_palette("goal")
        self.rest(0.4)
        self.window.palette_layer.close_palette()
        for name in self.window.sheets:
            self.window.toggle_sheet(name)
            self.rest(0.3)
            self.window.toggle_sheet(name)
        self.begin("change of theme")
        for _ in range(2):
            self.window.run_command("studio.light")
            self.rest(1.5)

    def _play(self) -> None:
        self.window.navigate("teleop")
        self.rest(0.5)
        self.begin("engage and hold a hand")
        self.until(self._engaged)
        self.rest(3.0)
        self.begin("start and stop recording")
        self.studio.recording.start()
        self.until(lambda: self.studio.state.recording.on, 15.0)
        self.rest(2.0)
        self.studio.recording.stop()
        self.until(lambda: not self.studio.state.recording.on, 15.0)
        self.rest(0.5)
        self.studio.arms.hold()

    def _engaged(self) -> bool:
        if self.studio.state.link.worst is PairState.ENGAGED:
            return True
        if not self.studio.commands.blocked("teleop.engage"):
            self.studio.arms.engage()
            self.rest(0.5)
        return False

    def _review(self) -> None:
        self.begin("library of many episodes")
        self.window.navigate("library")
        self.rest(4.0)
        longest = max(self.studio.project.dataset_path.glob("*/*/control.mcap"), key=lambda path: path.stat().st_size)
        self.begin("a long episode in replay")
        self.window.navigate("replay", episode=str(longest.parent))
        model: Any = self.window.host.load("replay")
        self.until(lambda: model.take is not None and not model.loading)
        self.rest(1.5)
        model.toggle_play()
        self.rest(2.0)
        model.toggle_play()

    def _death(self) -> None:
        session = self.window.session
        session.start_worker("recorder")  # does nothing while it runs
        self.until(lambda: not self.studio.recording.blocked_start(), 20.0)
        self.begin("a worker is killed")
        os.kill(session.supervisor.pid("recorder"), signal.SIGKILL)
        self.rest(2.0)


def main(project: Path, out: Path) -> None:
    window = open_studio(StudioOptions(project=project, settings=project / "settings.json", watched=True))
    window.show()
    walk = Walk(window)
    try:
        walk.run()
    finally:
        window.close()
    rows = {
        name: [(1e3 * turn.worked_s, 1e3 * turn.wall_s, 1e3 * turn.busy_s, turn.where) for turn in turns]
        for name, turns in walk.turns.items()
    }
    out.write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
