"""The deploy screen: rollouts, plan and goal in 3-D, the planner at the right, errors against their limits below."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from plugins.deploy.attempt import goal_errors, predicted_errors
from plugins.deploy.model import DeployModel
from plugins.deploy.side import SidePanel
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property, theme
from studio.app.widgets.bars import RampBar
from studio.app.widgets.plots import LimitPlot
from studio.app.widgets.scene3d import RobotView
from studio.app.widgets.scene_mesh import arm_transforms, tips_from_transforms
from studio.core.records import PairState

CURVES_HEIGHT_PX = 212


class DeployPanel(QWidget):
    def __init__(self, studio: StudioApi, model: DeployModel) -> None:
        super().__init__()
        self.studio, self.model = studio, model
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setProperty("ground", "1")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._plans = studio.streams.follow("plan")
        self._plan: np.ndarray | None = None
        self._pose: np.ndarray | None = None
        self._view_pace, self._curve_pace, self._number_pace = Pace(30), Pace(10), Pace(10)

    # ---- construction --------------------------------------------------------------------------------------------

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        studio, model = self.studio, self.model
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget((yield from self._make_centre()), 1)
        self.side = SidePanel(model)
        yield from self.side.build()
        row.addWidget(self.side)
        yield
        model.attempt_began.connect(self._begin_attempt)
        model.changed.connect(self._show_goal)
        studio.goal.changed.connect(self._show_goal)
        self._show_goal()

    def _make_centre(self) -> Generator[None, None, QWidget]:
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.view = RobotView(self.studio.robot, self.studio.task)
        self.view.hand_drag_enabled = False
        self.view.set_view("Free")
        if self.view.works:
            self.view.full_button.clicked.connect(self.toggle_panels)
        column.addWidget(self.view, 1)
        yield
        self.legend = self._make_legend()
        yield
        column.addWidget((yield from self._make_curves()))
        return centre

    def _make_legend(self) -> QFrame:
        legend = QFrame(self.view)
        legend.setObjectName("legend")
        row = QHBoxLayout(legend)
        row.setContentsMargins(10, 6, 12, 6)
        far, near, plan = QLabel("far from goal"), QLabel("near"), QLabel("plan")
        line = QFrame()
        line.setFixedSize(16, 3)
        for label in (far, near):
            set_property(label, "type", "small")
        set_property(plan, "type", "small")
        plan.setStyleSheet("font-weight: 600;")
        for part in (far, RampBar(), near, line, plan):
            row.addWidget(part)

        def recolour() -> None:
            ground = theme().colour("bg.0", theme().number("fill.view_card")).getRgb()
            legend.setStyleSheet(f"#legend {{ background: rgba{ground}; border-radius: 5px; }}")
            line.setStyleSheet(f"background: {theme().hex('scene.goal')};")

        theme().follow(legend, recolour)
        recolour()
        legend.adjustSize()
        legend.setVisible(self.view.works)
        return legend

    def _make_curves(self) -> Generator[None, None, QWidget]:
        self.curves = QFrame()
        self.curves.setFixedHeight(CURVES_HEIGHT_PX)
        row = QHBoxLayout(self.curves)
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
        yield
        return self.curves

    # ---- window --------------------------------------------------------------------------------------------------

    def open(self, start: bool = False, goals: list[str] | None = None, bundle: str = "") -> None:
        """From the goals screen: start with the goal that is set, or with a row of kept goals; from Train: a bundle."""
        self.model.read_bundles()
        paths = [str(known.path) for known in self.model.bundles]
        if bundle in paths:
            self.model.choose_bundle(paths.index(bundle))
        if not self.studio.robot.dead_man_latched and (start or goals):
            self.studio.notices.info("Hold Space and press Deploy: a real robot never moves without Space.")
            return
        if goals:
            self.model.run_goals(goals)
        elif start:
            self.studio.commands.run("deploy.deploy")
        self._show_goal()

    def shown(self) -> None:
        self.setFocus()
        self.model.read_bundles()

    def toggle_panels(self) -> None:
        shown = self.side.isVisible()
        self.side.setVisible(not shown)
        self.curves.setVisible(not shown)

    def set_view(self, index: int) -> None:
        self.view.set_view(("Front", "Top", "Left", "Free")[index % 4])

    def moves_robot(self) -> bool:
        return True

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._place_legend()

    def _place_legend(self) -> None:
        self.legend.move(10, self.view.height() - self.legend.height() - 12)

    # ---- showing -------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        self._take_plans()
        if self._view_pace.due(now_s):
            self._show_scene()
        if self._curve_pace.due(now_s):
            self._draw_curves()
        if self._number_pace.due(now_s):
            self.side.show_numbers(self._plan)
            self._place_legend()

    def _take_plans(self) -> None:
        plans = self._plans.read()
        if plans is None or not len(plans):
            return
        for plan in plans:
            self.side.add_plan(plan)
        plan = plans[-1]
        self._plan = plan
        if self.model.deployed:
            count = int(plan["fan_count"])
            self.view.set_fan(plan["fan_path_m"][:count], plan["fan_return"][:count])
            self.view.set_plan(plan["plan_path_m"], plan["plan_orientation_xyzw"])

    def _show_scene(self) -> None:
        record = self.studio.streams.latest("control")
        if record is not None:
            self.view.set_arms(record["follower_position_rad"])
            tips = tips_from_transforms(
                self.studio.robot, arm_transforms(self.studio.robot, record["follower_position_rad"])
            )
            for pair, tip in enumerate(tips):
                moving = int(record["pair_state"][pair]) in (PairState.ENGAGED, PairState.HOLDING)
                self.view.set_force(pair, tip, record["contact_force_n"][pair] if moving else np.zeros(3))
        pose = self.studio.streams.latest("object_pose.world")
        if pose is not None:
            self.view.set_object(pose["position_m"], pose["orientation_xyzw"])
            self._pose = pose

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
        if not self.model.deployed:
            self.view.set_fan(None)
            self.view.set_plan(None)
        self.side.refresh()


def make_panel(studio: StudioApi, model: DeployModel) -> Generator[None, None, DeployPanel]:
    panel = DeployPanel(studio, model)
    yield from panel.build()
    return panel
