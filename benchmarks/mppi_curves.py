"""How good plans are with how many samples: the cost of the averaged plan, rolled out exactly, over many states.

Each planner plans three times from the same state, warm-started, as it does when it is deployed; the third plan counts.
The peer's temperature and noise are the best of a small grid on other states than those reported.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.mppi_peer import PEER, PeerModel, make_peer
from benchmarks.mppi_setup import Case, as_tensor, make_planning_cases, single
from studio.learning.skill_model import SkillModel
from studio.learning.value import LearnedValue
from studio.planning.config import PRESETS, PlannerConfig
from studio.planning.goal_score import GoalScore
from studio.planning.rollouts import TorchRollouts
from studio.workers.planning_engine import make_goal_planner

_SAMPLES = (48, 96, 192, 384, 768)
_REPLANS = 3
_TEMPERATURES = (0.1, 0.3, 1.0, 3.0)
_NOISES = (0.2, 0.35, 0.6)
_TUNING_STATES, _TUNING_SAMPLES = 10, 384

MakePlan = Callable[[Case, int], Tensor]  # a case and its number -> U* [H, d]
# ours with one part taken away at a time
_VARIANTS: dict[str, dict[str, object]] = {
    "ours": {},
    "ours, one pass": {"passes": 1},
    "ours, four passes": {"passes": 4},
    "ours, six passes": {"passes": 6},
    "ours, base proposals only": {"base_share": 1.0, "refine_base_share": 1.0},
    "ours, no warm start": {"base_share": 1.0, "inject_previous": False},
}


def cost_curves(model: SkillModel, value: LearnedValue | None, cases: list[Case]) -> list[dict[str, Any]]:
    """Rows {planner, samples, rollouts, cost, standard_error, against_peer, ms}; samples are N of one pass.

    `against_peer` is the mean difference, state by state, to the peer with the most samples, with its standard error:
    states differ far more from each other than planners do.
    """
    judge = Judge(model, value)
    rows = []
    for (name, changes), samples in itertools.product(_VARIANTS.items(), _SAMPLES):
        settings = single(PRESETS["default"], samples=samples, **changes)
        rows.append(_row(name, settings, judge, cases, our_plans(model, value, settings)))
    temperature, noise = tune_peer(model, value, judge)
    for samples in _SAMPLES:
        settings = single(PRESETS["default"], samples=samples, passes=1)
        plans = peer_plans(model, value, settings, temperature=temperature, noise=noise)
        rows.append({**_row(PEER, settings, judge, cases, plans), "temperature": temperature, "noise": noise})
    best = np.array(rows[-1]["costs"])
    for row in rows:
        difference = np.array(row.pop("costs")) - best
        row["against_peer"] = [float(difference.mean()), _standard_error(difference)]
    return rows


def rollouts_for_the_peers_best(rows: list[dict[str, Any]]) -> dict[str, int | None]:
    """Fewest rollouts from which on each planner's mean cost stays at or below that of the peer with the most samples.

    None where it never gets there; the peer itself needs its most by definition, unless fewer serve it as well.
    """
    found: dict[str, int | None] = {}
    for name in dict.fromkeys(str(row["planner"]) for row in rows):
        own = sorted((row for row in rows if row["planner"] == name), key=lambda row: row["rollouts"])
        good = list(itertools.takewhile(lambda row: row["against_peer"][0] <= 0.0, reversed(own)))
        found[name] = int(good[-1]["rollouts"]) if good else None
    return found


class Judge:
    """The cost of controls, rolled out in torch with the default score."""

    def __init__(self, model: SkillModel, value: LearnedValue | None) -> None:
        self._score = GoalScore(model.task, PRESETS["default"], tips=model.tips, value=value)
        score = self._score
        self._rollouts = TorchRollouts(model.skill, model.predict, score.running, score.terminal)

    def cost(self, case: Case, controls: Tensor) -> float:
        self._score.set_goal(case.goal)
        return -float(self._rollouts.roll_out(as_tensor(case.state), controls[:, None]).returns[0])


def our_plans(model: SkillModel, value: LearnedValue | None, settings: PlannerConfig) -> MakePlan:
    planner = make_goal_planner(model, settings, seed=0, value=value)

    def plan(case: Case, number: int) -> Tensor:
        planner.reset(seed=number)
        for _ in range(_REPLANS):
            found = planner.plan(case.state, case.goal, t_s=0.0, skills_since_last=0)
        return found.plan.controls

    return plan


def peer_plans(
    model: SkillModel, value: LearnedValue | None, settings: PlannerConfig, *, temperature: float, noise: float
) -> MakePlan:
    score = GoalScore(model.task, settings, tips=model.tips, value=value)
    networks = PeerModel(model, value, score)

    def plan(case: Case, number: int) -> Tensor:
        torch.manual_seed(number)
        score.set_goal(case.goal)
        peer = make_peer(networks, settings, temperature=temperature, noise=noise)
        with torch.inference_mode():
            for _ in range(_REPLANS):
                peer.command(as_tensor(case.state), shift_nominal_trajectory=False)
        return peer.get_action_sequence().clone()

    return plan


def tune_peer(model: SkillModel, value: LearnedValue | None, judge: Judge) -> tuple[float, float]:
    """Temperature and noise with the least mean cost on the tuning states."""
    cases = make_planning_cases(model, _TUNING_STATES, seed=100)
    settings = single(PRESETS["default"], samples=_TUNING_SAMPLES, passes=1)

    def mean_cost(choice: tuple[float, float]) -> float:
        plans = peer_plans(model, value, settings, temperature=choice[0], noise=choice[1])
        return float(np.mean([judge.cost(case, plans(case, number)) for number, case in enumerate(cases)]))

    return min(itertools.product(_TEMPERATURES, _NOISES), key=mean_cost)


def _row(name: str, settings: PlannerConfig, judge: Judge, cases: list[Case], plans: MakePlan) -> dict[str, Any]:
    began_s = time.perf_counter()
    controls = [plans(case, number) for number, case in enumerate(cases)]
    took_s = time.perf_counter() - began_s
    costs = [judge.cost(case, found) for case, found in zip(cases, controls, strict=True)]
    return {
        "planner": name,
        "samples": settings.samples,
        "rollouts": settings.samples * settings.passes,
        "costs": costs,
        "cost": float(np.mean(costs)),
        "standard_error": _standard_error(np.array(costs)),
        "ms": 1e3 * took_s / (len(cases) * _REPLANS),
    }


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
