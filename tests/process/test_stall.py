"""SIGSTOP and SIGCONT on the real control worker, without a guard: it may not go on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.control.fault import FaultCode
from studio.core.records import PairState
from tests.process.station import Station
from tests.process.test_wired_arms import WiredStation, stiffness

_FROZEN_S = 2.0


@pytest.fixture(params=["simulated", "two serial lines"])
def station(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Station]:
    made = Station(tmp_path / "session") if request.param == "simulated" else WiredStation(tmp_path, patient=False)
    if isinstance(made, WiredStation):
        made.start_control()
    else:
        made.start("control")
    yield made
    made.close()


def test_a_loop_that_was_frozen_faults_itself_before_it_sends_any_stiffness(station: Station) -> None:
    ring = station.follow()
    station.engage()
    before = ring.read()[-1:]
    station.freeze("control", _FROZEN_S)
    station.wait(lambda: station.state() == "fault", "the fault")
    records = np.concatenate([before, ring.read()])
    back = int(np.argmax(np.diff(records["t_ns"]))) + 1  # the first tick after the longest pause
    assert records["t_ns"][back] - records["t_ns"][back - 1] > 0.9e9 * _FROZEN_S
    records = records[back:]
    assert (records["pair_state"] == PairState.FAULT).all() and (records["fault_code"] == FaultCode.STALLED).all()
    assert (stiffness(records) == 0.0).all() and (records["follower_sent_kd_nm_s_rad"][0] > 0.1).all()
    assert "stood still for" in station.texts("control")

    station.ask("clear_fault")
    station.wait(lambda: "release the dead-man" in station.texts("control"), "refused: the dead-man is pressed")
    assert station.state() == "fault"
    station.recover_from_stall()
    assert station.state() == "disabled"
