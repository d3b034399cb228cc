"""The reference firmware of the independent watchdog: its states on a clock that the test turns."""

from __future__ import annotations

import pytest

from hw_drivers.watchdog.firmware import FirmwareSettings, WatchdogFirmware
from hw_drivers.watchdog.protocol import (
    LineReader,
    WatchState,
    add_check,
    format_end,
    format_heartbeat,
    format_question,
    make_answer,
    parse_reply,
    parse_settings,
)


class Box:
    """A box and the time; heartbeats are sent to it every 20 ms."""

    def __init__(self, **settings: int) -> None:
        self.firmware, self.now_s, self.count = WatchdogFirmware(FirmwareSettings(**settings)), 100.0, 250

    def wait(self, duration_s: float) -> None:
        for _ in range(round(duration_s / 0.001)):
            self.now_s += 0.001
            self.firmware.tick(self.now_s)

    def beat(self, times: int = 1, *, step: int = 1) -> None:
        for _ in range(times):
            self.count = (self.count + step) & 0xFF
            answer = self.firmware.feed(format_heartbeat(self.count, 0xBEEF), self.now_s)
            (text,) = LineReader().feed(answer)
            reply = parse_reply(text)
            assert reply is not None and reply.count == self.count and reply.answer == make_answer(0xBEEF)
            assert reply.state is self.firmware.state
            self.wait(0.02)


def run_box(**settings: int) -> Box:
    box = Box(**settings)
    box.beat(3)
    assert box.firmware.state is WatchState.RUN and not box.firmware.contactor  # it moves
    box.beat(1)
    assert box.firmware.state is WatchState.RUN and box.firmware.contactor
    return box


def test_three_heartbeats_in_a_row_close_the_contactor() -> None:
    box = Box()
    box.beat(2)
    assert box.firmware.state is WatchState.OFF and not box.firmware.coil
    box.wait(0.06)  # they were too old by now
    box.beat(2)
    assert box.firmware.state is WatchState.OFF
    box.beat(1)
    assert box.firmware.state is WatchState.RUN


def test_counts_that_skip_or_stand_still_do_not_close_it() -> None:
    box = Box()
    box.beat(6, step=2)
    box.beat(6, step=0)
    assert box.firmware.state is WatchState.OFF


@pytest.mark.parametrize("delay_ms", [300, 0])
def test_silence_damps_then_cuts_and_only_the_button_leads_back(delay_ms: int) -> None:
    box = run_box(timeout_ms=50, delay_ms=delay_ms)
    box.beat(20)
    assert box.firmware.state is WatchState.RUN
    box.wait(0.029)  # 20 ms after the last one are over
    assert box.firmware.contactor
    box.wait(0.004)
    if delay_ms:
        assert box.firmware.state is WatchState.DELAY and box.firmware.contactor
        box.beat(5)  # too late: a computer that comes back does not save it
        box.wait(0.195)
        assert box.firmware.state is WatchState.DELAY
        box.wait(0.01)
    assert box.firmware.state is WatchState.TRIPPED and not box.firmware.coil
    box.beat(10)
    assert not box.firmware.contactor
    assert box.firmware.state is WatchState.TRIPPED
    box.firmware.press_button(box.now_s)
    assert box.firmware.state is WatchState.OFF
    box.beat(3)
    assert box.firmware.state is WatchState.RUN


def test_a_frozen_computer_that_repeats_itself_is_silent() -> None:
    box = run_box()
    box.beat(30, step=0)
    assert box.firmware.state is WatchState.TRIPPED


def test_an_orderly_end_does_not_trip() -> None:
    box = run_box()
    box.firmware.feed(format_end(7), box.now_s)
    box.wait(1.0)
    assert box.firmware.state is WatchState.OFF and not box.firmware.contactor
    box.beat(3)
    assert box.firmware.state is WatchState.RUN


def test_a_welded_contactor_is_a_fault_for_good() -> None:
    box = run_box()
    box.firmware.welded = True
    box.wait(0.6)
    assert box.firmware.state is WatchState.FAULT and box.firmware.contactor and not box.firmware.coil
    box.firmware.press_button(box.now_s)
    box.beat(10)
    assert box.firmware.state is WatchState.FAULT


def test_a_contactor_may_take_50_ms_and_not_more_than_100() -> None:
    for travel_s, ends in ((0.05, WatchState.RUN), (0.12, WatchState.FAULT)):
        box = Box()
        box.firmware = WatchdogFirmware(travel_s=travel_s)
        box.beat(12)
        assert box.firmware.state is ends


def test_damaged_lines_are_silence() -> None:
    box, line = run_box(), format_heartbeat(1, 0x1234)
    for place in range(len(line) - 1):
        for bit in range(8):
            wrong = line[:place] + bytes([line[place] ^ 1 << bit]) + line[place + 1 :]
            assert box.firmware.feed(wrong, box.now_s) == b"", wrong
            box.firmware.feed(b"\n", box.now_s)
    for text in (b"H,1", b"H,x,0000", b"H,1,zz", b"X,1,2", b"", b"W,1,2,R,1", b"H,1,0000,5"):
        assert box.firmware.feed(add_check(text), box.now_s) == b""
    box.firmware.feed(bytes(range(11)) * 200, box.now_s)
    box.wait(0.4)
    assert box.firmware.state is WatchState.TRIPPED


def test_settings_are_told() -> None:
    (text,) = LineReader().feed(WatchdogFirmware(FirmwareSettings(timeout_ms=80)).feed(format_question(), 0.0))
    assert parse_settings(text) == (1, 80, 300)
    assert parse_settings(b"V,1,2") is None and parse_reply(b"W,1,ZZZZ,R,1") is None
    assert parse_reply(b"W,1,0000,Q,1") is None
