"""Replay of a real recording: cursor, events, labels by key, journal, pictures by time, real mouse and keys."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from studio.app.api import StudioApi
from studio.app.host import PluginHost
from studio.app.theme import apply_theme
from studio.core.records import Field, RecordType, Role
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from studio.data.episode import EpisodeWriter
from tests.patience import PATIENCE_S
from tests.plugins.recording import FRAME_RATE_HZ, START_NS, frame_pixels, write_episode


def settle(model, until, timeout_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end_s, "the replay's threads did not finish"
        model.tick(time.monotonic())
        time.sleep(0.005)


@pytest.fixture
def folder(studio: StudioApi) -> Path:
    dataset = Dataset.create(studio.project.dataset_path)
    path = dataset.new_episode(dataset.new_session())
    write_episode(path, seconds=6.0, contacts_s=((1.0, 2.0), (3.5, 4.0)), marks_s=(2.5,))
    return path


@pytest.fixture
def model(host: PluginHost, folder: Path):
    model = host.load("replay")
    assert host.plugins["replay"].failure is None, host.plugins["replay"].failure
    model.open(folder)
    settle(model, lambda: model.take is not None)
    return model


@pytest.fixture
def panel(model, host: PluginHost, qtbot):
    apply_theme(QApplication.instance())
    widget = host.make_panel("replay")
    assert host.plugins["replay"].failure is None, host.plugins["replay"].failure
    qtbot.addWidget(widget)
    widget.resize(1366, 824)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def drag(qtbot, widget, start: QPointF, end: QPointF) -> None:
    qtbot.mousePress(widget, Qt.MouseButton.LeftButton, pos=start.toPoint())
    for share in (0.3, 0.7, 1.0):
        qtbot.mouseMove(widget, (start + (end - start) * share).toPoint())
    qtbot.mouseRelease(widget, Qt.MouseButton.LeftButton, pos=end.toPoint())


def test_the_take_is_arranged_in_lanes(model) -> None:
    assert model.duration_s == pytest.approx(6.0, abs=0.06)
    assert [lane.key for lane in model.lanes] == ["force", "torque"]
    left = model.lanes[0].curves[0]
    assert left.name == "left" and left.pyramid.value_at(1.5) == pytest.approx(6.0) and left.pyramid.value_at(0.5) == 0
    assert model.lanes[1].title == "Torque L2" and [c.dashed for c in model.lanes[1].curves] == [True, False]
    model.choose_lane("torque", 6)
    assert model.lanes[1].title == "Torque R3"


def test_events_one_after_the_other(model) -> None:
    assert model.events_s("contact") == pytest.approx([1.0, 3.5], abs=0.01)
    assert model.go_to("contact") and model.cursor_s == pytest.approx(1.0, abs=0.01)
    assert model.go_to("contact") and model.cursor_s == pytest.approx(3.5, abs=0.01)
    assert not model.go_to("contact")
    assert model.go_to("contact", -1) and model.cursor_s == pytest.approx(1.0, abs=0.01)
    assert model.go_to("mark") and model.cursor_s == pytest.approx(2.5, abs=0.01)


def test_playing_keeps_the_clock_at_every_speed(model) -> None:
    model.tick(100.0)
    model.toggle_play()
    for k in range(1, 61):
        model.tick(100.0 + k / 60)
    assert model.cursor_s == pytest.approx(1.0, abs=0.02)
    model.set_speed(4.0)
    for k in range(61, 91):
        model.tick(100.0 + k / 60)
    assert model.cursor_s == pytest.approx(3.0, abs=0.03)
    for k in range(91, 200):
        model.tick(100.0 + k / 60)
    assert not model.playing and model.cursor_s == pytest.approx(model.duration_s)


def test_looping_stays_in_the_span(model) -> None:
    model.set_span(1.0, 1.5)
    model.toggle_loop()
    model.seek(1.4)
    model.tick(10.0)
    model.toggle_play()
    seen = []
    for k in range(1, 61):
        model.tick(10.0 + k / 60)
        seen.append(model.cursor_s)
    assert min(seen) >= 0.99 and max(seen) <= 1.5 and model.playing
    assert sum(b < a for a, b in pairwise(seen)) == 2


def test_a_stalled_window_does_not_make_the_take_jump(model) -> None:
    model.tick(10.0)
    model.toggle_play()
    model.tick(13.0)
    assert model.cursor_s <= 0.51


def test_pictures_belong_to_the_cursor(model) -> None:
    arrived: list[np.ndarray] = []
    model.picture_arrived.connect(lambda _, picture, __: arrived.append(picture))
    for t_s in (0.0, 2.02, 0.52):
        arrived.clear()
        model.seek(t_s)
        settle(model, lambda: arrived and not model.decoding("top"))
        index = int(t_s * FRAME_RATE_HZ + 1e-6)
        assert abs(int(arrived[-1][100, 140, 0]) - int(frame_pixels(index)[100, 140, 0])) < 9


def test_frame_steps_follow_the_camera(model) -> None:
    model.seek(1.0)
    model.step_frame(1)
    assert model.cursor_s == pytest.approx(1.05, abs=1e-6)
    model.step_frame(-2)
    assert model.cursor_s == pytest.approx(0.95, abs=1e-6)


def test_a_label_key_starts_and_ends_and_is_kept(model, folder: Path) -> None:
    model.seek(1.0)
    model.press_label(2)
    assert model.open_label is not None and Journal(folder).labels == []
    model.seek(2.5)
    model.press_label(2)
    settle(model, lambda: len(model.notes.labels) == 1)
    label = Journal(folder).labels[0]
    assert (label.text, label.key) == ("Lift", 2)
    assert label.start_ns == START_NS + 1_000_000_000 and label.end_ns == START_NS + 2_500_000_000
    assert model.chosen is not None and model.chosen.id == label.id


def test_another_key_ends_the_one_and_starts_the_other(model) -> None:
    model.press_label(1)
    model.seek(1.0)
    model.press_label(3)
    settle(model, lambda: len(model.notes.labels) == 1)
    assert model.open_label is not None and model.open_label.key == 3
    model.seek(0.5)  # ended before its start: the edges are put in order
    model.press_label(3)
    settle(model, lambda: len(model.notes.labels) == 2)
    assert model.seconds(model.notes.labels[1].start_ns) == pytest.approx(0.5)


def test_edges_split_remove_undo_redo(model, folder: Path) -> None:
    model.press_label(4)
    model.seek(3.0)
    model.press_label(4)
    settle(model, lambda: len(model.notes.labels) == 1)
    model.seek(1.0)
    model.set_edge("start")
    settle(model, lambda: model.notes.labels[0].start_ns == START_NS + 1_000_000_000)
    model.seek(2.0)
    model.split_label()
    settle(model, lambda: len(model.notes.labels) == 2)
    model.remove()
    settle(model, lambda: len(model.notes.labels) == 1)
    model.undo()
    settle(model, lambda: len(model.notes.labels) == 2)
    model.redo()
    settle(model, lambda: len(model.notes.labels) == 1)
    assert len(Journal(folder).labels) == 1


def test_a_journal_that_cannot_be_read_is_said(model, folder: Path, studio: StudioApi) -> None:
    (folder / "annotations.jsonl").write_text('{"do": "nonsense"}\n')
    model.mark()
    settle(model, lambda: any("annotations.jsonl" in notice.text for notice in studio.notices.items))
    assert model.take is not None


def test_a_missing_episode_is_a_sentence(host: PluginHost, tmp_path: Path) -> None:
    model = host.load("replay")
    model.open(tmp_path / "nowhere")
    settle(model, lambda: not model.loading)
    assert model.take is None and "nowhere" in model.problem and "Traceback" not in model.problem


def test_make_goal_takes_the_box_under_the_cursor(model, studio: StudioApi) -> None:
    model.seek(5.0)
    assert studio.commands.blocked("replay.goal") == ""
    studio.commands.run("replay.goal")
    assert studio.goal.goal is not None
    assert studio.goal.goal.position_m[0] == pytest.approx(0.08 * 5 / 6, abs=1e-3)
    assert studio.goal.goal.orientation_xyzw[0] == pytest.approx(np.sqrt(0.5))


def test_dragging_on_the_lanes_scrubs(panel, model, qtbot) -> None:
    geometry = panel.lanes.geometry_now
    y = geometry.lane(0).center().y()
    drag(qtbot, panel.lanes, QPointF(geometry.x(1.0), y), QPointF(geometry.x(4.0), y))
    assert model.cursor_s == pytest.approx(4.0, abs=0.02)
    assert panel.transport.time.text().startswith("0:0")


def test_wheel_zooms_about_the_pointer(panel, model, qtbot) -> None:
    geometry = panel.lanes.geometry_now
    place = QPointF(geometry.x(2.0), geometry.lane(0).center().y())
    event = QWheelEvent(
        place, panel.lanes.mapToGlobal(place), QPoint(0, 0), QPoint(0, 240), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(panel.lanes, event)
    start, end = model.span_s
    assert end - start == pytest.approx(6.0 * 0.64, rel=0.02)
    assert panel.lanes.geometry_now.x(2.0) == pytest.approx(place.x(), abs=2)


def test_a_handle_is_dragged(panel, model, qtbot, folder: Path) -> None:
    model.seek(1.0)
    model.press_label(1)
    model.seek(2.0)
    model.press_label(1)
    settle(model, lambda: len(model.notes.labels) == 1)
    geometry = panel.lanes.geometry_now
    y = geometry.labels().center().y()
    drag(qtbot, panel.lanes, QPointF(geometry.x(2.0), y), QPointF(geometry.x(3.0), y))
    settle(model, lambda: model.notes.labels[0].end_ns > START_NS + 2_900_000_000)
    assert model.seconds(Journal(folder).labels[0].end_ns) == pytest.approx(3.0, abs=0.02)


def test_play_button_and_label_key_by_mouse(panel, model, qtbot) -> None:
    qtbot.mouseClick(panel.transport.play, Qt.MouseButton.LeftButton)
    assert model.playing and panel.transport.play.isChecked()
    qtbot.mouseClick(panel.transport.play, Qt.MouseButton.LeftButton)
    assert not model.playing
    qtbot.mouseClick(panel.side.keys[4], Qt.MouseButton.LeftButton, pos=QPoint(40, 14))
    assert model.open_label is not None and model.open_label.name == "Squeeze"


def test_robot_and_picture_are_both_drawn(panel, model, qtbot) -> None:
    model.seek(1.5)
    settle(model, lambda: panel.views.videos["top"].has_picture and not model.decoding("top"))
    panel.tick(time.monotonic())
    shown = panel.views.videos["top"].picture()
    assert shown.width() == 160 and abs(shown.pixelColor(140, 100).red() - int(frame_pixels(30)[100, 140, 0])) < 9
    if panel.views.robot_view.works:
        forces = panel.views.robot_view.layers.forces
        assert np.linalg.norm(forces[0][1]) == pytest.approx(6.0) and np.linalg.norm(forces[1][1]) == pytest.approx(3.0)


def test_imported_vectors_replay_without_arms(host: PluginHost, studio: StudioApi, qtbot, tmp_path: Path) -> None:
    """Any dataset replays: vectors become lanes, the 3-D view gives way."""
    stream = RecordType("imported", 30.0, (
        Field(name="observation_state", shape=(26,)), Field(name="action", shape=(26,), role=Role.ACTION),
    ))  # fmt: skip
    records = stream.empty(90)
    records["t_ns"] = np.arange(90) * 33_333_333
    records["observation_state"] = np.sin(np.arange(90)[:, None] / 10 + np.arange(26))
    records["action"] = records["observation_state"] + 0.1
    names = [f"joint {i}" for i in range(26)]
    config = {"names": {"observation_state": names}}
    writer = EpisodeWriter(tmp_path / "d" / "session_0001" / "episode_000001", [stream], config, clock="imported")
    writer.write("imported", records)
    writer.close()
    apply_theme(QApplication.instance())
    widget, model = host.make_panel("replay"), host.load("replay")
    qtbot.addWidget(widget)
    widget.resize(1366, 824)
    widget.show()
    model.open(tmp_path / "d" / "session_0001" / "episode_000001")
    settle(model, lambda: model.take is not None)
    assert [lane.key for lane in model.lanes] == ["all.observation_state", "all.action", "one"]
    assert model.lanes[2].title == "joint 0" and len(model.lanes[0].curves) == 26
    model.choose_lane("one", 3)
    assert model.lanes[2].curves[1].pyramid.value_at(1.0) == pytest.approx(
        model.lanes[2].curves[0].pyramid.value_at(1.0) + 0.1, abs=1e-5
    )
    assert not widget.views.isVisible() and studio.commands.blocked("replay.goal") == "this take has no box"


def test_a_new_label_takes_the_next_free_key(model) -> None:
    model.seek(1.0)
    model.press_label(1)
    model.seek(2.0)
    model.press_label(1)
    settle(model, lambda: model.notes.labels)
    assert model.free_key() == 2
    model.rename_label(2, "Twist")
    assert model.label_names[1] == "Twist" and model.free_key() == 3
    for key in range(3, 9):
        model.rename_label(key, f"word {key}")
    assert model.free_key() == 0
