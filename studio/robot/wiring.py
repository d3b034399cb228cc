"""Which motors are on which bus, as data; opening them is the business of `workers/rig.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.core.errors import ConfigError

SIDES = ("leader", "follower")


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
