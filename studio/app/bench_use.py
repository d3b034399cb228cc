"""Which buses the bench is at work on, from the messages that pass the session: two programs never share a bus."""

from __future__ import annotations

from collections.abc import Collection

from studio.ipc.messages import Message

_OVER = ("finished", "ended")


class BenchUse:
    """Told every message to and from worker `commission` (its module says what they are)."""

    def __init__(self) -> None:
        self._checking = ""  # bus of the motor on the bench
        self._open = False  # the bench has it; what is refused from now on is an answer
        self._searching = list[str]()

    @property
    def buses(self) -> frozenset[str]:
        """Names such as `socketcan:can0`."""
        return frozenset(bus for bus in (self._checking, *self._searching) if bus)

    def sent(self, message: Message) -> None:
        bus = str(message.values.get("bus", ""))
        if message.name == "begin" and not self._checking:
            self._checking, self._open = bus, False
        elif message.name == "discover":
            self._searching.append(bus)

    def heard(self, message: Message) -> None:
        if message.name == "state":
            self._open = True
        elif message.name == "discovery":
            self._searching = [bus for bus in self._searching if bus != str(message.values.get("bus", ""))]
        elif message.name == "refused":
            self._refused()
        if message.name in _OVER:
            self._checking, self._open = "", False
        if message.name == "ended":
            self._searching.clear()

    def _refused(self) -> None:
        """A search, or a check that was not open yet; in this order, as the bench serves them."""
        if self._searching:
            self._searching.pop(0)
        elif not self._open:
            self._checking = ""

    def blocks(self, buses: Collection[str]) -> str:
        """Why nobody else may open these buses now, in a few words; empty when they are free."""
        shared = sorted(self.buses & set(buses))
        return f"the bench is at work on {', '.join(shared)}: end that first" if shared else ""
