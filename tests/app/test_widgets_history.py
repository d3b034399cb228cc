"""Live curves: history, min/max decimation, calm axes."""

from __future__ import annotations

import numpy as np
import pytest

from studio.app.widgets.history import CalmAxis, History, decimate, round_up_125


def test_history_keeps_the_last_seconds_and_drops_older() -> None:
    history = History(2, seconds=1.0, rate_hz=100.0)
    for block in range(10):
        t_s = block * 0.5 + np.arange(50) * 0.01
        history.append(t_s, np.column_stack([t_s, -t_s]))
    times, values = history.window(4.99)
    assert times[0] >= -1.0 and times[-1] == pytest.approx(0.0)
    assert len(times) == 101 or len(times) == 100
    np.testing.assert_allclose(values[:, 0], times + 4.99, atol=1e-9)
    np.testing.assert_allclose(values[:, 1], -values[:, 0])


def test_history_starts_anew_when_time_jumps_back() -> None:
    history = History(1, seconds=10.0, rate_hz=10.0)
    history.append(np.array([5.0, 6.0]), np.ones((2, 1)))
    history.append(np.array([1.0, 2.0]), np.full((2, 1), 7.0))
    assert history.newest_s == 2.0
    assert history.window(2.0)[1].ravel().tolist() == [7.0, 7.0]


def test_history_takes_a_block_longer_than_itself() -> None:
    history = History(1, seconds=1.0, rate_hz=10.0)
    t_s = np.arange(100) * 0.1
    history.append(t_s, t_s[:, None])
    assert history.newest_s == pytest.approx(9.9)
    assert len(history.window(9.9)[0]) <= 11


def test_decimation_keeps_every_extreme() -> None:
    t_s = np.linspace(-10, 0, 4000)
    values = np.random.default_rng(0).normal(size=4000)
    values[1234] = 99.0
    values[2345] = -99.0
    times, kept = decimate(t_s, values, 0.01)
    assert len(times) <= 2 * 1001
    assert kept.max() == 99.0 and kept.min() == -99.0
    assert (np.diff(times) >= 0).all()


def test_decimation_bins_do_not_move_with_the_window() -> None:
    rng = np.random.default_rng(1)
    t_s, values = np.arange(4000) * 0.0025, rng.normal(size=4000)
    first = decimate(t_s - 10.0, values, 0.01, 10.0)
    later = decimate(t_s[400:] - 10.5, values[400:], 0.01, 10.5)
    inner_first = {round(v, 9) for t, v in zip(*first) if -5 < t < -2}
    inner_later = {round(v, 9) for t, v in zip(*later) if -5.5 < t < -2.5}
    assert inner_first == inner_later


@pytest.mark.parametrize(("value", "top"), [(0.3, 0.5), (1.0, 1.0), (1.01, 2.0), (7.0, 10.0), (23.0, 50.0), (0.0, 1.0)])
def test_axis_steps_are_1_2_5(value: float, top: float) -> None:
    assert round_up_125(value) == pytest.approx(top)


def test_axis_grows_at_once_and_shrinks_after_ten_calm_seconds() -> None:
    axis = CalmAxis(10.0)
    assert axis.update(3.0, 0.0) == 10.0
    assert axis.update(33.0, 1.0) == 50.0
    assert axis.update(3.0, 2.0) == 50.0
    assert axis.update(3.0, 11.9) == 50.0
    assert axis.update(30.0, 12.0) == 50.0  # not calm: the wait begins again
    assert axis.update(3.0, 13.0) == 50.0
    assert axis.update(3.0, 23.1) == 10.0
