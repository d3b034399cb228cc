"""What the display of this machine can do, asked before anything depends on it."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QLibraryInfo
from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

from studio.core.errors import DeviceError

_WITHOUT = (
    "Without one, `python main.py tour --out tour-out` shows the whole job, and `xvfb-run -a` lends a virtual one."
)


def check_display() -> None:
    """Make sure that a window can open, before Qt would abort the process.

    Raises:
        DeviceError: no display, one that does not answer, or a missing library; the message says what to do.
    """
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb":
        return
    display = os.environ.get("DISPLAY")
    if not display:
        if os.environ.get("WAYLAND_DISPLAY"):
            return
        raise DeviceError(f"No display: neither DISPLAY nor WAYLAND_DISPLAY is set, so no window can open. {_WITHOUT}")
    missing = _missing_library()
    if missing:
        raise DeviceError(
            f"The library {missing} is missing, so no window can open. Install it (Debian: apt-get install "
            "libxcb-cursor0 libxkbcommon-x11-0 libegl1 libgl1), or run `make run`, which does.",
        )
    if not _answers(display):
        raise DeviceError(
            f"The display {display} does not answer, so no window can open. "
            f"Check that it runs and that you may use it. {_WITHOUT}"
        )


def _missing_library() -> str:
    """Name of the shared library that Qt's X11 plugin lacks; empty when it loads."""
    plugin = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)) / "platforms" / "libqxcb.so"
    try:
        ctypes.CDLL(str(plugin))
    except OSError as error:
        return str(error).partition(":")[0]
    return ""


def _answers(display: str) -> bool:
    """Whether the X server of that name lets us in."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed


@lru_cache(maxsize=1)
def opengl_problem() -> str:
    """Why the 3-D view cannot draw on this machine; empty when it can. Needs a running application."""
    if not isinstance(QGuiApplication.instance(), QGuiApplication):
        return ""
    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    advice = "Numbers and curves work. Install a graphics driver, or libgl1-mesa-dri for drawing in software."
    if not context.create():
        return f"No 3-D on this display: OpenGL did not start. {advice}"
    if not context.makeCurrent(surface):
        return f"No 3-D on this display: OpenGL cannot draw here. {advice}"
    version = context.format().version()
    context.doneCurrent()
    surface.destroy()
    return (
        ""
        if version >= (2, 1)
        else f"No 3-D on this display: it has OpenGL {version[0]}.{version[1]}, 2.1 is needed. {advice}"
    )


@lru_cache(maxsize=1)
def draws_in_software() -> bool:
    """Whether OpenGL runs on the processor (llvmpipe and the like); then four samples a pixel cost too much."""
    if not isinstance(QGuiApplication.instance(), QGuiApplication) or opengl_problem():
        return True
    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    context.create()
    context.makeCurrent(surface)
    renderer = str(context.functions().glGetString(0x1F01))  # GL_RENDERER
    context.doneCurrent()
    surface.destroy()
    return any(name in renderer.lower() for name in ("llvmpipe", "softpipe", "swrast", "software"))
