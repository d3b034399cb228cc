"""The loop is never started on a bus that the bench has: real bench process, python-can's virtual bus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from studio.app.bench_use import BenchUse
from studio.app.project import Project
from studio.app.session import Session
from studio.core.task import load_task
from studio.ipc.messages import Message
from studio.ipc.session import SessionFolder
from studio.robot.description import load_robot
from studio.robot.wiring import BusWiring
from tests.patience import wait_for_it

BUS = "virtual:bench_use"


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    wiring = BusWiring(interface="virtual", channel="bench_use", arms=("L leader",), drive_ids=(1, 2, 3, 4))
    robot = replace(load_robot(), buses=(wiring,))
    made = Session(
        robot, load_task("move_box"), Project(tmp_path / "project", "Bench"), folder=SessionFolder(tmp_path / "s")
    )
    yield made
    made.close()


def _began(session: Session) -> bool:
    session.beat()
    session.poll()
    return session.bench._open  # pyright: ignore[reportPrivateUsage]


def _said(session: Session, words: str) -> bool:
    return any(words in notice.text for notice in session.notices.items)


def test_the_loop_is_not_started_while_a_motor_of_its_bus_is_checked(session: Session, tmp_path: Path) -> None:
    session.start_worker("commission")
    values = {"joint": "leader.L1", "bus": BUS, "drive_id": 1, "folder": str(tmp_path / "kept")}
    session.send("commission", Message(name="begin", values=values))
    assert "at work on virtual:bench_use" in session.blocked_start("control")
    wait_for_it(lambda: _began(session), "the bench has the bus")
    for name in ("control", "guard"):
        session.start_worker(name)
        assert not session.alive(name)
        assert _said(session, "was not started: the bench is at work")
    assert session.blocked_start("recorder") == ""
    session.send("commission", Message(name="answer", values={"choice": "no such"}))  # refused, and the bench stays
    wait_for_it(lambda: _began(session) and _said(session, "was not expected"), "a refused answer")
    assert session.blocked_start("control")
    session.send("commission", Message(name="abort"))
    wait_for_it(lambda: (session.beat(), session.poll(), not session.blocked_start("control"))[-1], "it is free")


def test_what_ends_the_use_of_a_bus() -> None:
    use = BenchUse()
    use.sent(Message(name="discover", values={"bus": "socketcan:can0"}))
    use.sent(Message(name="begin", values={"bus": "socketcan:can1"}))
    assert use.buses == {"socketcan:can0", "socketcan:can1"} and not use.blocks({"socketcan:can2"})
    use.heard(Message(name="discovery", values={"bus": "socketcan:can0"}))
    assert use.buses == {"socketcan:can1"}
    use.heard(Message(name="refused"))  # it could not be opened
    assert not use.buses
    use.sent(Message(name="begin", values={"bus": "socketcan:can1"}))
    use.heard(Message(name="state"))
    use.heard(Message(name="refused"))
    assert use.buses == {"socketcan:can1"}
    use.heard(Message(name="ended"))
    assert not use.buses
