"""`offline_rl`: soft actor-critic with hindsight in the base space of a trained skill model (methods-papers 1b)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import DataError
from studio.learning.bundle import Bundle, load_bundle, save_bundle
from studio.learning.imagination import Imagined, Recorded, SkillWorld, joined
from studio.learning.kinematics import ArmGeometry
from studio.learning.skill_agent import AgentSettings, SkillAgent, agent_loss
from studio.learning.skill_model import make_skill_model
from studio.learning.training import Phase, Reporter, Training, TrainingResult, TrainingSettings
from studio.learning.value import GoalValue, HindsightGoals, ValueSettings
from studio.learning.windows import StartSampler, WindowTensors, make_window_tensors, with_mirror
from studio.methods.offline_rl.config import OfflineRlConfig

_MEASURED = 2048


class OfflineRl:
    """Trains an actor and makes a bundle: the skill model's, with the part `agent`.

    Args:
        config: settings; names the skill model.
        windows: a `studio.data.windows.WindowSet` at the skill model's rate.
        geometry: arms of the robot.
        seed: of weights and batches.
        gather: not needed; this learns offline.

    Raises:
        DataError: the recordings are not what the skill model was trained on, or have no object.
    """

    name = "offline_rl"

    def __init__(
        self,
        config: OfflineRlConfig,
        windows: Any,
        geometry: ArmGeometry | None,
        *,
        seed: int,
        gather: Any = None,
    ) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(seed)
        self.config, self.seed, self.lineage = config, seed, windows.lineage
        self._bundle = load_bundle(Path(config.bundle))
        model = make_skill_model(self._bundle)
        self.task = model.task
        _check_same_task(windows.task, self.task)
        train = make_window_tensors(windows, windows.train_starts, what="training")
        self.windows = with_mirror(train, self.task, geometry)
        self.held_out_windows = make_window_tensors(windows, windows.held_out_starts, what="held-out")
        self.generator = torch.Generator().manual_seed(seed)
        self.settings = AgentSettings(
            discount=config.discount,
            control_limit=config.control_limit,
            divergence=config.divergence,
            first_alpha=config.first_alpha,
            conservative=config.conservative,
            target_rate=config.target_rate,
        )
        goals = GoalValue(self.task, model.networks.features.size, (1,))  # only how goals are seen
        self.world = SkillWorld(model.networks, model.prior, goals, radius=config.radius)
        self.agent = SkillAgent(goals.input_size, model.skill_size, config.hidden, self.settings)
        hindsight = ValueSettings(
            discount=config.discount,
            future_share=config.future_share,
            near_share=config.near_share,
            future_s=config.future_s,
        )
        tick_s = 1.0 / model.rate_hz
        self._goals = HindsightGoals(self.windows, self.task, hindsight, tick_s=tick_s)
        self._unseen = HindsightGoals(self.held_out_windows, self.task, hindsight, tick_s=tick_s)
        self._recorded = self._prepare(self.windows, config.recorded_kept, self.generator)
        self._unseen_recorded = self._prepare(self.held_out_windows, _MEASURED, torch.Generator().manual_seed(0))
        self._imagined = Imagined(self.world, config.imagined_kept, config.imagined_skills)
        self._update = 0
        self.held_out: dict[str, float] = {}

    def _prepare(self, windows: WindowTensors, most: int, generator: torch.Generator) -> Recorded:
        """Up to `most` windows in base space."""
        config = self.config
        sampler = StartSampler(windows, self.task, moving_share=config.moving_share)
        starts = sampler.draw(min(most, len(windows.starts)), generator)
        return Recorded(self.world, windows, starts, bounded=config.bounded, generator=generator)

    def train(self, reporter: Reporter, folder: Path | None) -> TrainingResult:
        """Run the updates (from the newest checkpoint in `folder`), then measure on held-out windows."""
        config = self.config
        settings = TrainingSettings(
            clip=config.clip, checkpoint_every_s=config.checkpoint_every_s, held_out_every_s=config.held_out_every_s
        )
        phase = Phase(
            name="agent",
            module=self.agent,
            loss=self._loss,
            held_out=self._measure,
            steps=config.updates.steps,
            seconds=config.updates.seconds,
            learning_rate=config.updates.learning_rate,
            final_learning_rate=config.updates.final_learning_rate,
        )
        training = Training(
            self.agent, [phase], settings=settings, reporter=reporter, generator=self.generator, folder=folder
        )
        result = training.run()
        began_s = time.monotonic()
        self.held_out = self._measure()
        result.wall_s += time.monotonic() - began_s
        return result

    def summary(self) -> dict[str, Any]:
        """What the method itself adds to a run's result."""
        kind = "recorded and imagined" if self.config.imagined_share > 0.0 else "recorded"
        skills = self._bundle.path.name
        return {
            "held_out": self.held_out,
            "prior": self.world.prior,
            "prior_reason": f"An actor for the {self.world.prior} prior of {skills}, from {kind} skills.",
        }

    def save(self, path: Path, result: TrainingResult, created_s: float) -> Bundle:
        """Write the bundle: everything of the skill model, and the actor with its critics."""
        info = {name: value for name, value in self._bundle.info.items() if name not in ("parts", "format_version")}
        info |= {
            "method": self.name,
            "title": self.task.title,
            "created_s": round(created_s, 3),
            "agent": {
                "hidden": list(self.config.hidden),
                "control_limit": self.config.control_limit,
                "discount": self.config.discount,
            },
            "held_out": {**self._bundle.info.get("held_out", {}), **self.held_out},
            "metrics": {**self._bundle.info.get("metrics", {}), **self.held_out},
            "seed": self.seed,
            "steps": result.steps,
            "phase_steps": result.phase_steps,
            "wall_s": round(result.wall_s, 2),
            "losses": result.losses,
            "stopped_early": result.stopped,
            "lineage": {**self.lineage, "skills": str(self._bundle.path)},
        }
        parts = {**self._bundle.parts, "agent": dict(self.agent.state_dict())}
        return save_bundle(path, info, parts, card=self._card(info))

    def _loss(self, generator: torch.Generator) -> Any:
        config = self.config
        self.agent.follow()
        imagined = round(config.imagined_share * config.updates.batch)
        if imagined and (self._update % config.imagine_every == 0 or not len(self._imagined)):
            drawn = self._goals.draw(config.imagine_batch, self.world.goals, generator)
            self._imagined.imagine(self.agent, self.windows.states[drawn.starts], drawn.goals, generator)
        self._update += 1
        recorded = config.updates.batch - imagined
        batch = self._recorded.draw(recorded, self._goals, config.discount, generator)
        if imagined:
            batch = joined(batch, self._imagined.draw(imagined, generator))
        return agent_loss(self.agent, batch, generator)

    @torch.no_grad()
    def _measure(self) -> dict[str, float]:
        """Critic error and value on held-out play, and how often five imagined skills of the actor reach its goal."""
        generator = torch.Generator().manual_seed(0)
        batch = self._unseen_recorded.draw(_MEASURED, self._unseen, self.config.discount, generator)
        found = {name: float(value) for name, value in agent_loss(self.agent, batch, generator)[1].items()}
        drawn = self._unseen.draw(_MEASURED, self.world.goals, generator)
        state = self.held_out_windows.states[drawn.starts]
        reached = self.world.goals.is_reached(state, drawn.goals, 1.0)
        open_goals = ~reached
        for _ in range(self.config.imagined_skills):
            control = self.agent.act(self.world.see(state, drawn.goals))[0]
            state = self.world.step(state, control)
            reached |= self.world.goals.is_reached(state, drawn.goals, 1.0)
        found["imagined_reach"] = float(reached[open_goals].float().mean())
        return {name: found[name] for name in ("critic", "value", "divergence", "imagined_reach")}

    def _card(self, info: dict[str, Any]) -> str:
        rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in sorted(self.held_out.items()))
        return (
            f"# {info['title']}: an actor in the base space of {self._bundle.path.name}\n\n"
            f"Soft actor-critic with hindsight goals, {info['steps']} updates in {info['wall_s']:.0f} s, seed "
            f"{self.seed}; gamma {self.config.discount:g}, u_max {self.config.control_limit:g}, imagined share "
            f"{self.config.imagined_share:g}, conservative weight {self.config.conservative:g}.\n\n"
            f"| held out | value |\n|---|---|\n{rows}\n\n"
            "Use it only on the robot and the world that the skill model was trained for.\n"
        )


def _check_same_task(recorded: Any, trained: Any) -> None:
    if recorded.name != trained.name or recorded.state_size != trained.state_size:
        raise DataError(
            f"The recordings are of task {recorded.name!r} with {recorded.state_size} state entries, the skill model "
            f"is for {trained.name!r} with {trained.state_size}. Take the recordings that the bundle was trained on."
        )
    if not trained.has_object():
        raise DataError(f"Task {trained.name!r} has no object, so it has no goals to learn. Use play of the box.")
