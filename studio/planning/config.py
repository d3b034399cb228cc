"""Settings of the sampling planner. No torch here, so that windows and command lines can read them."""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.config import check_range
from studio.core.errors import ConfigError

ALGORITHMS = ("mppi", "cem", "rl")
COSTS = ("auto", "distance", "value")
ENGINES = ("auto", "torch", "native")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class PlannerConfig:
    """One iterated weighted-sampling loop in the base space of the skills.

    The defaults are the feasibility study's for two cores; `PRESETS["paper"]` carries the paper's stated values.

    Args:
        algorithm: `mppi` weighs all samples by their return; `cem` averages the best and narrows the spread; `rl` asks
            the bundle's trained actor and samples nothing.
        samples: N, control sequences per pass.
        stages: H, skills per sequence.
        passes: refinement passes; later ones sample around the average of the one before.
        control_limit: u_max, half width of the box of base controls; below 1 the planner stays where play was dense.
        temperature: lambda of the weights; 0.3, 0.1 and 0.03 reached 8, 13 and 15 of 20 easy tuning goals [ours].
        standardise: returns to zero mean and unit spread before the temperature is applied (methods 1c, [O]).
        base_share: share of first-pass samples drawn from the base distribution, the rest around the shifted last plan.
        refine_base_share: the same for later passes.
        noise: spread of around-plan samples in the first pass, in base units.
        refine_noise: the same in later passes.
        inject_previous: the shifted last plan is one of the candidates (methods 1c, trap 2).
        elite_share: share of samples that `cem` averages.
        cost: `distance` in tolerances, a learned goal-conditioned `value`, or `auto`: the value where the bundle has
            one. The paper's cost is the distance.
        rotation_weight: weight of the turn against the distance, both in tolerances.
        position_deadband_m: a distance below this costs nothing.
        orientation_deadband_rad: a turn below this costs nothing.
        area_weight: cost per metre that the object lies outside the task's area plus `area_margin_m`.
        area_margin_m: how far outside the task's area costs nothing.
        approach_weight: cost per metre that the nearer fingertip is away from the object; a small shaping.
        disagreement_weight: cost of a skill per unit of disagreement between the dynamics' members (in spreads of one
            skill's change); without effect on a bundle with one member.
        terminal_weight: weight of the score of the last predicted state (methods 1c, trap 4).
        unstick_s: after this long without object motion away from the goal, a few random skills; 0 = never.
        unstick_skills: how many random skills then.
        hold_after_windows: a plan older than this many windows means hold (methods 1b, asynchronous deployment).
        from_prediction: plan from where the running skill is predicted to end instead of from the measured state.
        serial: plan only while the arms hold, one skill per plan; for comparison (methods 1b: its delay destabilised
            the authors' robot and simulation).
        candidates: best control sequences that go with a plan made from a prediction: the policy weighs them again
            where the window really begins. 0 leaves that out.
        fresh: sequences drawn around U* that are weighed with the candidates, so that the second look can leave them.
        fan: rollouts published for the screen.
        engine: `torch` rolls out in torch, `native` in the library built from resources/native, `auto` in the
            library where there is a compiler and the model is of a kind it knows.
        precision: of the sampled rollouts in the library; `auto` is bfloat16 where the processor has it. The plan's own
            path, first skill and its end are always float32.
        threads: that share the sampled rollouts in the library.
        budget_s: in live planning, a plan that took longer makes the next ones smaller; 0 = always `samples`.
        least_samples: never fewer than these.
    """

    algorithm: str = "mppi"
    samples: int = 192
    stages: int = 8
    passes: int = 2
    control_limit: float = 0.95
    temperature: float = 0.03
    standardise: bool = True
    base_share: float = 0.5
    refine_base_share: float = 0.1
    noise: float = 0.35
    refine_noise: float = 0.23
    inject_previous: bool = True
    elite_share: float = 0.1
    cost: str = "auto"
    rotation_weight: float = 2.0
    position_deadband_m: float = 0.006
    orientation_deadband_rad: float = 0.14
    area_weight: float = 100.0
    area_margin_m: float = 0.04
    approach_weight: float = 0.0
    disagreement_weight: float = 0.0
    terminal_weight: float = 1.0
    unstick_s: float = 3.0
    unstick_skills: int = 4
    hold_after_windows: float = 3.0
    from_prediction: bool = True
    serial: bool = False
    candidates: int = 32
    fresh: int = 64
    fan: int = 140
    engine: str = "auto"
    precision: str = "float32"
    threads: int = 1
    budget_s: float = 0.1
    least_samples: int = 48

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"planner.{name} is {getattr(self, name)!r}; allowed {', '.join(allowed)}.")
        for name, (low, high) in _RANGES.items():
            check_range("planner", name, getattr(self, name), low, high)


_CHOICES = {"algorithm": ALGORITHMS, "cost": COSTS, "engine": ENGINES, "precision": PRECISIONS}

_RANGES: dict[str, tuple[float, float]] = {
    "samples": (2, 100_000),
    "stages": (1, 200),
    "passes": (1, 20),
    "control_limit": (0.01, 1.0),
    "temperature": (1e-9, 1e9),
    "base_share": (0.0, 1.0),
    "refine_base_share": (0.0, 1.0),
    "noise": (0.0, 2.0),
    "refine_noise": (0.0, 2.0),
    "elite_share": (0.001, 1.0),
    "rotation_weight": (0.0, 100.0),
    "position_deadband_m": (0.0, 0.1),
    "orientation_deadband_rad": (0.0, 1.0),
    "area_weight": (0.0, 1e5),
    "area_margin_m": (0.0, 1.0),
    "approach_weight": (0.0, 1e3),
    "disagreement_weight": (0.0, 1e3),
    "terminal_weight": (0.0, 1e3),
    "unstick_s": (0.0, 60.0),
    "unstick_skills": (0, 50),
    "hold_after_windows": (1.0, 100.0),
    "candidates": (0, 256),
    "fresh": (0, 1024),
    "fan": (0, 140),
    "threads": (1, 64),
    "budget_s": (0.0, 60.0),
    "least_samples": (2, 100_000),
}

PRESETS: dict[str, PlannerConfig] = {
    "default": PlannerConfig(),
    # methods 1c: H 40, N 2000, u_max 1 stated; base proposals as printed; plain scaled distance (1d)
    "paper": PlannerConfig(
        samples=2000,
        stages=40,
        passes=1,
        control_limit=1.0,
        temperature=0.1,
        base_share=1.0,
        cost="distance",
        rotation_weight=1.0,
        position_deadband_m=0.0,
        orientation_deadband_rad=0.0,
        area_weight=0.0,
        approach_weight=0.0,
        unstick_s=0.0,
        from_prediction=False,
        candidates=0,
        budget_s=0.0,
    ),
    "cem": PlannerConfig(algorithm="cem", passes=3),
    "rl": PlannerConfig(algorithm="rl"),
}


def planner_preset(name: str) -> PlannerConfig:
    """A preset by name, or a ConfigError that lists them."""
    if name not in PRESETS:
        raise ConfigError(f"planner preset {name!r} is not known; allowed {', '.join(PRESETS)}.")
    return PRESETS[name]
