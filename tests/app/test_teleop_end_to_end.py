"""The whole line through the real window: a hand dragged by mouse moves the box, is felt, recorded and replayed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.app.widgets.scene3d import RobotView
from studio.app.window import StudioWindow
from studio.core.records import Driver, PairState
from studio.data.episode import EpisodeReader
from tests.app.windows import wait_until

LEFT = slice(0, 4)
BESIDE = np.array([0.02, 0.12, 0.05])  # left of the box, which stands at x 0.02, y 0
PAST = np.array([0.02, 0.00, 0.05])
_LET_GO = (PairState.HOLDING, PairState.STOPPED, PairState.DISABLED)


def engage(window: StudioWindow, qtbot: QtBot, panel: Any) -> None:
    """Press Engage, again when this busy machine made the window late and the arms hold."""
    link, pressed_s = window.studio.state.link, [0.0]

    def engaged() -> bool:
        if link.worst is not PairState.ALIGNING and time.monotonic() - pressed_s[0] > 2.0:
            pressed_s[0] = time.monotonic()
            QTest.mouseClick(panel.idle.engage, Qt.MouseButton.LeftButton)
        return link.worst is PairState.ENGAGED

    wait_until(qtbot, engaged, what="the pair is engaged")


class Hand:
    """A mouse that has pressed on a hand's ring and pulls it about; like a person, it presses E when the arms hold."""

    def __init__(self, window: StudioWindow, view: RobotView, qtbot: QtBot, pair: int) -> None:
        self._window, self._view, self._qtbot = window, view, qtbot
        self.engaged_again = 0
        self.here = view.to_pixel(view.hand_position_m(pair)).toPoint()
        QTest.mousePress(view.canvas.surface, Qt.MouseButton.LeftButton, pos=self.here)

    def pull(self, place_m: np.ndarray, step_px: int = 3) -> None:
        """By what is seen: as far as the target is from where the ring is now, wherever on it the mouse is."""
        away = (self._view.to_pixel(place_m) - self._view.to_pixel(self._view.dragged_m)).toPoint()
        steps = max(1, max(abs(away.x()), abs(away.y())) // step_px)
        start = QPoint(self.here)
        for step in range(1, steps + 1):
            self.here = start + QPoint(away.x() * step // steps, away.y() * step // steps)
            QTest.mouseMove(self._view.canvas.surface, self.here)
            self.rest(25)

    def rest(self, milliseconds: int) -> None:
        self._qtbot.wait(milliseconds)
        link = self._window.studio.state.link
        if link.worst in _LET_GO:  # the window, or the loop, came late on a busy machine
            self.engaged_again += 1
            assert self.engaged_again < 60, [n.text for n in self._window.studio.notices.items]
            wait_until(self._qtbot, self._is_engaged_again, what="engaged again")
        wait_until(self._qtbot, lambda: link.worst is not PairState.ALIGNING, what="aligned")

    def _is_engaged_again(self) -> bool:
        if self._window.studio.state.link.worst in _LET_GO:
            QTest.keyClick(self._window, Qt.Key.Key_E)
            self._qtbot.wait(300)
        return self._window.studio.state.link.worst is PairState.ENGAGED

    def let_go(self) -> None:
        QTest.mouseRelease(self._view.canvas.surface, Qt.MouseButton.LeftButton, pos=self.here)


def read_some(window: StudioWindow, qtbot: QtBot, milliseconds: int) -> np.ndarray:
    """Control records of the next while, of the arms' time: a busy machine takes longer for it."""
    follower = window.studio.streams.follow("control")
    follower.read()
    parts: list[np.ndarray] = []

    def enough() -> bool:
        parts.append(follower.read())  # type: ignore[arg-type]
        return sum(map(len, parts)) >= milliseconds / 2.5

    wait_until(qtbot, enough, what="control records")
    follower.close()
    return np.concatenate(parts)


def apart_m(panel: Any) -> float:
    """Between the left leader's hand and the follower's."""
    return float(np.linalg.norm(panel._follower_tips_m[0] - panel._leader_tips_m[0]))


def torque_nm(records: np.ndarray) -> float:
    """Typical magnitude of the left leader's torques."""
    return float(np.linalg.norm(records["leader_torque_nm"][:, LEFT], axis=1).mean())


def box_m(window: StudioWindow) -> np.ndarray:
    pose = window.studio.streams.latest("object_pose.world")
    assert pose is not None
    return pose["position_m"].copy()


def test_a_hand_dragged_by_mouse_is_felt_recorded_and_replayed(studio_window: StudioWindow, qtbot: QtBot) -> None:
    window, studio = studio_window, studio_window.studio
    window.navigate("teleop")
    panel: Any = window.panel("teleop")
    view: RobotView = panel.view
    view.set_view("Top")  # the drag plane is level, so the hand keeps its height
    qtbot.wait(300)
    engage(window, qtbot, panel)
    assert studio.state.link.driver is Driver.OPERATOR
    wait_until(
        qtbot, lambda: panel.pages.currentIndex() == 1 and panel.overlay.cards[0].isVisible(), what="forces are shown"
    )

    QTest.keyClick(window, Qt.Key.Key_R)
    wait_until(qtbot, lambda: studio.state.recording.on, what="the take runs")
    assert panel.band.take.isVisible() and panel.band.take.on

    wait_until(qtbot, lambda: bool(panel._follower_tips_m.any()), what="the panel shows the arms")
    start_m, follower_start_m = panel._leader_tips_m.copy(), panel._follower_tips_m.copy()
    view.set_view("Front")
    hand = Hand(window, view, qtbot, 0)
    _lower(view, hand)
    hand.rest(500)
    went_m = lambda: np.linalg.norm(panel._follower_tips_m[0] - follower_start_m[0])  # noqa: E731
    wait_until(qtbot, lambda: went_m() > 0.05 or hand.rest(100), what="the follower has moved")
    wait_until(qtbot, lambda: apart_m(panel) < 0.03 or hand.rest(100), what="the follower is with the leader")
    free = read_some(window, qtbot, 400)
    assert free["hand_active"][-1].tolist() == [1, 0]
    follower_m = panel._follower_tips_m
    assert np.linalg.norm(follower_m[0] - follower_start_m[0]) > 0.05, "the follower did not move"
    assert np.linalg.norm(follower_m[0] - panel._leader_tips_m[0]) < 0.03, "the follower is not with the leader"
    sunk_m = 0.03 * hand.engaged_again  # an arm that the machine made the loop let go of sinks a little each time
    assert np.linalg.norm(follower_m[1] - follower_start_m[1]) < 0.02 + sunk_m, f"the other hand should stay, {sunk_m}"
    assert np.linalg.norm(start_m[0] - panel._leader_tips_m[0]) > 0.05

    box_before_m = box_m(window)
    hand.pull(PAST)
    hand.rest(200)
    moved = lambda: np.linalg.norm(box_m(window) - box_before_m) > 0.01 or hand.rest(100)  # noqa: E731
    wait_until(qtbot, moved, what=f"the box, which stood at {box_before_m}, is pushed")
    pressed = read_some(window, qtbot, 400)
    box_after_m = box_m(window)
    hand.let_go()
    assert np.linalg.norm(box_after_m - box_before_m) > 0.01, f"the box stayed at {box_before_m}"
    felt = f"free {torque_nm(free):.2f}, pressed {torque_nm(pressed):.2f} N·m"
    assert torque_nm(pressed) > torque_nm(free) + 0.15, felt
    force_n = np.linalg.norm(pressed["contact_force_n"][:, 0], axis=1).mean()
    free_n = np.linalg.norm(free["contact_force_n"][:, 0], axis=1).mean()
    assert force_n > free_n + 0.5, f"force free {free_n:.2f} N, pressed {force_n:.2f} N"
    assert panel.force_plot.history.newest_s is not None

    _stop_and_replay(window, qtbot, box_before_m, box_after_m)


def _lower(view: RobotView, hand: Hand) -> None:
    """Beside the box and down to its height: across in the front view, the wheel for depth."""
    for _ in range(40):
        away_m = BESIDE - view.dragged_m
        depth_m = float(away_m @ view.camera.forward())
        across_m = away_m - depth_m * view.camera.forward()
        if np.linalg.norm(away_m) < 0.006:
            return
        if abs(depth_m) > 0.005:
            at = QPointF(hand.here)
            notches = int(np.clip(round(depth_m / 0.01), -1, 1))
            QApplication.sendEvent(view.canvas.surface, QWheelEvent(
                at, view.canvas.surface.mapToGlobal(at), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
            ))  # fmt: skip
            hand.rest(25)
        step_m = across_m * min(1.0, 0.02 / max(float(np.linalg.norm(across_m)), 1e-9))
        hand.pull(view.dragged_m + step_m)  # type: ignore[union-attr]
    raise AssertionError(f"the hand did not come to {BESIDE}: {view.dragged_m}")


def _stop_and_replay(window: StudioWindow, qtbot: QtBot, before_m: np.ndarray, after_m: np.ndarray) -> None:
    studio = window.studio
    QTest.keyClick(window, Qt.Key.Key_R)
    wait_until(qtbot, lambda: studio.state.recording.episodes_closed > 0, what="the episode closes")
    path = Path(studio.state.recording.last_path)
    reader = EpisodeReader(path)
    try:
        control, pose = reader.read("control"), reader.read("object_pose.world")
        assert (control["driver"] == Driver.OPERATOR).any()
        assert control["hand_active"][:, 0].any()
        travelled_m = np.linalg.norm(pose["position_m"] - pose["position_m"][0], axis=1).max()
        facts = f"{reader.info.close_reason}, {len(pose)} poses in {reader.info.duration_s:.1f} s"
        said = [notice.text for notice in studio.notices.items]
        assert travelled_m >= 0.9 * np.linalg.norm(after_m - before_m), f"{travelled_m:.4f} m, {facts}, {said}"
    finally:
        reader.close()
    window.navigate("replay", episode=str(path))
    panel = window.panel("replay")
    replay = window.host.plugins["replay"]
    wait_until(qtbot, lambda: replay.failure is not None or replay.model.take is not None, what="the take is loaded")
    assert replay.failure is None and not replay.model.problem, replay.failure or replay.model.problem
    assert panel.isVisible() and studio.state.screen == "replay"
    assert replay.model.path == path and replay.model.duration_s > 2.0
    # leaving the screen that moves the robot lets go of the dead-man
    wait_until(qtbot, lambda: studio.state.link.worst is not PairState.ENGAGED, what="the arms hold")
