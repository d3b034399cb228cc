"""Camera pictures of the open take, decoded beside the window; only the newest wish is decoded. No Qt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.app.api import Loader
from studio.core.errors import StudioError
from studio.data.episode import EpisodeReader


class Frames:
    """One thread that decodes. A picture that is no longer wanted when its turn comes is never decoded."""

    def __init__(self) -> None:
        self._loader = Loader("replay-frames")
        self._folder: Path | None = None
        self._reader: EpisodeReader | None = None  # touched by the thread only
        self._wanted: dict[str, int] = {}
        self._shown: dict[str, int] = {}
        self._running: set[str] = set()

    def open(self, folder: Path | None) -> None:
        """Decode from another episode from now on."""
        self._folder = folder
        self._wanted, self._shown = {}, {}
        self._running.clear()
        self._loader.forget()

    def want(self, camera: str, index: int) -> None:
        self._wanted[camera] = index

    def repeat(self) -> None:
        """Forget what was handed out, so that it is handed out again."""
        self._shown.clear()

    def waiting(self, camera: str) -> bool:
        """Whether the picture that is wanted is not there yet."""
        return camera in self._wanted and self._shown.get(camera) != self._wanted[camera]

    def poll(self) -> list[tuple[str, np.ndarray | None, str]]:
        """(camera, picture, problem) that arrived; then asks for what is wanted by now."""
        arrived = []
        for (folder, camera, index), (picture, problem) in self._loader.poll():
            if folder != self._folder:
                continue
            self._running.discard(camera)
            self._shown[camera] = index
            arrived.append((camera, picture, problem))
        for camera, index in self._wanted.items():
            if camera not in self._running and self._shown.get(camera) != index and self._folder is not None:
                self._running.add(camera)
                self._loader.ask((self._folder, camera, index), self._decode, self._folder, camera, index)
        return arrived

    def _decode(self, folder: Path, camera: str, index: int) -> tuple[np.ndarray | None, str]:
        try:
            if self._reader is None or self._reader.info.path != folder:
                self._close_reader()
                self._reader = EpisodeReader(folder)
            return self._reader.frame(camera, index), ""
        except StudioError as error:
            return None, str(error)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def close(self) -> None:
        self._loader.close()
        self._close_reader()
