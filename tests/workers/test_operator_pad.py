"""The operator worker as a real process, fed by a gamepad through a named pipe, moves the hands of a real session."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from studio.app.project import open_project
from studio.app.session import Session
from studio.core.records import PairState
from studio.core.task import load_task
from studio.ipc.ring import RingReader
from studio.robot.description import load_robot
from tests.patience import wait_for_it


def _newest(session: Session) -> np.ndarray:
    reader = RingReader(session.folder.ring_path("control"))
    record = reader.latest()
    reader.close()
    assert record is not None
    return record


def _run(session: Session, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        session.beat()
        session.poll()
        time.sleep(0.01)


def _wait(session: Session, reached: Callable[[], object], what: str) -> None:
    wait_for_it(reached, what, turn=lambda: _run(session, 0.05))


def _engage(session: Session) -> None:
    """As a person does: again, when this machine made the heartbeat late. The hands take hold once it is engaged."""

    wait_for_it(
        lambda: session.state.link.hands_hold, "engaged, both leaders in hand", turn=lambda: _keep_engaged(session)
    )


def _keep_engaged(session: Session) -> None:
    if session.state.link.worst not in (PairState.ENGAGED, PairState.ALIGNING):
        session.engage()
    _run(session, 0.5)


def test_a_stick_moves_a_hand(tmp_path: Path) -> None:
    path = tmp_path / "event0"
    os.mkfifo(path)
    keep_open = os.open(path, os.O_RDWR)
    session = Session(load_robot("dual_arm_ak60"), load_task("move_box"), open_project(tmp_path / "project"))
    try:
        session.start_worker("control")
        _wait(session, lambda: session.state.link.connected, "the loop runs")
        session.start_worker("operator", pad=str(path))
        _engage(session)
        before = _newest(session)["hand_target_m"].copy()
        os.write(keep_open, struct.pack("qqHHi", 1, 2, 3, 1, -32768))  # left stick away from the operator
        wait_for_it(
            lambda: _newest(session)["hand_target_m"][0, 0] > before[0, 0] + 0.03,
            "the hand moves on",
            turn=lambda: _keep_engaged(session),
        )
        assert abs(_newest(session)["hand_target_m"][1, 0] - before[1, 0]) < 0.01
    finally:
        session.close()
        os.close(keep_open)
