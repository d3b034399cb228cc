"""How many samples keep a plan within its time on a machine that others use too."""

from __future__ import annotations

from studio.planning.config import PlannerConfig

_CALM = 0.75  # of the budget: below this there is room for more
_GROWTH = 1.15
_SHARPEST = 0.5


class SampleBudget:
    """N of the next plan, from how long the last ones took; between `least_samples` and `samples` of the settings.

    It falls at once, in proportion to the excess, and rises slowly. With `budget_s` 0 it stays at `samples`.
    """

    def __init__(self, settings: PlannerConfig) -> None:
        self._budget_s, self._most = settings.budget_s, settings.samples
        self._least = min(settings.least_samples, settings.samples)
        self.samples = settings.samples

    def note(self, latency_s: float) -> None:
        """A plan with `samples` samples took so long."""
        if self._budget_s <= 0:
            return
        if latency_s > self._budget_s:
            share = max(_SHARPEST, 0.9 * self._budget_s / latency_s)
            self.samples = max(self._least, int(self.samples * share))
        elif latency_s < _CALM * self._budget_s:
            self.samples = min(self._most, int(self.samples * _GROWTH) + 1)
