"""Two results on the same goals: what only one of them reached says more than two intervals side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Paired:
    """Goals that both tried.

    Args:
        goals: tried by both.
        only_this: reached by this one and not by the other.
        only_other: the other way round.
    """

    goals: int
    only_this: int
    only_other: int

    @property
    def p_value(self) -> float:
        """How often chance alone is at least as uneven, were both equally good: the exact two-sided McNemar test.

        Source: Q. McNemar, Psychometrika 12 (1947), 153-157, with the binomial distribution for small counts.
        """
        uneven = self.only_this + self.only_other
        tail = sum(math.comb(uneven, k) for k in range(min(self.only_this, self.only_other) + 1)) / 2**uneven
        return min(1.0, 2 * tail)


def compare_goals(this: Mapping[str, bool], other: Mapping[str, bool]) -> Paired:
    """Successes by the goal's name; goals that only one of them tried do not count."""
    both = this.keys() & other.keys()
    return Paired(
        goals=len(both),
        only_this=sum(this[name] and not other[name] for name in both),
        only_other=sum(other[name] and not this[name] for name in both),
    )
