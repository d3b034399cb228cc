"""`bench mppi`: our planner against pytorch_mppi on the same networks, in turn in one process.

Costs are compared before anything is timed: the peer's own samples go through our rollouts, and the costs must agree.
Each side may use one thread or all cores, whichever is quicker for it, quiet and beside a busy process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from benchmarks.interleaved import Timing, busy_neighbour, cores, interleaved, ratio_spread
from benchmarks.mppi_curves import cost_curves, rollouts_for_the_peers_best
from benchmarks.mppi_peer import PEER, PeerModel, load_pytorch_mppi, make_peer
from benchmarks.mppi_setup import Case, as_tensor, load_model, make_planning_cases, single
from studio.cli.output import parse_arguments, write_result
from studio.core.config import check_range
from studio.core.errors import StudioError
from studio.learning.skill_model import SkillModel
from studio.learning.value import LearnedValue
from studio.planning.config import PRESETS, PlannerConfig
from studio.planning.goal_score import GoalScore
from studio.workers.planning_engine import make_goal_planner, make_rollouts

_SAME_CORRELATION = {"float32": 0.999, "bfloat16": 0.9}
_SAME_COSTS = {"float32": 0.05, "bfloat16": 1.0}  # largest median difference, in spreads of the peer's costs


@dataclass(frozen=True, kw_only=True)
class Options:
    """Our planner against pytorch_mppi.

    Args:
        bundle: a trained bundle; without one, random weights of the default sizes (same cost in time, no meaning).
        runs: of each contestant in each workload.
        states: planned from in the curves of cost against samples; 0 leaves them out.
        sizes: `default` (the studio's), `paper` (N 2000, H 40), or `all`.
        json_path: write the result as JSON; `-` prints it.
    """

    bundle: str = ""
    runs: int = 9
    states: int = 40
    sizes: str = "all"
    json_path: Annotated[str | None, tyro.conf.arg(name="json")] = field(default=None)

    def __post_init__(self) -> None:
        check_range("bench mppi", "runs", self.runs, 3, 1000)
        check_range("bench mppi", "states", self.states, 0, 1000)


@dataclass(frozen=True, kw_only=True)
class Match:
    """One size, both sides ready to plan.

    Args:
        precisions: that both sides are run with.
    """

    name: str
    precisions: tuple[str, ...]
    settings: PlannerConfig
    model: SkillModel
    value: LearnedValue | None
    case: Case


def run(arguments: list[str]) -> int:
    """Run the benchmark."""
    options = parse_arguments(Options, arguments, "bench mppi")
    load_pytorch_mppi()
    torch.set_num_threads(1)
    model, value = load_model(options.bundle)
    result: dict[str, Any] = {
        "model": options.bundle or "random weights of the default sizes",
        "cores": cores(),
        "load_average_before": round(os.getloadavg()[0], 2),  # `quiet` is only as quiet as this says
        "workloads": {},
        "costs": {},
        "not_timed": {},
    }
    for match in make_matches(options, model, value):
        _say(f"{match.name}: costs")
        match = keep_equal_precisions(match, result)
        for load, neighbours in (("quiet", 0), ("busy", 1)):
            _say(f"{match.name}: {load}")
            with busy_neighbour(neighbours) if neighbours else contextlib.nullcontext():
                result["workloads"].update(time_match(match, load, options.runs))
    if options.states:
        _say("cost against samples")
        result["curves"] = cost_curves(model, value, make_planning_cases(model, options.states, seed=1))
        result["rollouts_for_the_peers_best_cost"] = rollouts_for_the_peers_best(result["curves"])
    write_result(result, options.json_path, text=_table(result))
    return 0


def make_matches(options: Options, model: SkillModel, value: LearnedValue | None) -> list[Match]:
    """Default and paper sizes, each in float32 and, where the processor has it, bfloat16."""
    case = make_planning_cases(model, 1, seed=1)[0]
    sizes = ("default", "paper") if options.sizes == "all" else (options.sizes,)
    matches = []
    for name in sizes:
        settings = single(PRESETS[name])
        used = value if settings.cost != "distance" else None
        precisions = _precisions(model, used, settings)
        matches.append(Match(name=name, precisions=precisions, settings=settings, model=model, value=used, case=case))
    return matches


def keep_equal_precisions(match: Match, result: dict[str, Any]) -> Match:
    """The match in the precisions whose costs agree with the peer's; `result` gets the costs, and what is not timed.

    Raises:
        StudioError: not even float32 agrees.
    """
    kept = []
    for precision in match.precisions:
        name = f"{match.name}_{precision}"
        try:
            result["costs"][name] = compare_costs(match, precision)
            kept.append(precision)
        except StudioError as error:
            if precision == "float32":
                raise
            result["not_timed"][name] = str(error)
            _say(str(error))
    return dataclasses.replace(match, precisions=tuple(kept))


def compare_costs(match: Match, precision: str) -> dict[str, float]:
    """The peer's samples, with its costs in float32, through our rollouts.

    Raises:
        StudioError: the costs differ by more than rounding explains; the timings would compare different work.
    """
    score = make_goal_score(match)
    peer = make_peer(PeerModel(match.model, match.value, score), match.settings, temperature=1.0, noise=0.35)
    state = as_tensor(match.case.state)
    with torch.inference_mode():
        peer.command(state, shift_nominal_trajectory=False)
    ours = make_rollouts(match.model, single(match.settings, precision=precision), match.value)[0]
    assert ours is not None, "_precisions has checked it"
    ours.set_goal(score.goal)
    returns = ours.roll_out(state, peer.perturbed_action.transpose(0, 1).contiguous(), paths=False).returns
    first = score.cost(state[None])[0]  # the peer does not count the state planned from, ours does
    costs, theirs = (-returns - first).numpy(), peer.cost_total.numpy()
    found = {
        "correlation": float(np.corrcoef(costs, theirs)[0, 1]),
        "median_relative_difference": float(np.median(np.abs(costs - theirs) / np.abs(theirs).clip(1e-6))),
        "spread": float(theirs.std()),
        "median_difference_in_spreads": float(np.median(np.abs(costs - theirs)) / theirs.std().clip(1e-9)),
    }
    least, most = _SAME_CORRELATION[precision], _SAME_COSTS[precision]
    if not (found["correlation"] >= least and found["median_difference_in_spreads"] <= most):
        raise StudioError(
            f"bench mppi: costs of {match.name} in {precision} agree only to {found}; a correlation of at least "
            f"{least} and a median difference of at most {most} spreads are expected. Different work is not timed."
        )
    return found


def time_match(match: Match, load: str, runs: int) -> dict[str, Any]:
    """Everybody in turn: both sides, each precision, one thread and all cores.

    Each side's quicker number of threads counts. The first row is the studio as it comes against the peer as it comes
    (float32); the others compare equal precisions.
    """
    contestants: dict[str, Callable[[], object]] = {}
    for precision in match.precisions:
        for threads in sorted({1, cores()}):
            contestants[f"ours {precision} {threads}"] = _our_call(match, precision, threads)
            contestants[f"peer {precision} {threads}"] = _peer_call(match, precision, threads)
    times = interleaved(contestants, runs)
    name, usual = f"{match.name}_{load}", _as_it_comes(match)
    rows = {name: {**_row(times, usual, "float32", runs), "all_ms": _all(times, "median_ms")}}
    rows[name]["all_processor_ms"] = _all(times, "processor_ms")
    for precision in match.precisions:
        rows[f"{name}_{precision}"] = _row(times, precision, precision, runs)
    return rows


def _as_it_comes(match: Match) -> str:
    """The precision that the settings ask for."""
    return match.precisions[-1] if match.settings.precision == "auto" else match.settings.precision


def make_goal_score(match: Match) -> GoalScore:
    score = GoalScore(match.model.task, match.settings, tips=match.model.tips, value=match.value)
    score.set_goal(match.case.goal)
    return score


def _row(times: dict[str, Timing], ours_in: str, peer_in: str, runs: int) -> dict[str, Any]:
    ours, peer = _quickest(times, f"ours {ours_in} "), _quickest(times, f"peer {peer_in} ")
    one = times[f"peer {peer_in} 1"].processor_ms / times[f"ours {ours_in} 1"].processor_ms
    return {
        "ours": round(ours.median_ms, 3),
        "peer": round(peer.median_ms, 3),
        "peer_name": f"{PEER} {importlib.metadata.version(PEER)}, {peer_in} networks",
        "ratio": round(peer.median_ms / ours.median_ms, 3),
        "unit": "ms",
        "runs": runs,
        "spread": {"ours": ours.spread_ms, "peer": peer.spread_ms},
        "ratio_spread": ratio_spread(peer, ours),
        "precision": ours_in,
        "processor_ratio": round(one, 3),
    }


def _quickest(times: dict[str, Timing], start: str) -> Timing:
    return min((found for name, found in times.items() if name.startswith(start)), key=lambda found: found.median_ms)


def _all(times: dict[str, Timing], what: str) -> dict[str, float]:
    return {name: round(float(getattr(found, what)), 3) for name, found in times.items()}


def _our_call(match: Match, precision: str, threads: int) -> Callable[[], object]:
    """A whole plan: all passes, the averaged plan's own exact path, the fan for the screen."""
    settings = single(match.settings, threads=threads, precision=precision, engine="native")
    planner = make_goal_planner(match.model, settings, seed=0, value=match.value)
    return lambda: planner.plan(match.case.state, match.case.goal, t_s=0.0)


def _peer_call(match: Match, precision: str, threads: int) -> Callable[[], object]:
    """One command with as many rollouts as all our passes together, in one batch, which suits the peer best."""
    settings = single(match.settings, samples=match.settings.samples * match.settings.passes)
    model = PeerModel(match.model, match.value, make_goal_score(match), half=precision == "bfloat16")
    peer = make_peer(model, settings, temperature=1.0, noise=0.35)
    state = as_tensor(match.case.state)

    def call() -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            peer.command(state)
        torch.set_num_threads(1)

    return call


def _precisions(model: SkillModel, value: LearnedValue | None, settings: PlannerConfig) -> tuple[str, ...]:
    rollouts, reason = make_rollouts(model, dataclasses.replace(settings, precision="auto"), value)
    if rollouts is None:
        raise StudioError(f"bench mppi: no native rollouts on this machine ({reason}). Install a C compiler.")
    return ("float32", "bfloat16") if rollouts.half else ("float32",)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _table(result: dict[str, Any]) -> str:
    rows = [f"{result['model']}, {result['cores']} cores, load average before {result['load_average_before']}"]
    rows += [f"{'workload':<28}{'ours':>10}{'peer':>10} ms{'ratio':>8} (quartiles)   of processor time on one thread"]
    for name, row in result["workloads"].items():
        low, high = row["ratio_spread"]
        rows.append(
            f"{name:<28}{row['ours']:>10.1f}{row['peer']:>10.1f}{row['ratio']:>11.2f} ({low:.2f} to {high:.2f})"
            f"{row['processor_ratio']:>14.2f}"
        )
    for name, found in result["costs"].items():
        apart = found["median_difference_in_spreads"]
        rows.append(
            f"costs agree, {name}: correlation {found['correlation']:.5f}, median difference {apart:.1e} spreads"
        )
    rows += [f"not timed, {name}: {why}" for name, why in result["not_timed"].items()]
    for curve in result.get("curves", []):
        rows.append(
            f"{curve['planner']:<28} N {curve['samples']:>5}  rollouts {curve['rollouts']:>5}  cost {curve['cost']:.2f}"
            f"  against the peer's best {curve['against_peer'][0]:+.2f} +- {curve['against_peer'][1]:.2f}"
        )
    for planner, rollouts in result.get("rollouts_for_the_peers_best_cost", {}).items():
        rows.append(f"{planner:<28} as good as the peer's best from {rollouts or 'none of these'} rollouts on")
    return "\n".join(rows)
