"""The control worker over two serial lines: leader arms on one, follower arms on the other, twins in own processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.core.records import PairState
from tests.process.arm_twins import ArmTwins, make_robot_folder
from tests.process.station import Station


class WiredStation(Station):
    """A session whose control worker drives twins behind two pseudo-terminals."""

    started_rad = 0.0  # first joint of the left follower when the hand took hold

    def __init__(self, folder: Path, *, patient: bool = True) -> None:
        super().__init__(folder / "session")
        self.leader = ArmTwins("leader", folder / "leader-bus")
        self.follower = ArmTwins("follower", folder / "follower-bus")
        self._robot = make_robot_folder(folder / "robot", [self.leader, self.follower], patient=patient)

    def start_control(self) -> None:
        self.supervisor.start("control", "studio.workers.control", {"realtime": False, "robot": str(self._robot)})
        self.wait(lambda: self.said("control", "ready"), "control is ready")

    def move(self, offset_rad: float) -> None:
        """A hand takes the left leader and turns its first joint."""
        self.started_rad = self.follower.ask()["position_rad"][0]
        target = self.leader.ask()["position_rad"]
        target[0] += offset_rad
        self.leader.tell(hand=target, active=[1, 0])

    def keep_coupled(self) -> None:
        """On a busy machine this window, or a twin, may have been silent too long, and the arms were right to stop."""
        if self.state() == "holding":
            self.ask("engage")
        elif self.state() == "fault":
            self.dead_man = False
            self.live(0.1)
            self.ask("clear_fault")
            self.dead_man = True
            self.live(0.1)
            self.ask("engage")

    def has_followed(self) -> bool:
        self.keep_coupled()
        return self.follower.ask()["position_rad"][0] - self.started_rad > 0.15

    def close(self) -> None:
        super().close()
        self.leader.close()
        self.follower.close()


def stiffness(records: np.ndarray) -> np.ndarray:
    """Largest stiffness of any motor as sent, per record."""
    return np.concatenate([records["leader_sent_kp_nm_rad"], records["follower_sent_kp_nm_rad"]], axis=1).max(axis=1)


def missed_ticks(records: np.ndarray) -> np.ndarray:
    """Ticks since the newest reply of the first follower joint, per record."""
    replied_s = records["t_ns"] * 1e-9 - records["follower_reply_age_s"][:, 0]
    missed = np.zeros(len(records), dtype=int)
    for i in range(1, len(records)):
        missed[i] = missed[i - 1] + 1 if abs(replied_s[i] - replied_s[i - 1]) < 1e-4 else 0
    return missed


@pytest.fixture
def station(tmp_path: Path) -> Iterator[WiredStation]:
    made = WiredStation(tmp_path)
    yield made
    made.close()


def test_a_killed_twin_lets_the_other_arm_damp_and_is_named(station: WiredStation) -> None:
    station.start_control()
    ring = station.follow()
    station.engage()
    station.move(0.25)
    station.wait(station.has_followed, "the follower has moved")
    seen: list[np.ndarray] = []

    def loop_is_coupled() -> bool:  # it has seen the motion, through codec, line and adapter, and gives stiffness
        station.keep_coupled()
        seen.append(ring.read())
        records = np.concatenate(seen)
        moved = len(records) > 0 and np.ptp(records["follower_position_rad"][:, 0]) > 0.1
        return bool(moved and (records["pair_state"][-1] == PairState.ENGAGED).all() and stiffness(records)[-1] > 0.0)

    station.wait(loop_is_coupled, "the loop has seen the follower move")
    station.leader.tell(forget=True)
    station.follower.kill()
    station.wait(lambda: station.state() == "fault", "the fault is latched")
    station.wait(lambda: "follower-bus is gone" in station.texts("control"), "the bus is named")
    station.wait(lambda: not any(station.leader.ask()["powered"]), "the leader is let down")
    assert station.leader.ask()["damping_commands"] > 3  # what the surviving arm really received
    assert "did not answer for" in station.texts("control")

    records = np.concatenate([seen[-1][-1:], ring.read()])
    fault = np.flatnonzero((records["pair_state"] == PairState.FAULT).all(axis=1))[0]
    assert records["fault_code"][fault].tolist() == [1, 1] and (records["fault_joint"][fault] >= 0).all()
    missed = missed_ticks(records)
    assert 3 <= missed[fault] <= 5 and (missed[:fault] < 5).all()  # joints fall silent within two ticks of each other
    assert (stiffness(records)[missed >= 2] == 0.0).all()  # damping only from the second silent tick on
    assert (records["leader_sent_kd_nm_s_rad"][fault] > 0.1).all()
    assert station.state() == "fault"  # and it stays
