"""The teleoperation screen: band, 3-D view with forces, curves, and at the right what the state calls for."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from plugins.teleop.felt import FELT, felt_forces_n, joint_torques_nm
from plugins.teleop.model import TeleopModel
from plugins.teleop.pages import IdlePage, RunFoot, RunPage
from plugins.teleop.panel_fault import FaultPage
from plugins.teleop.panel_feel import FeelCard
from plugins.teleop.panel_overlay import Overlay
from plugins.teleop.words import dead_man_words, joint_words
from studio.app.api import StudioApi
from studio.app.graphics import draws_in_software
from studio.app.pace import Pace
from studio.app.widgets import scene_mesh
from studio.app.widgets.band import StateBand
from studio.app.widgets.control import IconButton
from studio.app.widgets.plots import Curve, LivePlot
from studio.app.widgets.scene3d import RobotView
from studio.app.widgets.scroll import PageScroll
from studio.core.records import PairState
from studio.robot.geometry import tip_of_arm

PANEL_WIDTH_PX = 324
CURVES_HEIGHT_PX = 220


class TeleopPanel(QWidget):
    def __init__(self, studio: StudioApi, model: TeleopModel) -> None:
        super().__init__()
        self.studio, self.model = studio, model
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setProperty("ground", "1")
        self._control = studio.streams.follow("control")
        self._leader_tips_m = self._follower_tips_m = np.zeros((studio.robot.pairs, 3))
        self._fault_shown = False
        self._silent_s = studio.robot.timeouts.motor_dead_ticks / studio.robot.loop_rate_hz
        self._curve_pace, self._number_pace, self._state_pace = Pace(30), Pace(10), Pace(4)
        self._takes_turns, self._view_turn = draws_in_software(), False
        self._view_pace = Pace(self.view_rate_hz())

    # ---- construction --------------------------------------------------------------------------------------------

    def build(self) -> Iterator[None]:
        """Part by part; between two parts the window takes a turn."""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.band = StateBand()
        column.addWidget(self.band)
        yield
        row = QHBoxLayout()
        row.setSpacing(0)
        column.addLayout(row, 1)
        row.addWidget((yield from self._make_centre()), 1)
        self.side = yield from self._make_side()
        row.addWidget(self.side)
        yield
        self._connect()
        self._show_state()

    def _make_centre(self) -> Generator[None, None, QWidget]:
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.view = RobotView(self.studio.robot, self.studio.task)
        column.addWidget(self.view, 1)
        self.overlay = Overlay(self.view, self.model)
        yield
        if self.view.works:
            self.sound_button = IconButton("sound", "Force sound on or off", checkable=True)
            self.sound_button.clicked.connect(lambda: self.studio.commands.run("teleop.sound"))
            self.view.add_button(self.sound_button)
            self.view.full_button.clicked.connect(self.toggle_panels)
        column.addWidget((yield from self._make_curves()))
        return centre

    def _make_curves(self) -> Generator[None, None, QWidget]:
        self.curves_frame = QFrame()
        self.curves_frame.setFixedHeight(CURVES_HEIGHT_PX)
        box = QVBoxLayout(self.curves_frame)
        box.setContentsMargins(16, 10, 2, 2)
        box.setSpacing(2)
        robot = self.studio.robot
        hands = [Curve(name="Left", colour="cat.1"), Curve(name="Right", colour="cat.5")]
        self.force_plot = LivePlot(
            "Contact force",
            "N, both hands, last 10 s",
            hands,
            smallest=10.0,
            bottom_axis=False,
            rate_hz=robot.loop_rate_hz,
        )
        yield
        sides = [
            Curve(name="Follower", colour="side.follower"),
            Curve(name="Leader", colour="side.leader", dashed=True),
        ]
        self.torque_plot = LivePlot(
            "Joint torque", "", sides, smallest=2.0, signed=True, rate_hz=robot.loop_rate_hz, channels=2 * robot.joints
        )
        box.addWidget(self.force_plot, 10)
        box.addWidget(self.torque_plot, 11)
        self._choose_joint(1)
        yield
        return self.curves_frame

    def _make_side(self) -> Generator[None, None, QFrame]:
        side = QFrame()
        side.setProperty("frame", "panel")
        side.setFixedWidth(PANEL_WIDTH_PX)
        box = QVBoxLayout(side)
        box.setContentsMargins(0, 0, 0, 0)
        self.idle, self.run = IdlePage(self.model), RunPage(self.model)
        yield from self.idle.build()
        yield
        yield from self.run.build()
        yield
        self.fault = FaultPage(self.model)
        yield
        self.pages = QStackedWidget()
        for page in (self.idle, self.run, self.fault):
            page.setMaximumWidth(PANEL_WIDTH_PX)
            self.pages.addWidget(PageScroll(page, clear=True))
            yield
        self.feel = FeelCard(self.model)
        box.setSpacing(0)
        yield
        box.addWidget(self.feel)
        box.addWidget(self.pages, 1)
        self.foot = RunFoot(self.model)
        self.foot.hide()
        box.addWidget(self.foot)
        yield
        return side

    def _connect(self) -> None:
        run = self.studio.commands.run
        self.band.record_pressed.connect(lambda: run("teleop.record"))
        self.view.hand_dragged.connect(self._drag_hand)
        self.run.torque_bars.joint_chosen.connect(self._choose_joint)
        events = self.studio.state.link.events
        for signal in (events.worst, events.driver, events.connected, self.studio.state.recording.events.on):
            signal.connect(self._show_news)
        self.model.sound_changed.connect(self._show_sound)
        self.model.incident_changed.connect(self._show_fault)
        self.fault.see.clicked.connect(self._see_fault)

    # ---- input ---------------------------------------------------------------------------------------------------

    def _drag_hand(self, pair: int, target_m: Any, active: bool) -> None:
        self.model.player.stop()  # the person's hand wins over a take's
        self.studio.input.set_hand(pair, target_m, active)

    def _choose_joint(self, joint: int) -> None:
        self.torque_plot.show_channels((joint, self.studio.robot.joints + joint))
        self.torque_plot.set_note(f"N·m, {joint_words(self.studio.robot.joint_names[joint], joint)}")

    def _show_sound(self, on: bool) -> None:
        if self.view.works:
            self.sound_button.setChecked(on)
            late = f", {1000 * self.model.sound.latency_s:.0f} ms behind" if on else ""
            self.sound_button.setToolTip(f"Force sound on or off{late}")

    def toggle_panels(self) -> None:
        """Fold or unfold curves and side panel."""
        shown = self.side.isVisible()
        self.side.setVisible(not shown)
        self.curves_frame.setVisible(not shown)

    def set_view(self, index: int) -> None:
        self.view.set_view(("Front", "Top", "Left", "Free")[index % 4])

    def moves_robot(self) -> bool:
        return True

    def open(self, take: str = "") -> None:
        """Load a take that is to be felt; it moves nothing before the arms are engaged and Feel it is pressed."""
        if take:
            self.model.player.load(Path(take))
            self.feel.refresh()

    def hidden(self) -> None:
        """Leaving the screen lets go of the hands; the window releases the dead-man."""
        self.model.count_down.cancel()
        self.model.player.stop()
        self.model.sound.silence()
        for pair in range(self.studio.robot.pairs):
            self.studio.input.set_hand(pair, self._leader_tips_m[pair], False)

    # ---- showing -------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Called by the window's timer while the screen is visible."""
        self._take_records()
        self.model.tick(now_s)
        self._view_turn = not self._view_turn or not self._takes_turns
        if self._view_turn and self._view_pace.due(now_s):
            self._show_scene()
        if self._view_turn and self._takes_turns:
            return  # scene and curves in turns: the heartbeat comes between them, however slow the machine is
        if self._curve_pace.due(now_s):
            self._draw_curves()
        if self._number_pace.due(now_s):
            self._show_numbers()
        if self._state_pace.due(now_s):
            self.idle.show_gate(None if self.model.situation.stale else self._record, self._apart_m())
            self._show_state()

    def _take_records(self) -> None:
        records = self._control.read()
        situation, sound = self.model.situation, self.model.sound
        if records is not None and len(records):
            self.model.take_records(records)
            t_s = records["t_ns"] * 1e-9
            forces_n = felt_forces_n(records)
            self.force_plot.append(t_s, forces_n)
            self.torque_plot.append(t_s, joint_torques_nm(records, self._silent_s))
            sound.set_force(forces_n[-1], situation.age_s or 0.0)
        situation.look()
        if situation.stale:
            sound.silence()

    @property
    def _record(self) -> np.ndarray | None:
        return self.model.situation.record

    @staticmethod
    def view_rate_hz() -> float:
        """Drawing in software takes a third of a core at 30 Hz; more would come out of the loop's share."""
        return 30.0 if draws_in_software() else 60.0

    def _show_scene(self) -> None:
        pose = self.studio.streams.latest("object_pose.world")
        if pose is not None:
            self.view.set_object(pose["position_m"], pose["orientation_xyzw"])
        record, robot = self._record, self.studio.robot
        if record is None:
            return
        leader = scene_mesh.arm_transforms(robot, record["leader_position_rad"])
        follower = scene_mesh.arm_transforms(robot, record["follower_position_rad"])
        self._leader_tips_m = scene_mesh.tips_from_transforms(robot, leader)
        self._follower_tips_m = scene_mesh.tips_from_transforms(robot, follower)
        self.view.set_arms(record["follower_position_rad"])
        self.model.leader_tips_m = self._leader_tips_m
        failed = (record["pair_state"] == int(PairState.FAULT)).any()
        self.view.set_leader(None if failed else self._leader_tips_m)
        for pair in range(robot.pairs):
            felt = int(record["pair_state"][pair]) in FELT  # with motors off, the estimate sees the sagging arm
            force_n = record["contact_force_n"][pair] if felt else np.zeros(3)
            self.view.set_force(pair, self._follower_tips_m[pair], force_n)

    def _apart_m(self) -> float:
        """Between a leader's hand and its follower's, the farther pair, in the newest record."""
        if self._record is None:
            return 0.0
        leader_m, follower_m = (self._tips_m(f"{side}_position_rad") for side in ("leader", "follower"))
        return float(np.linalg.norm(leader_m - follower_m, axis=-1).max())

    def _tips_m(self, field: str) -> np.ndarray:
        """Hands [pairs, 3] of a side in the newest record."""
        assert self._record is not None
        robot, joints = self.studio.robot, self.studio.robot.joints_per_arm
        q_rad = self._record[field].reshape(robot.pairs, joints).tolist()
        bases = robot.arm_bases_m
        return np.array([tip_of_arm(bases[pair], robot.link_lengths_m, q) for pair, q in enumerate(q_rad)])

    def _draw_curves(self) -> None:
        newest_s, situation = self.force_plot.history.newest_s, self.model.situation
        if newest_s is None:
            return
        shown_s = newest_s + (situation.age_s or 0.0 if situation.stale else 0.0)  # without records, curves run out
        self.force_plot.redraw(shown_s)
        self.torque_plot.redraw(shown_s)

    def _show_numbers(self) -> None:
        recording = self.studio.state.recording
        count_down = self.model.count_down
        if recording.on or not count_down.running:
            self.band.take.set_take(recording.clock, f"episode {recording.episode}")
        now_s = time.monotonic()
        self.band.take.set_count_down(count_down.left_s(now_s) if count_down.running else None)
        self.feel.refresh()
        self.idle.show_session()
        self.overlay.show_wait(now_s)
        self.overlay.place()
        record, stale = self._record, self.model.situation.stale
        if record is None:
            return
        forces_n = felt_forces_n(np.asarray(record)[None])[0]
        self.overlay.show_forces(np.full_like(forces_n, np.nan) if stale else forces_n)
        apart_m = self._apart_m()
        if self.pages.currentIndex() == 1:
            self.run.show_numbers(record, apart_m)
            self.foot.show_numbers(apart_m)
        elif self.pages.currentIndex() == 0:
            self.idle.show_coupling(record, stale)

    def _show_news(self, *_: Any) -> None:
        """A state has changed: with the records that say why."""
        self._take_records()
        if not self.isVisible():
            self.model.sound.silence()  # nobody ticks a hidden screen, so no later force would end the tone
        self._show_state()

    def _show_state(self) -> None:
        band = self.model.band(self._record)
        self.band.set_state(band.state, band.word, band.fact, band.following)
        link, recording = self.studio.state.link, self.studio.state.recording
        moving = link.worst in (PairState.ENGAGED, PairState.ALIGNING)
        self.band.show_take(recording.on, can_record=moving and not self.model.others_drive())
        page = 2 if link.worst is PairState.FAULT else 1 if moving else 0
        if self.pages.currentIndex() != page:
            self.pages.setCurrentIndex(page)
        self.foot.setVisible(page == 1)
        self.overlay.show_cards(link.connected and link.worst in FELT)
        robot, stale = self.studio.robot, self.model.situation.stale
        self.band.dead_man.setVisible(self._record is not None)
        self.band.dead_man.set_state(*dead_man_words(link.dead_man, bool(robot.dead_man_latched), stale))
        self._show_hint(link.worst is PairState.DISABLED and link.connected)
        self._show_fault()
        self.idle.show_engage()

    def _show_hint(self, shown: bool) -> None:
        words = "Drag a hand once engaged" if shown else ""
        self.view.set_note("hint", words, self._leader_tips_m[0] - [0, 0, 0.02], below=True)

    def _show_fault(self) -> None:
        incident = self.model.watch.incident
        if incident is None or self._record is None:
            if self._fault_shown:
                self._end_fault()
            return
        if not self._fault_shown:
            self._fault_shown = True
            if incident.joint >= 0:
                self._choose_joint(incident.joint)
            self._mark_fault(incident.fault_ns * 1e-9, "fault, 2 s before kept at full rate")
            self.fault.begin(incident)
        if incident.joint >= 0:
            name = self.studio.robot.joint_names[incident.joint]
            self.view.set_fault(frozenset({incident.joint}))
            over = self.view.joint_position_m(incident.joint) + np.array([0.0, 0.0, 0.08])  # the ring stays free
            self.view.set_note("fault", f"{name} · {self.fault.reason(incident.code)}", over, "fault")
        self.fault.show_steps(self._record, incident)
        self.fault.show_incident(incident)

    def _end_fault(self) -> None:
        self._fault_shown = False
        self.fault.see.setChecked(False)
        self._see_fault()
        self._mark_fault(None, "")
        self.view.set_fault(frozenset())
        self.view.set_note("fault", "")

    def _see_fault(self) -> None:
        """The curves stand still on the 2 s before the fault, or live again."""
        incident = self.model.watch.incident
        seen = self.fault.see.isChecked() and incident is not None
        self.fault.see.set_words("Live again" if seen else "See the 2 s", "chart")
        if incident is not None and seen:
            t_s = (incident.records["t_ns"] - incident.fault_ns) * 1e-9
            self.force_plot.show_still(t_s, felt_forces_n(incident.records))
            self.torque_plot.show_still(t_s, joint_torques_nm(incident.records, self._silent_s))
        else:
            self.force_plot.show_live()
            self.torque_plot.show_live()
        self.force_plot.set_note("N, both hands, " + ("2 s before the fault" if seen else "last 10 s"))

    def _mark_fault(self, at_s: float | None, words: str) -> None:
        self.force_plot.set_fault(at_s, words)
        self.torque_plot.set_fault(at_s, "")

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self.overlay.place()


def make_panel(studio: StudioApi, model: TeleopModel) -> Generator[None, None, TeleopPanel]:
    panel = TeleopPanel(studio, model)
    yield from panel.build()
    return panel
