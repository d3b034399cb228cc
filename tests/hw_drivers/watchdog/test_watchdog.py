"""The computer's side of the watchdog over a pseudo-terminal, on a clock that the test turns."""

from __future__ import annotations

import os
import pty
import select
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw_drivers.watchdog.firmware import FirmwareSettings, WatchdogFirmware
from hw_drivers.watchdog.protocol import WatchState
from hw_drivers.watchdog.watchdog import PulseWatchdog, SerialWatchdog, WatchdogStatus
from studio.core.errors import DeviceError
from tests.patience import PATIENCE_S


class Line:
    """Driver and box with the wire between them; every turn is 5 ms of their clock."""

    def __init__(self, settings: FirmwareSettings | None = None) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.firmware = WatchdogFirmware(settings)
        self.driver = SerialWatchdog(os.ttyname(self.slave))
        self.now_ns = 1_000_000_000
        self.echo = self.deaf = False
        self.status = WatchdogStatus()

    def turn(self, times: int = 1, *, healthy: bool = True) -> WatchdogStatus:
        for _ in range(times):
            self.now_ns += 5_000_000
            beats = self.driver.status.beats
            self.status = self.driver.beat(healthy, self.now_ns)
            heard = self._hear(wait=self.status.beats > beats)
            answer = heard if self.echo else b"" if self.deaf else self.firmware.feed(heard, self.now_ns * 1e-9)
            if answer:
                os.write(self.master, answer)
                assert select.select([self.slave], [], [], PATIENCE_S)[0]  # it has arrived before the next turn
            for step in range(5):
                self.firmware.tick(self.now_ns * 1e-9 + 1e-3 * step)
        return self.status

    def _hear(self, *, wait: bool) -> bytes:
        ready = select.select([self.master], [], [], PATIENCE_S if wait else 0.0)[0]
        return os.read(self.master, 4096) if ready else b""

    def unplug(self) -> None:
        os.close(self.master)
        os.close(self.slave)
        self.master = self.slave = -1

    def close(self) -> None:
        self.driver.close()
        if self.master >= 0:
            self.unplug()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def test_it_is_proven_by_its_answers_and_only_while_they_come(line: Line) -> None:
    assert not line.turn().proven and "no right answers" in line.status.trouble
    assert line.turn(40).proven and line.status.trouble == "" and line.status.beats >= 9
    assert line.status.state is WatchState.RUN and line.status.contactor
    line.deaf = True
    assert not line.turn(30).proven and "no right answers" in line.status.trouble


def test_unhealthy_is_silence_and_the_box_cuts(line: Line) -> None:
    line.turn(40)
    beats = line.status.beats
    line.turn(90, healthy=False)
    assert line.status.beats == beats and line.firmware.state is WatchState.TRIPPED
    assert not line.turn(20).proven and "press its button" in line.status.trouble
    line.firmware.press_button(line.now_ns * 1e-9)
    assert line.turn(40).proven


def test_an_echo_is_no_watchdog(line: Line) -> None:
    line.echo = True
    assert not line.turn(80).proven and "no right answers" in line.status.trouble


def test_other_settings_and_a_welded_contactor_are_named(line: Line) -> None:
    other = Line(FirmwareSettings(timeout_ms=80))
    try:
        assert not other.turn(40).proven
        assert "80 ms and 300 ms; the robot's file says 1, 50 ms, 300 ms" in other.status.trouble
    finally:
        other.close()
    line.turn(40)
    line.firmware.welded = True
    line.driver.end()
    assert not line.turn(60).proven and "Replace it" in line.status.trouble


def test_a_contactor_that_moves_is_neither_proven_nor_faulty(line: Line) -> None:
    said: list[str] = []
    for _ in range(40):
        status = line.turn()
        if status.trouble and (not said or status.trouble != said[-1]):
            said.append(status.trouble)
    assert line.status.proven and "is moving" in said[-1] and not any("Replace" in text for text in said)


def test_an_unplugged_box_is_gone(line: Line) -> None:
    line.turn(40)
    line.unplug()
    for _ in range(3):
        status = line.driver.beat(True, line.now_ns)
        line.now_ns += 25_000_000
    assert not status.proven and "is gone" in status.trouble
    with pytest.raises(DeviceError, match="cannot be opened"):
        SerialWatchdog("/dev/ttyNONE")


def test_a_box_that_reads_nothing_any_more_never_holds_the_caller() -> None:
    """More heartbeats than the line's buffer takes: `beat` comes back, and the port stays open."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    driver = SerialWatchdog(os.ttyname(slave))
    try:
        for turn in range(20_000):
            status = driver.beat(True, (turn + 1) * 25_000_000)
        assert status.beats == 20_000 and not status.proven and "no right answers" in status.trouble
    finally:
        driver.close()
        os.close(master)
        os.close(slave)


def test_a_box_that_is_about_to_cut_is_not_proven(line: Line) -> None:
    line.turn(40)
    line.firmware.state = WatchState.DELAY
    line.driver.status.state = WatchState.DELAY
    line.driver._judge(line.now_ns)
    assert not line.driver.status.proven and "cuts or has cut" in line.driver.status.trouble


def test_a_pulse_is_never_proven(tmp_path: Path) -> None:
    value = tmp_path / "value"
    value.write_text("0")
    pulse, seen = PulseWatchdog(str(value)), set()
    for turn in range(8):
        status = pulse.beat(True, turn * 20_000_000 + 20_000_000)
        seen.add(value.read_text())
    assert seen == {"0", "1"} and not status.proven and "gives no answer" in status.trouble
    before = value.read_text()
    pulse.beat(False, 10**9)
    assert value.read_text() == before
    pulse.close()
    with pytest.raises(DeviceError, match="Export it first"):
        PulseWatchdog(str(tmp_path / "none"))
