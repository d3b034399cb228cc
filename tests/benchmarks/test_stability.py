"""The stability map against the spec's table, against twins with the drive law, and the observer's bounds on draws."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.joint_pairs import IDEAL_HZ, JointPairs, PairTwins, largest_stiffness_nm_rad
from benchmarks.stability import BOUND_J, INSIDE, NEAR, OUTSIDE, check_loop, draw_pairs, make_rows, run_draws
from studio.control.frame import Frame
from studio.control.passivity import PassivityObserver
from studio.control.settings import ControlSettings
from studio.core.protocols import STATE_POSITION
from studio.robot.description import load_robot


def _free(inertia_kg_m2: float, damping: list[float], *, on_drive: bool) -> JointPairs:
    count = len(damping)
    none, inertia = np.zeros(count), np.full(count, inertia_kg_m2)
    return JointPairs(
        leader_inertia_kg_m2=inertia,
        follower_inertia_kg_m2=inertia,
        viscous_nm_s_rad=np.full(count, 0.02),
        damping_nm_s_rad=np.array(damping),
        on_drive=np.full(count, on_drive),
        hand_nm_rad=none,
        hand_nm_s_rad=none,
        wall_nm_rad=none,
        wall_nm_s_rad=none,
    )


@pytest.mark.parametrize(
    ("inertia_kg_m2", "period_s", "host", "drive"),
    [  # table of spec/hardware.md 6.3, B = 0.1, 0.5, 1.0
        (0.005, 0.001, [73, 310, 530], [148, 662, 1250]),
        (0.005, 0.002, [36, 134, 135], [73, 316, 565]),
        (0.02, 0.002, [37, 163, 305], [74, 337, 651]),
        (0.02, 0.004, [18, 77, 132], [37, 164, 310]),
    ],
)
def test_limits_are_those_of_the_table(
    inertia_kg_m2: float, period_s: float, host: list[float], drive: list[float]
) -> None:
    for own, expected in ((False, host), (True, drive)):
        pairs = _free(inertia_kg_m2, [0.1, 0.5, 1.0], on_drive=own)
        assert largest_stiffness_nm_rad(pairs, period_s, IDEAL_HZ) == pytest.approx(expected, rel=0.03)


def test_damping_alone_can_be_unstable_on_the_host() -> None:
    assert largest_stiffness_nm_rad(_free(0.005, [2.0], on_drive=False), 0.002, IDEAL_HZ)[0] == 0.0


def test_twins_with_the_drive_law_agree_with_the_map() -> None:
    rows = make_rows(load_robot(), (0.002,))
    tried = [row for row in rows if row["twin_nm_rad"] > 0.0 and not row["capped"]]
    agree = [row for row in tried if row["twin_decays_inside"] and row["twin_as_predicted_outside"]]
    assert len(tried) > 100 and len(agree) == len(tried)
    assert {row["ends"] for row in rows} == {"free/free", "held/free", "free/wall", "held/wall"}


@pytest.mark.parametrize("region", [INSIDE, NEAR])
def test_inside_the_accepted_region_the_observer_keeps_its_bounds(region: tuple[float, float]) -> None:
    result = run_draws(load_robot(), region, 80, 11)
    assert len(result.least_j) == 80 and result.least_j.min() >= BOUND_J[region]


def test_outside_it_some_draws_break_them() -> None:
    result = run_draws(load_robot(), OUTSIDE, 80, 12)
    assert (result.least_j < BOUND_J[OUTSIDE]).any()


def test_the_studio_s_observer_counts_the_same_energy() -> None:
    """Draws through `PassivityObserver`, one pair each, against the benchmark's own sums."""
    count, period_s = 12, 0.0025
    pairs = draw_pairs(np.random.default_rng(4), count, on_drive=True)
    stiffness = np.full(count, 8.0)
    twins = PairTwins(load_robot(), pairs, period_s, IDEAL_HZ)
    commands: list[np.ndarray] = []
    original = twins._command

    def keep(read: np.ndarray, stiffness_nm_rad: np.ndarray) -> None:
        original(read, stiffness_nm_rad)
        commands.append(twins._ports.command.T.reshape(5, 2, count).copy())

    twins._command = keep  # type: ignore[method-assign]
    twins.state[1, :count] = 0.4
    trace = twins.run(stiffness, 200, lambda t: np.full(count, 0.2 * np.sin(8.0 * t)))
    frame, settings = Frame(count, count), ControlSettings(energy_cap_j=1e9, energy_allowance_j=0.0)
    observer, seen = PassivityObserver(settings, period_s, frame), []
    frame.sent[:] = commands[0]
    for tick in range(1, 200):  # a tick reads what was sampled when the command before arrived
        frame.measured[STATE_POSITION] = trace.position_rad[tick - 1]
        observer.update([True] * count, 1.0)
        seen.append(list(observer.energy_left_j))
        frame.sent[:] = commands[tick]
    ours = np.array(seen[2:])
    theirs = trace.energy_j[1 : 1 + len(ours)]
    assert ours - ours[0] == pytest.approx(theirs - theirs[0], abs=1e-9)
    assert np.abs(theirs - theirs[0]).max() > 1e-4


def test_the_whole_loop_swings_as_predicted() -> None:
    rows = check_loop(load_robot())
    assert len(rows) == 8 and all(row["as_predicted"] for row in rows)
