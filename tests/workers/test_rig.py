"""The rig that evaluations drive: a fault of one episode does not end those that follow, one that stays does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from studio.core.errors import SafetyError
from studio.core.records import PairState
from studio.core.task import load_task
from studio.robot.description import load_robot
from studio.workers.rig import SimulatedRig, make_rig

BOX = (np.array([0.0, 0.0, 0.05]), np.array([0.0, 0.0, 0.0, 1.0]))


@pytest.fixture
def rig() -> Iterator[SimulatedRig]:
    made = make_rig(load_robot(), load_task("move_box"))
    yield made
    made.close()


def break_and_run(rig: SimulatedRig) -> None:
    """The replies of the first motor are lost while the arms are engaged."""
    home = load_robot().home_rad
    rig._simulation.cut_wire(0, True)
    rig.run(home, np.zeros_like(home), 200)
    assert PairState.FAULT in rig._loop.states


def test_the_next_episode_begins_engaged_after_a_fault_of_the_last(rig: SimulatedRig) -> None:
    rig.reset(*BOX, seed=0)
    assert set(rig._loop.states) == {PairState.ENGAGED}
    break_and_run(rig)
    rig._simulation.cut_wire(0, False)
    rig.reset(*BOX, seed=1)
    assert set(rig._loop.states) == {PairState.ENGAGED}
    np.testing.assert_allclose(rig.state()[0]["follower_position_rad"], load_robot().home_rad, atol=0.05)


def test_what_is_still_wrong_is_not_cleared_away(rig: SimulatedRig) -> None:
    rig.reset(*BOX, seed=0)
    break_and_run(rig)
    with pytest.raises(SafetyError, match="could not be engaged"):
        rig.reset(*BOX, seed=1)
