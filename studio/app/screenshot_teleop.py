"""Pictures of the teleoperation screen in every state, from the real window on a real simulated session.

Each state is reached as a person reaches it: keys, mouse, a wire that is cut, a process that is killed. Names are the
states'; docs/teleoperation.md shows them.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from studio.app.screenshot import Album, AlbumOptions, view_of
from studio.app.visitor import VisitError
from studio.core.paths import resources_dir
from studio.core.records import PairState
from studio.ipc.messages import Message

SCHEMES = {2: "position-force", 3: "four-channel"}
_BLOCK_S = 6.0  # of the session in the pictures; 30 min otherwise
_PATIENCE = (
    ("heartbeat_hold_s = 0.15", "heartbeat_hold_s = 20.0\nsimulated_stall_s = 20.0"),
    ("heartbeat_stop_s = 1.0", "heartbeat_stop_s = 40.0"),
)
_CURVES_S = 10.5  # until the curves are full
_MAIN = ("disabled", "engaged-contact", "recording", "holding", "stopped", "fault")  # also in the light theme


class TeleopAlbum(Album):
    """Every state of the screen in the dark theme, the main ones in the light one; the robot latches the dead-man."""

    @property
    def _panel(self) -> Any:
        return self.window.panel("teleop")

    @property
    def _model(self) -> Any:
        return self.window.host.load("teleop")

    def works(self) -> tuple[Callable[[], None], ...]:
        main = (self._disabled, self._engaged, self._contact, self._holding, self._stopped, self._fault)
        return main if self.theme != "dark" else (*main, self._aligning, self._schemes, self._session, self._lost)

    def _picture(self, name: str) -> None:
        if self.theme == "dark" or name in _MAIN:
            self._visitor.rest(0.5)  # everything of this state is painted
            super()._picture(name)

    def _picture_engaged(self, name: str, shown: Callable[[], bool] = lambda: True) -> None:
        """A picture of arms that were engaged all the time around it, however late the window comes."""
        link, holds = self.window.studio.state.link, [True]

        def look(state: PairState) -> None:
            holds[0] = holds[0] and state is PairState.ENGAGED

        for _ in range(12):
            self._stay_engaged()
            self._visitor.wait("what the picture is of", shown, 20.0)
            holds[0] = link.worst is PairState.ENGAGED
            link.events.worst.connect(look)
            try:
                self._visitor.rest(1.2)
                if holds[0]:
                    self._picture(name)
            finally:
                link.events.worst.disconnect(look)
            if holds[0] and shown():
                return
        self.failures.append(f"{name}: the arms were never engaged for as long as a picture takes")

    # States

    def _disabled(self) -> None:
        visitor, link = self._visitor, self.window.studio.state.link
        visitor.open("teleop")
        visitor.wait("the control loop runs", lambda: link.connected, 60.0)
        visitor.wait("the workers run", lambda: link.workers_alive >= 3, 60.0)
        visitor.rest(_CURVES_S)
        self._picture("disabled")

    def _engaged(self) -> None:
        self._engage()
        self._visitor.rest(2.0)
        self._picture_engaged("engaged-free")
        self._panel.run.tabs.buttons["Machine"].click()
        self._visitor.rest(0.5)
        self._picture_engaged("engaged-machine")
        self._panel.run.tabs.buttons["Coupling"].click()

    def _contact(self) -> None:
        """Pressed on by the left hand: first without a take, then with one."""

        def held() -> None:
            self._picture_engaged("engaged-contact")
            self._visitor.key(Qt.Key.Key_R)
            recording = self.window.studio.state.recording
            self._visitor.wait("a take runs", lambda: recording.on and recording.seconds > 2.0, 20.0)
            self._visitor.key(Qt.Key.Key_M)
            self._stay_engaged()
            self._visitor.rest(0.5)
            self._picture_engaged("recording")
            self._visitor.key(Qt.Key.Key_R)
            self._visitor.wait("the take is closed", lambda: not recording.on, 20.0)

        self._press_box(view_of(self._panel), held)

    def _holding(self) -> None:
        self._visitor.key(Qt.Key.Key_H)
        self._reach(PairState.HOLDING)
        self._picture("holding")

    def _stopped(self) -> None:
        self._engage()
        self._visitor.key(Qt.Key.Key_Escape)
        self._reach(PairState.STOPPED)
        self._picture("stopped")

    def _fault(self) -> None:
        """The wire of one motor twin is cut while the arms are engaged, and mended afterwards."""
        studio, motor = self.window.studio, self.window.studio.robot.joints + 2  # L3 of the follower
        self._engage()
        self._visitor.rest(2.0)
        try:
            studio.workers.send("control", Message(name="cut_wire", values={"motor": motor, "cut": True}))
            self._reach(PairState.FAULT)
            self._visitor.rest(2.0)
            self._picture("fault")
        finally:
            studio.workers.send("control", Message(name="cut_wire", values={"motor": motor, "cut": False}))
        self._visitor.rest(0.5)
        self._visitor.key(Qt.Key.Key_C, Qt.KeyboardModifier.ShiftModifier)
        self._visitor.wait("the fault is cleared", lambda: studio.state.link.worst is not PairState.FAULT, 10.0)

    def _aligning(self) -> None:
        """A leader is held away from its follower while the motors are off; the follower is seen on its way."""
        view, arms, seen = view_of(self._panel), self.window.studio.arms, [False]
        for side in (1.0, -1.0, 1.0, -1.0):
            arms.disable()
            self._reach(PairState.DISABLED)
            away_m = view.hand_position_m(0) + np.array([0.0, side * 0.12, 0.08])
            self._visitor.drag_hand(view, 0, [away_m], arrived=lambda: seen.__setitem__(0, self._engage_apart()))
            if seen[0]:
                return
        raise VisitError("The arms were never seen aligning.")

    def _engage_apart(self) -> bool:
        """Press E; whether the picture was taken while the follower was on its way."""
        panel, link = self._panel, self.window.studio.state.link
        self._visitor.wait("the arms are apart", lambda: panel._apart_m() > 0.06, 20.0)
        self._visitor.key(Qt.Key.Key_E)
        while link.worst is PairState.DISABLED:
            self._visitor.rest(0.01)
        if link.worst is PairState.ALIGNING:
            panel.tick(time.monotonic())
            super()._picture("aligning")
        return link.worst is PairState.ALIGNING and panel.overlay.wait.isVisible()

    def _schemes(self) -> None:
        """Each of the other laws while the left hand presses, then a scaled motion and an open clutch."""
        desk, view = self._model.coupling, view_of(self._panel)

        def held() -> None:
            for scheme, name in SCHEMES.items():
                self._choose_scheme(scheme)
                self._settle()
                self._picture_engaged(f"scheme-{name}", self._is_there)
            self._choose_scheme(1)
            desk.set(motion_scale=1.5, leader_share=0.5)
            self._settle()
            self._picture_engaged("motion-scale")
            desk.set(motion_scale=1.0, leader_share=1.0)
            self._picture_engaged("clutch-open", self._open_clutch)
            desk.close_clutch()
            self._settle()

        self._engage()
        self._press_box(view, held)

    def _choose_scheme(self, scheme: int) -> None:
        self._stay_engaged()
        self._visitor.wait("the page of driving", lambda: self._panel.pages.currentIndex() == 1, 10.0)
        self._visitor.click(list(self._panel.run.coupling.schemes.buttons.values())[scheme - 1])

    def _is_there(self) -> bool:
        """Control has what was asked."""
        self._stay_engaged()
        record = self._model.situation.record
        return record is not None and self._model.coupling.is_there(record)

    def _open_clutch(self) -> bool:
        """By its key; a hold closes it."""
        self._stay_engaged()
        if not self._model.coupling.clutch_open:
            self._visitor.key(Qt.Key.Key_C)
            self._visitor.rest(0.6)
        return self._model.coupling.clutch_open and self._is_there()

    def _settle(self) -> None:
        self._visitor.wait("control has what was asked", self._is_there, 20.0)
        self._visitor.rest(1.0)

    def _session(self) -> None:
        """The count-down before a take, and the rest after a block; the block is seconds long here."""
        visitor, recording, model = self._visitor, self.window.studio.state.recording, self._model
        self._engage()
        model.clock = type(model.clock)(_BLOCK_S, model.config.blocks)
        if not model.counts_down:
            model.toggle_count_down()
        visitor.key(Qt.Key.Key_R)
        visitor.wait("the count-down", self._panel.overlay.wait.isVisible, 3.0)
        visitor.rest(0.3)
        self._picture("countdown")
        visitor.wait("a block is played", lambda: recording.on and recording.seconds > _BLOCK_S + 0.5, 60.0)
        visitor.key(Qt.Key.Key_R)
        visitor.wait("the rest", lambda: not recording.on and model.clock.resting, 20.0)
        visitor.rest(2.5)
        self._picture("session-break")
        model.toggle_count_down()

    def _lost(self) -> None:
        """The control process is killed: everything shown is of before."""
        self._engage()
        os.kill(self.window.session.supervisor.pid("control"), signal.SIGKILL)
        link = self.window.studio.state.link
        self._visitor.wait("the link is lost", lambda: not link.connected, 20.0)
        self._visitor.rest(2.5)
        self._picture("lost")

    def _reach(self, state: PairState) -> None:
        link = self.window.studio.state.link
        self._visitor.wait(state.name.lower(), lambda: link.worst is state, 20.0)
        self._visitor.rest(1.0)


class DeadManAlbum(TeleopAlbum):
    """With a robot whose dead-man is not latched: as it is with real arms, Space must stay down."""

    def works(self) -> tuple[Callable[[], None], ...]:
        return (self._free,)

    def _free(self) -> None:
        visitor, window = self._visitor, self.window
        link = window.studio.state.link
        visitor.open("teleop")
        visitor.wait("the control loop runs", lambda: link.connected, 60.0)
        visitor.wait("the workers run", lambda: link.workers_alive >= 3, 60.0)
        visitor.rest(2.0)
        self._picture("no-dead-man")
        self._engage()
        QTest.keyRelease(window, Qt.Key.Key_Space)
        self._reach(PairState.HOLDING)
        self._picture("dead-man-let-go")

    def _engage(self) -> None:
        """Space down, then E; from the beginning when the window came late, as a person would."""
        link = self.window.studio.state.link
        for _ in range(10):
            QTest.keyRelease(self.window, Qt.Key.Key_Space)
            self._visitor.rest(0.3)
            QTest.keyPress(self.window, Qt.Key.Key_Space)
            self._visitor.rest(0.3)
            self._visitor.key(Qt.Key.Key_E)
            try:
                self._visitor.wait("engaged", lambda: link.worst is PairState.ENGAGED, 4.0)
            except VisitError:
                continue
            return
        raise VisitError("The arms did not engage with Space held.")


def take_teleop(options: AlbumOptions, theme: str) -> Album:
    """All pictures of one theme; a second window for the dead-man ones.

    Args:
        options: `out` is the folder for these pictures, `settings` lies in a folder of this run.
    """
    place = options.settings.parent
    album = TeleopAlbum(replace(options, robot=str(_copy_robot(place / "patient"))), theme)
    album.take()
    if theme == "dark":
        robot = _copy_robot(place / "unlatched", ("dead_man_latched = true", "dead_man_latched = false"))
        again = DeadManAlbum(replace(options, robot=str(robot)), theme)
        again.take()
        album.pictures += again.pictures
        album.failures += again.failures
    return album


def _copy_robot(folder: Path, *changes: tuple[str, str]) -> Path:
    """The shipped robot, patient with a window that draws in software and comes late; and other words in its file."""
    shutil.copytree(resources_dir() / "robots" / "dual_arm_ak60", folder, dirs_exist_ok=True)
    file = folder / "robot.toml"
    text = file.read_text(encoding="utf-8")
    for before, after in (*_PATIENCE, *changes):
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    return folder
