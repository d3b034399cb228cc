"""Latency timers of FTDI adapters, read from a folder laid out like the kernel's."""

from __future__ import annotations

from pathlib import Path

from hw_drivers.pedals.latency import read_latency_timers
from studio.cli.doctor import check_serial_latency


def test_slow_adapters_are_found_with_what_to_type(tmp_path: Path) -> None:
    assert read_latency_timers(tmp_path) == [] and check_serial_latency(tmp_path).ok
    for port, text in (("ttyUSB0", "16\n"), ("ttyUSB1", "1\n"), ("ttyUSB2", "?")):
        (tmp_path / port).mkdir()
        (tmp_path / port / "latency_timer").write_text(text)
    timers = read_latency_timers(tmp_path)
    assert [(t.port, t.latency_ms, t.ok) for t in timers] == [("ttyUSB0", 16, False), ("ttyUSB1", 1, True)]
    check = check_serial_latency(tmp_path)
    assert not check.ok and "ttyUSB0 16 ms" in check.detail
    assert check.fix == "echo 1 | sudo tee /sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
