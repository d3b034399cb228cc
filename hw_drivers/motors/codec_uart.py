"""Framing of the drives' serial port: head, length, payload, CRC-16, tail; both dialects, and a parser of byte streams.

CRC-16 is XMODEM (polynomial 0x1021, initial 0) over the payload only. It detects every error of one or two bits, every
odd number of wrong bits and every burst of up to 16 bits inside payload and CRC; of other errors 1 in 65,536 passes.
Head, length and tail are outside it: they are checked by value. Source: driver manual V1.0.18 section 5.2.2, V3 manual.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass

from studio.core.errors import ConfigError, DataError

BAUD_RATE = 921_600
SHORT_MAX = 255
_LONG_HEAD = 0x03  # legacy: two bytes of length follow
_AROUND = 5  # head, length, two bytes of CRC, tail


@dataclass(frozen=True, slots=True)
class Framing:
    """First and last byte of a dialect's frames."""

    firmware: str
    head: int
    tail: int


FRAMINGS = {"legacy": Framing("legacy", 0x02, 0x03), "v3": Framing("v3", 0xAA, 0xBB)}


def find_framing(firmware: str) -> Framing:
    if firmware not in FRAMINGS:
        raise ConfigError(f"Serial dialect {firmware!r} is unknown. Known: {', '.join(FRAMINGS)}.")
    return FRAMINGS[firmware]


def crc16(payload: bytes) -> int:
    """CRC-16/XMODEM; crc16(b"123456789") = 0x31C3."""
    return crc_hqx(payload, 0)


def encode_frame(payload: bytes, firmware: str) -> bytes:
    """Payload (command id and data) as a frame.

    Raises:
        ConfigError: empty, or too long for the dialect.
    """
    framing = find_framing(firmware)
    if not payload or (len(payload) > SHORT_MAX and firmware != "legacy") or len(payload) > 0xFFFF:
        raise ConfigError(f"A serial payload has {len(payload)} bytes; allowed 1 to {SHORT_MAX}. Send less.")
    if len(payload) > SHORT_MAX:
        start = bytes([_LONG_HEAD]) + len(payload).to_bytes(2, "big")
    else:
        start = bytes([framing.head, len(payload)])
    return start + payload + crc16(payload).to_bytes(2, "big") + bytes([framing.tail])


def decode_frame(frame: bytes, firmware: str) -> bytes:
    """The payload of one whole frame; nothing may be before or after it.

    Raises:
        DataError: says which part is wrong.
    """
    framing = find_framing(firmware)
    shown = frame[:16].hex(" ") + (" …" if len(frame) > 16 else "")
    long = firmware == "legacy" and len(frame) > SHORT_MAX + _AROUND
    start = 3 if long else 2
    if len(frame) < _AROUND + 1:
        raise DataError(f"Serial frame {shown} has {len(frame)} bytes; the shortest has 6. Read on, or drop it.")
    if frame[0] != (_LONG_HEAD if long else framing.head):
        raise DataError(
            f"Serial frame {shown} starts with {frame[0]:#04x}; {firmware} starts with {framing.head:#04x}."
        )
    length = int.from_bytes(frame[1:start], "big")
    if length != len(frame) - start - 3 or length == 0:
        raise DataError(f"Serial frame {shown} says {length} bytes of payload and has {len(frame) - start - 3}.")
    if frame[-1] != framing.tail:
        raise DataError(f"Serial frame {shown} ends with {frame[-1]:#04x}; {firmware} ends with {framing.tail:#04x}.")
    payload, said = frame[start:-3], int.from_bytes(frame[-3:-1], "big")
    if crc16(payload) != said:
        raise DataError(
            f"Serial frame {shown} has CRC {said:04x}, computed {crc16(payload):04x}. It was damaged; drop it."
        )
    return payload


class FrameParser:
    """Frames out of a stream of bytes. It never raises: what is no frame is skipped and counted.

    Args:
        firmware: `legacy` or `v3`.
        longest: longest payload that is believed; a damaged length cannot make it wait for more.
    """

    def __init__(self, firmware: str, longest: int = SHORT_MAX) -> None:
        self._framing = find_framing(firmware)
        self._longest = min(longest, SHORT_MAX)
        self._buffer = bytearray()
        self.rejected = 0  # starts of frames that were none
        self.skipped_bytes = 0

    @property
    def waiting(self) -> int:
        """Bytes of a frame that is not whole yet. A reader that sees no more for a while calls `clear`."""
        return len(self._buffer)

    def clear(self) -> None:
        """Give up on what is not whole."""
        self.skipped_bytes += len(self._buffer)
        self._buffer.clear()

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads of the frames that these bytes completed."""
        self._buffer += data
        payloads = list[bytes]()
        while self._find_head():
            payload = self._take()
            if payload is None:
                break
            if payload:
                payloads.append(payload)
        return payloads

    def _find_head(self) -> bool:
        place = self._buffer.find(self._framing.head)
        if place:
            self._drop(len(self._buffer) if place < 0 else place)
        return len(self._buffer) >= 2

    def _take(self) -> bytes | None:
        """A payload; empty when this was no frame; None when more bytes are needed."""
        length = self._buffer[1]
        if not 0 < length <= self._longest:
            return self._reject()
        size = length + _AROUND
        if len(self._buffer) < size:
            return None
        payload = bytes(self._buffer[2 : 2 + length])
        said = int.from_bytes(self._buffer[size - 3 : size - 1], "big")
        if self._buffer[size - 1] != self._framing.tail or crc16(payload) != said:
            return self._reject()
        del self._buffer[:size]
        return payload

    def _reject(self) -> bytes:
        """This head was none: look for the next one behind it."""
        self.rejected += 1
        self._drop(1)
        return b""

    def _drop(self, count: int) -> None:
        self.skipped_bytes += count
        del self._buffer[:count]
