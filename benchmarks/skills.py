"""`bench skills --out DIR`: what the skills are worth, compared part by part. Hours; goes on after any interruption.

Every step is one of the studio's own jobs in `DIR/runs`; what is done is not done again. The report is written anew
after every step, so that it can be read while the rest is running, and it says which rows are missing.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.skills_matrix import SECTIONS, STANDARD_MINUTES, MatrixOptions, make_matrix
from benchmarks.skills_report import write_report
from benchmarks.skills_run import Runner
from studio.cli.output import parse_arguments, write_result
from studio.core.config import apply_settings, check_range
from studio.core.errors import ConfigError
from studio.evaluation.goals import GOAL_CLASSES
from studio.methods.table import find_method
from studio.planning.config import PRESETS


@dataclass(frozen=True, kw_only=True)
class SkillsArguments:
    """Compare skills, planners and parts of the recipe on the same goals.

    Args:
        out: folder of plays, bundles, runs and the report.
        budget_minutes: nothing new starts after so long, and what runs is stopped; 0 = until all is done.
        resume: go on in a folder that has been used; what is done stays.
        sections: which parts, in this order.
        goals: per row; fewer than 40 say nothing.
        realtime_goals: per row with the world not waiting.
        goal_list: published list; 1 is reported, 100 to 119 are for tuning.
        seeds: of the trainings of the main rows.
        preset: of the trainings.
        train_set: settings of every training, key=value.
        side_set: further ones of all trainings but those of the section main, to make them shorter.
        planner_set: settings of every plan, key=value.
        minutes: of each of the four recordings of the standard dataset.
        limit_s: simulated seconds per goal.
        classes: of goals.
        checkpoints: of the flow in the KL section.
        reference_seconds: training time of the reference flow.
        paper_seconds: limit of each stage of the paper's training; 0 = its 200,000 updates.
        rl_seconds: training time of each actor.
        workers: processes of an evaluation; 0 takes one per core (with real time one per two cores).
        side_by_side: plays and trainings at a time; each computes on one core.
        list: only show what would run.
        json: write the whole report as JSON to this path, - for standard output.
    """

    out: Path
    budget_minutes: float = 0.0
    resume: bool = False
    sections: tuple[str, ...] = SECTIONS
    goals: int = 200
    realtime_goals: int = 40
    goal_list: int = 1
    seeds: tuple[int, ...] = (0, 1)
    preset: str = "strong"
    train_set: tuple[str, ...] = ()
    side_set: tuple[str, ...] = ()
    planner_set: tuple[str, ...] = ()
    minutes: float = STANDARD_MINUTES
    limit_s: float = 50.0
    classes: tuple[str, ...] = GOAL_CLASSES
    checkpoints: int = 6
    reference_seconds: float = 900.0
    paper_seconds: float = 1200.0
    rl_seconds: float = 480.0
    workers: int = 0
    side_by_side: int = 1
    list: bool = False
    json: str | None = None


def run(arguments: list[str]) -> int:
    """The command; its exit code is 1 when a step failed."""
    given = parse_arguments(SkillsArguments, arguments, "main.py bench skills")
    options = _check(given)
    steps = make_matrix(options)
    if given.list:
        print("\n".join(f"{step.kind:<9} {step.name}" for step in steps))
        return 0
    if not given.resume and (options.out / "runs").exists():
        raise ConfigError(f"--out {options.out} has been used already. Add --resume, or choose another folder.")
    options.out.mkdir(parents=True, exist_ok=True)
    end_s = time.monotonic() + 60.0 * given.budget_minutes if given.budget_minutes else None
    runner = Runner(options.out, end_s=end_s, say=_say, side_by_side=given.side_by_side)
    report = write_report(options.out, options, steps, {})
    runner.run_all(steps, lambda: write_report(options.out, options, steps, runner.outcomes))
    states = [outcome.state for outcome in runner.outcomes.values()]
    result = {"report": str(report), "steps": len(steps), **{name: states.count(name) for name in sorted(set(states))}}
    write_result(result, given.json, text=f"{states.count('done')} of {len(steps)} steps done -> {report}")
    return 1 if "failed" in states else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _check(given: SkillsArguments) -> MatrixOptions:
    """Everything that can be wrong is said before the first hour."""
    highest = {"goals": 100_000, "realtime_goals": 100_000, "checkpoints": 50, "side_by_side": 64}
    for name, high in highest.items():
        check_range("bench skills", name, getattr(given, name), 1, high)
    check_range("bench skills", "minutes", given.minutes, 0.15, 24 * 60, " min")
    check_range("bench skills", "budget_minutes", given.budget_minutes, 0, 1e6, " min")
    apply_settings(find_method("haptic_play").make_config(given.preset), [*given.train_set, *given.side_set])
    apply_settings(PRESETS["default"], list(given.planner_set))
    names = [name for name in MatrixOptions.__dataclass_fields__ if name != "out"]
    return MatrixOptions(out=given.out.resolve(), **{name: getattr(given, name) for name in names})
