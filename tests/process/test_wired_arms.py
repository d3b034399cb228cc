"""The control worker over two serial lines: leader arms on one, follower arms on the other, twins in own processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.control.fault import FaultCode
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


def of_pair(records: np.ndarray, pair: int, name: str) -> np.ndarray:
    """A field of both arms of one pair, [records, motors]."""
    span = slice(4 * pair, 4 * pair + 4)
    return np.concatenate([records[f"leader_{name}"][:, span], records[f"follower_{name}"][:, span]], axis=1)


def missed_ticks(records: np.ndarray, pair: int) -> np.ndarray:
    """Ticks since the newest reply of the pair's motor that has been silent for longest, per record."""
    replied_s = records["t_ns"][:, None] * 1e-9 - of_pair(records, pair, "reply_age_s")
    missed = np.zeros(replied_s.shape, dtype=int)
    for i in range(1, len(records)):
        missed[i] = (missed[i - 1] + 1) * (np.abs(replied_s[i] - replied_s[i - 1]) < 1e-4)
    return missed.max(axis=1)


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
    after = [seen[-1][-1:]]

    def wait_for(reached: Callable[[], object], what: str) -> None:
        """The ring holds some seconds only, and a busy machine may need longer."""
        station.wait(lambda: (after.append(ring.read()), reached())[1], what)

    wait_for(lambda: station.state() == "fault", "the fault is latched")
    wait_for(lambda: "follower-bus is gone" in station.texts("control"), "the bus is named")
    wait_for(lambda: not any(station.leader.ask()["powered"]), "the leader is let down")
    assert station.leader.ask()["damping_commands"] > 3  # what the surviving arm really received
    assert "did not answer for" in station.texts("control")

    records = np.concatenate([*after, ring.read()])
    for pair in (0, 1):
        states, missed = records["pair_state"][:, pair], missed_ticks(records, pair)
        fault = np.flatnonzero(states == PairState.FAULT)[0]
        assert missed[fault] == 5 and (missed[:fault] < 5).all()
        assert (
            records["fault_code"][fault, pair] == FaultCode.SILENT and records["fault_joint"][fault, pair] // 4 == pair
        )
        kp = of_pair(records, pair, "sent_kp_nm_rad").max(axis=1)
        assert (kp[missed >= 2] == 0.0).all() and (kp[fault:] == 0.0).all()  # damping only from the second silent tick
        assert (records["leader_sent_kd_nm_s_rad"][fault, 4 * pair : 4 * pair + 4] > 0.1).all()
        assert (states[fault:] == PairState.FAULT).all()  # and it stays
