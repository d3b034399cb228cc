from __future__ import annotations

import os
from pathlib import Path

from studio.evaluation.claims import GoalClaims


def test_each_goal_is_claimed_once(tmp_path: Path) -> None:
    first, second = GoalClaims(tmp_path, 3), GoalClaims(tmp_path, 3)
    assert [first.claim(), second.claim(), first.claim(), second.claim()] == [0, 1, 2, None]


def test_answers_are_kept_in_the_order_of_goals(tmp_path: Path) -> None:
    claims = GoalClaims(tmp_path, 3)
    for index in (2, 0):
        claims.answer(index, {"goal": index})
    assert [row["goal"] for row in claims.results()] == [0, 2]
    assert claims.done() == 2
    assert claims.claim() == 1 and claims.claim() is None


def test_goals_of_a_dead_process_are_given_back(tmp_path: Path) -> None:
    claims = GoalClaims(tmp_path, 2)
    claims.claim()
    claims.claim()
    claims.answer(1, {"goal": 1})
    claims.free(owner=os.getpid() + 1)
    assert claims.claim() is None
    claims.free(owner=os.getpid())
    assert claims.claim() == 0 and claims.claim() is None
