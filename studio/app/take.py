"""The take: one recording from Record to Stop, its folder, its clock and its marks. No Qt."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.errors import StudioError
from studio.ipc.messages import Message

if TYPE_CHECKING:
    from studio.app.session import Session


class Take:
    """Talks to the recorder and keeps `state.recording` true."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._state = session.state.recording
        self._folder: Path | None = None
        self._session_folder: Path | None = None
        self._began_s = 0.0
        self._discarded: set[str] = set()

    def start(self) -> None:
        """Begin an episode in the project's dataset."""
        if self._state.on or not self._session.alive("recorder"):
            if not self._state.on:
                self._session.send("recorder", Message(name="start"))  # says that it is not running
            return
        try:
            self._folder = self._new_episode()
        except (StudioError, OSError) as error:
            self._session.notices.add("fault", f"Nothing is recorded: {error}")
            return
        config = {"robot": self._session.robot.name, "task": self._session.task.name}
        self._session.send("recorder", Message(name="start", values={"folder": str(self._folder), "config": config}))
        self._began_s = time.monotonic()
        self._state.seconds = 0.0
        self._state.episode = self._state.episodes_closed + 1
        self._state.on = True

    def stop(self) -> None:
        if self._state.on:
            self._state.on = False
            self._session.send("recorder", Message(name="stop"))

    def discard(self) -> None:
        if self._folder and self._state.on:
            self._discarded.add(str(self._folder))
        self.stop()

    def mark(self, label: str = "") -> None:
        if self._state.on:
            self._session.send("recorder", Message(name="mark", values={"label": label} if label else {}))

    def tick(self) -> None:
        if self._state.on:
            self._state.seconds = float(int(10 * (time.monotonic() - self._began_s))) / 10

    def on_message(self, name: str, message: Message) -> None:
        if name != "recorder":
            return
        if message.name == "episode":
            self._episode_closed(message.values)
        elif message.name == "ended" and self._state.on:
            self._state.on = False

    def _episode_closed(self, values: dict[str, Any]) -> None:
        path = str(values.get("path", values.get("folder", self._folder or "")))
        if path in self._discarded:
            self._discarded.discard(path)
            self._session.project.trash(Path(path))
            self._session.notices.info("Take dropped. It lies in the project's trash.")
            return
        self._state.on = False
        self._state.episodes_closed += 1
        self._state.last_path, self._state.verdict = path, str(values.get("verdict", ""))

    def _new_episode(self) -> Path:
        from studio.data.dataset import Dataset

        dataset = Dataset(self._session.project.dataset_path)
        if self._session_folder is None:
            self._session_folder = dataset.new_session()
        return dataset.new_episode(self._session_folder)
