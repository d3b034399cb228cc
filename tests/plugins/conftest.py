"""A real studio door for plugin models: project, session folder and commands are real, no worker is started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.app.api import StudioApi
from studio.app.host import PluginHost
from studio.app.project import open_project
from studio.app.session import Session
from studio.app.settings import Settings
from studio.core.paths import plugins_dir
from studio.core.task import load_task
from studio.robot.description import load_robot
from tests.plugins.feed import Feed
from tests.plugins.wire import Wire


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StudioApi]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = open_project(tmp_path / "project")
    session = Session(load_robot(), load_task("move_box"), project)
    api = StudioApi(session, project, Settings(None))
    yield api
    api.close()
    session.close()


@pytest.fixture
def host(studio: StudioApi) -> Iterator[PluginHost]:
    """The plugin host over the studio's own plugins, closed at the end."""
    host = PluginHost([(plugins_dir(), "the plugins folder")], studio, entry_points=False)
    host.add_commands()
    yield host
    host.close()


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    """Streams written by hand."""
    made = Feed(tmp_path)
    yield made
    made.close()


@pytest.fixture
def wire(feed: Feed) -> Iterator[Wire]:
    """What is sent to workers."""
    made = Wire(feed)
    yield made
    made.close()
