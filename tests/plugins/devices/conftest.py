"""The devices screen in a window of its own, with the bench as its only worker, and files that are its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.app.session import WORKERS
from tests.app.windows import OpenWindow, open_window
from tests.plugins.devices.bench_window import Person

__all__ = ["open_window", "person"]
BENCH = tuple(place for place in WORKERS if place.name == "commission")


@pytest.fixture
def person(open_window: OpenWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Person(open_window(workers=BENCH), qtbot)
