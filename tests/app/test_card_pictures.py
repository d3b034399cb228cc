from __future__ import annotations

import time

import pytest
from PySide6.QtGui import QPixmap
from pytestqt.qtbot import QtBot

from studio.app.widgets import card_pictures
from studio.app.widgets.card_pictures import CardPictures
from tests.patience import PATIENCE_MS


@pytest.mark.usefixtures("qapp")
def test_one_card_is_painted_at_least_and_the_rest_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_pictures, "_SLICE_S", 0.0)
    pictures = CardPictures()

    def paint() -> QPixmap:
        time.sleep(0.001)  # the clock has moved on
        return QPixmap(4, 4)

    for seen in range(1, 4):
        pictures.begin()
        shown = [pictures.get(key, ("look",), paint) is not None for key in "abc"]
        assert shown == [index < seen for index in range(3)]
        assert pictures.painted == seen and pictures.owed == (seen < 3)
    pictures.begin()
    before = pictures.get("a", ("look",), paint)
    assert pictures.painted == 3 and not pictures.owed, "nothing has changed"
    assert pictures.get("b", ("chosen",), paint) is not None and pictures.painted == 4
    assert pictures.get("a", ("chosen",), paint) is before, "no time left: as it was"
    assert pictures.owed


def test_a_grid_of_cards_comes_in_completely(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.app.widgets.episode_grid import Card, EpisodeGrid

    monkeypatch.setattr(card_pictures, "_SLICE_S", 0.0)
    grid = EpisodeGrid()
    qtbot.addWidget(grid)
    grid.resize(900, 600)
    grid.set_cards([Card(key=str(n), title=str(n), duration="0:05", verdict="good") for n in range(6)], [])
    grid.show()
    pictures = grid.delegate.pictures
    qtbot.waitUntil(lambda: pictures.painted == 6 and not pictures.owed, timeout=PATIENCE_MS)
