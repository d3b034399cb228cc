"""Rollouts of a skill model by the native library: the same arithmetic as `SkillModel`, a tile of samples at a time.

Torch stays the reference (`SkillModel.skill`, `.predict`, `LearnedValue`, `planning.goal_score`); tests compare them.
"""

from __future__ import annotations

import ctypes
import math
import threading
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from studio.core.errors import ConfigError
from studio.core.task import Task
from studio.learning.distributions import BASE_LIMIT, LOGISTIC_HALF_DEVIATION
from studio.learning.ensemble import DynamicsEnsemble
from studio.learning.flow import ConditionalFlow, MaskedBlock
from studio.learning.native_build import NativeBuild
from studio.learning.native_layout import (
    MOST_ARMS,
    MOST_BLOCKS,
    MOST_MEMBERS,
    MOST_SPANS,
    Block,
    Job,
    Model,
    Packer,
    Score,
)
from studio.learning.skill_model import SkillModel
from studio.learning.value import SCALE, GoalValue, LearnedValue

PRECISIONS = ("auto", "float32", "bfloat16")


class UnsupportedModelError(Exception):
    """The native library does not know this kind of model; torch does."""


@dataclass(frozen=True, kw_only=True)
class RolloutScore:
    """What a predicted state costs; see `studio.planning.goal_score.GoalScore` for the meaning of each number."""

    use_value: bool
    position_deadband_m: float
    orientation_deadband_rad: float
    rotation_weight: float
    area_weight: float
    area_margin_m: float
    approach_weight: float
    disagreement_weight: float
    terminal_weight: float


@dataclass(frozen=True, kw_only=True)
class Rolled:
    """What became of samples.

    Args:
        path: states [H + 1, N, S], or None when not asked for.
        skills: [H, N, d], or None when not asked for.
        returns: [N].
    """

    path: Tensor | None
    skills: Tensor | None
    returns: Tensor


class NativeRollouts:
    """Rolls samples out towards a goal.

    Args:
        model: the trained skill model.
        value: its learned value; needed when the score uses it.
        score: what states cost.
        library: the built library.
        precision: of the samples' networks: `float32`, `bfloat16`, or `auto` (bfloat16 where the processor has it).
            What is returned with `exact` is always float32.
        threads: that share the samples.
    """

    def __init__(
        self,
        model: SkillModel,
        value: LearnedValue | None,
        score: RolloutScore,
        library: ctypes.CDLL,
        *,
        precision: str = "auto",
        threads: int = 1,
    ) -> None:
        self.half = _choose_half(library, precision)
        self._library, self._threads, self._tile = library, threads, int(library.tile_rows())
        self._flow = model.prior == "flow"
        learned = value.value if value is not None and score.use_value else None
        if score.use_value and learned is None:
            raise UnsupportedModelError("the score asks for a value that the bundle does not have")
        self._exact = NativeModel(model, learned, library, half=False)
        self._quick = NativeModel(model, learned, library, half=True) if self.half else self._exact
        self._score = make_score(model.task, score)

    def set_goal(self, goal: Tensor) -> None:
        """Goal [12]: position in m, row-major rotation."""
        self._score.goal[:] = goal.tolist()

    def roll_out(self, state: Tensor, controls: Tensor, *, exact: bool = False, paths: bool = True) -> Rolled:
        """From `state` [S] with base controls [H, N, d]."""
        stages, samples, size = controls.shape
        model = self._exact if exact else self._quick
        start = state.detach().float().contiguous()
        base = base_to_head(controls, flow=self._flow)
        path = torch.empty(stages + 1, samples, start.shape[0]) if paths else None
        skills = torch.empty(stages, samples, size) if paths else None
        returns = torch.empty(samples)
        job = Job(
            model=ctypes.pointer(model.model),
            score=ctypes.pointer(self._score),
            start=start.data_ptr(),
            base=base.data_ptr(),
            path=None if path is None else path.data_ptr(),
            skills=None if skills is None else skills.data_ptr(),
            returns=returns.data_ptr(),
            stages=stages,
            samples=samples,
        )
        self._run(job, samples)
        return Rolled(path=path, skills=skills, returns=returns)

    def _run(self, job: Job, samples: int) -> None:
        """The caller works too; helpers live for one call, because starting them costs little beside a rollout."""
        address, failures = ctypes.byref(job), []

        def work() -> None:
            if self._library.roll_out(address):
                failures.append(1)

        helpers = [threading.Thread(target=work) for _ in range(min(self._threads, -(-samples // self._tile)) - 1)]
        for helper in helpers:
            helper.start()
        work()
        for helper in helpers:
            helper.join()
        if failures:
            raise MemoryError("no memory for the rollouts of the planner")


class NativeModel:
    """A skill model in the library's layout, at one precision."""

    def __init__(self, model: SkillModel, value: GoalValue | None, library: ctypes.CDLL, *, half: bool) -> None:
        self._packer = Packer(int(library.panel_width()), half=half)
        self.model = Model(half=half, state_size=model.state_size, skill_size=model.skill_size)
        self._fill_features(model)
        self._fill_prior(model)
        self._fill_dynamics(model)
        if value is not None:
            self._fill_value(value)
        room = self.model.feature_size + self.model.skill_size + 64
        self.model.widest = max(self._packer.widest, self._packer.padded(room))

    def _fill_features(self, skill_model: SkillModel) -> None:
        features, model, task = skill_model.networks.features, self.model, skill_model.task
        spans = [(task.span(block.name), block.kind) for block in task.state]
        position, rotation = _one_of(spans, "position"), _one_of(spans, "rotation")
        arms = features.geometry.arms if features.geometry is not None else 0
        if len(spans) > MOST_SPANS or arms > MOST_ARMS:
            raise UnsupportedModelError(f"task {task.name} has more blocks or arms than rollouts know")
        joints = features.joints_span
        model.span_count = len(spans)
        for number, (span, kind) in enumerate(spans):
            entry = model.spans[number]
            entry.start, entry.size, entry.rotation = span.start, span.stop - span.start, kind == "rotation"
        model.feature_size, model.symmetries = features.size, len(features.group)
        model.position, model.rotation = position.start, rotation.start
        model.joints = -1 if joints is None or not arms else joints.start
        model.arms = arms if model.joints >= 0 else 0
        model.tips_world, model.tips_object = "tips_world" in task.features, "tips_object_frame" in task.features
        model.near_contact = "near_contact" in task.features
        for arm in range(model.arms):
            model.bases_m[arm][:] = features.bases_m[arm].tolist()
        model.links_m[:] = features.links_m.tolist()
        model.half_size_m, model.radius_m = 0.5 * task.object_size_m, task.tip_radius_m
        model.group = self._packer.floats(features.group.reshape(-1))
        model.mean = self._packer.floats(features.mean)
        model.inverse_deviation = self._packer.floats(1.0 / features.deviation)
        transition = skill_model.networks.transition
        model.change_scale = self._packer.floats(transition.scale)
        model.change_weight = self._packer.floats(transition.weight / transition.weight.sum())
        model.change_size = transition.size

    def _fill_prior(self, skill_model: SkillModel) -> None:
        networks, model, packer = skill_model.networks, self.model, self._packer
        if skill_model.prior != "flow":
            model.head = packer.mlp(networks.prior.net)
            return
        flow = networks.flow
        if len(flow.blocks) > MOST_BLOCKS or flow.size > 64:
            raise UnsupportedModelError("the flow has more blocks or a larger skill than rollouts know")
        model.head, model.blocks = packer.mlp(flow.head.net), len(flow.blocks)
        model.context = packer.mlp(flow.context, ends_with_silu=True)
        self._fill_context_parts(flow)
        for number, block in enumerate(flow.blocks):
            assert isinstance(block, MaskedBlock)
            hidden = packer.padded(block.second.out_features)
            out = packer.layer(block.out.weight * block.mask_out, block.out.bias, silu=False, inputs=hidden)
            model.block[number] = Block(
                first=packer.layer(block.first.weight * block.mask_in, None, silu=True),
                second=packer.layer(block.second.weight * block.mask_hidden, None, silu=True, inputs=hidden),
                out=packer.network([out]),
            )

    def _fill_context_parts(self, flow: ConditionalFlow) -> None:
        """One layer for what all blocks take from the context, each part padded to whole panels."""
        weights, biases = [], []
        for block in flow.blocks:
            assert isinstance(block, MaskedBlock)
            spare = self._packer.padded(block.first.out_features) - block.first.out_features
            for weight, bias in zip(block.context.weight.chunk(2), block.context.bias.chunk(2), strict=True):
                weights.append(nn.functional.pad(weight.detach(), (0, 0, 0, spare)))
                biases.append(nn.functional.pad(bias.detach(), (0, spare)))
        inputs = self._packer.padded(weights[0].shape[1])
        layer = self._packer.layer(torch.cat(weights), torch.cat(biases), silu=False, inputs=inputs)
        self.model.context_parts = self._packer.network([layer])
        self.model.context_columns = sum(len(bias) for bias in biases)

    def _fill_dynamics(self, skill_model: SkillModel) -> None:
        members = dynamics_members(skill_model)
        if len(members) > MOST_MEMBERS:
            raise UnsupportedModelError(f"{len(members)} dynamics members; rollouts know {MOST_MEMBERS}")
        self.model.members = len(members)
        for number, member in enumerate(members):
            self.model.dynamics[number] = self._packer.mlp(member)

    def _fill_value(self, value: GoalValue) -> None:
        if len(value.members) > MOST_MEMBERS:
            raise UnsupportedModelError(f"{len(value.members)} value members; rollouts know {MOST_MEMBERS}")
        self.model.values, self.model.value_scale = len(value.members), SCALE
        for number, member in enumerate(value.members):
            self.model.value[number] = self._packer.mlp(member)


def dynamics_members(model: SkillModel) -> list[nn.Module]:
    """The dynamics networks whose mean change is applied."""
    dynamics = model.networks.dynamics
    if type(dynamics) is nn.Sequential:
        return [dynamics]
    if isinstance(dynamics, DynamicsEnsemble):
        return list(dynamics.members)
    raise UnsupportedModelError(f"dynamics of type {type(dynamics).__name__}")


def base_to_head(controls: Tensor, *, flow: bool) -> Tensor:
    """Base controls in (-1, 1) as the first block (flow) or the head (Gaussian) takes them."""
    u = controls.clamp(-BASE_LIMIT, BASE_LIMIT)
    if flow:
        return (torch.atanh(u) / LOGISTIC_HALF_DEVIATION).contiguous()
    return (math.sqrt(2.0) * torch.erfinv(u)).contiguous()


def make_score(task: Task, score: RolloutScore) -> Score:
    low, high = (task.area_x_m[0], task.area_y_m[0]), (task.area_x_m[1], task.area_y_m[1])
    return Score(
        use_value=score.use_value,
        position_tolerance_m=task.position_tolerance_m,
        orientation_tolerance_rad=task.orientation_tolerance_rad,
        position_deadband_m=score.position_deadband_m,
        orientation_deadband_rad=score.orientation_deadband_rad,
        rotation_weight=score.rotation_weight,
        area_weight=score.area_weight,
        approach_weight=score.approach_weight,
        disagreement_weight=score.disagreement_weight,
        approach_from_m=task.object_size_m / 2 + task.tip_radius_m + 0.02,
        terminal_weight=score.terminal_weight,
        low_m=tuple(edge - score.area_margin_m for edge in low),
        high_m=tuple(edge + score.area_margin_m for edge in high),
    )


def _one_of(spans: list[tuple[slice, str]], kind: str) -> slice:
    found = [span for span, block_kind in spans if block_kind == kind]
    if len(found) != 1:
        raise UnsupportedModelError(f"the state has {len(found)} blocks of kind {kind}; rollouts know one")
    return found[0]


def _choose_half(library: ctypes.CDLL, precision: str) -> bool:
    able = bool(library.has_bfloat16())
    if precision == "bfloat16" and not able:
        raise ConfigError("planner.precision is bfloat16, but this processor has none. Set precision=auto.")
    return able and precision != "float32"


def native_rollouts(
    model: SkillModel,
    value: LearnedValue | None,
    score: RolloutScore,
    build: NativeBuild,
    *,
    precision: str,
    threads: int,
) -> NativeRollouts | str:
    """Rollouts, or in words why there are none for this model on this machine."""
    if build.library is None:
        return build.reason
    try:
        return NativeRollouts(model, value, score, build.library, precision=precision, threads=threads)
    except UnsupportedModelError as error:
        return str(error)
