"""Pictures of the devices screen: motors at rest, a step that runs on a twin, a step that did not pass, the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from studio.app.screenshot import Album, AlbumOptions
from studio.app.visitor import VisitError

_HURRY = 20.0  # of twins, through the steps of which no picture is taken
_PATIENCE_S = 300.0


class DevicesAlbum(Album):
    """The check of a motor twin by keys, with its results beside the settings."""

    def works(self) -> tuple[Callable[[], None], ...]:
        return (self._rest, self._step, self._done, self._refused)

    @property
    def _model(self) -> Any:
        return self.window.host.load("devices")

    def _rest(self) -> None:
        visitor, model = self._visitor, self._model
        model.rehearsals = rehearsals_beside(self.options.settings)
        visitor.open("devices")
        visitor.wait("the bench has said what there is", lambda: bool(model.facts), _PATIENCE_S)
        link = self.window.studio.state.link
        visitor.wait("the loop reads the motors", lambda: link.connected, _PATIENCE_S)
        visitor.key(Qt.Key.Key_L)
        visitor.wait("all motors answer", lambda: not model.search.running, _PATIENCE_S)
        self._choose("follower.L3")
        visitor.rest(1.0)
        self._picture("j-devices")

    def _step(self) -> None:
        """The torque step, at the pace of a real motor."""
        model = self._model
        model.bench.pace = _HURRY
        model.begin("all", first="")
        self._answer_until(lambda: model.check.step == "torque")
        self._end()
        model.bench.pace = 1.0
        model.begin("all", first="torque")
        self._answer_until(lambda: model.check.step == "torque" and model.check.state["command"][4] > 0.75)
        self._picture("j-devices-step")

    def _done(self) -> None:
        """The rest of it, hurried: where it ended it goes on."""
        model = self._model
        self._end()
        model.bench.pace = _HURRY
        model.begin("all")
        self._answer_until(lambda: model.check.over)
        self._visitor.rest(0.5)
        self._picture("j-devices-done")
        QTest.keyRelease(self.window, Qt.Key.Key_Space)

    def _refused(self) -> None:
        """A twin with another gear than its model."""
        model = self._model
        self._end()
        self._choose("follower.R2")
        model.set_choice("rehearse", "wrong_gear")
        model.bench.pace = _HURRY
        model.begin("all", first="")
        self._answer_until(lambda: model.check.phase == "refused")
        self._visitor.rest(0.5)
        self._picture("j-devices-refused")
        self._end()
        model.set_choice("rehearse", "none")

    def _end(self) -> None:
        """Out of whatever check is open."""
        model = self._model
        if model.check is not None:
            model.bench.end()
            self._visitor.wait("the check is over", lambda: model.check is None or model.check.over, _PATIENCE_S)
            model.bench.put_away()

    def _answer_until(self, reached: Callable[[], bool]) -> None:
        """Enter for every question, Space held where torque flows."""
        model = self._model

        def done() -> bool:
            check = model.check
            if check.state and reached():
                return True
            if check.phase in ("refused", "lost"):
                raise VisitError(f"The check of {check.motor.name} stood still at {check.step}: {check.lost}")
            if check.question is not None:
                if check.gives_torque and not model.held:
                    QTest.keyPress(self.window, Qt.Key.Key_Space)
                self._visitor.key(Qt.Key.Key_Return)
            return False

        self._visitor.wait("the next step", done, _PATIENCE_S)

    def _choose(self, joint: str) -> None:
        model = self._model
        model.choose(next(i for i, motor in enumerate(model.motors) if motor.joint == joint))


def rehearsals_beside(settings: Path) -> Path:
    """Where the twins' results of the pictures lie; a person's own are not touched."""
    return settings.with_name("rehearsals")


def take_devices(options: AlbumOptions, theme: str) -> Album:
    """The album of one theme; `rehearsals_beside` its settings may hold results of other motors."""
    album = DevicesAlbum(options, theme)
    album.take()
    return album
