"""A display for commands that only need one to draw in: the one there is, or a virtual one of their own."""

from __future__ import annotations

import os
import shutil
import sys

from studio.core.errors import DeviceError
from studio.core.paths import program

_SCREEN = "-screen 0 1440x900x24 +extension GLX -nolisten tcp"


def ensure_display(arguments: list[str], *, own: bool = False) -> None:
    """Return when there is a display; otherwise start this command again under a virtual one (never returns).

    Args:
        arguments: the command line, command first.
        own: never the one there is: what moves mouse and keys must not take them from a person.

    Raises:
        DeviceError: no display, and no virtual one can be made.
    """
    from studio.app.graphics import check_display

    try:
        if own and "STUDIO_VIRTUAL_DISPLAY" not in os.environ:
            raise DeviceError("This needs a display of its own: install xvfb (Debian: apt-get install xvfb xauth).")
        check_display()
    except DeviceError:
        starter = shutil.which("xvfb-run")
        if starter is None or "STUDIO_VIRTUAL_DISPLAY" in os.environ:
            raise
        os.environ["STUDIO_VIRTUAL_DISPLAY"] = "1"
        sys.stdout.flush()
        os.execv(starter, [starter, "-a", "-s", _SCREEN, *program(), *arguments])
