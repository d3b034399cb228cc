"""`bench priors`: how well priors explain held-out skills, and how well the skill policy reconstructs held-out actions.

Priors: the Gaussian of stage 1, our flow, and flows of a public library, taught on the same skills in the same batches.
Reconstruction: the skill policy against behaviour cloning by a GRU of the same size.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from benchmarks.priors_cloning import CLONING, CLONING_WITH_GOAL, reconstruction_rows, teach_cloning
from benchmarks.priors_library import KINDS, library_name, load_zuko
from benchmarks.priors_study import (
    Effort,
    Teller,
    bundle_config,
    make_settings,
    prior_rows,
    stage_1_only,
    take_bundle,
    teach_priors,
    windows_used,
)
from studio.cli.output import parse_arguments, write_result
from studio.core.config import check_range
from studio.core.errors import ConfigError
from studio.data.dataset import Dataset, task_for_dataset
from studio.learning.kinematics import arm_geometry
from studio.methods.haptic_play.config import HapticPlayConfig
from studio.methods.haptic_play.method import HapticPlay
from studio.robot.description import load_robot
from studio.workers.run_train import load_play

_MEASURED_TIMES = 20


@dataclass(frozen=True, kw_only=True)
class Options:
    """Priors and reconstruction of skills from one dataset.

    Args:
        dataset: folder of play, or of imported recordings.
        bundle: a haptic_play bundle trained on it, whose stage 1 is used; without one, stage 1 is trained here.
        preset: of stage 1 (small, paper, strong), when there is no bundle.
        set: `key=value` changes of the preset; may be repeated.
        seeds: of stage 1 and of everything taught after it; one whole comparison each.
        skill_updates: of stage 1, in place of the preset's limits of updates and time; 0 keeps those.
        updates: of every prior.
        cloning_updates: of each GRU; 0 gives them as many as stage 1 had.
        cloning_batch: pairs of windows in each of their updates.
        library: flows of the public library (maf, nsf).
        threads: of torch.
        json_path: write the result as JSON; `-` prints it.
    """

    dataset: Path
    bundle: str = ""
    preset: str = "small"
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = field(default_factory=tuple)
    seeds: tuple[int, ...] = (0, 1)
    skill_updates: int = 6000
    updates: int = 4000
    cloning_updates: int = 0
    cloning_batch: int = 64
    library: tuple[str, ...] = KINDS
    threads: int = 1
    json_path: Annotated[str | None, tyro.conf.arg(name="json")] = field(default=None)

    def __post_init__(self) -> None:
        check_range("bench priors", "skill_updates", self.skill_updates, 0, 10_000_000)
        check_range("bench priors", "updates", self.updates, 1, 10_000_000)
        check_range("bench priors", "cloning_updates", self.cloning_updates, 0, 10_000_000)
        check_range("bench priors", "cloning_batch", self.cloning_batch, 2, 65_536)
        check_range("bench priors", "threads", self.threads, 1, 256)
        unknown = [kind for kind in self.library if kind not in KINDS]
        if unknown:
            raise ConfigError(f"bench priors: library flow {unknown[0]!r} is unknown; allowed {', '.join(KINDS)}.")
        if not self.seeds:
            raise ConfigError("bench priors: no seed is given. Give at least one, for example --seeds 0 1.")


def run(arguments: list[str]) -> int:
    """Run the benchmark; what each seed gave is written as soon as it is there."""
    options = parse_arguments(Options, arguments, "bench priors")
    load_zuko()
    torch.set_flush_denormal(True)  # small gradients in denormals are slow
    try:
        return _run(options)
    finally:
        torch.set_flush_denormal(False)


def _run(options: Options) -> int:
    config = bundle_config(options.bundle) if options.bundle else make_settings(options.preset, options.set)
    effort = Effort(
        limits=config.stage_2, updates=options.updates, measured_every=max(1, options.updates // _MEASURED_TIMES)
    )
    config = stage_1_only(config, 0 if options.bundle else options.skill_updates)
    windows = _load_windows(options.dataset, config)
    result: dict[str, Any] = {
        "dataset": windows.lineage.get("dataset", options.dataset.name),
        "library": library_name(),
        "skill_size": config.skill_size,
        "seeds": [],
    }
    for seed in options.seeds:
        result["seeds"].append(study(options, config, windows, effort, seed))
        result["summary"] = summary(result["seeds"])
        if options.json_path not in (None, "-"):
            write_result(result, options.json_path, text=f"seed {seed} is written")
    write_result(result, options.json_path, text=_table(result))
    return 0


def study(options: Options, config: HapticPlayConfig, windows: Any, effort: Effort, seed: int) -> dict[str, Any]:
    """One seed: stage 1 (or the bundle's), every prior, both GRUs."""
    began_s = time.process_time()
    geometry = arm_geometry(load_robot(windows.task.robot)) if windows.task.robot and windows.task.features else None
    method = HapticPlay(config, windows, geometry, seed=seed)
    torch.set_num_threads(options.threads)
    if options.bundle:
        skill_updates = take_bundle(method, windows, options.bundle)
    else:
        skill_updates = method.train(Teller(f"seed {seed}"), None).phase_steps["skills"]
    skills_s = time.process_time() - began_s
    priors = teach_priors(method, effort, options.library, seed=seed)
    rows = prior_rows(method, priors, torch.from_numpy(np.array(windows.row_episode)))
    updates = options.cloning_updates or skill_updates
    clones = {
        name: teach_cloning(
            method, with_goal=name == CLONING_WITH_GOAL, updates=updates, batch=options.cloning_batch, seed=seed
        )
        for name in (CLONING, CLONING_WITH_GOAL)
    }
    return {
        "seed": seed,
        "windows": windows_used(method),
        "skill_updates": skill_updates,
        "skills_processor_s": round(skills_s, 1),
        "cloning_updates": updates,
        "priors": rows,
        "reconstruction": reconstruction_rows(method, clones),
        "processor_s": round(time.process_time() - began_s, 1),
    }


def summary(seeds: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Means over the seeds; errors of the means from the seeds' own errors (stretches of the same recordings)."""
    return {
        "priors": _means(seeds, "priors", "prior", ("bits_per_dimension", "above_ours")),
        "reconstruction": _means(seeds, "reconstruction", "policy", ("unexplained", "above_gru", "action_rms")),
    }


def _means(seeds: list[dict[str, Any]], part: str, key: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for index, first in enumerate(seeds[0][part]):
        same = [seed[part][index] for seed in seeds]
        row: dict[str, Any] = {key: first[key], "parameters": first["parameters"], "seeds": len(same)}
        for name in names:
            values = [one[name] for one in same]
            row |= {name: float(np.mean(values)), f"{name}_range": [min(values), max(values)]}
        for name in ("above_ours", "above_gru"):  # seeds share recordings: their errors do not average out
            if name in names:
                row[f"{name}_error"] = math.sqrt(float(np.mean([one[f"{name}_error"] ** 2 for one in same])))
        rows.append(row)
    return rows


def _load_windows(path: Path, config: HapticPlayConfig) -> Any:
    dataset = Dataset(path)
    return load_play(dataset, task_for_dataset(dataset), config)


def _table(result: dict[str, Any]) -> str:
    lines = [f"{'prior':<32}{'bits/dim':>10}{'above our flow':>22}{'parameters':>12}   {len(result['seeds'])} seeds"]
    for row in result["summary"]["priors"]:
        lines.append(
            f"{row['prior']:<32}{row['bits_per_dimension']:>10.3f}"
            f"{row['above_ours']:>+13.3f} +- {row['above_ours_error']:.3f}{row['parameters']:>12}"
        )
    lines.append(f"\n{'policy':<40}{'unexplained':>12}{'above the GRU':>22}{'action rms':>12}")
    for row in result["summary"]["reconstruction"]:
        lines.append(
            f"{row['policy']:<40}{row['unexplained']:>12.5f}{row['above_gru']:>+13.5f} +- {row['above_gru_error']:.5f}"
            f"{row['action_rms']:>12.5f}"
        )
    return "\n".join(lines)
