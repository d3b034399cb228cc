"""Goals: pose fields, ranges, the library on disk, and the screen with real mouse events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from plugins.goals.pose import GoalPose, field_problem, pose_from_world, pose_problems
from studio.app.theme import apply_theme
from studio.core.errors import ConfigError, DataError
from studio.core.geometry import quaternion_to_matrix, up_face
from studio.core.observation import check_goal
from studio.core.records import make_object_pose_record
from studio.core.task import Goal, load_task
from studio.data.camera_stream import make_image_record
from studio.data.goal_file import KeptGoal, load_kept_goal, save_kept_goal
from studio.evaluation.goals import load_cases
from studio.ipc.ring import RingWriter
from tests.patience import PATIENCE_S
from tests.plugins.feed import Feed, connect, make_screen, run
from tests.plugins.recording import write_dataset
from tests.plugins.wire import Wire

TASK = load_task("move_box")


@pytest.fixture
def panel(feed: Feed, qtbot: QtBot, qapp: QApplication) -> Iterator[Any]:
    apply_theme(qapp, "dark")
    host, _, shown = make_screen(feed, "goals")
    qtbot.addWidget(shown)
    shown.resize(1364, 824)
    shown.show()
    connect(feed, shown)
    yield shown
    shown.close()
    host.close()


# ---- poses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", range(1, 7))
def test_face_up_is_the_face_that_is_up(face: int) -> None:
    pose = GoalPose(yaw=37.0).with_face(face, 50.0)
    assert int(up_face(pose.matrix())) == face - 1
    assert np.linalg.det(pose.matrix()) == pytest.approx(1.0)


def test_pose_survives_the_way_through_the_world() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        pose = GoalPose(
            x=float(rng.integers(-60, 100)), y=-80.0, z=50.0, yaw=float(rng.uniform(-179, 179)),
            pitch=float(rng.uniform(-30, 30)), roll=float(rng.uniform(-30, 30)), face=int(rng.integers(1, 7)),
        )  # fmt: skip
        back = pose_from_world(np.array(pose.position_m()), np.array(pose.orientation_xyzw()))
        np.testing.assert_allclose(back.matrix(), pose.matrix(), atol=2e-4)
        assert (back.x, back.y, back.z) == pytest.approx((pose.x, pose.y, pose.z), abs=0.05)


def test_yaw_turns_about_the_world_and_wraps() -> None:
    pose = GoalPose(yaw=170.0).moved(yaw=20.0)
    assert pose.yaw == pytest.approx(-170.0)
    turned = quaternion_to_matrix(np.array(GoalPose(yaw=90.0).orientation_xyzw()))
    np.testing.assert_allclose(turned @ [1, 0, 0], [0, 1, 0], atol=1e-9)


def test_a_value_outside_its_range_is_named_with_the_range() -> None:
    assert field_problem(TASK, "x", 640) == "x 640 mm: allowed −60 to 100"
    assert field_problem(TASK, "y", -121) == "y −121 mm: allowed −120 to 120"
    assert field_problem(TASK, "z", 20).startswith("z 20 mm: allowed 50")
    assert field_problem(TASK, "yaw", 38) == ""
    assert set(pose_problems(TASK, GoalPose(x=640, y=500))) == {"x", "y"}


def test_what_the_screen_allows_the_planner_takes() -> None:
    for pose in (GoalPose(x=-60, y=-120, z=50), GoalPose(x=100, y=120, z=300, face=2, yaw=180)):
        assert not pose_problems(TASK, pose)
        check_goal(TASK, Goal(position_m=pose.position_m(), orientation_xyzw=pose.orientation_xyzw()))


# ---- files --------------------------------------------------------------------------------------------------------


def test_kept_goal_comes_back_from_disk(tmp_path: Path) -> None:
    kept = KeptGoal(name='near "left"', position_m=(0.01, -0.02, 0.05), orientation_xyzw=(0.0, 0.0, 0.6, 0.8))
    path = save_kept_goal(tmp_path, kept.tried(reached=True).tried(reached=False))
    back = load_kept_goal(path)
    assert (back.name, back.attempts, back.reached) == ('near "left"', 2, 1)
    assert back.orientation_xyzw == pytest.approx(kept.orientation_xyzw)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", DataError, "position_m"),
        ("position_m = [1", ConfigError, "not valid TOML"),
        ('name="a"\nposition_m=[0,0]\norientation_xyzw=[0,0,0,1]', DataError, "3 numbers"),
        ('name="a"\nposition_m=[0,0,0]\norientation_xyzw=[0,0,0,2]', DataError, "length 2"),
        ('format_version=9\nname="a"', DataError, "format 9"),
        ('name="a"\nposition_m=[0,0,0]\norientation_xyzw=[0,0,0,1]\ncolour="red"', ConfigError, "colour"),
    ],
)
def test_a_bad_goal_file_is_said_in_words(tmp_path: Path, text: str, error: type[Exception], words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(error, match=words):
        load_kept_goal(path)


def test_a_bad_file_in_the_library_is_a_notice_not_an_end(panel: Any, feed: Feed) -> None:
    folder = feed.studio.project.folder("goals")
    (folder / "bad.toml").write_text("position_m = [1")
    panel.model.add_examples()
    assert len(panel.model.library) == 6
    assert any("not valid TOML" in notice.text for notice in feed.studio.notices.items)


# ---- the screen ---------------------------------------------------------------------------------------------------


def test_a_click_on_the_table_places_the_goal(panel: Any, feed: Feed) -> None:
    view, wanted = panel.view, np.array([0.02, 0.1, 0.0])
    QTest.mouseClick(view.canvas.surface, Qt.MouseButton.LeftButton, pos=view.to_pixel(wanted).toPoint())
    assert panel.model.pose.x == pytest.approx(20, abs=4) and panel.model.pose.y == pytest.approx(100, abs=4)
    assert panel.fields["y"].line.text() == f"{panel.model.pose.y:g}"
    assert panel.go.isEnabled()
    panel.model.undo()
    assert panel.model.pose.x == 60.0


def test_dragging_the_goal_is_one_undo(panel: Any) -> None:
    view, before = panel.view, panel.model.pose
    start = view.to_pixel(np.array(before.position_m())).toPoint()
    surface = view.canvas.surface
    QTest.mousePress(surface, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 6):
        QTest.mouseMove(surface, start + QPoint(-8 * step, -6 * step))
    QTest.mouseRelease(surface, Qt.MouseButton.LeftButton, pos=start + QPoint(-40, -30))
    after = panel.model.pose
    assert abs(after.x - before.x) + abs(after.y - before.y) > 20 and after.z == before.z
    panel.model.undo()
    assert panel.model.pose == before
    panel.model.redo()
    assert panel.model.pose == after


def test_typing_outside_marks_the_field_and_blocks(panel: Any, feed: Feed) -> None:
    line = panel.fields["x"].line
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "640")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert panel.model.pose.x == 640.0
    assert line.property("wrong") == "true"
    assert panel.checks[0].words.text() == "x 640 mm: allowed −60 to 100"
    assert not panel.go.isEnabled()
    assert feed.studio.commands.blocked("goals.go") == "x 640 mm: allowed −60 to 100"
    line.selectAll()
    QTest.keyClicks(line, "-20")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert panel.model.pose.x == -20.0 and line.property("wrong") == "false" and panel.go.isEnabled()


def test_words_in_a_number_field_change_nothing(panel: Any) -> None:
    line = panel.fields["y"].line
    line.setText("middle")
    line.editingFinished.emit()
    assert panel.model.pose.y == -80.0 and line.text() == "−80"


def test_keys_move_turn_and_tip(panel: Any, feed: Feed) -> None:
    run_command = feed.studio.commands.run
    run_command("goals.near")
    run_command("goals.right_fine")
    assert (panel.model.pose.x, panel.model.pose.y) == (65.0, -79.0)
    run_command("goals.turn_left")
    run_command("goals.higher")
    assert (panel.model.pose.yaw, panel.model.pose.z) == (5.0, 55.0)
    QTest.mouseClick(panel.faces[1], Qt.MouseButton.LeftButton)
    assert panel.model.pose.face == 2 and panel.model.pose.z == 50.0
    run_command("goals.box_here")
    assert panel.model.pose.x == pytest.approx(20.0) and panel.model.pose.yaw == pytest.approx(23.07, abs=0.1)


def test_library_keeps_chooses_and_drops(panel: Any, feed: Feed) -> None:
    assert panel.empty.isVisible()
    feed.studio.commands.run("goals.keep")
    assert [kept.name for kept in panel.model.library] == ["goal 1"] and not panel.empty.isVisible()
    kept_pose = panel.model.pose
    feed.studio.commands.run("goals.left")
    card = panel.grid.itemAt(0).widget()
    QTest.mouseClick(card, Qt.MouseButton.LeftButton, pos=QPoint(40, 40))
    assert panel.model.pose.x == pytest.approx(kept_pose.x) and panel.model.pose.y == pytest.approx(kept_pose.y)
    panel.model.drop(panel.model.library[0])
    assert not panel.model.library and any(feed.studio.project.folder("trash").iterdir())


def test_go_there_sets_the_goal_and_opens_deploy(panel: Any, feed: Feed) -> None:
    opened: list[tuple[str, dict[str, Any]]] = []
    feed.studio.navigator = lambda screen, **arguments: opened.append((screen, arguments))
    QTest.mouseClick(panel.go, Qt.MouseButton.LeftButton)
    goal = feed.studio.goal.goal
    assert goal is not None and goal.position_m == pytest.approx((0.06, -0.08, 0.05))
    assert opened == [("deploy", {"start": True})]
    panel.model.add_examples()
    feed.studio.commands.run("goals.go_all")
    assert opened[-1][0] == "deploy" and len(opened[-1][1]["goals"]) == 6


def wait_for(feed: Feed, panel: Any, reached: Callable[[], bool]) -> None:
    """Poll as the window does until the loader's thread has answered."""
    end_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < end_s, panel.model.desk.film_words()
        panel.model.poll(time.monotonic())
        run(feed, panel, 0.05)


def test_pictures_say_when_there_are_none(panel: Any, feed: Feed) -> None:
    panel.shown()
    wait_for(feed, panel, lambda: panel.checks[1].words.text() == "No play to compare with")
    assert panel.below.words.text() == "No episode with pictures yet. Record a minute."


def test_any_frame_of_any_episode_gives_a_goal(panel: Any, feed: Feed) -> None:
    write_dataset(feed.studio.project.dataset_path, 2, seconds=2.0)
    panel.shown()
    desk = panel.model.desk
    wait_for(feed, panel, lambda: desk.film is not None)
    assert [film.title for film in desk.films] == ["play 1 · episode 2", "play 1 · episode 1"]
    assert len(desk.film.pictures) == 6 and panel.below.episodes.count() == 2
    strip = panel.below.strip
    x = strip.width() // 2
    QTest.mousePress(strip, Qt.MouseButton.LeftButton, pos=QPoint(40, 40))
    QTest.mouseMove(strip, QPoint(x, 40))
    QTest.mouseRelease(strip, Qt.MouseButton.LeftButton, pos=QPoint(x, 40))
    frame = desk.frame
    assert frame == pytest.approx(len(desk.film.times_s) / 2, abs=2)
    assert panel.model.pose.x == pytest.approx(1000 * desk.film.positions_m[frame, 0], abs=0.1)
    wait_for(feed, panel, lambda: desk.frame_picture is not None)
    assert abs(int(desk.frame_picture[100, 10, 0]) - min(250, 20 + 5 * frame)) < 12  # that very frame
    panel.below.episodes.activated.emit(1)
    wait_for(feed, panel, lambda: desk.film is not None and desk.film.title.endswith("episode 1"))
    panel.model.undo()
    assert panel.model.pose.x != pytest.approx(1000 * desk.film.positions_m[frame, 0], abs=0.1)


def test_the_camera_gives_a_goal_from_the_tags_it_sees(panel: Any, feed: Feed, wire: Wire) -> None:
    wire.running.add("camera")
    run_command = feed.studio.commands.run
    kind = make_image_record("top", width_px=64, height_px=48, rate_hz=30.0)
    images = RingWriter(feed.session.ring_path(kind.name), kind)
    tags = RingWriter(feed.session.ring_path("object_pose.tags"), make_object_pose_record("tags", 30.0))
    try:
        picture = kind.empty()[0]
        picture["image"], picture["t_ns"] = 90, time.monotonic_ns()
        images.write(picture)
        run_command("goals.camera")  # the camera begins to look
        assert wire.sent_to("camera", "tags") == [{"on": True}]
        before = panel.model.pose
        wait_for(feed, panel, lambda: "pose from the simulator" in panel.below.words.text())
        run_command("goals.camera")
        assert panel.model.pose != before
        before = panel.model.pose
        pose = make_object_pose_record("tags", 30.0).empty()[0]
        pose["position_m"], pose["orientation_xyzw"] = (0.033, -0.044, 0.05), (0, 0, 0, 1)
        end_s = time.monotonic() + PATIENCE_S
        while panel.model.pose == before:
            assert time.monotonic() < end_s
            pose["t_ns"] = time.monotonic_ns()
            tags.write(pose)
            run(feed, panel, 0.05)
            run_command("goals.camera")
        assert (panel.model.pose.x, panel.model.pose.y) == (33.0, -44.0)
        panel.hidden()
        assert wire.sent_to("camera", "tags")[-1] == {"on": False}
    finally:
        images.close()
        tags.close()


def test_a_picture_file_gives_a_goal(panel: Any, feed: Feed, wire: Wire, tmp_path: Path) -> None:
    """Through the dialog of the screen; the camera's process reads the tags."""
    path, words = tmp_path / "box.png", panel.below.words
    image = QImage(64, 48, QImage.Format.Format_RGB888)
    image.fill(Qt.GlobalColor.darkGreen)
    assert image.save(str(path))
    panel.below.sources.chosen.emit("Picture file")
    assert panel.below.choose.isVisible() and words.text().startswith("Choose a PNG or JPEG picture")
    QTest.mouseClick(panel.below.choose, Qt.MouseButton.LeftButton)
    dialog = panel.window().findChild(QFileDialog)
    assert dialog is not None and not dialog.isModal()
    dialog.fileSelected.emit(str(path))
    dialog.close()
    assert wire.sent_to("camera", "read_picture") == [{}]  # not running: the session says so, with a button
    assert words.text().startswith("The camera is not running")
    wire.running.add("camera")
    feed.studio.commands.run("goals.picture")
    panel.window().findChildren(QFileDialog)[-1].fileSelected.emit(str(path))
    assert wire.sent_to("camera", "read_picture")[-1] == {"path": str(path)}
    before = panel.model.pose
    wire.say("camera", "picture_refused", path=str(path), text="box.png: no tag of the box is seen well enough.")
    assert words.text() == feed.studio.notices.items[0].text == "box.png: no tag of the box is seen well enough."
    assert panel.model.pose == before and panel.below.strip.pictures() == 0
    panel.model.desk.ask_file(path)
    answer = {"position_m": [0.02, 0.04, 0.05], "orientation_xyzw": [0.0, 0.0, 0.0, 1.0], "tags": 2, "error_px": 0.2}
    wire.say("camera", "picture_pose", path=str(tmp_path / "another.png"), **answer)
    assert panel.model.pose == before  # an answer to an older question
    wire.say("camera", "picture_pose", path=str(path), **answer)
    assert (panel.model.pose.x, panel.model.pose.y, panel.model.pose.yaw) == (20.0, 40.0, 0.0)
    assert words.text() == "box.png: the goal is where the box is in this picture, from 2 tags."
    assert panel.below.strip.pictures() == 1
    panel.model.undo()
    assert panel.model.pose == before
    for shown in panel.window().findChildren(QFileDialog):
        shown.close()


def test_libraries_are_kept_and_run_again(panel: Any, feed: Feed, wire: Wire) -> None:
    opened: list[dict[str, Any]] = []
    feed.studio.navigator = lambda screen, **arguments: opened.append(arguments)
    line = panel.libraries.lineEdit()
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "flat")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert panel.model.goals.name == "flat" and not panel.model.library
    feed.studio.commands.run("goals.keep")
    feed.studio.commands.run("goals.left")
    feed.studio.commands.run("goals.keep")
    assert [kept.library for kept in panel.model.library] == ["flat", "flat"]
    feed.studio.commands.run("goals.random")
    assert len(panel.model.library) == 20 and panel.model.goals.name == "random 1"
    task = feed.studio.task
    for kept in panel.model.library:
        check_goal(task, Goal(position_m=kept.position_m, orientation_xyzw=kept.orientation_xyzw))
    panel.libraries.setCurrentText("flat")
    panel.libraries.textActivated.emit("flat")
    assert panel.library_note.text() == "2 goals" and panel.go_all.text() == "Run all 2 goals"
    feed.studio.commands.run("goals.go_all")
    assert opened[-1]["goals"] == ["goal 1", "goal 2"]
    file = feed.studio.project.folder("goals") / "libraries" / "flat.toml"
    cases = load_cases(task, file, 1)
    assert [case.goal.name for case in cases] == ["goal 1", "goal 2"]
    panel.shown()  # read again from disk
    assert panel.model.goals.names == ["flat", "random 1"]


def test_arrows_go_where_the_view_shows_them(panel: Any, feed: Feed) -> None:
    run_command = feed.studio.commands.run
    before = panel.model.pose
    panel.set_view(0)  # from behind the robot: right is −y, away is +x
    run(feed, panel, 0.2)
    run_command("goals.right")
    run_command("goals.away")
    assert (panel.model.pose.x - before.x, panel.model.pose.y - before.y) == (5.0, -5.0)
