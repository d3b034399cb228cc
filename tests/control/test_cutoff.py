"""Cut-offs changed while the loop runs: reached in half a second, no step in torque, recorded; other settings too."""

from __future__ import annotations

import numpy as np
import pytest

from studio.control.observer import TorqueObserver
from studio.control.scheme import Scheme
from studio.control.states import HoldReason
from studio.core.records import PairState
from tests.control.bench import Bench
from tests.control.test_scheme import pressed, steps_nm


@pytest.mark.parametrize("scheme", list(Scheme))
@pytest.mark.parametrize("cutoffs_hz", [(60.0, 30.0), (3.0, 0.5)])
def test_changing_cutoffs_under_load_is_no_step_in_torque(scheme: Scheme, cutoffs_hz: tuple[float, float]) -> None:
    bench = pressed(scheme=scheme.name.lower())
    assert bench.loop.record["force_cutoff_hz"][0] == 20.0
    quiet_nm = steps_nm(bench, 100)
    bench.inputs.force_cutoff_hz, bench.inputs.disturbance_cutoff_hz = cutoffs_hz
    assert steps_nm(bench, 300) < quiet_nm + 0.02
    row = bench.loop.record[0]
    assert (row["force_cutoff_hz"], row["disturbance_cutoff_hz"]) == pytest.approx(cutoffs_hz)
    bench.inputs.force_cutoff_hz, bench.inputs.disturbance_cutoff_hz = float("nan"), -1.0
    bench.seconds(0.6)
    assert bench.loop.record["force_cutoff_hz"][0] == 20.0 and bench.loop.record["disturbance_cutoff_hz"][0] == 5.0


def test_what_is_asked_outside_the_range_is_cut() -> None:
    bench = Bench()
    bench.inputs.force_cutoff_hz, bench.inputs.disturbance_cutoff_hz = 1e6, 1e-6
    bench.seconds(0.6)
    row = bench.loop.record[0]
    assert row["force_cutoff_hz"] == 100.0 and row["disturbance_cutoff_hz"] == pytest.approx(0.1)


def test_an_observer_goes_on_without_a_step_while_its_joint_turns() -> None:
    inertia, speed = np.full(3, 0.02), np.array([0.0, 2.0, -5.0])
    observer = TorqueObserver(inertia, 30.0, 0.0025)
    for _ in range(400):
        observer.update(np.full(3, 0.7), speed, np.full(3, 0.2))
    before = observer.torque_nm.copy()
    observer.set_cutoff(200.0)
    after = observer.update(np.full(3, 0.7), speed, np.full(3, 0.2))
    np.testing.assert_allclose(after, before, atol=1e-6)
    observer.update(np.full(3, 1.7), speed, np.full(3, 0.2))
    assert (observer.torque_nm - before > 0.35).all(), "the new cut-off counts: 1 - exp(-0.5) of a step in one tick"


def test_the_record_says_what_is_in_force_and_why_arms_hold() -> None:
    bench = Bench()
    bench.engage()
    row = bench.loop.record[0]
    assert (row["motion_scale"], row["clutch"], row["coupling_share"]) == (1.0, 1.0, bench.robot.leader_share)
    bench.inputs.motion_scale, bench.inputs.clutch_open, bench.inputs.leader_share = 2.0, True, 0.5
    bench.seconds(0.1)
    row = bench.loop.record[0]
    assert 1.0 < row["motion_scale"] < 2.0 and 0.0 < row["clutch"] < 1.0 and 0.5 < row["coupling_share"] < 1.0
    bench.seconds(1.0)
    row = bench.loop.record[0]
    assert (row["motion_scale"], row["clutch"], row["coupling_share"]) == (2.0, 0.0, 0.5)
    bench.inputs.motion_scale, bench.inputs.clutch_open = 1.0, False
    bench.seconds(1.5)
    row = bench.loop.record[0]
    assert (row["motion_scale"], row["clutch"]) == (1.0, 1.0), "also when the plain law is all there is again"
    bench.loop.hold()
    bench.seconds(0.1)
    row = bench.loop.record[0]
    assert row["pair_state"].tolist() == [PairState.HOLDING] * 2
    assert row["hold_reason"].tolist() == [HoldReason.REQUEST] * 2
