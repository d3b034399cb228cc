"""Summing up raw per-goal results; a rate never goes without its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from studio.evaluation.wilson import wilson_interval

SUCCESS_RULE = "position < 1.5 cm and turn < 20 degrees at a skill boundary, at an instant"
# what stays with each goal in the summary; the rest (traces, latencies) stays in the run's raw file
_KEPT = (
    "goal",
    "name",
    "seed",
    "success",
    "held",
    "lost",
    "time_s",
    "position_error_m",
    "orientation_error_rad",
    "predicted_error_m",
    "predicted_error_moving_m",
    "start_distance_m",
    "start_turn_rad",
    "closest",
    "skills",
)


def summarise(rows: Sequence[dict[str, Any]], *, planned: int, **labels: Any) -> dict[str, Any]:
    """The result of one evaluation: all fields of the command line's contract.

    Args:
        rows: raw results (`GoalResult.to_json`), in any order.
        planned: how many goals were asked for; fewer rows mean that the evaluation was stopped.
        labels: planner, goal_class, realtime and whatever else describes the run.
    """
    ordered = sorted(rows, key=lambda row: row["goal"])
    successes = sum(bool(row["success"]) for row in ordered)
    return {
        **labels,
        "episodes": len(ordered),
        "asked_for": planned,
        "complete": len(ordered) == planned,
        "successes": successes,
        "rate": successes / len(ordered) if ordered else 0.0,
        "wilson95": list(wilson_interval(successes, len(ordered))),
        "held": sum(bool(row["held"]) for row in ordered),
        "lost": sum(bool(row["lost"]) for row in ordered),
        "success_rule": SUCCESS_RULE,
        "median_success_time_s": _median([row["time_s"] for row in ordered if row["success"]]),
        "predicted_error_m": _mean([row["predicted_error_m"] for row in ordered]),
        "predicted_error_moving_m": _mean([row["predicted_error_moving_m"] for row in ordered]),
        "plan_ms": _percentiles_ms([one for row in ordered for one in row["plan_s"]]),
        "per_goal": [{key: row[key] for key in _KEPT} for row in ordered],
    }


def summary_line(result: dict[str, Any]) -> str:
    """One line for a person: `mppi, easy: 13 of 20 (65 %, 43 to 82 %) ...`."""
    low, high = result["wilson95"]
    median_s = result["median_success_time_s"]
    parts = [
        f"{result['planner']}, {result['goal_class']}: {result['successes']} of {result['episodes']} goals reached "
        f"({100 * result['rate']:.0f} %; 95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    ]
    if median_s is not None:
        parts.append(f"median {median_s:.1f} s")
    if result["lost"]:
        parts.append(f"object lost {result['lost']} times")
    if result["plan_ms"]["p50"] is not None:
        parts.append(f"plan {result['plan_ms']['p50']:.0f} ms")
    return ", ".join(parts)


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _percentiles_ms(seconds: list[float]) -> dict[str, float | None]:
    if not seconds:
        return {"p50": None, "p99": None}
    p50, p99 = np.percentile(np.asarray(seconds) * 1e3, [50, 99])
    return {"p50": float(p50), "p99": float(p99)}
