"""Lines between the computer and the independent watchdog; docs/watchdog.md describes them and the firmware.

115 200 baud 8N1. A line is `<text>*<check>\\n`, the check being CRC-16/XMODEM of the text in 4 upper-case hex digits.

| line | from | meaning |
|---|---|---|
| `H,<count>,<challenge>` | computer, every 20 ms | all is well; count 0..255, one more each; challenge 4 hex digits |
| `X,<count>` | computer | orderly end: power may go without a trip |
| `Q` | computer | which settings? |
| `W,<count>,<answer>,<state>,<contactor>` | box, to every H and X | answer to the challenge; `WatchState`; 0 or 1 |
| `V,<version>,<timeout_ms>,<delay_ms>` | box, to Q | its settings |
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from enum import Enum

BAUD_RATE = 115_200
VERSION = 1
PERIOD_S = 0.02
FEEDBACK_S = 0.1  # a contactor has so long to follow its coil
MOST_UNREAD = 256


class WatchState(Enum):
    """What the box does."""

    OFF = "O"  # contactor open, waiting for heartbeats
    RUN = "R"  # contactor closed
    DELAY = "D"  # heartbeats are missing: contactor still closed while the drives are damped (stop category 1)
    TRIPPED = "T"  # contactor open; only its own button leads back to OFF
    FAULT = "F"  # the contactor's auxiliary contact contradicts the coil: welded, or not pulling in

    @property
    def closed(self) -> bool:
        return self in (WatchState.RUN, WatchState.DELAY)


@dataclass(frozen=True, kw_only=True)
class WatchReply:
    """A line `W`."""

    count: int
    answer: int
    state: WatchState
    contactor: bool


def add_check(text: bytes) -> bytes:
    """A line as it is sent."""
    return text + b"*%04X\n" % crc_hqx(text, 0)


def check_line(line: bytes) -> bytes | None:
    """The text of a line without its end; None when its check is wrong."""
    text, star, check = line.rstrip(b"\r").rpartition(b"*")
    return text if star and check == b"%04X" % crc_hqx(text, 0) else None


def make_answer(challenge: int) -> int:
    """What a box answers; an echo of the line, a plug that gives back what it hears, cannot."""
    return crc_hqx(b"wd%04X" % challenge, 0)


def format_heartbeat(count: int, challenge: int) -> bytes:
    return add_check(b"H,%d,%04X" % (count & 0xFF, challenge & 0xFFFF))


def format_end(count: int) -> bytes:
    return add_check(b"X,%d" % (count & 0xFF))


def format_question() -> bytes:
    return add_check(b"Q")


def parse_reply(text: bytes) -> WatchReply | None:
    """A line `W`; None when it is no such line."""
    parts = text.split(b",")
    if len(parts) != 5 or parts[0] != b"W" or not parts[1].isdigit() or parts[4] not in (b"0", b"1"):
        return None
    try:
        answer, state = int(parts[2], 16), WatchState(parts[3].decode("ascii"))
    except ValueError:
        return None
    return WatchReply(count=int(parts[1]), answer=answer, state=state, contactor=parts[4] == b"1")


def parse_settings(text: bytes) -> tuple[int, int, int] | None:
    """Version, time-out and delay (ms) of a line `V`; None when it is no such line."""
    parts = text.split(b",")
    if len(parts) != 4 or parts[0] != b"V" or not all(part.isdigit() for part in parts[1:]):
        return None
    return int(parts[1]), int(parts[2]), int(parts[3])


class LineReader:
    """Bytes in, texts of valid lines out; what is no valid line is counted."""

    def __init__(self) -> None:
        self._rest = b""
        self.rejected = 0

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST_UNREAD:
            self._rest, self.rejected = b"", self.rejected + 1
        texts = [check_line(line) for line in lines]
        self.rejected += sum(text is None for text in texts)
        return [text for text in texts if text is not None]
