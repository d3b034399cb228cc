"""Bilateral schemes in the loop: what they make the arms do, and that no change of them is a step in torque."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.control.scheme import Scheme, SchemeRamp, parse_scheme
from studio.control.settings import ControlSettings
from studio.core.errors import ConfigError
from studio.core.protocols import KD, KP, POSITION, TORQUE, VELOCITY
from studio.core.records import PairState
from studio.ipc.channels import make_coupling_slot
from studio.ipc.session import SessionFolder
from studio.ipc.slot import SlotWriter
from studio.robot.description import load_robot
from studio.workers.control import InputSlots
from tests.control.bench import Bench

LEADERS, FOLLOWERS = slice(0, 8), slice(8, 16)
OTHERS = (Scheme.POSITION_FORCE, Scheme.FOUR_CHANNEL)


def _commanded_nm(bench: Bench) -> np.ndarray:
    """Torque [motors] that the newest command makes the drives start with."""
    c, plant = bench.plant.log[-1], bench.plant
    return c[:, KP] * (c[:, POSITION] - plant.position) + c[:, KD] * (c[:, VELOCITY] - plant.velocity) + c[:, TORQUE]


def steps_nm(bench: Bench, ticks: int) -> float:
    """Largest change of any motor's commanded torque from one tick to the next."""
    torques = []
    for _ in range(ticks):
        bench.loop.tick(bench.inputs)
        torques.append(_commanded_nm(bench))
        bench.plant.step()
        bench.clock.advance_ns(bench.period_ns)
    return float(np.abs(np.diff(torques, axis=0)).max())


def pressed(**settings: object) -> Bench:
    """Engaged, led by a hand, the follower pressed upon: torques are far from zero."""
    bench = Bench(settings=ControlSettings(**settings))  # type: ignore[arg-type]
    bench.engage()
    bench.plant.hand_rad = bench.robot.home_rad + 0.1
    bench.plant.external_nm[FOLLOWERS] = np.tile([-1.5, -1.5, -1.0, -0.4], 2)
    bench.seconds(1.5)
    assert np.abs(_commanded_nm(bench)).max() > 1.0
    return bench


@pytest.mark.parametrize("first", list(Scheme))
@pytest.mark.parametrize("then", list(Scheme))
def test_changing_the_scheme_under_load_is_no_step_in_torque(first: Scheme, then: Scheme) -> None:
    bench = pressed(scheme=first.name.lower())
    quiet_nm = steps_nm(bench, 100)
    assert quiet_nm < 0.05
    bench.inputs.scheme = int(then)
    assert steps_nm(bench, 300) < quiet_nm + 0.05
    assert bench.loop.states == [PairState.ENGAGED] * 2


@pytest.mark.parametrize("scheme", list(Scheme))
def test_scale_and_clutch_under_load_are_no_step_in_torque(scheme: Scheme) -> None:
    bench = pressed(scheme=scheme.name.lower())
    quiet_nm = steps_nm(bench, 100)
    assert quiet_nm < 0.05
    bench.inputs.motion_scale = 0.5
    assert steps_nm(bench, 300) < quiet_nm + 0.05
    bench.inputs.clutch_open = True
    assert steps_nm(bench, 300) < quiet_nm + 0.05
    bench.inputs.clutch_open = False
    assert steps_nm(bench, 300) < quiet_nm + 0.05


def test_gains_and_share_under_load_are_no_step_in_torque() -> None:
    bench = pressed()
    quiet_nm = steps_nm(bench, 100)
    assert quiet_nm < 0.05
    bench.inputs.stiffness_scale, bench.inputs.leader_share = 1.5, 0.3
    assert steps_nm(bench, 400) < quiet_nm + 0.05


def test_the_default_sends_what_the_plain_coupling_sends() -> None:
    """Position-position asked for by name is the same commands, bit for bit."""
    named, plain = Bench(), Bench()
    named.inputs.scheme, named.inputs.motion_scale = int(Scheme.POSITION_POSITION), 1.0
    for bench in (named, plain):
        bench.engage()
        bench.plant.hand_rad = bench.robot.home_rad + 0.1
        bench.seconds(0.7)
    assert np.array_equal(np.array(named.plant.log), np.array(plain.plant.log))


def test_position_force_is_light_in_the_air_and_shows_contact() -> None:
    felt: dict[Scheme, np.ndarray] = {}
    for scheme in Scheme:
        bench = Bench(settings=ControlSettings(scheme=scheme.name.lower()))
        bench.engage()
        bench.seconds(1.0)
        bench.plant.hand_rad = bench.robot.home_rad.copy()
        bench.plant.external_nm[FOLLOWERS] = np.tile([-1.5, -1.5, -1.0, -0.4], 2)
        bench.seconds(1.5)
        felt[scheme] = bench.plant.torque[LEADERS].copy()
    pressed = np.tile([-1.5, -1.5, -1.0, -0.4], 2)
    assert felt[Scheme.POSITION_POSITION] == pytest.approx(pressed, rel=0.1)
    assert felt[Scheme.POSITION_FORCE] == pytest.approx(0.5 * pressed, rel=0.15)  # kappa
    assert (felt[Scheme.FOUR_CHANNEL] < 0.5 * pressed).all()


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_motion_scale_moves_the_follower_so_much_further_and_the_force_so_much_less(scale: float) -> None:
    bench = Bench(settings=ControlSettings(motion_scale=scale))
    bench.engage()
    bench.plant.hand_rad = bench.robot.home_rad + 0.1
    bench.seconds(2.0)
    moved = bench.plant.position - np.tile(bench.robot.home_rad, 2)
    assert moved[FOLLOWERS] == pytest.approx(scale * moved[LEADERS], abs=0.01)
    bench.plant.external_nm[FOLLOWERS] = -1.0
    bench.seconds(1.5)
    assert bench.plant.torque[LEADERS] == pytest.approx(np.full(8, -scale), abs=0.1)  # power-consistent lever


def test_the_clutch_moves_the_leader_alone_and_closes_without_a_jump() -> None:
    bench = Bench()
    bench.engage()
    bench.plant.hand_rad = bench.robot.home_rad.copy()
    bench.seconds(1.0)
    bench.inputs.clutch_open = True
    bench.seconds(0.6)
    before = bench.plant.position[FOLLOWERS].copy()
    bench.plant.hand_rad = bench.robot.home_rad - 0.2
    bench.seconds(2.0)
    assert np.abs(bench.plant.position[FOLLOWERS] - before).max() < 0.01
    assert np.abs(bench.plant.position[LEADERS] - bench.plant.hand_rad).max() < 0.02
    assert np.abs(bench.plant.log[-1][LEADERS, KP]).max() == 0.0 and (bench.plant.log[-1][:, KD] > 0.0).all()
    bench.inputs.clutch_open = False
    bench.seconds(1.0)
    assert np.abs(bench.plant.position[FOLLOWERS] - before).max() < 0.01  # indexed: it stays where it was
    bench.plant.hand_rad = bench.robot.home_rad - 0.1
    bench.seconds(2.0)
    assert bench.plant.position[FOLLOWERS] - before == pytest.approx(np.full(8, 0.1), abs=0.02)


@pytest.mark.parametrize("scheme", [Scheme.POSITION_POSITION, Scheme.FOUR_CHANNEL])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_observer_knows_scale_and_scheme(scheme: Scheme, scale: float) -> None:
    """A passive hand and a passive load: W stays at its allowance or above, so nothing is braked for no reason."""
    quiet = ControlSettings(scheme=scheme.name.lower(), motion_scale=scale, coupling_ramp_s=0.0, energy_cap_j=1e9)
    bench = Bench(settings=quiet)
    bench.engage()
    for goal in (0.15, -0.1, 0.2, 0.0):
        bench.plant.hand_rad = bench.robot.home_rad + goal
        bench.seconds(0.5)
    energy_j = bench.sink.control()["energy_left_j"]
    assert energy_j.min() >= quiet.energy_allowance_j - 1e-3 and energy_j[-1].min() > quiet.energy_allowance_j + 0.01


def test_weights_always_sum_to_one_even_when_the_wish_changes_on_the_way() -> None:
    ramp = SchemeRamp(ControlSettings(), 0.0025)
    for count, scheme in ((80, 2), (60, 3), (20, 1), (300, 2)):
        for _ in range(count):
            ramp.update(scheme, 0.0, False)
            assert sum(ramp.weights) == pytest.approx(1.0) and min(ramp.weights) >= 0.0
    assert ramp.weights == [0.0, 1.0, 0.0] and ramp.settled


@pytest.mark.parametrize(("scale", "expected"), [(float("nan"), 1.0), (-3.0, 1.0), (99.0, 4.0), (0.001, 0.25)])
def test_a_wrong_scale_or_scheme_number_keeps_within_range(scale: float, expected: float) -> None:
    ramp = SchemeRamp(ControlSettings(), 0.0025)
    for _ in range(2000):
        ramp.update(77, scale, False)
    assert ramp.scale == expected and ramp.scheme is Scheme.POSITION_POSITION


def test_an_unknown_scheme_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="four_channel"):
        parse_scheme("telepathy")


def test_the_coupling_slot_asks_for_scheme_scale_and_clutch(tmp_path: Path) -> None:
    session = SessionFolder(tmp_path)
    session.create()
    slot = SlotWriter(session.slot_path("coupling"), make_coupling_slot())
    slots = InputSlots(session, load_robot())
    record = make_coupling_slot().empty()[0]
    record["stiffness_scale"] = record["damping_scale"] = record["leader_share"] = 1.0
    seen = []
    for scheme, scale, is_open in ((0, 0.0, 0), (3, 0.5, 1)):
        record["scheme"], record["motion_scale"], record["clutch_open"] = scheme, scale, is_open
        slot.write(record)
        slots.update(1)
        seen.append((slots.inputs.scheme, slots.inputs.motion_scale, slots.inputs.clutch_open))
    slots.close()
    slot.close()
    assert seen == [(0, 0.0, False), (3, 0.5, True)]
