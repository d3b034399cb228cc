"""The serial pedal and its protocol: only fresh, whole, agreeing news count as pressed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_drivers.pedals.pedal_twin import PedalTwin
from hw_drivers.pedals.serial_pedal import SerialPedal, format_line, parse_line
from studio.core.errors import DeviceError
from tests.patience import wait_for_it

MS = 1_000_000


class Pair:
    """A pedal twin and the driver that reads it, on a clock of the test's own."""

    def __init__(self) -> None:
        self.twin = PedalTwin()
        self.pedal = SerialPedal(self.twin.path)
        self.now_ns = 1_000 * MS

    def pressed(self) -> bool:
        return self.pedal.read(self.now_ns).pressed

    def turn(self) -> None:
        """20 ms pass, in which the pedal says its line."""
        self.now_ns += 20 * MS
        self.twin.speak()
        self.pedal.read(self.now_ns)

    def until(self, reached: Callable[[], bool], what: str) -> None:
        wait_for_it(reached, what, turn=self.turn)

    def close(self) -> None:
        self.pedal.close()
        self.twin.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def test_the_line_of_the_documentation() -> None:
    assert format_line(True, True, 42) == b"P,1,1,42*7A\n"
    assert parse_line(b"P,1,1,42*7A") == parse_line(b"P,1,1,42*7A\r") == (True, True, 42)


@given(st.booleans(), st.booleans(), st.integers(0, 255), st.integers(0, 100), st.integers(0, 7))
def test_one_flipped_bit_is_rejected_or_the_same(first: bool, second: bool, count: int, place: int, bit: int) -> None:
    line = bytearray(format_line(first, second, count)[:-1])
    line[place % len(line)] ^= 1 << bit
    assert parse_line(bytes(line)) is None


@given(st.binary(max_size=30))
def test_noise_is_nothing(noise: bytes) -> None:
    parsed = parse_line(noise)
    assert parsed is None or noise.strip(b"\r") == format_line(*parsed)[:-1]


def test_pressed_and_released(pair: Pair) -> None:
    assert not pair.pressed() and "not said anything" in pair.pedal.state.trouble
    pair.twin.obey("press")
    pair.until(pair.pressed, "pressed")
    assert pair.pedal.state.trouble == ""
    pair.twin.obey("release")
    pair.until(lambda: not pair.pressed(), "released")


@pytest.mark.parametrize(
    ("manner", "said"), [("silence", "silent for"), ("freeze", "silent for"), ("garble", "silent")]
)
def test_stale_means_released(pair: Pair, manner: str, said: str) -> None:
    pair.twin.obey("press")
    pair.until(pair.pressed, "pressed")
    pair.twin.obey(manner)
    pair.until(lambda: not pair.pressed(), "stale")
    assert "silent for" in pair.pedal.state.trouble
    pair.twin.obey("speak")
    pair.until(pair.pressed, "back")


def test_contacts_that_disagree_are_released_and_told(pair: Pair) -> None:
    pair.twin.obey("press")
    pair.until(pair.pressed, "pressed")
    pair.twin.obey("half")
    pair.until(lambda: not pair.pressed(), "released")
    pair.until(lambda: "disagree" in pair.pedal.state.trouble, "told")


def test_a_pulled_plug_is_released_at_once(pair: Pair) -> None:
    pair.twin.obey("press")
    pair.until(pair.pressed, "pressed")
    pair.twin.obey("unplug")
    wait_for_it(lambda: not pair.pressed() and "gone" in pair.pedal.state.trouble, "gone")
    assert not pair.pressed()


def test_an_absent_pedal_is_a_sentence() -> None:
    with pytest.raises(DeviceError, match="cannot be opened"):
        SerialPedal("/dev/there-is-no-such-pedal")
