"""The parts of `bench mppi`; its timings are measured, not tested."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys

import numpy as np
import pytest
import torch

from benchmarks import mppi
from benchmarks.interleaved import interleaved
from benchmarks.mppi_curves import rollouts_for_the_peers_best
from benchmarks.mppi_peer import PeerModel
from benchmarks.mppi_setup import as_tensor, make_planning_cases, random_model, single
from studio.core.errors import ConfigError, StudioError
from studio.learning.native_build import native_build
from studio.planning.config import PRESETS
from studio.planning.goal_score import GoalScore

needs_both = pytest.mark.skipif(
    importlib.util.find_spec("pytorch_mppi") is None or native_build().library is None,
    reason="needs pytorch_mppi (extra `bench`) and a C compiler",
)


def test_contestants_take_turns_and_warm_ups_do_not_count() -> None:
    order: list[str] = []
    times = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, warm_up=1)
    assert order == ["a", "b", "b", "a"] * 2  # each begins as often
    assert all(len(found.seconds) == len(found.processor_seconds) == 3 for found in times.values())


def test_the_peer_has_our_networks_and_our_cost() -> None:
    model, value = random_model()
    case = make_planning_cases(model, 1, seed=1)[0]
    score = GoalScore(model.task, PRESETS["default"], tips=model.tips, value=value)
    score.set_goal(case.goal)
    peer = PeerModel(model, value, score)
    state, u = as_tensor(case.state).expand(20, -1), torch.rand(20, model.skill_size) - 0.5
    with torch.inference_mode():
        after = peer.dynamics(state, u)
        assert torch.allclose(after, model.predict(state, model.skill(u, state)), atol=1e-5)
        assert torch.allclose(peer.cost(after), score.cost(after), atol=1e-4)


def test_without_the_peer_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_mppi", None)
    with pytest.raises(ConfigError, match=r"pip install -e '.\[bench\]'"):
        mppi.run(["--runs", "3"])


def _match(samples: int = 64, stages: int = 3) -> mppi.Match:
    model, value = random_model()
    settings = single(PRESETS["default"], samples=samples, stages=stages)
    case = make_planning_cases(model, 1, seed=1)[0]
    return mppi.Match(name="small", precisions=("float32",), settings=settings, model=model, value=value, case=case)


@needs_both
def test_costs_are_compared_and_different_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    match = _match()
    assert mppi.compare_costs(match, "float32")["correlation"] > 0.999
    monkeypatch.setattr(PeerModel, "cost", lambda self, state, u=None: state[:, 0] * 0.0 + torch.rand(len(state)))
    with pytest.raises(StudioError, match="costs of small in float32 agree only"):
        mppi.compare_costs(match, "float32")


@needs_both
def test_costs_that_only_run_alike_are_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    real = PeerModel.cost
    monkeypatch.setattr(PeerModel, "cost", lambda self, state, u=None: 1.05 * real(self, state, u))
    with pytest.raises(StudioError, match="median difference of at most"):
        mppi.compare_costs(_match(), "float32")


@needs_both
def test_a_precision_whose_costs_differ_is_not_timed_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mppi._SAME_CORRELATION, "bfloat16", 1.1)  # nothing correlates so well
    match = _match()
    if "bfloat16" not in mppi._precisions(match.model, match.value, match.settings):
        pytest.skip("the processor has no bfloat16")
    match = dataclasses.replace(match, precisions=("float32", "bfloat16"))
    result: dict = {"costs": {}, "not_timed": {}}
    assert mppi.keep_equal_precisions(match, result).precisions == ("float32",)
    (name,) = result["costs"]
    assert (
        name.endswith("float32")
        and "bfloat16 agree only to" in result["not_timed"][name.replace("float32", "bfloat16")]
    )
    monkeypatch.setitem(mppi._SAME_CORRELATION, "float32", 1.1)
    with pytest.raises(StudioError, match="float32 agree only"):
        mppi.keep_equal_precisions(match, result)


def test_rollouts_for_the_peers_best_cost_must_last() -> None:
    def row(planner: str, rollouts: int, above: float) -> dict[str, object]:
        return {"planner": planner, "rollouts": rollouts, "against_peer": [above, 1.0]}

    rows = [row("a", 96, 2.0), row("a", 48, -1.0), row("a", 384, -3.0), row("a", 192, -0.5), row("b", 96, 0.1)]
    assert rollouts_for_the_peers_best([*rows, row("peer", 768, 0.0)]) == {"a": 192, "b": None, "peer": 768}


@needs_both
def test_rows_have_the_fields_of_the_command_line_contract() -> None:
    rows = mppi.time_match(_match(), "quiet", runs=3)
    assert set(rows) == {"small_quiet", "small_quiet_float32"}
    for row in rows.values():
        assert {"ours", "peer", "peer_name", "ratio", "unit", "runs", "spread"} <= set(row)
        assert 0.0 < row["ratio_spread"][0] <= row["ratio_spread"][1]
        assert np.isclose(row["ratio"], row["peer"] / row["ours"], rtol=0.01)
