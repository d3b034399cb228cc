"""The skills screen on a real session: sampled, chosen and done by keys, and what a person does after taking over."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.app.window import StudioWindow
from studio.core.records import Driver, PairState
from studio.core.task import load_task
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeReader
from studio.data.windows import load_windows
from tests.app.windows import wait_until
from tests.patience import PATIENCE_S
from tests.planning.random_model import save_random_bundle


def test_a_skill_is_sampled_chosen_and_done_by_keys(studio_window: StudioWindow, qtbot: QtBot) -> None:
    window, studio = studio_window, studio_window.studio
    save_random_bundle(studio.project.folder("bundles") / "random-skills")
    follower = studio.streams.follow("control")
    window.navigate("skills")
    wait_until(qtbot, lambda: "skills" in window.panels, what="the screen stands there")
    panel: Any = window.panels["skills"]
    model = panel.model
    wait_until(qtbot, lambda: len(model.skills) == 8, what="eight skills are there by themselves")
    first = [skill.controls for skill in model.skills]
    QTest.keyClick(window, Qt.Key.Key_S)
    wait_until(qtbot, lambda: not model.sampling and model.skills[0].controls != first[0], what="S samples others")
    QTest.keyClick(window, Qt.Key.Key_4)
    assert model.skill.number == 4 and panel.do.text() == "Do skill 4 once"
    studio.limits.choose(studio.bundles.bundle, 1.0)
    follower.read()
    _do(window, qtbot, model)
    records = follower.read()
    follower.close()
    driven = records[records["driver"] == int(Driver.SKILL)]
    moved_rad = np.abs(driven["follower_position_rad"][-1] - np.asarray(studio.robot.home_rad)).max()
    assert len(driven) > 100 and moved_rad > 0.01
    wait_until(qtbot, lambda: studio.state.link.worst is PairState.HOLDING, what="the arms hold after it")
    assert "done once" in panel.executed.text() and len(panel.plots["height_m"].area.actual) == 1


def _do(window: StudioWindow, qtbot: QtBot, model: Any) -> None:
    """Enter until one was done to its end: a busy machine may make the arms hold in between."""
    end_s = time.monotonic() + 2 * PATIENCE_S
    while not model.executions:
        assert time.monotonic() < end_s, [notice.text for notice in window.studio.notices.items[:6]]
        if model.doing is None:
            QTest.keyClick(window, Qt.Key.Key_Return)
        qtbot.wait(100)


def _deploy(window: StudioWindow, qtbot: QtBot, model: Any) -> None:
    """Enter until a plan came: it is refused while the loop still starts, and a busy machine may make the arms hold."""
    end_s = time.monotonic() + 2 * PATIENCE_S
    while model.attempt is None or model.attempt.started_s is None:
        assert time.monotonic() < end_s, [notice.text for notice in window.studio.notices.items[:6]]
        if not model.deployed and not window.studio.commands.blocked("deploy.deploy"):
            QTest.keyClick(window, Qt.Key.Key_Return)
        elif window.studio.state.link.worst is PairState.HOLDING and model.reason == "running":
            window.studio.arms.engage()
        qtbot.wait(300)


def test_what_is_done_after_taking_over_becomes_training_windows(studio_window: StudioWindow, qtbot: QtBot) -> None:
    window, studio = studio_window, studio_window.studio
    save_random_bundle(studio.project.folder("bundles") / "random-skills")
    studio.goal.set((0.06, 0.05, 0.05), (0.0, 0.0, 0.0, 1.0), "goal")
    window.navigate("deploy")
    wait_until(qtbot, lambda: "deploy" in window.panels, what="the screen stands there")
    model: Any = window.host.load("deploy")
    for name, value in (("samples", 32), ("stages", 4), ("passes", 1), ("hold_after_windows", 20)):
        model.set_setting(name, value)
    wait_until(qtbot, lambda: studio.workers.alive("recorder"), what="the recorder runs")
    _deploy(window, qtbot, model)
    wait_until(qtbot, lambda: not studio.commands.blocked("deploy.take_over"), what="the arms are on")
    QTest.keyClick(window, Qt.Key.Key_T)
    wait_until(qtbot, lambda: studio.state.screen == "teleop", what="Teleoperate is open")
    wait_until(qtbot, lambda: studio.state.recording.on, what="it is recorded by itself")
    _stay_engaged(window, qtbot, 3.0)
    studio.recording.stop()
    wait_until(qtbot, lambda: bool(studio.state.recording.last_path), what="the episode is closed")
    folder = Path(studio.state.recording.last_path)
    reader = EpisodeReader(folder)
    drivers = reader.read("control", ["driver"])["driver"]
    reader.close()
    assert (drivers == int(Driver.OPERATOR)).sum() > 200
    assert any(label.text == "take over" for label in Journal(folder).labels)
    windows = load_windows(Dataset(studio.project.dataset_path), load_task("move_box"), 100.0, 20)
    assert len(windows.train_starts) + len(windows.held_out_starts) > 20


def _stay_engaged(window: StudioWindow, qtbot: QtBot, seconds: float) -> None:
    """Engaged with the person driving for some seconds in all; E again when a busy machine made the arms hold."""
    studio = window.studio
    engaged_s, end_s = 0.0, time.monotonic() + 2 * PATIENCE_S
    while engaged_s < seconds:
        assert time.monotonic() < end_s, (studio.state.link.text, [n.text for n in studio.notices.items[:6]])
        before_s = time.monotonic()
        qtbot.wait(50)
        if studio.state.link.worst is PairState.ENGAGED and studio.state.link.driver is Driver.OPERATOR:
            engaged_s += time.monotonic() - before_s
        elif not studio.commands.blocked("teleop.engage"):
            studio.commands.run("teleop.engage")
            qtbot.wait(300)
