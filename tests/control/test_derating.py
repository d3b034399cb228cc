"""Warm motors get less torque before they trip, and all of it again when they are well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio.control.derating import Derating
from studio.control.frame import Frame
from studio.control.limiter import Limiter
from studio.control.settings import ControlSettings, control_settings
from studio.core.errors import ConfigError
from studio.core.protocols import KD, KP, POSITION, STATE_POSITION, STATE_TEMPERATURE, STATE_VELOCITY, TORQUE, VELOCITY
from studio.core.records import PairState
from studio.robot.description import BusWiring, load_robot
from tests.control.bench import Bench

MOTOR = 10  # L3 of the followers
ROBOT = load_robot()
BUSES = (BusWiring(interface="slcan", channel="/dev/null", arms=("L leader",)),)


class Parts:
    """Watch, limiter and derating on a frame of their own; every joint is asked to go far away."""

    def __init__(self) -> None:
        settings, period_s = ControlSettings(), 1 / 400
        self.frame = frame = Frame(ROBOT.joints, ROBOT.pairs)
        frame.measured[STATE_POSITION] = ROBOT.home_rad
        frame.measured[STATE_TEMPERATURE] = 30.0
        frame.requested[POSITION], frame.requested[VELOCITY] = ROBOT.home_rad + 0.5, 0.0
        frame.requested[KP], frame.requested[KD], frame.requested[TORQUE] = 60.0, 1.0, 0.0
        self.limiter = Limiter(ROBOT, settings, period_s, frame)
        self.derating = Derating(ROBOT, settings, self.limiter, frame)

    def push_nm(self, celsius: float) -> np.ndarray:
        """Torque [motors] that springs and dampers begin with, after a while at that temperature."""
        self.frame.measured[STATE_TEMPERATURE].reshape(-1)[MOTOR] = celsius
        for _ in range(100):
            self.derating.update()
            self.limiter.apply()
        command, measured = self.frame.command, self.frame.measured
        spring = command[KP] * (command[POSITION] - measured[STATE_POSITION])
        return np.abs(spring + command[KD] * command[VELOCITY]).reshape(-1)


@pytest.mark.parametrize(("celsius", "share"), [(40.0, 1.0), (60.0, 1.0), (70.0, 0.5), (79.0, 0.2)])
def test_a_warm_motor_gets_less_and_less_torque(celsius: float, share: float) -> None:
    parts = Parts()
    push = parts.push_nm(celsius)
    wanted = np.full(16, ROBOT.torque_limit_nm)
    wanted[MOTOR] *= share
    assert push == pytest.approx(wanted)
    assert [motor for motor, _ in parts.derating.news] == ([MOTOR] if share < 1.0 else [])
    parts.limiter.share_torque(slice(0, 8), 0.3)  # aligning
    assert parts.push_nm(celsius)[MOTOR] == pytest.approx(0.3 * share * ROBOT.torque_limit_nm)
    parts.limiter.share_torque(slice(0, 8), 1.0)
    assert parts.push_nm(celsius)[MOTOR] == pytest.approx(share * ROBOT.torque_limit_nm), "it is still warm"
    assert parts.push_nm(30.0) == pytest.approx(np.full(16, ROBOT.torque_limit_nm)), "and it has cooled down"
    assert len(parts.derating.news) == (share < 1.0), "told once per spell"


def test_braking_is_never_derated() -> None:
    parts = Parts()
    command, speed_rad_s = parts.frame.command, 5.0
    parts.frame.requested[KP], parts.frame.requested[KD] = 0.0, 1.5
    parts.frame.measured[STATE_VELOCITY] = -speed_rad_s
    parts.push_nm(79.0)
    assert parts.derating.share.reshape(-1)[MOTOR] == pytest.approx(0.2)
    kd = command[KD].reshape(-1)
    assert kd[MOTOR] == kd[MOTOR + 1] > 0.0, "a warm motor brakes like a cool one"


def test_a_temperature_that_flickers_is_told_once() -> None:
    parts = Parts()
    for celsius in (61.0, 60.0, 61.0, 59.0, 61.0):
        parts.push_nm(celsius)
    assert len(parts.derating.news) == 1
    parts.push_nm(50.0)
    parts.push_nm(61.0)
    assert len(parts.derating.news) == 2, "it had been well"


def test_the_loop_says_which_motor_gets_less() -> None:
    bench = Bench(control={"temperature_derate_c": 60.0})
    bench.engage()
    bench.plant.reply[MOTOR, STATE_TEMPERATURE] = 70.0
    bench.seconds(0.5)
    told = [text for _, text in bench.loop.take_notices() if "of the torque" in text]
    assert told == ["L3 (follower) is warm: its spring and damper get 50 % of the torque. Let it rest."]
    assert bench.loop.states == [PairState.ENGAGED] * 2


def test_a_robots_file_has_the_numbers_of_its_loop() -> None:
    robot = load_robot()
    assert control_settings(robot) == ControlSettings(temperature_derate_c=79.0), "simulated arms are not derated"
    assert control_settings(replace(robot, buses=BUSES)) == ControlSettings(), "real ones are"
    bench = Bench(control={"scheme": "four_channel", "temperature_trip_c": 70})
    assert bench.loop.settings.scheme == "four_channel" and bench.loop.settings.temperature_trip_c == 70.0
    for wrong, words in (
        ({"stifness": 1.0}, "unknown key 'stifness'"),
        ({"friction_share": 0.9}, "friction_share is 0.9; allowed 0 to 0.8"),
        ({"settings_ramp_s": 0.0}, "settings_ramp_s is 0 s; allowed 0.05 to 5 s"),
        ({"temperature_derate_c": 80.0}, "temperature_derate_c is 80 degC; allowed 30 to 79 degC"),
        ({"tank_j": float("nan")}, "tank_j is nan J"),
        ({"motion_scale": "two"}, "a value of type float is needed"),
    ):
        with pytest.raises(ConfigError, match=words):
            Bench(control=wrong)


@pytest.mark.parametrize("scheme", ["position_position", "position_force", "four_channel"])
def test_friction_compensation_is_added_to_both_arms_while_a_person_drives(scheme: str) -> None:
    share = 0.6
    plain, helped = (Bench(control={"scheme": scheme, "friction_share": s}) for s in (0.0, share))
    for bench in (plain, helped):
        bench.engage()
        bench.plant.hand_rad = bench.robot.home_rad + 0.2
        bench.seconds(0.4)
        bench.plant.velocity[:] = np.linspace(-1.0, 1.0, 16)
        bench.ticks(2)
    motor, frame = helped.robot.motor, helped.loop.frame
    speed = frame.measured[STATE_VELOCITY]
    friction = motor.coulomb_friction_nm * np.tanh(speed / motor.friction_speed_rad_s)
    friction += motor.viscous_friction_nm_s_rad * speed
    assert helped.loop.states == [PairState.ENGAGED] * 2 and np.abs(speed).max() > 0.1
    if scheme == "position_position":  # the others have feed-forward of their own
        assert frame.requested[TORQUE] == pytest.approx(frame.gravity_nm + share * friction)
        assert plain.loop.frame.requested[TORQUE] == pytest.approx(plain.loop.frame.gravity_nm)
    else:
        assert np.abs(frame.requested[TORQUE] - frame.gravity_nm).max() > 0.0
    helped.loop.hold()
    helped.ticks(2)
    assert frame.requested[TORQUE] == pytest.approx(frame.gravity_nm), "nobody drives"
    assert (frame.command[KP] > 0.0).all() and (frame.command[KD] > 0.0).all()
