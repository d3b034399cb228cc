"""Looking for motors, bus by bus: who answers, in which dialect. Moves nothing. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plugins.devices.motors import TWIN, Arm, Motor

_SPOKEN = {"legacy": "legacy", "v3_query": "v3"}  # dialect of a reply -> firmware to choose


class Search:
    """One search at a time, one bus after the other.

    Args:
        send: a message to the bench.
    """

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self._waiting: list[tuple[str, list[Motor]]] = []  # key of a bus and the motors that should be there
        self.seen: dict[str, dict[str, Any]] = {}  # joint -> what was found of it; empty: no answer
        self.problems: dict[str, str] = {}  # by bus: why it could not be searched, or what is odd there
        self.nothing_can_fall = False

    @property
    def running(self) -> bool:
        return bool(self._waiting)

    def begin(self, arms: Sequence[Arm], motors: Sequence[Motor]) -> None:
        """Ask every bus that some arm is on."""
        self.problems = {}
        buses: dict[str, list[Motor]] = {}
        for arm in arms:
            buses.setdefault(arm.load_key, []).extend(motor for motor in motors if motor.arm == arm.name)
        self._waiting = list(buses.items())
        self._ask()

    def _ask(self) -> None:
        if not self._waiting:
            return
        motors = self._waiting[0][1]
        bus = motors[0].bus
        twins = {"twins": {str(motor.drive_id): motor.rehearse for motor in motors}} if bus == TWIN else {}
        first = {"model": motors[0].model, "firmware": motors[0].firmware}
        self._send("discover", bus=bus, nothing_can_fall=self.nothing_can_fall, **first, **twins)

    def take(self, found: dict[str, Any]) -> dict[str, str]:
        """What the bench found on the bus that was asked last.

        Returns:
            Firmware by joint of motors that speak another dialect than was believed.
        """
        if not self._waiting:
            return {}
        key, motors = self._waiting.pop(0)
        drives = {int(drive["id"]): drive for drive in found["drives"]}
        spoken: dict[str, str] = {}
        for motor in motors:
            self.seen[motor.joint] = drives.pop(motor.drive_id, {})
            firmware = _SPOKEN.get(str(self.seen[motor.joint].get("dialect", "")))
            if firmware not in (None, motor.firmware):
                spoken[motor.joint] = firmware
        if drives:
            self.problems[key] = f"Unexpected ids: {', '.join(map(str, drives))}"
        elif found["advice"]:
            self.problems[key] = str(found["advice"])
        self._ask()
        return spoken

    def refused(self, text: str) -> None:
        """The bus could not be opened or searched; the next one follows."""
        self.problems[self._waiting.pop(0)[0]] = text
        self._ask()

    def stop(self) -> None:
        self._waiting = []

    def forget(self, motors: Sequence[Motor], key: str) -> None:
        """These motors are elsewhere now."""
        for motor in motors:
            self.seen.pop(motor.joint, None)
        self.problems.pop(key, None)
