"""How a screen was laid out: the splitters of its panel, kept in the settings by screen."""

from __future__ import annotations

from PySide6.QtWidgets import QSplitter, QWidget

from studio.app.settings import Settings


def save_layout(settings: Settings, screen: str, panel: QWidget) -> None:
    """Keep the sizes of every splitter; a panel without one keeps nothing."""
    sizes = [splitter.sizes() for splitter in panel.findChildren(QSplitter)]
    if any(any(row) for row in sizes):
        settings.set(f"layout.{screen}", sizes)


def restore_layout(settings: Settings, screen: str, panel: QWidget) -> None:
    """Back to what was kept, when the panel still has the same splitters."""
    kept = settings.get(f"layout.{screen}")
    splitters = panel.findChildren(QSplitter)
    if not isinstance(kept, list) or [len(row) for row in kept] != [splitter.count() for splitter in splitters]:
        return
    for splitter, sizes in zip(splitters, kept, strict=True):
        splitter.setSizes([int(size) for size in sizes])
