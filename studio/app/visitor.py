"""A visitor in the real window: real mouse and key events, waiting with the event loop running, pictures.

The tour and `make screenshots` walk through the studio with it, so what they show is what a person gets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QCoreApplication, QEventLoop, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from studio.app.widgets.scene3d import RobotView
from studio.app.window import StudioWindow
from studio.core.errors import StudioError

_DRAG_STEP_M = 0.006  # of one mouse move


class VisitError(StudioError):
    """Something that a person would have seen by now did not come."""


class Visitor:
    """Clicks, drags, types, waits and takes pictures.

    Args:
        window: the open window.
        pictures: folder for the pictures.
    """

    def __init__(self, window: StudioWindow, pictures: Path) -> None:
        self.window = window
        self._pictures = pictures
        self._here = QPoint()
        pictures.mkdir(parents=True, exist_ok=True)

    def rest(self, seconds: float) -> None:
        """Let the window live for a while."""
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 10)
            time.sleep(0.002)

    def wait(self, what: str, reached: Callable[[], bool], timeout_s: float) -> None:
        """Let the window live until `reached`.

        Raises:
            VisitError: not within `timeout_s`.
        """
        deadline_s = time.monotonic() + timeout_s
        while not reached():
            if time.monotonic() > deadline_s:
                raise VisitError(f"Waited {timeout_s:.0f} s for this, and it did not come: {what}.")
            self.rest(0.02)

    def open(self, screen: str, **arguments: Any) -> QWidget:
        """Bring a screen to the top; its panel."""
        self.window.navigate(screen, **arguments)
        self.wait(f"the screen {screen}", lambda: screen in self.window.panels, 30.0)
        self.rest(0.3)
        return self.window.panels[screen]

    def click(self, button: QWidget) -> None:
        """A left click in the middle of a widget that can be seen."""
        if not button.isVisible() or not button.isEnabled():
            text = button.text() if isinstance(button, QAbstractButton) else type(button).__name__
            raise VisitError(f"The button {text!r} cannot be pressed now.")
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        self.rest(0.05)

    def button(self, inside: QWidget, text: str) -> QAbstractButton:
        """The visible button whose text begins with `text`."""
        for button in inside.findChildren(QAbstractButton):
            if button.isVisible() and button.text().replace("&", "").strip().startswith(text):
                return button
        raise VisitError(f"There is no button {text!r} on this screen.")

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.window, key, modifier)
        self.rest(0.05)

    def picture(self, name: str) -> Path:
        """The window as it stands on the screen."""
        self.rest(0.1)
        path = self._pictures / f"{name}.png"
        screen = self.window.screen()
        shot = screen.grabWindow(self.window.winId()) if screen is not None else self.window.grab()
        shot.save(str(path))
        return path

    def drag_hand(
        self, view: RobotView, pair: int, path_m: list[np.ndarray], arrived: Callable[[], None] = lambda: None
    ) -> None:
        """Press on a hand's ring and pull it through places in the world (m): across by mouse, in depth by the wheel.

        `arrived` is called at the last place, before the hand is let go.

        Raises:
            VisitError: the press did not take the hand, or it did not come along.
        """
        target = view.canvas.surface
        self._here = view.to_pixel(view.hand_position_m(pair)).toPoint()
        QTest.mousePress(target, Qt.MouseButton.LeftButton, pos=self._here)
        try:
            for place_m in path_m:
                self._pull(view, place_m)
            self.rest(0.4)
            arrived()
        finally:
            QTest.mouseRelease(target, Qt.MouseButton.LeftButton, pos=self._here)
            self.rest(0.05)

    def _pull(self, view: RobotView, place_m: np.ndarray) -> None:
        for _ in range(200):
            now_m = view.dragged_m
            if now_m is None:
                raise VisitError("The mouse did not take the hand.")
            away_m = place_m - now_m
            if np.linalg.norm(away_m) < 0.006:
                return
            forward = view.camera.forward()
            depth_m = float(away_m @ forward)
            if abs(depth_m) > 0.005:
                self._wheel(view, 1 if depth_m > 0 else -1)
            across_m = away_m - depth_m * forward
            step_m = across_m * min(1.0, _DRAG_STEP_M / max(float(np.linalg.norm(across_m)), 1e-9))
            here_m = view.dragged_m if view.dragged_m is not None else now_m
            move = view.to_pixel(here_m + step_m) - view.to_pixel(here_m)  # the press may be beside the ring's middle
            self._here += QPoint(_whole_pixels(move.x()), _whole_pixels(move.y()))
            QTest.mouseMove(view.canvas.surface, self._here)
            self.rest(0.03)
        raise VisitError(f"The hand did not come to {np.round(place_m, 3).tolist()} m.")

    def _wheel(self, view: RobotView, notches: int) -> None:
        at = QPointF(self._here)
        wheel = QWheelEvent(
            at, view.canvas.surface.mapToGlobal(at), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(view.canvas.surface, wheel)
        self.rest(0.02)

    def click_table(self, view: RobotView, place_m: np.ndarray) -> None:
        """A click on a place of the table (world, m)."""
        QTest.mouseClick(view.canvas.surface, Qt.MouseButton.LeftButton, pos=view.to_pixel(place_m).toPoint())
        self.rest(0.2)


def _whole_pixels(length: float) -> int:
    """Rounded, but never to nothing: half a pixel is still a move."""
    return round(length) or (0 if abs(length) < 0.3 else int(np.sign(length)))


def close_window(window: StudioWindow) -> None:
    """Close it and let its last events run."""
    window.close()
    for _ in range(20):
        QApplication.processEvents()
        time.sleep(0.01)
