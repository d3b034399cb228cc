"""From `metrics.jsonl` to what the four plots show: names, stages, held-out against training, the last run. No Qt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PLOTS = 4
HELD_OUT = "held_out/"
_ORDER = ("loss", "action", "reconstruction", "kl", "object_position", "object", "goal", "error", "nll", "last")
_WORDS = {
    "loss": ("Total loss", "lower is better"),
    "action": ("Reconstruction", "actions, scaled"),
    "kl": ("Skill size (KL)", "nats"),
    "goal": ("Where it ends", "change of state, scaled"), "last": ("End of the chain", "scaled"),
    "td_error": ("Worth of a state: error", "lower is better"),
    "value": ("Worth of a state", "mean, minus the skills to go"),
    "nll_flow": ("Likely skills: flow", "nats, lower is better"), "nll_gaussian": ("Likely skills: Gaussian", "nats"),
}  # fmt: skip
STAGE_WORDS = {"windows": "reading", "skills": "skills", "single skills": "single skills",
               "chains": "chains of skills", "dynamics": "chains of skills", "flow": "likely skills",
               "held out": "measuring", "value": "worth of a state",
               # and as the settings call them
               "stage 1": "skills", "single": "single skills", "stage 2": "likely skills"}  # fmt: skip
_UNITS = (
    ("_mm", "mm"),
    ("_deg", "°"),
    ("_rad", "rad"),
    ("_nats", "nats"),
    ("_rms", "root mean square"),
    ("_m", "m"),
    ("_s", "s"),
)
_IGNORED = ("step", "t_s", "stage")


def stage_words(stage: str) -> str:
    """A stage for people: `worth of a state`, `round 2, worth of a state`."""
    head, _, rest = stage.partition(" ")
    number, _, part = rest.partition(" ")
    if head == "round" and part:
        return f"round {number}, {stage_words(part)}"
    return STAGE_WORDS.get(stage, stage.replace("_", " "))


@dataclass(frozen=True, kw_only=True)
class Series:
    """Steps [N] and values [N]."""

    steps: tuple[float, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlotData:
    """One plot of a stage: thin training, thick held-out, dashed reference, and the runs that are compared."""

    name: str
    title: str
    hint: str
    stage: str
    training: Series
    held_out: Series
    reference: Series
    others: tuple[Series, ...] = ()

    @property
    def span(self) -> tuple[float, float]:
        """First and last step shown."""
        curves = (self.training, self.held_out, self.reference, *self.others)
        starts = [curve.steps[0] for curve in (self.training, self.held_out) if curve.steps]
        return min(starts, default=0.0), max((curve.steps[-1] for curve in curves if curve.steps), default=1.0)


def stages(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Stages in the order in which they began."""
    return list(dict.fromkeys(str(row["stage"]) for row in rows if "stage" in row))


def metric_names(rows: Sequence[dict[str, Any]], stage: str) -> list[str]:
    """Metrics of a stage, the telling ones first; a held-out one counts under its plain name."""
    found: dict[str, None] = {}
    for row in rows:
        if row.get("stage") == stage:
            found |= {key.removeprefix(HELD_OUT): None for key in row if key not in _IGNORED}
    return sorted(found, key=_rank)


def _rank(name: str) -> tuple[int, str]:
    exact = next((i for i, word in enumerate(_ORDER) if name == word), None)
    near = next((i for i, word in enumerate(_ORDER) if word in name), len(_ORDER))
    return (exact if exact is not None else near + len(_ORDER), name)


def choose(rows: Sequence[dict[str, Any]], stage: str) -> list[str]:
    """The four metrics to show of a stage; one that says where the object goes is preferred to the scaled goal term."""
    names = metric_names(rows, stage)
    physical = [name for name in names if "object" in name and ("mm" in name or name.endswith("_m"))]
    if len(names) > PLOTS and physical:
        names = [name for name in names if name not in physical]
        return [*names[: PLOTS - 1], physical[0]]
    return names[:PLOTS]


def series(rows: Sequence[dict[str, Any]], stage: str, key: str) -> Series:
    """One metric over steps; values that are no finite numbers are left out."""
    found = [
        (float(row["step"]), float(row[key]))
        for row in rows
        if row.get("stage") == stage and isinstance(row.get(key), (int, float)) and row[key] == row[key]
    ]
    return Series(steps=tuple(s for s, _ in found), values=tuple(v for _, v in found))


def make_plots(
    rows: Sequence[dict[str, Any]],
    reference: Sequence[dict[str, Any]],
    stage: str,
    others: Sequence[Sequence[dict[str, Any]]] = (),
) -> list[PlotData]:
    """What the plots of a stage show; a stage with fewer than four metrics is filled up with those before it."""
    wanted = [(stage, name) for name in choose(rows, stage)]
    for earlier in [name for name in stages(rows) if name != stage][::-1]:
        wanted += [(earlier, name) for name in choose(rows, earlier)][: PLOTS - len(wanted)]
    return [_plot(rows, reference, others, *place, shown=stage) for place in wanted[:PLOTS]]


def _plot(
    rows: Sequence[dict[str, Any]],
    reference: Sequence[dict[str, Any]],
    others: Sequence[Sequence[dict[str, Any]]],
    stage: str,
    name: str,
    *,
    shown: str,
) -> PlotData:
    title, hint = words(name)
    return PlotData(
        name=name,
        title=title,
        hint=hint if stage == shown else f"{hint} · {stage_words(stage)}",
        stage=stage,
        training=series(rows, stage, name),
        held_out=series(rows, stage, HELD_OUT + name),
        reference=_reference(reference, stage, name),
        others=tuple(_reference(other, stage, name) for other in others),
    )


def _reference(rows: Sequence[dict[str, Any]], stage: str, name: str) -> Series:
    held_out = series(rows, stage, HELD_OUT + name)
    return held_out if held_out.values else series(rows, stage, name)


def words(name: str) -> tuple[str, str]:
    """Title and hint of a metric; an unknown one is spelled out, its unit taken from its ending."""
    if name in _WORDS:
        return _WORDS[name]
    ending, unit = next((pair for pair in _UNITS if name.endswith(pair[0])), ("", "lower is better"))
    plain = name.removesuffix(ending)
    chain = re.match(r"chain_([\d.]+)s_(.*)", plain)
    if chain:
        when = f"after {chain[1]} s of skills"
        return _sentence(chain[2]), f"{unit} {when}" if ending else when
    return _sentence(plain.removeprefix("one_skill_")), f"{unit} after one skill" if name.startswith(
        "one_skill_"
    ) else unit


def _sentence(name: str) -> str:
    text = {"object_position": "where the box goes", "object_rotation": "how the box turns"}.get(name, name)
    text = text.replace("_", " ")
    return text[:1].upper() + text[1:]


def steps_per_second(rows: Sequence[dict[str, Any]], over_s: float = 60.0) -> float:
    """Steps a second over the last minute of training time; 0 while it cannot be said."""
    timed = [(float(row["t_s"]), float(row["step"])) for row in rows if "t_s" in row and "step" in row]
    if len(timed) < 2:
        return 0.0
    newest = timed[-1]
    oldest = next(item for item in timed if item[0] >= newest[0] - over_s)
    return (newest[1] - oldest[1]) / (newest[0] - oldest[0]) if newest[0] > oldest[0] else 0.0


def log_lines(rows: Sequence[dict[str, Any]], created_s: float) -> list[tuple[float, str]]:
    """What happened, oldest first: (unix time, sentence). Stages, and each new best of their first held-out metric."""
    lines: list[tuple[float, str]] = []
    best: dict[str, float] = {}
    known: set[str] = set()
    for row in rows:
        stage, when = str(row.get("stage", "")), created_s + float(row.get("t_s", 0.0))
        if stage not in known:
            known.add(stage)
            lines.append((when, f"Stage {len(known)}: {stage_words(stage)}."))
        held_out = {key: value for key, value in row.items() if key.startswith(HELD_OUT) and value == value}
        key = min(held_out, key=lambda k: _rank(k.removeprefix(HELD_OUT)), default="")
        if key and held_out[key] < best.get(stage + key, float("inf")):
            first = stage + key not in best
            best[stage + key] = held_out[key]
            name = words(key.removeprefix(HELD_OUT))[0].lower()
            lines.append(
                (when, f"{'First held-out' if first else 'Best so far on held-out'} {name}: {held_out[key]:.3g}.")
            )
    return lines
