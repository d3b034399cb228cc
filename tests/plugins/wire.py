"""Worker processes of a planning screen, in words: what was sent to them; bundles as far as the window reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.app.api import Message
from studio.core.task import load_task
from tests.plugins.feed import Feed

TASK = load_task("move_box")


def write_bundle(
    folder: Path, *, robot: str = "dual_arm_ak60", actor: bool = False, priors: tuple[str, ...] = ()
) -> Path:
    """A bundle as far as the window reads it: its description and a file per part."""
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x")
    parts = {"model": {"file": "model.safetensors"}}
    for part in (*(("agent",) if actor else ()), *priors):
        (folder / f"{part}.safetensors").write_bytes(b"x")
        parts[part] = {"file": f"{part}.safetensors"}
    description = {
        "format_version": 1, "method": "haptic_play", "name": folder.name, "rate_hz": 100.0, "window": 20,
        "task": {**TASK.to_json(), "robot": robot}, "robot": robot, "streams": ["control", "object_pose.world"],
        "parts": parts, "prior": "flow",
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(description))
    return folder


class Wire:
    """Takes the place of the worker processes: keeps what is sent to them."""

    def __init__(self, feed: Feed) -> None:
        self.sent: list[tuple[str, Message]] = []
        self.running: set[str] = set()
        self._session: Any = feed.session
        session = self._session
        session.alive = lambda name: name in self.running
        session.send = lambda name, message: self.sent.append((name, message))
        session.start_worker = self._start

    def _start(self, name: str, **config: Any) -> None:
        self.running.add(name)
        self.sent.append((name, Message(name="started", values=config)))

    def names(self, worker: str) -> list[str]:
        return [message.name for name, message in self.sent if name == worker]

    def say(self, name: str, message: str, **values: Any) -> None:
        """As if a worker had said this."""
        self._session.message.emit(name, Message(name=message, values=values))

    def sent_to(self, worker: str, name: str) -> list[dict[str, Any]]:
        return [message.values for to, message in self.sent if to == worker and message.name == name]

    def close(self) -> None:
        for name in ("alive", "send", "start_worker"):
            self._session.__dict__.pop(name, None)
