"""The skills screen: what each skill would do, in 3-D and as a table; below, what was predicted and what happened."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from plugins.skills.execution import Execution
from plugins.skills.model import COUNT_MAX, STAGES_MAX, SkillsModel
from plugins.skills.rows import SkillTable
from plugins.skills.skill import Skill
from studio.app.api import StudioApi
from studio.app.pace import Pace
from studio.app.theme import set_property
from studio.app.widgets.band_plot import Band, BandKey, BandPlot
from studio.app.widgets.control import ValueRow, ValueSlider, make_heading, make_line
from studio.app.widgets.scene_ghost import Ghost, SkillGhosts
from studio.app.widgets.scene_screen import (
    BundleBox,
    SceneScreen,
    ScrollPanel,
    Steps,
    command_button,
    in_steps,
    sync_button,
)
from studio.core.geometry import quaternion_to_matrix, rotation_angle_rad

BELOW_PX = 244
_MOVED_M = 0.01  # since the sampling: the ghosts are no longer from here
_FACTORS = {"height_m": 1000.0, "turn_rad": float(np.degrees(1.0)), "moved_m": 1000.0}


class SkillsPanel(SceneScreen):
    side: ScrollPanel

    def __init__(self, studio: StudioApi, model: SkillsModel) -> None:
        super().__init__(studio)
        self.model = model
        self._poses, self._control = studio.streams.follow("object_pose.world"), studio.streams.follow("control")
        self._view_pace, self._slow_pace = Pace(30), Pace(4)

    # ---- construction --------------------------------------------------------------------------------------------

    def connect_parts(self) -> None:
        self.ghosts = SkillGhosts(self.view)
        self.model.changed.connect(self.refresh)
        self.model.executed.connect(self._show_executions)
        self.refresh()

    def make_below(self) -> Steps:
        frame = QFrame()
        set_property(frame, "frame", "bar")
        frame.setFixedHeight(BELOW_PX)
        column = QVBoxLayout(frame)
        column.setContentsMargins(16, 10, 8, 6)
        column.setSpacing(6)
        head = QHBoxLayout()
        title = QLabel("Predicted against actual")
        set_property(title, "type", "strong")
        self.executed = QLabel("")
        set_property(self.executed, "type", "small")
        set_property(self.executed, "tone", "2")
        head.addWidget(title)
        head.addSpacing(10)
        head.addWidget(self.executed)
        head.addStretch(1)
        self.band_key = BandKey()
        head.addWidget(self.band_key)
        column.addLayout(head)
        row = QHBoxLayout()
        row.setSpacing(10)
        self.plots = {
            "height_m": BandPlot("Box height", "mm", smallest=80.0),
            "turn_rad": BandPlot("Box turns", "°", smallest=20.0),
            "moved_m": BandPlot("Box moves", "mm across the table", smallest=40.0),
        }
        for plot in self.plots.values():
            row.addWidget(plot)
        column.addLayout(row, 1)
        yield
        return frame

    def make_side(self) -> Steps:
        side = ScrollPanel()
        model = self.model
        caption = QLabel("Bundle")
        set_property(caption, "tone", "2")
        self.bundle_box = BundleBox(self.studio.bundles, model.choose_bundle)
        self.count = ValueSlider("How many", 1, COUNT_MAX, 1)
        self.stages = ValueSlider("Skills in a row", 1, STAGES_MAX, 1)
        self.count.set_value(model.count)
        self.stages.set_value(model.stages)
        self.count.changed.connect(lambda value: model.set_count(round(value)))
        self.stages.changed.connect(lambda value: model.set_stages(round(value)))
        self.sample = command_button(self.studio, "skills.sample", "Sample again", "S", kind="primary", icon="sample")
        yield
        self.table = SkillTable()
        self.table.chosen.connect(model.choose)
        self.empty = QLabel("")
        self.empty.setWordWrap(True)
        set_property(self.empty, "tone", "2")
        self.names_note = QLabel("Names say what the box does. Likely: share of 64 draws.")
        set_property(self.names_note, "type", "small")
        set_property(self.names_note, "tone", "3")
        side.add(caption, self.bundle_box, self.count, self.stages)
        side.column.addSpacing(6)
        side.add(self.sample, self.table, self.empty, self.names_note, make_line())
        self._add_facts(side)
        side.column.addStretch(1)
        self.do = command_button(self.studio, "skills.do", "Do skill once", "Enter", kind="main", icon="play")
        side.foot.addWidget(self.do)
        return side

    def _add_facts(self, side: ScrollPanel) -> None:
        self.facts = QWidget()
        column = QVBoxLayout(self.facts)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        heading, _ = make_heading("")
        self.fact_title = heading.findChildren(QLabel)[0]
        self.held_out, self.last, self.torque, self.inside = (
            ValueRow(words)
            for words in ("Held-out error, this bundle", "Error, done last", "Peak joint torque", "Stays inside limits")
        )
        self.limits = ValueRow("Speed and torque up to")
        for row in (heading, self.held_out, self.last, self.torque, self.inside, self.limits):
            column.addWidget(row)
        side.add(self.facts)

    # ---- window --------------------------------------------------------------------------------------------------

    def open(self, bundle: str = "") -> None:
        """From Train: with this bundle."""
        self.model.read_bundles()
        if bundle and self.studio.bundles.choose_path(bundle):
            self.model.sample_when_possible()

    def shown(self) -> None:
        self.setFocus()
        self.model.read_bundles()
        if not self.model.skills and not self.model.sampling:
            self.model.sample_when_possible()

    def hidden(self) -> None:
        """Leaving ends a skill that is being done."""
        if self.model.doing is not None:
            self.model.hold()

    def tick(self, now_s: float) -> None:
        self.model.see(self._poses.read(), self._control.read())
        if self._view_pace.due(now_s):
            pose = self.show_records(forces=True)
            self.ghosts.place()
            self._show_caption(pose)
        if self._slow_pace.due(now_s):
            self._show_buttons()

    # ---- showing -------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """After a sample, a choice, a start or an end."""
        model, skill = self.model, self.model.skill
        self.bundle_box.refresh([_bundle_words(bundle.name, bundle.metrics) for bundle in self.studio.bundles.bundles])
        self.stages.row.set_value(f"{model.stages} = {model.stages * model.window_s:.1f} s")
        self.table.show_skills(model.skills, model.chosen)
        self.table.setVisible(bool(model.skills))
        self.names_note.setVisible(bool(model.skills))
        self.empty.setText("" if model.skills else model.empty_words())
        self.empty.setVisible(not model.skills)
        self.side.show_problem(model.problem if model.skills else "")
        self._show_ghosts()
        self._show_facts(skill)
        self._show_executions()
        self._show_buttons()

    def _show_ghosts(self) -> None:
        """All skills, the chosen one with its arms; while one is done only that one, so that pictures come quicker."""
        doing = self.model.doing
        if doing is not None:
            self.ghosts.show([replace(_ghost(doing), joints_rad=np.zeros((0, 0)))], 0)
        else:
            self.ghosts.show([_ghost(skill) for skill in self.model.skills], self.model.chosen)

    def _show_buttons(self) -> None:
        model, skill = self.model, self.model.skill
        self.sample.set_words("Sampling" if model.sampling else "Sample again" if model.skills else "Sample")
        sync_button(self.studio, self.sample, "skills.sample")
        words = "Do skill once" if skill is None else f"Do skill {skill.number} once"
        self.do.set_words(f"Doing skill {model.doing.number}" if model.doing else words)
        sync_button(self.studio, self.do, "skills.do")

    def _show_facts(self, skill: Skill | None) -> None:
        model, robot = self.model, self.studio.robot
        self.facts.setVisible(skill is not None)
        if skill is None:
            return
        self.fact_title.setText(f"Skill {skill.number}, {skill.title}")
        seconds, position_mm, turn_deg = model.expected_error()
        measured = np.isfinite(position_mm)
        self.held_out.name_label.setText(f"Error after {seconds:g} s, held-out play")
        self.held_out.set_value(f"{position_mm:.0f} mm, {turn_deg:.0f}°" if measured else "not measured")
        done = model.executions_of(skill)
        self.last.set_value(_error_words(done[-1]) if done else "not done yet")
        peak_nm = f"{done[-1].peak_nm:.1f} of {robot.torque_limit_nm:g} N·m" if done else "–"
        self.torque.set_value(peak_nm)
        self.inside.set_value(skill.outside or "yes", "fair" if skill.outside else "1")
        share = self.studio.limits.share(self.studio.bundles.bundle)
        self.limits.set_value(f"{100 * share:.0f} %")
        self.limits.setToolTip(
            f"{share * robot.torque_limit_nm:.1f} N·m and {share * robot.velocity_limit_rad_s:.1f} rad/s. "
            f"{100 * robot.first_run_share:.0f} % the first time a bundle runs on this robot."
        )

    def _show_executions(self) -> None:
        skill = self.model.skill
        self.band_key.set_colour(f"cat.{skill.number}" if skill else "text.2")
        done = self.model.executions_of(skill)
        times = "once" if len(done) == 1 else f"{len(done)} times"
        self.executed.setText(f"skill {skill.number}, {f'done {times}' if done else 'not done yet'}" if skill else "")
        for name, plot in self.plots.items():
            plot.show_band(_band(skill, name, self.model.window_s), [_actual(e, name) for e in done])
        self._show_facts(skill)

    def _show_caption(self, pose: np.ndarray | None) -> None:
        model, skill = self.model, self.model.skill
        if skill is None:
            self.caption.set_text(model.empty_words())
            return
        seconds = skill.stages * model.window_s
        words = f"{len(model.skills)} skills from here, {seconds:.1f} s each ({skill.stages} in a row)"
        if model.doing is not None:
            words = f"Doing skill {model.doing.number}. H: arms hold."
        elif pose is not None and _has_moved(skill, pose):
            words = "The box has moved since. S samples from here."
        else:
            words += f". Ghosts: skill {skill.number}."
        self.caption.set_text(words)


def _has_moved(skill: Skill, pose: np.ndarray) -> bool:
    away_m = float(np.linalg.norm(pose["position_m"] - skill.position_m[0]))
    turned = quaternion_to_matrix(np.asarray(pose["orientation_xyzw"], dtype=np.float64))
    turn_rad = float(rotation_angle_rad(turned, quaternion_to_matrix(skill.orientation_xyzw[0])))
    return away_m > _MOVED_M or turn_rad > np.radians(10)


def _ghost(skill: Skill) -> Ghost:
    return Ghost(
        number=skill.number,
        path_m=skill.position_m,
        orientation_xyzw=skill.orientation_xyzw[-1],
        tips_m=skill.tips_m,
        joints_rad=skill.joints_rad,
    )


def _band(skill: Skill | None, name: str, window_s: float) -> Band | None:
    if skill is None:
        return None
    factor = _FACTORS[name]
    return Band(
        times_s=window_s * np.arange(skill.stages + 1),
        middle=factor * skill.middle[name],
        low=factor * skill.low[name],
        high=factor * skill.high[name],
        colour=f"cat.{skill.number}",
    )


def _actual(execution: Execution, name: str) -> tuple[np.ndarray, np.ndarray]:
    return execution.times_s, _FACTORS[name] * execution.measures[name]


def _error_words(execution: Execution) -> str:
    return f"{1000 * execution.error_m:.0f} mm, {np.degrees(execution.error_rad):.0f}°"


def _bundle_words(name: str, metrics: dict[str, object]) -> str:
    loss = metrics.get("loss")
    return f"{name} · held-out {loss:.2f}" if isinstance(loss, float) else name


def make_panel(studio: StudioApi, model: SkillsModel) -> Generator[None, None, SkillsPanel]:
    return in_steps(SkillsPanel(studio, model))
