"""Settings of the window (theme, last project, layouts, keys): one small JSON file, written at once. No Qt."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from psygnal import Signal

from studio.core.paths import user_data_dir

FORMAT_VERSION = 1


class Settings:
    """Values by dotted key. A broken file is put aside and said, never fatal.

    Args:
        path: the file; None keeps everything in memory.
    """

    changed = Signal(str)

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.problem = ""
        self._values: dict[str, Any] = self._read() if path else {}

    @staticmethod
    def default_path() -> Path:
        return user_data_dir() / "settings.json"

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Set and keep a JSON value; None forgets the key."""
        if self._values.get(key) == value:
            return
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        self._write()
        self.changed.emit(key)

    def _read(self) -> dict[str, Any]:
        assert self.path is not None
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return dict(data["values"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.problem = f"The settings {self.path} could not be read ({error}). The defaults are used."
            return {}

    def _write(self) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_name(self.path.name + ".new")
            text = json.dumps({"format_version": FORMAT_VERSION, "values": self._values}, indent=1)
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, self.path)
        except OSError as error:
            self.problem = (
                f"The settings {self.path} could not be written ({error.strerror}). They last until you quit."
            )
