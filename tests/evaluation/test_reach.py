from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from studio.evaluation.goals import GoalCase, make_cases
from studio.evaluation.reach import ReachEpisode, ReachSettings, StoppedError
from studio.evaluation.report import summarise, summary_line
from studio.planning.config import PRESETS
from studio.planning.pilot import SkillPilot, StillPilot
from studio.planning.planner import GoalPlanner
from tests.planning.toy import LEVEL, ToyRig, ToySkills, toy_goal

SMALL = dataclasses.replace(PRESETS["default"], samples=64, stages=6, from_prediction=False)


def make_case(x_m: float = 0.06, y_m: float = 0.05) -> GoalCase:
    return GoalCase(
        index=0,
        seed=9,
        start_position_m=(0.0, 0.0, 0.05),
        start_orientation_xyzw=LEVEL,
        goal=toy_goal(x_m, y_m),
    )


def make_pilot(kind: str) -> SkillPilot | StillPilot:
    skills = ToySkills()
    if kind == "none":
        return StillPilot(skills.task, window=skills.window)
    return SkillPilot(skills, GoalPlanner(skills, SMALL, seed=0), random=kind == "random")


def make_episode(limit_s: float = 5.0) -> tuple[ToyRig, ReachEpisode]:
    rig = ToyRig()
    settings = ReachSettings(limit_s=limit_s)
    return rig, ReachEpisode(rig, ToySkills().task, policy_rate_hz=100.0, settings=settings)


def test_the_planner_reaches_the_goal_and_it_stays_there() -> None:
    result = make_episode()[1].run(make_case(), make_pilot("mppi"))
    assert result.success and result.held
    assert result.position_error_m < 0.015
    assert 0.2 < result.time_s < 3.0
    assert result.predicted_error_m is not None and result.predicted_error_m < 1e-5
    assert len(result.plan_s) == result.skills
    json.dumps(result.to_json())


def test_doing_nothing_does_not_reach_it() -> None:
    result = make_episode()[1].run(make_case(), make_pilot("none"))
    assert not result.success and result.held is None
    assert result.time_s == pytest.approx(5.0)
    assert result.position_error_m == pytest.approx(np.hypot(0.06, 0.05))
    assert result.predicted_error_m is None and result.closest > 1


def test_random_skills_wander() -> None:
    result = make_episode()[1].run(make_case(), make_pilot("random"))
    assert result.skills >= 10 and result.plan_s == ()


def test_a_lost_object_is_a_missed_goal() -> None:
    rig, episode = make_episode()
    rig.object_lost = lambda: True  # type: ignore[method-assign]
    result = episode.run(make_case(), make_pilot("mppi"))
    assert result.lost and not result.success and result.time_s == 0.0


def test_asking_to_stop_ends_the_episode_at_a_boundary() -> None:
    with pytest.raises(StoppedError):
        make_episode()[1].run(make_case(), make_pilot("none"), stop=lambda: True)


def test_summary_has_the_contract_s_fields() -> None:
    _, episode = make_episode(limit_s=3.0)
    cases = make_cases(ToySkills().task, "easy", 3, 1)
    rows = [
        episode.run(dataclasses.replace(case, start_orientation_xyzw=LEVEL), make_pilot("mppi")).to_json()
        for case in cases
    ]
    result = summarise(rows, planned=4, planner="mppi", goal_class="easy", realtime=False)
    assert {
        "planner",
        "goal_class",
        "realtime",
        "episodes",
        "successes",
        "rate",
        "wilson95",
        "per_goal",
        "plan_ms",
    } <= set(result)
    needed = {"goal", "success", "time_s", "position_error_m", "orientation_error_rad", "predicted_error_m"}
    assert needed <= set(result["per_goal"][0])
    assert result["episodes"] == 3 and not result["complete"]
    assert result["plan_ms"]["p50"] <= result["plan_ms"]["p99"]
    assert "of 3 goals reached" in summary_line(result)


def test_summary_of_nothing() -> None:
    result = summarise([], planned=5, planner="none", goal_class="full", realtime=False)
    assert result["rate"] == 0.0 and result["wilson95"] == [0.0, 1.0] and result["plan_ms"]["p50"] is None
    assert "0 of 0" in summary_line(result)
