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
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from studio.app.widgets.scene3d import RobotView
from studio.app.window import StudioWindow
from studio.core.errors import StudioError


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

    def drag_hand(self, view: RobotView, pair: int, path_m: list[np.ndarray], step_s: float = 0.03) -> None:
        """Press on a hand's ring and pull it through places in the world (m), by mouse."""
        target = view.canvas.surface
        start = view.to_pixel(view.hand_position_m(pair)).toPoint()
        QTest.mousePress(target, Qt.MouseButton.LeftButton, pos=start)
        try:
            here = start
            for place_m in path_m:
                here = self._pull(target, here, view.to_pixel(place_m), step_s)
        finally:
            QTest.mouseRelease(target, Qt.MouseButton.LeftButton, pos=here)
            self.rest(0.05)

    def _pull(self, target: QWidget, here: QPoint, there: QPointF, step_s: float) -> QPoint:
        length = max(abs(there.x() - here.x()), abs(there.y() - here.y()))
        steps = max(1, round(length / 4))
        for step in range(1, steps + 1):
            share = step / steps
            place = QPointF(here.x() + share * (there.x() - here.x()), here.y() + share * (there.y() - here.y()))
            QTest.mouseMove(target, place.toPoint())
            self.rest(step_s)
        return there.toPoint()

    def click_table(self, view: RobotView, place_m: np.ndarray) -> None:
        """A click on a place of the table (world, m)."""
        QTest.mouseClick(view.canvas.surface, Qt.MouseButton.LeftButton, pos=view.to_pixel(place_m).toPoint())
        self.rest(0.2)


def close_window(window: StudioWindow) -> None:
    """Close it and let its last events run."""
    window.close()
    for _ in range(20):
        QApplication.processEvents()
        time.sleep(0.01)
