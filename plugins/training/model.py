"""The training's view-model: what to learn from, the settings, the runs and their curves. No Qt.

A run is a folder written by its own process; this reads it once a second and never waits for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from psygnal import Signal

from plugins.training.compare import COLOURS, comparison, explained_shares, read_held_out, read_run
from plugins.training.curves import PlotData, log_lines, make_plots, stages, steps_per_second
from plugins.training.entries import Entries
from plugins.training.form import check, stage_marks
from plugins.training.sources import Source, read_sources
from plugins.training.words import MEASURED_STEPS, can_resume
from studio.app.api import Loader, RunView, StudioApi
from studio.core.errors import StudioError
from studio.methods.table import METHODS

_LOOK_S = 3.0
COMPARED_MAX = len(COLOURS)
_TRIES = {"planner": "mppi", "goal_class": "easy", "goals": 20, "seed": 1, "keep_episodes": True}


class TrainingModel:
    """Signals: `sources_changed`, `runs_changed` (the list or the chosen run), `curves_changed`."""

    sources_changed = Signal()
    runs_changed = Signal()
    curves_changed = Signal()

    def __init__(self, studio: StudioApi) -> None:
        self._studio = studio
        self._loader = Loader("training")
        self._looked_s = -_LOOK_S
        self._started: set[str] = set()
        self._known: set[str] = set()
        self.sources: list[Source] = []
        self.dataset: Path | None = None
        self.entries = Entries()
        self.seed = 1
        self.try_goals, self.tell = False, True
        self.chosen = ""
        self.compared: list[str] = []
        self.waiting = ""  # the run whose skills so far were asked for
        self._seen_from = 0
        self.stage = ""
        self.rows: list[dict[str, Any]] = []
        studio.state.runs.changed.connect(self._on_runs)
        studio.state.runs.ended.connect(self._on_ended)
        self._on_runs()

    # what to learn from

    def set_seed(self, seed: int) -> None:
        self.seed = seed

    def choose_dataset(self, path: Path) -> None:
        self.dataset = path
        self.sources_changed.emit()

    @property
    def source(self) -> Source | None:
        return next((source for source in self.sources if source.path == self.dataset), None)

    # starting and stopping

    def blocked_train(self) -> str:
        """Why training cannot start; empty when it can."""
        source = self.source
        if source is None or not source.episodes:
            return "no play yet: record a minute"
        if self.entries.problems:
            return next(iter(self.entries.problems.values()))
        return ""

    def train(self) -> None:
        """Start a run with exactly what the form shows."""
        source = self.source
        if source is None or self.blocked_train():
            return
        name = self._new_name(source.name)
        spec = {
            "title": name, "method": self.entries.method.name, "dataset": str(source.path.resolve()),
            "bundle": str(self._studio.project.folder("bundles") / name), "preset": self.entries.base,
            "set": self.entries.settings, "seed": self.seed,
        }  # fmt: skip
        try:
            run = self._studio.jobs.start("train", spec)
        except (StudioError, OSError) as error:
            self._studio.notices.error(error)
            return
        self._started.add(run.id)
        self.choose_run(run.id)

    def _new_name(self, dataset: str) -> str:
        """`play-3`: one more than any run or bundle of this name."""
        pattern = re.compile(rf"{re.escape(dataset)}-(\d+)$")
        names = [run.title for run in self._studio.state.runs.runs]
        names += [path.name for path in self._studio.project.folder("bundles").iterdir()]
        used = [int(match[1]) for name in names if (match := pattern.match(name))]
        return f"{dataset}-{max(used, default=0) + 1}"

    def toggle_pause(self) -> None:
        view = self.run
        if view is None or not view.active:
            return
        run = self._studio.jobs.run(view.id)
        if view.state == "paused":
            run.go_on()
        else:
            run.pause()

    def cancel(self) -> None:
        if self.run is not None and self.run.active:
            self._studio.jobs.run(self.run.id).cancel()

    def resume(self) -> None:
        if self.run is None:
            return
        try:
            self._studio.jobs.resume(self.run.id)
        except (StudioError, OSError) as error:
            self._studio.notices.error(error)

    def blocked_skills(self) -> str:
        """Why the trained skills cannot be seen; empty when they can, also in the middle of training."""
        view = self.run
        if view is None:
            return "train first"
        if view.active:
            return "" if view.state == "running" and view.step >= MEASURED_STEPS else "it has only begun"
        return "" if self.bundle is not None else "this run made no bundle"

    def use_skills(self) -> None:
        """Open Skills; of a run that goes on, the bundle is written as it is now, and it goes on."""
        if self.run is not None and self.run.active:
            self._seen_from = self._bundle_stamp()
            self.waiting = self.chosen
            self._studio.jobs.run(self.chosen).show_so_far()
            self.runs_changed.emit()
        elif self.bundle is not None:
            self._studio.navigate("skills", bundle=str(self.bundle))

    def _look_for_bundle(self) -> None:
        """The bundle that was asked for in the middle of training is there: show it."""
        if not self.waiting:
            return
        if self.waiting != self.chosen or self.run is None:
            self.waiting = ""
        elif self.bundle is not None and self._bundle_stamp() != self._seen_from:
            self.waiting = ""
            self._studio.navigate("skills", bundle=str(self.bundle))
            self.runs_changed.emit()

    def _bundle_stamp(self) -> int:
        return (self.bundle / "bundle.json").stat().st_mtime_ns if self.bundle is not None else 0

    @property
    def bundle(self) -> Path | None:
        """What the chosen run made, once it is there."""
        path = Path(str(self.spec.get("bundle", ""))) if self.run is not None else Path()
        return path if (path / "bundle.json").exists() else None

    # the runs

    @property
    def runs(self) -> list[RunView]:
        return [run for run in self._studio.state.runs.runs if run.kind == "train"]

    @property
    def run(self) -> RunView | None:
        """The run that is shown."""
        return next((run for run in self.runs if run.id == self.chosen), None)

    @property
    def spec(self) -> dict[str, Any]:
        return self._studio.jobs.run(self.chosen).spec if self.run is not None else {}

    @property
    def running(self) -> bool:
        return any(run.active for run in self.runs)

    def choose_run(self, identity: str) -> None:
        self.chosen, self.stage, self.rows = identity, "", []
        self._read_curves()
        self.runs_changed.emit()

    def step_run(self, step: int) -> None:
        """To the next or previous run of the list."""
        names = [run.id for run in self.runs]
        if names:
            index = names.index(self.chosen) + step if self.chosen in names else 0
            self.choose_run(names[min(max(index, 0), len(names) - 1)])

    def _on_runs(self) -> None:
        """A run that was started, here or elsewhere, comes to the front; else the chosen one stays."""
        names = [run.id for run in self.runs]
        fresh = [run.id for run in self.runs if run.active and run.id not in self._known]
        self._known |= set(names)
        if fresh or (self.chosen not in names and names):
            self.choose_run((fresh or names)[0])
        else:
            self.runs_changed.emit()

    def _on_ended(self, view: RunView) -> None:
        if view.kind != "train":
            return
        if self.tell or view.state in ("failed", "lost"):
            level = "fault" if view.state in ("failed", "lost") else "info"
            words = {
                "done": "is done",
                "cancelled": "was cancelled",
                "failed": "failed",
                "lost": "was ended from outside",
            }
            text = f"{view.title} {words.get(view.state, view.state)}. {view.message}".strip()
            self._studio.notices.add(level, text, detail=view.detail)
        if self.try_goals and view.state == "done" and view.id in self._started:
            self._try(view)

    def _try(self, view: RunView) -> None:
        bundle = self._studio.jobs.run(view.id).spec.get("bundle", "")
        try:
            self._studio.jobs.start("evaluate", {"title": f"{view.title}: 20 goals", "bundle": bundle, **_TRIES})
        except (StudioError, OSError) as error:
            self._studio.notices.error(error)

    # the curves

    def _read_curves(self) -> None:
        if self.run is None:
            return
        rows = self._studio.jobs.run(self.chosen).metrics()
        if len(rows) != len(self.rows):
            self.rows = list(rows)
            self.curves_changed.emit()

    @property
    def stages(self) -> list[str]:
        return stages(self.rows)

    @property
    def shown_stage(self) -> str:
        """The chosen stage, else the newest that has more than its first numbers."""
        if self.stage in self.stages:
            return self.stage
        return self.stages[-1] if self.stages else ""

    def choose_stage(self, stage: str) -> None:
        self.stage = stage
        self.curves_changed.emit()

    @property
    def plots(self) -> list[PlotData]:
        last = self.last_run
        reference = self._studio.jobs.run(last.id).metrics() if last is not None else []
        others = [self._studio.jobs.run(identity).metrics() for identity in self.others]
        return make_plots(self.rows, reference, self.shown_stage, others)

    # comparing

    @property
    def others(self) -> list[str]:
        """Runs that are compared with the chosen one."""
        return [identity for identity in self.compared if identity != self.chosen]

    def toggle_compare(self) -> None:
        """Take the chosen run into the comparison, or out of it."""
        if self.chosen in self.compared:
            self.compared.remove(self.chosen)
        elif self.run is not None:
            self.compared = [*self.compared, self.chosen][-COMPARED_MAX:]
        self.runs_changed.emit()
        self.curves_changed.emit()

    def comparison(self) -> tuple[list[str], list[tuple[str, list[str]]]]:
        """Titles of the compared runs, the chosen one first, and the rows of the table."""
        titles = {run.id: run.title for run in self.runs}
        names = [identity for identity in (self.chosen, *self.others) if identity in titles]
        runs = [read_run(self._studio, identity, titles[identity], self._config_of) for identity in names]
        return [run.title for run in runs], comparison(runs)

    def explained(self) -> list[tuple[str, float]]:
        """Shares of held-out change that the chosen run predicts: (what, 0..1); none before it is done."""
        return explained_shares(read_held_out(self._studio, self.chosen)) if self.run is not None else []

    @property
    def last_run(self) -> RunView | None:
        """The run before the chosen one that was finished."""
        names = [run.id for run in self.runs]
        later = self.runs[names.index(self.chosen) + 1 :] if self.chosen in names else []
        return next((run for run in later if run.state == "done"), None)

    @property
    def rate_steps_s(self) -> float:
        return steps_per_second(self.rows)

    @property
    def log(self) -> list[tuple[float, str]]:
        """What happened in the chosen run, newest first."""
        view = self.run
        if view is None:
            return []
        lines = [
            (view.created_s, f"Started with {self.spec.get('preset', '')} settings, seed {self.spec.get('seed', 0)}.")
        ]
        lines += log_lines(self.rows, view.created_s)
        if not view.active and view.message:
            lines.append((max(lines[-1][0], view.created_s), view.message))
        return lines[::-1]

    def held_out(self, identity: str) -> float:
        """The newest held-out loss of the first stage of a run; NaN before there is one."""
        rows = self._studio.jobs.run(identity).metrics()
        return next((float(row["held_out/loss"]) for row in reversed(rows) if "held_out/loss" in row), float("nan"))

    def stage_marks(self) -> list[tuple[float, str]]:
        """Where each later stage begins, as a share of the whole, from the settings' own limits."""
        return stage_marks(self.run_config)

    @property
    def run_config(self) -> Any:
        """The settings of the chosen run, or those of the form when it has none."""
        if self.run is None or self.spec.get("method") not in METHODS:
            return self.entries.config
        return self._config_of(self.spec)

    @staticmethod
    def _config_of(spec: dict[str, Any]) -> Any:
        """The settings a run was started with; None for a method that is not here."""
        if spec.get("method") not in METHODS:
            return None
        entry = METHODS[str(spec["method"])]
        return check(entry.make_config(str(spec.get("preset") or "small")), list(spec.get("set") or []))[0]

    # called by the window

    def tick(self, now_s: float) -> None:
        """Once a second: new metrics; every 3 s the datasets."""
        for _, result in self._loader.poll():
            if result != self.sources:
                self.sources = result
                if self.dataset is None and result:
                    self.dataset = result[0].path
                self.sources_changed.emit()
        if now_s - self._looked_s >= _LOOK_S and not self._loader.busy:
            self._looked_s = now_s
            self._loader.ask(
                "sources", read_sources, [p for p in self._studio.project.datasets() if not p.name.startswith(".")]
            )
        self._read_curves()
        self._look_for_bundle()

    def close(self) -> None:
        self._loader.close()


def make_model(studio: StudioApi) -> TrainingModel:
    model = TrainingModel(studio)
    bindings: dict[str, tuple[Callable[[], Any], Callable[[], str]]] = {
        "train": (model.train, model.blocked_train),
        "pause": (model.toggle_pause, lambda: "" if model.run and model.run.active else "nothing is running"),
        "cancel": (model.cancel, lambda: "" if model.run and model.run.active else "nothing is running"),
        "resume": (model.resume, lambda: "" if can_resume(model.run) else "no stopped run is chosen"),
        "skills": (model.use_skills, model.blocked_skills),
        "compare": (model.toggle_compare, lambda: "" if model.run else "there is no run"),
        "next_run": (lambda: model.step_run(1), lambda: ""),
        "previous_run": (lambda: model.step_run(-1), lambda: ""),
    }
    for name, (run, blocked) in bindings.items():
        studio.commands.bind(f"training.{name}", run, blocked=blocked)
    return model
