"""The deploy screen: rollouts, plan and goal in 3-D, the planner at the right, errors against their limits below."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel

from plugins.deploy.attempt import goal_errors, predicted_errors
from plugins.deploy.model import DeployModel
from plugins.deploy.side import SidePanel
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property, theme
from studio.app.widgets.bars import RampBar
from studio.app.widgets.plots import LimitPlot
from studio.app.widgets.scene_screen import SceneScreen, Steps, in_steps

CURVES_HEIGHT_PX = 212


class DeployPanel(SceneScreen):
    side: SidePanel

    def __init__(self, studio: StudioApi, model: DeployModel) -> None:
        super().__init__(studio)
        self.model = model
        self._plans = studio.streams.follow("plan")
        self._plan: np.ndarray | None = None
        self._pose: np.ndarray | None = None
        self._deployed = False
        self._view_pace, self._curve_pace, self._number_pace = Pace(30), Pace(10), Pace(10)

    # ---- construction --------------------------------------------------------------------------------------------

    def make_below(self) -> Steps:
        frame = QFrame()
        set_property(frame, "frame", "bar")
        frame.setFixedHeight(CURVES_HEIGHT_PX)
        row = QHBoxLayout(frame)
        row.setContentsMargins(16, 10, 2, 2)
        row.setSpacing(14)
        task = self.studio.task
        millimetres, degrees = 1000 * task.position_tolerance_m, float(np.degrees(task.orientation_tolerance_rad))
        self.distance = LimitPlot("Distance to goal", f"mm · success below {millimetres:.0f}", smallest=100.0)
        yield
        self.turn = LimitPlot("Turn to goal", f"° · success below {degrees:.0f} · dashed: predicted", smallest=50.0)
        self.distance.set_limit(millimetres)
        self.turn.set_limit(degrees)
        row.addWidget(self.distance)
        row.addWidget(self.turn)
        return frame

    def make_side(self) -> Steps:
        side = SidePanel(self.model)
        yield from side.build()
        return side

    def connect_parts(self) -> None:
        self._add_legend()
        self.model.attempt_began.connect(self._begin_attempt)
        self.model.changed.connect(self._show_goal)
        self.studio.goal.changed.connect(self._show_goal)
        self._show_goal()

    def _add_legend(self) -> None:
        far, near, plan = QLabel("far from goal"), QLabel("near"), QLabel("plan")
        line = QFrame()
        line.setFixedSize(16, 3)
        for label in (far, near, plan):
            set_property(label, "type", "small")
        plan.setStyleSheet("font-weight: 600;")
        self.caption.add((far, RampBar(), near, line, plan))

        def recolour() -> None:
            line.setStyleSheet(f"background: {theme().hex('scene.goal')};")

        theme().follow(line, recolour)
        recolour()

    # ---- window --------------------------------------------------------------------------------------------------

    def open(self, start: bool = False, goals: list[str] | None = None, bundle: str = "") -> None:
        """From the goals screen: start with the goal that is set, or with a row of kept goals; from Train: a bundle."""
        self.model.read_bundles()
        if bundle and self.studio.bundles.choose_path(bundle):
            self.model.changed.emit()
        latched = self.studio.robot.dead_man_latched
        if not latched and (start or goals):
            held = self.studio.input.dead_man_name
            self.studio.notices.info(f"Hold {held} and press Deploy: a real robot never moves without it.")
        if goals:
            self.model.run_goals(goals, start=latched)
        elif start and latched:
            self.studio.commands.run("deploy.deploy")
        self._show_goal()

    def shown(self) -> None:
        self.setFocus()
        self.model.read_bundles()

    # ---- showing -------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        self._take_plans()
        if self._view_pace.due(now_s):
            self._show_scene()
        if self._curve_pace.due(now_s):
            self._draw_curves()
        if self._number_pace.due(now_s):
            self.side.show_numbers(self._plan)
            self.caption.place()

    def _take_plans(self) -> None:
        plans = self._plans.read()
        if plans is None or not len(plans):
            return
        for plan in plans:
            self.model.see_plan(plan)
            self.side.add_plan(plan)
        plan = plans[-1]
        self._plan = plan
        if self.model.deployed:
            count = int(plan["fan_count"])
            self.view.set_fan(plan["fan_path_m"][:count], plan["fan_return"][:count])
            self.view.set_plan(plan["plan_path_m"], plan["plan_orientation_xyzw"])

    def _show_scene(self) -> None:
        pose = self.show_records(forces=True)
        self._pose = self._pose if pose is None else pose

    def _draw_curves(self) -> None:
        if self._pose is None:
            return
        self.model.watch(self._pose)
        goal = self.studio.goal.goal
        if goal is None:
            return
        distance_m, turn_rad = goal_errors(self._pose["position_m"], self._pose["orientation_xyzw"], goal)
        self._show_note(goal.name, float(distance_m), float(turn_rad))
        attempt = self.model.attempt
        if attempt is None or not attempt.times_s:
            return
        self.distance.add(attempt.times_s[-1], 1000 * attempt.distance_m[-1])
        self.turn.add(attempt.times_s[-1], float(np.degrees(attempt.turn_rad[-1])))
        times, distances, turns = self._prediction(attempt.seconds)
        self.distance.redraw((times, distances))
        self.turn.redraw((times, turns))

    def _prediction(self, now_s: float) -> tuple[Any, Any, Any]:
        goal, plan = self.studio.goal.goal, self._plan
        if plan is None or goal is None or int(plan["goal_id"]) != goal.goal_id:
            return [], [], []
        return predicted_errors(goal, plan["plan_path_m"], plan["plan_orientation_xyzw"], self.model.window_s, now_s)

    def _show_note(self, name: str, distance_m: float, turn_rad: float) -> None:
        goal = self.studio.goal.goal
        assert goal is not None
        words = f"{name or 'goal'} · {1000 * distance_m:.0f} mm, {np.degrees(turn_rad):.0f}° to go"
        self.view.set_note("goal", words, np.array(goal.position_m) + np.array([0.0, 0.0, 0.07]))

    def _begin_attempt(self) -> None:
        self._plan = None
        self.distance.begin()
        self.turn.begin()
        self.side.begin_attempt()

    def _show_goal(self) -> None:
        goal = self.studio.goal.goal
        self.view.set_goal(goal)
        if goal is None:
            self.view.set_note("goal", "")
        if self.model.deployed and not self._deployed:
            self.side.begin_deployment()
        self._deployed = self.model.deployed
        if not self.model.deployed:
            self.view.set_fan(None)
            self.view.set_plan(None)
        self.side.refresh()


def make_panel(studio: StudioApi, model: DeployModel) -> Generator[None, None, DeployPanel]:
    return in_steps(DeployPanel(studio, model))
