"""Joint terms and drive terms: algebra, and on a commissioned twin whose axis, scales and current sign are wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_drivers.commissioning.link import MotorLink
from hw_drivers.motors.calibrated_plant import CalibratedPlant, JointMap, make_joint_map
from studio.core.calibration import CalibrationSet, MotorCalibration, StepResult
from studio.core.protocols import KD, KP, POSITION, STATE_POSITION, STATE_TORQUE, STATE_VELOCITY, TORQUE, VELOCITY
from tests.hw_drivers.test_commissioning import SETTINGS, Bench


class Register:
    """A plant that remembers the last command and answers a fixed state."""

    def __init__(self, state: np.ndarray) -> None:
        self.motors, self.state = len(state), state
        self.command = np.zeros((self.motors, 5))
        self.calls: list[str] = []

    def open(self) -> None:
        self.calls.append("open")

    def enable(self, motors: np.ndarray) -> None:
        self.calls.append("enable")

    def disable(self, motors: np.ndarray) -> None:
        self.calls.append("disable")

    def read(self, states: np.ndarray, t_ns: np.ndarray) -> None:
        states[...], t_ns[...] = self.state, 7

    def send(self, commands: np.ndarray, sent: np.ndarray) -> None:
        self.command[...] = commands
        sent[...] = commands

    def close(self) -> None:
        self.calls.append("close")


def make_map(**columns: list[float]) -> JointMap:
    count = len(next(iter(columns.values())))
    ones = {name: np.ones(count) for name in ("direction", "torque_scale", "kp_factor", "kd_factor", "reported")}
    values = {**ones, "offset_rad": np.zeros(count), **{k: np.array(v, dtype=float) for k, v in columns.items()}}
    values["unsigned"] = np.array(columns.get("unsigned", [0.0] * count), dtype=bool)
    return JointMap(**values)


some = st.floats(-4, 4)
factor = st.floats(0.2, 3)


@given(
    st.sampled_from([-1.0, 1.0]),
    some,
    factor,
    factor,
    factor,
    some,
    some,
    some,
    some,
    st.floats(0, 100),
    st.floats(0, 4),
    some,
)
def test_the_drive_gives_the_torque_that_the_loop_means(
    direction: float, offset: float, scale: float, kp_factor: float, kd_factor: float,
    q: float, w: float, q_des: float, w_des: float, k: float, b: float, t: float,
) -> None:  # fmt: skip
    joint_map = make_map(
        direction=[direction], offset_rad=[offset], torque_scale=[scale], kp_factor=[kp_factor], kd_factor=[kd_factor]
    )
    p, v = direction * (q - offset), direction * w  # what this drive reads at joint angle q and speed w
    inner = Register(np.array([[p, v, 0.0, 30.0, 0.0]]))
    plant, sent = CalibratedPlant(inner, joint_map), np.zeros((1, 5))
    plant.send(np.array([[q_des, w_des, k, b, t]]), sent)
    p_des, v_des, kp, kd, t_ff = inner.command[0]
    units = kp_factor * kp * (p_des - p) + kd_factor * kd * (v_des - v) + t_ff
    assert direction * scale * units == pytest.approx(k * (q_des - q) + b * (w_des - w) + t, abs=1e-6)
    assert sent[0] == pytest.approx([q_des, w_des, k, b, t], abs=1e-9)
    states, t_ns = np.zeros((1, 5)), np.zeros(1, dtype=np.int64)
    plant.read(states, t_ns)
    assert states[0, STATE_POSITION] == pytest.approx(q) and states[0, STATE_VELOCITY] == pytest.approx(w)
    assert t_ns[0] == 7 and states[0, 3] == 30.0


def test_an_unreliable_sign_is_taken_from_the_command() -> None:
    inner = Register(np.array([[0.0, 0.0, 1.5, 30.0, 0.0]] * 3))
    plant = CalibratedPlant(inner, make_map(unsigned=[1, 1, 0]))
    commands = np.zeros((3, 5))
    commands[0, TORQUE], commands[1, [POSITION, KP]], commands[2, TORQUE] = 2.0, [-0.1, 10.0], -2.0
    plant.send(commands, np.zeros((3, 5)))
    states = np.zeros((3, 5))
    plant.read(states, np.zeros(3, dtype=np.int64))
    assert states[:, STATE_TORQUE].tolist() == [1.5, -1.5, 1.5]  # the third is trusted as it is


def test_nothing_measured_changes_nothing() -> None:
    names = [f"leader.L{i}" for i in range(1, 5)]
    assert make_joint_map(names, CalibrationSet()).changes_nothing
    motor = MotorCalibration(joint="leader.L2", drive_id=2, model="AK60-6", firmware="legacy", source="x")
    assert make_joint_map(names, CalibrationSet({"leader.L2": motor})).changes_nothing
    step = StepResult(date="2026-11-21T15:00:00+00:00", numbers={"direction": -1})
    turned = MotorCalibration(
        joint="leader.L2", drive_id=2, model="AK60-6", firmware="legacy", source="x", steps={"sign": step}
    )
    found = make_joint_map(names, CalibrationSet({"leader.L2": turned}))
    assert not found.changes_nothing and found.direction.tolist() == [1, -1, 1, 1]


def test_the_rest_of_a_plant_passes_through() -> None:
    inner = Register(np.zeros((1, 5)))
    plant = CalibratedPlant(inner, make_map(direction=[-1.0]))
    plant.open()
    plant.enable(np.ones(1, dtype=bool))
    plant.disable(np.ones(1, dtype=bool))
    plant.close()
    assert inner.calls == ["open", "enable", "disable", "close"] and plant.motors == 1


class LinkPlant(Register):
    """One motor behind a commissioning link."""

    def __init__(self, link: MotorLink) -> None:
        super().__init__(np.zeros((1, 5)))
        self.link = link

    def send(self, commands: np.ndarray, sent: np.ndarray) -> None:
        sample = self.link.cycle(tuple(commands[0].tolist()))
        sent[0] = sample.carried
        reply = sample.reply
        self.state[0, :3] = reply.position_rad, reply.velocity_rad_s, reply.torque_nm


@pytest.mark.parametrize("firmware", ["legacy", "v3"])
@pytest.mark.parametrize("current_sign", [-1, 0, 1])
def test_a_crooked_motor_is_straight_once_it_is_commissioned(firmware: str, current_sign: int) -> None:
    settings = replace(SETTINGS, direction=-1, fixture_pose_rad=0.2)  # the twin's fixture pose is at 0.2 rad
    crooked = {"direction": -1, "torque_scale": 0.6, "kp_scale": 0.523, "kd_scale": 0.7, "current_sign": current_sign}
    bench = Bench(firmware, settings=settings, **crooked).run()
    assert bench.machine.passed, bench.machine.refusals
    calibrations = CalibrationSet({"leader.L1": bench.machine.calibration})
    inner = LinkPlant(bench.link)
    plant = CalibratedPlant(inner, make_joint_map(["leader.L1"], calibrations))
    bench.drive.joint.pin(0.5)
    bench.link.enter()
    states, sent = np.zeros((1, 5)), np.zeros((1, 5))
    for command, expected_nm in (((0.6, 0.0, 10.0, 0.5, 0.0), 1.0), ((0.4, 0.0, 10.0, 0.5, 0.3), -0.7)):
        for _ in range(10):
            plant.send(np.array([command]), sent)
            plant.read(states, np.zeros(1, dtype=np.int64))
        assert bench.drive.torque_nm == pytest.approx(expected_nm, rel=0.06)  # what the joint feels
        assert states[0, STATE_POSITION] == pytest.approx(0.5, abs=0.005)
        assert states[0, STATE_TORQUE] == pytest.approx(expected_nm, rel=0.06)
        assert sent[0, [POSITION, VELOCITY, KP, KD]] == pytest.approx(command[:4], abs=0.1)
