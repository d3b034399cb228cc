import numpy as np
from PySide6.QtWidgets import QApplication

from plugins.replay.pyramid import Pyramid
from plugins.replay.take import Curve, Lane
from studio.app.theme import apply_theme
from studio.app.widgets.lanes import LanesView
from studio.app.widgets.polygon import make_polygon
from studio.app.widgets.transport import Transport


def test_a_single_spike_survives_every_zoom() -> None:
    t_s = np.arange(24_000) / 400.0
    values = np.zeros(24_000)
    values[12_345] = 7.0
    pyramid = Pyramid(t_s, values)
    for columns in (10, 100, 900, 5000):
        _, _, high = pyramid.envelope(0.0, 60.0, columns)
        assert high.max() == 7.0
    t, _, high = pyramid.envelope(0.0, 60.0, 900)
    assert abs(t[np.argmax(high)] - t_s[12_345]) < 60.0 / 900


def test_envelope_holds_the_extremes_of_each_column() -> None:
    rng = np.random.default_rng(0)
    t_s = np.sort(rng.uniform(0, 10, 5000))
    values = rng.normal(size=5000).astype(np.float32)
    t, low, high = Pyramid(t_s, values).envelope(2.0, 8.0, 60)
    inside = (t_s >= 2.0) & (t_s < 8.0)
    # Block starts may pull a neighbour's samples into a column, never lose one.
    assert low.min() <= values[inside].min()
    assert high.max() >= values[inside].max()
    assert len(t) <= 60 and np.all(np.diff(t) > 0) and np.all(low <= high)


def test_zoomed_in_every_sample_is_exact() -> None:
    t_s = np.arange(100) / 10.0
    pyramid = Pyramid(t_s, np.arange(100.0))
    _, low, high = pyramid.envelope(1.0, 2.0, 1000)
    assert np.array_equal(low, np.arange(10.0, 20.0)) and np.array_equal(low, high)
    assert pyramid.value_at(1.55) == 15.0
    assert np.isnan(pyramid.value_at(-1.0))


def test_an_empty_curve_draws_nothing() -> None:
    t, low, high = Pyramid(np.empty(0), np.empty(0)).envelope(0.0, 1.0, 100)
    assert len(t) == len(low) == len(high) == 0


def test_a_polygon_holds_the_points_it_was_given() -> None:
    points = np.random.default_rng(1).uniform(-1e4, 1e4, (1000, 2))
    polygon = make_polygon(points)
    assert polygon.size() == 1000 and make_polygon(np.empty((0, 2))).size() == 0
    assert [polygon.at(i).toTuple() for i in (0, 499, 999)] == [tuple(points[i]) for i in (0, 499, 999)]


class CountingPyramid(Pyramid):
    """Keeps how many points each drawing was given."""

    def __init__(self, t_s: np.ndarray, values: np.ndarray, given: list[int]) -> None:
        super().__init__(t_s, values)
        self._given = given

    def envelope(self, from_s: float, to_s: float, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = super().envelope(from_s, to_s, columns)
        self._given.append(len(found[0]))
        return found


def test_26_long_curves_are_drawn_from_one_point_a_column(qtbot) -> None:
    """A lane of an imported 26-D vector costs by the width of the picture, not by the length of the take."""
    given: list[int] = []
    t_s = np.arange(24_000) / 400.0
    curves = tuple(
        Curve(name=str(i), colour=f"cat.{i % 8 + 1}", pyramid=CountingPyramid(t_s, np.sin(t_s * (i + 1)), given))
        for i in range(26)
    )
    view = LanesView()
    qtbot.addWidget(view)
    view.resize(1060, 400)
    view.set_lanes([Lane(key="all", title="All", unit="", curves=curves)], Pyramid(t_s, t_s), 60.0)
    view.set_span(0.0, 60.0)
    view.grab()
    given.clear()
    view.set_span(0.0, 59.9)
    view.grab()
    assert 26 <= len(given) <= 2 * 26, "each curve is asked for once"
    assert 100 < max(given) <= 1060


def test_the_transport_folds_only_when_it_must(qtbot) -> None:
    apply_theme(QApplication.instance())
    transport = Transport()
    qtbot.addWidget(transport)
    transport.show()
    for width, shown in ((1106, True), (700, False), (1200, True)):
        transport.resize(width, 50)
        QApplication.processEvents()
        assert [button.isVisible() for button in transport.nexts.values()] == [shown] * 3
        assert transport.next_word.isVisible() is shown and transport.goal.isVisible()
    transport.set_absent("contact", True)
    assert not transport.nexts["contact"].isVisible() and transport.nexts["mark"].isVisible()
