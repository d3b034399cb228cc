from __future__ import annotations

from studio.planning.budget import SampleBudget
from studio.planning.config import PlannerConfig, planner_preset


def settle(budget: SampleBudget, seconds_per_sample: float, fixed_s: float, plans: int = 60) -> float:
    """Plans on a machine of this speed; returns how long the last one takes."""
    for _ in range(plans):
        budget.note(fixed_s + seconds_per_sample * budget.samples)
    return fixed_s + seconds_per_sample * budget.samples


def test_a_quick_machine_keeps_all_samples() -> None:
    budget = SampleBudget(PlannerConfig(samples=192, budget_s=0.08))
    settle(budget, 0.0001, 0.005)
    assert budget.samples == 192


def test_a_slow_machine_gets_fewer_until_the_time_is_kept() -> None:
    budget = SampleBudget(PlannerConfig(samples=192, budget_s=0.08))
    assert settle(budget, 0.001, 0.005) <= 0.08
    assert 48 < budget.samples < 80
    settle(budget, 0.0001, 0.005)
    assert budget.samples == 192  # and back when the neighbours are gone


def test_there_is_a_least_number() -> None:
    budget = SampleBudget(PlannerConfig(samples=192, budget_s=0.08, least_samples=60))
    settle(budget, 0.1, 0.0)
    assert budget.samples == 60
    few = SampleBudget(PlannerConfig(samples=20, budget_s=0.08, least_samples=60))
    settle(few, 0.1, 0.0)
    assert few.samples == 20


def test_without_a_budget_and_in_the_paper_preset_nothing_changes() -> None:
    for settings in (PlannerConfig(budget_s=0.0), planner_preset("paper")):
        budget = SampleBudget(settings)
        budget.note(100.0)
        assert budget.samples == settings.samples
