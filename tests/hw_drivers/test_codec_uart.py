"""Serial framing: CRC, resynchronisation, damage. What CRC-16 promises is tested, and no more is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_drivers.motors.codec_uart import FRAMINGS, FrameParser, crc16, decode_frame, encode_frame
from studio.core.errors import ConfigError, DataError
from tests.hw_drivers.vectors import UART_FRAMES

FRAMES = [(dialect, bytes.fromhex(frame)) for dialect, frame in UART_FRAMES]


def _flipped(frame: bytes, *bits: int) -> bytes:
    damaged = bytearray(frame)
    for bit in bits:
        damaged[bit // 8] ^= 1 << (bit % 8)
    return bytes(damaged)


def test_the_crc() -> None:
    assert crc16(b"123456789") == 0x31C3
    table = [crc16(bytes([i])) for i in range(256)]
    assert table[:8] == [0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7] and table[-1] == 0x1EF0


@pytest.mark.parametrize(("dialect", "frame"), FRAMES, ids=lambda v: v if isinstance(v, str) else v.hex()[:24])
def test_one_flipped_bit_is_rejected(dialect: str, frame: bytes) -> None:
    """Every bit of every vector: as a whole frame, and out of a stream with healthy frames around it."""
    assert encode_frame(decode_frame(frame, dialect), dialect) == frame
    for bit in range(8 * len(frame)):
        damaged = _flipped(frame, bit)
        for other in FRAMINGS:
            with pytest.raises(DataError):
                decode_frame(damaged, other)
        parser = FrameParser(dialect)
        assert parser.feed(damaged) == []
        parser.clear()
        assert parser.feed(frame) == [decode_frame(frame, dialect)]


def test_two_flipped_bits_in_payload_or_crc_are_rejected() -> None:
    """CRC is linear: damage is seen unless the effects of its bits cancel. No two bits of any length have the same."""
    length = 255
    single = [crc16(_flipped(bytes(length), bit)) for bit in range(8 * length)]
    effects = single + [1 << bit for bit in range(16)]  # of a bit of the payload, and of a bit of the CRC itself
    assert 0 not in effects and len(set(effects)) == len(effects)
    assert all(effect.bit_count() % 2 == 1 for effect in effects)  # so no odd number of them cancels


def test_more_damage_passes_one_time_in_65536() -> None:
    """The honest limit: of random payloads with a random CRC about 2^-16 are believed."""
    generator = np.random.default_rng(5)
    trials, passed = 200_000, 0
    noise = generator.integers(0, 256, size=(trials, 7), dtype=np.uint8).tobytes()
    for place in range(0, 7 * trials, 7):
        passed += crc16(noise[place : place + 5]) == int.from_bytes(noise[place + 5 : place + 7], "big")
    assert passed < 15  # 3.1 expected; more than 14 is one chance in a million


@given(st.sampled_from(sorted(FRAMINGS)), st.binary(min_size=1, max_size=255))
def test_a_payload_comes_back(dialect: str, payload: bytes) -> None:
    assert decode_frame(encode_frame(payload, dialect), dialect) == payload


def test_a_long_legacy_payload() -> None:
    frame = encode_frame(bytes(300), "legacy")
    assert frame[:3] == bytes([0x03, 0x01, 0x2C]) and decode_frame(frame, "legacy") == bytes(300)
    with pytest.raises(ConfigError, match="300 bytes; allowed 1 to 255"):
        encode_frame(bytes(300), "v3")


@given(
    st.sampled_from(sorted(FRAMINGS)),
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6),
    st.lists(st.integers(1, 9), min_size=1, max_size=20),
)
def test_a_stream_in_any_pieces(dialect: str, payloads: list[bytes], pieces: list[int]) -> None:
    stream = b"".join(encode_frame(payload, dialect) for payload in payloads)
    parser, found, place, turn = FrameParser(dialect), list[bytes](), 0, 0
    while place < len(stream):
        size = pieces[turn % len(pieces)]
        found += parser.feed(stream[place : place + size])
        place, turn = place + size, turn + 1
    assert found == payloads and parser.waiting == 0 and parser.rejected == 0


@given(st.sampled_from(sorted(FRAMINGS)), st.binary(max_size=60))
def test_rubbish_before_a_frame_costs_no_later_frame(dialect: str, rubbish: bytes) -> None:
    frame = encode_frame(b"\x04", dialect)
    parser = FrameParser(dialect, longest=80)
    parser.feed(rubbish)
    found = list[bytes]()
    for _ in range(90):  # rubbish may look like the start of a longer frame, which ends within 85 bytes
        found += parser.feed(frame)
    assert found.count(b"\x04") >= 90 - 85 // len(frame) - 1


def test_a_cut_off_frame_is_given_up_on_time_out() -> None:
    parser = FrameParser("legacy")
    assert parser.feed(bytes.fromhex("024904013b")) == [] and parser.waiting == 5
    parser.clear()
    assert parser.waiting == 0 and parser.feed(bytes.fromhex("020104408403")) == [b"\x04"]
    assert parser.skipped_bytes == 5


@pytest.mark.parametrize(
    ("frame", "dialect", "said"),
    [
        ("0201", "legacy", "has 2 bytes; the shortest has 6"),
        ("AA01451861BB", "legacy", "starts with 0xaa; legacy starts with 0x02"),
        ("020204408403", "legacy", "says 2 bytes of payload and has 1"),
        ("020104408404", "legacy", "ends with 0x04"),
        ("020104408503", "legacy", "CRC 4085, computed 4084"),
        ("020104408403", "v2", None),
    ],
)
def test_damage_is_named(frame: str, dialect: str, said: str | None) -> None:
    if said is None:
        with pytest.raises(ConfigError, match="dialect 'v2' is unknown"):
            decode_frame(bytes.fromhex(frame), dialect)
        return
    with pytest.raises(DataError, match=said):
        decode_frame(bytes.fromhex(frame), dialect)
