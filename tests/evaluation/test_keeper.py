"""Episodes of an evaluation as recordings: thinned, judged, marked, and replaced when a goal is tried again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import DataError
from studio.core.records import Field, RecordType
from studio.data.annotations import Journal
from studio.data.dataset import Dataset
from studio.evaluation.keeper import REACHED, EpisodeKeeper, make_episode_dataset

FIELD = Field(name="position_rad", shape=(2,), unit="rad")
CONTROL = RecordType(name="control", rate_hz=400.0, fields=(FIELD,))
TRUTH = RecordType(name="truth", rate_hz=100.0, fields=(FIELD,))


def make_keeper(run: Path) -> EpisodeKeeper:
    keeper = EpisodeKeeper(
        make_episode_dataset(run, title="skills: easy", robot="dual_arm_ak60", task="move_box"), every=4
    )
    keeper.bind([CONTROL, TRUTH])
    return keeper


def play(keeper: EpisodeKeeper, ticks: int, first: int = 0) -> None:
    for tick in range(first, first + ticks):
        record = CONTROL.empty()
        record["t_ns"], record["position_rad"] = tick * 2_500_000, tick
        keeper.write("control", record)
        if tick % 4 == 0:
            slow = TRUTH.empty()
            slow["t_ns"] = tick * 2_500_000
            keeper.write("truth", slow[0])
        keeper.write("unknown", record)


def test_every_fourth_record_is_kept_with_outcome_and_moment(tmp_path: Path) -> None:
    keeper = make_keeper(tmp_path)
    play(keeper, 800)
    config = {"source": "evaluate", "robot": "dual_arm_ak60", "task": "move_box"}
    info = keeper.keep(6, config, reached_s=0.5)
    dataset = Dataset(tmp_path / "episodes")
    assert dataset.name == "skills: easy"
    (found,) = dataset.episodes()
    assert found.id == "session_0001/episode_000007" == info.id and found.verdict == "good" and found.robot
    assert found.streams["control"].rate_hz == 100.0 and found.streams["control"].records == 200
    assert found.streams["truth"].records == 200
    reader = dataset.open(found.id)
    try:
        rows = reader.read("control")
        assert np.array_equal(rows["position_rad"][:, 0], np.arange(0, 800, 4))
    finally:
        reader.close()
    journal = Journal(found.path)
    (mark,) = journal.items
    assert journal.outcome == "success" and mark.text == REACHED
    assert mark.start_ns == info.ended_t_ns - 500_000_000
    assert not list(tmp_path.glob(".keeping-*"))


def test_a_goal_that_is_tried_again_has_one_episode(tmp_path: Path) -> None:
    keeper = make_keeper(tmp_path)
    play(keeper, 400)
    keeper.keep(0, {}, reached_s=0.1)
    play(keeper, 40)
    keeper.begin()  # what came before is of no episode
    play(keeper, 80, first=1000)
    keeper.keep(0, {}, reached_s=None)
    (found,) = Dataset(tmp_path / "episodes").episodes()
    assert found.streams["control"].records == 20 and Journal(found.path).outcome == "failure"
    assert found.started_t_ns == 1000 * 2_500_000


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    keeper = make_keeper(tmp_path)
    play(keeper, 40)
    (tmp_path / "episodes" / "session_0001").write_text("in the way")
    with pytest.raises(DataError, match="goal 3 cannot be kept"):
        keeper.keep(3, {}, reached_s=None)
