"""Fixtures with a live window; import them in a conftest (`from tests.app.windows import studio_window`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, Qt, QTimer
from pytestqt.qtbot import QtBot

from studio.app.session import WORKERS
from studio.app.start import StudioOptions, open_studio
from studio.app.window import StudioWindow
from studio.core.records import PairState
from tests.patience import PATIENCE_S

QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
OpenWindow = Callable[..., StudioWindow]


def wait_until(qtbot: QtBot, condition: Callable[[], bool], timeout_s: float = PATIENCE_S, what: str = "") -> None:
    """Run the event loop until a condition holds; the failure says which and how long."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {timeout_s:g} s: {what or condition}"
        qtbot.wait(10)


@pytest.fixture
def open_window(qtbot: QtBot, tmp_path: Path) -> Iterator[OpenWindow]:
    """Opens windows on a project of their own: `open_window(workers=..., plugin_folders=..., watched=...)`."""
    opened: list[StudioWindow] = []

    def open_(**options: object) -> StudioWindow:
        usual: dict[str, object] = {
            "project": tmp_path / "box-play",
            "settings": tmp_path / "settings.json",
            "workers": (),
        }
        window = open_studio(StudioOptions(**{**usual, **options}))  # type: ignore[arg-type]
        opened.append(window)
        window.show()
        qtbot.waitExposed(window)
        window.activateWindow()
        return window

    yield open_
    for window in opened:
        window.close()
        window.deleteLater()
    qtbot.wait(10)


@pytest.fixture
def quiet_window(open_window: OpenWindow) -> StudioWindow:
    """The real window with every plugin and no worker: for looks and keys."""
    return open_window()


@pytest.fixture
def studio_window(open_window: OpenWindow, qtbot: QtBot) -> StudioWindow:
    """The real window on a real session (control, guard, recorder, camera), connected: the loop is running."""
    window = open_window(workers=WORKERS, watched=True)
    wait_until(qtbot, lambda: window.studio.state.link.connected, what="the control loop runs")
    stalls = QTimer(window)
    stalls.timeout.connect(lambda: _clear_stall(window))
    stalls.start(200)
    return window


def _clear_stall(window: StudioWindow) -> None:
    """A loop that the machine kept from running for long has faulted, and was right: clear it, as a person does."""
    link = window.studio.state.link
    if link.worst is PairState.FAULT and "stood still" in link.fault_text:
        window.studio.input.set_dead_man(False)
        window.studio.arms.clear_fault()
