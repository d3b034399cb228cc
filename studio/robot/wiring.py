"""Which motors are on which bus, as data; opening them is the business of `workers/rig.py`."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.core.config import check_range
from studio.core.errors import ConfigError, DeviceError

SIDES = ("leader", "follower")
PEDAL_KINDS = ("serial", "evdev")
WATCHDOG_KINDS = ("serial", "pulse")


@dataclass(frozen=True, kw_only=True)
class BusWiring:
    """One bus of a robot.

    Args:
        interface: `socketcan` (raw sockets), or any other interface of python-can, such as slcan.
        channel: such as `can0` or `/dev/ttyACM0`.
        arms: pair and side of each arm on this bus, such as `L leader`.
        drive_ids: of all joints of those arms, base to wrist, arm after arm; empty: 1, 2, 3, ...
        twin: the drives behind it are twins: nothing about them is unknown, and they lose no angle with the supply.
        options: of that interface, such as `sleep_after_open` (s) or `tty_baudrate` for slcan.
    """

    interface: str
    channel: str
    arms: tuple[str, ...]
    drive_ids: tuple[int, ...] = ()
    twin: bool = False
    options: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())

    @property
    def name(self) -> str:
        return f"{self.interface}:{self.channel}"

    def motors(self, pair_names: Sequence[str], joints_per_arm: int) -> list[int]:
        """Rows of commands and states (leader joints of all pairs first, then follower joints).

        Raises:
            ConfigError: an arm that the robot does not have.
        """
        rows: list[int] = []
        for arm in self.arms:
            pair, _, side = arm.partition(" ")
            if pair not in pair_names or side not in SIDES:
                known = ", ".join(f"{p} {s}" for p in pair_names for s in SIDES)
                raise ConfigError(f"Bus {self.name}: there is no arm {arm!r}. Known: {known}. Mend the list `arms`.")
            first = (SIDES.index(side) * len(pair_names) + list(pair_names).index(pair)) * joints_per_arm
            rows += range(first, first + joints_per_arm)
        return rows

    def ids(self, joints_per_arm: int) -> tuple[int, ...]:
        """Drive ids in the order of `motors`."""
        count = joints_per_arm * len(self.arms)
        if self.drive_ids and len(self.drive_ids) != count:
            raise ConfigError(
                f"Bus {self.name}: {len(self.drive_ids)} drive ids for {count} motors. Give one per motor."
            )
        return self.drive_ids or tuple(range(1, count + 1))


@dataclass(frozen=True, kw_only=True)
class PedalWiring:
    """The dead-man pedal of a robot.

    Args:
        path: a serial port, or input events: `/dev/input/event*` or a named pipe.
        kind: `serial` or `evdev`; empty: as the path tells.
        button, axis: codes of an evdev pedal; -1: any button, no axis.
    """

    path: str
    kind: str = ""
    button: int = -1
    axis: int = -1

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigError("pedal: a path is missing. Give a serial port, or input events of /dev/input.")
        if self.kind not in ("", *PEDAL_KINDS):
            raise ConfigError(f"pedal: kind is {self.kind!r}; allowed {' or '.join(PEDAL_KINDS)}. Change it.")

    def to_config(self) -> dict[str, Any]:
        """For the worker `pedal`."""
        kind = self.kind or guess_pedal_kind(self.path)
        return {"kind": kind, "path": self.path, "button": self.button, "axis": self.axis}


@dataclass(frozen=True, kw_only=True)
class WatchdogWiring:
    """The independent watchdog of a robot (spec/hardware.md 8.2, layer 4).

    Args:
        path: a serial port, or for `pulse` the value file of an output.
        kind: `serial` (answers prove that it is there) or `pulse` (nothing is proven).
        timeout_ms, delay_ms: what the box must be set to: silence borne, and damped stop before the cut.
    """

    path: str
    kind: str = "serial"
    timeout_ms: int = 50
    delay_ms: int = 300

    def __post_init__(self) -> None:
        if not self.path or self.kind not in WATCHDOG_KINDS:
            raise ConfigError(f"watchdog: kind {self.kind!r} at {self.path!r}; give a path and serial or pulse.")
        check_range("watchdog", "timeout_ms", self.timeout_ms, 40, 1000, " ms")
        check_range("watchdog", "delay_ms", self.delay_ms, 0, 300, " ms")


@dataclass(frozen=True, kw_only=True)
class CameraWiring:
    """The camera that looks at a real robot's table.

    Args:
        device: such as `/dev/v4l/by-id/...`; any other file is read as a film.
        name: of its streams and of its calibration.
        width_px, height_px: asked for; 0: as the camera likes.
    """

    device: str
    name: str = "top"
    width_px: int = 0
    height_px: int = 0
    rate_hz: float = 30.0

    def __post_init__(self) -> None:
        if not self.device:
            raise ConfigError("camera: a device is missing. Give a path such as /dev/video0.")
        check_range("camera", "rate_hz", self.rate_hz, 1.0, 120.0, " Hz")
        check_range("camera", "width_px", self.width_px, 0, 8192, " px")
        check_range("camera", "height_px", self.height_px, 0, 8192, " px")


def guess_pedal_kind(path: str) -> str:
    """`evdev` for input events and named pipes, else `serial`."""
    place = Path(path)
    try:
        pipe = stat.S_ISFIFO(place.stat().st_mode)
    except OSError:
        pipe = False  # not there: whoever opens it says so
    return "evdev" if pipe or "/dev/input/" in str(place.resolve()) else "serial"


def find_pedal(path: str) -> PedalWiring | None:
    """The pedal that a person named, None for an empty path.

    Raises:
        DeviceError: there is nothing.
    """
    if path and not Path(path).exists():
        raise DeviceError(
            f"Pedal {path} does not exist. Plug it in; serial ports are in /dev/serial/by-id, events in /dev/input."
        )
    return PedalWiring(path=path) if path else None
