"""Results on the same goals are compared goal by goal."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from studio.evaluation.paired import Paired, compare_goals


def test_only_goals_that_both_tried_are_compared() -> None:
    this = {"a": True, "b": True, "c": False, "d": True}
    other = {"a": True, "b": False, "c": True, "e": False}
    assert compare_goals(this, other) == Paired(goals=3, only_this=1, only_other=1)


@pytest.mark.parametrize(("only_this", "only_other"), [(0, 0), (1, 0), (5, 0), (3, 9), (9, 3), (7, 7), (0, 40)])
def test_the_p_value_is_that_of_the_exact_binomial_test(only_this: int, only_other: int) -> None:
    uneven = only_this + only_other
    known = binomtest(only_this, uneven).pvalue if uneven else 1.0
    assert Paired(goals=40, only_this=only_this, only_other=only_other).p_value == pytest.approx(known)
