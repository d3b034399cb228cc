"""A planning screen on records written by the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.feed import Feed
from tests.plugins.wire import Wire


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    made = Feed(tmp_path)
    yield made
    made.close()


@pytest.fixture
def wire(feed: Feed) -> Iterator[Wire]:
    made = Wire(feed)
    yield made
    made.close()
