"""Painted cards kept as pictures, and few new ones in one paint: a grid of forty comes in over some turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PySide6.QtGui import QPixmap

_SLICE_S = 0.010
_KEPT = 400


class CardPictures:
    """By key, the newest picture of a card and what it was painted from.

    `owed` says that something was left out of the last paint, which should be repeated soon.
    """

    def __init__(self) -> None:
        self.owed = False
        self.painted = 0
        self._kept: dict[str, tuple[tuple[Any, ...], QPixmap]] = {}
        self._painted_before = 0
        self._end_s = 0.0

    def begin(self) -> None:
        """A paint of the whole view begins."""
        self.owed, self._painted_before = False, self.painted
        self._end_s = time.monotonic() + _SLICE_S

    def get(self, key: str, look: tuple[Any, ...], paint: Callable[[], QPixmap]) -> QPixmap | None:
        """The card's picture; where there is no time to paint it now the one it had before, or None.

        Args:
            key: of the card.
            look: what the picture depends on.
            paint: makes it.
        """
        kept = self._kept.get(key)
        if kept is not None and kept[0] == look:
            return kept[1]
        if self.painted > self._painted_before and time.monotonic() > self._end_s:
            self.owed = True
            return kept[1] if kept is not None else None
        picture = paint()
        self.painted += 1
        self._kept.pop(key, None)
        self._kept[key] = (look, picture)
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return picture
