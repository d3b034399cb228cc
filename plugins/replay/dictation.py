"""Hold V and speak: the microphone runs while the key is down, then the note lies at the cursor's time. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from plugins.replay import voice
from studio.app.api import Loader
from studio.core.errors import StudioError
from studio.data.annotations import Annotation


class Dictation:
    """One microphone, started and stopped in a thread, because opening a sound card takes a while.

    Args:
        keep: called with the samples [n] and the time of the take (ns) at which they were begun.
        failed: called with what is wrong.
        changed: called when listening begins or ends, or when sounds have been read.
    """

    def __init__(
        self,
        keep: Callable[[np.ndarray, int], None],
        failed: Callable[[StudioError], object],
        changed: Callable[[], object],
    ) -> None:
        self._keep, self._failed, self._changed = keep, failed, changed
        self._loader = Loader("replay-voice")
        self._microphone = voice.Microphone()
        self._t_ns = 0
        self.listening = False
        self.sounds: dict[Path, np.ndarray] = {}  # of the notes that are shown

    def press(self, t_ns: int) -> None:
        if not self.listening:
            self.listening, self._t_ns = True, t_ns
            self._loader.ask("start", _tried, self._microphone.start)
            self._changed()

    def release(self) -> None:
        if self.listening:
            self.listening = False
            self._loader.ask("stop", _tried, self._microphone.stop)
            self._changed()

    def play(self, path: Path) -> None:
        self._loader.ask("play", _tried, _play_file, path)

    def want(self, folder: Path, items: tuple[Annotation, ...]) -> None:
        """Read the sounds of these notes for their pictures."""
        for item in items:
            path = folder / item.text
            if voice.is_voice(item) and path not in self.sounds:
                self.sounds[path] = np.empty(0, np.int16)
                self._loader.ask(path, _tried, voice.load_note, path)

    def tick(self) -> None:
        for what, (value, error) in self._loader.poll():
            if isinstance(what, Path):
                self.sounds[what] = np.empty(0, np.int16) if value is None else value
            elif error is not None:
                self.listening = False
                self._failed(error)
            elif what == "stop" and len(value):
                self._keep(value, self._t_ns)
            self._changed()

    def close(self) -> None:
        if self.listening:
            self.release()
        self._loader.close()


def _play_file(path: Path) -> None:
    voice.play(voice.load_note(path))


def _tried(call: Callable[..., Any], *arguments: Any) -> tuple[Any, StudioError | None]:
    try:
        return call(*arguments), None
    except StudioError as error:
        return None, error
