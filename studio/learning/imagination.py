"""Transitions for an agent in base space: recorded ones relabelled by hindsight, and imagined ones of the dynamics."""

from __future__ import annotations

import torch
from torch import Tensor

from studio.core.errors import DataError
from studio.learning.bundle import Bundle
from studio.learning.cvae import encode_windows
from studio.learning.distributions import BASE_LIMIT, base_from_gaussian, gaussian_from_base, gaussian_sample
from studio.learning.skill_agent import AgentSettings, SkillAgent, Transitions
from studio.learning.skill_model import SkillModel
from studio.learning.skill_networks import SkillNetworks
from studio.learning.value import GoalValue, HindsightGoals
from studio.learning.windows import WindowTensors

_PREPARED_AT_ONCE = 2048


class SkillWorld:
    """What an agent needs of a frozen skill model.

    Args:
        networks: trained parts.
        prior: `flow` or `gaussian`.
        goals: how goals are seen from states, and when one is reached.
    """

    def __init__(self, networks: SkillNetworks, prior: str, goals: GoalValue, *, radius: float) -> None:
        self.networks, self.prior, self.goals, self.radius = networks, prior, goals, radius

    def features(self, states: Tensor) -> Tensor:
        """Normalised features [N, F] in the canonical frame of the object."""
        return self.networks.features(states, self.networks.features.frame(states))

    def see(self, states: Tensor, goals: Tensor, features: Tensor | None = None) -> Tensor:
        """What the agent's networks see [N, X]; `features` where they are known."""
        return self.goals.inputs(self.features(states) if features is None else features, states, goals)

    def base(self, z: Tensor, features: Tensor) -> Tensor:
        """Controls u [N, d] of skills z."""
        if self.prior == "flow":
            u = self.networks.flow.inverse(z, features)[0]
        else:
            u = base_from_gaussian(z, *self.networks.prior(features))
        return u.clamp(-BASE_LIMIT, BASE_LIMIT)

    def skill(self, u: Tensor, features: Tensor) -> Tensor:
        if self.prior == "flow":
            return self.networks.flow.sample(u, features)
        return gaussian_from_base(u, *self.networks.prior(features))

    def step(self, states: Tensor, u: Tensor, *, apart: bool = False) -> Tensor:
        """Predicted states [N, S] one skill later.

        Args:
            apart: every row by one member of the dynamics, always the same for the same row; else by their mean.
        """
        networks = self.networks
        features = self.features(states)
        change = networks.own_change if apart else networks.predicted_change
        return networks.transition.apply(states, change(features, self.skill(u, features)))

    def transitions(
        self,
        now: Tensor,
        after: Tensor,
        control: Tensor,
        goals: Tensor,
        *,
        recorded: bool,
        features: tuple[Tensor, Tensor] | None = None,
        least: Tensor | None = None,
    ) -> Transitions:
        """Reward 0 and the end where the goal is reached after the skill, -1 elsewhere (1d)."""
        reached = self.goals.is_reached(after, goals, self.radius).float()
        seen_now, seen_after = features or (None, None)
        return Transitions(
            now=self.see(now, goals, seen_now),
            after=self.see(after, goals, seen_after),
            control=control,
            reward=reached - 1.0,
            done=reached,
            recorded=torch.full((len(now),), recorded),
            least=torch.full((len(now),), -torch.inf) if least is None else least,
        )


class Recorded:
    """Windows of play in base space, prepared once: the skill model is frozen, and an update that encodes whole windows
    and inverts the flow for them takes twice as long. Goals are drawn anew for every batch.

    Args:
        starts: rows [n] to prepare.
        bounded: tell what the return is at least where play itself went on to the goal.
    """

    def __init__(
        self,
        world: SkillWorld,
        windows: WindowTensors,
        starts: Tensor,
        *,
        bounded: bool,
        generator: torch.Generator,
    ) -> None:
        self._world, self._windows, self._starts, self._bounded = world, windows, starts, bounded
        parts = [_in_base_space(world, windows, some, generator) for some in starts.split(_PREPARED_AT_ONCE)]
        self._now, self._after, self._control = (torch.cat(part) for part in zip(*parts, strict=True))

    @torch.no_grad()
    def draw(self, count: int, goals: HindsightGoals, discount: float, generator: torch.Generator) -> Transitions:
        """`count` transitions, drawn with replacement, each with a goal."""
        picks = torch.randint(len(self._starts), (count,), generator=generator)
        starts, windows = self._starts[picks], self._windows
        drawn = goals.pair(starts, self._world.goals, generator)
        return self._world.transitions(
            windows.states[starts],
            windows.states[starts + windows.window],
            self._control[picks],
            drawn.goals,
            recorded=True,
            features=(self._now[picks], self._after[picks]),
            least=return_from(drawn.least, discount) if self._bounded else None,
        )


@torch.no_grad()
def _in_base_space(
    world: SkillWorld, windows: WindowTensors, starts: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Features now and after the skill [n, F], and the control u [n, d] of z ~ q.

    The actor's u_max is no limit here: with eight numbers nearly every recorded skill has one beyond 0.8, and a critic
    that is told another control than the one that was done learns what is not so.
    """
    batch = encode_windows(world.networks, windows, starts)
    mean, log_deviation = world.networks.posterior(batch.features, batch.ticks)
    control = world.base(gaussian_sample(mean, log_deviation, generator), batch.features)
    return batch.features, world.features(windows.states[starts + windows.window]), control


def return_from(least: Tensor, discount: float) -> Tensor:
    """Of a value that counts every skill, -(1 - g^n) / (1 - g), the return that does not count the one that arrives."""
    return ((least + 1.0) / discount).clamp_max(0.0)


class Imagined:
    """A ring of imagined transitions (now, after, control, goal); each imagined path is relabelled by hindsight too.

    Args:
        capacity: most transitions kept.
        skills: N_m, length of an imagined path [O: 5].
    """

    def __init__(self, world: SkillWorld, capacity: int, skills: int) -> None:
        self._world, self._capacity, self._skills = world, capacity, skills
        self._rows: list[Tensor] = []
        self._filled = self._next = 0

    def __len__(self) -> int:
        return self._filled

    @torch.no_grad()
    def imagine(self, agent: SkillAgent, starts: Tensor, goals: Tensor, generator: torch.Generator) -> None:
        """Roll the actor out from states [B, S] towards goals [B, 12] and keep what it would have met.

        Each path is the dream of one member of the dynamics: what only pays where their mean is wrong does not pay.
        """
        states, controls = [starts], []
        for _ in range(self._skills):
            u = agent.act(self._world.see(states[-1], goals), generator)[0]
            u = u.clamp(-BASE_LIMIT, BASE_LIMIT)
            controls.append(u)
            states.append(self._world.step(states[-1], u, apart=True))
        for index, control in enumerate(controls):
            later = torch.randint(index + 1, self._skills + 1, (len(starts),), generator=generator)
            met = torch.stack(states)[later, torch.arange(len(starts))]
            achieved = self._world.goals.goals_at(met)
            for wanted in (goals, achieved):
                self._put(states[index], states[index + 1], control, wanted)

    def draw(self, count: int, generator: torch.Generator) -> Transitions:
        """`count` of the kept transitions."""
        picks = torch.randint(self._filled, (count,), generator=generator)
        now, after, control, goals = (rows[picks] for rows in self._rows)
        with torch.no_grad():
            return self._world.transitions(now, after, control, goals, recorded=False)

    def _put(self, *columns: Tensor) -> None:
        if not self._rows:
            self._rows = [torch.zeros(self._capacity, column.shape[-1]) for column in columns]
        places = (self._next + torch.arange(len(columns[0]))) % self._capacity
        for rows, column in zip(self._rows, columns, strict=True):
            rows[places] = column
        self._next = int(places[-1]) + 1
        self._filled = min(self._capacity, self._filled + len(places))


def joined(first: Transitions, second: Transitions) -> Transitions:
    """Both batches as one."""
    names = Transitions.__dataclass_fields__
    return Transitions(**{name: torch.cat([getattr(first, name), getattr(second, name)]) for name in names})


class LearnedActor:
    """A bundle's actor as a planner calls it: the mode of its answer for states [N, S] and one goal [12]."""

    def __init__(self, agent: SkillAgent, world: SkillWorld) -> None:
        self._agent, self._world = agent.eval().requires_grad_(False), world

    @torch.inference_mode()
    def __call__(self, states: Tensor, goal: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Controls u [N, d]; a sample of the actor with a generator, its mode without."""
        return self._agent.act(self._world.see(states, goal.expand(len(states), -1)), generator)[0]


def make_learned_actor(bundle: Bundle, model: SkillModel) -> LearnedActor | None:
    """The actor that a bundle carries, or None.

    Raises:
        DataError: its weights do not fit its description.
    """
    if "agent" not in bundle.parts:
        return None
    try:
        described = bundle.info["agent"]
        goals = GoalValue(model.task, model.networks.features.size, (1,))
        settings = AgentSettings(control_limit=float(described["control_limit"]))
        agent = SkillAgent(goals.input_size, model.skill_size, tuple(described["hidden"]), settings)
        agent.load_state_dict(bundle.parts["agent"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"Bundle {bundle.path}: its actor does not fit its description. Train or copy it again.", detail=str(error)
        ) from error
    return LearnedActor(agent, SkillWorld(model.networks, model.prior, goals, radius=1.0))
