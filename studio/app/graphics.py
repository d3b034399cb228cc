"""What the display of this machine can do, asked before anything depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache

from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

from studio.core.errors import DeviceError

_PROBE = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"


def check_display() -> None:
    """Make sure that a window can open, before Qt would abort the process.

    Raises:
        DeviceError: no display, or one that does not answer; the message says what to do.
    """
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM"):
        return
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    if not display:
        raise DeviceError(
            "No display: neither DISPLAY nor WAYLAND_DISPLAY is set, so no window can open. "
            "Run `python main.py tour --out tour-out` (works without one), or start it under `xvfb-run -a`."
        )
    probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False)
    if probe.returncode != 0:
        raise DeviceError(
            f"The display {display} does not answer, so no window can open. "
            "Check that it runs and that you may use it, or run `python main.py tour --out tour-out`.",
            detail=probe.stderr.strip(),
        )


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
    return "" if version >= (2, 1) else f"No 3-D on this display: it has OpenGL {version[0]}.{version[1]}, 2.1 is needed. {advice}"


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
