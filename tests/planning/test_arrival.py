from __future__ import annotations

from studio.planning.arrival import Arrival
from tests.planning.toy import toy_goal, toy_state, toy_task


def test_resting_begins_well_inside_and_ends_at_the_border() -> None:
    arrival, goal = Arrival(toy_task()), toy_goal(0.0, 0.0)  # tolerance 15 mm
    assert [arrival.look(toy_state(x_m), goal) for x_m in (0.02, 0.013, 0.011)] == [False, False, True]
    assert [arrival.look(toy_state(x_m), goal) for x_m in (0.014, 0.016, 0.014)] == [True, False, False]


def test_another_goal_starts_anew() -> None:
    arrival = Arrival(toy_task())
    arrival.look(toy_state(0.0), toy_goal(0.0, 0.0))
    arrival.reset()
    assert not arrival.look(toy_state(0.014), toy_goal(0.0, 0.0))
