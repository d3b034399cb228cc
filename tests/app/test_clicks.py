"""A person clicks through the real window under X: play, train, three goals, watch, stop.

The window is `main.py gui` in a process of its own, with all its workers; mouse and keys are the X server's (XTEST).
It is `main.py tour --clicks`, shortened by one constant. Nothing here depends on how quick the machine is: what the
person waits for may take minutes, and arms that hold on a busy machine are engaged again, as a person does.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from studio.cli import tour
from studio.cli.tour_clicks import PLAY_S, WalkOptions, walk
from studio.core.errors import ConfigError
from studio.data.dataset import Dataset
from studio.data.goal_file import load_kept_goal
from tests.patience import PATIENCE_S

SHARE = 1 / 30  # of ten minutes of play and of the preset `small`: 20 s each


@pytest.mark.slow
def test_a_newcomer_plays_trains_and_sends_the_box_to_three_goals(tmp_path: Path, qapp: object) -> None:
    walked = walk(WalkOptions(out=tmp_path, share=SHARE, patience_s=PATIENCE_S))
    seen, project = walked.seen, tmp_path / "project"

    episodes = Dataset(project / "datasets" / "play").episodes()
    assert sum(episode.duration_s for episode in episodes) >= 0.9 * SHARE * PLAY_S
    assert seen["play"]["episodes"] == len(episodes)

    assert (project / "bundles" / "play-1" / "bundle.json").exists()
    assert seen["stages"], "the stages were seen to run"
    assert seen["train"]["steps"] > 0

    goals = [load_kept_goal(path) for path in sorted((project / "goals").glob("*.toml"))]
    places_m = np.array([goal.position_m[:2] for goal in goals])
    np.testing.assert_allclose(places_m, [(0.025, 0.005), (0.06, 0.05), (0.0, -0.05)], atol=0.012)
    assert goals[0].attempts == 1, "the success count moved, and the library says so"

    reached, tried = (int(number) for number in seen["success"].split(" of "))
    assert tried >= 1 and 0 <= reached <= tried
    assert max(int(re.sub(r".* of ", "", words)) for words in seen["plans"]) >= 5, "plans came live"
    assert any(notice["text"].startswith("play-1 is done") for notice in seen["notices"])

    for path, caption in walked.pictures:
        image = cv2.imread(str(path))
        assert caption and image is not None and len(np.unique(image[::7, ::7].reshape(-1, 3), axis=0)) > 50, path


def test_a_share_outside_its_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="share"):
        tour.run(["--out", str(tmp_path), "--clicks", "--share", "2"])
