"""Slots that the window writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.app.outlet import Outlet
from studio.ipc.slot import SlotReader
from studio.robot.description import load_robot


def test_a_late_beat_after_closing_is_no_error(tmp_path: Path) -> None:
    outlet = Outlet(lambda name: tmp_path / f"{name}.slot", load_robot("dual_arm_ak60"))
    reader = SlotReader(tmp_path / "input.slot")
    outlet.beat()
    beats = reader.sequence
    assert beats >= 2
    outlet.close()
    outlet.beat()
    outlet.write_hand(0, np.zeros(3), True)
    outlet.close()
    assert reader.sequence == beats
    reader.close()
