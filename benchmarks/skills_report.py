"""The report of `bench skills`: Markdown with tables, plots as SVG, and everything as one JSON file."""

from __future__ import annotations

import html
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.skills_matrix import FEWEST_GOALS, MatrixOptions, Step
from benchmarks.skills_run import Outcome
from studio.evaluation.paired import compare_goals

TITLES = {
    "main": "The whole recipe",
    "baselines": "Without learned planning",
    "planners": "Planners on the same skills",
    "kl": "Success against KL-hat",
    "haptics": "Play with and without felt forces",
    "scale": "How much play",
    "pace": "Asynchronous against serial",
    "switches": "One part taken away at a time",
    "latent": "What keeps posterior and prior together",
    "paper": "The paper's values",
}
_FORCES = ("contact_share", "contact_force_median_n", "contact_force_p95_n", "contact_force_largest_n")
_KEPT = (
    "episodes",
    "successes",
    "rate",
    "wilson95",
    "held",
    "lost",
    "complete",
    "median_success_time_s",
    "predicted_error_m",
    "predicted_error_moving_m",
    "plan_ms",
    "wall_s",
    "settings",
)
_INK, _SOFT, _LINE, _MARK = "#1d2430", "#5b6575", "#d5dae3", "#2463c9"


@dataclass(frozen=True)
class Dot:
    """One measured rate with its interval."""

    label: str
    rate: float
    low: float
    high: float


def write_report(folder: Path, options: MatrixOptions, steps: Sequence[Step], outcomes: Mapping[str, Outcome]) -> Path:
    """`report.md`, `report.json` and `plots/*.svg`, each replaced as a whole; returns the path of the first."""
    found = {step.name: outcomes.get(step.name, Outcome()) for step in steps}
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    summary = {"options": {**options.__dict__, "out": str(options.out)}, "machine": _machine(), "rows": []}
    summary["rows"] = [_row(step, found[step.name]) for step in steps]
    _put(folder / "report.json", json.dumps(summary, indent=1, default=list) + "\n")
    parts = [_head(options, steps, found)]
    for section in options.sections:
        parts += _section(folder, section, [s for s in steps if s.section == section], steps, found)
    _put(folder / "report.md", "\n".join(parts) + "\n")
    return folder / "report.md"


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()}


def _row(step: Step, outcome: Outcome) -> dict[str, Any]:
    row = {"name": step.name, "kind": step.kind, "section": step.section, "label": step.label, **step.tags}
    row |= {"state": outcome.state, "message": outcome.message}
    if step.kind == "evaluate":
        return row | {key: outcome.result[key] for key in _KEPT if key in outcome.result}
    kept = ("wall_s", "steps", "held_out", "prior", "prior_reason", "priors", "phase_steps", "sim_s", "flips", *_FORCES)
    return row | {key: outcome.result[key] for key in kept if key in outcome.result}


def _head(options: MatrixOptions, steps: Sequence[Step], found: Mapping[str, Outcome]) -> str:
    done = sum(found[step.name].state == "done" for step in steps)
    list_note = "reported" if options.goal_list < 100 else "a tuning list, not for reporting"
    lines = [
        "# Skills from haptic play: comparisons\n",
        f"{done} of {len(steps)} steps are done; rows of the others say that they are missing. Goal list "
        f"{options.goal_list} ({list_note}), {options.goals} goals per row ({options.realtime_goals} in real time), "
        f"{options.limit_s:g} s each, training preset `{options.preset}`, training seeds "
        f"{', '.join(str(seed) for seed in options.seeds)}. The world waits for the planner unless a row says real "
        "time. "
        "Success: position within 1.5 cm and turn within 20 degrees at a skill boundary, at an instant; `stays` is "
        "counted a second later. Intervals are Wilson's, 95 %. `goal by goal`: how many goals only this row reached "
        "(+) and only the named one (-), and how often chance alone would be as uneven (McNemar's exact test). "
        "These are numbers of this simulation, not of any paper.",
    ]
    if options.side_set:
        lines.append(
            "\nEvery training but those of the whole recipe and of the paper's values also has "
            f"`{' '.join(options.side_set)}`, so that all of them fit into the time; their rows compare with each "
            "other, not with the whole recipe."
        )
    if min(options.goals, options.realtime_goals) < FEWEST_GOALS:
        lines.append(f"\n**Some rows have fewer than {FEWEST_GOALS} goals: they show that it runs, and nothing else.**")
    failed = [f"- {step.name}: {found[step.name].message}" for step in steps if found[step.name].state == "failed"]
    return "\n".join([*lines, *(["\nWhat failed:\n", *failed] if failed else [])]) + "\n"


def _section(
    folder: Path, name: str, own: Sequence[Step], steps: Sequence[Step], found: Mapping[str, Outcome]
) -> list[str]:
    rows = [step for step in own if step.kind == "evaluate"]
    parts = [f"## {TITLES[name]}\n", _success_table(rows, found)]
    for goal_class in dict.fromkeys(row.tags["goal_class"] for row in rows):
        dots = [_dot(row, found[row.name]) for row in rows if row.tags["goal_class"] == goal_class]
        shown = [dot for dot in dots if dot is not None]
        if shown:
            file = f"plots/{name}-{goal_class}.svg"
            _put(folder / file, rate_chart(f"{TITLES[name]}: {goal_class}", shown))
            parts.append(f"![{TITLES[name]}, {goal_class}]({file})\n")
    if name == "kl":
        parts += _kl_part(folder, rows, found)
    if name == "haptics":
        parts.append(_force_table(own, found))
    labels = {row.tags["model"]: row.label for row in reversed(rows)} | {step.name: step.label for step in own}
    trained = [step for step in steps if step.name in labels and (name == "main" or step.section != "main")]
    if any(step.kind == "train" for step in trained):
        parts.append(_training_table([step for step in trained if step.kind == "train"], labels, found))
    return parts


def _success_table(rows: Sequence[Step], found: Mapping[str, Outcome]) -> str:
    lines = [
        "| | class | success | 95 % interval | goal by goal | stays | lost | median time | executed error, moving "
        "| plan |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for step in rows:
        outcome, head = found[step.name], f"| {step.label} | {step.tags['goal_class']} |"
        result = outcome.result
        if not result.get("episodes"):
            lines.append(f"{head} {_missing(outcome)} | | | | | | | |")
            continue
        low, high = result["wilson95"]
        partly = "" if result["complete"] else ", cut short"
        lines.append(
            f"{head} {result['successes']} of {result['episodes']} ({100 * result['rate']:.0f} %{partly}) | "
            f"{100 * low:.0f} to {100 * high:.0f} % | {_paired(step, rows, found)} | {result['held']} | "
            f"{result['lost']} | "
            f"{_number(result['median_success_time_s'], 's')} | "
            f"{_number(result['predicted_error_moving_m'], 'mm', 1000.0)} | {_number(result['plan_ms']['p50'], 'ms')} |"
        )
    return "\n".join(lines) + "\n"


def _paired(step: Step, rows: Sequence[Step], found: Mapping[str, Outcome]) -> str:
    """This row against the one that it is compared with, on the goals that both tried."""
    alike = [row for row in rows if row.tags["goal_class"] == step.tags["goal_class"]]
    named = [row for row in alike if row.label == step.tags.get("against", alike[0].label)]
    other = next(iter(named), None)
    if other is None or other is step or not found[other.name].result.get("per_goal"):
        return ""
    this, that = (
        {goal["name"]: goal["success"] for goal in found[row.name].result.get("per_goal", [])} for row in (step, other)
    )
    paired = compare_goals(this, that)
    if paired.goals == 0:
        return ""
    return f"+{paired.only_this} -{paired.only_other} against {other.label} (p {paired.p_value:.2g})"


def _missing(outcome: Outcome) -> str:
    words = {"failed": "failed", "stopped": "cut short"}.get(outcome.state, "missing: not run yet")
    return f"**{words}**" + (f" ({outcome.message})" if outcome.state == "missing" and outcome.message else "")


def _number(value: float | None, unit: str, scale: float = 1.0) -> str:
    return "" if value is None else f"{scale * value:.1f} {unit}"


def _training_table(trainings: Sequence[Step], labels: Mapping[str, str], found: Mapping[str, Outcome]) -> str:
    lines = [
        "| training | updates | time | box error, one skill | 4 s chain | NLL Gaussian | NLL flow | prior |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for step in trainings:
        result, label = found[step.name].result, labels[step.name]
        if not result:
            lines.append(f"| {label} | {_missing(found[step.name])} | | | | | | |")
            continue
        told = result.get("held_out", {})
        mm = [_number(told.get(f"{key}_object_position_mm"), "mm") for key in ("one_skill", "chain_4s")]
        nats = [_number(told.get(key), "nats") for key in ("nll_gaussian", "nll_flow")]
        lines.append(
            f"| {label} | {result.get('steps', '')} | {_number(result.get('wall_s'), 's')} | {mm[0]} | {mm[1]} | "
            f"{nats[0]} | {nats[1]} | {result.get('prior', '')} |"
        )
    return "\n".join(lines) + "\n"


def _kl_part(folder: Path, rows: Sequence[Step], found: Mapping[str, Outcome]) -> list[str]:
    """Every prior's distance from the reference beside the success it gave, and the same as a plot."""
    models = {row.tags["model"] for row in rows}
    priors = {p["prior"]: p for model in models for p in found.get(model, Outcome()).result.get("priors", [])}
    lines = ["| prior | KL-hat on training windows | KL-hat held out | held-out NLL | planner | success |"]
    lines.append("|---|---|---|---|---|---|")
    points: dict[str, list[tuple[float, Dot]]] = {}
    for row in rows:
        known, dot = priors.get(row.tags["prior"]), _dot(row, found[row.name])
        if known is None or "kl_train" not in known or dot is None:
            continue
        nats = [f"{known[f'kl_{name}']:.2f} +- {known[f'kl_{name}_error']:.2f}" for name in ("train", "held_out")]
        lines.append(
            f"| {row.tags['prior']} | {nats[0]} | {nats[1]} | {known['nll_held_out']:.2f} | {row.tags['planner']} | "
            f"{100 * dot.rate:.0f} % ({100 * dot.low:.0f} to {100 * dot.high:.0f}) |"
        )
        points.setdefault(row.tags["planner"], []).append((known["kl_train"], dot))
    if not points:
        return ["Success against KL-hat is missing: no flow of this section has been trained and evaluated yet.\n"]
    _put(folder / "plots" / "success-against-kl.svg", scatter_chart("Success against KL-hat", "nats", points))
    return ["\n".join(lines) + "\n", "![Success against KL-hat](plots/success-against-kl.svg)\n"]


def _force_table(own: Sequence[Step], found: Mapping[str, Outcome]) -> str:
    lines = ["| play | contact | median force | 95 % of the time below | largest |", "|---|---|---|---|---|"]
    for step in own:
        if step.kind != "play":
            continue
        result = found[step.name].result
        if not result:
            lines.append(f"| {step.label} | {_missing(found[step.name])} | | | |")
            continue
        share, median_n, p95_n, largest_n = (float(result[name]) for name in _FORCES)
        lines.append(f"| {step.label} | {100 * share:.0f} % | {median_n:.1f} N | {p95_n:.1f} N | {largest_n:.1f} N |")
    return "\n".join(lines) + "\n"


def _dot(step: Step, outcome: Outcome) -> Dot | None:
    if not outcome.result.get("episodes"):
        return None
    low, high = outcome.result["wilson95"]
    return Dot(step.label, outcome.result["rate"], low, high)


# --------------------------------------------------------------------------------------------------------------- plots


def rate_chart(title: str, dots: Sequence[Dot], *, width: int = 760) -> str:
    """A dot and its interval per row, on a scale from 0 to 100 %."""
    left, top, pitch = 280, 48, 26
    height = top + pitch * len(dots) + 34

    def x(rate: float) -> float:
        return left + rate * (width - left - 40)

    drawn = [_text(16, 26, title, _INK, weight=600)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawn.append(_stroke(x(share), top - 8, x(share), height - 28, _LINE))
        drawn.append(_text(x(share), height - 10, f"{100 * share:.0f} %", _SOFT, anchor="middle"))
    for index, dot in enumerate(dots):
        y = top + pitch * index + 8
        drawn.append(_text(left - 12, y + 4, dot.label, _INK, anchor="end"))
        drawn.append(_stroke(x(dot.low), y, x(dot.high), y, _MARK, 2))
        drawn.append(f'<circle cx="{x(dot.rate):.1f}" cy="{y}" r="4.5" fill="{_MARK}"/>')
    return _svg(width, height, drawn)


def scatter_chart(title: str, unit: str, points: Mapping[str, Sequence[tuple[float, Dot]]]) -> str:
    """Rates with intervals over a number, one colour per series."""
    width, height, left, bottom = 760, 400, 64, 52
    values = [value for series in points.values() for value, _ in series]
    low, high = min(0.0, *values), max([*values, 1e-6])

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - 32)

    def y(rate: float) -> float:
        return height - bottom - rate * (height - bottom - 56)

    drawn = [_text(16, 26, title, _INK, weight=600)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawn.append(_stroke(left, y(share), width - 32, y(share), _LINE))
        drawn.append(_text(left - 8, y(share) + 4, f"{100 * share:.0f} %", _SOFT, anchor="end"))
    for value in round_ticks(low, high):
        drawn.append(_text(x(value), height - 28, f"{value:g}", _SOFT, anchor="middle"))
    drawn.append(_text(width - 32, height - 8, unit, _SOFT, anchor="end"))
    for index, (name, series) in enumerate(points.items()):
        colour = (_MARK, "#c4541a", "#2d8a4e", "#7a4bb5")[index % 4]
        drawn.append(_text(width - 32, 26 + 18 * index, name, colour, anchor="end"))
        for value, dot in series:
            drawn.append(_stroke(x(value), y(dot.low), x(value), y(dot.high), colour, 1.5))
            drawn.append(f'<circle cx="{x(value):.1f}" cy="{y(dot.rate):.1f}" r="4.5" fill="{colour}"/>')
    return _svg(width, height, drawn)


def round_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within low .. high, at most `most` of them."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if (high - low) / (power * factor) <= most - 1)
    return [round(number * step, 9) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _svg(width: int, height: int, drawn: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
    return f'{head} font-size="13"><rect width="100%" height="100%" fill="#ffffff"/>{"".join(drawn)}</svg>\n'


def _text(x: float, y: float, text: str, colour: str, *, anchor: str = "start", weight: int = 400) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{html.escape(text)}</text>'


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1.0) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _put(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
