"""The control worker and its neighbours as real processes: deaths, silence, a frozen window."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.core.records import Driver, PairState
from tests.patience import PATIENCE_S
from tests.process.station import Station, deadline_rate_hz

FORBIDDEN = ("PySide6", "pyqtgraph", "vispy", "torch", "cv2", "av", "psygnal", "matplotlib", "tyro")


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    made = Station(tmp_path / "session")
    yield made
    made.close()


def test_control_runs_at_its_rate_and_follows_a_scripted_hand(station: Station) -> None:
    station.start("control", "operator")
    ring = station.follow()
    station.engage()
    parts = [ring.read()]

    def has_moved() -> bool:
        if station.state() == "holding":
            station.ask("engage")  # on a busy machine this window may have been late
        parts.append(ring.read())
        return np.ptp(np.concatenate(parts)["follower_position_rad"], axis=0).max() > 0.03

    station.wait(has_moved, "the follower has moved")
    station.live(1.5)
    records = np.concatenate([*parts, ring.read()])
    assert deadline_rate_hz(records) == pytest.approx(400.0, rel=0.01)
    assert len(np.unique(records["tick"])) == len(records) and ring.lost == 0
    assert Driver.OPERATOR in records["driver"] and records["hand_active"][-1].all()
    lateness = station.said("control", "state")[-1]["lateness_us"]
    assert set(lateness) == {"p50", "p99", "p99_9", "max"} and lateness["max"] >= lateness["p50"]
    assert "without real-time priority" in station.texts("control")  # the reduced mode is said


def test_control_killed_is_noticed_by_the_guard_reported_and_started_again(station: Station) -> None:
    station.start("control", "guard")
    ring = station.follow()
    station.engage()
    assert not any(values.get("silent") for values in station.said("guard", "state")[-1:])
    station.heard.clear()
    station.kill("control")
    station.wait(lambda: any(values["silent"] for values in station.said("guard", "state")), "the guard speaks")
    silent = next(values for values in station.said("guard", "state") if values["silent"])
    assert silent["age_ms"] >= 20.0
    assert "silent for" in station.texts("guard")
    station.wait(lambda: station.said("control", "ended"), "the supervisor reports it")
    assert station.said("control", "ended")[0]["returncode"] == -9
    assert station.supervisor.alive("guard")
    ring.read()
    station.heard.clear()
    station.start("control")
    station.wait(lambda: "back" in station.texts("guard"), "the guard sees it again")
    assert len(ring.read()) > 0  # readers of the old process's ring see the new one
    assert station.state() in ("none", "disabled")  # it starts with motors off
    station.engage()


@pytest.mark.parametrize("victim", ["guard", "operator"])
def test_the_death_of_another_worker_leaves_the_arms_alone(station: Station, victim: str) -> None:
    station.start("control", victim)
    station.engage()
    ring = station.follow()
    station.kill(victim)
    station.wait(lambda: station.said(victim, "ended"), "the death is reported")
    station.live(0.5)
    records = ring.read()
    states = {PairState(int(state)) for state in np.unique(records["pair_state"])}
    missed = int(records["missed_ticks"][-1] - records["missed_ticks"][0])
    starved = station.longest_pause_s > 0.1 or missed > 10  # the machine, not the death, may make the arms hold or stop
    allowed = {PairState.ENGAGED} | ({PairState.HOLDING, PairState.STOPPED} if starved else set())
    assert states <= allowed, f"{states}, longest pause {station.longest_pause_s} s, {missed} ticks missed"
    assert len(records) + missed > 100


def test_a_frozen_window_holds_the_arms_then_stops_them(station: Station) -> None:
    station.start("control")
    ring = station.follow()
    station.engage()
    station.beating = False
    station.wait(lambda: station.state() == "stopped", "stopped")
    records = ring.read()
    held_s = (int(station.first(records, PairState.HOLDING)["t_ns"]) - station.last_beat_ns) * 1e-9
    stopped_s = (int(station.first(records, PairState.STOPPED)["t_ns"]) - station.last_beat_ns) * 1e-9
    slack_s = 0.02 + float(records["lateness_s"].max())  # a busy machine wakes the loop late, and then it acts at once
    assert 0.15 <= held_s < 0.15 + slack_s and 1.0 <= stopped_s < 1.0 + slack_s
    station.beating = True
    station.live(1.2)
    assert station.state() == "stopped"  # it does not start again by itself
    station.engage()


def test_stop_acts_at_the_next_tick(station: Station) -> None:
    station.start("control")
    ring = station.follow()
    station.engage()
    station.stop_count += 1
    station.wait(lambda: station.state() == "stopped", "stopped")
    records = ring.read()
    stopped = station.first(records, PairState.STOPPED)
    assert stopped["stop_pressed"] == 1 and (stopped["follower_sent_kp_nm_rad"] == 0).all()
    assert (stopped["follower_sent_kd_nm_s_rad"] > 0.3).all()


def test_the_arms_are_let_down_when_the_supervisor_is_gone(station: Station) -> None:
    station.start("control")
    ring = station.follow()
    station.engage()
    child = station.supervisor._children["control"]
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert child.process.wait(timeout=PATIENCE_S) == 0
    last = ring.read()[-1]
    assert (last["pair_state"] == PairState.DISABLED).all() and (last["follower_sent_kp_nm_rad"] == 0).all()


def test_requests_nobody_knows_are_said(station: Station) -> None:
    station.start("control")
    station.ask("dance")
    station.ask("driver", driver="ghost")
    station.wait(lambda: "ghost" in station.texts("control"), "the refusals")
    assert "dance" in station.texts("control")


def test_a_cut_wire_is_a_latched_fault_of_that_motor(station: Station) -> None:
    station.start("control")
    ring = station.follow()
    station.engage()
    station.ask("cut_wire", motor=10, cut=True)  # L3 of the follower
    station.wait(lambda: station.state() == "fault", "the fault")
    faulty = station.first(ring.read(), PairState.FAULT)
    assert faulty["fault_joint"][0] == 2
    assert faulty["follower_reply_age_s"][2] >= 5 * 0.0025 - 1e-6
    assert (faulty["follower_sent_kp_nm_rad"][:4] == 0).all()
    station.ask("cut_wire", motor=10, cut=False)
    station.ask("cut_wire", motor=99)
    station.wait(lambda: "allowed 0 to 15" in station.texts("control"), "the refusal")
    assert station.state() == "fault"  # mended, but latched


def test_put_the_box_back_is_marked(station: Station) -> None:
    station.start("control")
    poses = station.follow("object_pose.world")
    station.ask("put_box_back")
    station.wait(lambda: (latest := poses.latest()) is not None and latest["reset_count"] == 1, "the mark")


def test_control_needs_neither_window_nor_torch() -> None:
    code = f"import studio.workers.control, sys; print([m for m in {FORBIDDEN!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert out.stdout.strip() == "[]"


def test_the_running_worker_has_neither_qt_nor_torch_mapped(station: Station) -> None:
    station.start("control")
    maps = Path(f"/proc/{station.supervisor.pid('control')}/maps").read_text()
    assert "pybullet" in maps
    assert not any(name in maps for name in ("libQt6", "libtorch", "libvispy"))
