"""Each primitive is tested for its effect on the box, because a wrong sign merely holds it still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from studio.core.geometry import FloatArray, quaternion_to_matrix, rotation_angle_rad, up_face
from studio.core.protocols import OperatorIntent
from studio.sim.operator import primitives
from studio.sim.operator.mix import MANNERS, Manner, give_up, let_slip, miss, push_both, regrasp
from studio.sim.operator.path import HandPath
from studio.sim.operator.player import ScriptedOperator
from studio.sim.operator.primitives import Primitive, Stage, couple_once
from studio.sim.operator.sight import look
from tests.sim.bench import ROBOT, TASK, Bench


@dataclass
class Effect:
    moved_m: FloatArray
    turn_rad: float
    yaw_rad: float
    flipped: bool
    highest_m: float
    tilt_rad: float
    peak_nm: float


def play_once(
    primitive: Primitive,
    seed: int,
    place_m: tuple[float, float],
    yaw_rad: float = 0.0,
    tempo: tuple[float, float] = (1.0, 1.0),
    grip: tuple[float, float] = (1.0, 1.0),
) -> Effect:
    """Play one primitive on a box that lies flat, then look what became of it."""
    bench = Bench(seed)
    position = np.array([*place_m, TASK.object_rest_height_m])
    orientation = np.array([0.0, 0.0, np.sin(yaw_rad / 2), np.cos(yaw_rad / 2)])
    bench.world.place_object(position, orientation)
    operator = ScriptedOperator(ROBOT, TASK, seed, manner=Manner(mix=((primitive, 1.0),), tempo=tempo, grip=grip))
    intent = OperatorIntent(np.zeros((2, 3)), np.zeros(2, dtype=bool))
    heights, tilts, torques = [0.0], [0.0], [0.0]
    for _ in range(6000):
        bench.operate(operator, intent)
        if sum(operator.counts.values()) > 1:
            break
        box_m, quaternion = bench.world.object_pose()
        heights.append(float(box_m[2]))
        tilts.append(float(np.arccos(np.abs(quaternion_to_matrix(quaternion)[2]).max())))
        torques.append(float(np.abs(bench.states[:, 2]).max()))
    end_m, quaternion = bench.world.object_pose()
    before, after = quaternion_to_matrix(orientation), quaternion_to_matrix(quaternion)
    relative = after @ before.T
    bench.close()
    return Effect(
        end_m - position, float(rotation_angle_rad(before, after)), float(np.arctan2(relative[1, 0], relative[0, 0])),
        bool(up_face(after) != up_face(before)), max(heights), max(tilts), max(torques),
    )  # fmt: skip


def test_push_moves_the_box_flat_on_the_table() -> None:
    for seed in (0, 1):
        effect = play_once(primitives.push, seed, (0.02, 0.03))
        assert np.linalg.norm(effect.moved_m[:2]) > 0.01
        assert effect.tilt_rad < 0.2 and not effect.flipped


@pytest.mark.parametrize(("place_m", "yaw_rad"), [((0.05, 0.05), 0.3), ((-0.04, -0.06), -0.6), ((0.0, 0.0), 0.0)])
def test_tip_turns_the_box_over_and_shifts_it(place_m: tuple[float, float], yaw_rad: float) -> None:
    effect = play_once(primitives.tip, 2, place_m, yaw_rad)
    assert effect.flipped
    assert 0.08 < np.linalg.norm(effect.moved_m[:2]) < 0.17
    assert effect.peak_nm < 8.5  # free travel included


@pytest.mark.parametrize("seed", [0, 3])
def test_slide_carries_the_box_without_turning_it(seed: int) -> None:
    effect = play_once(primitives.slide, seed, (0.0, 0.06))
    assert np.linalg.norm(effect.moved_m[:2]) > 0.03
    assert abs(effect.yaw_rad) < 0.15 and not effect.flipped  # more shows that friction is solved badly


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_couple_turns_the_box_the_way_it_was_asked(sign: float) -> None:
    def one_couple(stage: Stage) -> Iterator[HandPath]:
        yield couple_once(stage, sign, 1.0)

    effect = play_once(one_couple, 1, (0.02, 0.0))
    assert sign * effect.yaw_rad > 0.7
    assert np.linalg.norm(effect.moved_m[:2]) < 0.03


def test_lift_raises_the_box_and_puts_it_down_again() -> None:
    effect = play_once(primitives.lift, 1, (0.0, 0.02))
    assert effect.highest_m > TASK.object_rest_height_m + 0.02
    assert abs(effect.moved_m[2]) < 0.004 and not effect.flipped
    assert effect.peak_nm < 9.01


def test_pivot_lift_lets_the_box_swing() -> None:
    tilts = [play_once(primitives.pivot_lift, seed, (0.02, 0.0)).tilt_rad for seed in (1, 2)]
    assert max(tilts) > 0.25


def test_drag_carries_the_box_from_above() -> None:
    moved = [np.linalg.norm(play_once(primitives.drag, seed, (0.0, 0.08 * side)).moved_m[:2])
             for seed, side in ((1, 1), (2, -1), (3, 1))]  # fmt: skip
    assert np.median(moved) > 0.03


def test_both_hands_push_the_box_along_without_turning_it_much() -> None:
    effects = [play_once(push_both, seed, (0.02, 0.0)) for seed in (0, 1)]
    assert max(np.linalg.norm(effect.moved_m[:2]) for effect in effects) > 0.03
    assert all(effect.tilt_rad < 0.2 and not effect.flipped for effect in effects)
    assert all(abs(effect.moved_m[0]) > abs(effect.moved_m[1]) for effect in effects)  # away or back, as both reach


def test_a_regrasp_goes_on_after_letting_go() -> None:
    effect = play_once(regrasp, 1, (0.0, 0.04))
    assert np.linalg.norm(effect.moved_m[:2]) > 0.02 and not effect.flipped


@pytest.mark.parametrize("mistake", [miss, let_slip, give_up])
def test_a_mistake_does_not_do_what_the_primitive_would(mistake: Primitive) -> None:
    effect = play_once(mistake, 2, (0.02, 0.0))
    assert not effect.flipped and np.linalg.norm(effect.moved_m[:2]) < 0.09
    assert effect.highest_m < TASK.object_rest_height_m + 0.03
    if mistake is give_up:
        assert effect.tilt_rad > 0.15  # it was on its way


@pytest.mark.parametrize(("tempo", "grip"), [(0.7, 0.85), (1.25, 1.2)])
def test_a_tip_works_at_every_tempo(tempo: float, grip: float) -> None:
    effect = play_once(primitives.tip, 2, (0.0, 0.0), tempo=(tempo, tempo), grip=(grip, grip))
    assert effect.flipped and effect.peak_nm < 9.01


def test_a_person_varies_and_a_plain_hand_draws_nothing() -> None:
    random, other = np.random.default_rng(0), np.random.default_rng(0)
    drawn = np.array([MANNERS["person"].draw(random) for _ in range(300)])
    assert drawn.min(axis=0) == pytest.approx((0.7, 0.85), abs=0.02)
    assert drawn.max(axis=0) == pytest.approx((1.25, 1.2), abs=0.02)
    assert MANNERS["plain"].draw(other) == (1.0, 1.0) and other.random() == np.random.default_rng(0).random()


def test_wander_leaves_the_box_alone() -> None:
    effect = play_once(primitives.wander, 0, (0.02, 0.0))
    assert np.linalg.norm(effect.moved_m) < 1e-3 and effect.turn_rad < 0.01


@pytest.mark.parametrize("place_m", [(0.02, 0.22), (0.02, -0.22), (-0.16, 0.0), (0.17, 0.03)])
def test_recover_brings_a_stray_box_nearer(place_m: tuple[float, float]) -> None:
    effect = play_once(primitives.recover, 0, place_m)
    task_middle = np.array([0.02, 0.0])
    before = np.linalg.norm(np.array(place_m) - task_middle)
    after = np.linalg.norm(np.array(place_m) + effect.moved_m[:2] - task_middle)
    assert after < before - 0.03


def test_hands_wait_until_engaged() -> None:
    bench = Bench()
    operator = ScriptedOperator(ROBOT, TASK, 0)
    intent = OperatorIntent(np.zeros((2, 3)), np.zeros(2, dtype=bool))
    position, orientation = bench.world.object_pose()
    from studio.core.protocols import OperatorView

    tips = bench.kinematics.tip_positions(ROBOT.home_rad)
    view = OperatorView(0, ROBOT.home_rad, ROBOT.home_rad, tips, np.zeros((2, 3)), position, orientation,
                        np.zeros(2, dtype=np.uint8))  # fmt: skip
    for _ in range(50):
        operator.update(view, intent)
        assert (intent.hand_target_m == tips).all() and intent.hand_active.all() and intent.dead_man
    assert not operator.counts
    bench.close()


def test_a_box_that_cannot_be_fetched_is_asked_to_be_put_back() -> None:
    operator = ScriptedOperator(ROBOT, TASK, 0)
    bench = Bench()
    tips = bench.kinematics.tip_positions(ROBOT.home_rad)
    bench.close()
    from studio.core.protocols import OperatorView

    intent = OperatorIntent(np.zeros((2, 3)), np.zeros(2, dtype=bool))
    view = OperatorView(0, ROBOT.home_rad, ROBOT.home_rad, tips, np.zeros((2, 3)), np.array([0.32, 0.0, 0.05]),
                        np.array([0.0, 0.0, 0.0, 1.0]), np.full(2, 2, dtype=np.uint8))  # fmt: skip
    asked = 0
    for _ in range(40_000):
        operator.update(view, intent)
        asked += intent.put_object_back
        if asked:
            break
    assert asked == 1 and operator.counts["recover"] >= 3


def test_targets_never_jump() -> None:
    sight = look(TASK, np.array([0.02, 0.0, 0.05]), np.array([0.0, 0.0, 0.0, 1.0]))
    chosen: list[Callable[[Stage], Iterator[HandPath]]] = [p for p, _ in MANNERS["person"].mix]
    for primitive in chosen:
        random = np.random.default_rng(0)
        start = np.array([[-0.09, 0.23, 0.2], [-0.09, -0.23, 0.2]])
        stage = Stage(sight, start, start, random, 400.0, tempo=MANNERS["person"].tempo[1])
        path = next(primitive(stage)).samples(random, 0.002)
        steps = np.linalg.norm(np.diff(np.concatenate([start[None], path]), axis=0), axis=2)
        assert steps.max() * 400 < 2.6, primitive.__name__  # m/s
        assert path[:, :, 2].min() > 0.015
