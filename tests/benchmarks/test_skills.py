"""`bench skills` from play to report with a toy budget, its matrix, and going on after an interruption."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from benchmarks.skills_matrix import SECTIONS, SHORT, MatrixOptions, Step, make_matrix
from benchmarks.skills_report import round_ticks, write_report
from benchmarks.skills_run import Outcome, Runner
from studio.cli.main import main
from studio.data.dataset import Dataset
from studio.jobs.queue import start_run, wait_for
from studio.jobs.run import Run
from tests.patience import PATIENCE_S

TINY = (
    "stage_1.steps=12",
    "stage_1.batch=32",
    "single.steps=4",
    "chains.steps=4",
    "chains.batch=16",
    "stage_2.steps=8",
    "stage_2.batch=32",
    "value.steps=6",
    "value.batch=32",
    "rounds.count=0",
    "threads=1",
    "policy_hidden=[16]",
    "posterior_hidden=[16]",
    "dynamics_hidden=[16]",
    "prior_hidden=[16]",
    "value_hidden=[16]",
    "flow_hidden=16",
    "flow_context_hidden=[8]",
)


def words(out: Path, *more: str) -> list[str]:
    given = ["bench", "skills", "--out", str(out), "--goals", "2", "--realtime-goals", "1", "--limit-s", "0.4"]
    given += ["--minutes", "0.2", "--seeds", "0", "--classes", "planar", "--checkpoints", "2"]
    given += ["--reference-seconds", "1", "--side-by-side", "2", "--preset", "small", "--train-set", *TINY]
    return [*given, "--planner-set", "samples=8", "stages=2", "passes=1", *more]


def test_every_step_comes_after_what_it_needs_and_is_named_once(tmp_path: Path) -> None:
    steps = make_matrix(MatrixOptions(out=tmp_path))
    seen: set[str] = set()
    for step in steps:
        assert set(step.needs) <= seen, step.name
        assert step.name not in seen
        seen.add(step.name)
    rows = [step for step in steps if step.kind == "evaluate"]
    assert {row.section for row in rows} == set(SECTIONS)
    assert {row.spec["seed"] for row in rows} == {1}
    assert len([row for row in rows if row.section == "kl" and row.tags["planner"] == "mppi"]) == 8
    trained = {step.name: json.dumps(sorted(step.spec["set"])) for step in steps if step.kind == "train"}
    assert len({trained[row.tags["model"]] for row in rows if row.section == "switches"}) == 13


def test_the_very_same_training_is_done_once_and_stands_in_the_tables_of_all_who_use_it(tmp_path: Path) -> None:
    options = MatrixOptions(out=tmp_path, side_set=("rounds.count=0",), sections=("scale", "switches", "latent"))
    steps = make_matrix(options)
    rows = [step for step in steps if step.kind == "evaluate"]
    whole = {row.tags["model"] for row in rows if row.label in ("120 min x symmetry", SHORT, "KL and flow")}
    assert whole == {"train-scale-standard-1"}
    assert [step.name for step in steps if step.kind == "train"].count("train-scale-standard-1") == 1
    done = Outcome(state="done", result={"steps": 4321, "wall_s": 60.0, "prior": "flow", "held_out": {}})
    write_report(tmp_path, options, steps, {"train-scale-standard-1": done})
    lines = [line for line in (tmp_path / "report.md").read_text().splitlines() if " | 4321 | " in line]
    assert [line.split(" | ")[0] for line in lines] == ["| 120 min x symmetry", f"| {SHORT}", "| KL and flow"]


def test_side_settings_leave_the_whole_recipe_alone(tmp_path: Path) -> None:
    side = ("rounds.count=0", "stage_1.seconds=60")
    options = MatrixOptions(out=tmp_path, side_set=side, sections=("main", "switches", "paper"))
    trained = {step.name: step.spec["set"] for step in make_matrix(options) if step.kind == "train"}
    assert trained["train-main-0"] == [] and trained["train-side"] == list(side)
    assert not set(side[:1]) & set(trained["train-paper"])
    assert trained["train-without-no-chains"] == [*side, "chains.steps=0"]
    assert "train-without-no-on-policy-rounds" not in trained  # that part is away in all of them
    assert "train-without-no-commanded-goals" not in trained  # and so is this one
    write_report(tmp_path, options, make_matrix(options), {})
    assert "`rounds.count=0 stage_1.seconds=60`" in (tmp_path / "report.md").read_text()


@pytest.mark.timeout(1800)
def test_a_toy_from_play_to_report_is_not_done_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bench"
    assert main(words(out, "--sections", "baselines", "--workers", "1", "--json", "-")) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["done"] == told["steps"] == 9  # four recordings, their dataset, a training, three planners
    text, rows = (out / "report.md").read_text(), json.loads((out / "report.json").read_text())["rows"]
    assert "fewer than 40 goals" in text and "missing: not run" not in text and "scripted controller" in text
    assert {row["state"] for row in rows} == {"done"}
    assert all(row["episodes"] == 2 and len(row["wilson95"]) == 2 for row in rows if row["kind"] == "evaluate")
    assert (out / "plots" / "baselines-planar.svg").read_text().count("<circle") == 3
    assert len(list((out / "data" / "standard").glob("session_*"))) == 4
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("result.json")}
    assert main(words(out, "--sections", "baselines", "--workers", "1", "--resume", "--json", "-")) == 0
    assert before == {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("result.json")}


def made_up(successes: int, episodes: int) -> dict[str, object]:
    """What an evaluation says."""
    rate = successes / episodes
    rest = {"held": 1, "lost": 0, "complete": True, "median_success_time_s": 3.0, "predicted_error_moving_m": 0.004}
    spread = {"wilson95": [max(0.0, rate - 0.1), min(1.0, rate + 0.1)], "plan_ms": {"p50": 30.0, "p99": 60.0}}
    return {"successes": successes, "episodes": episodes, "rate": rate, **rest, **spread}


def test_kl_and_forces_stand_beside_the_success(tmp_path: Path) -> None:
    """The report alone, on outcomes as the jobs write them; one row is missing."""
    options = MatrixOptions(out=tmp_path, sections=("kl", "haptics"), checkpoints=2)
    steps = make_matrix(options)
    priors = ["gaussian", "flow:1", "flow:2", "reference"]
    told = {
        "priors": [
            {"prior": name, "nll_held_out": 9.0 - n, "kl_train": 6.0 - 2 * n, "kl_train_error": 0.1,
             "kl_held_out": 5.0 - n, "kl_held_out_error": 0.2} for n, name in enumerate(priors)
        ]
    }  # fmt: skip
    forces = {"contact_share": 0.4, "contact_force_median_n": 3.0, "contact_force_p95_n": 9.0}
    results = {"train": told, "play": {**forces, "contact_force_largest_n": 20.0}, "evaluate": made_up(30, 40)}
    outcomes = {s.name: Outcome(state="done", result=results.get(s.kind, {})) for s in steps}
    rows = [step for step in steps if step.section == "kl" and step.kind == "evaluate"]
    outcomes[rows[1].name] = Outcome(message="no time was left")
    text = write_report(tmp_path, options, steps, outcomes).read_text()
    assert "| flow:2 | 2.00 +- 0.10 | 3.00 +- 0.20 | 7.00 | mppi | 75 % (65 to 85) |" in text
    assert "| no haptics | 40 % | 3.0 N | 9.0 N | 20.0 N |" in text
    assert text.count("missing: not run yet") == 1
    drawn = (tmp_path / "plots" / "success-against-kl.svg").read_text()
    assert drawn.count("<circle") == len(rows) - 1


def test_rows_are_compared_goal_by_goal_with_the_row_they_differ_from(tmp_path: Path) -> None:
    options = MatrixOptions(out=tmp_path, sections=("switches",), side_set=("rounds.count=0",), classes=("full",))
    steps = make_matrix(options)
    rows = {step.label: step for step in steps if step.kind == "evaluate"}
    reached = {"everything": "1111", SHORT: "1100", "no chains": "0001", "one pass": "0111"}
    outcomes = {}
    for label, goals in reached.items():
        per_goal = [{"name": f"full {n}", "success": one == "1"} for n, one in enumerate(goals)]
        result = {**made_up(goals.count("1"), 4), "per_goal": per_goal}
        outcomes[rows[label].name] = Outcome(state="done", result=result)
    text = write_report(tmp_path, options, steps, outcomes).read_text()
    told = {line.split(" | ")[0][2:]: line.split(" | ")[4] for line in text.splitlines() if " of 4 (" in line}
    assert told == {
        "everything": "",
        SHORT: "+0 -2 against everything (p 0.5)",
        "no chains": f"+1 -2 against {SHORT} (p 1)",
        "one pass": "+0 -1 against everything (p 1)",
    }


def test_ticks_are_round_numbers() -> None:
    assert round_ticks(0.0, 5.12) == [0, 1, 2, 3, 4, 5]
    assert round_ticks(0.0, 24.0) == [0, 5, 10, 15, 20]
    assert round_ticks(-0.31, 0.3) == [-0.2, 0.0, 0.2]


def test_no_time_left_means_missing_rows_that_the_report_names(tmp_path: Path) -> None:
    options = MatrixOptions(out=tmp_path, sections=("baselines",), goals=2)
    steps = make_matrix(options)
    runner = Runner(tmp_path, end_s=0.0, say=lambda text: None)
    runner.run_all(steps, lambda: None)
    assert {outcome.state for outcome in runner.outcomes.values()} == {"missing"}
    text = write_report(tmp_path, options, steps, runner.outcomes).read_text()
    assert text.count("missing: not run yet") >= 9 and "0 of" in text


def test_a_run_of_other_settings_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """The first is stopped by the budget; with another seed the play starts over, with the same it goes on."""
    said: list[str] = []
    spec = {"out": str(tmp_path / "data"), "minutes": 0.05, "seed": 1, "haptics": True}
    for seed in (1, 2, 2):
        runner = Runner(tmp_path, end_s=None, say=said.append)
        runner.run_all([Step(name="play-x", kind="play", spec={**spec, "seed": seed})], lambda: None)
        assert runner.outcomes["play-x"].state == "done"
        assert Run(tmp_path / "runs" / "play-x").result()["seed"] == seed
    assert len(said) == 2


def test_an_evaluation_that_two_sections_name_runs_once(tmp_path: Path) -> None:
    steps = [step for step in make_matrix(MatrixOptions(out=tmp_path)) if step.kind == "evaluate"]
    (first, again) = [
        step for step in steps if step.name in ("evaluate-main-strong-seed-0-full", "evaluate-planners-mppi-full")
    ]
    assert first.spec == again.spec
    done = start_run(
        tmp_path / "runs" / first.name,
        "play",
        {"out": str(tmp_path / "d"), "minutes": 0.05, "seed": 1, "haptics": True},
    )
    assert wait_for(done, timeout_s=PATIENCE_S).state == "done"
    job = tmp_path / "runs" / first.name / "job.json"
    job.write_text(json.dumps(json.loads(job.read_text()) | {"kind": "evaluate", "spec": first.spec}))
    events: list[str] = []
    runner = Runner(tmp_path, end_s=None, say=events.append)
    runner.outcomes = {name: Outcome(state="done") for name in again.needs}
    runner.run_all([again], lambda: None)
    assert runner.outcomes[again.name].state == "done" and events == []
    assert runner.outcomes[again.name].result == Run(tmp_path / "runs" / first.name).result()


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_plays_run_side_by_side_and_what_needs_them_comes_after(tmp_path: Path, side_by_side: int) -> None:
    """Both orders of events are the runner's own words; the joined dataset is there in both."""
    events: list[str] = []
    plays = [
        Step(
            name=f"play-{name}",
            kind="play",
            spec={"out": str(tmp_path / name), "minutes": 0.05, "seed": 1, "haptics": True},
        )
        for name in "ab"
    ]
    joined = {"out": str(tmp_path / "both"), "parts": [str(tmp_path / name) for name in "ab"]}
    join = Step(name="join-both", kind="join", spec=joined, needs=("play-a", "play-b"))
    runner = Runner(tmp_path, end_s=None, say=events.append, side_by_side=side_by_side)
    runner.run_all([plays[0], plays[1], join], lambda: events.append("noted"))
    begun = ["play-a ...", "play-b ..."]
    expected = [*begun, "noted", "noted"] if side_by_side == 2 else [begun[0], "noted", begun[1], "noted"]
    assert events == [*expected, "noted"]
    assert {outcome.state for outcome in runner.outcomes.values()} == {"done"}
    assert len(Dataset(tmp_path / "both").episodes()) == 2


def test_a_job_that_outlived_a_killed_benchmark_is_waited_for_and_a_killed_one_begins_again(tmp_path: Path) -> None:
    spec = {"out": str(tmp_path / "data"), "minutes": 0.1, "seed": 1, "haptics": True}
    step, folder = Step(name="play-x", kind="play", spec=spec), tmp_path / "runs" / "play-x"
    outlived = start_run(folder, "play", spec)
    runner = Runner(tmp_path, end_s=None, say=lambda text: None)
    runner.run_all([step], lambda: None)
    assert runner.outcomes["play-x"].state == "done"
    assert Run(folder).created_s == outlived.created_s
    assert len(Dataset(tmp_path / "data").episodes()) == 1
    killed = start_run(folder, "play", {**spec, "minutes": 5.0})
    step = Step(name="play-x", kind="play", spec={**spec, "minutes": 5.0})
    while killed.status().step < 1 and killed.status().active:
        time.sleep(0.2)
    os.kill(killed.status().pid, signal.SIGKILL)
    assert wait_for(killed, timeout_s=PATIENCE_S).state == "lost"
    runner = Runner(tmp_path, end_s=time.monotonic() + 5.0, say=lambda text: None)
    runner.run_all([step], lambda: None)
    assert runner.outcomes["play-x"].state == "stopped"  # it began again, and the time was over
    assert Run(folder).created_s > killed.created_s and not Run(folder).status().active


def test_a_failed_step_is_told_and_what_needs_it_is_missing(tmp_path: Path) -> None:
    train = {"method": "haptic_play", "dataset": "/nowhere", "bundle": str(tmp_path / "b"), "preset": "", "set": []}
    steps = [
        Step(name="train-x", kind="train", spec={**train, "seed": 0}, section="main", label="x"),
        Step(name="evaluate-x", kind="evaluate", spec={}, needs=("train-x",), section="main", label="x"),
    ]
    runner = Runner(tmp_path, end_s=None, say=lambda text: None)
    runner.run_all(steps, lambda: None)
    assert runner.outcomes["train-x"].state == "failed" and "/nowhere" in runner.outcomes["train-x"].message
    assert runner.outcomes["evaluate-x"] == Outcome(message="needs train-x")


def test_wrong_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs").mkdir()
    for more, said in (
        ([], "has been used already"),
        (["--sections", "all"], "allowed main"),
        (["--train-set", "stage=1"], "unknown key"),
    ):
        assert main(["bench", "skills", "--out", str(tmp_path), *more]) == 2
        assert said in capsys.readouterr().err
