"""From a click on the table to moving arms: goal, Deploy, plans on the screen, Hold, and a planner that is killed."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.app.window import StudioWindow
from studio.core.records import Driver, PairState
from tests.app.windows import wait_until
from tests.patience import PATIENCE_S
from tests.planning.random_model import save_random_bundle


def test_a_clicked_goal_is_planned_for_drawn_and_driven_to(studio_window: StudioWindow, qtbot: QtBot) -> None:
    """The weights are random, so the arms move without skill; everything else is as it will be."""
    window, studio = studio_window, studio_window.studio
    save_random_bundle(studio.project.folder("bundles") / "random-skills")
    model: Any = window.host.load("deploy")
    for name, value in (("samples", 32), ("stages", 4), ("passes", 1), ("hold_after_windows", 20)):
        model.set_setting(name, value)  # small enough for a machine that does other things as well
    window.navigate("goals")
    goals: Any = window.panel("goals")
    qtbot.wait(400)
    wanted = np.array([0.06, 0.08, 0.0])
    place = goals.view.to_pixel(wanted).toPoint()
    QTest.mouseClick(goals.view.canvas.surface, Qt.MouseButton.LeftButton, pos=place)
    np.testing.assert_allclose(np.array(goals.model.pose.position_m())[:2], wanted[:2], atol=0.006)
    QTest.keyClick(window, Qt.Key.Key_Return)
    wait_until(qtbot, lambda: studio.state.screen == "deploy", what="Deploy is open")
    deploy: Any = window.panel("deploy")
    assert studio.goal.goal is not None

    follower = studio.streams.follow("control")
    follower.read()  # from now on; the ring holds 8 s
    _drive(window, qtbot, deploy)
    records = follower.read()
    follower.close()
    wait_until(qtbot, lambda: len(deploy.view.canvas.still_lines.blocks) > 3, what="rollouts, plan and goal are drawn")
    assert records is not None
    driven = records[records["driver"] == int(Driver.PLANNER)]
    assert len(driven) > 20 and (driven["plan_id"] > 0).any()
    travel_rad = np.ptp(driven["follower_position_rad"], axis=0).max()
    assert travel_rad > 0.01, f"the arms moved {travel_rad:.4f} rad"
    assert deploy.side.latency.text() != "–" and deploy.distance.items[0].getData()[0] is not None

    os.kill(window.session.supervisor.pid("planner"), signal.SIGKILL)
    wait_until(qtbot, lambda: not deploy.model.deployed, what="the death is noticed")
    assert deploy.side.problem.text() == "Planner ended. Arms hold. Start again."
    wait_until(qtbot, lambda: studio.state.link.worst is not PairState.ENGAGED, what="the arms hold")
    assert not studio.workers.alive("planner") and window.isVisible()


def _drive(window: StudioWindow, qtbot: QtBot, deploy: Any) -> None:
    """Until the planner has driven for a while; Deploy again when this busy machine made the arms hold."""
    link = window.studio.state.link
    engaged = 0
    end_s = time.monotonic() + 2 * PATIENCE_S
    while time.monotonic() < end_s:
        qtbot.wait(50)
        engaged += link.worst is PairState.ENGAGED and link.driver is Driver.PLANNER
        if engaged >= 20:
            return
        if not deploy.model.deployed:
            window.studio.commands.run("deploy.deploy")
            qtbot.wait(300)
        elif link.worst is PairState.HOLDING and deploy.model.reason == "running":
            window.studio.arms.engage()
            qtbot.wait(300)
    texts = [notice.text for notice in window.studio.notices.items]
    raise AssertionError(f"the planner did not drive: {link.text}, policy says {deploy.model.reason!r}, {texts}")
