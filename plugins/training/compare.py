"""Runs side by side: which settings differ, and what each reached on held-out data. No Qt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plugins.training.form import make_fields
from studio.app.api import StudioApi
from studio.core.errors import StudioError

COLOURS = ("cat.4", "cat.3", "cat.5", "cat.6")  # of compared runs, besides the chosen one's own two
_EXPLAINED = {
    "unexplained_object_position": "Where the box goes",
    "unexplained_object_rotation": "How the box turns",
    "unexplained_joint_position": "Where the hands go",
    "action_unexplained": "What the person does",
}
_HEAD = ("preset", "seed", "dataset")
_SHOWN_RESULTS = (
    "loss",
    "nll_flow",
    "nll_gaussian",
    "one_skill_object_position_mm",
    "chain_2s_object_position_mm",
    "chain_2s_object_rotation_deg",
)


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """What one run was asked for and what it reached."""

    title: str
    spec: dict[str, Any]
    config: Any
    held_out: dict[str, float]


def read_run(studio: StudioApi, identity: str, title: str, config_of: Callable[[dict[str, Any]], Any]) -> ComparedRun:
    """A run of the project; one without a result has no held-out numbers."""
    spec = studio.jobs.run(identity).spec
    return ComparedRun(title=title, spec=spec, config=config_of(spec), held_out=read_held_out(studio, identity))


def read_held_out(studio: StudioApi, identity: str) -> dict[str, float]:
    """Held-out numbers of a finished run by name."""
    try:
        found = studio.jobs.run(identity).result().get("held_out", {})
    except StudioError:
        return {}
    return {name: float(value) for name, value in dict(found).items() if isinstance(value, (int, float))}


def explained_shares(held_out: dict[str, float]) -> list[tuple[str, float]]:
    """Shares of held-out change that are predicted, in words; 0 is predicting that nothing moves."""
    shares = [(text, held_out.get(name)) for name, text in _EXPLAINED.items()]
    return [(text, min(max(1.0 - value, 0.0), 1.0)) for text, value in shares if value is not None]


def comparison(runs: Sequence[ComparedRun]) -> list[tuple[str, list[str]]]:
    """Rows (name, one text a run): first what differs in the settings, then held-out numbers."""
    rows = [(name.capitalize(), [_short(run.spec.get(name, "")) for run in runs]) for name in _HEAD]
    fields = [{f.path: f.text for f in make_fields(run.config)} if _is_config(run.config) else {} for run in runs]
    for path in dict.fromkeys(path for entry in fields for path in entry):
        rows.append((path.replace("_", " "), [entry.get(path, "–") for entry in fields]))
    different = [(name, texts) for name, texts in rows if len(set(texts)) > 1]
    return [*different, *_results(runs)]


def _results(runs: Sequence[ComparedRun]) -> list[tuple[str, list[str]]]:
    found = [name for name in _SHOWN_RESULTS if any(name in run.held_out for run in runs)]
    return [(_result_words(name), [_number(run.held_out.get(name)) for run in runs]) for name in found]


def _result_words(name: str) -> str:
    plain = {"loss": "held-out loss", "nll_flow": "flow, nats", "nll_gaussian": "Gaussian, nats"}
    return plain.get(name, name.replace("_", " ").replace("object position mm", "box, mm").replace("deg", "°"))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _short(value: Any) -> str:
    return str(value).rstrip("/").rpartition("/")[2] or "–"


def _is_config(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
