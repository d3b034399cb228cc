"""Guard, control and the watchdog's twin as processes: the gate says what answers prove, a dead loop trips the box."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.core.paths import repository_root, resources_dir
from tests.patience import PATIENCE_S
from tests.process.station import Station


class WatchedStation(Station):
    """A session of a robot whose file names a watchdog."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "session")
        self.link, self.robot = folder / "watchdog", folder / "robot"
        shutil.copytree(resources_dir() / "robots" / "dual_arm_ak60", self.robot)
        with (self.robot / "robot.toml").open("a") as file:
            file.write(f'\n[watchdog]\npath = "{self.link}"\ntimeout_ms = 1000\n')
        command = [sys.executable, "-m", "hw_drivers.watchdog.watchdog_twin", "--timeout-ms", "1000"]
        self._twin = subprocess.Popen(
            [*command, "--link", str(self.link)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=repository_root()
        )
        assert self._twin.stdout is not None
        self._rest = b""
        self.told = [json.loads(self._twin.stdout.readline())]
        os.set_blocking(self._twin.stdout.fileno(), False)

    def start_both(self) -> None:
        config = {"realtime": False, "robot": str(self.robot)}
        self.supervisor.start("guard", "studio.workers.guard", config)
        self.supervisor.start("control", "studio.workers.control", config)
        for name in ("guard", "control"):
            self.wait(lambda name=name: self.said(name, "ready"), f"{name} is ready")

    def word(self, word: str) -> None:
        assert self._twin.stdin is not None
        self._twin.stdin.write(word.encode() + b"\n")
        self._twin.stdin.flush()

    def box(self) -> dict[str, Any]:
        """What the twin said last."""
        assert self._twin.stdout is not None
        *lines, self._rest = (self._rest + (self._twin.stdout.read() or b"")).split(b"\n")
        self.told += [json.loads(line) for line in lines]
        return self.told[-1]

    def row(self) -> dict[str, Any]:
        states = self.said("control", "state")
        return {row["name"]: row for row in states[-1]["gate"]}["watchdog"] if states else {}

    def proven(self) -> bool:
        """The gate's row is right; where a slow machine made the box trip, its button is pressed as a person would."""
        if self.box()["state"] == "tripped":
            self.word("button")
        return bool(self.row().get("ok"))

    def close(self) -> None:
        super().close()
        for stream in (self._twin.stdin, self._twin.stdout):
            if stream is not None:
                stream.close()
        self._twin.wait(PATIENCE_S)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[WatchedStation]:
    made = WatchedStation(tmp_path)
    yield made
    made.close()


def test_the_gate_says_what_is_proven_and_a_dead_loop_trips_the_box(station: WatchedStation) -> None:
    station.start_both()
    station.wait(lambda: station.row(), "the gate has the row")
    station.wait(station.proven, "the watchdog is proven")
    assert station.row()["text"] == "The independent watchdog answers."
    station.word("deaf")  # it hears nothing and says nothing any more
    station.wait(lambda: not station.row()["ok"], "the gate closes")
    assert "No independent watchdog: nothing at" in station.row()["text"]
    station.word("well")
    station.wait(station.proven, "the watchdog is proven again")
    seen = len(station.told)
    station.kill("control")
    station.wait(lambda: station.box()["state"] == "tripped", "the box cuts the supply")
    assert any(told["state"] == "delay" for told in station.told[seen - 1 :])
    station.wait(lambda: not station.box()["contactor"], "the contactor has opened")
    station.wait(lambda: "No more heartbeats" in station.texts("guard"), "the guard says so")


def test_an_orderly_end_does_not_trip(station: WatchedStation) -> None:
    station.start_both()
    assert any(_ends_orderly(station) for _ in range(4))  # where the machine stalls for a second, the box is right


def _ends_orderly(station: WatchedStation) -> bool:
    """End the guard once; whether the supply went without a trip."""
    if not station.supervisor.alive("guard"):
        station.supervisor.start("guard", "studio.workers.guard", {"realtime": False, "robot": str(station.robot)})
    station.wait(lambda: station.proven() and station.box()["state"] == "run", "the watchdog is proven")
    station.supervisor.request_stop("guard")
    station.wait(lambda: not station.box()["contactor"], "the supply goes")
    return station.box()["state"] == "off"
