"""Settings of `offline_rl`: an actor in the base space of a trained skill model. No torch here.

[paper] is stated in the source, [O] our reading of what it leaves open (spec/methods-papers.md 1c), [ours] chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from studio.core.config import check_range
from studio.core.errors import ConfigError
from studio.data.bundle_info import BundleInfo, load_bundle_info
from studio.methods.haptic_play.config import PhaseConfig


@dataclass(frozen=True, kw_only=True)
class OfflineRlConfig:
    """All settings; the defaults are the preset `model_based`.

    Args:
        bundle: the skill model that the actor plays on; it is copied into the result.
        hidden: layers of actor and critics.
        discount: per skill.
        control_limit: u_max.
        radius: of what counts as reached in training, as a share of the task's tolerances.
        future_share: share of goals that the play itself reached later.
        future_s: mean of how much later.
        near_share: share of goals made up: the object's pose, shifted on the table and turned about the vertical. The
            rest of the goals are poses from anywhere in play.
        imagined_share: share of imagined transitions in each batch; 0 is model-free.
        imagined_skills: N_m.
        imagine_every: updates between imaginations; `imagine_batch` paths each time.
        imagined_kept: most imagined transitions kept.
        divergence, first_alpha, conservative, target_rate: see `studio.learning.skill_agent.AgentSettings`.
        moving_share: of the recorded transitions, from windows in which the object moves.
        recorded_kept: most recorded transitions prepared, drawn as `moving_share` says.
        bounded: the return of a recorded transition is at least what play itself got on its way to a later goal.
        threads: torch threads.
        updates: how long.
    """

    bundle: str = ""
    hidden: tuple[int, ...] = (256, 256)
    discount: float = 0.96  # [paper]
    control_limit: float = 0.95  # [ours]; the paper has 1, where an actor learns to live in the flow's tails
    radius: float = 1.0  # [paper] reward 0 on success
    future_share: float = 0.5  # [ours]; [O] four hindsight goals for each other one
    future_s: float = 3.0  # [ours]
    near_share: float = 0.35  # [ours]
    imagined_share: float = 0.5  # [ours]
    imagined_skills: int = 5  # [O] N_m
    imagine_every: int = 10  # [ours]
    imagine_batch: int = 256  # [ours]
    imagined_kept: int = 200_000  # [ours]
    divergence: float = 8.0  # [ours]
    first_alpha: float = 0.05  # [ours]
    conservative: float = 0.0  # [paper] tried, "minor gain"
    target_rate: float = 0.02  # [ours]; [O] 0.005, too slow for the updates that minutes allow
    moving_share: float = 0.35
    recorded_kept: int = 200_000  # [ours]
    bounded: bool = True  # [ours]
    threads: int = 1
    clip: float = 10.0
    checkpoint_every_s: float = 20.0
    held_out_every_s: float = 15.0
    updates: PhaseConfig = field(
        default_factory=lambda: PhaseConfig(
            steps=100_000, seconds=480.0, batch=256, learning_rate=2e-3, final_learning_rate=1e-4
        )
    )

    def __post_init__(self) -> None:
        name = "offline_rl"
        check_range(name, "discount", self.discount, 0.0, 0.9999)
        check_range(name, "control_limit", self.control_limit, 0.01, 1.0)
        check_range(name, "radius", self.radius, 0.1, 3.0)
        check_range(name, "future_share", self.future_share, 0.0, 1.0)
        check_range(name, "near_share", self.near_share, 0.0, 1.0 - self.future_share + 1e-9)
        check_range(name, "imagined_share", self.imagined_share, 0.0, 0.95)
        check_range(name, "imagined_skills", self.imagined_skills, 1, 100)
        check_range(name, "imagine_every", self.imagine_every, 1, 100_000)
        check_range(name, "imagine_batch", self.imagine_batch, 1, 100_000)
        check_range(name, "imagined_kept", self.imagined_kept, 1000, 100_000_000)
        check_range(name, "divergence", self.divergence, 0.0, 100.0)
        check_range(name, "first_alpha", self.first_alpha, 1e-6, 100.0)
        check_range(name, "conservative", self.conservative, 0.0, 100.0)
        check_range(name, "target_rate", self.target_rate, 1e-5, 1.0)
        check_range(name, "moving_share", self.moving_share, 0.0, 1.0)
        check_range(name, "recorded_kept", self.recorded_kept, 64, 100_000_000)
        check_range(name, "threads", self.threads, 1, 256)

    def skills(self) -> BundleInfo:
        """What is known of the skill model without its weights.

        Raises:
            ConfigError: none was named.
            DataError: it cannot be read.
        """
        if not self.bundle:
            raise ConfigError("offline_rl.bundle is empty; it needs a trained skill model. Add --set bundle=FOLDER.")
        return load_bundle_info(Path(self.bundle))

    @property
    def rate_hz(self) -> float:
        """Policy rate of the skill model."""
        return self.skills().rate_hz

    @property
    def window_ticks(self) -> int:
        """W of the skill model."""
        return self.skills().window


def make_model_based() -> OfflineRlConfig:
    """With imagined transitions: the better of the two in the paper's simulation."""
    return OfflineRlConfig()


def make_model_free() -> OfflineRlConfig:
    """Recorded transitions alone."""
    return OfflineRlConfig(imagined_share=0.0)


def make_conservative() -> OfflineRlConfig:
    """Model-based with the conservative critic."""
    return OfflineRlConfig(conservative=1.0)


PRESETS = {"model_based": make_model_based, "model_free": make_model_free, "conservative": make_conservative}
