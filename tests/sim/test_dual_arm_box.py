from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from studio.core.errors import ConfigError
from studio.core.protocols import TORQUE
from studio.core.records import make_truth_record
from studio.sim.dual_arm_box import DualArmBoxWorld
from tests.sim.bench import PERIOD_S, ROBOT, TASK, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def test_no_warning_about_inertia_or_files(capfd: pytest.CaptureFixture[str]) -> None:
    world = DualArmBoxWorld(ROBOT, TASK, 0)
    world.close()
    out, err = capfd.readouterr()
    assert "arning" not in out + err and "inertia" not in out + err


def test_held_arms_and_the_box_stay_where_they_are(bench: Bench) -> None:
    before = bench.world.object_pose()[0]
    bench.run(1.0)
    assert np.abs(bench.tips_m() - bench.hands_m).max() < 0.003
    assert np.abs(bench.states[:, 1]).max() < 0.05
    assert np.abs(bench.world.object_pose()[0] - before).max() < 1e-3
    assert before[2] == pytest.approx(TASK.object_rest_height_m, abs=1e-3)


def test_gravity_compensation_alone_keeps_the_follower(bench: Bench) -> None:
    bench.run(0.2)
    start = bench.states[8:, 0].copy()
    commands = np.zeros((16, 5))
    for _ in range(200):
        bench.plant.read(bench.states, bench.t_ns)
        commands[8:, TORQUE] = bench.kinematics.gravity_nm(bench.states[8:, 0])
        bench.plant.send(commands, bench.sent)
        bench.world.step(PERIOD_S)
    drift_rad = np.abs(bench.states[8:, 0] - start)
    assert drift_rad.max() < np.radians(0.5)  # half a second; friction and gravity together allow less than 1 degree/s


@pytest.mark.parametrize("brake_nm", [0.0, ROBOT.motor.parking_brake_nm])
def test_unpowered_arms_fall_unless_their_brakes_hold_them(bench: Bench, brake_nm: float) -> None:
    bench.world._law._brake_nm = brake_nm
    bench.plant.disable(np.ones(16, dtype=bool))
    height = bench.tips_m()[:, 2].copy()
    bench.active[:] = False
    bench.world.hold_leader(ROBOT.home_rad, bench.active)
    for _ in range(200):
        bench.world.step(PERIOD_S)
    tips = bench.kinematics.tip_positions(bench.world.twin_ports().state[8:, 0])
    sunk_m = height - tips[:, 2]
    assert (sunk_m < 0.005).all() if brake_nm else (sunk_m > 0.03).all()


def test_a_kick_dies_out_under_the_bilateral_coupling(bench: Bench) -> None:
    bench.run(0.3)
    bench.active[:] = False  # nobody holds the leader: the coupling alone must be stable
    bench.world._state[1, :] += 0.5
    for joint in range(8):
        bench.world._client.resetJointState(bench.world._arms, joint, bench.world._state[0, 8 + joint], 0.5)
    bench.run(0.1)
    early = np.abs(bench.states[:8, 0] - bench.states[8:, 0]).max()
    bench.run(0.7)
    assert np.abs(bench.states[:, 1]).max() < 0.1
    assert np.abs(bench.states[:8, 0] - bench.states[8:, 0]).max() <= max(early, 0.01)


def test_contact_is_felt_at_the_leader_and_known_to_the_world(bench: Bench) -> None:
    bench.run(0.2)
    free_nm = np.abs(bench.states[:8, 2]).max()
    beside = bench.hands_m.copy()
    beside[0] = [0.02, 0.09, 0.05]
    bench.move(beside, 1.2)
    assert np.linalg.norm(bench.world.contact_forces_n()[0]) == 0.0
    pushed = beside.copy()
    pushed[0, 1] = 0.02
    bench.move(pushed, 0.6)
    force = bench.world.contact_forces_n()[0]
    assert 3.0 < force[1] < 15.0 and abs(force[0]) < 3.0  # the box pushes back in +y
    assert np.abs(bench.states[:4, 2]).max() > free_nm + 0.8
    assert bench.world.object_pose()[0][1] < -0.02
    record = make_truth_record(2, 400.0).empty()
    bench.world.fill_truth(record[0])
    assert record[0]["contact_force_n"][0] == pytest.approx(force)
    assert record[0]["linear_velocity_m_s"][1] < 0.0


def test_a_tip_that_strikes_is_not_rigid(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    above = bench.hands_m.copy()
    above[0] = [0.02, 0.16, 0.08]
    bench.move(above, 0.6)
    step, forces_n = bench.world.step, [0.0]

    def step_and_look(duration_s: float) -> None:
        for _ in range(5):
            step(duration_s / 5)
            forces_n.append(float(np.linalg.norm(bench.world.contact_forces_n()[0])))

    monkeypatch.setattr(bench.world, "step", step_and_look)
    below = above.copy()
    below[0, 2] = 0.012
    bench.move(below, 0.15)  # onto the table, at half a metre per second
    bench.run(0.1)
    assert forces_n[-1] > 1.0  # it arrived
    assert max(forces_n) < 60.0  # a rigid tip gives 270 N in one physics step


def test_drives_report_the_torque_of_the_spring(bench: Bench) -> None:
    bench.run(0.3)
    target = bench.hands_m.copy()
    target[0] = [0.02, 0.045, 0.05]  # against the box
    bench.move(target, 1.5)
    bench.run(0.3)
    p, kp = bench.states[8:12, 0], ROBOT.stiffness_nm_rad[:4]
    expected = kp * (bench.states[:4, 0] - p) + bench.kinematics.gravity_nm(bench.states[8:, 0])[:4]
    assert bench.states[8:12, 2] == pytest.approx(expected, abs=0.12)


def test_object_lost_and_put_back() -> None:
    world = DualArmBoxWorld(ROBOT, TASK, 0)
    upright = np.array([0.0, 0.0, 0.0, 1.0])
    far_m, side_m = TASK.table_x_m[1] + 0.01, TASK.table_y_m[0] - 0.01
    for lost in ([far_m, 0.0, 0.05], [0.0, side_m, 0.05], [0.0, 0.0, -0.3], [0.0, 0.0, 2.0]):
        world.place_object(np.array(lost, dtype=np.float64), upright)
        assert world.object_lost()
        world.put_object_back()
        assert not world.object_lost()
    position, orientation = world.object_pose()
    assert position == pytest.approx([0.02, 0.0, 0.05]) and orientation == pytest.approx(upright)
    world.close()


def test_put_back_keeps_clear_of_the_arms() -> None:
    world = DualArmBoxWorld(ROBOT, TASK, 3)
    tips = np.array([[0.02, 0.03, 0.06], [0.02, -0.2, 0.06]])
    world.place_arms(world.kinematics.inverse(tips, ROBOT.home_rad))
    world.put_object_back()
    assert np.linalg.norm(world.object_pose()[0][:2] - tips[:, :2], axis=1).min() > 0.1
    world.close()


def test_the_same_seed_gives_the_same_world() -> None:
    def roll() -> np.ndarray:
        bench = Bench(seed=5)
        target = bench.hands_m.copy()
        target[0], target[1] = [0.02, 0.02, 0.06], [0.05, -0.06, 0.04]
        bench.move(target, 0.8)
        found = np.concatenate([bench.states.ravel(), *bench.world.object_pose()])
        bench.close()
        return found

    assert (roll() == roll()).all()


def test_slow_physics_is_refused() -> None:
    with pytest.raises(ConfigError, match="2000"):
        DualArmBoxWorld(ROBOT, TASK, 0, physics_rate_hz=400.0)


def test_motors_warm_up_under_load(bench: Bench) -> None:
    ports = bench.world.twin_ports()
    before = ports.state[8:, 3].copy()
    target = bench.hands_m.copy()
    target[0] = [0.02, -0.06, 0.02]
    bench.move(target, 1.0)
    bench.run(1.0)
    assert (ports.state[8:12, 3] > before[:4]).any() and ports.state[:, 3].max() < 40.0
