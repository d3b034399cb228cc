"""The thread that draws the 3-D views of this process: one OpenGL context, out of sight; pictures come back as images.

The window's thread never waits for OpenGL: making a context and compiling shaders take 0.3 s, and a frame takes 20 ms
where the processor draws (docs/decisions/0006). It hands over a `Frame` and gets a `QImage`, newest first.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QOffscreenSurface, QOpenGLContext
from PySide6.QtOpenGL import QOpenGLFramebufferObject, QOpenGLFramebufferObjectFormat

from studio.app.graphics import draws_in_software
from studio.app.widgets.scene_frame import Body, Frame

_BGRA, _BYTES_REVERSED = 0x80E1, 0x8367  # GL_BGRA, GL_UNSIGNED_INT_8_8_8_8_REV: the layout of QImage's RGB32


@dataclass
class _Order:
    frame: Frame
    picture: Future[QImage] = field(default_factory=Future)


class SceneDrawer(QObject):
    """Draws for any number of views; an order that was not begun is replaced by the view's next one.

    While the drawing thread makes and gives up its context, the window's thread waits for it in Python, not in Qt: a
    context connects itself to its screen, which waits for a lock of Qt's with Python's own lock held, and the window's
    thread may have the one and wait for the other (seen once: the window stood still for good). Made and asked in the
    window's thread; `drawn` says there which view's picture is ready.
    """

    drawn = Signal(int, QImage, float)  # view, picture, seconds it took
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._surface = QOffscreenSurface()  # Qt wants it made in the window's thread
        self._surface.create()
        self._samples = 0 if draws_in_software() else 4
        self._orders: dict[int, _Order] = {}
        self._asked = threading.Condition()
        self._ending = False
        self._has_context = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scene-drawer", daemon=True)
        self._thread.start()
        self._has_context.wait()

    def ask(self, view: int, frame: Frame) -> None:
        """Draw this as soon as possible."""
        with self._asked:
            self._orders[view] = _Order(frame)
            self._asked.notify()

    def draw_now(self, view: int, frame: Frame, timeout_s: float = 30.0) -> QImage:
        """Draw this and wait for it; for pictures and tests."""
        order = _Order(frame)
        with self._asked:
            self._orders[view] = order
            self._asked.notify()
        return order.picture.result(timeout_s)

    def end(self) -> None:
        """Tell the thread to end; it does so after the frame it is drawing."""
        with self._asked:
            self._ending = True
            self._asked.notify()

    def join(self) -> None:
        self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    # In the thread

    def _run(self) -> None:
        try:
            target = _Target(QOpenGLContext(), self._surface, self._samples)
        finally:
            self._has_context.set()  # a window without pictures is better than one that waits
        try:
            while True:
                with self._asked:
                    self._asked.wait_for(lambda: self._orders or self._ending)
                    if self._ending:
                        return
                    view = next(iter(self._orders))
                    order = self._orders.pop(view)
                self._serve(target, view, order)
        finally:
            target.close()

    def _serve(self, target: _Target, view: int, order: _Order) -> None:
        began_s = time.perf_counter()
        try:
            picture = target.draw(order.frame)
        except (RuntimeError, OSError, ValueError) as error:
            order.picture.set_exception(error)
            self.failed.emit(str(error))
            return
        order.picture.set_result(picture)
        self.drawn.emit(view, picture, time.perf_counter() - began_s)


class _Target:
    """Context, framebuffer and programs; everything here lives and dies in the drawer's thread."""

    def __init__(self, context: QOpenGLContext, surface: QOffscreenSurface, samples: int) -> None:
        self._context: QOpenGLContext | None = context
        self._surface, self._samples = surface, samples
        self._canvas: Any = None
        self._buffer: Any = None
        self._resolved: Any = None  # where the samples of a pixel are averaged; the buffer itself without samples
        self._programs: dict[Body, Any] = {}
        self._read: Any = None

    def draw(self, frame: Frame) -> QImage:
        canvas = self._canvas or self._start()
        self._fit(frame.size_px)
        canvas.begin(self._buffer.handle())
        if frame.body not in self._programs:
            from studio.app.widgets.scene_program import ScenePrograms

            self._programs[frame.body] = ScenePrograms(frame.body)
        self._programs[frame.body].draw(frame)
        canvas.context.flush_commands()
        return self._picture(frame.size_px)

    def close(self) -> None:
        self._programs.clear()
        self._buffer = self._resolved = None
        if self._canvas is not None and self._context is not None:
            self._canvas.end()
            self._context.doneCurrent()
        self._canvas = self._context = None

    def _start(self) -> Any:
        context = self._context
        if context is None or not (context.create() and context.makeCurrent(self._surface)):
            raise RuntimeError("OpenGL did not start in the drawing thread.")
        from vispy.gloo.gl import gl2

        from studio.app.widgets.scene_program import GlooTarget

        self._canvas = GlooTarget()
        kinds = (ctypes.c_int,) * 4 + (ctypes.c_uint,) * 2 + (ctypes.c_void_p,)
        self._read = gl2._get_gl_func("glReadPixels", None, kinds)  # vispy's own reads RGBA only, and copies it
        return self._canvas

    def _fit(self, size_px: tuple[int, int]) -> None:
        if self._buffer is not None and self._buffer.size().toTuple() == size_px:
            return
        self._buffer = self._resolved = None
        self._buffer = _make_buffer(size_px, self._samples)
        self._resolved = _make_buffer(size_px, 0) if self._samples else self._buffer

    def _picture(self, size_px: tuple[int, int]) -> QImage:
        if self._resolved is not self._buffer:
            QOpenGLFramebufferObject.blitFramebuffer(self._resolved, self._buffer)
        self._resolved.bind()
        width, height = size_px
        image = QImage(width, height, QImage.Format.Format_RGB32)
        pixels = (ctypes.c_char * image.sizeInBytes()).from_buffer(image.bits())
        self._read(0, 0, width, height, _BGRA, _BYTES_REVERSED, ctypes.addressof(pixels))
        return image.mirrored(False, True)


def _make_buffer(size_px: tuple[int, int], samples: int) -> QOpenGLFramebufferObject:
    form = QOpenGLFramebufferObjectFormat()
    form.setAttachment(QOpenGLFramebufferObject.Attachment.CombinedDepthStencil)
    form.setSamples(samples)
    return QOpenGLFramebufferObject(*size_px, form)


_drawer: SceneDrawer | None = None
_ending: list[SceneDrawer] = []  # kept until their threads are gone: a QObject must not die in another thread
_numbers = itertools.count(1)
_views: set[int] = set()


def scene_drawer() -> SceneDrawer:
    """The drawer of this process, made when there is none."""
    global _drawer
    if _drawer is None:
        _drawer = SceneDrawer()
    return _drawer


def attach_view() -> int:
    """A number for a new view."""
    view = next(_numbers)
    _views.add(view)
    return view


def detach_view(view: int) -> None:
    """This view is gone; the drawer ends with the last one."""
    _views.discard(view)
    if not _views:
        _end_drawer()


def _end_drawer() -> None:
    global _drawer
    _ending[:] = [drawer for drawer in _ending if drawer.alive]
    if _drawer is not None:
        _drawer.end()
        _drawer.join()  # no longer than the frame it is at
        _ending.append(_drawer)
        _drawer = None


@atexit.register
def _end_all() -> None:
    """At the end of the process the context goes before Qt does."""
    _end_drawer()
    for drawer in _ending:
        drawer.join()
