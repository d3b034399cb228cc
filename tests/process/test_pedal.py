"""A dead-man pedal as real processes: twin on a pseudo-terminal, pedal worker, control worker."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.core.paths import repository_root
from tests.patience import PATIENCE_S
from tests.process.station import Station


class PedalledStation(Station):
    """A session whose dead-man is a pedal twin."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "session")
        self.dead_man = False  # the window's: the pedal alone counts
        self.link = folder / "pedal"
        command = [sys.executable, "-m", "hw_drivers.pedals.pedal_twin", "--link", str(self.link)]
        self._twin = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=repository_root())
        assert self._twin.stdout is not None
        assert json.loads(self._twin.stdout.readline())["ready"]

    def foot(self, word: str) -> None:
        assert self._twin.stdin is not None
        self._twin.stdin.write(word.encode() + b"\n")
        self._twin.stdin.flush()

    def start_both(self) -> None:
        self.supervisor.start("pedal", "studio.workers.pedal", {"path": str(self.link)})
        self.supervisor.start("control", "studio.workers.control", {"realtime": False, "pedal": True})
        for name in ("pedal", "control"):
            self.wait(lambda name=name: self.said(name, "ready"), f"{name} is ready")

    def close(self) -> None:
        super().close()
        for stream in (self._twin.stdin, self._twin.stdout):
            if stream is not None:
                stream.close()
        self._twin.wait(PATIENCE_S)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[PedalledStation]:
    made = PedalledStation(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("trouble", ["release", "silence", "unplug", "kill"])
def test_arms_hold_when_the_pedal_is_let_go_of_or_lost(station: PedalledStation, trouble: str) -> None:
    station.start_both()
    station.foot("press")
    station.wait(lambda: (station.said("pedal", "state") or [{}])[-1].get("pressed"), "the pedal is pressed")
    station.engage()
    if trouble == "kill":
        station.kill("pedal")
    else:
        station.foot(trouble)
    station.wait(lambda: station.state() == "holding", "the arms hold")
    if trouble in ("silence", "unplug"):
        station.wait(lambda: station.texts("pedal"), "the pedal's trouble is told")
        assert "pedal" in station.texts("pedal")
