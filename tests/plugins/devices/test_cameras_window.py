"""The Cameras tab in a real window with the real worker: the twin's board is found, worked out, placed and saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from plugins.devices.cameras import CamerasModel, make_progress, result_lines
from plugins.devices.panel_cameras import CamerasPanel
from studio.app.session import WORKERS
from studio.core.camera_calibration import cameras_dir, load_camera
from tests.app.windows import OpenWindow, wait_until

PLACES = tuple(place for place in WORKERS if place.name in ("calibrate", "commission"))


@pytest.fixture
def page(
    open_window: OpenWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[CamerasPanel, Any]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    window = open_window(workers=PLACES)
    window.navigate("devices", tab="Cameras")
    devices: Any = window.panel("devices")
    wait_until(qtbot, lambda: devices.cameras is not None, what="the page is there")
    return devices.cameras, window


def press(button: QPushButton) -> None:
    assert button.isEnabled() and button.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_twin_is_calibrated_and_saved(page: tuple[CamerasPanel, Any], qtbot: QtBot) -> None:
    panel, window = page
    model: CamerasModel = panel.model
    assert panel.heading.text() == "Not calibrated yet." and not panel.save.isEnabled() and not panel.place.isVisible()
    press(panel.start)
    wait_until(qtbot, lambda: panel.view.has_picture and len(model.progress.corners) > 0, what="corners on a picture")
    assert panel.start.text() == "Stop" and not panel.source.isEnabled()
    wait_until(qtbot, lambda: model.progress.phase == "placed", what="the twin is worked out and placed")
    assert model.progress.coverage > 0.4 and "Found now" in panel.heading.text()
    press(panel.save)
    wait_until(qtbot, lambda: bool(model.saved) and not model.running, what="saved")
    kept = load_camera(cameras_dir("rehearsals") / "top.toml")
    assert kept.placement is not None and str(cameras_dir("rehearsals") / "top.toml") == model.saved
    assert panel.heading.text().startswith("Kept, of 20")
    assert any("Twin" in name.text() for name, _ in panel.rows)
    window.navigate("devices", tab="Motors")
    wait_until(qtbot, lambda: not window.session.alive("calibrate"), what="the bench has gone with the page")


def test_work_out_too_early_says_why(page: tuple[CamerasPanel, Any], qtbot: QtBot) -> None:
    panel, _ = page
    press(panel.start)
    wait_until(qtbot, lambda: panel.model.progress.pictures > 0, what="a first picture")
    if panel.model.progress.phase == "taking" and panel.model.progress.pictures < 5:
        press(panel.solve)
        wait_until(qtbot, lambda: panel.model.progress.phase in ("refused", "placed"), what="an answer")
        assert panel.model.progress.phase == "placed" or "are needed" in panel.reason.text()
    press(panel.start)  # Stop
    wait_until(qtbot, lambda: not panel.model.running, what="stopped")


def test_words_of_results() -> None:
    assert make_progress({}).phase == "idle" and result_lines(None, None, {}) == []
    inside = {"matrix": [[258.0, 0, 160.0], [0, 258.2, 119.0], [0, 0, 1]], "error_px": 0.21}
    lines = dict(result_lines(inside, None, {"focal_share": 0.004, "table_m": 0.0012}))
    assert lines["Focal length"] == "258.0, 258.2 px" and lines["Twin’s table off by"] == "1.2 mm"
