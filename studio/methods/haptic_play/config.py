"""Settings of `haptic_play`: two-stage skill learning from play (spec/methods-papers.md section 1). No torch here.

Every number names its source: [paper] is stated there, [O] is our reading of what it leaves open (section 1c),
[F] comes from the feasibility studies (spec/feasibility.md), [ours] was measured here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from studio.core.config import check_range
from studio.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """How long one part of the training lasts: whichever of the two limits comes first.

    Args:
        steps: most updates; 0 leaves the part out.
        seconds: most wall time in s; 0 sets no time limit.
        batch: windows an update.
        learning_rate: Adam's, at the start; it falls along a half cosine to `final_learning_rate`.
    """

    steps: int
    seconds: float = 0.0
    batch: int = 256
    learning_rate: float = 1e-3
    final_learning_rate: float = 2e-5

    def __post_init__(self) -> None:
        check_range("phase", "steps", self.steps, 0, 10_000_000)
        check_range("phase", "seconds", self.seconds, 0, 1_000_000, " s")
        check_range("phase", "batch", self.batch, 2, 65_536)
        check_range("phase", "learning_rate", self.learning_rate, 1e-7, 0.1)


@dataclass(frozen=True, kw_only=True)
class RoundsConfig:
    """On-policy rounds in the simulator (spec/feasibility.md, second study): play with the skills, learn from it.

    Args:
        count: rounds; 0 leaves them out, and the training stays offline.
        random_episodes: episodes of random prior skills before the first round.
        easy, planar, full: goals of each class that the planner plays in each round.
        episode_s: longest episode.
        seed: goal list of the first round; each round has the next. Reported lists must lie elsewhere.
        planner_settings: `key=value` changes of the planner's settings while it plays.
        executed_share: share of executed skills in the dynamics' batches; `value_executed_share` in the value's.
        commanded_share: of the latter, share with the goal that the episode was to reach.
        moving_share, tilting_share: as in `HapticPlayConfig`.
        chain_skills: skills in a row in the second part of the dynamics' correction; the first takes single ones.
        single, dynamics, value: how long each part of a round's correction lasts.
    """

    count: int = 0
    random_episodes: int = 24
    easy: int = 0
    planar: int = 16
    full: int = 48
    episode_s: float = 20.0
    seed: int = 100
    planner_settings: tuple[str, ...] = ()
    executed_share: float = 0.5  # [F]
    value_executed_share: float = 0.33  # [F]
    commanded_share: float = 0.5  # [ours] full goals of list 105 within 25 s: 15 of 24 against 7 with 0
    moving_share: float = 0.35
    tilting_share: float = 0.0
    chain_skills: int = 4
    single: PhaseConfig = field(default_factory=lambda: PhaseConfig(steps=60_000, seconds=60.0, learning_rate=2e-3))
    dynamics: PhaseConfig = field(
        default_factory=lambda: PhaseConfig(steps=20_000, seconds=60.0, batch=96, learning_rate=1e-3)
    )
    value: PhaseConfig = field(default_factory=lambda: PhaseConfig(steps=40_000, seconds=60.0, learning_rate=5e-4))

    def __post_init__(self) -> None:
        check_range("rounds", "count", self.count, 0, 20)
        check_range("rounds", "episode_s", self.episode_s, 1.0, 600.0, " s")
        for name in ("random_episodes", "easy", "planar", "full"):
            check_range("rounds", name, getattr(self, name), 0, 10_000)
        check_range("rounds", "chain_skills", self.chain_skills, 1, 100)
        check_range("rounds", "executed_share", self.executed_share, 0.0, 1.0)
        check_shares("rounds", self.moving_share, self.tilting_share)
        check_range("rounds", "value_executed_share", self.value_executed_share, 0.0, 1.0)
        check_range("rounds", "commanded_share", self.commanded_share, 0.0, 1.0)

    def goals(self) -> list[tuple[str, int]]:
        """(goal class, number of goals) of one round."""
        return [("easy", self.easy), ("planar", self.planar), ("full", self.full)]


@dataclass(frozen=True, kw_only=True)
class HapticPlayConfig:
    """All settings; the defaults are the preset `small`.

    Args:
        rate_hz: policy rate. Imported data slower than this keep their own rate.
        window_ticks: W; a skill lasts W / rate.
        skill_size: d_z.
        policy: `mlp` (phase as input) or `gru` (the paper's recurrent policy).
        posterior: `mlp` on sub-sampled ticks or `bigru` (the paper's).
        dynamics_members: networks whose mean is the dynamics; the cost of training and planning them grows with it.
        policy_ticks: ticks of each window that the memoryless policy is trained on, drawn anew for every batch.
        flow_checkpoints: how many states of the flow along stage 2 are kept in the bundle (priors `flow:1` …).
        reference, reference_blocks: training of a large flow against which KL-hat is measured (prior `reference`);
            0 steps leave it out.
        latent: what keeps posterior and prior together: `kl`, or ours: `mmd` or `adversarial`, with `latent_weight`.
        beta: weight of the KL term.
        action_weight, goal_weight: weights of the two parts of L_rec.
        reduction: `mean` over ticks and components, or the paper's `sum`.
        position_noise_rad: noise on the policy's joint positions; the action target is corrected where the task's
            action is measured from them. `velocity_noise` is in the units of the velocity blocks.
        plain_noise: noise on the policy's plain inputs as a share of their spread, for tasks without joints.
        goal_noise: noise on the goal that the policy sees, as a share of the change's spread.
        feature_noise: blur of what prior and flow see of the state in training, in spreads; keeps few recordings from
            being learned by heart.
        moving_share, tilting_share: shares of each batch drawn from windows in which the object moves, or tilts.
        mirror: also train on the left-right mirror image, where the robot description has one.
        symmetry: use the symmetry that the task names (the cube's 24 rotations); without it every orientation is
            learned for itself. `contact_features`: what the task names of the closeness of fingertips and object.
        rounds: on-policy rounds after everything else; they need the simulated world.
        value_hidden: layers of the goal-conditioned value (`value` is its training; 0 steps leave it out).
        single: in the second part of stage 1 only the dynamics are trained, on single skills that are prepared once.
        chain_skills: skills in a row in the last part of stage 1, `chains`, again for the dynamics alone.
        average_decay: decay of the running average of weights that is shipped; 0 ships the newest weights.
        patience: a part of the training ends early when its held-out value has not got better for this share of its
            limits; the weights of the best value are kept anyway. 0 never ends one early.
        execution_windows: held-out windows that are done again in the simulator at the end, with and without
            feedback, where the task has one; 0 does none. Each takes about half a second.
        clip: largest norm of the gradient.
        threads: torch threads.
        device: `auto` computes on a GPU where torch has one, `cpu` never, `cuda` or not at all. Planning and the
            simulator stay on the processor.
    """

    rate_hz: float = 100.0  # [F] 400 costs four times as much and was not needed
    window_ticks: int = 20  # [F] 0.2 s
    skill_size: int = 8  # [O]
    policy: str = "mlp"  # [F]
    policy_hidden: tuple[int, ...] = (256, 256)
    policy_ticks: int = 4  # [F]
    posterior: str = "mlp"  # [F]
    posterior_hidden: tuple[int, ...] = (256, 256)
    posterior_ticks: int = 5  # [F]
    dynamics_hidden: tuple[int, ...] = (256, 256)  # [O]
    dynamics_members: int = 1
    prior_hidden: tuple[int, ...] = (256, 256)  # [O]
    flow_blocks: int = 2  # [paper]
    flow_hidden: int = 192  # [ours] a third less planning time than 256 for the same likelihood per second of training
    flow_context_hidden: tuple[int, ...] = (128, 64)  # [ours]
    flow_checkpoints: int = 0
    reference_blocks: int = 16  # [paper]
    latent: str = "kl"  # [paper]
    latent_weight: float = 1.0  # [ours]
    beta: float = 0.001  # [paper] "about 0.001"
    action_weight: float = 1.0
    goal_weight: float = 1.0
    reduction: str = "mean"  # [F]
    position_noise_rad: float = 0.02  # [F]
    velocity_noise: float = 0.1  # [ours]
    plain_noise: float = 0.02  # [ours]
    goal_noise: float = 0.0
    feature_noise: float = 0.1  # [ours]
    moving_share: float = 0.35  # [F]
    tilting_share: float = 0.0
    mirror: bool = True  # [F]
    symmetry: bool = True  # [F]
    contact_features: bool = True  # [F]
    value_hidden: tuple[int, ...] = (256, 256)
    chain_skills: int = 6  # [F]
    average_decay: float = 0.998  # [ours]
    patience: float = 0.4  # [ours]
    execution_windows: int = 24  # [ours]
    clip: float = 10.0  # [O]
    threads: int = 1  # [ours] networks this small are slower with two: 33 against 25 ms an update of stage 1
    device: str = "auto"
    checkpoint_every_s: float = 20.0
    held_out_every_s: float = 15.0
    stage_1: PhaseConfig = field(default_factory=lambda: PhaseConfig(steps=60_000, seconds=270.0))
    single: PhaseConfig = field(default_factory=lambda: PhaseConfig(steps=60_000, seconds=30.0, learning_rate=2e-3))
    chains: PhaseConfig = field(
        default_factory=lambda: PhaseConfig(steps=20_000, seconds=90.0, batch=128, learning_rate=5e-4)
    )
    stage_2: PhaseConfig = field(default_factory=lambda: PhaseConfig(steps=20_000, seconds=120.0))
    reference: PhaseConfig = field(default_factory=lambda: PhaseConfig(steps=0))
    value: PhaseConfig = field(
        default_factory=lambda: PhaseConfig(steps=40_000, seconds=110.0)
    )  # beyond the paper [F]: a goal-conditioned value by hindsight, used as the planner's cost
    rounds: RoundsConfig = field(default_factory=RoundsConfig)

    def __post_init__(self) -> None:
        name = "haptic_play"
        check_range(name, "rate_hz", self.rate_hz, 1.0, 2000.0, " Hz")
        check_range(name, "window_ticks", self.window_ticks, 2, 1000)
        check_range(name, "skill_size", self.skill_size, 1, 64)
        check_range(name, "dynamics_members", self.dynamics_members, 1, 8)
        check_range(name, "policy_ticks", self.policy_ticks, 1, self.window_ticks)
        check_range(name, "posterior_ticks", self.posterior_ticks, 1, self.window_ticks)
        check_range(name, "beta", self.beta, 0.0, 10.0)
        check_shares(name, self.moving_share, self.tilting_share)
        check_range(name, "execution_windows", self.execution_windows, 0, 10_000)
        check_range(name, "patience", self.patience, 0.0, 1.0)
        check_range(name, "average_decay", self.average_decay, 0.0, 0.99999)
        check_range(name, "threads", self.threads, 1, 256)
        check_range(name, "chain_skills", self.chain_skills, 1, 100)
        check_range(name, "flow_checkpoints", self.flow_checkpoints, 0, 50)
        check_range(name, "reference_blocks", self.reference_blocks, 1, 16)
        check_range(name, "latent_weight", self.latent_weight, 0.0, 1e4)
        _check_choice("latent", self.latent, ("kl", "mmd", "adversarial"))
        _check_choice("policy", self.policy, ("mlp", "gru"))
        _check_choice("posterior", self.posterior, ("mlp", "bigru"))
        _check_choice("device", self.device, ("auto", "cpu", "cuda"))
        _check_choice("reduction", self.reduction, ("mean", "sum"))


# What spec/methods-papers.md 1b, 1c give as stated by the paper; every other value is a choice of [O], [F] or [ours].
STATED: dict[str, object] = {
    "rate_hz": 400.0,
    "window_ticks": 40,
    "policy": "gru",
    "posterior": "bigru",
    "flow_blocks": 2,
    "reference_blocks": 16,
    "latent": "kl",
    "beta": 0.001,
    "reduction": "sum",
}


def check_shares(name: str, moving: float, tilting: float) -> None:
    """Parts of one batch.

    Raises:
        ConfigError: one lies outside 0 .. 1, or both together are more than the whole.
    """
    check_range(name, "moving_share", moving, 0.0, 1.0)
    check_range(name, "tilting_share", tilting, 0.0, round(1.0 - moving, 6))


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"haptic_play.{name} is {value!r}; allowed {', '.join(allowed)}. Change the setting.")


def make_small() -> HapticPlayConfig:
    """Minutes on two cores: 100 Hz, W = 20, memoryless policy and posterior."""
    return HapticPlayConfig()


def make_paper() -> HapticPlayConfig:
    """Every value that the paper states; where it is silent, the defaults of section 1c."""
    return HapticPlayConfig(
        rate_hz=400.0,  # [paper]
        window_ticks=40,  # [paper] 0.1 s
        policy="gru",  # [paper] recurrent network
        policy_hidden=(256,),  # [O]
        policy_ticks=40,  # every tick
        posterior="bigru",  # [paper] bidirectional recurrent network
        posterior_hidden=(256,),  # [O]
        posterior_ticks=40,
        flow_hidden=256,  # [O]
        flow_context_hidden=(128, 128),
        reduction="sum",  # [paper] L_rec sums over the window
        position_noise_rad=0.0,
        velocity_noise=0.0,
        plain_noise=0.0,
        feature_noise=0.0,
        moving_share=0.0,
        mirror=False,
        average_decay=0.0,
        stage_1=PhaseConfig(steps=200_000, batch=512, learning_rate=3e-4, final_learning_rate=3e-4),  # [O]
        single=PhaseConfig(steps=0),
        chains=PhaseConfig(steps=0),
        stage_2=PhaseConfig(steps=200_000, batch=512, learning_rate=3e-4, final_learning_rate=3e-4),  # [O]
        threads=2,
        value=PhaseConfig(steps=0),  # the paper's planner scores distances
    )


def make_strong() -> HapticPlayConfig:
    """The second feasibility study's recipe: longer stage 1, a longer value, and three on-policy rounds."""
    return HapticPlayConfig(
        stage_1=PhaseConfig(steps=60_000, seconds=390.0),  # [F] 420
        single=PhaseConfig(steps=60_000, seconds=60.0, learning_rate=2e-3),  # [ours]
        chains=PhaseConfig(steps=20_000, seconds=120.0, batch=128, learning_rate=5e-4),  # [F]
        stage_2=PhaseConfig(steps=20_000, seconds=120.0),
        value=PhaseConfig(steps=40_000, seconds=180.0),  # [F]
        dynamics_members=3,  # [F] 23 of 40 full goals against 16 with one
        moving_share=0.25,
        tilting_share=0.15,  # [ours] tilting is 6 % of play, and flips are what full goals fail for
        rounds=RoundsConfig(count=3, moving_share=0.25, tilting_share=0.15),
    )


PRESETS = {"small": make_small, "paper": make_paper, "strong": make_strong}
