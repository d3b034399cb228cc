"""The tour's part in the real window: what a newcomer does, with real clicks and drags, and a picture of each step."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from PySide6.QtWidgets import QWidget

from studio.app.start import StudioOptions, install_hook, open_studio
from studio.app.visitor import VisitError, Visitor, close_window
from studio.app.widgets.scene3d import RobotView
from studio.app.window import StudioWindow
from studio.cli.tour import Tour
from studio.core.records import PairState

_DEPLOY_S = 40.0
_AFTER_TRAINING_S = 240.0  # measuring, goals, deploying, the last evaluation
_GOALS_M = ((0.06, 0.03), (0.0, -0.04))


def visit(tour: Tour) -> None:
    """Open the studio on the tour's project and walk through it."""
    options = StudioOptions(project=tour.project, settings=tour.options.out / "settings.json", theme="dark")
    window = open_studio(options)
    undo = install_hook(window)
    window.show()
    try:
        _Walk(tour, window).walk()
    finally:
        undo()
        close_window(window)


class _Walk:
    def __init__(self, tour: Tour, window: StudioWindow) -> None:
        self._tour, self._window = tour, window
        self._studio = window.studio
        self._visitor = Visitor(window, tour.options.out / "pictures")

    def walk(self) -> None:
        step = self._tour.step
        step("  Teleoperate: engage, push the box by mouse, record", self._teleoperate)
        step("  Library and replay: find the take, scrub it", self._review)
        trained = step("  Train: watch the losses", self._train)
        if trained and step("  Goals: click one on the table", self._choose_goal):
            step("  Deploy: rollouts, arms, stop", self._deploy)
        for notice in reversed(self._studio.notices.items):
            if notice.level == "fault":
                self._tour.failures.append(f"The window said: {notice.text}")

    def _picture(self, name: str, caption: str) -> None:
        self._tour.pictures.append((self._visitor.picture(name), caption))

    # Teleoperate

    def _teleoperate(self) -> None:
        visitor, studio = self._visitor, self._studio
        panel = visitor.open("teleop")
        visitor.wait("the control loop runs", lambda: studio.state.link.connected, 60.0)
        visitor.rest(2.0)
        self._picture("a-teleoperate-idle", "Ready: motors are off, two arms and the box.")
        visitor.click(visitor.button(panel, "Engage"))
        visitor.wait("the arms are engaged", lambda: studio.state.link.worst is PairState.ENGAGED, 60.0)
        visitor.click(visitor.button(panel, "Record"))
        visitor.wait("a take is recorded", lambda: studio.state.recording.on, 60.0)
        self._push(_view(panel))
        visitor.click(visitor.button(panel, "Stop take"))
        visitor.wait("the take is closed", lambda: not studio.state.recording.on, 60.0)

    def _push(self, view: RobotView) -> None:
        """Pull the left hand down behind the box and push it; the force of the hand is kept for the report."""
        box = self._studio.streams.latest("object_pose.world")
        if box is None:
            raise VisitError("The box has no pose: the world does not publish it.")
        centre = np.array(box["position_m"])
        hand = view.hand_position_m(0)
        above = centre + np.array([0.0, 0.13, 0.06])
        beside = centre + np.array([0.0, 0.11, 0.0])
        through = centre + np.array([0.0, 0.03, 0.0])
        follower = self._studio.streams.follow("control")
        follower.read()  # from here on
        self._visitor.drag_hand(view, 0, [hand + np.array([0.0, 0.02, 0.02]), above, beside, through], self._contact)
        records = follower.read()
        if records is None or not len(records):
            raise VisitError("The control loop published nothing while the hand was dragged.")
        force = np.linalg.norm(records["contact_force_n"][:, 0], axis=-1)
        moved = self._studio.streams.latest("object_pose.world")
        distance_m = float(np.linalg.norm(moved["position_m"] - centre)) if moved is not None else 0.0
        self._tour.results["push"] = {"highest_force_n": float(force.max()), "box_moved_m": distance_m}
        if distance_m < 0.005:
            raise VisitError(f"The box moved {1000 * distance_m:.0f} mm under the mouse; more than 5 mm were expected.")

    def _contact(self) -> None:
        self._picture("b-teleoperate-contact", "The left hand pushes the box; arrow, curve and number show the force.")

    # Review

    def _review(self) -> None:
        visitor = self._visitor
        visitor.open("library")
        visitor.rest(4.0)
        self._picture("d-library", "The library: the take and the play, with verdicts.")
        newest = max(self._tour.dataset.glob("*/*/episode.json"), key=lambda path: path.stat().st_mtime)
        visitor.open("replay", episode=str(newest.parent))
        visitor.rest(3.0)
        visitor.key(_qt_key("Space"))
        visitor.rest(2.0)
        visitor.key(_qt_key("Space"))
        self._picture("e-replay", "Replay: 3-D, curves and camera on one cursor.")

    # Train

    def _train(self) -> None:
        tour, visitor, studio = self._tour, self._visitor, self._studio
        visitor.open("training")
        share = min(tour.options.train_s, max(60.0, tour.left_s() - _AFTER_TRAINING_S))
        if share < tour.options.train_s:
            tour.notes.append(
                f"This machine is slow: training was cut to {share:.0f} s, to stay within the tour's time."
            )
        shares = {"stage_1": 0.45, "single": 0.05, "chains": 0.15, "stage_2": 0.15, "value": 0.2}
        settings = [f"{part}.seconds={part_share * share}" for part, part_share in shares.items()]
        run = studio.jobs.start("train", {
            "method": "haptic_play", "dataset": str(tour.dataset.resolve()), "bundle": str(tour.bundle.resolve()),
            "preset": "small", "set": settings, "seed": tour.options.seed, "title": "tour",
        })  # fmt: skip
        half_s = time.monotonic() + 0.6 * share
        visitor.wait("training reaches its middle", lambda: time.monotonic() > half_s or not run.status().active, share)
        self._picture("f-train", "Training: losses, held-out curves and the time left as a range.")
        tour.results["train"] = tour.finish_job(run, share + 180.0, pause=visitor.rest)
        tour.results["train_metrics"] = run.metrics()

    # Plan

    def _choose_goal(self) -> None:
        visitor = self._visitor
        panel = visitor.open("goals")
        visitor.rest(1.0)
        view = _view(panel)
        visitor.click_table(view, np.array([*_GOALS_M[0], 0.0]))
        visitor.rest(0.5)
        self._picture("h-goals", "A goal for the box, set by a click on the table.")

    def _deploy(self) -> None:
        visitor, studio = self._visitor, self._studio
        goals = visitor.open("goals")
        visitor.click(visitor.button(goals, "Go there"))
        visitor.wait("Deploy is open", lambda: studio.state.screen == "deploy", 30.0)
        visitor.wait("the planner drives", lambda: studio.state.link.worst is PairState.ENGAGED, 60.0)
        follower = studio.streams.follow("plan")
        follower.read()
        began_s, pictured = time.monotonic(), False
        plans: list[Any] = []
        while time.monotonic() - began_s < _DEPLOY_S:
            visitor.rest(0.2)
            records = follower.read()
            plans += [] if records is None else list(records)
            if len(plans) >= 12 and not pictured:
                self._picture("i-deploy", "The planner's rollouts, its plan, and the arms at work.")
                pictured = True
        visitor.click(self._window.stop)
        visitor.wait("stop stops", lambda: studio.state.link.worst in (PairState.STOPPED, PairState.DISABLED), 20.0)
        self._picture("i-deploy-stopped", "Stopped by the red button: motors are off.")
        self._keep(plans)

    def _keep(self, plans: list[Any]) -> None:
        """Plans of the live part, thinned, for the report."""
        if not plans:
            raise VisitError("The planner published no plan.")
        rows = [
            {
                "t_s": (int(p["t_ns"]) - int(plans[0]["t_ns"])) * 1e-9,
                "latency_ms": 1000 * float(p["latency_s"]),
                "effective_samples": float(p["effective_samples"]),
                "predicted_error_mm": 1000 * float(p["predicted_error_m"]),
                "distance_mm": 1000 * float(p["goal_position_error_m"]),
                "turn_deg": float(np.degrees(p["goal_orientation_error_rad"])),
            }
            for p in plans
        ]
        self._tour.results["deploy"] = rows


def _qt_key(name: str) -> Any:
    from PySide6.QtCore import Qt

    return getattr(Qt.Key, f"Key_{name}")


def _view(panel: QWidget) -> RobotView:
    view = panel.findChild(RobotView)
    if not isinstance(view, RobotView) or not view.works:
        raise VisitError("There is no 3-D view on this screen. Install OpenGL (on Debian: libgl1-mesa-dri).")
    return view
