"""The loop on a small plant and the stepped clock: coupling, time-outs, stop, faults, aligning."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.fault import FaultCode
from studio.control.settings import ControlSettings
from studio.core.protocols import KD, KP, POSITION, TORQUE
from studio.core.records import Driver, PairState
from tests.control.bench import Bench

LEADERS, FOLLOWERS = slice(0, 8), slice(8, 16)


def _all(bench: Bench, state: PairState) -> bool:
    return bench.loop.states == [state] * bench.robot.pairs


def test_the_follower_goes_where_the_leader_is_led_and_the_leader_feels_a_wall() -> None:
    bench = Bench()
    bench.engage()
    assert _all(bench, PairState.ENGAGED)
    bench.plant.hand_rad = bench.robot.home_rad + 0.2
    bench.seconds(2.0)
    free = bench.plant.position[FOLLOWERS] - bench.robot.home_rad
    assert np.abs(free - 0.2).max() < 0.02
    free_torque = np.abs(bench.plant.torque[LEADERS]).max()
    bench.plant.external_nm[FOLLOWERS] = -2.0  # something presses on the follower
    bench.seconds(1.0)
    felt = bench.plant.torque[LEADERS]
    assert felt == pytest.approx(np.full(8, -2.0), abs=0.15) and free_torque < 0.2
    force = bench.sink.control()[-1]["contact_force_n"]
    assert force == pytest.approx(np.full((2, 3), -2.0 / 0.2), rel=0.1)  # shown: what the surroundings do to the hand


def test_the_record_holds_measured_requested_and_sent() -> None:
    bench = Bench()
    bench.engage()
    bench.plant.hand_rad = bench.robot.home_rad + 0.1
    bench.ticks(50)
    row = bench.sink.control()[-1]
    sent = bench.plant.log[-1]
    assert (row["follower_sent_position_rad"] == sent[FOLLOWERS, POSITION]).all()
    assert row["leader_sent_kp_nm_rad"] == pytest.approx(sent[LEADERS, KP])
    assert row["leader_sent_kd_nm_s_rad"] == pytest.approx(sent[LEADERS, KD])
    assert (row["leader_sent_torque_nm"] == sent[LEADERS, TORQUE]).all()
    assert (row["follower_position_rad"] == bench.plant.reply[FOLLOWERS, 0]).all() is np.False_  # a tick has passed
    assert (row["follower_requested_kp_nm_rad"] == bench.robot.stiffness_nm_rad).all()
    assert row["follower_reply_age_s"] == pytest.approx(np.full(8, bench.loop.period_s))
    assert row["driver"] == Driver.OPERATOR and row["dead_man"] == 1
    ticks = bench.sink.control()["tick"]
    assert (np.diff(ticks) == 1).all()


@pytest.mark.parametrize("motor", [2, 13])
def test_silent_motor_damps_its_pair_after_two_ticks_and_faults_it_after_five(motor: int) -> None:
    bench = Bench()
    bench.engage()
    bench.seconds(0.5)
    pair = (motor % 8) // 4
    mine = [i for i in range(16) if (i % 8) // 4 == pair]
    other = [i for i in range(16) if (i % 8) // 4 != pair]
    bench.plant.silent[motor] = True
    stiff, states = [], []
    for _ in range(7):
        bench.ticks(1)
        stiff.append(float(bench.plant.log[-1][mine, KP].max()))
        states.append(bench.loop.states[pair])
    # the first tick still reads the reply to the last command; then 1, 2, ... ticks without a new one
    assert [s > 0 for s in stiff] == [True, True, False, False, False, False, False]
    assert states == [PairState.ENGAGED] * 5 + [PairState.FAULT] * 2
    assert (bench.plant.log[-1][mine, KD] > 0.3).all() and (bench.plant.log[-1][other, KP] > 0).all()
    assert bench.loop.states[1 - pair] is PairState.HOLDING
    row = bench.sink.control()[-1]
    assert row["fault_code"][pair] == FaultCode.SILENT and row["fault_joint"][pair] == motor % 8
    text = bench.notices()
    assert bench.robot.joint_names[motor % 8] in text and "12.5 ms" in text


def test_a_reply_lost_once_or_twice_is_borne() -> None:
    bench = Bench()
    bench.engage()
    for lost in (1, 3):
        bench.plant.silent[9] = True
        bench.ticks(lost)
        bench.plant.silent[9] = False
        bench.ticks(20)
        assert _all(bench, PairState.ENGAGED) and (bench.plant.log[-1][:, KP] > 0).all()


def test_late_heartbeat_holds_and_a_lost_one_stops() -> None:
    bench = Bench()
    bench.engage()
    bench.seconds(0.2)
    states = []
    for age_s in (0.149, 0.151, 0.9, 0.999, 1.001):
        bench.inputs.heartbeat_age_s = age_s
        bench.ticks(1)
        states.append(bench.loop.worst_state)
    assert states == [PairState.ENGAGED] + [PairState.HOLDING] * 3 + [PairState.STOPPED]
    bench.inputs.heartbeat_age_s = 0.0
    bench.seconds(1.0)
    assert _all(bench, PairState.STOPPED) and not bench.plant.enabled.any()


def test_stop_damps_within_one_tick_keeps_gravity_and_ends_with_exit_frames() -> None:
    bench = Bench()
    bench.engage()
    bench.plant.hand_rad = bench.robot.home_rad + 0.3
    bench.seconds(0.2)
    bench.inputs.stop_count += 1
    bench.ticks(1)
    command = bench.plant.log[-1]
    assert _all(bench, PairState.STOPPED)
    assert (command[:, KP] == 0).all() and (command[:, KD] > 0.3).all() and bench.plant.enabled.all()
    bench.seconds(0.4)
    assert bench.plant.enabled.all()
    bench.seconds(0.2)
    assert not bench.plant.enabled.any() and (bench.plant.log[-1][:, KD] == 0).all()
    assert bench.sink.control()["stop_pressed"].sum() == 1


def test_after_a_stop_engaging_is_possible_again_once_the_arms_are_down() -> None:
    bench = Bench()
    bench.engage()
    bench.inputs.stop_count += 1
    bench.ticks(2)
    bench.loop.engage()
    bench.ticks(1)
    assert _all(bench, PairState.STOPPED) and "let down" in bench.notices()
    bench.seconds(0.6)
    bench.loop.engage()
    bench.ticks(1)
    assert _all(bench, PairState.ENGAGED) and bench.plant.enabled.all()


def test_a_fault_stays_until_cleared_with_the_dead_man_released() -> None:
    bench = Bench()
    bench.engage()
    bench.plant.error[3] = 4.0
    bench.ticks(2)
    assert bench.loop.states == [PairState.FAULT, PairState.HOLDING]
    assert "L4 (leader)" in bench.notices() and "L4 (leader)" in bench.loop.fault_text
    bench.loop.clear_fault()
    bench.ticks(1)
    assert bench.loop.states[0] is PairState.FAULT and "Not cleared" in bench.notices()
    bench.plant.error[3] = 0.0
    bench.ticks(2)
    bench.loop.clear_fault()
    bench.ticks(1)
    assert bench.loop.states[0] is PairState.FAULT and "release the dead-man" in bench.notices()
    bench.loop.engage()
    bench.ticks(1)
    assert bench.loop.states[0] is PairState.FAULT
    bench.inputs.dead_man = False
    bench.ticks(1)
    bench.loop.clear_fault()
    bench.ticks(1)
    assert bench.loop.states[0] is PairState.DISABLED and bench.loop.fault_text == ""
    assert bench.sink.control()[-1]["fault_code"][0] == FaultCode.NONE


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        (3, 81.0, FaultCode.HOT),
        (1, 25.0, FaultCode.OVER_SPEED),
        (0, 3.4, FaultCode.OUT_OF_RANGE),
        (2, float("nan"), FaultCode.NOT_FINITE),
    ],
)
def test_trips(column: int, value: float, code: FaultCode) -> None:
    bench = Bench()
    bench.engage()
    bench.ticks(5)
    bench.plant.reply[12, column] = value
    bench.loop.tick(bench.inputs)
    assert bench.loop.states == [PairState.HOLDING, PairState.FAULT]
    assert bench.sink.control()[-1]["fault_code"][1] == code and bench.sink.control()[-1]["fault_joint"][1] == 4


def test_rms_torque_trips_where_the_robot_says_so() -> None:
    bench = Bench(rms_torque_limit_nm=1.5, settings=ControlSettings(rms_torque_window_s=4.0))
    bench.engage()
    bench.plant.hand_rad = bench.robot.home_rad.copy()
    bench.plant.external_nm[10] = 2.5
    bench.seconds(0.6)
    assert _all(bench, PairState.ENGAGED)
    bench.seconds(2.4)
    assert bench.loop.states[0] is PairState.FAULT
    assert bench.sink.control()[-1]["fault_code"][0] == FaultCode.RMS_TORQUE


def test_the_guard_having_acted_is_a_fault_of_all() -> None:
    bench = Bench()
    bench.engage()
    bench.inputs.guard_count += 1
    bench.ticks(1)
    assert _all(bench, PairState.FAULT) and "guard" in bench.notices()


def test_arms_that_are_apart_are_aligned_slowly_before_they_are_coupled() -> None:
    bench = Bench()
    bench.plant.position[LEADERS] += 0.3
    bench.plant.hand_rad = bench.plant.position[LEADERS].copy()
    bench.engage()
    assert _all(bench, PairState.ALIGNING)
    speeds, torques = [], []
    while bench.loop.worst_state is PairState.ALIGNING and len(speeds) < 1600:
        bench.ticks(1)
        speeds.append(np.abs(bench.plant.velocity[FOLLOWERS]).max())
        torques.append(np.abs(bench.plant.torque).max())
    assert _all(bench, PairState.ENGAGED)
    assert max(speeds) < 0.36 and max(torques) <= 0.3 * 9.0 + 0.05
    bench.seconds(0.5)
    assert max(np.abs(bench.plant.velocity)) < 0.3  # no jump after coupling
    assert np.abs(bench.plant.position[FOLLOWERS] - bench.plant.position[LEADERS]).max() < 0.02


def test_the_gate_refuses_and_says_why() -> None:
    bench = Bench(latched=False)
    bench.inputs.dead_man = False
    bench.engage()
    assert _all(bench, PairState.DISABLED) and "dead-man" in bench.notices()
    bench.inputs.dead_man, bench.inputs.heartbeat_age_s = True, 0.2
    bench.engage()
    assert _all(bench, PairState.DISABLED) and "window" in bench.notices()
    bench.inputs.heartbeat_age_s = 0.0
    bench.plant.silent[4] = True
    bench.ticks(4)
    bench.loop.engage()
    bench.ticks(1)
    assert _all(bench, PairState.DISABLED) and "1 motors do not answer" in bench.notices()
    assert [row.name for row in bench.loop.gate() if not row.ok] == ["motors"]


def test_a_robot_that_needs_real_time_priority_is_not_engaged_without() -> None:
    bench = Bench(requires_realtime_priority=True)
    bench.loop.set_realtime(False)
    bench.engage()
    assert _all(bench, PairState.DISABLED) and "priority" in bench.notices()
    bench.loop.set_realtime(True)
    bench.engage()
    assert _all(bench, PairState.ENGAGED)


def test_dead_man_released_holds_and_pressed_again_goes_on_without_a_jump() -> None:
    bench = Bench(latched=False)
    bench.engage()
    bench.plant.hand_rad = bench.robot.home_rad + 0.1
    bench.seconds(1.0)
    bench.inputs.dead_man = False
    bench.seconds(0.3)
    assert _all(bench, PairState.HOLDING)
    held = bench.plant.position[FOLLOWERS].copy()
    bench.plant.hand_rad = bench.robot.home_rad + 0.17
    bench.seconds(0.5)
    assert np.abs(bench.plant.position[FOLLOWERS] - held).max() < 0.005
    bench.inputs.dead_man = True
    bench.ticks(1)
    assert _all(bench, PairState.ENGAGED)
    step = np.abs(bench.plant.log[-1][FOLLOWERS, POSITION] - bench.plant.log[-2][FOLLOWERS, POSITION]).max()
    assert step < 1e-3
    assert bench.sink.control()["driver"][-2] == Driver.HOLD


def test_gain_settings_are_ramped_and_clamped() -> None:
    bench = Bench()
    bench.engage()
    bench.seconds(0.5)
    bench.inputs.stiffness_scale, bench.inputs.leader_share = 99.0, 0.5
    bench.ticks(2)
    assert bench.plant.log[-1][8, KP] < 61.0
    bench.seconds(1.0)
    assert bench.plant.log[-1][8, KP] == pytest.approx(90.0) and bench.plant.log[-1][0, KP] == pytest.approx(45.0)
    bench.inputs.stiffness_scale = float("nan")
    bench.seconds(0.2)
    assert bench.plant.log[-1][8, KP] == pytest.approx(90.0)


def test_the_short_way_of_steady_coupling_asks_for_the_same_as_the_long_way() -> None:
    bench = Bench()
    bench.engage()
    bench.plant.hand_rad = bench.robot.home_rad + 0.2
    bench.seconds(0.6)
    for _ in range(50):
        bench.ticks(1)
        assert bench.loop._steady
        short = bench.loop.frame.requested.copy()
        bench.loop.frame.requested[:] = np.nan
        for coupling in bench.loop._couplings:
            coupling.write_operator(bench.clock.now_ns())
        assert (bench.loop.frame.requested == short).all()
