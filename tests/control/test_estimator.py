"""The contact force from torque against the simulator's truth, and at rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from studio.core.clock import SteppedClock
from studio.core.task import load_task
from studio.robot.description import load_robot
from studio.robot.kinematics import Kinematics
from studio.workers.rig import Simulation, make_simulation
from tests.control.bench import ListSink

ROBOT = load_robot()


@pytest.fixture
def simulation() -> Iterator[tuple[Simulation, ListSink]]:
    sink = ListSink()
    made = make_simulation(ROBOT, load_task("move_box"), 1, sink, SteppedClock())
    yield made, sink
    made.close()


def test_tip_forces_invert_the_jacobian() -> None:
    kinematics = Kinematics(ROBOT)
    force = np.array([[3.0, -2.0, 5.0], [-1.0, 4.0, -2.0]])
    torque = np.einsum("pij,pi->pj", kinematics.jacobians(ROBOT.home_rad), force).reshape(-1)
    assert kinematics.tip_forces(ROBOT.home_rad, torque) == pytest.approx(force, rel=0.02, abs=0.05)


def test_force_of_a_hand_pressing_on_the_table(simulation: tuple[Simulation, ListSink]) -> None:
    made, sink = simulation
    made.engage()
    tips = Kinematics(ROBOT).tip_positions(ROBOT.home_rad)
    made.inputs.hand_active[:] = 1
    for tick in range(600):
        tips[:, 2] -= 0.0004 if tick < 480 else 0.0
        made.inputs.hand_target_m[:], made.inputs.hand_count = tips, tick
        made.tick()
    records = sink.control()
    still = np.abs(records["contact_force_n"][100:180]).max()
    assert still < 1.5  # nothing is touched; static friction cannot be seen and remains
    pressed = records["contact_force_n"][-40:].mean(axis=0)
    truth = np.concatenate(sink.records["truth"])["contact_force_n"][-10:].mean(axis=0)
    assert (truth[:, 2] > 5.0).all()
    assert pressed[:, 2] == pytest.approx(truth[:, 2], rel=0.3, abs=2.5)
    assert (np.abs(pressed[:, :2]) < 0.5 * pressed[:, 2:] + 3.0).all()


def test_quick_free_motion_is_not_contact(simulation: tuple[Simulation, ListSink]) -> None:
    made, sink = simulation
    made.engage()
    home = Kinematics(ROBOT).tip_positions(ROBOT.home_rad)
    made.inputs.hand_active[:] = 1
    for tick in range(800):
        swing = np.array([0.08 * np.sin(tick / 25), 0.04 * np.sin(tick / 40), 0.05 * np.sin(tick / 30)])
        made.inputs.hand_target_m[:], made.inputs.hand_count = home + swing, tick
        made.tick()
    records = sink.control()[200:]
    truth = np.concatenate(sink.records["truth"])["contact_force_n"]
    force_n = np.linalg.norm(records["contact_force_n"], axis=2)
    assert np.abs(records["follower_velocity_rad_s"]).max() > 3.0
    assert not truth.any()  # it really was free
    assert np.percentile(force_n, 99) < 2.0
