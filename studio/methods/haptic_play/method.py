"""`haptic_play`: stage 1 (conditional autoencoder), chains for the dynamics, stage 2 (flow), and the bundle."""

from __future__ import annotations

import copy
import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import ConfigError
from studio.core.task import Task
from studio.learning.bundle import Bundle, save_bundle
from studio.learning.cvae import LossWeights, chain_loss, fit_scales, make_policy_noise, stage_1_loss, stage_2_loss
from studio.learning.device import make_generator
from studio.learning.kinematics import ArmGeometry
from studio.learning.latent_match import Discriminator
from studio.learning.reconstruction import reconstruction_by_dimension
from studio.learning.single_skills import SingleSkills, recorded_singles, singles_loss
from studio.learning.skill_execution import PlaceableRig, SkillExecution, pick_windows
from studio.learning.skill_metrics import full_metrics, pick_evenly, quick_chain, quick_likelihood, quick_losses
from studio.learning.skill_model import SkillModel
from studio.learning.skill_networks import NetworkSizes, SkillNetworks
from studio.learning.training import Loss, Phase, Reporter, Training, TrainingResult, TrainingSettings
from studio.learning.value import GoalValue, make_value_phase
from studio.learning.windows import StartSampler, WindowTensors, make_window_tensors, with_mirror
from studio.methods.haptic_play.card import choose_prior, make_card, prior_reason
from studio.methods.haptic_play.config import HapticPlayConfig, PhaseConfig
from studio.methods.haptic_play.flows import FlowStudy
from studio.methods.haptic_play.rounds import PREPARED_WINDOWS, Gather, Rounds

_SCALE_WINDOWS = 20_000
_REPORTING_WINDOWS = 200


class HapticPlay:
    """Trains on windows and makes a bundle.

    Args:
        config: settings.
        windows: a `studio.data.windows.WindowSet`.
        geometry: arms of the robot, or None for data without one.
        seed: of weights and batches.
        gather: plays in the simulator; needed for on-policy rounds only.

    Raises:
        ConfigError: rounds are asked for, and there is nothing that can play them.
    """

    name = "haptic_play"

    def __init__(
        self,
        config: HapticPlayConfig,
        windows: Any,
        geometry: ArmGeometry | None,
        *,
        seed: int,
        gather: Gather | None = None,
    ) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(seed)
        self.config, self.task, self.geometry = config, task_as_seen(windows.task, config), geometry
        self.rate_hz, self.action_names, self.lineage = float(windows.rate_hz), windows.action_names, windows.lineage
        train = make_window_tensors(windows, windows.train_starts, what="training")
        self.train_windows = with_mirror(train, windows.task, geometry) if config.mirror else train
        self.mirrored = self.train_windows is not train
        held_out = make_window_tensors(windows, windows.held_out_starts, what="held-out")
        self.choosing_windows, self.held_out_windows = split_held_out(held_out)
        self.generator = make_generator(seed)
        self.seed, self.device = seed, str(torch.get_default_device())
        sizes = _network_sizes(config)
        self.networks = SkillNetworks(self.task, geometry, train.actions.shape[-1], train.window, sizes)
        fit_scales(self.networks, self.train_windows, pick_evenly(self.train_windows.starts, _SCALE_WINDOWS))
        self.value = self._make_value()
        self.weights = LossWeights(
            action=config.action_weight,
            goal=config.goal_weight,
            beta=config.beta,
            reduction=config.reduction,
            feature_noise=config.feature_noise,
            latent=config.latent,
            latent_weight=config.latent_weight,
        )
        self.flows = FlowStudy(self.networks, config)
        self.discriminator = self._make_discriminator()
        self.priors: list[dict[str, Any]] = []
        self.prior = "gaussian"
        self.held_out: dict[str, float] = {}
        self.reconstruction: dict[str, list[dict[str, Any]]] = {}
        self._gather = gather
        self._rounds: Rounds | None = None
        if config.rounds.count and (gather is None or not self.task.has_object()):
            raise ConfigError(
                f"rounds.count is {config.rounds.count}, but this data has no simulated world to play in. Set "
                "rounds.count=0, or train on play of the simulated box."
            )

    def train(self, reporter: Reporter, folder: Path | None) -> TrainingResult:
        """Run every phase (from the newest checkpoint in `folder`), then measure on held-out windows."""
        settings = TrainingSettings(
            clip=self.config.clip,
            checkpoint_every_s=self.config.checkpoint_every_s,
            held_out_every_s=self.config.held_out_every_s,
        )
        phases = [self._skills_phase(), self._single_phase(), self._chains_phase()]
        phases += self.flows.extend(self._flow_phase(), self._flow_loss)
        phases += [*self._value_phases(), *self._round_phases(folder)]
        extras = [self.value, self.flows if self.flows.holds_any else None]
        modules = [part for part in [self.networks, *extras, self.discriminator] if part is not None]
        trained = self.networks if len(modules) == 1 else torch.nn.ModuleList(modules)
        training = Training(
            trained, phases, settings=settings, reporter=reporter, generator=self.generator, folder=folder
        )
        result = training.run()
        began_s = time.monotonic()
        flow_trained = result.phase_steps.get("flow", 0) > 0
        self.held_out = full_metrics(
            self.networks,
            self.held_out_windows,
            self.rate_hz,
            self.weights,
            policy_ticks=self.config.policy_ticks,
            with_flow=flow_trained,
        )
        self.reconstruction = reconstruction_by_dimension(self.networks, self.held_out_windows, self.action_names)
        if self._rounds is not None:
            if not result.stopped:
                self._rounds.reopen()
            self.held_out |= self._rounds.metrics()
        self.priors = self.flows.compare(self.train_windows, self.held_out_windows, result.phase_steps)
        result.wall_s += time.monotonic() - began_s
        self.prior = choose_prior(self.held_out)
        return result

    def measure_execution(self, rig: PlaceableRig, stop: Callable[[], bool] = lambda: False) -> None:
        """Held-out windows done again in the simulator; the errors join the other held-out numbers."""
        windows = self.held_out_windows.to(torch.device("cpu"))  # a policy that runs at 100 Hz is quicker there
        starts = pick_windows(windows, self.task, self.config.execution_windows)
        model = SkillModel(copy.deepcopy(self.networks).cpu(), rate_hz=self.rate_hz, prior="gaussian")
        self.held_out |= SkillExecution(rig, model, windows).measure(starts, stop)

    def summary(self) -> dict[str, Any]:
        """What the method itself adds to a run's result."""
        return {
            "held_out": self.held_out,
            "prior": self.prior,
            "prior_reason": prior_reason(self.held_out),
            "priors": self.priors,
        }

    def save(self, path: Path, result: TrainingResult, created_s: float) -> Bundle:
        """Write the bundle with what is trained so far."""
        parts = {name: dict(module.state_dict()) for name, module in self.networks.parts().items()}
        if "nll_flow" not in self.held_out:
            del parts["flow"]  # it was never trained
        parts |= self.flows.parts(result.phase_steps)
        info = self._describe(result, created_s)
        if self.value is not None and result.phase_steps.get("value", 0) > 0:
            parts["value"] = dict(self.value.state_dict())
            info["value"] = {"hidden": list(self.config.value_hidden)}
        return save_bundle(path, info, parts, card=make_card(info))

    def _describe(self, result: TrainingResult, created_s: float) -> dict[str, Any]:
        task = self.task
        return {
            "method": self.name,
            "title": task.title,
            "created_s": round(created_s, 3),
            "rate_hz": self.rate_hz,
            "window": self.networks.window,
            "task": task.to_json(),
            "robot": task.robot,
            "geometry": self.geometry.to_json() if self.geometry else None,
            "streams": sorted({self._stream_of(block.stream) for block in task.state}),
            "action": task.action,
            "action_names": list(self.action_names),
            "action_size": self.networks.action_size,
            "fields": [
                {
                    "name": b.name,
                    "stream": self._stream_of(b.stream),
                    "field": b.field,
                    "size": b.size,
                    "kind": b.kind,
                    "unit": _unit_of(b.field),
                }
                for b in task.state
            ],
            "networks": self.networks.sizes.to_json(),
            "skill_size": self.networks.sizes.skill_size,
            "prior": self.prior,
            "prior_reason": prior_reason(self.held_out),
            "priors": self.priors,
            "reference_blocks": self.config.reference_blocks,
            "seed": self.seed,
            "device": self.device,
            "settings": dataclasses.asdict(self.config),
            "mirrored": self.mirrored,
            "stopped_early": result.stopped,
            "ended_at": result.ended_at,
            "executed": self._executed(),
            "reconstruction": self.reconstruction,
            "steps": result.steps,
            "phase_steps": result.phase_steps,
            "wall_s": round(result.wall_s, 2),
            "losses": result.losses,
            "held_out": self.held_out,
            "metrics": self.held_out,
            "lineage": self.lineage,
        }

    def _executed(self) -> dict[str, Any]:
        """What was executed in the simulator for this training: 0 rounds means that it is offline."""
        rounds = self._rounds
        return {"rounds": 0} if rounds is None else rounds.describe()

    def _stream_of(self, stream: str) -> str:
        return str(self.lineage.get("pose_stream") or stream) if stream == "object_pose" else stream

    def _skills_phase(self) -> Phase:
        config, windows = self.config, self.train_windows
        sampler = self._sampler()
        noise = make_policy_noise(
            self.task, position_rad=config.position_noise_rad, velocity=config.velocity_noise, plain=self._plain_noise()
        )

        def loss(generator: torch.Generator) -> Any:
            starts = sampler.draw(config.stage_1.batch, generator)
            return stage_1_loss(
                self.networks,
                windows,
                starts,
                self.weights,
                noise=noise,
                goal_noise=config.goal_noise,
                policy_ticks=config.policy_ticks,
                generator=generator,
                discriminator=self.discriminator,
            )

        def held_out() -> dict[str, float]:
            values = quick_losses(self.networks, self.choosing_windows, self.weights, policy_ticks=config.policy_ticks)
            return values | quick_chain(self.networks, self.choosing_windows, self.rate_hz)

        trained = torch.nn.ModuleList(module for name, module in self.networks.parts().items() if name != "flow")
        if self.discriminator is not None:
            trained.append(self.discriminator)
        return _make_phase("skills", trained, loss, held_out, config.stage_1, config, "loss")

    def _single_phase(self) -> Phase:
        """The dynamics alone on prepared windows; drifting over several skills is what the chains are for."""
        config, prepared = self.config, list[SingleSkills]()

        def begin() -> None:
            starts = self._sampler().draw(PREPARED_WINDOWS, make_generator(self.seed))
            prepared[:] = [recorded_singles(self.networks, self.train_windows, starts)]

        def loss(generator: torch.Generator) -> Any:
            count = config.single.batch * config.dynamics_members  # a whole batch for each
            return singles_loss(self.networks, [(prepared[0], count)], generator)

        def held_out() -> dict[str, float]:
            return quick_chain(self.networks, self.choosing_windows, self.rate_hz)

        phase = _make_phase("single skills", self.networks.dynamics, loss, held_out, config.single, config, "")
        return dataclasses.replace(phase, begin=begin)

    def _chains_phase(self) -> Phase:
        config, windows = self.config, self.train_windows
        skills = config.chain_skills
        sampler = self._sampler(chain=skills)
        phase = config.chains if len(sampler.starts) else dataclasses.replace(config.chains, steps=0)

        def loss(generator: torch.Generator) -> Any:
            starts = sampler.draw(phase.batch * config.dynamics_members, generator)  # a whole batch for each
            return chain_loss(self.networks, windows, starts, skills=skills, generator=generator)

        def held_out() -> dict[str, float]:
            return quick_chain(self.networks, self.choosing_windows, self.rate_hz)

        return _make_phase("chains", self.networks.dynamics, loss, held_out, phase, config, "chain_2s_error")

    def _sampler(self, chain: int = 1) -> StartSampler:
        moving, tilting = self.config.moving_share, self.config.tilting_share
        return StartSampler(self.train_windows, self.task, moving_share=moving, tilting_share=tilting, chain=chain)

    def _flow_loss(self, batch: int) -> Loss:
        """Stage 2's loss on `batch` windows an update, drawn evenly: the density of the data itself, not reweighted."""
        sampler = StartSampler(self.train_windows, self.task, moving_share=0.0)

        def loss(generator: torch.Generator) -> Any:
            starts, noise = sampler.draw(batch, generator), self.config.feature_noise
            return stage_2_loss(self.networks, self.train_windows, starts, generator=generator, feature_noise=noise)

        return loss

    def _flow_phase(self) -> Phase:
        config, loss = self.config, self._flow_loss(self.config.stage_2.batch)

        def held_out() -> dict[str, float]:
            return quick_likelihood(self.networks, self.choosing_windows)

        phase = _make_phase("flow", self.networks.flow, loss, held_out, config.stage_2, config, "nll_flow")
        return dataclasses.replace(phase, begin=lambda: self.networks.flow.start_from(self.networks.prior))

    def _make_discriminator(self) -> Discriminator | None:
        config = self.config
        if config.latent != "adversarial":
            return None
        return Discriminator(self.networks.features.size, config.skill_size, config.prior_hidden)

    def _make_value(self) -> GoalValue | None:
        config = self.config
        if config.value.steps == 0 or not self.task.has_object():
            return None
        return GoalValue(self.task, self.networks.features.size, config.value_hidden)

    def _value_phases(self) -> list[Phase]:
        if self.value is None:
            return []
        return [
            make_value_phase(
                self.value,
                self.networks.features,
                self.train_windows,
                self.choosing_windows,
                tick_s=1.0 / self.rate_hz,
                **dataclasses.asdict(self.config.value),
            )
        ]

    def _round_phases(self, folder: Path | None) -> list[Phase]:
        config = self.config
        if config.rounds.count == 0 or self._gather is None:
            return []
        place = Path(tempfile.mkdtemp(prefix="rounds-")) if folder is None else folder.parent / "rounds"
        self._rounds = Rounds(
            config.rounds,
            self.networks,
            self.value,
            windows=self.train_windows,
            choosing=self.choosing_windows,
            gather=self._gather,
            folder=place,
            save=self._save_interim,
            rate_hz=self.rate_hz,
            average_decay=config.average_decay,
        )
        return self._rounds.phases()

    def save_so_far(self, path: Path) -> None:
        """A bundle of the networks as they are in the middle of training, for a look at the skills."""
        learning = self.networks.training
        try:
            self._save_interim(path)
        finally:
            self.networks.train(learning)

    def _save_interim(self, path: Path) -> None:
        """A bundle for a round, with whichever prior is better so far."""
        self.held_out = quick_likelihood(self.networks, self.choosing_windows)
        if self.config.stage_2.steps == 0:
            del self.held_out["nll_flow"]
        self.prior = choose_prior(self.held_out)
        steps = {"value": int(self.value is not None)}
        self.save(path, TrainingResult(phase_steps=steps), time.time())

    def _plain_noise(self) -> torch.Tensor:
        states = self.train_windows.states
        return self.config.plain_noise * states[pick_evenly(self.train_windows.starts, _SCALE_WINDOWS)].std(0)


def task_as_seen(task: Task, config: HapticPlayConfig) -> Task:
    """The task without what the settings take away; a bundle carries it, so planning sees the same."""
    kept = tuple(name for name in task.features if config.contact_features or name != "near_contact")
    return dataclasses.replace(task, features=kept, symmetry=task.symmetry if config.symmetry else "none")


def split_held_out(windows: WindowTensors) -> tuple[WindowTensors, WindowTensors]:
    """Held-out windows in two: one part picks weights during training, the other only reports. They share no tick."""
    starts = windows.starts
    half = len(starts) // 2
    reporting = starts[half:][starts[half:] >= starts[half - 1] + windows.window + 1]
    if len(reporting) < _REPORTING_WINDOWS:
        return windows, windows  # too few to divide; the card says how many there are
    return dataclasses.replace(windows, starts=starts[:half]), dataclasses.replace(windows, starts=reporting)


def _make_phase(
    name: str,
    module: torch.nn.Module,
    loss: Any,
    held_out: Any,
    limits: PhaseConfig,
    config: HapticPlayConfig,
    choose_by: str,
) -> Phase:
    return Phase(
        name=name,
        module=module,
        loss=loss,
        held_out=held_out,
        steps=limits.steps,
        seconds=limits.seconds,
        learning_rate=limits.learning_rate,
        final_learning_rate=limits.final_learning_rate,
        average_decay=config.average_decay,
        choose_by=choose_by,
        patience=config.patience,
    )


def _network_sizes(config: HapticPlayConfig) -> NetworkSizes:
    names = {field.name for field in dataclasses.fields(NetworkSizes)}
    return NetworkSizes(**{name: getattr(config, name) for name in names})


def _unit_of(field: str) -> str:
    for suffix, unit in (("_rad_s", "rad/s"), ("_rad", "rad"), ("_m_s", "m/s"), ("_m", "m")):
        if field.endswith(suffix):
            return unit
    return "1"
