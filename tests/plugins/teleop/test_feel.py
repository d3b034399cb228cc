"""Feeling a take: the hands follow a recorded path, only while the person's own states allow it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from plugins.teleop.feel import TakePlayer, make_path
from studio.core.errors import DataError
from studio.core.records import Driver, PairState, make_control_record
from tests.patience import PATIENCE_MS
from tests.plugins.feed import Feed
from tests.plugins.recording import write_dataset

KIND = make_control_record(joints=8, pairs=2, rate_hz=400.0)


@pytest.fixture
def player(feed: Feed) -> Iterator[TakePlayer]:
    made = TakePlayer(feed.studio)
    yield made
    made.close()


def make_records(feed: Feed, seconds: float = 1.0) -> np.ndarray:
    records = KIND.empty(round(400 * seconds))
    records["t_ns"] = np.arange(len(records)) * 2_500_000
    records["leader_position_rad"] = feed.robot.home_rad
    records["leader_position_rad"][:, 0] += np.linspace(0.0, 0.2, len(records))
    return records


def drive(feed: Feed, state: PairState) -> None:
    feed.set_state(state, Driver.OPERATOR)
    feed.write()
    feed.session.monitor._control.look_again()
    feed.write()


def test_path_is_the_leaders_hands(feed: Feed) -> None:
    from studio.robot.kinematics import Kinematics

    records = make_records(feed)
    path = make_path("episode_000007", records, feed.robot)
    assert path.title == "Episode 7" and path.duration_s == pytest.approx(1.0, abs=0.02)
    tips = Kinematics(feed.robot).tip_positions(records["leader_position_rad"][0])
    np.testing.assert_allclose(path.at(-1.0), tips, atol=1e-9)


def test_another_robots_take_is_refused(feed: Feed) -> None:
    kind = make_control_record(joints=6, pairs=1, rate_hz=400.0)
    with pytest.raises(DataError, match="6 joints"):
        make_path("episode_000001", kind.empty(10), feed.robot)


def test_hands_go_to_the_start_then_along_and_are_let_go(
    player: TakePlayer, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, np.ndarray, bool]] = []
    monkeypatch.setattr(feed.studio.input, "set_hand", lambda p, m, a: sent.append((p, np.array(m), a)))
    drive(feed, PairState.ENGAGED)
    path = player.path = make_path("episode_000001", make_records(feed), feed.robot)
    here = path.at(0.0) + np.array([[0.0, 0.05, 0.0], [0.0, 0.0, 0.0]])
    player.toggle(here)
    t_s = 0.0
    while player.playing:
        player.tick(t_s)
        t_s += 0.02
        assert t_s < 10.0
    left = np.array([place for pair, place, active in sent if pair == 0 and active])
    np.testing.assert_allclose(left[0], here[0], atol=1e-9)
    assert np.linalg.norm(np.diff(left, axis=0), axis=1).max() < 0.02, "no step"
    np.testing.assert_allclose(left[-1], path.at(9.0)[0], atol=0.01)
    assert [active for _, _, active in sent[-2:]] == [False, False]


@pytest.mark.parametrize("state", [PairState.HOLDING, PairState.STOPPED, PairState.DISABLED, PairState.FAULT])
def test_every_other_state_ends_it(player: TakePlayer, feed: Feed, state: PairState) -> None:
    drive(feed, PairState.ENGAGED)
    player.path = make_path("episode_000001", make_records(feed), feed.robot)
    assert player.blocked() == ""
    player.toggle(player.path.at(0.0))
    player.tick(0.0)
    assert player.playing
    drive(feed, state)
    player.tick(0.02)
    assert not player.playing and player.blocked() == "engage the arms first"


def test_a_take_is_read_in_the_background_and_a_broken_one_is_said(player: TakePlayer, feed: Feed, qtbot: Any) -> None:
    folder = write_dataset(feed.studio.project.dataset_path, 1, seconds=2.0, cameras=())[0].path

    def loaded() -> bool:
        player.tick(0.0)
        return not player.loading

    player.load(folder)
    qtbot.waitUntil(loaded, timeout=PATIENCE_MS)
    assert player.path is not None and player.path.duration_s == pytest.approx(2.0, abs=0.05)
    player.load(folder / "nothing")
    qtbot.waitUntil(loaded, timeout=PATIENCE_MS)
    assert player.path is None and feed.studio.notices.items[0].level == "fault"
