"""The window on a real session: processes, rings, slots. What dies is said in words; the arms do what they should."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.app.session import WORKERS
from studio.app.window import StudioWindow
from studio.core.records import PairState
from tests.app.windows import OpenWindow, wait_until

MOVING = (PairState.ENGAGED, PairState.ALIGNING)


def texts(window: StudioWindow) -> list[str]:
    return [notice.text for notice in window.studio.notices.items]


def kill(window: StudioWindow, name: str) -> None:
    os.kill(window.session.supervisor.pid(name), signal.SIGKILL)


def engage(window: StudioWindow, qtbot: QtBot) -> None:
    """Press Engage as a person would: again when the arms were still being let down."""
    window.studio.navigate("teleop")
    link, pressed_s = window.studio.state.link, [0.0]

    def engaged() -> bool:
        if not window.studio.commands.blocked("teleop.engage") and time.monotonic() - pressed_s[0] > 1.0:
            pressed_s[0] = time.monotonic()
            window.studio.arms.engage()
        return link.worst is PairState.ENGAGED

    wait_until(qtbot, engaged, what="engaged")


def test_the_status_bar_tells_the_truth(studio_window: StudioWindow, qtbot: QtBot) -> None:
    link = studio_window.studio.state.link
    wait_until(qtbot, lambda: link.workers_alive == 4 and link.rate_hz > 100, what="four workers and a rate")
    assert link.worst is PairState.DISABLED and link.disk_hours > 0
    text = studio_window.status.text
    assert text.startswith("Disabled | Loop ") and "Workers 4 of 4" in text and "Hz" in text


def test_engage_stop_and_engage_again(studio_window: StudioWindow, qtbot: QtBot) -> None:
    link = studio_window.studio.state.link
    engage(studio_window, qtbot)
    assert "Engaged" in studio_window.status.text
    QTest.mousePress(studio_window.stop, Qt.MouseButton.LeftButton)
    wait_until(qtbot, lambda: link.worst in (PairState.STOPPED, PairState.DISABLED), what="stopped")
    assert not studio_window.studio.input.dead_man
    engage(studio_window, qtbot)
    studio_window.navigate("library")
    wait_until(qtbot, lambda: link.worst is PairState.HOLDING, what="leaving the screen lets go")


def test_a_frozen_window_stops_the_arms(studio_window: StudioWindow, qtbot: QtBot) -> None:
    """No heartbeat for over a second: Stopped, by the control process alone."""
    engage(studio_window, qtbot)
    time.sleep(1.6)  # the window's thread is stuck
    wait_until(qtbot, lambda: studio_window.studio.state.link.worst is PairState.STOPPED, what="stopped by itself")


def test_a_take_is_recorded_into_the_project(studio_window: StudioWindow, qtbot: QtBot) -> None:
    from studio.data.dataset import Dataset

    studio, recording = studio_window.studio, studio_window.studio.state.recording
    engage(studio_window, qtbot)
    wait_until(qtbot, lambda: not studio.recording.blocked_start(), what="the recorder is there")
    studio.recording.start()
    wait_until(qtbot, lambda: recording.on and recording.seconds > 1.0, what="recording")
    assert "Recording 00:01" in studio_window.status.text or recording.clock >= "00:01"
    studio.recording.mark()
    qtbot.wait(300)
    studio.recording.stop()
    wait_until(qtbot, lambda: recording.episodes_closed == 1 and not recording.on, what="closed")
    episode = Dataset(studio.project.dataset_path).episodes()[0]
    assert str(episode.path) == recording.last_path
    assert episode.state == "closed" and episode.duration_s > 1.0
    assert episode.streams["control"].records > 200


def test_a_dropped_take_lies_in_the_trash(studio_window: StudioWindow, qtbot: QtBot) -> None:
    studio, recording = studio_window.studio, studio_window.studio.state.recording
    wait_until(qtbot, lambda: not studio.recording.blocked_start(), what="the recorder is there")
    studio.recording.start()
    wait_until(qtbot, lambda: recording.on and recording.seconds > 0.3, what="recording")
    studio.recording.discard()
    wait_until(qtbot, lambda: "Take dropped. It lies in the project's trash." in texts(studio_window), what="dropped")
    assert recording.episodes_closed == 0
    assert len(list(studio.project.folder("trash").glob("*/episode.json"))) == 1
    assert not list(studio.project.dataset_path.glob("*/*/episode.json"))


def test_a_dead_recorder_is_said_and_its_take_opens_again(studio_window: StudioWindow, qtbot: QtBot) -> None:
    from studio.data.episode import EpisodeReader

    studio, recording = studio_window.studio, studio_window.studio.state.recording
    wait_until(qtbot, lambda: not studio.recording.blocked_start(), what="the recorder is there")
    studio.recording.start()
    wait_until(qtbot, lambda: recording.on and recording.seconds > 2.0, what="recording")
    kill(studio_window, "recorder")
    sentence = "The recorder ended. Arms still work. What was recorded is kept. Start again."
    wait_until(qtbot, lambda: sentence in texts(studio_window), what=sentence)
    assert not recording.on and studio.state.link.connected
    wait_until(qtbot, lambda: any("repaired" in text for text in texts(studio_window)), what="the take is repaired")
    folder = next(studio.project.dataset_path.glob("*/episode_*"))
    reader = EpisodeReader(folder)
    assert reader.info.state == "repaired" and len(reader.read("control")) > 200
    reader.close()
    studio.commands.run("worker.start.recorder")
    wait_until(qtbot, lambda: not studio.recording.blocked_start(), what="it runs again")
    studio.recording.start()
    wait_until(qtbot, lambda: recording.on, what="and records")


def test_a_dead_control_process_is_said_and_started_again(studio_window: StudioWindow, qtbot: QtBot) -> None:
    link = studio_window.studio.state.link
    engage(studio_window, qtbot)
    kill(studio_window, "control")
    sentence = "The control loop ended. Motors are damped, then off. Start again."
    wait_until(qtbot, lambda: sentence in texts(studio_window), what=sentence)
    wait_until(qtbot, lambda: not link.connected and link.worst is PairState.DISABLED, what="shown as gone")
    assert studio_window.studio.commands.blocked("teleop.engage")
    notice = next(n for n in studio_window.studio.notices.items if n.text == sentence)
    assert notice.command == "worker.start.control" and "-9" in notice.detail
    studio_window.studio.commands.run(notice.command)
    wait_until(qtbot, lambda: link.connected, what="the loop runs again")
    engage(studio_window, qtbot)


def test_a_worker_that_cannot_start_is_said(open_window: OpenWindow, qtbot: QtBot) -> None:
    from dataclasses import replace

    broken = replace(WORKERS[3], module="studio.workers.nothing_here")
    window = open_window(workers=(broken,))
    wait_until(qtbot, lambda: any("The camera ended." in text for text in texts(window)), what="said")


def test_first_start_makes_the_project(open_window: OpenWindow, tmp_path: Path) -> None:
    window = open_window(project=tmp_path / "fresh" / "my-play")
    assert (tmp_path / "fresh" / "my-play" / "project.toml").exists()
    assert "Your project my-play was made." in texts(window)
    assert window.top.project.accessibleName() == "Project my-play"
