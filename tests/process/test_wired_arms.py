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

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "session")
        self.leader = ArmTwins("leader", folder / "leader-bus")
        self.follower = ArmTwins("follower", folder / "follower-bus")
        self._robot = make_robot_folder(folder / "robot", [self.leader, self.follower])

    def start_control(self) -> None:
        self.supervisor.start("control", "studio.workers.control", {"realtime": False, "robot": str(self._robot)})
        self.wait(lambda: self.said("control", "ready"), "control is ready")

    def move(self, offset_rad: float) -> None:
        """A hand takes the left leader and turns its first joint."""
        self.started_rad = self.follower.ask()["position_rad"][0]
        target = self.leader.ask()["position_rad"]
        target[0] += offset_rad
        self.leader.tell(hand=target, active=[1, 0])

    def has_followed(self) -> bool:
        if self.state() == "holding":
            self.ask("engage")  # on a busy machine this window may have been late
        return self.follower.ask()["position_rad"][0] - self.started_rad > 0.15

    def close(self) -> None:
        super().close()
        self.leader.close()
        self.follower.close()


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
    parts = [ring.read()]

    def loop_has_seen_it() -> bool:  # through codec, line and adapter
        parts.append(ring.read())
        return bool(np.ptp(np.concatenate(parts)["follower_position_rad"][:, 0]) > 0.1)

    station.wait(loop_has_seen_it, "the loop has seen the follower move")
    moved = np.concatenate(parts)
    assert np.abs(moved["leader_sent_kp_nm_rad"][-1, :4]).max() > 0.0

    station.leader.tell(forget=True)
    station.follower.kill()
    station.wait(lambda: station.state() == "fault", "the fault is latched")
    station.wait(lambda: "follower-bus is gone" in station.texts("control"), "the bus is named")
    station.wait(lambda: not any(station.leader.ask()["powered"]), "the leader is let down")
    assert station.leader.ask()["damping_commands"] > 3  # what the surviving arm really received
    assert "did not answer for" in station.texts("control")

    records = np.concatenate([*parts, ring.read()])
    fault = np.flatnonzero((records["pair_state"] == PairState.FAULT).all(axis=1))[0]
    lost = np.flatnonzero(np.diff(records["follower_reply_age_s"][:, 0]) > 0.0)  # each tick without a reply ages it
    assert records["fault_code"][fault].tolist() == [1, 1] and (records["fault_joint"][fault] >= 0).all()
    silence = records[fault - 5 : fault + 1]
    stiff = np.concatenate([silence["leader_sent_kp_nm_rad"], silence["follower_sent_kp_nm_rad"]], axis=1)
    assert stiff[0].max() > 0.0 and stiff[-1].max() == 0.0 and len(lost) > 0
    assert (stiff[2:].max(axis=1) == 0.0).all()  # damping only from the second silent tick on
    assert (records["leader_sent_kd_nm_s_rad"][fault] > 0.1).all()
    assert station.state() == "fault"  # and it stays
