"""The library over a real dataset: model, cards, filters, marks, deletion, with real clicks and keys."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

from studio.app.api import StudioApi
from studio.app.host import PluginHost
from studio.app.theme import apply_theme
from studio.data.annotations import Journal
from studio.data.episode_info import load_episode_info, save_episode_info
from studio.evaluation.keeper import make_episode_dataset
from studio.jobs.queue import wait_for
from tests.patience import PATIENCE_S
from tests.plugins.recording import write_dataset


def write_lerobot(root: Path) -> None:
    """A LeRobot v2.1 dataset without video: two episodes of 30 rows, 4-D."""
    features = {name: {"dtype": "float32", "shape": [4], "names": None} for name in ("observation.state", "action")}
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    info = {"codebase_version": "v2.1", "robot_type": "test", "fps": 30, "total_episodes": 2, "features": features,
            "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet", "video_path": None,
            "chunks_size": 1000, "total_frames": 60}  # fmt: skip
    (root / "meta").mkdir(parents=True)
    (root / "meta" / "info.json").write_text(json.dumps(info))
    (root / "data" / "chunk-000").mkdir(parents=True)
    for episode in range(2):
        rows = [[0.1 * i + k for k in range(4)] for i in range(30)]
        kind = pyarrow.list_(pyarrow.float32())
        table = pyarrow.table({"observation.state": pyarrow.array(rows, kind), "action": pyarrow.array(rows, kind),
                               "timestamp": pyarrow.array([i / 30 for i in range(30)], pyarrow.float32())})  # fmt: skip
        pyarrow.parquet.write_table(table, root / "data" / "chunk-000" / f"episode_{episode:06d}.parquet")


def settle(model, until, timeout_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end_s, "the library's thread did not finish"
        model.tick(time.monotonic())
        time.sleep(0.01)


@pytest.fixture
def library(host: PluginHost, studio: StudioApi):
    write_dataset(studio.project.dataset_path, 3, seconds=2.0, contacts_s=((0.5, 1.0),))
    model = host.load("library")
    assert host.plugins["library"].failure is None, host.plugins["library"].failure
    settle(model, lambda: len(model.entries) == 3 and all(e.facts for e in model.entries))
    return model


@pytest.fixture
def panel(library, host: PluginHost, qtbot):
    apply_theme(QApplication.instance())
    widget = host.make_panel("library")
    assert host.plugins["library"].failure is None, host.plugins["library"].failure
    qtbot.addWidget(widget)
    widget.resize(1366, 824)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def click(qtbot, widget) -> None:
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def click_card(qtbot, panel, row: int, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    place = panel.grid.visualRect(panel.grid.list.index(row)).center()
    qtbot.mouseClick(panel.grid.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def test_newest_first_with_numbers_from_the_recording(library) -> None:
    assert [e.number for e in library.shown] == [3, 2, 1]
    assert library.headline[0] == "3 episodes"
    assert library.shown[0].contact_share == pytest.approx(0.25, abs=0.02)
    assert library.shown[0].note == "contact 25 %"


def test_filter_by_outcome_and_contact_share(library) -> None:
    library.select([library.shown[0].key])
    library.set_outcome("success")
    settle(library, lambda: library.selected[0].marks.outcome)
    assert library.counts["outcomes"]["success"] == 1
    library.toggle("outcomes", "success")
    assert len(library.shown) == 1
    library.clear_filter()
    library.set_filter(replace(library.filter, contact=(0.5, 1.0)))
    assert library.shown == []


def test_leave_out_is_written_and_undone(library) -> None:
    keys = [e.key for e in library.shown[:2]]
    library.select(keys)
    library.leave_out()
    settle(library, lambda: library.counts["uses"]["left_out"] == 2)
    assert all(Journal(Path(key)).left_out for key in keys)
    assert library.counts["uses"] == {"used": 1, "left_out": 2}
    library.undo()
    settle(library, lambda: library.counts["uses"]["left_out"] == 0)
    assert not any(Journal(Path(key)).left_out for key in keys)
    library.redo()
    settle(library, lambda: library.counts["uses"]["left_out"] == 2)
    assert all(Journal(Path(key)).left_out for key in keys)


def test_delete_asks_with_the_minutes_and_moves_to_the_trash(library, studio: StudioApi) -> None:
    gone = library.shown[0]
    library.select([gone.key])
    library.ask_delete()
    assert "Delete Episode 3, 2 s of play?" in library.delete_question
    assert gone.path.exists()
    library.delete()
    assert not gone.path.exists() and len(library.entries) == 2
    assert len(list(studio.project.folder("trash").iterdir())) == 1
    library.undo()
    settle(library, lambda: len(library.entries) == 3)
    assert gone.path.exists()
    library.redo()
    settle(library, lambda: len(library.entries) == 2)
    assert not gone.path.exists()


def test_a_new_episode_appears_by_itself(library, studio: StudioApi) -> None:
    write_dataset(studio.project.dataset_path, 1, seconds=1.0, cameras=())
    library.refresh()
    settle(library, lambda: len(library.entries) == 4)


def test_a_broken_episode_stays_as_a_card(library) -> None:
    folder = library.shown[0].path
    (folder / "episode.json").write_text("{ cut")
    library.refresh()
    settle(library, lambda: any(e.problem for e in library.entries))
    broken = next(e for e in library.entries if e.path == folder)
    assert broken.quality == "poor" and "repair" in broken.note
    assert len(library.entries) == 3


def test_clicks_choose_cards_and_mark_them(panel, library, qtbot) -> None:
    click_card(qtbot, panel, 0)
    click_card(qtbot, panel, 1, Qt.KeyboardModifier.ControlModifier)
    assert len(library.selection) == 2
    assert panel.facts.title.text() == "2 selected"
    assert panel.facts.values["Contact"].value_label.text() == "25 %"
    click(qtbot, panel.facts.buttons["success"])
    settle(library, lambda: library.counts["outcomes"]["success"] == 2)
    assert all(e.marks.outcome == "success" for e in library.selected)
    assert panel.facts.buttons["success"].isChecked()
    assert panel.filters.rows[("outcomes", "success")].count.text() == "2"


def test_a_tick_filters_and_nothing_fits_says_so(panel, library, qtbot) -> None:
    click(qtbot, panel.filters.rows[("uses", "left_out")].box)
    assert library.shown == []
    assert panel.stack.currentWidget() is panel.empty and panel.empty_text.text() == "Nothing fits."
    click(qtbot, panel.empty_button)
    assert len(library.shown) == 3 and panel.stack.currentWidget() is panel.grid


def test_search_by_keyboard(panel, library, qtbot) -> None:
    panel.filters.search.setFocus()
    qtbot.keyClicks(panel.filters.search, "episode 2")
    assert [e.number for e in library.shown] == [2]


def test_dragging_a_handle_filters_by_contact(panel, library, qtbot) -> None:
    slider = panel.filters.range
    start = QPoint(round(slider.handle_x(0)), slider.height() // 2)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(slider, QPoint(slider.width() // 2, start.y()))
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() // 2, start.y()))
    assert library.filter.contact[0] == pytest.approx(0.5, abs=0.03) and library.filter.contact[1] == 1.0
    assert library.shown == []  # every episode has 25 % contact
    assert panel.filters.range_text.text().startswith("5") or panel.filters.range_text.text().startswith("4")


def test_deleting_by_hand_needs_two_presses(panel, library, qtbot) -> None:
    click_card(qtbot, panel, 0)
    click(qtbot, panel.facts.buttons["delete"])
    assert panel.facts.question.isVisible() and len(library.entries) == 3
    click(qtbot, panel.facts.delete_no)
    assert not panel.facts.question.isVisible()
    click(qtbot, panel.facts.buttons["delete"])
    click(qtbot, panel.facts.delete_yes)
    assert len(library.entries) == 2


def test_double_click_opens_replay(panel, studio: StudioApi, qtbot) -> None:
    asked = []
    studio.navigator = lambda screen, **arguments: asked.append((screen, arguments))
    place = panel.grid.visualRect(panel.grid.list.index(1)).center()
    qtbot.mouseClick(panel.grid.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    qtbot.mouseDClick(panel.grid.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    assert asked[0][0] == "replay" and asked[0][1]["episode"].endswith("episode_000002")


def test_the_table_shows_the_same_selection(panel, library, qtbot) -> None:
    click_card(qtbot, panel, 0)
    click(qtbot, panel.as_table)
    assert panel.stack.currentWidget() is panel.table
    assert {index.row() for index in panel.table.selectedIndexes()} == {0}
    row = panel.table.visualItemRect(panel.table.item(2, 0)).center()
    qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, row)
    assert [e.number for e in library.selected] == [1]


def test_without_play_the_way_to_some_is_shown(host: PluginHost, studio: StudioApi, qtbot) -> None:
    apply_theme(QApplication.instance())
    widget = host.make_panel("library")
    qtbot.addWidget(widget)
    model = host.load("library")
    settle(model, lambda: not model.loading)
    assert widget.empty_text.text() == "No play yet. Record a minute."


def test_an_import_is_a_job_and_its_episodes_appear(library, studio: StudioApi, tmp_path: Path) -> None:
    source = tmp_path / "foreign"
    write_lerobot(source)
    library.import_folder(source)
    run = studio.jobs.run(studio.state.runs.runs[0].id)
    status = wait_for(run, timeout_s=PATIENCE_S)
    assert status.state == "done", status
    studio.jobs.refresh()
    settle(library, lambda: len(library.entries) == 5)
    assert {e.dataset for e in library.entries} == {"play", "foreign"}
    settle(library, lambda: all(e.facts for e in library.entries))
    imported = next(e for e in library.entries if e.dataset == "foreign")
    assert imported.facts.spark_kind == "motion" and imported.note == ""
    assert any("2 episodes" in notice.text for notice in studio.notices.items)


def test_a_foreign_folder_is_refused_in_words(library, studio: StudioApi, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    library.import_folder(tmp_path / "holiday")
    assert wait_for(studio.jobs.run(studio.state.runs.runs[0].id), timeout_s=PATIENCE_S).state == "failed"
    studio.jobs.refresh()
    notice = studio.notices.items[0]
    assert notice.level == "fault" and "not a LeRobot dataset" in notice.text and "Traceback" not in notice.text
    assert not (studio.project.folder("datasets") / "holiday").exists()


def test_the_take_being_recorded_is_not_a_card_yet(library, studio: StudioApi) -> None:
    folder = library.shown[-1].path
    info = load_episode_info(folder)
    save_episode_info(replace(info, state="recording"))
    studio.state.recording.on = True
    library.refresh()
    settle(library, lambda: len(library.entries) == 2)
    studio.state.recording.on = False  # its recorder died: the card comes, and says what to do
    library.refresh()
    settle(library, lambda: len(library.entries) == 3)
    assert next(e for e in library.entries if e.path == folder).note == "not closed: repair it"


def test_episodes_of_an_evaluation_are_shown_and_replayed(host: PluginHost, studio: StudioApi, library) -> None:
    run = studio.project.folder("runs") / "20260101-120000-evaluate"
    write_dataset(
        make_episode_dataset(run, title="skills: row", robot="dual_arm_ak60", task="move_box"), 1, seconds=1.0
    )
    opened: list[dict] = []
    studio.navigate = lambda screen, **words: opened.append({"screen": screen, **words})  # type: ignore[method-assign]
    library.refresh()
    settle(library, lambda: len(library.entries) == 4)
    (tried,) = [entry for entry in library.entries if entry.dataset.startswith("Tried: skills: row")]
    library.replay(tried.key)
    assert opened == [{"screen": "replay", "episode": tried.key}]
    assert all(path.name != "episodes" for path in studio.project.datasets())  # nothing to train on
