"""The cube's group and canonical frames (spec/methods-papers.md 1h check 7)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.core.errors import ConfigError
from studio.core.geometry import cube_rotations, matrix_to_quaternion, quaternion_to_matrix
from studio.core.observation import pose_errors
from studio.core.task import Goal, load_task
from studio.learning.features import FeatureMap
from studio.learning.symmetry import mirror_map, nearest_to_identity, symmetry_rotations, turn_frame
from studio.learning.transition import Transition, rotation_matrix, rotation_vector
from studio.learning.windows import WindowTensors, with_mirror
from tests.learning.toy import GEOMETRY, pushed_box, tips


def random_rotations(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator, dtype=torch.float64))
    q = q * torch.sign(torch.diagonal(r, dim1=-2, dim2=-1))[:, None, :]
    return q * torch.sign(torch.linalg.det(q))[:, None, None]


def test_group_is_the_cubes() -> None:
    group = symmetry_rotations("cube").double()
    assert len(torch.unique(group.reshape(24, 9), dim=0)) == 24
    assert torch.allclose(torch.linalg.det(group), torch.ones(24, dtype=torch.float64))
    keys = {tuple(m.flatten().int().tolist()) for m in group}
    assert all(tuple((a @ b).flatten().int().tolist()) in keys for a in group for b in group)
    traces = torch.diagonal(group, dim1=1, dim2=2).sum(-1)
    angles = torch.rad2deg(torch.acos(((traces - 1) / 2).clamp(-1, 1))).round().int().tolist()
    assert {angle: angles.count(angle) for angle in set(angles)} == {0: 1, 90: 6, 120: 8, 180: 9}
    with pytest.raises(ConfigError, match="none, cube"):
        symmetry_rotations("sphere")


def test_canonical_frame_is_invariant_and_near_identity() -> None:
    group = symmetry_rotations("cube").double()
    rotation = random_rotations(300)
    for g in group:
        turned = (rotation @ g).reshape(-1, 9)
        index = nearest_to_identity(turned, group)
        canonical = turn_frame(turned, group[index])
        reference = turn_frame(rotation.reshape(-1, 9), group[nearest_to_identity(rotation.reshape(-1, 9), group)])
        assert float((canonical - reference).abs().max()) < 1e-12
    angle = rotation_vector(reference).norm(dim=-1)
    assert float(angle.max()) < np.deg2rad(62.9)  # the farthest corner of a cell of the cube group is 62.8 degrees away


def test_features_and_changes_do_not_change_under_the_symmetries() -> None:
    task = load_task("move_box")
    states = torch.from_numpy(pushed_box(0, 400)[0])[::7]
    span = task.span("object_rotation")
    states[:, span] = random_rotations(len(states)).reshape(-1, 9).float()
    later = states.roll(1, 0)
    features, transition = FeatureMap(task, GEOMETRY), Transition(task)
    first = features(states, features.frame(states))
    for g in symmetry_rotations("cube"):
        turned, turned_later = states.clone(), later.clone()
        turned[:, span] = turn_frame(states[:, span], g).flatten(1)
        turned_later[:, span] = turn_frame(later[:, span], g).flatten(1)
        assert torch.allclose(features(turned, features.frame(turned)), first, atol=1e-5)
        assert torch.allclose(
            transition.difference(turned, turned_later), transition.difference(states, later), atol=2e-3
        )


def test_change_is_applied_back() -> None:
    task = load_task("move_box")
    transition = Transition(task).double()
    span = task.span("object_rotation")
    first = torch.randn(50, 28, dtype=torch.float64)
    second = torch.randn(50, 28, dtype=torch.float64)
    first[:, span] = random_rotations(50).reshape(50, 9)
    small = rotation_matrix(torch.randn(50, 3, dtype=torch.float64) * 0.5)
    second[:, span] = (small @ first[:, span].reshape(50, 3, 3)).reshape(50, 9)
    transition.scale.uniform_(0.1, 2.0)
    again = transition.apply(first, transition.encode(first, second))
    assert float((again - second).abs().max()) < 1e-6
    vector = torch.tensor([[0.0, 0.0, 0.0], [1e-7, 0.0, 0.0], [0.0, 1.2, -0.3]], dtype=torch.float64)
    assert torch.allclose(rotation_vector(rotation_matrix(vector)), vector, atol=1e-7)


def test_mirror_moves_the_tips_to_their_mirror_images() -> None:
    mapping = mirror_map(np.asarray(GEOMETRY.arm_bases_m), 4)
    assert mapping is not None
    order, signs = mapping
    q = np.random.default_rng(0).uniform(-1, 1, 8)
    mirrored = tips(signs * q[order])
    assert np.allclose(mirrored[::-1], tips(q) * [1, -1, 1])
    assert mirror_map(np.array([[0, 0.2, 0], [0, -0.1, 0]]), 4) is None


def test_mirrored_windows_are_rotations_and_keep_distances() -> None:
    task = load_task("move_box")
    states, actions = (torch.from_numpy(a) for a in pushed_box(0, 300))
    windows = with_mirror(WindowTensors(states, actions, torch.arange(200), 10), task, GEOMETRY)
    assert len(windows.states) == 600 and windows.starts.tolist()[200:] == list(range(300, 500))
    rotation = windows.states[300:, task.span("object_rotation")].unflatten(-1, (3, 3))
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(300), atol=1e-5)
    features = FeatureMap(task, GEOMETRY)
    near = features.tips(windows.states) - windows.states[:, None, task.span("object_position")]
    assert torch.allclose(near[:300].norm(dim=-1), near[300:].norm(dim=-1).flip(-1), atol=1e-5)


def test_errors_to_a_goal_do_not_change_when_both_are_turned() -> None:
    """Check 7 of methods-papers 1h: R -> R G on state and goal leaves position error and relative angle alone."""
    chance = np.random.default_rng(4)
    task = load_task("move_box")
    rotation = task.span(next(block.name for block in task.state if block.kind == "rotation"))
    state = chance.normal(size=task.state_size)
    turn = quaternion_to_matrix(np.array([0.1, 0.3, -0.2, 0.9]) / np.linalg.norm([0.1, 0.3, -0.2, 0.9]))
    state[rotation] = turn.reshape(9)
    goal_turn = quaternion_to_matrix(np.array([0.5, 0.5, 0.1, 0.7]) / np.linalg.norm([0.5, 0.5, 0.1, 0.7]))
    plain = None
    for symmetry in cube_rotations():
        state[rotation] = (turn @ symmetry).reshape(9)
        quaternion = matrix_to_quaternion(goal_turn @ symmetry)
        goal = Goal(position_m=(0.02, 0.05, 0.05), orientation_xyzw=tuple(float(q) for q in quaternion))
        errors = np.array(pose_errors(task, state, goal))
        plain = errors if plain is None else plain
        assert np.allclose(errors, plain, atol=1e-6)
