"""The quick version of `bench frames`, and that it would notice."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import frames as campaign
from hw_drivers.motors.codec_mit import ENTER


def test_random_frames_do_nothing() -> None:
    parts = campaign.fuzz(200_000, seed=7)
    assert {name: tally.violations for name, tally in parts.items()} == {name: [] for name in parts}
    assert parts["arrays"].frames >= 200_000 and 0.99 < parts["arrays"].most <= 1 + 1e-9
    assert parts["scalars"].refused > 0 and parts["serial"].refused > 0
    assert parts["loop"].most == 0.0


def test_the_campaign_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Treacherous:
        """Random bytes that hold an enter frame."""

        def integers(self, low: int, high: int, shape: tuple[int, int], dtype: type) -> np.ndarray:
            data = np.zeros(shape, dtype)
            data[3] = np.frombuffer(ENTER, dtype=np.uint8)
            return data

    tally = campaign.fuzz_drives(16, Treacherous())  # type: ignore[arg-type]
    assert tally.violations and "switched on" in tally.violations[0]
