"""The take: one recording from Record to Stop, its folders, its clock and its marks. No Qt.

Putting the box back, or the time after which a take is split, begins the next episode within the same take; the
recorder says `episode` for each that it closed.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.app.loader import Loader
from studio.core.errors import StudioError
from studio.ipc.messages import Message

if TYPE_CHECKING:
    from studio.app.session import Session

_ANSWER_S = 3.0  # the recorder has refused when it has not said `recording` by then


class Take:
    """Talks to the recorder and keeps `state.recording` true."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._state = session.state.recording
        self._folder: Path | None = None
        self._session_folder: Path | None = None
        self._began_s = 0.0
        self._asked_s: float | None = None
        self._split_s = 0.0
        self._dropping = False
        self._again = False
        self._dropped: list[Path] = []
        self._drops_closed = 0  # records lost in the episodes that are closed
        self._loader = Loader("recordings")
        self._loader.ask("mend", _mend, session.project.path)

    def start(self, split_s: float | None = None) -> None:
        """Begin an episode in the project's dataset; the recorder's `state` says when it runs.

        `split_s`: an episode as long as this is closed and the next begins; 0 never, None as last time.
        """
        self._split_s = self._split_s if split_s is None else split_s
        if self._state.on or self._asked_s is not None:
            return
        if not self._session.alive("recorder"):
            self._session.say_missing("recorder")
            return
        try:
            self._folder = self._new_episode()
        except (StudioError, OSError) as error:
            self._session.notices.add("fault", f"Nothing is recorded: {error}")
            return
        self._asked_s = time.monotonic()
        config = self._session.take_config()
        values = {"folder": str(self._folder), "config": config, "split_s": self._split_s}
        self._session.send("recorder", Message(name="start", values=values))
        if "camera" in self._session.places and not self._session.alive("camera"):
            self._session.notices.warn(
                "This take is recorded without pictures: the camera is not running, or the Cameras page has it. For "
                "pictures drop the take, leave that page or start the camera again, and record once more."
            )

    def stop(self) -> None:
        if self._state.on:
            self._session.send("recorder", Message(name="stop"))

    def discard(self, *, again: bool = False) -> None:
        """End the take and move what it recorded to the trash; `again` begins the next one after that."""
        if self._state.on:
            self._dropping, self._again = True, again
            self.stop()

    def mark(self, label: str = "", key: int = 0) -> None:
        """A mark at this moment, or with a text a label that a key begins and ends."""
        if not self._state.on:
            return
        t_ns = time.monotonic_ns()
        if label:
            values: dict[str, Any] = {"text": label, "key": key, "start_ns": t_ns, "end_ns": t_ns}
            self._session.send("recorder", Message(name="label", values=values))
        else:
            self._session.send("recorder", Message(name="mark", values={"t_ns": t_ns}))

    def tick(self) -> None:
        """The clock of the take, what was mended meanwhile, and a recorder that does not answer."""
        now_s = time.monotonic()
        if self._state.on:
            self._state.seconds = int(10 * (now_s - self._began_s)) / 10
        elif self._asked_s is not None and now_s - self._asked_s > _ANSWER_S:
            self._asked_s = None
        for _, sentence in self._loader.poll() if self._loader.busy else ():
            if sentence:
                self._session.notices.warn(sentence)

    def on_message(self, name: str, message: Message) -> None:
        if name != "recorder":
            return
        if message.name == "state":
            self._count_drops(int(message.values.get("dropped", 0)))
            self._show(bool(message.values.get("recording")))
        elif message.name == "episode":
            self._drops_closed += int(message.values.get("dropped", 0))
            self._count_drops(0)
            self._episode_closed(message.values)
        elif message.name == "ended":
            if self._state.on:
                self._loader.ask("mend", _mend, self._session.project.path)
            self._show(False)

    def close(self) -> None:
        self._loader.close()

    def _show(self, recording: bool) -> None:
        if recording and not self._state.on:
            self._asked_s, self._began_s = None, time.monotonic()
            self._state.seconds = 0.0
            self._state.episode = self._state.episodes_closed + 1
            self._state.on = True
        elif not recording:
            self._asked_s = None
            self._state.on = False
            if self._dropping:
                self._finish_drop()

    def _count_drops(self, running: int) -> None:
        self._session.state.link.drops = self._drops_closed + running

    def _episode_closed(self, values: dict[str, Any]) -> None:
        path = Path(str(values.get("folder", "")))
        if self._dropping:
            self._dropped.append(path)
            return
        self._state.episodes_closed += 1
        self._state.episode = self._state.episodes_closed + (1 if self._state.on else 0)
        self._state.last_path, self._state.verdict = str(path), str(values.get("verdict", ""))

    def _finish_drop(self) -> None:
        for path in self._dropped:
            self._session.project.trash(path)
        self._session.notices.info("Take dropped. It lies in the project's trash.")
        again, self._dropping, self._again = self._again, False, False
        self._dropped.clear()
        if again:
            self.start()

    def _new_episode(self) -> Path:
        from studio.data.dataset import Dataset

        dataset = Dataset.create(self._session.project.dataset_path)
        if self._session_folder is None or not self._session_folder.is_dir():
            self._session_folder = dataset.new_session()
        return dataset.new_episode(self._session_folder)


def _mend(project: Path) -> str:
    """Repair what a crash left in the project; a sentence when there was something, else nothing."""
    from studio.data.repair import repair_project

    try:
        reports = repair_project(project)
    except (StudioError, OSError) as error:
        return f"A recording could not be repaired: {error}"
    repaired = sum(len(report.repaired) for report in reports.values())
    lost_s = sum(report.lost_s for report in reports.values())
    takes = "1 recording ends" if repaired == 1 else f"{repaired} recordings end"
    return f"{takes} early: {lost_s:.1f} s lost, repaired." if repaired else ""
