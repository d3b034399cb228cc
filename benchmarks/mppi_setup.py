"""What both planners of `bench mppi` plan with: a model, states and goals."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from studio.core.geometry import quaternion_to_matrix
from studio.core.task import Goal, load_task
from studio.evaluation.goals import make_cases
from studio.learning.bundle import load_bundle
from studio.learning.kinematics import arm_geometry
from studio.learning.skill_model import SkillModel, make_skill_model
from studio.learning.skill_networks import NetworkSizes, SkillNetworks
from studio.learning.value import GoalValue, LearnedValue, make_learned_value
from studio.methods.haptic_play.config import HapticPlayConfig
from studio.planning.config import PlannerConfig
from studio.planning.rollouts import TorchRollouts
from studio.robot.description import load_robot


@dataclass(frozen=True, kw_only=True)
class Case:
    """One state [S] to plan from, and a goal."""

    state: np.ndarray
    goal: Goal


def load_model(bundle: str) -> tuple[SkillModel, LearnedValue | None]:
    """The bundle's model and value; random weights of the default sizes when `bundle` is empty."""
    if not bundle:
        return random_model()
    loaded = load_bundle(Path(bundle))
    model = make_skill_model(loaded)
    return model, make_learned_value(loaded, model)


def random_model(seed: int = 0) -> tuple[SkillModel, LearnedValue]:
    """Right shapes and cost, no skill at all; flow layers that training starts from zero are random too."""
    torch.manual_seed(seed)
    config, robot = HapticPlayConfig(), load_robot()
    sizes = NetworkSizes(
        flow_hidden=config.flow_hidden, flow_context_hidden=config.flow_context_hidden, flow_blocks=config.flow_blocks
    )
    networks = SkillNetworks(load_task("move_box"), arm_geometry(robot), 2 * robot.joints, config.window_ticks, sizes)
    with torch.no_grad():
        for block in networks.flow.blocks:
            block.out.weight.normal_(0.0, 0.02)  # type: ignore[union-attr]
        networks.transition.scale.fill_(0.1)
    model = SkillModel(networks, rate_hz=config.rate_hz, prior="flow")
    return model, LearnedValue(GoalValue(model.task, networks.features.size, config.value_hidden), model)


def make_planning_cases(model: SkillModel, count: int, seed: int) -> list[Case]:
    """Planar goals; from each start some random skills have run already, so that the arms are not at home."""
    cases, chance = [], torch.Generator().manual_seed(seed)
    for case in make_cases(model.task, "planar", count, seed):
        turn = quaternion_to_matrix(np.array(case.start_orientation_xyzw)).reshape(9)
        home = np.concatenate([load_robot().home_rad, np.zeros(8), case.start_position_m, turn])
        controls = 0.7 * (2 * torch.rand(1 + case.index % 8, 1, model.skill_size, generator=chance) - 1)
        path = _no_score(model).roll_out(torch.from_numpy(home.astype(np.float32)), controls).path
        assert path is not None
        cases.append(Case(state=path[-1, 0].double().numpy(), goal=case.goal))
    return cases


def single(settings: PlannerConfig, **changes: object) -> PlannerConfig:
    """`settings` without the unsticking rule, which would replace plans in a benchmark that moves nothing."""
    return dataclasses.replace(settings, unstick_s=0.0, **changes)  # type: ignore[arg-type]


def as_tensor(state: np.ndarray) -> Tensor:
    return torch.from_numpy(state.astype(np.float32))


def _no_score(model: SkillModel) -> TorchRollouts:
    return TorchRollouts(model.skill, model.predict, lambda s, z: s.new_zeros(len(s)), lambda s: s.new_zeros(len(s)))
