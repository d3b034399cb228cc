"""The menu of the project button: which project this is, those opened before, and another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPoint, QProcess
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from studio.app.settings import Settings
from studio.core.paths import program

_KEPT = 8


def remember_project(settings: Settings, path: Path) -> None:
    """Put a project first on the list of those opened before."""
    before = [text for text in settings.get("projects", []) if text != str(path)]
    settings.set("projects", [str(path), *before][:_KEPT])


def show_projects(owner: QWidget, settings: Settings, here: Path, at: QPoint, open_: Callable[[Path], None]) -> QMenu:
    """Pop the menu up; `open_` gets the project that was chosen."""
    menu = QMenu(owner)
    menu.addAction(str(here)).setEnabled(False)
    menu.addSeparator()
    for text in settings.get("projects", []):
        path = Path(text)
        if path != here and (path / "project.toml").exists():
            menu.addAction(path.name).triggered.connect(lambda _checked=False, path=path: open_(path))
    menu.addAction("Open or make a project …").triggered.connect(lambda: _ask(owner, here, open_))
    menu.popup(at)
    return menu


def open_beside(path: Path, screen: str = "") -> None:
    """A studio of its own for another project, on a screen of it; this one goes on until it is closed."""
    python, *words = program()
    QProcess.startDetached(python, [*words, "gui", "--project", str(path), *(["--screen", screen] if screen else [])])


def _ask(owner: QWidget, here: Path, open_: Callable[[Path], None]) -> None:
    dialog = QFileDialog(owner, "A project, or an empty folder for a new one", str(here.parent))
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOptions(QFileDialog.Option.DontUseNativeDialog | QFileDialog.Option.ShowDirsOnly)
    dialog.setModal(False)  # STOP stays within reach
    dialog.fileSelected.connect(lambda text: open_(Path(text)))
    dialog.show()
