"""From rings to the numbers of the status bar, on real rings."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from studio.app.monitor import LinkMonitor
from studio.app.outlet import CouplingWish, Outlet
from studio.app.shell.status import disk_words, lateness_words, status_items
from studio.app.state import LinkState, Notices, RecordingState, RunsModel, RunView, worst_state
from studio.app.streams import Follower, Streams
from studio.core.errors import ConfigError
from studio.core.records import Driver, PairState, make_control_record
from studio.core.task import Goal
from studio.ipc.ring import RingWriter
from studio.ipc.slot import SlotReader
from studio.robot.description import load_robot

CONTROL = make_control_record(joints=8, pairs=2, rate_hz=400.0)


class Loop:
    """Writes control records as the loop would."""

    def __init__(self, path: Path) -> None:
        self.ring = RingWriter(path, CONTROL, seconds=4.0)

    def write(
        self, count: int, *, states: tuple[int, int] = (0, 0), driver: int = 0, missed: int = 0, age_s: float = -60.0
    ) -> None:
        """`age_s` of the newest; negative is never old while a slow machine runs this test."""
        period_ns = 2_500_000
        end_ns = time.monotonic_ns() - int(age_s * 1e9)
        record = CONTROL.empty(1)
        for index in range(count):
            record["t_ns"] = end_ns - (count - 1 - index) * period_ns
            record["pair_state"], record["driver"], record["missed_ticks"] = states, driver, missed
            record["lateness_s"] = 40e-6 if index % 100 else 900e-6
            self.ring.write(record[0])


@pytest.fixture
def link() -> LinkState:
    return LinkState()


def test_numbers_come_from_the_records(tmp_path: Path, link: LinkState) -> None:
    follower = Follower(tmp_path / "control.ring")
    monitor = LinkMonitor(link, follower, lambda: 44_000_000_000)
    monitor.update_state()
    assert not link.connected and link.worst is PairState.DISABLED and not link.lost, "nothing was there to be lost"
    loop = Loop(tmp_path / "control.ring")
    follower.look_again()
    monitor.update_state()
    loop.write(800, states=(2, 3), driver=1, missed=7)
    monitor.update_state()
    monitor.update_numbers(3, 4)
    assert link.connected and link.worst is PairState.HOLDING and link.driver is Driver.OPERATOR
    assert link.rate_hz == pytest.approx(400.0, abs=0.2)
    assert link.lateness_p50_s == pytest.approx(40e-6, rel=0.01)
    assert link.lateness_max_s == pytest.approx(900e-6, rel=0.01)
    assert link.missed_ticks == 0, "what was missed before the window looked is not counted"
    loop.write(10, states=(2, 2), driver=2, missed=9)
    monitor.update_state()
    monitor.update_numbers(3, 4)
    assert link.missed_ticks == 2 and link.drops == 0 and link.text == "Engaged · planner"
    assert link.disk_hours == pytest.approx(20.0)
    loop.write(1, age_s=1.0)
    monitor.update_state()
    monitor.update_numbers(0, 4)
    assert not link.connected and link.rate_hz == 0.0 and link.worst is PairState.DISABLED
    assert (link.lost, link.text, link.state_name) == (True, "Lost", "fault")
    monitor.update_state(stopped=True)
    assert (link.lost, link.text) == (False, "Disabled"), "it was ended on purpose"
    loop.ring.close()
    follower.close()


def test_a_follower_attaches_to_the_ring_of_a_new_process(tmp_path: Path) -> None:
    path = tmp_path / "control.ring"
    first = Loop(path)
    streams = Streams(lambda name: tmp_path / f"{name}.ring")
    follower = streams.follow("control")
    assert follower.read() is not None
    first.write(5)
    assert len(follower.read()) == 5  # type: ignore[arg-type]
    first.ring.close()
    second = Loop(path)
    follower.look_again()
    follower.read()
    second.write(3)
    assert len(follower.read()) == 3  # type: ignore[arg-type]
    assert streams.latest("control") is not None and streams.latest("plan") is None
    assert streams.record_type("control") == CONTROL
    streams.close()
    second.ring.close()


def test_the_worst_pair_is_shown() -> None:
    for states, expected in (
        ((PairState.ENGAGED, PairState.FAULT), PairState.FAULT),
        ((PairState.STOPPED, PairState.HOLDING), PairState.STOPPED),
        ((PairState.ALIGNING, PairState.ENGAGED), PairState.ALIGNING),
        ((PairState.ENGAGED, PairState.ENGAGED), PairState.ENGAGED),
    ):
        assert worst_state(states) is expected


def test_the_status_bar_says_it_in_words() -> None:
    link = LinkState(connected=True, rate_hz=400.0, lateness_p99_s=38e-6, disk_free_bytes=412_000_000_000,
                     disk_hours=61.2, workers_alive=3, workers_expected=3)  # fmt: skip
    recording = RecordingState()
    words = [" ".join(filter(None, (i.label, i.value))) for i in status_items(link, recording)]
    expected = ["Disabled", "Loop 400.0 Hz", "Late p99 38 µs", "Drops 0", "Disk 412 GB · 61 h", "Workers 3 of 3"]
    assert words == expected
    recording.seconds, recording.on, link.drops, link.workers_alive = 47.9, True, 3, 2
    items = {item.label or item.icon: item for item in status_items(link, recording)}
    assert items["record"].value == "Recording 00:47"
    assert items["Drops"].tone == items["Workers"].tone == "verdict.fair"
    assert lateness_words(0.0041) == "4.1 ms" and disk_words(900_000_000, 0.4) == "0.9 GB · 0.4 h"


def test_what_the_window_writes_is_what_the_workers_read(tmp_path: Path) -> None:
    outlet = Outlet(lambda name: tmp_path / f"{name}.slot", load_robot())
    readers = {name: SlotReader(tmp_path / f"{name}.slot") for name in ("input", "hands", "coupling", "goal")}
    outlet.dead_man = True
    outlet.stop_count = 3
    before_ns = time.monotonic_ns()
    outlet.beat()
    outlet.write_hand(1, np.array([0.1, -0.2, 0.3]), True)
    outlet.write_goal(Goal(position_m=(0.1, 0.0, 0.05), orientation_xyzw=(0.0, 0.0, 0.0, 1.0), goal_id=4))
    wish = CouplingWish(stiffness_scale=0.5, damping_scale=2.0, leader_share=0.25, scheme=3, clutch_open=True)
    outlet.write_coupling(wish)
    record = readers["input"].read()
    assert record is not None and record["dead_man"] == 1 and record["stop_count"] == 3
    assert before_ns <= record["t_ns"] <= time.monotonic_ns()
    hands = readers["hands"].read()
    assert hands is not None and list(hands["hand_active"]) == [0, 1]
    assert np.allclose(hands["hand_target_m"][1], [0.1, -0.2, 0.3])
    goal, coupling = readers["goal"].read(), readers["coupling"].read()
    assert goal is not None and goal["goal_id"] == 4 and np.allclose(goal["position_m"], [0.1, 0.0, 0.05])
    assert coupling is not None and float(coupling["leader_share"]) == 0.25
    with pytest.raises(ConfigError, match="Hand 2 does not exist"):
        outlet.write_hand(2, np.zeros(3), True)
    outlet.release_hands()
    assert not readers["hands"].read()["hand_active"].any()  # type: ignore[index]
    for reader in readers.values():
        reader.close()
    outlet.close()


def test_notices_do_not_repeat_themselves_and_told_ones_do_not_ring() -> None:
    notices = Notices(limit=3)
    for _ in range(4):
        notices.warn("L3 did not answer for 12.5 ms. Check its cable.")
    notices.info("Pair L: Stopped. Motors are off.")
    assert len(notices.items) == 2 and notices.unread == 1
    for number in range(5):
        notices.warn(f"Warning {number}")
    assert len(notices.items) == 3


def test_runs_say_when_they_end() -> None:
    model, ended = RunsModel(), []
    model.ended.connect(lambda run: ended.append(run.state))
    run = {"id": "1", "kind": "train", "title": "box-play-4", "path": "", "created_s": 0.0}
    model.replace([RunView(**run, state="running", step=46, steps=100)])  # type: ignore[arg-type]
    assert model.active[0].share == 0.46 and not ended
    model.replace([RunView(**run, state="failed", step=60, steps=100)])  # type: ignore[arg-type]
    assert ended == ["failed"] and not model.active
