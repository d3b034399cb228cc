"""`gui`: opens the studio; the default command."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from studio.cli.output import parse_arguments


@dataclass(frozen=True)
class GuiArguments:
    """Open the studio."""

    project: Annotated[Path | None, tyro.conf.arg(help="project folder; made when missing")] = None
    theme: Annotated[str | None, tyro.conf.arg(help="dark or light")] = None
    watch: Annotated[bool, tyro.conf.arg(help="say at the end which turns of the window took over 50 ms")] = False


def run(arguments: list[str]) -> int:
    """Returns when the window is closed."""
    options = parse_arguments(GuiArguments, arguments, "main.py gui")
    from studio.app.graphics import check_display

    check_display()
    from PySide6.QtCore import QTimer

    from studio.app.start import StudioOptions, install_hook, make_application, open_studio

    app = make_application()
    window = open_studio(StudioOptions(project=options.project, theme=options.theme, watched=options.watch))
    undo = install_hook(window)
    for number in (signal.SIGINT, signal.SIGTERM):  # through the event loop, which may not run yet
        signal.signal(number, lambda _number, _frame: QTimer.singleShot(0, window.close))
    window.show()
    try:
        code = app.exec()
    finally:
        undo()
        window.close()
    if window.watchdog:
        print(window.watchdog.report() or "no turn took over 50 ms")
    return code
