"""The codec's kernels give the bits of the NumPy code, over the whole range and beyond it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hw_drivers.motors.codec_mit import MitArrayCodec
from hw_drivers.motors.models import find_range, known_ranges
from studio.core.errors import SafetyError
from studio.core.kernel import tick_build

pytestmark = pytest.mark.skipif(tick_build().library is None, reason=tick_build().reason or "there is a library")

RANGES = [*known_ranges().values()][:12]
RANGES = [r if r.erpm_per_rad_s and r.torque_per_current_nm_a else replace(r, status_feedback=False) for r in RANGES]
RANGES += [replace(find_range("AK60-6"), status_feedback=False)]
MOTORS, IDS = len(RANGES), [i % 127 + 1 for i in range(len(RANGES))]
ANY = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-60.0, 60.0),
    st.sampled_from([0.0, -0.0, 12.5, -12.5, 45.0, 500.0, 5.0, 15.0, 1e300, -1e300, 5e-324]),
)
FINITE = ANY.filter(lambda x: bool(np.isfinite(x)))


def columns(values: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, (5, MOTORS), elements=values).map(lambda array: array.T)


def both() -> tuple[MitArrayCodec, MitArrayCodec]:
    """The codec with its kernels, and the reference."""
    ours, reference = MitArrayCodec(RANGES, IDS), MitArrayCodec(RANGES, IDS)
    reference._kernels._off = True
    return ours, reference


def frames_of(value: int = 0) -> np.ndarray:
    return np.full((MOTORS, 8), value, dtype=np.uint8)


def test_the_kernels_are_in_use() -> None:
    ours, reference = both()
    values, frames = np.zeros((5, MOTORS)).T, frames_of()
    for work in ("encode_commands", "encode_replies", "decode_commands", "decode_replies"):
        assert ours._kernels.find(work, values, frames) is not None
        assert reference._kernels.find(work, values, frames) is None


@settings(max_examples=60, deadline=None)
@given(columns(FINITE))
def test_commands_are_the_same_bytes_and_are_read_back_the_same(commands: np.ndarray) -> None:
    results = []
    with np.errstate(over="ignore"):
        for codec in both():
            frames, carried = frames_of(), np.zeros((5, MOTORS)).T
            try:
                codec.encode_commands(commands, frames, carried)
                message = ""
            except SafetyError as error:  # the quotient may overflow
                message = str(error)
            results.append((frames.tobytes(), carried.tobytes() if not message else b"", message))
    assert results[0] == results[1]


@settings(max_examples=60, deadline=None)
@given(columns(FINITE), st.integers(0, 5 * MOTORS - 1), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_command_that_is_not_finite_is_refused_and_nothing_is_written(
    commands: np.ndarray, place: int, bad: float
) -> None:
    commands.T.reshape(-1)[place] = bad
    messages = []
    with np.errstate(over="ignore"):
        for codec in both():
            frames = frames_of(7)
            with pytest.raises(SafetyError) as caught:
                codec.encode_commands(commands, frames)
            assert (frames == 7).all()
            messages.append(str(caught.value))
    assert messages[0] == messages[1]


@settings(max_examples=60, deadline=None)
@given(columns(ANY))
def test_replies_are_the_same_bytes(states: np.ndarray) -> None:
    made = []
    with np.errstate(all="ignore"):
        for codec in both():
            frames = frames_of()
            codec.encode_replies(states, frames)
            made.append(frames.tobytes())
    assert made[0] == made[1]


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, (MOTORS, 8)), st.booleans())
def test_any_frames_are_read_the_same(frames: np.ndarray, replies: bool) -> None:
    read = []
    for codec in both():
        values = np.zeros((5, MOTORS)).T
        (codec.decode_replies if replies else codec.decode_commands)(frames, values)
        read.append(values.tobytes())
    assert read[0] == read[1]


def test_arrays_that_are_not_by_columns_are_left_to_numpy() -> None:
    ours, reference = both()
    rows = np.random.default_rng(1).uniform(-5, 5, (MOTORS, 5))
    rows[:, 2:4] = abs(rows[:, 2:4])
    assert ours._kernels.find("encode_commands", rows, frames_of()) is None
    first, second = frames_of(), frames_of()
    ours.encode_commands(rows, first)
    reference.encode_commands(np.asfortranarray(rows), second)
    assert first.tobytes() == second.tobytes()


def test_buffers_that_change_get_kernels_of_their_own() -> None:
    ours, _ = both()
    values = np.zeros((5, MOTORS)).T
    for number in range(30):
        frames = frames_of()
        values[:] = 0.1 * number
        ours.encode_commands(values, frames)
        back = np.zeros((5, MOTORS)).T
        ours.decode_commands(frames, back)
        np.testing.assert_allclose(back[:, 0], 0.1 * number, atol=1e-3)
    assert len(ours._kernels._known) <= 8
