"""The training screen with a real, very short training in its own process."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from plugins.training.words import time_left_text
from studio.app.api import RunView, StudioApi
from studio.app.host import PluginHost
from studio.app.theme import apply_theme
from studio.data.bundle_info import load_bundle_info
from studio.learning.skill_model import load_skill_model
from tests.patience import PATIENCE_S
from tests.plugins.recording import write_dataset

SHORT = {
    "stage_1.steps": "40", "stage_1.batch": "16", "single.steps": "4", "chains.steps": "4", "chains.batch": "8",
    "stage_2.steps": "10",
    "stage_2.batch": "16", "value.steps": "5", "threads": "1", "held_out_every_s": "0.5", "policy_hidden": "[16]",
    "posterior_hidden": "[16]", "dynamics_hidden": "[16]", "prior_hidden": "[16]", "flow_hidden": "16",
    "flow_context_hidden": "[8]",
}  # fmt: skip


def settle(model, studio: StudioApi, until, timeout_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end_s, (model.run, studio.notices.items[:3])
        studio.jobs.refresh()
        model.tick(time.monotonic())
        time.sleep(0.05)


def stop_all(studio: StudioApi) -> None:
    """No worker survives a test."""
    for view in studio.state.runs.active:
        pid = studio.jobs.run(view.id).status().pid
        if pid:
            os.kill(pid, signal.SIGKILL)
    end_s = time.monotonic() + PATIENCE_S
    while studio.state.runs.active and time.monotonic() < end_s:
        studio.jobs.refresh()
        time.sleep(0.05)


@pytest.fixture
def model(host: PluginHost, studio: StudioApi):
    write_dataset(studio.project.dataset_path, 3, seconds=4.0, cameras=())
    model = host.load("training")
    assert host.plugins["training"].failure is None, host.plugins["training"].failure
    settle(model, studio, lambda: model.sources)
    for path, text in SHORT.items():
        model.entries.enter(path, text)
    yield model
    stop_all(studio)


@pytest.fixture
def panel(model, host: PluginHost, qtbot):
    apply_theme(QApplication.instance())
    widget = host.make_panel("training")
    assert host.plugins["training"].failure is None, host.plugins["training"].failure
    qtbot.addWidget(widget)
    widget.resize(1366, 824)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def test_what_there_is_to_learn_from(model) -> None:
    assert model.source is not None and model.source.episodes == 3
    assert model.source.ticks == 4800 and model.source.left_out == 0
    assert model.entries.preset == "custom" and model.entries.base == "small"


def test_without_play_training_says_why(host: PluginHost, studio: StudioApi) -> None:
    model = host.load("training")
    settle(model, studio, lambda: not model._loader.busy)
    assert studio.commands.blocked("training.train") == "no play yet: record a minute"
    model.train()
    assert model.runs == []


def test_a_wrong_value_keeps_training_from_starting(panel, model, studio: StudioApi, qtbot) -> None:
    row = panel.form.rows["window_ticks"]
    row.entry.setFocus()
    row.entry.selectAll()
    qtbot.keyClicks(row.entry, "0")
    assert row.problem.isVisible() and "2 to 1000" in row.problem.text()
    assert not panel.form.train.isEnabled() and "window_ticks" in studio.commands.blocked("training.train")
    row.entry.selectAll()
    qtbot.keyClicks(row.entry, "10")
    assert not row.problem.isVisible() and panel.form.train.isEnabled()
    assert "window_ticks=10" in model.entries.settings and row.unit == "ticks = 0.1 s"


def test_all_settings_open_piece_by_piece(panel, model, qtbot) -> None:
    qtbot.mouseClick(panel.form.all, Qt.MouseButton.LeftButton)
    for k in range(60):
        panel.tick(time.monotonic() + k)
    assert set(panel.form.rows) == set(model.entries.texts)
    row = panel.form.rows["stage_1.batch"]
    row.entry.selectAll()
    qtbot.keyClicks(row.entry, "1")
    assert "2 to 65536" in row.problem.text() and not panel.form.train.isEnabled()


def test_one_click_trains_and_the_bundle_can_be_used(panel, model, studio: StudioApi, qtbot) -> None:
    qtbot.mouseClick(panel.form.train, Qt.MouseButton.LeftButton)
    assert model.run is not None and model.run.active and model.run.title == "play-1"
    assert model.spec["preset"] == "small" and "stage_1.steps=40" in model.spec["set"]
    assert panel.form.train.accessibleName() == "Train another" and panel.progress.pause.isVisible()
    assert studio.commands.blocked("training.skills") == "it has only begun"
    settle(model, studio, lambda: not model.run.active)
    assert model.run.state == "done", (model.run.message, model.run.detail)
    assert panel.progress.big.text() == "Done"
    assert model.plots and model.plots[0].title and panel.progress.plots[0].isVisible()
    model.choose_stage("skills")
    assert model.plots[0].title == "Total loss" and len(model.plots[0].held_out.values) >= 1
    assert panel.progress.plots[0].value.text() != "–"
    box = panel.progress.stage_box
    assert box.isVisible() and box.count() >= 2 and box.currentData() == model.shown_stage
    box.activated.emit(0)
    assert model.stage == box.itemData(0) == model.shown_stage and box.currentIndex() == 0
    assert box.width() >= box.minimumSizeHint().width()
    names = [row.row.name_label.text() for row in panel.runs.results if row.isVisible()]
    assert names[0] == "Where the box goes" and panel.runs.results[0].row.value_label.text().endswith("%")
    qtbot.mouseClick(panel.runs.card, Qt.MouseButton.LeftButton)
    text = panel.progress.card.toPlainText()
    assert "Comes from" in text and "3 episodes" in text and "session_0001/episode_000001" in text
    assert not panel.progress.curves.isVisible()
    qtbot.mouseClick(panel.runs.card, Qt.MouseButton.LeftButton)
    asked = []
    studio.navigator = lambda screen, **arguments: asked.append((screen, arguments))
    qtbot.mouseClick(panel.runs.skills, Qt.MouseButton.LeftButton)
    assert asked == [("skills", {"bundle": str(studio.project.folder("bundles") / "play-1")})]


def test_a_killed_training_is_said_and_can_go_on(panel, model, studio: StudioApi, qtbot) -> None:
    model.entries.enter("stage_1.steps", "100000")
    qtbot.mouseClick(panel.form.train, Qt.MouseButton.LeftButton)
    settle(model, studio, lambda: model.rows)
    settle(model, studio, lambda: model.run.step >= 10)
    asked = []
    studio.navigator = lambda screen, **arguments: asked.append((screen, arguments))
    panel.runs.refresh()
    assert panel.runs.skills.text() == "See skills so far" and panel.runs.skills.property("kind") == "primary"
    qtbot.mouseClick(panel.runs.skills, Qt.MouseButton.LeftButton)
    settle(model, studio, lambda: asked)
    info = load_bundle_info(Path(asked[0][1]["bundle"]))
    assert asked[0][0] == "skills" and info.name == "play-1" and model.run.active  # it goes on
    load_skill_model(info.path)
    steps = model.run.step
    settle(model, studio, lambda: model.run.step > steps)
    os.kill(studio.jobs.run(model.run.id).status().pid, signal.SIGKILL)
    settle(model, studio, lambda: not model.run.active)
    assert model.run.state == "lost" and panel.progress.big.text() == "Ended from outside"
    assert "killed" in panel.progress.where.text() and panel.progress.resume.isVisible()
    assert any("ended from outside" in notice.text for notice in studio.notices.items)
    qtbot.mouseClick(panel.progress.resume, Qt.MouseButton.LeftButton)
    settle(model, studio, lambda: model.run.state == "running")
    qtbot.mouseClick(panel.progress.pause, Qt.MouseButton.LeftButton)
    settle(model, studio, lambda: model.run.state == "paused")
    assert panel.progress.big.text() == "Paused" and panel.progress.pause.accessibleName() == "Go on"
    qtbot.mouseClick(panel.progress.pause, Qt.MouseButton.LeftButton)
    settle(model, studio, lambda: model.run.state == "running")
    qtbot.mouseClick(panel.progress.cancel, Qt.MouseButton.LeftButton)
    settle(model, studio, lambda: not model.run.active)
    assert model.run.state == "cancelled" and panel.progress.big.text() == "Cancelled"


def test_runs_are_compared_with_the_settings_that_differ(panel, model, studio: StudioApi, qtbot) -> None:
    for seed, batch in ((1, "16"), (2, "24")):
        model.entries.enter("stage_1.batch", batch)
        model.set_seed(seed)
        run = studio.project.folder("runs") / f"{seed}-train"
        run.mkdir(parents=True)
        spec = {
            "method": "haptic_play",
            "preset": "small",
            "seed": seed,
            "set": model.entries.settings,
            "title": f"play-{seed}",
        }
        write_run(run, spec, loss=0.5 / seed)
    studio.jobs.refresh()
    assert [view.title for view in model.runs] == ["play-2", "play-1"]
    studio.commands.run("training.compare")
    studio.commands.run("training.next_run")
    assert model.others == ["2-train"] and panel.progress.table.isVisible() and not panel.progress.log.isVisible()
    rows = {line[0]: line[1:] for line in panel.progress.table.rows}
    assert rows[""] == ("play-1", "play-2") and rows["Seed"] == ("1", "2")
    assert rows["stage 1.batch"] == ("16", "24") and rows["held-out loss"] == ("0.5", "0.25")
    assert "skill size" not in rows  # the same in both
    plot = panel.progress.plots[0]
    assert plot.area.others[0][0].values == (0.25,) and plot.area.others[0][1] == "cat.4"
    studio.commands.run("training.previous_run")
    studio.commands.run("training.compare")
    assert not model.others and panel.progress.log.isVisible()


def write_run(folder: Path, spec: dict, *, loss: float) -> None:
    """A finished run as its worker leaves it."""
    job = {"format_version": 1, "kind": "train", "created_s": 1000.0 + spec["seed"], "spec": spec}
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "status.json").write_text(json.dumps({"state": "done", "step": 40, "steps": 40, "message": "Done."}))
    row = {"step": 40, "t_s": 1.0, "stage": "skills", "loss": loss, "held_out/loss": loss}
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "result.json").write_text(json.dumps({"held_out": {"loss": loss}}))


def view(**values: object) -> RunView:
    return RunView(
        **{"id": "a", "kind": "train", "title": "a", "path": "", "created_s": 0.0, "state": "running", **values}
    )


def test_time_left_is_a_range_with_a_unit() -> None:
    assert time_left_text(view(step=400, time_left_s=(290.0, 430.0))) == ("5 to 7 min", "left")
    assert time_left_text(view(step=400, time_left_s=(20.2, 31.0))) == ("20 to 31 s", "left")
    assert time_left_text(view(step=400, time_left_s=(119.0, 121.0))) == ("2 to 3 min", "left")
    assert time_left_text(view()) == ("measuring", "")
    assert time_left_text(view(step=9, time_left_s=(119.0, 121.0))) == ("measuring", "")
    assert time_left_text(view(state="failed")) == ("Failed", "")
    assert time_left_text(None) == ("No run yet", "")
