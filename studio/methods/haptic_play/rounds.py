"""On-policy rounds: play the trained skills in the simulator, then correct the dynamics and the value on what happened.

Beyond the paper (spec/feasibility.md, second study, section 7): a planner seeks out what the dynamics get wrong, and
only its own executed skills show where that is. Needs a simulator, so a bundle trained with rounds is not offline.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from studio.evaluation.config import EvaluateConfig
from studio.learning.cvae import chain_loss
from studio.learning.device import make_generator
from studio.learning.executed import (
    ExecutedSkills,
    executed_chain_loss,
    executed_errors,
    load_executed,
    split_executed,
)
from studio.learning.single_skills import SingleSkills, executed_singles, recorded_singles, singles_loss
from studio.learning.skill_metrics import quick_chain
from studio.learning.skill_networks import SkillNetworks
from studio.learning.training import Loss, Phase
from studio.learning.value import GoalValue, HindsightGoals, ValueSettings, value_loss
from studio.learning.windows import StartSampler, WindowTensors, with_mirror
from studio.methods.haptic_play.config import PhaseConfig, RoundsConfig

_SETUP_S = 15.0  # processes that load a bundle and build a world
PREPARED_WINDOWS = 100_000  # of play, for single skills: 37 MB
_PACE = 5.0  # simulated seconds that two processes play in one second, planning included


class Gather(Protocol):
    """Plays goals with a bundle in the simulator; `studio.workers.gather` is the real one."""

    def __call__(self, name: str, config: EvaluateConfig) -> list[Path]:
        """Files of executed episodes (`studio.evaluation.trace`); what is on disk already is not played again."""
        ...


class Rounds:
    """Makes the phases of all rounds.

    Args:
        config: how many, how long, on which goals.
        networks: their dynamics are corrected; everything else stays.
        value: corrected too; None without one.
        windows: play for training, mirrored or not; `choosing` is held out.
        gather: plays in the simulator.
        folder: where the interim bundles lie.
        save: writes an interim bundle.
        rate_hz: policy rate.
        average_decay: of the shipped weights.
    """

    def __init__(
        self,
        config: RoundsConfig,
        networks: SkillNetworks,
        value: GoalValue | None,
        *,
        windows: WindowTensors,
        choosing: WindowTensors,
        gather: Gather,
        folder: Path,
        save: Callable[[Path], Any],
        rate_hz: float,
        average_decay: float,
    ) -> None:
        self._config, self._networks, self._value = config, networks, value
        self._windows, self._choosing = windows, choosing
        self._gather, self._folder, self._save = gather, folder, save
        self._rate_hz, self._decay = rate_hz, average_decay
        self._samplers: dict[int, StartSampler] = {}  # they look at every window, so one serves all rounds
        self.executed: ExecutedSkills | None = None
        self.held_out: ExecutedSkills | None = None
        self._played = 0  # rounds, so far

    def phases(self) -> list[Phase]:
        """Dynamics by single skills, then by chains of them, then the value, of each round."""
        found: list[Phase] = []
        for index in range(self._config.count):
            found += [self._single_phase(index), self._chains_phase(index)]
            if self._value is not None:
                found.append(self._value_phase(index, self._value))
        return found

    def describe(self) -> dict[str, Any]:
        """For the bundle: how many rounds were played, how many skills were executed, and on which goal lists."""
        config, executed = self._config, self.executed
        lists = [config.seed + index for index in range(self._played)]
        return {"rounds": self._played, "skills": 0 if executed is None else len(executed.starts), "goal_lists": lists}

    def reopen(self) -> None:
        """Everything that was executed, from disk: a training that was resumed after its last round has not read it."""
        if self.executed is None and (self._bundle(self._config.count - 1) / "bundle.json").exists():
            self._play(self._config.count - 1)

    def metrics(self) -> dict[str, float]:
        """Errors on executed episodes that no round has trained on; empty without rounds."""
        return {} if self.held_out is None else executed_errors(self._networks, self.held_out)

    def plays(self, index: int) -> list[tuple[str, EvaluateConfig]]:
        """What round `index` plays, as (name, specification)."""
        config, bundle = self._config, str(self._bundle(index))
        wanted = [("random", "random", "full", config.random_episodes if index == 0 else 0)]
        wanted += [(f"{one}", "mppi", one, count) for one, count in config.goals()]
        return [
            (
                f"{index + 1}/{name}",
                EvaluateConfig(
                    bundle=bundle,
                    planner=planner,
                    goal_class=goal_class,
                    goals=count,
                    seed=config.seed + index,
                    limit_s=config.episode_s,
                    keep_skills=True,
                    settings=config.planner_settings,
                ),
            )
            for name, planner, goal_class, count in wanted
            if count > 0
        ]

    def _play(self, index: int) -> None:
        """Play round `index`, then put everything executed so far together."""
        if not (self._bundle(index) / "bundle.json").exists():
            self._save(self._bundle(index))
        train: list[Path] = []
        held_out: list[Path] = []
        for one in range(index + 1):
            for name, config in self.plays(one):
                parts = split_executed(self._gather(name, config))
                train, held_out = train + parts[0], held_out + parts[1]
        self._played = index + 1
        self.executed = self._load(train)
        self.held_out = self._load(held_out)

    def _load(self, files: list[Path]) -> ExecutedSkills | None:
        if not files:
            return None
        return load_executed(files, window=self._networks.window, skill_size=self._networks.sizes.skill_size)

    def _bundle(self, index: int) -> Path:
        return self._folder / str(index + 1) / "bundle"

    def _expected_s(self, index: int) -> float:
        plays = self.plays(index)
        return sum(_SETUP_S + config.goals * config.limit_s / _PACE for _, config in plays)

    def _sampler(self, chain: int) -> StartSampler:
        if chain not in self._samplers:
            config, task = self._config, self._networks.task
            moving, tilting = config.moving_share, config.tilting_share
            made = StartSampler(self._windows, task, moving_share=moving, tilting_share=tilting, chain=chain)
            self._samplers[chain] = made
        return self._samplers[chain]

    def _single_phase(self, index: int) -> Phase:
        """On single skills, prepared when the phase begins; plays the round."""
        config, networks = self._config, self._networks
        prepared: list[tuple[SingleSkills, int]] = []

        def begin() -> None:
            self._need(index)
            count = config.single.batch * networks.sizes.dynamics_members  # a whole batch for each
            executed = 0 if self.executed is None else round(config.executed_share * count)
            starts = self._sampler(1).draw(PREPARED_WINDOWS, make_generator(index))
            prepared[:] = [(recorded_singles(networks, self._windows, starts), count - executed)]
            if self.executed is not None and executed:
                prepared.append((executed_singles(networks, self.executed), executed))

        def loss(generator: torch.Generator) -> tuple[Tensor, Any]:
            return singles_loss(networks, prepared, generator)

        return self._phase(f"round {index + 1} single skills", config.single, loss, begin, self._expected_s(index))

    def _chains_phase(self, index: int) -> Phase:
        """On several skills in a row; plays the round where there was no phase of single skills."""
        config, skills = self._config, self._config.chain_skills
        sampler = self._sampler(skills)

        def loss(generator: torch.Generator) -> tuple[Tensor, Any]:
            members = self._networks.sizes.dynamics_members  # a whole batch for each
            return self._dynamics_loss(config.dynamics.batch * members, skills, sampler, generator)

        begin_s = 0.0 if config.single.steps else self._expected_s(index)
        name = f"round {index + 1} dynamics"
        return self._phase(name, config.dynamics, loss, lambda: self._need(index), begin_s)

    def _phase(self, name: str, limits: PhaseConfig, loss: Loss, begin: Callable[[], None], begin_s: float) -> Phase:
        def held_out() -> dict[str, float]:
            return quick_chain(self._networks, self._choosing, self._rate_hz) | self.metrics()

        return Phase(
            name=name,
            module=self._networks.dynamics,
            loss=loss,
            held_out=held_out,
            steps=limits.steps,
            seconds=limits.seconds,
            learning_rate=limits.learning_rate,
            final_learning_rate=limits.final_learning_rate,
            average_decay=self._decay,
            begin=begin,
            begin_s=begin_s,
        )

    def _need(self, index: int) -> None:
        """Everything up to this round: played now, or read again where a resumed training finds it on disk."""
        if self._played <= index:
            self._play(index)

    def _dynamics_loss(
        self, batch: int, skills: int, sampler: StartSampler, generator: torch.Generator
    ) -> tuple[Tensor, Any]:
        executed, share = self.executed, self._config.executed_share
        count = 0 if executed is None else round(share * batch)
        starts = sampler.draw(batch - count, generator)
        play, statistics = chain_loss(self._networks, self._windows, starts, skills=skills, generator=generator)
        if executed is None or not count:
            return play, statistics
        chains = executed.chains(skills)
        if not len(chains):
            return play, statistics
        picks = chains[torch.randint(len(chains), (count,), generator=generator)]
        own, more = executed_chain_loss(self._networks, executed, picks, skills=skills)
        return (1.0 - share) * play + share * own, {**statistics, **more}

    def _value_phase(self, index: int, value: GoalValue) -> Phase:
        limits, features = self._config.value, self._networks.features
        settings = ValueSettings(commanded_share=self._config.commanded_share)
        tick_s = 1.0 / self._rate_hz
        play = HindsightGoals(self._windows, self._networks.task, settings, tick_s=tick_s)
        unseen = HindsightGoals(self._choosing, self._networks.task, settings, tick_s=tick_s)
        own: list[tuple[WindowTensors, HindsightGoals]] = []

        def see(states: Tensor) -> Tensor:
            return features(states, features.frame(states))

        def begin() -> None:
            own.clear()
            self._need(index)
            if self.executed is not None:
                task, actions = self._networks.task, self._networks.action_size
                windows = with_mirror(self.executed.as_windows(actions), task, features.geometry)
                asked = with_mirror(self.executed.at_goals(task, actions), task, features.geometry).states
                goals = HindsightGoals(windows, task, settings, tick_s=tick_s, commanded=asked)
                own.append((windows, goals))

        def loss(generator: torch.Generator) -> tuple[Tensor, Any]:
            value.follow(settings.target_rate)
            count = round(limits.batch * self._config.value_executed_share) if own else 0
            drawn = play.draw(limits.batch - count, value, generator)
            total, statistics = value_loss(value, see, self._windows, drawn, settings)
            if not count:
                return total, statistics
            windows, goals = own[0]
            more, _ = value_loss(value, see, windows, goals.draw(count, value, generator), settings)
            share = count / limits.batch
            return (1.0 - share) * total + share * more, {**statistics, "executed": more.detach()}

        def measure() -> dict[str, float]:
            with torch.no_grad():
                drawn = unseen.draw(2048, value, make_generator(0))
                found = value_loss(value, see, self._choosing, drawn, settings)[1]
            return {name: float(number) for name, number in found.items()}

        return Phase(
            name=f"round {index + 1} value",
            module=value.members,
            loss=loss,
            held_out=measure,
            steps=limits.steps,
            seconds=limits.seconds,
            learning_rate=limits.learning_rate,
            final_learning_rate=limits.final_learning_rate,
            begin=begin,
        )
