from __future__ import annotations

from typing import Any

import numpy as np
import pinocchio as pin
import pytest

from studio.core.geometry import FloatArray
from studio.robot.description import load_robot
from studio.robot.kinematics import Kinematics

ROBOT = load_robot()
KINEMATICS = Kinematics(ROBOT)
_pin: Any = pin


def random_poses(count: int, seed: int = 0) -> FloatArray:
    random = np.random.default_rng(seed)
    return random.uniform(ROBOT.position_lower_rad, ROBOT.position_upper_rad, (count, ROBOT.joints))


def test_tips_equal_pinocchio() -> None:
    model = _pin.buildModelFromUrdf(str(ROBOT.urdf_path))
    data = model.createData()
    hand = np.array([ROBOT.link_lengths_m[2], 0.0, 0.0])
    for q in random_poses(20):
        _pin.forwardKinematics(model, data, q)
        expected = [data.oMi[model.getJointId(name)].act(hand) for name in ("L4", "R4")]
        assert np.allclose(KINEMATICS.tip_positions(q), expected, atol=1e-12)


def test_jacobians_equal_finite_differences() -> None:
    for q in random_poses(5):
        jacobians, step = KINEMATICS.jacobians(q), 1e-6
        for j in range(8):
            dq = np.zeros(8)
            dq[j] = step
            slope = (KINEMATICS.tip_positions(q + dq) - KINEMATICS.tip_positions(q - dq)) / (2 * step)
            assert np.allclose(jacobians[j // 4, :, j % 4], slope[j // 4], atol=1e-8)
            assert np.allclose(slope[1 - j // 4], 0.0, atol=1e-12)


def potential_energy_j(q: FloatArray) -> float:
    """Masses of robot.toml at their places, in closed form and without the URDF."""
    mass, (upper, fore, hand), total = ROBOT.mass, ROBOT.link_lengths_m, 0.0
    for arm in range(2):
        a = np.cumsum(q[4 * arm + 1 : 4 * arm + 4])
        elbow = -upper * np.sin(a[0])
        wrist = elbow - fore * np.sin(a[1])
        total += mass.upper_tube_kg * elbow / 2 + mass.wrist_motor_kg * elbow
        total += mass.forearm_kg * (elbow + wrist) / 2 + mass.hand_kg * (wrist - hand / 2 * np.sin(a[2]))
    return 9.81 * total


def test_gravity_is_the_slope_of_potential_energy() -> None:
    for q in random_poses(10):
        step = 1e-5
        slope = [(potential_energy_j(q + d) - potential_energy_j(q - d)) / (2 * step) for d in step * np.eye(8)]
        assert np.allclose(KINEMATICS.gravity_nm(q), slope, atol=1e-6)


def test_stretched_gravity_is_within_the_continuous_torque() -> None:
    assert abs(KINEMATICS.gravity_nm(np.zeros(8))[1]) == pytest.approx(2.0, abs=0.05)


def test_inverse_reaches_everything_over_the_goal_area_with_the_hand_vertical() -> None:
    for x in np.linspace(-0.1, 0.14, 7):
        for z in (0.03, 0.1, 0.2):
            tips = np.array([[x, 0.1, z], [x, -0.1, z]])
            q = KINEMATICS.inverse(tips, ROBOT.home_rad)
            assert np.allclose(KINEMATICS.tip_positions(q), tips, atol=1e-9)
            assert np.allclose([q[1:4].sum(), q[5:8].sum()], np.pi / 2)


def test_the_hand_tilts_outward_only_as_far_as_reach_demands() -> None:
    tips = np.array([[0.28, 0.12, 0.05], [0.28, -0.12, 0.05]])
    q = KINEMATICS.inverse(tips, ROBOT.home_rad)
    assert np.allclose(KINEMATICS.tip_positions(q), tips, atol=1e-9)
    assert 0.05 < np.pi / 2 - q[1:4].sum() < 1.0


@pytest.mark.parametrize("tip", [[2.0, 2.0, 2.0], [-0.3, 0.17, 0.16], [-0.3, 0.17, -3.0], [-5.0, 0.0, 0.0]])
def test_inverse_never_fails_and_keeps_the_limits(tip: list[float]) -> None:
    q = KINEMATICS.inverse(np.array([tip, tip]), ROBOT.home_rad)
    assert np.isfinite(q).all()
    assert ((q >= ROBOT.position_lower_rad) & (q <= ROBOT.position_upper_rad)).all()


def test_inverse_is_continuous_where_the_tilt_sets_in() -> None:
    line = [np.array([[x, 0.1, 0.05], [x, -0.1, 0.05]]) for x in np.linspace(0.1, 0.45, 350)]
    q = np.array([KINEMATICS.inverse(tips, ROBOT.home_rad) for tips in line])
    assert np.abs(np.diff(q, axis=0)).max() < 0.06


def test_tip_forces_undo_the_transposed_jacobian() -> None:
    q = KINEMATICS.inverse(np.array([[0.05, 0.1, 0.1], [0.0, -0.1, 0.05]]), ROBOT.home_rad)
    forces = np.array([[3.0, -1.0, 2.0], [0.5, 4.0, -2.0]])
    torque = np.concatenate([j.T @ f for j, f in zip(KINEMATICS.jacobians(q), forces, strict=True)])
    assert np.allclose(KINEMATICS.tip_forces(q, torque), forces, atol=0.05)
