"""The reference of the watchdog's firmware as code that runs: the same states, limits and answers, in one small class.

docs/watchdog.md says it in words, with wiring. A microcontroller does the same with `now_s` from its timer.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw_drivers.watchdog.protocol import FEEDBACK_S, VERSION, LineReader, WatchState, add_check, make_answer

BEATS_TO_RUN = 3
TRAVEL_S = 0.03  # of the twin's contactor; real ones take 20 to 50 ms


@dataclass(frozen=True, kw_only=True)
class FirmwareSettings:
    """As set on the box.

    Args:
        timeout_ms: silence that is borne.
        delay_ms: from then to the cut; 0: at once (stop category 0).
    """

    timeout_ms: int = 50
    delay_ms: int = 300


class WatchdogFirmware:
    """One box with its contactor. `welded` is the contactor's own fault.

    Args:
        settings: as set on the box.
        travel_s: the contactor moves so long after its coil.
    """

    def __init__(self, settings: FirmwareSettings | None = None, *, travel_s: float = TRAVEL_S) -> None:
        self._travel_s = travel_s
        self.settings = settings or FirmwareSettings()
        self.state = WatchState.OFF
        self.welded = False
        self.contactor = False  # the auxiliary contact
        self._reader = LineReader()
        self._in_a_row, self._count = 0, -1
        self._heard_s = self._changed_s = self._switched_s = 0.0

    @property
    def coil(self) -> bool:
        """Whether the contactor's coil has current."""
        return self.state.closed

    def feed(self, data: bytes, now_s: float) -> bytes:
        """Bytes from the computer; returns what is answered."""
        return b"".join(self._obey(text.split(b","), now_s) for text in self._reader.feed(data))

    def tick(self, now_s: float) -> None:
        """At least every millisecond: time-outs, and the contactor's auxiliary contact."""
        if now_s - self._switched_s >= self._travel_s:
            self.contactor = self.coil or (self.welded and self.contactor)
        settings, silent_s = self.settings, now_s - self._heard_s
        if self.state is WatchState.RUN and silent_s > 1e-3 * settings.timeout_ms:
            self._enter(WatchState.DELAY if settings.delay_ms else WatchState.TRIPPED, now_s)
        elif self.state is WatchState.DELAY and now_s - self._changed_s >= 1e-3 * settings.delay_ms:
            self._enter(WatchState.TRIPPED, now_s)
        elif self.state is WatchState.OFF and silent_s > 1e-3 * settings.timeout_ms:
            self._in_a_row = 0
        if self.contactor != self.coil and now_s - self._switched_s > FEEDBACK_S:
            self._enter(WatchState.FAULT, now_s)

    def press_button(self, now_s: float) -> None:
        """The button on the box, the only way out of TRIPPED; heartbeats must then come again."""
        if self.state is WatchState.TRIPPED:
            self._enter(WatchState.OFF, now_s)

    def _obey(self, parts: list[bytes], now_s: float) -> bytes:
        if parts == [b"Q"]:
            return add_check(b"V,%d,%d,%d" % (VERSION, self.settings.timeout_ms, self.settings.delay_ms))
        if parts[0] not in (b"H", b"X") or len(parts) != (3 if parts[0] == b"H" else 2) or not parts[1].isdigit():
            return b""
        count = int(parts[1])
        if parts[0] == b"X":
            if self.state in (WatchState.RUN, WatchState.DELAY):
                self._enter(WatchState.OFF, now_s)
            return self._reply(count, 0)
        try:
            challenge = int(parts[2], 16)
        except ValueError:
            return b""
        self._hear(count, now_s)
        return self._reply(count, make_answer(challenge))

    def _hear(self, count: int, now_s: float) -> None:
        """A count that stands still is a computer that repeats itself, no sign of life."""
        if count == self._count:
            return
        follows = count == (self._count + 1) & 0xFF
        self._in_a_row = self._in_a_row + 1 if follows else 1
        self._count, self._heard_s = count, now_s
        if self.state is WatchState.OFF and self._in_a_row >= BEATS_TO_RUN and not self.contactor:
            self._enter(WatchState.RUN, now_s)

    def _reply(self, count: int, answer: int) -> bytes:
        return add_check(b"W,%d,%04X,%s,%d" % (count, answer, self.state.value.encode("ascii"), self.contactor))

    def _enter(self, state: WatchState, now_s: float) -> None:
        if state.closed != self.coil:
            self._switched_s = now_s
        self.state, self._changed_s, self._in_a_row = state, now_s, 0
