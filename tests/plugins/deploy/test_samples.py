"""Effective samples are judged by what the planner's temperature means them to be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from plugins.deploy.samples import judge_samples, usual_samples
from studio.planning.config import PlannerConfig, planner_preset


def test_the_usual_number_follows_the_temperature() -> None:
    cold, warm = usual_samples(192, 0.03), usual_samples(192, 1.0)
    assert 1.0 <= cold < 1.5 and 60.0 < warm < 90.0
    assert usual_samples(192, 1e6) == pytest.approx(192.0, rel=1e-3)
    assert all(np.diff([usual_samples(96, t) for t in (0.03, 0.1, 0.3, 1.0, 3.0)]) > 0)


@pytest.mark.parametrize("effective", [1.0, 2.0, 5.0, 40.0])
def test_one_sample_that_decides_is_no_warning_at_the_default_temperature(effective: float) -> None:
    note = judge_samples(effective, 192, PlannerConfig())
    assert not note.wrong and note.words == "about 1 is usual"


def test_a_plan_that_hangs_on_few_is_one_where_many_are_usual() -> None:
    warm = dataclasses.replace(PlannerConfig(), temperature=1.0)
    few = judge_samples(4.0, 192, warm)
    assert few.wrong and few.words.startswith("hangs on few rollouts: about 7")
    assert not judge_samples(60.0, 192, warm).wrong


@pytest.mark.parametrize("temperature", [0.03, 1.0])
def test_rollouts_that_do_not_differ_are_a_warning_at_any_temperature(temperature: float) -> None:
    note = judge_samples(191.0, 192, dataclasses.replace(PlannerConfig(), temperature=temperature))
    assert note.wrong and "hardly differ" in note.words


def test_fewer_samples_than_asked_for_are_said() -> None:
    assert judge_samples(1.0, 48, PlannerConfig()).words == "about 1 is usual · cut from 192 to save time"


@pytest.mark.parametrize(("preset", "words"), [("cem", "the best 10 % are averaged"), ("rl", "without sampling")])
def test_planners_whose_number_is_no_finding_say_what_it_is(preset: str, words: str) -> None:
    note = judge_samples(1.0, 192, planner_preset(preset))
    assert not note.wrong and words in note.words
