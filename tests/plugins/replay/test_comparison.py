"""Another take under the same cursor, skills that drove, and what leaves the replay: feel and export."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.replay.comparison import neighbour
from plugins.replay.take import skill_runs
from studio.app.api import StudioApi
from studio.app.host import PluginHost
from studio.core.records import Driver
from tests.patience import PATIENCE_S
from tests.plugins.recording import write_dataset


def settle(model: Any, until: Any) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end_s, "the replay's threads did not finish"
        model.tick(time.monotonic())
        time.sleep(0.005)


@pytest.fixture
def folders(studio: StudioApi) -> list[Path]:
    written = write_dataset(studio.project.dataset_path, 3, seconds=2.0, contacts_s=((0.5, 1.0),), cameras=())
    return [info.path for info in written]


@pytest.fixture
def model(host: PluginHost, folders: list[Path]) -> Any:
    model = host.load("replay")
    model.open(folders[1])
    settle(model, lambda: model.take is not None)
    return model


def test_the_other_takes_curves_lie_grey_behind(model: Any, folders: list[Path]) -> None:
    model.compare()
    settle(model, lambda: model.comparison.take is not None)
    assert model.comparison.path == folders[0]
    force = model.shown_lanes[0]
    assert [curve.name for curve in force.curves] == ["left", "right", "ep. 1 left", "ep. 1 right"]
    assert [curve.colour for curve in force.curves[2:]] == ["text.3", "text.3"]
    model.choose_lane("torque", 6)
    torque = model.shown_lanes[1]
    other = model.comparison.take.with_choice("torque", 6)[1]
    assert torque.title == "Torque R3"
    assert torque.curves[2].pyramid.value_at(0.8) == other.curves[0].pyramid.value_at(0.8)
    model.compare()
    assert model.comparison.path is None and len(model.shown_lanes[0].curves) == 2


def test_another_episode_ends_the_comparison_and_a_broken_one_is_said(
    model: Any, folders: list[Path], studio: StudioApi
) -> None:
    model.compare(folders[2])
    settle(model, lambda: model.comparison.take is not None)
    model.open(folders[0])
    assert model.comparison.path is None
    settle(model, lambda: model.take is not None)
    (folders[2] / "episode.json").write_text("{")
    model.compare(folders[2])
    settle(model, lambda: model.comparison.path is None)
    assert studio.notices.items[0].level == "fault"


def test_neighbours(folders: list[Path]) -> None:
    assert neighbour(folders[2]) == folders[1] and neighbour(folders[0]) == folders[1]
    assert neighbour(folders[0].parent / "nothing") is None


def test_skills_are_stretches_of_one_plan() -> None:
    t_s = np.arange(10) / 10
    driver = np.array([1, 1, 2, 2, 2, 2, 1, 2, 2, 2])
    plan = np.array([9, 9, 4, 4, 5, 5, 5, 5, 5, 6])
    driver[driver == 1] = int(Driver.OPERATOR)
    driver[driver == 2] = int(Driver.PLANNER)
    runs = skill_runs(t_s, driver, plan)
    assert [(r.number, round(r.start_s, 1), round(r.end_s, 1)) for r in runs] == [
        (1, 0.2, 0.4), (2, 0.4, 0.6), (3, 0.7, 0.9), (4, 0.9, 0.9),
    ]  # fmt: skip


def test_feel_opens_teleoperate_with_the_take(model: Any, studio: StudioApi, folders: list[Path]) -> None:
    went: list[tuple[str, dict[str, Any]]] = []
    studio.navigator = lambda screen, **arguments: went.append((screen, arguments))
    studio.commands.run("replay.feel")
    assert went == [("teleop", {"take": str(folders[1])})]


def test_export_writes_this_take_only(model: Any, studio: StudioApi, folders: list[Path]) -> None:
    studio.commands.run("replay.export")
    end_s = time.monotonic() + PATIENCE_S
    while not any(view.kind == "export" and view.state == "done" for view in studio.state.runs.runs):
        assert time.monotonic() < end_s, [view.message for view in studio.state.runs.runs]
        studio.jobs.refresh()
        time.sleep(0.05)
    assert "1 episode, " in studio.notices.items[0].text and studio.notices.items[0].level == "info"
    tables = list((studio.project.path / "exports").rglob("*.csv"))
    assert {path.parent.name for path in tables} == {f"{folders[1].parent.name}_{folders[1].name}"}
    assert "control.csv" in {path.name for path in tables}
