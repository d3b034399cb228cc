"""What an evaluation is asked to do. No torch here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from studio.core.config import check_range
from studio.core.errors import ConfigError

PLANNERS = ("mppi", "cem", "rl", "scripted", "random", "none")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Specification of an `evaluate` job.

    Args:
        title: of the run, for the window's list.
        bundle: folder of the trained bundle.
        planner: mppi, cem, rl (the bundle's trained actor), scripted (primitives written by hand, which know pose and
            goal), random (prior skills within u_max) or none (holds still).
        preset: planner preset; empty takes `default`, or `cem` for that planner.
        settings: `key=value` changes of the planner's settings.
        goals_file: goals from this file instead of a class.
        realtime: the world does not wait for the planner.
        workers: processes; 0 = one per core, with `realtime` one per two cores.
        cluster: empty for processes on this machine; `ray` for the Ray cluster that the environment names or a local
            one, `ray=ADDRESS` for that one.
        prior: instead of the bundle's own choice; see `studio.learning.skill_model.make_skill_model`.
        limit_s: simulated time per goal.
        pose: what the planner and the policy know of the object: `world`, the simulator's truth, or `tags`, what the
            camera finds at 30 Hz. Success is always judged by the truth.
        keep_skills: keep what was executed (`skills/<goal>.npz` in the run's folder), for training on it.
        keep_episodes: record every episode at the policy's rate (`episodes` in the run's folder, about 4 MB a minute),
            so that it can be replayed. Not on a cluster, whose nodes share no folder.
    """

    bundle: str
    planner: str = "mppi"
    goal_class: str = "easy"
    goals: int = 20
    seed: int = 1
    preset: str = ""
    settings: tuple[str, ...] = ()
    goals_file: str = ""
    realtime: bool = False
    workers: int = 0
    cluster: str = ""
    prior: str = ""
    limit_s: float = 50.0
    pose: str = "world"
    keep_skills: bool = False
    keep_episodes: bool = False
    title: str = ""

    def __post_init__(self) -> None:
        if self.planner not in PLANNERS:
            raise ConfigError(f"--planner is {self.planner!r}; allowed {', '.join(PLANNERS)}.")
        if self.prior not in ("", "flow", "gaussian", "reference") and not re.fullmatch(r"flow:[1-9]\d?", self.prior):
            raise ConfigError(f"--prior is {self.prior!r}; allowed flow, gaussian, flow:K (a checkpoint), reference.")
        if self.pose not in ("world", "tags"):
            raise ConfigError(f"--pose is {self.pose!r}; allowed world, tags.")
        if self.pose == "tags" and self.realtime:
            raise ConfigError("--pose tags needs the stepped clock here; leave out --realtime.")
        if self.cluster and self.cluster.partition("=")[0] != "ray":
            raise ConfigError(f"--workers names the cluster {self.cluster!r}; allowed ray, ray=ADDRESS.")
        if self.cluster and self.realtime:
            raise ConfigError("--realtime needs a quiet machine and its own cores; leave out --workers ray.")
        if self.cluster and self.keep_episodes:
            raise ConfigError("keep_episodes: the nodes of a cluster keep no episodes; leave out --workers ray.")
        check_range("evaluate", "goals", self.goals, 1, 100_000)
        check_range("evaluate", "workers", self.workers, 0, 1024)
        check_range("evaluate", "limit_s", self.limit_s, 0.1, 3600, " s")

    @property
    def planner_preset(self) -> str:
        return self.preset or ("cem" if self.planner == "cem" else "default")
