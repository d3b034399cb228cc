"""`gui`: opens the studio; the default command."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated

import tyro

from studio.cli.output import parse_arguments


@dataclass(frozen=True)
class GuiArguments:
    """Open the studio."""

    project: Annotated[Path | None, tyro.conf.arg(help="project folder; made when missing")] = None
    robot: Annotated[str, tyro.conf.arg(help="robot description; a name with a slash is a folder of your own")] = (
        "dual_arm_ak60"
    )
    pedal: Annotated[str, tyro.conf.arg(help="dead-man pedal: serial port, input events or a named pipe")] = ""
    theme: Annotated[str | None, tyro.conf.arg(help="dark or light")] = None
    screen: Annotated[str | None, tyro.conf.arg(help="open this screen, such as library")] = None
    watch: Annotated[bool, tyro.conf.arg(help="say at the end which turns of the window took over 50 ms")] = False
    eyes: Annotated[
        Path | None, tyro.conf.arg(help="make a socket here on which another program may ask what is on the screen")
    ] = None


class Ending:
    """SIGINT and SIGTERM while the studio runs: asked for while the window is being made, it is not shown.

    `close` is called through the event loop, which may not run yet.
    """

    def __init__(self) -> None:
        self.asked = False
        self.close: Callable[[], object] | None = None

    def __enter__(self) -> Ending:
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self.close is not None:
            from PySide6.QtCore import QTimer

            QTimer.singleShot(0, self.close)


def run(arguments: list[str]) -> int:
    """Returns when the window is closed."""
    options = parse_arguments(GuiArguments, arguments, "main.py gui")
    with Ending() as ending:
        return _open(options, ending)


def _open(options: GuiArguments, ending: Ending) -> int:
    from studio.app.graphics import check_display

    check_display()
    from studio.app.start import StudioOptions, install_hook, make_application, open_studio

    app = make_application()
    studio = StudioOptions(
        project=options.project, robot=options.robot, pedal=options.pedal,
        theme=options.theme, watched=options.watch, screen=options.screen,
        greets=options.screen is None,
    )  # fmt: skip
    window = open_studio(studio)
    undo, code = install_hook(window), 0
    eyes = None
    try:
        if options.eyes is not None:
            from studio.app.eyes import Eyes

            eyes = Eyes(window, options.eyes)
        if not ending.asked:
            ending.close = window.close
            window.show()
            code = app.exec()
    finally:
        undo()
        if eyes is not None:
            eyes.close()
        window.close()
    if window.watchdog:
        print(window.watchdog.report() or "no turn took over 50 ms")
    return code
