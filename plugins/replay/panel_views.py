"""What is seen of a take: the robot in 3-D and the camera pictures, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter

from plugins.replay.model import ReplayModel
from plugins.replay.take import CameraTrack, Poses
from studio.app.api import StudioApi
from studio.app.widgets.scene3d import RobotView
from studio.app.widgets.video import VideoView
from studio.robot.geometry import tip_of_arm

_NOTE_FORCE_N = 0.5


class TakeViews(QSplitter):
    """3-D left, cameras right; what the take does not have takes no room."""

    def __init__(self, studio: StudioApi, model: ReplayModel) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._studio, self._model = studio, model
        self.setHandleWidth(1)
        self.setChildrenCollapsible(False)
        self.robot_view = RobotView(studio.robot, studio.task)
        self.robot_view.hand_drag_enabled = False
        self.column = QSplitter(Qt.Orientation.Vertical)
        self.column.setHandleWidth(1)
        self.addWidget(self.robot_view)
        self.addWidget(self.column)
        self.setStretchFactor(0, 56)
        self.setStretchFactor(1, 44)
        self.videos: dict[str, VideoView] = {}
        self._stale = True
        model.take_changed.connect(self._show_take)
        model.picture_arrived.connect(self._show_picture)
        model.cursor_changed.connect(self._forget_pose)
        self._show_take()

    def _forget_pose(self, _: float) -> None:
        self._stale = True

    @property
    def seen(self) -> bool:
        """Whether there is anything to see besides the lanes."""
        return self.robot_view.isVisibleTo(self) or bool(self.videos)

    def _show_take(self) -> None:
        take = self._model.take
        arms = take is not None and fits(take.poses, self._studio.robot)
        tracks = take.cameras if take is not None else ()
        self.robot_view.setVisible(arms)
        self.column.setVisible(bool(tracks))
        self._make_videos(tracks)
        self.setSizes([max(1, round(self.width() * 0.56)), max(1, round(self.width() * 0.44))])
        self._stale = True
        self._model.repeat_pictures()

    def _make_videos(self, tracks: tuple[CameraTrack, ...]) -> None:
        for view in self.videos.values():
            view.setParent(None)
            view.deleteLater()
        self.videos = {}
        for track in tracks:
            words = track.name.replace("_", " ").strip()
            view = VideoView(
                f"{words[:1].upper()}{words[1:]} camera · {track.rate_hz:.0f} fps"
                if "cam" not in words
                else f"{words[:1].upper()}{words[1:]} · {track.rate_hz:.0f} fps"
            )
            self.videos[track.name] = view
            self.column.addWidget(view)

    def _show_picture(self, camera: str, picture: np.ndarray | None, problem: str) -> None:
        view = self.videos.get(camera)
        if view is None:
            return
        if picture is not None:
            view.set_frame(picture)
        else:
            view.set_note("cannot be decoded")
            view.setToolTip(problem)

    def draw(self) -> None:
        """Put the robot where it is under the cursor; does nothing when the cursor has not moved."""
        take = self._model.take
        if not self._stale or take is None:
            return
        self._stale = False
        if take.box is not None:
            self.robot_view.set_object(*take.box.pose(self._model.cursor_s))
        if self.robot_view.isVisibleTo(self) and take.poses is not None:
            self._draw_arms(take.poses)

    def _draw_arms(self, poses: Poses) -> None:
        index = poses.index(self._model.cursor_s)
        view, robot = self.robot_view, self._studio.robot
        view.set_arms(poses.follower_rad[index])
        view.set_leader(tips(robot, poses.leader_rad[index]))
        followers = tips(robot, poses.follower_rad[index])
        for pair, tip_m in enumerate(followers):
            force_n = poses.force_n[index, pair]
            size_n = float(np.linalg.norm(force_n))
            view.set_force(pair, tip_m, force_n)
            text = f"{size_n:.1f} N" if size_n >= _NOTE_FORCE_N else ""
            view.set_note(f"force {pair}", text, tip_m + np.array([0.0, 0.0, 0.07]) if text else None)


def fits(poses: Poses | None, robot: Any) -> bool:
    """Whether the recorded joints are those of the robot that the window draws."""
    return poses is not None and robot is not None and poses.follower_rad.shape[1] == robot.joints


def tips(robot: Any, joints_rad: np.ndarray) -> np.ndarray:
    """Ball centres [pairs, 3] in m."""
    per_arm = robot.joints_per_arm
    arms = joints_rad.reshape(-1, per_arm).tolist()
    return np.array([tip_of_arm(b, robot.link_lengths_m, q) for b, q in zip(robot.arm_bases_m, arms, strict=True)])
