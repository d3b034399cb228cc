"""From raw states to what networks see: the features that the task names, in the canonical frame, normalised.

Every number of the task-specific features comes from the task and the arm geometry; a task without features and without
rotations (imported data) gives the state itself, normalised.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from studio.core.errors import ConfigError
from studio.core.task import Task
from studio.learning.kinematics import ArmGeometry, tip_positions
from studio.learning.symmetry import nearest_to_identity, symmetry_rotations, turn_frame

JOINT_FIELD = "follower_position_rad"
_NEAR_FACE_M = 0.02  # spec/feasibility.md, second study, 4.2: distance to the faces over 2 cm,
_NEAR_M, _FAR_M = 0.01, 0.04  # signed distance over 1 and 4 cm, saturated
_KNOWN = ("tips_world", "tips_object_frame", "near_contact")


class FeatureMap(nn.Module):
    """Features of states.

    Args:
        task: blocks, feature names, symmetry and sizes.
        geometry: arms; needed as soon as a feature speaks of tips.

    Raises:
        ConfigError: an unknown feature, or one whose ingredients the task does not have.
    """

    group: Tensor
    mean: Tensor
    deviation: Tensor
    bases_m: Tensor
    links_m: Tensor

    def __init__(self, task: Task, geometry: ArmGeometry | None) -> None:
        super().__init__()
        _check_features(task, geometry)
        self.task, self.geometry = task, geometry
        self._plain = [task.span(block.name) for block in task.state if block.kind != "rotation"]
        self._rotations = [task.span(block.name) for block in task.state if block.kind == "rotation"]
        self._object = self._rotations[0] if self._rotations else None
        self._position = _first_span(task, "position")
        self._joints = next((task.span(b.name) for b in task.state if b.field == JOINT_FIELD), None)
        self._names = frozenset(task.features)
        self.register_buffer("group", symmetry_rotations(task.symmetry), persistent=False)
        self.register_buffer(
            "bases_m", torch.tensor(geometry.arm_bases_m if geometry else [[0.0] * 3]), persistent=False
        )
        self.register_buffer(
            "links_m", torch.tensor(geometry.link_lengths_m if geometry else [0.0] * 3), persistent=False
        )
        self.size = self._count()
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("deviation", torch.ones(self.size))

    @property
    def joints_span(self) -> slice | None:
        """Where the joint positions are in the state."""
        return self._joints

    def frame(self, state: Tensor) -> Tensor:
        """Index [...] of the symmetry that makes these states canonical (0 for all without a rotation)."""
        if self._object is None or len(self.group) == 1:
            return torch.zeros(state.shape[:-1], dtype=torch.int64, device=state.device)
        return nearest_to_identity(state[..., self._object], self.group)

    def tips(self, state: Tensor) -> Tensor:
        """Fingertips [..., arms, 3] in m; [..., 0, 3] for a task without arms."""
        if self.geometry is None or self._joints is None:
            return state.new_zeros((*state.shape[:-1], 0, 3))
        return tip_positions(state[..., self._joints], self.bases_m, self.links_m)

    def raw(self, state: Tensor, frame: Tensor) -> Tensor:
        """Features [..., F] before normalising, in the frames [...] given."""
        parts = [state[..., span] for span in self._plain]
        turned = [turn_frame(state[..., span], self.group[frame]) for span in self._rotations]
        parts += [matrix[..., :2].flatten(-2) for matrix in turned]  # 6-D rotation: the first two columns
        if self._names:
            parts += self._task_features(state, turned)
        return torch.cat(parts, dim=-1)

    def forward(self, state: Tensor, frame: Tensor) -> Tensor:
        """Normalised features [..., F], clamped to 8 standard deviations."""
        return ((self.raw(state, frame) - self.mean) / self.deviation).clamp(-8.0, 8.0)

    def _task_features(self, state: Tensor, turned: list[Tensor]) -> list[Tensor]:
        tips = self.tips(state)
        parts = [tips.flatten(-2)] if "tips_world" in self._names else []
        if not self._names & {"tips_object_frame", "near_contact"}:
            return parts
        position, matrix = state[..., self._position], turned[0]
        offset = tips - position.unsqueeze(-2)
        inside = (matrix.unsqueeze(-3) * offset.unsqueeze(-1)).sum(-2)  # R^T (tip - p)
        if "tips_object_frame" in self._names:
            parts.append(inside.flatten(-2))
        if "near_contact" in self._names:
            parts += [self._near_contact(inside), self._clearance(position, matrix)]
        return parts

    def _near_contact(self, inside: Tensor) -> Tensor:
        """Saturated distances of each ball to the object's faces; tips [..., arms, 3] in the object's frame."""
        half, radius = 0.5 * self.task.object_size_m, self.task.tip_radius_m
        faces = torch.cat([inside - (half + radius), -inside - (half + radius)], dim=-1)
        beyond = inside.abs() - half
        outside = (beyond.clamp_min(0.0).square().sum(-1) + 1e-12).sqrt()
        distance = (outside + beyond.amax(-1).clamp_max(0.0) - radius).unsqueeze(-1)
        near = torch.cat([faces / _NEAR_FACE_M, distance / _NEAR_M, distance / _FAR_M], dim=-1)
        return torch.tanh(near).flatten(-2)

    def _clearance(self, position: Tensor, matrix: Tensor) -> Tensor:
        """Saturated height of the object's lowest corner above the table."""
        lowest = position[..., 2] - 0.5 * self.task.object_size_m * matrix[..., 2, :].abs().sum(-1)
        return torch.tanh(torch.stack([lowest / _NEAR_M, lowest / _FAR_M], dim=-1))

    def _count(self) -> int:
        state = torch.zeros(1, self.task.state_size)
        return self.raw(state, torch.zeros(1, dtype=torch.int64)).shape[-1]


def _first_span(task: Task, kind: str) -> slice:
    return next((task.span(block.name) for block in task.state if block.kind == kind), slice(0, 0))


def _check_features(task: Task, geometry: ArmGeometry | None) -> None:
    for name in task.features:
        if name not in _KNOWN:
            raise ConfigError(f"Task {task.name}: unknown feature {name!r}. Known features: {', '.join(_KNOWN)}.")
    if task.features and geometry is None:
        raise ConfigError(
            f"Task {task.name} asks for {task.features[0]!r} but names no robot. Set `robot` in the task."
        )
    if task.features and not any(block.field == JOINT_FIELD for block in task.state):
        raise ConfigError(f"Task {task.name}: feature {task.features[0]!r} needs a state block of field {JOINT_FIELD}.")
    kinds = {block.kind for block in task.state}
    about_object = [name for name in task.features if name != "tips_world"]
    if about_object and not {"position", "rotation"} <= kinds:
        raise ConfigError(f"Task {task.name}: feature {about_object[0]!r} needs a position and a rotation block.")
