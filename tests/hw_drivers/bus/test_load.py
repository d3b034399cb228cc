"""Bus load against the table of spec/hardware.md section 5."""

from __future__ import annotations

import pytest

from hw_drivers.bus.load import LEGACY, V3, bus_load, check_load, fastest_rate_hz, fitting_table, frame_bits
from studio.core.errors import ConfigError


@pytest.mark.parametrize(
    ("data_bytes", "extended", "unstuffed", "worst"),
    [(8, False, 111, 135), (6, False, 95, 115), (8, True, 131, 160)],
)
def test_bits_of_a_frame(data_bytes: int, extended: bool, unstuffed: int, worst: int) -> None:
    assert frame_bits(data_bytes, extended=extended, stuffed=False) == unstuffed
    assert frame_bits(data_bytes, extended=extended) == worst


@pytest.mark.parametrize(
    ("motors", "ceiling_hz", "load_500"), [(1, 3704, 14), (2, 1852, 27), (3, 1235, 41), (4, 926, 54), (8, 463, 108)]
)
def test_the_published_table(motors: int, ceiling_hz: int, load_500: int) -> None:
    assert fastest_rate_hz(motors, LEGACY, 1.0) == pytest.approx(ceiling_hz, abs=0.5)
    assert 100 * bus_load(motors, 500.0) == pytest.approx(load_500, abs=0.5)


def test_v3_at_500_hz_is_64_percent() -> None:
    assert bus_load(4, 500.0, V3) == pytest.approx(0.64)


def test_a_bus_that_is_too_full_is_refused_with_what_would_fit() -> None:
    assert check_load("can0", 4, 400.0) == pytest.approx(0.432)
    with pytest.raises(ConfigError, match=r"can0: 8 motors at 400 Hz load it 86 %.*8 motors 324 Hz.*Lower the rate"):
        check_load("can0", 8, 400.0)
    assert [int(row["rate_hz"]) for row in fitting_table()][:4] == [2592, 1296, 864, 648]
