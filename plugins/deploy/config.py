"""Settings of the deploy screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DeployConfig:
    """Numbers of the screen.

    Args:
        budget_s: a plan should take less (the work's own target: under 100 ms on two cores).
        attempt_s: a goal not reached by then is missed (spec/feasibility.md: 50 s).
        rest_s: the box must stay at the goal this long to count as reached.
        error_full_m: predicted minus actual that fills its bar.
    """

    budget_s: float = 0.1
    attempt_s: float = 50.0
    rest_s: float = 0.5
    error_full_m: float = 0.03


SAMPLED_SETTINGS = ("samples", "passes", "control_limit")  # without a meaning for an actor, which does not sample

# Where planner and policy get the object's pose from: value of a `deploy` message, words
POSE_SOURCES = (("", "as trained"), ("world", "simulator"), ("tags", "camera tags, 30 Hz"))

# Planner settings shown as fields: name, words, unit factor, decimals (studio.planning.config.PlannerConfig)
SHOWN_SETTINGS = (
    ("samples", "Samples up to", 1.0, 0),
    ("stages", "Skills ahead", 1.0, 0),
    ("passes", "Passes", 1.0, 0),
    ("control_limit", "u max", 1.0, 2),
    ("rotation_weight", "Turn weight", 1.0, 1),
    ("position_deadband_m", "Deadband mm", 1000.0, 0),
)
