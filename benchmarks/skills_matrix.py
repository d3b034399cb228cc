"""What `bench skills` runs: plays, trainings and evaluations, most telling first, and what each row is called.

Goal list 1 is what is reported; lists 100 to 119 are for tuning (studio/evaluation/goals.py). Nothing runs here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.core.errors import ConfigError
from studio.evaluation.config import EvaluateConfig
from studio.evaluation.goals import GOAL_CLASSES

STANDARD_SEEDS = (1, 2, 3, 4)  # the standard dataset: four recordings of 30 minutes each
STANDARD_MINUTES = 30.0
REPORTED_LIST = 1
FEWEST_GOALS = 40  # fewer say nothing
SECTIONS = (
    "main",
    "baselines",
    "planners",
    "kl",
    "haptics",
    "scale",
    "pace",
    "switches",
    "latent",
    "paper",
)
SHORT = "everything, as short as the rows below"
# name -> settings of the training that take one part of the strong recipe away
TRAINED_SWITCHES: dict[str, tuple[str, ...]] = {
    "no cube symmetry": ("symmetry=false",),
    "no mirror image": ("mirror=false",),
    "no contact features": ("contact_features=false",),
    "no chains": ("chains.steps=0",),
    "no single skills": ("single.steps=0", "rounds.single.steps=0"),
    "no commanded goals": ("rounds.commanded_share=0",),
    "one dynamics network": ("dynamics_members=1",),
    "no learned value (distance)": ("value.steps=0",),
    "no on-policy rounds": ("rounds.count=0",),
    "no noise on the policy's state": ("position_noise_rad=0", "velocity_noise=0"),
    "windows drawn evenly": ("moving_share=0",),
    "no blur for the prior": ("feature_noise=0",),
}
# name -> settings of the planner
PLANNED_SWITCHES: dict[str, tuple[str, ...]] = {
    "with a disagreement penalty of 0.3": ("disagreement_weight=0.3",),
    "cost is the distance": ("cost=distance",),
    "one pass": ("passes=1",),
    "u_max 1": ("control_limit=1.0",),
    "u_max 0.7": ("control_limit=0.7",),
    "base proposals only": ("base_share=1.0", "refine_base_share=1.0", "inject_previous=false"),
    "no unsticking": ("unstick_s=0",),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One job.

    Args:
        name: its folder under `runs`; unique.
        kind: `play`, `join` (recordings into one dataset), `train` or `evaluate`.
        section: of the report; empty for what several sections need.
        label: of its row.
        needs: steps that must be done first.
        tags: what the report wants to know of it; `against` is the label of the row of its section that an
            evaluation is compared with (the first one where it is not given).
    """

    name: str
    kind: str
    spec: dict[str, Any]
    section: str = ""
    label: str = ""
    needs: tuple[str, ...] = ()
    tags: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MatrixOptions:
    """How large everything is.

    Args:
        out: folder of everything.
        goals, realtime_goals: of every row; the latter with the world not waiting.
        goal_list: published list of goals.
        seeds: of the trainings of the main rows; the first one serves all other rows.
        preset, train_set: of every training but the paper's.
        side_set: further settings of every training but the main ones and the paper's, so that many of them fit into
            a day; each section that compares with the whole recipe then has a training of its own for it.
        planner_set: of every plan.
        minutes: of each of the four recordings.
        limit_s: simulated time per goal.
        checkpoints: of the flow in section `kl`.
        reference_seconds: training time of the 16-block flow.
        paper_seconds: limit of each of the paper's two stages, which would take days on a small machine; 0 = none.
        rl_seconds: training time of each actor.
        workers: processes of an evaluation; 0 = as it likes.
        classes: of the main rows; the other sections take `planar` and `full` where they are among them.
    """

    out: Path
    goals: int = 200
    realtime_goals: int = 40
    goal_list: int = REPORTED_LIST
    seeds: tuple[int, ...] = (0, 1)
    preset: str = "strong"
    train_set: tuple[str, ...] = ()
    side_set: tuple[str, ...] = ()
    planner_set: tuple[str, ...] = ()
    minutes: float = STANDARD_MINUTES
    limit_s: float = 50.0
    checkpoints: int = 6
    reference_seconds: float = 900.0
    paper_seconds: float = 1200.0
    rl_seconds: float = 480.0
    classes: tuple[str, ...] = GOAL_CLASSES
    sections: tuple[str, ...] = SECTIONS
    workers: int = 0

    def __post_init__(self) -> None:
        for what, given, allowed in (("sections", self.sections, SECTIONS), ("classes", self.classes, GOAL_CLASSES)):
            unknown = [name for name in given if name not in allowed]
            if unknown or not given:
                raise ConfigError(f"bench skills --{what}: {unknown or 'none'}; allowed {', '.join(allowed)}.")
        if not self.seeds:
            raise ConfigError("bench skills --seeds is empty; give at least one, for example --seeds 0 1.")

    @property
    def hard_classes(self) -> tuple[str, ...]:
        """Classes for sections with many rows."""
        return tuple(name for name in self.classes if name != "easy") or self.classes


def make_matrix(options: MatrixOptions) -> list[Step]:
    """All steps in the order in which they run; each comes after what it needs."""
    plan = _Plan(options)
    for section in options.sections:
        getattr(plan, f"add_{section}")()
    return list(plan.steps.values())


class _Plan:
    """Collects steps; what several rows need is added once."""

    def __init__(self, options: MatrixOptions) -> None:
        self.options = options
        self.steps: dict[str, Step] = {}

    def add_main(self) -> None:
        for seed in self.options.seeds:
            model = self._main(seed)
            for goal_class in self.options.classes:
                self._evaluate("main", f"{self.options.preset}, seed {seed}", model, goal_class, tags={"seed": seed})
            for goal_class in self.options.classes:
                label = f"{self.options.preset}, seed {seed}, real time"
                self._evaluate("main", label, model, goal_class, realtime=True, tags={"seed": seed})

    def add_baselines(self) -> None:
        for planner, label in (
            ("none", "do nothing"),
            ("random", "random skills"),
            ("scripted", "scripted controller"),
        ):
            for goal_class in self.options.classes:
                self._evaluate("baselines", label, self._main(), goal_class, planner=planner)

    def add_planners(self) -> None:
        model = self._main()
        for planner in ("mppi", "cem"):
            for goal_class in self.options.hard_classes:
                self._evaluate("planners", planner.upper(), model, goal_class, planner=planner)
        for preset in ("model_based", "model_free", "conservative"):
            actor = self._actor(model, preset)
            for goal_class in self.options.hard_classes:
                self._evaluate("planners", f"offline RL, {preset.replace('_', ' ')}", actor, goal_class, planner="rl")

    def add_kl(self) -> None:
        options = self.options
        extra = (
            f"flow_checkpoints={options.checkpoints}",
            "reference.steps=200000",
            f"reference.seconds={options.reference_seconds:g}",
            "rounds.count=0",
        )
        model = self._train("kl", "standard", extra, section="kl", label="flow with checkpoints")
        priors = ["gaussian", *(f"flow:{number + 1}" for number in range(options.checkpoints)), "reference"]
        for goal_class in options.hard_classes[:1]:
            for planner in ("mppi", "cem"):
                for prior in priors:
                    label, tags = f"{planner.upper()}, {prior}", {"against": f"{planner.upper()}, {priors[0]}"}
                    self._evaluate("kl", label, model, goal_class, planner=planner, prior=prior, tags=tags)

    def add_haptics(self) -> None:
        for name, label, felt in (("felt", "haptic play", True), ("numb", "no haptics", False)):
            self._play(name, seed=31, minutes=self.options.minutes, haptics=felt, section="haptics", label=label)
            model = self._train(f"haptics-{name}", name, ("rounds.count=0",), section="haptics", label=label)
            for goal_class in self.options.hard_classes:
                self._evaluate("haptics", label, model, goal_class)

    def add_scale(self) -> None:
        minutes, alone = self.options.minutes, ("rounds.count=0", "symmetry=false", "mirror=false")
        self._play("third", seed=21, minutes=minutes / 3, section="", label="")
        self._play("half-hour", seed=22, minutes=minutes, section="", label="")
        rows = (
            ("third", f"{minutes / 3:g} min", minutes / 3, alone),
            ("half-hour", f"{minutes:g} min", minutes, alone),
            ("standard", f"{4 * minutes:g} min", 4 * minutes, alone),
            ("standard", f"{4 * minutes:g} min x symmetry", 4 * minutes, alone[:1]),
        )
        for data, label, length, extra in rows:
            model = self._train(f"scale-{data}-{len(extra)}", data, extra, section="scale", label=label)
            for goal_class in self.options.hard_classes:
                self._evaluate("scale", label, model, goal_class, tags={"minutes": length})

    def add_pace(self) -> None:
        for label, settings in (("planner and policy side by side", ()), ("serial", ("serial=true",))):
            self._evaluate("pace", label, self._main(), self.options.hard_classes[0], realtime=True, settings=settings)

    def add_switches(self) -> None:
        for goal_class in self.options.hard_classes:
            self._evaluate("switches", "everything", self._main(), goal_class)
        if self.options.side_set:
            model = self._train("side", "standard", (), section="switches", label=SHORT)
            for goal_class in self.options.hard_classes:
                self._evaluate("switches", SHORT, model, goal_class)
        for label, extra in TRAINED_SWITCHES.items():
            away = "rounds.count=0" in self.options.side_set and all(one.startswith("rounds.") for one in extra)
            if away or set(extra) <= set(self.options.side_set):
                continue  # that part is away in all of them
            model = self._train(f"without-{_slug(label)}", "standard", extra, section="switches", label=label)
            tags = {"against": SHORT} if self.options.side_set else {}
            for goal_class in self.options.hard_classes:
                self._evaluate("switches", label, model, goal_class, tags=tags)
        for label, settings in PLANNED_SWITCHES.items():
            for goal_class in self.options.hard_classes:
                self._evaluate("switches", label, self._main(), goal_class, settings=settings)

    def add_latent(self) -> None:
        rows = {"KL and flow": (), "MMD": ("latent=mmd",), "adversarial": ("latent=adversarial",)}
        rows["KL, Gaussian prior only"] = ("stage_2.steps=0",)
        for label, extra in rows.items():
            name = f"latent-{_slug(label)}"
            model = self._train(name, "standard", (*extra, "rounds.count=0"), section="latent", label=label)
            for goal_class in self.options.hard_classes[:1]:
                self._evaluate("latent", label, model, goal_class)

    def add_paper(self) -> None:
        limit = self.options.paper_seconds
        extra = (f"stage_1.seconds={limit:g}", f"stage_2.seconds={limit:g}") if limit else ()
        model = self._train("paper", "standard", extra, preset="paper", section="paper", label="paper's values")
        for goal_class in self.options.classes:
            self._evaluate("paper", "paper's values", model, goal_class, preset="paper", few=True)

    # ------------------------------------------------------------------------------------------------ single steps

    def _add(self, step: Step) -> str:
        self.steps.setdefault(step.name, step)
        return step.name

    def _play(self, name: str, *, seed: int, minutes: float, section: str, label: str, haptics: bool = True) -> str:
        spec = {"out": str(self.options.out / "data" / name), "minutes": minutes, "seed": seed, "haptics": haptics}
        return self._add(Step(name=f"play-{name}", kind="play", spec=spec, section=section, label=label))

    def _dataset(self, name: str) -> str:
        """The step that makes a dataset."""
        if name != "standard":
            return f"play-{name}"
        parts = [
            self._play(f"standard-{seed}", seed=seed, minutes=self.options.minutes, section="", label="")
            for seed in STANDARD_SEEDS
        ]
        folders = [self.steps[part].spec["out"] for part in parts]
        spec = {"out": str(self.options.out / "data" / "standard"), "parts": folders}
        return self._add(Step(name="join-standard", kind="join", spec=spec, needs=tuple(parts)))

    def _main(self, seed: int | None = None) -> str:
        seed = self.options.seeds[0] if seed is None else seed
        return self._train(f"main-{seed}", "standard", (), seed=seed, section="main", label=f"seed {seed}")

    def _train(
        self,
        name: str,
        data: str,
        extra: tuple[str, ...],
        *,
        seed: int | None = None,
        preset: str = "",
        section: str,
        label: str = "",
    ) -> str:
        """The step that trains it; one of another section if that is the very same training."""
        options, needs = self.options, self._dataset(data)
        is_side = section != "main" and not preset
        changes = [*(() if preset else options.train_set), *(options.side_set if is_side else ()), *extra]
        spec = {
            "method": "haptic_play",
            "dataset": str(options.out / "data" / data),
            "bundle": str(options.out / "bundles" / name),
            "preset": preset or options.preset,
            "set": changes,
            "seed": options.seeds[0] if seed is None else seed,
        }
        step = Step(name=f"train-{name}", kind="train", spec=spec, section=section, label=label, needs=(needs,))
        known = (one for one in self.steps.values() if _is_same_training(one, step))
        return next((one.name for one in known), None) or self._add(step)

    def _actor(self, model: str, preset: str) -> str:
        options, skills = self.options, self.steps[model].spec
        name = f"actor-{preset}"
        changes = [f"bundle={skills['bundle']}", f"updates.seconds={options.rl_seconds:g}"]
        spec = {**skills, "method": "offline_rl", "preset": preset, "set": changes}
        spec["bundle"] = str(options.out / "bundles" / name)
        step = Step(name=f"train-{name}", kind="train", spec=spec, section="planners", label=preset, needs=(model,))
        return self._add(step)

    def _evaluate(
        self,
        section: str,
        label: str,
        model: str,
        goal_class: str,
        *,
        planner: str = "mppi",
        prior: str = "",
        preset: str = "",
        realtime: bool = False,
        settings: tuple[str, ...] = (),
        few: bool = False,
        tags: dict[str, Any] | None = None,
    ) -> None:
        """One row; `few` goals where a plan takes half a second (2000 samples, 40 skills)."""
        options = self.options
        paused = min(options.goals, FEWEST_GOALS) if few else options.goals
        config = EvaluateConfig(
            bundle=self.steps[model].spec["bundle"],
            planner=planner,
            goal_class=goal_class,
            goals=options.realtime_goals if realtime else paused,
            seed=options.goal_list,
            preset=preset,
            settings=(*options.planner_set, *settings),
            realtime=realtime,
            prior=prior,
            limit_s=options.limit_s,
            workers=options.workers,
        )
        spec = {**config.__dict__, "settings": list(config.settings)}
        known = {"goal_class": goal_class, "planner": planner, "prior": prior, "model": model, "realtime": realtime}
        name = f"evaluate-{section}-{_slug(label)}-{goal_class}"
        row = Step(name=name, kind="evaluate", spec=spec, section=section, label=label, needs=(model,))
        self._add(Step(**{**row.__dict__, "tags": known | (tags or {})}))


def _is_same_training(one: Step, other: Step) -> bool:
    """Apart from where the bundle lies; the last of two settings of one name counts."""

    def told(step: Step) -> dict[str, Any]:
        return {**step.spec, "bundle": "", "set": dict(change.split("=", 1) for change in step.spec["set"])}

    return one.kind == other.kind == "train" and told(one) == told(other)


def _slug(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
