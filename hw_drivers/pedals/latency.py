"""FTDI serial adapters hold back what they read for up to 16 ms unless their latency timer is set (hardware.md 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEVICES = Path("/sys/bus/usb-serial/devices")
WANTED_MS = 1


@dataclass(frozen=True, kw_only=True)
class LatencyTimer:
    """One adapter.

    Args:
        port: such as ttyUSB0.
        latency_ms: as it is set now.
    """

    port: str
    latency_ms: int

    @property
    def ok(self) -> bool:
        return self.latency_ms <= WANTED_MS

    @property
    def fix(self) -> str:
        """What to type."""
        return f"echo {WANTED_MS} | sudo tee {DEVICES}/{self.port}/latency_timer"


def read_latency_timers(devices: Path = DEVICES) -> list[LatencyTimer]:
    """Every adapter that has such a timer; others hold nothing back."""
    found: list[LatencyTimer] = []
    for path in sorted(devices.glob("*/latency_timer")):
        try:
            found.append(LatencyTimer(port=path.parent.name, latency_ms=int(path.read_text())))
        except (OSError, ValueError):  # unplugged meanwhile
            continue
    return found
