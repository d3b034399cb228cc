"""Records for screen tests: a session without workers whose control, pose and plan rings are written by the test."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtWidgets import QApplication

from studio.app.api import StudioApi
from studio.app.host import PluginHost
from studio.app.project import open_project
from studio.app.session import Session
from studio.app.settings import Settings
from studio.core.paths import plugins_dir
from studio.core.records import Driver, PairState, make_control_record, make_object_pose_record, make_plan_record
from studio.core.task import load_task
from studio.ipc.ring import RingWriter
from studio.robot.description import load_robot
from tests.patience import PATIENCE_S

_FEWEST_TICKS = 10


class Feed:
    """A session folder with hand-written streams."""

    def __init__(self, path: Path) -> None:
        self.robot = dataclasses.replace(load_robot(), first_run_share=0.3)  # as on arms that can break
        self.session = Session(self.robot, load_task("move_box"), open_project(path / "project"), places=())
        self.studio = StudioApi(self.session, self.session.project, Settings(path / "settings.json"))
        kind = make_control_record(joints=8, pairs=2, rate_hz=400.0)
        self.control = RingWriter(self.session.ring_path("control"), kind)
        self.pose = RingWriter(self.session.ring_path("object_pose.world"), make_object_pose_record("world", 400.0))
        self.plan: RingWriter | None = None
        self.record = kind.empty()[0:1]
        self.record["leader_position_rad"] = self.record["follower_position_rad"] = self.robot.home_rad
        self.record["leader_temperature_c"] = self.record["follower_temperature_c"] = 26.0
        self.record["energy_left_j"] = 0.039
        self.record["coupling_scheme"], self.record["motion_scale"], self.record["clutch"] = 1, 1.0, 1.0
        self.record["coupling_share"] = self.robot.leader_share
        self.record["force_cutoff_hz"], self.record["disturbance_cutoff_hz"] = 20.0, 5.0
        self.pose_record = make_object_pose_record("world", 400.0).empty()[0:1]
        self.pose_record["position_m"] = (0.02, 0.03, 0.05)
        self.pose_record["orientation_xyzw"] = (0.0, 0.0, 0.2, 0.98)

    def set_state(self, state: PairState, driver: Driver = Driver.NOBODY) -> None:
        self.record["pair_state"] = int(state)
        self.record["driver"] = int(driver)

    def write(self, count: int = 1, *, end_ns: int | None = None) -> None:
        """`count` records, the last one now."""
        end_ns = end_ns or time.monotonic_ns()
        for index in range(count):
            self.record["t_ns"] = end_ns - (count - 1 - index) * 2_500_000
            self.control.write(self.record[0])
        self.pose_record["t_ns"] = end_ns
        self.pose.write(self.pose_record[0])
        self.session.poll()

    def open_plan(self, *, stages: int = 10, fan: int = 140) -> np.ndarray:
        kind = make_plan_record(skill_size=8, stages=stages, fan=fan)
        self.plan = RingWriter(self.session.ring_path("plan"), kind)
        return kind.empty()[0:1]

    def close(self) -> None:
        self.session.state.recording.on = False
        self.studio.close()
        for ring in (self.control, self.pose, self.plan):
            if ring is not None:
                ring.close()
        self.session.close()


def make_screen(feed: Feed, screen: str) -> tuple[PluginHost, Any, Any]:
    """The plugin host with all commands, the model and the panel of a screen (shown by the caller)."""
    host = PluginHost([(plugins_dir(), "the plugins folder")], feed.studio, entry_points=False)
    host.add_commands()
    panel = host.make_panel(screen)
    assert panel is not None, host.plugins[screen].failure
    return host, host.plugins[screen].model, panel


def run(feed: Feed, panel: Any, seconds: float = 0.4) -> None:
    """Write records and tick the panel as the window would; on a busy machine longer, so that everything had a turn."""
    end_s, ticks = time.monotonic() + seconds, 0
    while time.monotonic() < end_s or ticks < _FEWEST_TICKS:
        feed.write()
        panel.tick(time.monotonic())
        QApplication.processEvents()
        time.sleep(0.01)
        ticks += 1


def connect(feed: Feed, panel: Any) -> None:
    """Until the window knows the loop and the panel has seen it."""
    end_s = time.monotonic() + PATIENCE_S
    while not feed.studio.state.link.connected:
        assert time.monotonic() < end_s, "the control stream was not found"
        run(feed, panel, 0.1)
    run(feed, panel, 0.6)
