"""Numbers of the passivity observer (spec/hardware.md 6.7): passive coupling keeps W, an active one is seen, damped."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.settings import ControlSettings
from studio.core.protocols import KD, VELOCITY
from tests.control.bench import Bench

QUIET = ControlSettings(coupling_ramp_s=0.0, energy_cap_j=1e9)


def _energies(bench: Bench) -> np.ndarray:
    return bench.sink.control()["energy_left_j"]


def _led_by_hand(bench: Bench, seed: int) -> None:
    """A hand that wanders, and a follower that is pushed now and then."""
    random = np.random.default_rng(seed)
    bench.engage()
    goal = bench.robot.home_rad.copy()
    for _ in range(20):
        goal = goal + random.uniform(-0.15, 0.15, 8)
        bench.plant.hand_rad = np.clip(goal, bench.robot.home_rad - 0.3, bench.robot.home_rad + 0.3)
        bench.plant.external_nm[8:] = random.uniform(-1.5, 1.5) * (random.random() < 0.3)
        bench.ticks(40)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_the_coupling_as_shipped_never_generates_energy(seed: int, scale: float) -> None:
    bench = Bench(settings=QUIET)
    bench.inputs.stiffness_scale = scale
    _led_by_hand(bench, seed)
    energies = _energies(bench)
    assert energies.min() >= QUIET.energy_allowance_j - 1e-3
    assert energies[-1].min() > QUIET.energy_allowance_j + 0.05  # and it did dissipate, so the observer was on


def test_energy_is_capped_so_that_old_dissipation_cannot_pay_for_later_activity() -> None:
    bench = Bench(settings=ControlSettings(coupling_ramp_s=0.0, energy_cap_j=0.2))
    _led_by_hand(bench, 3)
    assert _energies(bench).max() == pytest.approx(0.2, abs=1e-6)


def _energy_after_a_push(bench: Bench, *, obey: bool) -> tuple[float, float, float]:
    """Drives whose damping is negative, as a wrong sign would make it. Gives least W, most extra damping, speed.

    It must outweigh the drag of the partner's delay, K 1.5 T = 0.22 N*m*s/rad (spec/hardware.md 6.3).
    """
    bench.engage()
    original, extra = bench.plant.send, [0.0]

    def send_active(commands: np.ndarray, sent: np.ndarray) -> None:
        wrong = commands.copy()
        asked = bench.loop._observer.damping_nm_s_rad[0] if obey else 0.0
        wrong[:, KD] = -0.35
        wrong[:8, KD] += asked
        wrong[:, VELOCITY] = 0.0
        original(wrong, sent)

    bench.plant.send = send_active  # type: ignore[method-assign]
    bench.plant.velocity[:] = 0.2
    for _ in range(120):
        bench.ticks(1)
        extra.append(bench.loop._observer.damping_nm_s_rad[0])
    return float(_energies(bench).min()), max(extra), float(np.abs(bench.plant.velocity[:8]).max())


def test_an_active_coupling_is_seen_and_damped() -> None:
    least_j, most_nm_s_rad, speed_rad_s = _energy_after_a_push(Bench(settings=QUIET), obey=True)
    assert least_j < 0.0
    assert 0.0 < most_nm_s_rad <= QUIET.passivity_damping_nm_s_rad
    ignored_j, _, ignored_rad_s = _energy_after_a_push(Bench(settings=QUIET), obey=False)
    assert ignored_j < least_j and ignored_rad_s > speed_rad_s  # the damping is what keeps it in


def test_a_lever_is_weighted_so_that_a_smaller_leader_share_does_not_look_active() -> None:
    bench = Bench(settings=QUIET, leader_share=0.5)
    bench.inputs.leader_share = 0.5
    _led_by_hand(bench, 5)
    assert _energies(bench).min() >= QUIET.energy_allowance_j - 1e-3
