"""Confirming the zero from the window is a request to the control process."""

from __future__ import annotations

from typing import Any

import pytest

from studio.app.window import StudioWindow


def test_the_palette_confirms_the_zero(quiet_window: StudioWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(name: str, **_: Any) -> None:
        asked.append(name)

    monkeypatch.setattr(quiet_window.session, "request", note)
    quiet_window.run_command("studio.zero")
    assert asked == ["confirm_zero"]
